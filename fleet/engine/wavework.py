"""What concerns a whole wave: who is meant, what a gate's probe says, whether all is still well.

Nothing here decides: what a measurement means is judged by :mod:`fleet.core.conditions`, whether
an extension is as it was proved to be by :mod:`fleet.core.proof`.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Sequence
from typing import assert_never

from fleet import log
from fleet.core import conditions, draws, proof
from fleet.engine import calls, requests, surveying
from fleet.engine.clock import Clock
from fleet.engine.outcomes import Reported
from fleet.engine.surveying import Claim
from fleet.errors import LostClusterError, RemoteError
from fleet.model import events as e
from fleet.model.commands import Look, Measure, Survey, WaveCommand
from fleet.model.gates import Reading, Verdict
from fleet.model.plan import Target
from fleet.ports import About, Probes, RequestIds, Service

_AT_ONCE = 10
"""Suspects that are read at the same time."""
_SHOWN = 5
"""Values of a measurement that go into the journal."""
_UNOPENED = dt.timedelta(minutes=5)
"""What a gate before a wave looks back on."""


class WaveWork:
    """Carries out the commands of one run that are about a wave."""

    def __init__(
        self,
        *,
        header: e.RunCreated,
        targets: Sequence[Target],
        service: Service,
        clock: Clock,
        claim: Claim | None = None,
        probes: Probes | None = None,
    ) -> None:
        self._run_id = header.run_id
        self._head = header.plan
        self._targets = targets
        self._service = service
        self._clock = clock
        self._claim = claim
        self._probes = probes

    async def done(self, command: WaveCommand) -> Reported:
        """Carry *command* out, and return what it came to; a bug of ours is something too."""
        try:
            return await self._done(command)
        except Exception as error:  # noqa: BLE001 - the performer's edge, for waves
            log.logger().error(log.Event.BUG_CAUGHT, target=None, exc_info=error)
            return self._bug(command, f"a bug in fleet: {type(error).__name__}: {error}")

    async def _done(self, command: WaveCommand) -> Reported:
        match command:
            case Survey():
                return await surveying.surveyed(
                    command,
                    head=self._head,
                    targets=self._targets,
                    discovery=self._service,
                    clock=self._clock,
                    claim=self._claim,
                )
            case Measure():
                return await self._measured(command)
            case Look():
                return await self._looked(command)
            case never:
                assert_never(never)

    def _bug(self, command: WaveCommand, message: str) -> Reported:
        match command:
            case Survey():
                return surveying.problem(command, message, clock=self._clock)
            case Measure():
                return self._measurement(command, Verdict.ERROR, Reading(error=message), message)
            case Look():
                return self._observation(command, detail=message)
            case never:
                assert_never(never)

    # --- a gate ----------------------------------------------------------------------------

    async def _measured(self, command: Measure) -> e.GateMeasured:
        if self._probes is None:
            reading = Reading(error="nothing can be measured from here")
        else:
            reading = await self._probes.measure(command.gate.probe, self._about(command))
        verdict, detail = conditions.judge(command.gate, reading)
        return self._measurement(command, verdict, reading, detail)

    def _measurement(
        self, command: Measure, verdict: Verdict, reading: Reading, detail: str
    ) -> e.GateMeasured:
        return e.GateMeasured(
            at=self._clock.now(),
            wave=command.wave,
            moment=command.moment,
            gate=command.gate.name,
            number=command.number,
            verdict=verdict,
            values=reading.values[:_SHOWN],
            detail=detail,
        )

    def _about(self, command: Measure) -> About:
        name = self._head.waves[command.wave].name
        members = [one for one in self._targets if one.wave == name]
        since = command.since
        return About(
            wave=name,
            clusters=[one.cluster_name for one in members],
            cluster_ids=[one.cluster_id for one in members],
            subscriptions=_subscriptions(members),
            window=self._clock.now() - since if since is not None else _UNOPENED,
        )

    # --- all of a wave ---------------------------------------------------------------------

    async def _looked(self, command: Look) -> e.WaveObserved:
        known = {self._targets[n].cluster_id.lower(): n for n in command.members}
        try:
            unwell = await calls.limited(
                self._service.unwell(
                    extension_type=self._head.extension_type,
                    subscriptions=_subscriptions([self._targets[n] for n in command.members]),
                    ids=self._ids(command, -1),
                )
            )
        except RemoteError as error:
            return self._observation(command, detail=error.message)
        suspects = sorted({known[i] for one in unwell if (i := one.cluster_id.lower()) in known})
        return await self._confirmed(command, suspects)

    async def _confirmed(self, command: Look, suspects: Sequence[int]) -> e.WaveObserved:
        """Read what the index calls unwell: it may be late, and it may be somebody's change."""
        gate, found = asyncio.Semaphore(_AT_ONCE), dict.fromkeys(suspects, "")
        unread: list[str] = []

        async def read(number: int) -> None:
            async with gate:
                try:
                    found[number] = await self._fault(command, number)
                except RemoteError as error:
                    unread.append(f"{self._targets[number].cluster_name}: {error.message}")

        async with asyncio.TaskGroup() as tasks:
            for number in suspects:
                tasks.create_task(read(number))
        relapsed = tuple(n for n in suspects if found[n])
        lines = [f"{self._targets[n].cluster_name}: {found[n]}" for n in relapsed] or unread
        return self._observation(
            command,
            relapsed=relapsed,
            detail=lines[0] if lines else "",
            is_seen=not unread,
        )

    async def _fault(self, command: Look, number: int) -> str:
        """Return what is wrong with a target that was proved; empty: nothing, or it is changing."""
        target = self._targets[number]
        ids = self._ids(command, number)
        try:
            found = await calls.limited(self._service.get(requests.ref_of(target), ids))
        except LostClusterError:
            return ""  # the cluster went, and not the extension on it
        return proof.relapse(target, found)

    def _observation(
        self,
        command: Look,
        *,
        relapsed: tuple[int, ...] = (),
        detail: str = "",
        is_seen: bool = False,
    ) -> e.WaveObserved:
        return e.WaveObserved(
            at=self._clock.now(),
            wave=command.wave,
            relapsed=relapsed,
            detail=detail,
            is_seen=is_seen,
        )

    def _ids(self, command: Look, number: int) -> RequestIds:
        moment = self._clock.now().isoformat()
        return RequestIds(
            correlation_id=draws.guid(self._run_id, "look", command.wave),
            client_request_id=draws.guid(self._run_id, "look", command.wave, number, moment),
        )


def _subscriptions(targets: Sequence[Target]) -> list[str]:
    return sorted({one.subscription for one in targets})
