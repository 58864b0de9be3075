"""The loop: fold what came in, decide, append it all, perform, wait.

A command is performed only once its intent is durable, and what was decided in
one round is made durable together. Whatever ends the process, the next runner finds in the
journal all that was decided, and looks up the rest.

Errors:  :exc:`~fleet.errors.JournalError` ends the loop at once: nothing may be done that
         cannot be written down. What is in flight is looked up when the run is taken over.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import uuid
from collections.abc import Callable, Mapping, Sequence

from fleet import log
from fleet.core import answers, fold, judgefold, rollout, targets
from fleet.core.state import RunState
from fleet.engine.clock import Clock
from fleet.engine.nowhere import Nowhere
from fleet.engine.outcomes import Outbox, Outcome, Reported, batch_of
from fleet.engine.performer import Performer
from fleet.engine.places import Places
from fleet.engine.wavework import WaveWork
from fleet.errors import FleetError, InvariantError, LostLocksError
from fleet.model import events as e
from fleet.model.commands import Command, WaveCommand
from fleet.model.events import Actor, Event
from fleet.model.statuses import RunStatus
from fleet.ports import Batch, Clusters, Journal, Probes, Request, Service, Upkeep

Observe = Callable[[Sequence[Event], RunState], None]
"""Is shown every durable event, with the state after it."""

_SOON = dt.timedelta(minutes=1)
"""A wait that is shorter is not worth leaving for."""
_GRACE_S = 10
"""Seconds of the event loop that answers may still take after somebody asked to leave."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a runner behaves; nothing of it changes what a run does."""

    inbox_every_s: float | None = 0.5
    """How often to look for requests from other processes; ``None``: only when awake anyway."""
    gather: dt.timedelta = dt.timedelta(seconds=1)
    """The shortest time, by the run's clock, between two rounds of the loop: what comes in
    meanwhile shares one commit. An event that comes alone does not wait."""
    waits_when_paused: bool = True
    """Whether to stay and wait for ``resume``, or to leave a paused run to the next runner."""
    leaves_when_waiting: bool = False
    """Whether to leave a run to the next runner that waits for longer than a minute."""


class Runner:
    """Carries one run on, for as long as it holds its journal."""

    def __init__(  # noqa: PLR0913 - whom it works with, each by its name
        self,
        *,
        journal: Journal,
        state: RunState,
        service: Service,
        clock: Clock,
        vault: Mapping[str, str],
        settings: Settings = Settings(),
        observe: Observe = lambda _events, _state: None,
        upkeep: Upkeep | None = None,
        probes: Probes | None = None,
        clusters: Clusters | None = None,
    ) -> None:
        if state.header is None:
            message = "a run without a header cannot be carried on"
            raise InvariantError(message)
        self._journal = journal
        self._state = state
        self._clock = clock
        self._settings = settings
        self._observe = observe
        self._upkeep = upkeep
        self._places = Places(upkeep.pools if upkeep else None, state)
        self._loss: LostLocksError | None = None
        self._outbox = Outbox()
        self._asked: list[Request] = []
        self._is_leaving = False
        self._round_at = clock.now() - settings.gather
        self._performer = Performer(
            header=state.header,
            targets=state.targets,
            service=service,
            clock=clock,
            outbox=self._outbox,
            urls=journal.operations(),
            vault=vault,
            wave_work=WaveWork(
                header=state.header,
                targets=state.targets,
                service=service,
                clock=clock,
                claim=upkeep.claim if upkeep else None,
                probes=probes,
            ),
            clusters=clusters or Nowhere(),
        )

    @property
    def state(self) -> RunState:
        """The run as far as it is durable."""
        return self._state

    def ask(self, kind: str, *, actor: Actor, reason: str) -> None:
        """Ask for ``pause``, ``resume`` or ``stop`` from inside this process."""
        self._asked.append(
            Request(
                id=str(uuid.uuid4()), kind=kind, actor=actor, reason=reason, at=self._clock.now()
            )
        )
        self._outbox.ring()

    def settle_for_pause(self) -> None:
        """End this process's part once the run is paused, instead of waiting for ``resume``."""
        self._settings = dataclasses.replace(self._settings, waits_when_paused=False)

    def leave(self) -> None:
        """End this process's part soon, and leave the run to the next runner."""
        self._is_leaving = True
        self._outbox.ring()

    async def run(self) -> RunState:
        """Carry the run on to its end, a pause, or until asked to leave.

        Raises:
            AuthError: The service accepts no token any more. What is in flight goes on there, and
                nothing is lost: the next runner takes the run over.
            LostLocksError: Another run may change the same extensions now. Likewise.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                polling = tasks.create_task(self._performer.poll(tasks), name="poller")
                await self._loop(tasks)
                await self._last_answers()
                polling.cancel()
                self._performer.abandon()
        except BaseExceptionGroup as group:
            raise _first(group) from None
        refusal: FleetError | None = self._loss or self._performer.refusal
        if refusal is not None and not self._state.status.is_terminal:
            raise refusal
        return self._state

    async def _loop(self, tasks: asyncio.TaskGroup) -> None:
        while not self._is_over():
            await self._tend()
            if self._is_over():
                return
            wake_at = await self._round(tasks, self._outbox.take())
            if not self._is_over():
                await self._wait(wake_at)
                await self._gather()

    async def _round(self, tasks: asyncio.TaskGroup, outcomes: list[Outcome]) -> dt.datetime | None:
        """Take in what happened, decide until nothing is left, write it down, and only then act."""
        batch = self._taken_in(outcomes)
        events = list(batch.events)
        self._places.ask(self._clock.now())
        commands: list[Command | WaveCommand] = []
        while not (decision := rollout.decide(self._state, now=self._clock.now())).is_idle:
            events += self._folded(decision.events)
            rollout.hand_out(self._state, decision)
            commands += decision.commands
        await self._commit(dataclasses.replace(batch, events=events))
        again_at = self._places.settle(self._clock.now())
        for command in commands:
            self._performer.perform(command, tasks)
        return min((one for one in (decision.wake_at, again_at) if one is not None), default=None)

    async def _tend(self) -> None:
        """Keep what the run holds; where that is lost, decide nothing more."""
        if self._upkeep is not None:
            try:
                await self._upkeep.tend(self._clock.now())
            except LostLocksError as error:
                self._loss = error

    def _is_over(self) -> bool:
        status = self._state.status
        is_parked = status is RunStatus.PAUSED and not self._settings.waits_when_paused
        is_parked = is_parked or self._is_waiting_long()
        is_barred = self._loss is not None or self._performer.refusal is not None
        return status.is_terminal or self._is_leaving or is_parked or is_barred

    def _is_waiting_long(self) -> bool:
        """Whether this process may leave: nothing is to be done here for a while."""
        wait = self._state.wait
        if wait is None or not self._settings.leaves_when_waiting:
            return False
        is_busy = self._state.measuring or self._state.is_looking
        is_soon = wait.due_at is not None and wait.due_at - self._clock.now() <= _SOON
        return not (is_busy or is_soon)

    def _taken_in(self, outcomes: list[Outcome]) -> Batch:
        """Fold what came in: outcomes, and what people asked."""
        batch = batch_of([one for one in outcomes if self._fits(one.event)])
        events = self._folded(batch.events)
        for request in self._requests():
            events += self._folded([self._answer(request)])
        return dataclasses.replace(batch, events=events)

    def _folded(self, events: Sequence[Event]) -> list[Event]:
        """Fold *events* before they are written: what cannot follow never reaches the journal.

        Nothing is performed or shown before it is durable. Should the append fail, the run ends
        here, and this state with it.
        """
        for event in events:
            fold.apply(self._state, event)
        return list(events)

    async def _commit(self, batch: Batch) -> None:
        if not batch.events:
            return
        if any(isinstance(event, e.RunFinished) for event in batch.events):
            # The end of a run: no operation's URL is of use any more.
            drop = [*batch.drop, *batch.keep, *self._journal.operations()]
            batch = dataclasses.replace(batch, keep={}, drop=drop)
        await self._journal.append(batch)
        self._observe(batch.events, self._state)

    def _fits(self, event: Reported) -> bool:
        """Keep out of the journal what could never be read back from it; that is a bug of ours."""
        if isinstance(event, e.GateMeasured | e.WaveObserved):
            return judgefold.is_expected(self._state, event)
        is_expected = targets.is_expected(self._state, event)
        if not is_expected:
            about = getattr(event, "target", None)
            log.logger().error(log.Event.OUTCOME_DROPPED, target=about, kind=event.kind)
        return is_expected

    def _requests(self) -> list[Request]:
        """Return what was asked, here and from other processes, and not answered yet."""
        asked, self._asked = self._asked, []
        if self._journal.has_news():
            asked += self._journal.requests()
        return asked

    def _answer(self, request: Request) -> Event:
        return answers.answer(
            self._state,
            asked=request.kind,
            subject=request.subject,
            actor=request.actor,
            reason=request.reason,
            request_id=request.id,
            now=self._clock.now(),
        )

    async def _wait(self, wake_at: dt.datetime | None) -> None:
        """Wait for an outcome, a request, or the moment that was named."""
        limits = [self._settings.inbox_every_s]
        if wake_at is not None:
            limits.append(self._clock.loop_seconds_until(wake_at))
        delay_s = min((one for one in limits if one is not None), default=None)
        try:
            async with asyncio.timeout(delay_s):
                await self._outbox.heard()
        except TimeoutError:
            return

    async def _gather(self) -> None:
        """Let outcomes come together while many are under way: a commit costs as much as ten."""
        now = self._clock.now()
        await self._clock.sleep(self._round_at + self._settings.gather - now)
        self._round_at = self._clock.now()

    async def _last_answers(self) -> None:
        """Write down what is still being answered, so that the next runner need not ask."""
        try:
            async with asyncio.timeout(_GRACE_S):
                while self._performer.call_count:
                    await self._outbox.heard()
                    await self._commit_last(self._outbox.take())
        except TimeoutError:
            log.logger().warning(log.Event.RUN_LEFT, unanswered=self._performer.call_count)
        await self._commit_last(self._outbox.take())

    async def _commit_last(self, outcomes: list[Outcome]) -> None:
        if not self._state.status.is_terminal:
            await self._commit(self._taken_in(outcomes))


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
