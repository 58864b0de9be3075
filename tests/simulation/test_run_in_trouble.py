"""One run, one thing that goes wrong: what it costs, and whom."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import pytest

from fleet.core.state import RunState
from fleet.engine import history, virtual
from fleet.engine.outcomes import Outcome
from fleet.engine.runner import Runner, Settings
from fleet.errors import (
    AuthError,
    DeniedError,
    FencedError,
    JournalError,
    LostAnswerError,
    LostClusterError,
    RemoteError,
)
from fleet.journal.memory import MemoryStore
from fleet.model import events as e
from fleet.model.cluster import AutoUpgrade, Cluster, ClusterId, Connectivity, Extension
from fleet.model.desired import OnDrift, Rollout
from fleet.model.events import Event
from fleet.model.plan import Verb
from fleet.model.statuses import Result, RunStatus
from fleet.model.strategy import OnBreach, WaveRule
from fleet.ports import (
    Accepted,
    Batch,
    ExtensionRef,
    OperationStatus,
    Request,
    RequestIds,
    Write,
)
from fleet.sim.ports import SimulatedAzure
from fleet.sim.world import World
from tests.rig import deaths, rollouts, runs

CALM: Mapping[str, Any] = {
    "clusters": 8,
    "seed": 5,
    "offlineShare": 0,
    "distributions": {"aks": 1},
    "extensions": [
        {
            "type": "Microsoft.openservicemesh",
            "name": "osm",
            "namespace": "arc-osm-system",
            "installed": {"1.1.1": 1},
            "settings": {"osm.osm.meshName": "osm"},
        }
    ],
}
TWO_AT_ONCE = rollouts.rollout(spread=rollouts.strategy(max_concurrency=2))
Meddle = Callable[[Runner, MemoryStore, SimulatedAzure], Awaitable[None]]


def played(
    world: World,
    asked: Rollout = TWO_AT_ONCE,
    *,
    service: Callable[[World], SimulatedAzure] | None = None,
    observe: Callable[[Runner, Sequence[Event], RunState], None] = lambda *_: None,
    vault: Mapping[str, str] | None = None,
) -> tuple[RunState, MemoryStore]:
    """A run on virtual time, observed."""

    async def play() -> tuple[RunState, MemoryStore]:
        store = MemoryStore()
        azure = service(world) if service else SimulatedAzure(world, virtual.clock())
        plan = await runs.planned(asked, azure)
        secrets = tuple((vault or {}).values())
        async with store.hold(runs.RUN, actor=runs.ALICE, create=True, secrets=secrets) as journal:
            runner = await runs.begun(
                journal,
                plan,
                azure,
                vault=vault,
                observe=lambda events, state: observe(runner, events, state),
            )
            return await runner.run(), store

    return virtual.run(play())


def resumed(world: World, store: MemoryStore, *, service: SimulatedAzure | None = None) -> RunState:
    """The next runner, after somebody said resume."""

    async def play() -> RunState:
        azure = service or SimulatedAzure(world, virtual.clock())
        store.ask(runs.RUN, request("resume"))
        async with store.hold(runs.RUN, actor=runs.ALICE) as journal:
            runner = await runs.taken(
                journal, azure, settings=Settings(inbox_every_s=60, waits_when_paused=True)
            )
            return await runner.run()

    later = world.last_at + dt.timedelta(minutes=1)
    return virtual.run(play(), start_at=later)


def request(kind: str) -> Request:
    at = dt.datetime(2026, 1, 10, 3, tzinfo=dt.UTC)
    return Request(id=f"ask-{kind}", kind=kind, actor=runs.ALICE, reason="a test", at=at)


def kinds(store: MemoryStore) -> list[str]:
    return [event.kind for _, event in store.read(runs.RUN).events()]


# --- a bug of ours -----------------------------------------------------------------------


class Buggy(SimulatedAzure):
    """Raises what no adapter may raise, for one cluster's write."""

    bug_on = "store-0002-a"

    async def write(self, ref: ExtensionRef, write: Write, ids: RequestIds) -> Accepted:
        if ref.cluster_id.endswith(self.bug_on):
            message = "index out of range"
            raise IndexError(message)
        return await super().write(ref, write, ids)


def test_a_bug_in_one_target_pauses_the_run_and_cancels_nobody() -> None:
    world = runs.world(**CALM)
    asked = rollouts.rollout(spread=rollouts.strategy(max_concurrency=8))

    state, store = played(world, asked, service=lambda w: Buggy(w, virtual.clock()))

    assert state.status is RunStatus.PAUSED
    assert state.has_bug
    assert state.status_counts() == {"Succeeded": 7, "Unknown": 1}
    found = [event for _, event in store.read(runs.RUN).events() if event.kind == "step.unknown"]
    assert [event.message for event in found] == ["IndexError: index out of range"]  # type: ignore[union-attr]

    again = resumed(world, store)

    assert (again.status, again.status_counts()) == (RunStatus.SUCCEEDED, {"Succeeded": 8})
    assert not again.has_bug


# --- nobody's token is accepted ----------------------------------------------------------


class LoggedOut(SimulatedAzure):
    """Accepts no token once so many writes were taken."""

    writes_left = 3

    async def get(self, ref: ExtensionRef, ids: RequestIds) -> Extension | None:
        self._require_login()
        return await super().get(ref, ids)

    async def write(self, ref: ExtensionRef, write: Write, ids: RequestIds) -> Accepted:
        self._require_login()
        self.writes_left -= 1
        return await super().write(ref, write, ids)

    async def operation(self, url: str, ids: RequestIds) -> OperationStatus:
        self._require_login()
        return await super().operation(url, ids)

    def _require_login(self) -> None:
        if self.writes_left == 0:
            message = "the token was refused"
            raise AuthError(message, status=401)


def test_a_runner_that_nobody_accepts_leaves_and_the_next_one_ends_as_if_nothing_had_been() -> None:
    world = runs.world(**CALM)
    store = MemoryStore()

    async def first() -> None:
        azure = LoggedOut(world, virtual.clock())
        plan = await runs.planned(TWO_AT_ONCE, azure)
        async with store.hold(runs.RUN, actor=runs.ALICE, create=True) as journal:
            await (await runs.begun(journal, plan, azure)).run()

    async def second() -> RunState:
        async with store.hold(runs.RUN, actor=runs.ALICE) as journal:
            return await (await runs.taken(journal, SimulatedAzure(world, virtual.clock()))).run()

    with pytest.raises(AuthError, match="the token was refused"):
        virtual.run(first())

    assert kinds(store).count("target.finished") < 3
    assert "step.failed" not in kinds(store)

    # The next one comes long after every deadline of what was in flight.
    state = virtual.run(second(), start_at=world.last_at + dt.timedelta(hours=5))

    assert (state.status, state.status_counts()) == (RunStatus.SUCCEEDED, {"Succeeded": 8})
    assert [one.call.name for one in world.effects] == ["osm"] * 8


# --- a cluster that goes offline ---------------------------------------------------------


class Napping(SimulatedAzure):
    """One cluster's agents are silent from the plan on, until its second turn."""

    naps = 1

    async def cluster(self, cluster_id: ClusterId, ids: RequestIds) -> Cluster:
        found = await super().cluster(cluster_id, ids)
        if not cluster_id.endswith("store-0001-b") or self.naps == 0:
            return found
        self.naps -= 1
        return dataclasses.replace(found, connectivity=Connectivity.OFFLINE)


@pytest.mark.parametrize(
    ("naps", "counts", "reason"),
    [
        pytest.param(1, {"Succeeded": 8}, "every target is as planned", id="back in time"),
        pytest.param(2, {"Succeeded": 7, "Deferred": 1}, "1 not connected", id="not back"),
    ],
)
def test_a_cluster_that_went_offline_comes_last_and_costs_no_failure(
    naps: int, counts: dict[str, int], reason: str
) -> None:
    world = runs.world(**CALM)

    def napping(world: World) -> SimulatedAzure:
        service = Napping(world, virtual.clock())
        service.naps = naps
        return service

    state, store = played(world, service=napping)

    assert (state.status, state.finish_reason) == (RunStatus.SUCCEEDED, reason)
    assert dict(sorted(state.status_counts().items())) == dict(sorted(counts.items()))
    assert [(one.planned.name, one.target_count, one.failures) for one in state.waves] == [
        ("rest", 7, 0),
        ("catch-up", 1, 0),
    ]
    assert kinds(store).count("target.putOff") == 1


# --- a journal that fails ----------------------------------------------------------------


class FailingJournal(deaths.MortalJournal):
    """Refuses the append that would be its last, as a full disk does."""

    async def append(self, batch: Batch) -> None:
        if self.append_count + 1 == self.life:
            message = "the disk is full"
            raise JournalError(message)
        await super().append(batch)


@pytest.mark.parametrize("life", [2, 3, 5, 8, 13, 21])
def test_nothing_is_sent_that_could_not_be_written_down(life: int) -> None:
    world = runs.world(**CALM)
    store = MemoryStore()

    async def play() -> None:
        azure = SimulatedAzure(world, virtual.clock())
        plan = await runs.planned(TWO_AT_ONCE, azure)
        async with store.hold(runs.RUN, actor=runs.ALICE, create=True) as held:
            journal = FailingJournal(held, store, life=life)
            runner = await runs.begun(journal, plan, azure)
            with pytest.raises(JournalError, match="the disk is full"):
                await runner.run()

    virtual.run(play())
    intents = {
        event.client_request_id
        for _, event in store.read(runs.RUN).events()
        if isinstance(event, e.StepIntended)
    }
    assert {effect.call.client_request_id for effect in world.effects} <= intents

    async def carry_on() -> RunState:
        azure = SimulatedAzure(world, virtual.clock())
        async with store.hold(runs.RUN, actor=runs.ALICE) as journal:
            return await (await runs.taken(journal, azure)).run()

    state = virtual.run(carry_on(), start_at=world.last_at + rollouts.MINUTE)
    assert state.status_counts() == {"Succeeded": 8}
    assert len(world.effects) == 8


def test_a_runner_that_was_taken_over_starts_nothing_more() -> None:
    world = runs.world(**CALM)
    store = MemoryStore()

    async def play() -> RunState:
        azure = SimulatedAzure(world, virtual.clock())
        plan = await runs.planned(TWO_AT_ONCE, azure)
        async with store.hold(runs.RUN, actor=runs.ALICE, create=True) as journal:

            def take_away(_: Sequence[Event], state: RunState) -> None:
                if state.in_flight == 2:
                    store.kill(runs.RUN)

            old = await runs.begun(journal, plan, azure, observe=take_away)
            with pytest.raises(FencedError):
                await old.run()
            sent = len(world.effects)
            async with store.hold(runs.RUN, actor=runs.ALICE) as second:
                assert second.epoch == 2
                assert sent <= 2
                return await (await runs.taken(second, azure)).run()

    state = virtual.run(play())

    assert state.status_counts() == {"Succeeded": 8}
    assert len(world.effects) == 8


# --- people ------------------------------------------------------------------------------


def test_a_pause_lets_what_is_in_flight_finish_and_starts_nothing() -> None:
    def pause(runner: Runner, events: Sequence[Event], _: RunState) -> None:
        if any(isinstance(event, e.TargetFinished) for event in events):
            runner.ask("pause", actor=runs.ALICE, reason="lunch")

    state, store = played(runs.world(**CALM), observe=pause)

    told = kinds(store)
    assert state.status is RunStatus.PAUSED
    assert state.stopped_by == (runs.ALICE, "lunch")
    assert "target.started" not in told[told.index("run.pausing") :]
    assert state.status_counts()["Succeeded"] + state.status_counts()["Pending"] == 8


def test_a_stop_ends_the_run_with_what_was_not_begun_left_alone() -> None:
    def stop(runner: Runner, events: Sequence[Event], _: RunState) -> None:
        if any(isinstance(event, e.TargetFinished) for event in events):
            runner.ask("stop", actor=runs.ALICE, reason="wrong version")

    world = runs.world(**CALM)
    state, _ = played(world, observe=stop)

    assert state.status is RunStatus.STOPPED
    assert state.finish_reason == "stopped: wrong version"
    done = state.counts[Result.SUCCEEDED]
    assert len(world.effects) == done < 8


def test_a_request_from_another_process_is_answered_by_the_runner() -> None:
    world = runs.world(**CALM)
    store = MemoryStore()

    async def play() -> RunState:
        azure = SimulatedAzure(world, virtual.clock())
        plan = await runs.planned(TWO_AT_ONCE, azure)
        async with store.hold(runs.RUN, actor=runs.ALICE, create=True) as journal:
            runner = await runs.begun(journal, plan, azure)
            store.ask(runs.RUN, request("pause"))
            store.ask(runs.RUN, request("pause"))
            return await runner.run()

    state = virtual.run(play())

    answers = [event for _, event in store.read(runs.RUN).events() if event.kind == "run.pausing"]
    assert state.status is RunStatus.PAUSED
    assert [event.request_id for event in answers] == ["ask-pause"]  # type: ignore[union-attr]


def test_leaving_ends_the_process_and_not_the_run() -> None:
    world = runs.world(**CALM)

    def leave(runner: Runner, _: Sequence[Event], state: RunState) -> None:
        if state.results:
            runner.leave()

    state, store = played(world, observe=leave)

    assert state.status is RunStatus.RUNNING
    assert history.load(store.read(runs.RUN)).results == state.results


# --- the service -------------------------------------------------------------------------


def special(cluster: str, **keys: Any) -> World:
    return runs.world(**{**CALM, "overrides": [{"cluster": cluster, **keys}]})


def test_an_operation_that_never_ends_frees_its_slot_and_the_run_goes_on() -> None:
    world = special("store-0001-a", faults={"stuckOperation": 100})
    asked = rollouts.rollout(spread=rollouts.strategy(max_concurrency=1))

    state, _ = played(world, asked)

    assert state.status is RunStatus.SUCCEEDED_WITH_FAILURES
    assert state.status_counts() == {"Succeeded": 7, "TimedOut": 1}


@pytest.mark.parametrize(
    ("faults", "status", "counts"),
    [
        pytest.param(
            {"operationFails": 100},
            RunStatus.SUCCEEDED_WITH_FAILURES,
            {"Failed": 1, "Succeeded": 7},
            id="an operation that fails",
        ),
        pytest.param(
            {"silentFailure": 100},
            RunStatus.SUCCEEDED_WITH_FAILURES,
            {"Failed": 1, "Succeeded": 7},
            id="an operation that says Succeeded of a failed extension",
        ),
        pytest.param(
            {"lateRead": 100}, RunStatus.SUCCEEDED, {"Succeeded": 8}, id="a reading that is late"
        ),
        pytest.param(
            {"throttled": 50, "retryAfterSeconds": 30},
            RunStatus.SUCCEEDED,
            {"Succeeded": 8},
            id="throttling",
        ),
        pytest.param(
            {"resetAfter": 50}, RunStatus.SUCCEEDED, {"Succeeded": 8}, id="answers that are lost"
        ),
        pytest.param(
            {"resetBefore": 50}, RunStatus.SUCCEEDED, {"Succeeded": 8}, id="requests that are lost"
        ),
        pytest.param(
            {"conflict": 50}, RunStatus.SUCCEEDED, {"Succeeded": 8}, id="somebody else's operations"
        ),
    ],
)
def test_each_fault_ends_as_it_should(
    faults: dict[str, int], status: RunStatus, counts: dict[str, int]
) -> None:
    state, _ = played(special("store-0001-a", faults=faults))

    assert (state.status, state.status_counts()) == (status, counts)


def test_a_broken_budget_stops_new_starts_and_is_reported() -> None:
    world = runs.world(**CALM, faults={"operationFails": 100})
    waves = (WaveRule(name="canary", size=1, max_failures=0), WaveRule(name="rest", size="rest"))
    asked = rollouts.rollout(spread=rollouts.strategy(waves=waves))

    state, store = played(world, asked)

    assert state.status is RunStatus.FAILED
    assert state.status_counts() == {"Failed": 1, "Pending": 7}
    assert kinds(store)[-3:] == ["wave.breached", "wave.closed", "run.finished"]
    assert len(world.effects) == 1


def test_a_broken_budget_may_pause_and_a_person_may_go_on() -> None:
    world = special("store-0001-a", faults={"operationFails": 100})
    spread = rollouts.strategy(max_concurrency=1, max_failures=0, on_breach=OnBreach.PAUSE)

    state, store = played(world, rollouts.rollout(spread=spread))

    assert (state.status, state.status_counts()) == (
        RunStatus.PAUSED,
        {"Failed": 1, "Pending": 7},
    )
    again = resumed(world, store)
    assert again.status_counts() == {"Failed": 1, "Succeeded": 7}


# --- what is sent ------------------------------------------------------------------------


class Rival(SimulatedAzure):
    """Somebody else changes one cluster between the plan and its turn."""

    rival_on = "store-0003-a"
    write_to_make = Write(
        verb=Verb.PATCH,
        extension_type="Microsoft.openservicemesh",
        namespace=None,
        location="",
        version="1.2.3",
        auto_upgrade=AutoUpgrade.NONE,
        release_train="stable",
    )
    has_meddled = False

    async def get(self, ref: ExtensionRef, ids: RequestIds) -> Extension | None:
        if ref.cluster_id.endswith(self.rival_on) and not self.has_meddled:
            self.has_meddled = True
            await super().write(ref, self.write_to_make, ids)
        return await super().get(ref, ids)


@pytest.mark.parametrize(
    ("on_drift", "result"), [(OnDrift.FAIL, Result.DRIFTED), (OnDrift.SKIP, Result.SKIPPED)]
)
def test_a_target_that_changed_since_the_plan_is_left_alone(
    on_drift: OnDrift, result: Result
) -> None:
    world = runs.world(**CALM)
    asked = rollouts.rollout(wish=rollouts.desired(on_drift=on_drift))

    state, _ = played(world, asked, service=lambda w: Rival(w, virtual.clock()))

    number = next(n for n, t in enumerate(state.targets) if t.cluster_name == "store-0003-a")
    assert state.results[number] is result
    assert "version was 1.1.1, is 1.2.3" in state.details[number]
    assert len([one for one in world.effects if Rival.rival_on in one.call.cluster_id]) == 1


class Manager(SimulatedAzure):
    """One cluster's extension gets a manager that lets users read only, after the plan."""

    managed_on = "store-0003-a"

    async def get(self, ref: ExtensionRef, ids: RequestIds) -> Extension | None:
        found = await super().get(ref, ids)
        is_managed = found is not None and ref.cluster_id.endswith(self.managed_on)
        return dataclasses.replace(found, is_read_only=True) if found and is_managed else found


@pytest.mark.parametrize(
    ("on_drift", "result"), [(OnDrift.FAIL, Result.DRIFTED), (OnDrift.SKIP, Result.SKIPPED)]
)
def test_what_only_its_manager_may_write_to_by_now_is_left_alone(
    on_drift: OnDrift, result: Result
) -> None:
    """A plan cannot know it: Resource Graph does not tell who manages an extension."""
    world = runs.world(**CALM)
    asked = rollouts.rollout(wish=rollouts.desired(on_drift=on_drift))

    state, _ = played(world, asked, service=lambda w: Manager(w, virtual.clock()))

    number = next(n for n, t in enumerate(state.targets) if t.cluster_name == Manager.managed_on)
    assert state.results[number] is result
    assert "its manager lets users read only" in state.details[number]
    assert [one for one in world.effects if Manager.managed_on in one.call.cluster_id] == []
    assert state.status_counts() == {result.value: 1, "Succeeded": 7}


# --- when what was written cannot be looked at any more ----------------------------------


class Hidden(SimulatedAzure):
    """From its write on, one cluster's extension is shown to nobody for a while."""

    hidden_on = "store-0003-a"
    error: RemoteError = DeniedError("not allowed")
    lasts = dt.timedelta(minutes=10)
    loses_answer = False
    written_at: dt.datetime | None = None

    async def write(self, ref: ExtensionRef, write: Write, ids: RequestIds) -> Accepted:
        accepted = await super().write(ref, write, ids)
        if ref.cluster_id.endswith(self.hidden_on):
            self.written_at = virtual.clock().now()
            if self.loses_answer:
                raise LostAnswerError
        return accepted

    async def get(self, ref: ExtensionRef, ids: RequestIds) -> Extension | None:
        found = await super().get(ref, ids)
        is_its = self.written_at is not None and ref.cluster_id.endswith(self.hidden_on)
        if is_its and self.written_at and virtual.clock().now() < self.written_at + self.lasts:
            raise self.error
        return found


def hidden(error: RemoteError, *, lasts: dt.timedelta, loses_answer: bool) -> type[Hidden]:
    return type(
        "HiddenBy", (Hidden,), {"error": error, "lasts": lasts, "loses_answer": loses_answer}
    )


@pytest.mark.parametrize("loses_answer", [False, True])
@pytest.mark.parametrize(
    "error",
    [DeniedError("not allowed"), LostClusterError("no such cluster"), RemoteError("it was 400")],
)
def test_a_write_that_is_out_and_cannot_be_looked_at_is_unknown_and_no_failure(
    error: RemoteError, loses_answer: bool
) -> None:
    """A right taken away for ten minutes costs ten minutes; one that stays away, the deadline."""
    brief = hidden(error, lasts=dt.timedelta(minutes=10), loses_answer=loses_answer)
    for_good = hidden(error, lasts=dt.timedelta(days=9), loses_answer=loses_answer)
    what = "whether the write took effect was not seen" if loses_answer else "not proved"

    passed, _ = played(runs.world(**CALM), service=lambda w: brief(w, virtual.clock()))
    world = runs.world(**CALM)
    stayed, store = played(world, service=lambda w: for_good(w, virtual.clock()))

    assert passed.status_counts() == {"Succeeded": 8}
    assert stayed.status_counts() == {"Succeeded": 7, "TimedOut": 1}
    number = next(n for n, t in enumerate(stayed.targets) if t.cluster_name == Hidden.hidden_on)
    assert stayed.details[number] == f"{what} in time: {error.message}"
    assert "step.failed" not in kinds(store)
    assert len([one for one in world.effects if Hidden.hidden_on in one.call.cluster_id]) == 1


@pytest.mark.parametrize("patch_settings", ["merge", "replace"])
def test_settings_that_the_plan_does_not_own_survive(patch_settings: str) -> None:
    world = runs.world(**CALM, patchSettings=patch_settings)
    asked = rollouts.rollout(wish=rollouts.desired(settings={"osm.osm.replicaCount": "3"}))

    state, _ = played(world, asked)

    assert state.status_counts() == {"Succeeded": 8}
    now = world.last_at + dt.timedelta(hours=1)
    found = {
        tuple(sorted(one.settings.items()))
        for cluster in world.clusters(now)
        for one in cluster.extensions
    }
    assert found == {(("osm.osm.meshName", "osm"), ("osm.osm.replicaCount", "3"))}


def test_a_protected_value_reaches_the_service_and_no_record() -> None:
    canary = "canary-7f3a99-hunter2"
    world = runs.world(**{**CALM, "clusters": 2})
    asked = rollouts.rollout(wish=rollouts.desired(protected={"token": "OSM_TOKEN"}))

    state, store = played(world, asked, vault={"OSM_TOKEN": canary})

    assert state.status_counts() == {"Succeeded": 2}
    now = world.last_at + dt.timedelta(hours=1)
    marks = [world.protected_marks(c.id, "osm") for c in world.clusters(now)]
    assert [list(one) for one in marks] == [["token"], ["token"]]
    stored = b"".join(record.body for record in store.read(runs.RUN).records())
    assert canary.encode() not in stored


def test_running_the_same_plan_file_again_finds_nothing_to_do() -> None:
    world = runs.world(**CALM)
    played(world)

    async def again() -> int:
        return (
            await runs.planned(TWO_AT_ONCE, SimulatedAzure(world, virtual.clock()))
        ).change_count

    assert virtual.run(again(), start_at=world.last_at + dt.timedelta(hours=1)) == 0


def test_an_answer_that_nobody_waits_for_never_reaches_the_journal() -> None:
    """It could not be folded, so a journal that held it could never be read again."""

    def meddle(runner: Runner, events: Sequence[Event], state: RunState) -> None:
        if any(isinstance(event, e.TargetFinished) for event in events) and state.last_at:
            stray = e.StepProved(at=state.last_at, target=0, step=0, evidence={})
            runner._outbox.put(Outcome(event=stray))

    state, store = played(runs.world(**CALM), observe=meddle)

    assert state.status_counts() == {"Succeeded": 8}
    assert history.load(store.read(runs.RUN)).results == state.results
