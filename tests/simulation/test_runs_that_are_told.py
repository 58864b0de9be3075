"""Whole runs whose subscribers are told: all of it, in order, and the run never waits for them."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime as dt
import gc
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

import pytest
import structlog.testing

from fleet.core import answers, fold, notices
from fleet.core.notices import Account, Notice
from fleet.core.state import RunState
from fleet.engine import clock, history, notifier, virtual
from fleet.engine.notifier import Notifier
from fleet.errors import FencedError, InvariantError, RemoteError
from fleet.journal.memory import MemoryStore
from fleet.model import events as e
from fleet.model.desired import Rollout
from fleet.model.events import Event
from fleet.model.gates import Moment, OnVerdict, Verdict
from fleet.model.notices import Subscriber, Topic
from fleet.model.statuses import RunStatus, WaitCause
from fleet.model.strategy import OnBreach
from fleet.outside.deliveries import Delivery
from fleet.outside.webhooks import Webhook
from fleet.ports import Batch, Messenger, Pause
from fleet.sim.ports import SimulatedAzure
from fleet.sim.world import World
from tests.rig import deaths, loopback, receiving, rollouts, runs, scenarios, waiting
from tests.rig.cases import Case
from tests.rig.deaths import KilledError, MortalJournal

OPS = Subscriber(name="ops", on=tuple(Topic))
CHAT = Subscriber(name="chat", on=(Topic.RUN, Topic.BREACH))
Doing = Callable[[Notice, Pause], Awaitable[None]]


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[Mapping[str, object]]]:
    """What is logged, which nobody has to read here."""
    with structlog.testing.capture_logs() as found:
        yield found


class Ear:
    """A subscriber that does with what it is told whatever it is bidden."""

    def __init__(self, doing: Doing | None = None) -> None:
        self.tried: list[Notice] = []
        self.heard: list[Notice] = []
        self._doing = doing

    async def bring(self, notice: Notice, pause: Pause) -> None:
        self.tried.append(notice)
        if self._doing is not None:
            await self._doing(notice, pause)
        self.heard.append(notice)

    @property
    def kinds(self) -> list[str]:
        return [one.kind for one in self.heard]


def refusal(status: int) -> RemoteError:
    return RemoteError(f"ops answered {status}", status=status)


async def never(_notice: Notice, _pause: Pause) -> None:
    await asyncio.sleep(10**7)


def asked(*subscribers: Subscriber, **spread: object) -> Rollout:
    defaults: dict[str, object] = {"waves": scenarios.canary_and_rest(), "max_concurrency": 3}
    made = rollouts.rollout(spread=rollouts.strategy(**(defaults | spread)))
    return dataclasses.replace(made, notify=subscribers)


@dataclasses.dataclass(kw_only=True)
class Stage:
    """A run, its world, and those who listen."""

    asked: Rollout
    clusters: int = 4
    flush_s: float = 10
    store: MemoryStore = dataclasses.field(default_factory=MemoryStore)
    appends: int = 0
    left: list[str] = dataclasses.field(default_factory=list)
    ended_at: dt.datetime | None = None
    """When the last process ended."""

    def __post_init__(self) -> None:
        faults = {"operationFails": 30} if self.clusters > 10 else {}
        recipe = scenarios.world(
            1, clusters=self.clusters, extensions=scenarios.mesh(), faults=faults
        )
        self.world = World(recipe)

    async def play(self, ears: Mapping[str, Messenger], *, lives: Sequence[int] = ()) -> None:
        """Carry the run to its end, over as many processes as there are lives, and one."""
        azure = SimulatedAzure(self.world, virtual.clock())
        plan = await runs.planned(self.asked, azure)
        for number, life in enumerate([*lives, 0]):
            if number and self.state.status.is_terminal:
                return
            async with self.store.hold(runs.RUN, actor=runs.ALICE, create=number == 0) as held:
                journal = MortalJournal(held, self.store, life=life)
                seen: list[Notifier] = []

                def observe(
                    events: Sequence[Event], state: RunState, seen: list[Notifier] = seen
                ) -> None:
                    seen[0].observe(events, state)

                with contextlib.suppress(KilledError, FencedError):
                    if number == 0:
                        runner = await runs.begun(journal, plan, azure, observe=observe)
                    else:
                        runner = await runs.taken(journal, azure, observe=observe)
                    seen.append(Notifier(journal, runner.state, ears, flush_s=self.flush_s))
                    async with seen[0].telling():
                        await runner.run()
                    self.left = seen[0].shortfalls()
                self.appends += journal.append_count
            self.ended_at = virtual.clock().now()

    async def tell_rest(self, ears: Mapping[str, Messenger]) -> bool:
        """Tell what is left of a run that is over; return whether something was."""
        with contextlib.closing(self.store.read(runs.RUN)) as reader:
            if not notifier.has_rest(reader, history.load(reader)):
                return False
        async with self.store.hold(runs.RUN, actor=runs.ALICE) as journal:
            found = Notifier(journal, history.load(journal), ears, flush_s=self.flush_s)
            async with found.telling():
                pass
            self.left = found.shortfalls()
        return True

    @property
    def events(self) -> list[tuple[int, Event]]:
        return list(self.store.read(runs.RUN).events())

    @property
    def state(self) -> RunState:
        return history.load(self.store.read(runs.RUN))

    def due(self, subscriber: Subscriber) -> list[Notice]:
        """Return what a subscriber is to be told of the run, by its journal."""
        account = Account(self.state)
        found = [account.read(n, one) for n, one in self.events if one.kind in notices.KINDS]
        return [one for one in found if one and one.topic in subscriber.on]


def test_a_run_tells_everything_once_and_in_order_to_each_what_it_asked_for() -> None:
    stage, ops, chat = Stage(asked=asked(OPS, CHAT)), Ear(), Ear()

    virtual.run(stage.play({"ops": ops, "chat": chat}))

    assert ops.heard == stage.due(OPS)
    assert chat.heard == stage.due(CHAT)
    assert chat.kinds == ["run.started", "run.waiting", "run.woken", "run.finished"]
    assert ops.kinds == [
        "run.started",
        "wave.opened",
        "wave.soaking",
        "run.waiting",
        "run.woken",
        "wave.closed",
        "wave.opened",
        "wave.closed",
        "run.finished",
    ]
    assert stage.left == []


def test_a_run_in_trouble_tells_of_it() -> None:
    stage, ops = (
        Stage(asked=asked(OPS, max_failures=0, on_breach=OnBreach.PAUSE), clusters=20),
        Ear(),
    )

    virtual.run(stage.play({"ops": ops}))

    breach = next(one for one in ops.heard if one.kind == "budget.breached")
    assert {one.result for one in breach.failures} == {"Failed"}
    assert ops.kinds[-2:] == ["run.pausing", "run.paused"]
    assert ops.heard[-1].call is not None


def _once(found: Sequence[Notice]) -> list[Notice]:
    """Return *found* without what comes twice in a row."""
    return [one for n, one in enumerate(found) if n == 0 or found[n - 1] != one]


@pytest.mark.parametrize("start", range(4))
def test_a_kill_after_any_append_loses_nothing_and_repeats_under_one_id(start: int) -> None:
    whole, ears = Stage(asked=asked(OPS, CHAT)), {"ops": Ear(), "chat": Ear()}
    virtual.run(whole.play(ears))

    for life in range(1 + start, whole.appends + 1, 4):
        stage, ops, chat = Stage(asked=asked(OPS, CHAT)), Ear(), Ear()
        virtual.run(stage.play({"ops": ops, "chat": chat}, lives=[life]))
        virtual.run(stage.tell_rest({"ops": ops, "chat": chat}))

        assert stage.state.status is RunStatus.SUCCEEDED
        for ear, who in ((ops, OPS), (chat, CHAT)):
            assert _once(ear.heard) == stage.due(who), f"killed after append {life}"
            assert len(ear.heard) <= len(stage.due(who)) + 1


def test_a_process_that_dies_while_it_tells_tells_it_again_to_the_letter() -> None:
    async def slow(_notice: Notice, _pause: Pause) -> None:
        await asyncio.sleep(5)

    stage, ops = Stage(asked=asked(OPS), flush_s=60), Ear(slow)

    virtual.run(stage.play({"ops": ops}, lives=[2, 3, 4, 5, 6, 7]))
    virtual.run(stage.tell_rest({"ops": ops}))

    assert _once(ops.heard) == stage.due(OPS)
    assert _once(ops.tried) == stage.due(OPS)
    assert len(ops.tried) > len(ops.heard), "nobody was killed while telling"


def test_who_hangs_keeps_nobody_waiting() -> None:
    """Every event has the moment that it has where nobody is told; the end waits ten seconds."""
    quiet, stage, chat = Stage(asked=asked(OPS, CHAT)), Stage(asked=asked(OPS, CHAT)), Ear()
    virtual.run(quiet.play({}))

    virtual.run(stage.play({"ops": Ear(never), "chat": chat}))

    assert stage.events == quiet.events
    assert chat.heard == stage.due(CHAT)
    assert stage.ended_at is not None
    assert quiet.ended_at is not None
    assert stage.ended_at - quiet.ended_at == dt.timedelta(seconds=10)
    assert stage.left == ["ops was not told everything"]


def test_a_webhook_that_hangs_delays_nothing_that_the_virtual_clock_could_measure() -> None:
    def played(answer: receiving.Answer | None) -> Stage:
        stage = Stage(asked=asked(OPS, CHAT))

        async def work() -> None:
            async with receiving.receiving(answer or receiving.take) as there:
                hook = Webhook(name="ops", url=there.url, wall=clock.wall)
                ears = {"ops": Delivery(once=hook.send), "chat": Delivery(once=hook.send)}
                await stage.play(ears if answer else {})

        loopback.run(work())
        return stage

    assert played(receiving.hang).events == played(None).events


def test_over_http_a_run_tells_everything_once() -> None:
    stage = Stage(asked=asked(OPS))

    async def work() -> receiving.Receiver:
        async with receiving.receiving(receiving.statuses(503, 500)) as there:
            hook = Webhook(name="ops", url=there.url, wall=clock.wall)
            await stage.play({"ops": Delivery(once=hook.send)})
            return there

    there = loopback.run(work())

    assert there.ids == [one.id for one in stage.due(OPS)]
    assert len(there.got) == len(there.ids) + 2


def test_who_is_down_for_long_is_told_all_of_it_afterwards_and_costs_no_memory() -> None:
    counted: list[int] = []

    async def down(_notice: Notice, pause: Pause) -> None:
        while virtual.clock().now() < virtual.START_AT + dt.timedelta(minutes=40):
            await pause(60, is_asked_for=False)
        if not counted:
            counted.append(_count())

    before = _count()
    stage, ops = Stage(asked=asked(OPS), clusters=9), Ear(down)

    virtual.run(stage.play({"ops": ops}))

    assert ops.heard == stage.due(OPS)
    assert len(stage.due(OPS)) == 9
    assert counted[0] - before == 1, "one notice at a time, and no queue of them"


def _count() -> int:
    gc.collect()
    return sum(isinstance(one, Notice) for one in gc.get_objects())


def test_what_is_not_taken_is_left_out_and_said(logged: list[Mapping[str, object]]) -> None:
    async def picky(notice: Notice, _pause: Pause) -> None:
        if notice.kind.startswith("wave."):
            raise refusal(404)

    stage, ops = Stage(asked=asked(OPS)), Ear(picky)

    virtual.run(stage.play({"ops": ops}))

    assert ops.kinds == ["run.started", "run.waiting", "run.woken", "run.finished"]
    assert [one.kind for one in ops.tried] == [one.kind for one in stage.due(OPS)]
    name = stage.asked.name
    (line,) = stage.left
    assert line.startswith(f'ops was not told "{name}, wave canary: opened, ')
    assert line.endswith('", and 4 more: ops answered 404')
    missed = [one for one in logged if one["event"] == "notice.missed"]
    assert missed[0]["notice"] == stage.due(OPS)[1].id
    assert not virtual.run(stage.tell_rest({"ops": ops}))


def test_who_wants_nothing_more_is_told_nothing_more() -> None:
    async def gone(_notice: Notice, _pause: Pause) -> None:
        raise refusal(410)

    stage, ops, chat = Stage(asked=asked(OPS, CHAT)), Ear(gone), Ear()

    virtual.run(stage.play({"ops": ops, "chat": chat}))

    assert len(ops.tried) == 1
    assert chat.heard == stage.due(CHAT)
    assert stage.left[-1] == "ops was not told everything"


def test_a_bug_in_the_telling_harms_neither_the_run_nor_the_others(
    logged: list[Mapping[str, object]],
) -> None:
    async def broken(_notice: Notice, _pause: Pause) -> None:
        raise KeyError(_notice)

    stage, ops, chat = Stage(asked=asked(OPS, CHAT)), Ear(broken), Ear()

    virtual.run(stage.play({"ops": ops, "chat": chat}))

    assert stage.state.status is RunStatus.SUCCEEDED
    assert chat.heard == stage.due(CHAT)
    assert stage.left == ["ops was not told everything: a bug in fleet (KeyError)"]
    assert [one["subscriber"] for one in logged if one["event"] == "bug.caught"] == ["ops"]


def test_the_end_tries_once_more_at_once_but_not_whoever_asked_to_wait() -> None:
    async def busy(_notice: Notice, pause: Pause) -> None:
        await pause(10**6, is_asked_for=False)

    async def strict(_notice: Notice, pause: Pause) -> None:
        await pause(10**6, is_asked_for=True)

    end = Subscriber(name="end", on=(Topic.RUN,))
    stage, ops, other = Stage(asked=asked(end, OPS)), Ear(busy), Ear(strict)

    virtual.run(stage.play({"end": ops, "ops": other}))

    assert [one.kind for one in ops.heard] == ["run.started"]
    assert other.heard == []
    assert stage.left == ["end was not told everything", "ops was not told everything"]


def test_what_the_last_process_could_not_tell_the_next_one_tells() -> None:
    stage, ops = Stage(asked=asked(OPS, CHAT)), Ear()
    ears = {"ops": ops, "chat": Ear()}
    virtual.run(stage.play({**ears, "ops": Ear(never)}))

    assert virtual.run(stage.tell_rest(ears))
    assert ops.heard == stage.due(OPS)
    assert stage.left == []
    assert not virtual.run(stage.tell_rest(ears))


def test_what_others_write_while_nobody_runs_the_run_the_next_process_tells() -> None:
    stage, ops = Stage(asked=asked(OPS)), Ear()

    async def pause() -> None:
        async with stage.store.hold(runs.RUN, actor=runs.ALICE) as journal:
            state = history.load(journal)
            event = answers.answer(
                state,
                asked="pause",
                subject="",
                actor=runs.ALICE,
                reason="lunch",
                request_id="q1",
                now=state.last_at or virtual.START_AT,
            )
            fold.apply(state, event)
            await journal.append(Batch(events=[event]))

    async def both() -> None:
        azure = SimulatedAzure(stage.world, virtual.clock())
        plan = await runs.planned(stage.asked, azure)
        async with stage.store.hold(runs.RUN, actor=runs.ALICE, create=True) as held:
            mortal = MortalJournal(held, stage.store, life=4)
            with contextlib.suppress(KilledError):
                await (await runs.begun(mortal, plan, azure)).run()
        await pause()
        async with stage.store.hold(runs.RUN, actor=runs.ALICE) as journal:
            runner = await runs.taken(journal, azure)
            async with Notifier(journal, runner.state, {"ops": ops}).telling():
                await runner.run()

    virtual.run(both())

    assert "run.pausing" in ops.kinds
    assert ops.heard == stage.due(OPS)
    assert ops.heard[-1].reason == "lunch"


@pytest.mark.parametrize(
    ("scenario", "wanted"),
    [
        (waiting.approvals_early_and_late, {"approval.given", "approval.needed", "run.waiting"}),
        (waiting.gates_that_pass, {"gate.passed", "wave.soaking"}),
        (waiting.a_gate_that_takes_the_canary_back, {"gate.notPassed", "run.rollingBack"}),
        (waiting.a_gate_that_pauses_until_somebody_skips_it, {"gate.notPassed", "run.paused"}),
        (waiting.a_relapse_in_the_soak, {"wave.relapsed", "wave.soaking"}),
        (waiting.an_override, {"window.overridden", "run.waiting"}),
    ],
)
def test_waits_judgements_and_approvals_are_told(
    scenario: Callable[[int], Case], wanted: set[str]
) -> None:
    case, store, ops = scenario(1), MemoryStore(), Ear()
    case = dataclasses.replace(case, asked=dataclasses.replace(case.asked, notify=(OPS,)))
    story = deaths.told(case, store=store)

    assert virtual.run(Stage(asked=case.asked, store=store).tell_rest({"ops": ops}))

    assert wanted <= set(ops.kinds)
    assert [one.sequence for one in ops.heard] == sorted(one.sequence for one in ops.heard)
    by_number = dict(enumerate(story.events, start=1))
    assert all(one.at == by_number[one.sequence].at for one in ops.heard)
    for one in ops.heard:
        is_call = one.kind in ("approval.needed", "run.paused")
        assert one.call or not is_call


def test_it_is_told_at_once_whoever_wrote_it_down() -> None:
    boss = Subscriber(name="boss", on=(Topic.APPROVAL, Topic.GATE))
    stage, ear, at = Stage(asked=asked(boss)), Ear(), virtual.START_AT
    gate = e.GateEnded(
        at=at, wave=0, moment=Moment.AFTER, gate="errors", verdict=Verdict.NO_DATA,
        action=OnVerdict.PAUSE, detail="no series",
    )  # fmt: skip
    wait = e.RunWaiting(
        at=at, cause=WaitCause.APPROVAL, wave=1, until=None, detail="0 of 1 approved"
    )

    events: tuple[Event, ...] = (gate, wait)

    async def work() -> None:
        azure = SimulatedAzure(stage.world, virtual.clock())
        plan = await runs.planned(stage.asked, azure)
        async with stage.store.hold(runs.RUN, actor=runs.ALICE, create=True) as journal:
            runner = await runs.begun(journal, plan, azure)
            found = Notifier(journal, runner.state, {"boss": ear})
            async with found.telling():
                for count, event in enumerate(events, start=1):
                    await journal.append(Batch(events=[event]))
                    found.observe([event], runner.state)
                    await asyncio.sleep(0.001)
                    assert len(ear.heard) == count

    virtual.run(work())

    assert ear.kinds == ["gate.notPassed", "approval.needed"]
    assert ear.heard[1].call is not None
    assert ear.heard[1].call.commands == ("fleet approve run-1 --wave rest",)


def test_who_was_taken_over_tells_nothing_more() -> None:
    ops = Ear()

    async def work() -> None:
        stage = Stage(asked=asked(OPS))
        azure = SimulatedAzure(stage.world, virtual.clock())
        plan = await runs.planned(stage.asked, azure)
        async with stage.store.hold(runs.RUN, actor=runs.ALICE, create=True) as journal:
            runner = await runs.begun(journal, plan, azure)
            with pytest.raises(FencedError):
                async with Notifier(journal, runner.state, {"ops": ops}).telling():
                    raise FencedError

    virtual.run(work())

    assert ops.tried == []


@pytest.mark.parametrize("failure", [InvariantError("x"), RemoteError("x"), ValueError("x")])
def test_what_ends_the_run_is_raised_as_it_came(failure: Exception) -> None:
    ops = Ear()

    async def work() -> None:
        stage = Stage(asked=asked(OPS))
        azure = SimulatedAzure(stage.world, virtual.clock())
        plan = await runs.planned(stage.asked, azure)
        async with stage.store.hold(runs.RUN, actor=runs.ALICE, create=True) as journal:
            runner = await runs.begun(journal, plan, azure)
            with pytest.raises(type(failure)) as caught:
                async with Notifier(journal, runner.state, {"ops": ops}).telling():
                    raise failure
            assert caught.value is failure

    virtual.run(work())

    assert ops.kinds == ([] if isinstance(failure, ValueError) else ["run.started"])
