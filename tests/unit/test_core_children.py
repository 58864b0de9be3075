"""Plans of runs that follow another, from journals told by hand."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest

from fleet.core import children, fold, planner
from fleet.core.children import Choice
from fleet.core.state import RunState
from fleet.core.trail import Footprint, Trail
from fleet.errors import InputError, RefusedError
from fleet.model import events as e
from fleet.model.calendars import Calendar, Level
from fleet.model.desired import OnDrift
from fleet.model.plan import (
    Action,
    Parent,
    Plan,
    Purpose,
    Rollback,
    RunId,
    Spread,
    SpreadGroup,
    Step,
    Target,
    Verb,
)
from fleet.model.statuses import Finding, HoldReason, Result, RunStatus, WaveStatus
from fleet.model.strategy import FailureMode, OnBreach
from tests.rig import fleets
from tests.rig.fleets import PIN, T0
from tests.rig.samples import event

BACK = Step(verb=Verb.PATCH, version="1.1.1", release_train="stable")
WAY = Rollback(is_possible=True, note="restore version 1.1.1", steps=(BACK,))
STUCK = Rollback(is_possible=False, note="irreversible: no")
SPREAD = Spread(
    by="location",
    groups=(
        SpreadGroup(value="north", target_count=2, max_concurrency=1, max_failures=0),
        SpreadGroup(value="west", target_count=2, max_concurrency=None, max_failures=1),
    ),
)


def target(n: int, wave: str, way: Rollback = WAY) -> Target:
    return fleets.target(n, wave=wave, rollback=way, groups=(n % 2,))


PLAN = fleets.plan(
    [
        fleets.wave(2, name="w0", max_concurrency=2, max_failures=1),
        fleets.wave(2, name="w1", max_concurrency=2, soak=dt.timedelta(minutes=5)),
    ],
    targets=[target(0, "w0"), target(1, "w0"), target(2, "w1"), target(3, "w1", STUCK)],
    run=fleets.limits(
        max_concurrency=2,
        max_failures=3,
        failure_mode=FailureMode.STRICT,
        on_breach=OnBreach.PAUSE,
    ),
    on_drift=OnDrift.REPLAN,
    spreads=(SPREAD,),
)
FATES = (Result.SUCCEEDED, Result.FAILED, Result.SUCCEEDED, Result.SUCCEEDED)


def told(*events: e.Event) -> tuple[RunState, Trail]:
    state, trail = RunState(), Trail()
    for one in events:
        fold.apply(state, one)
        trail.note(one)
    return state, trail


def written(n: int, result: Result) -> list[e.Event]:
    """The events of a target to which something was sent."""
    is_good = result is Result.SUCCEEDED
    last = event(e.StepProved, target=n) if is_good else event(e.StepFailed, target=n, message="no")
    return [
        event(e.TargetStarted, target=n),
        event(e.StepChecked, target=n),
        event(e.StepIntended, target=n),
        event(e.StepAccepted, target=n),
        event(e.OperationEnded, target=n),
        last,
        event(e.TargetFinished, target=n, result=result),
    ]


def over(plan: Plan = PLAN) -> tuple[RunState, Trail]:
    """A run whose targets ended as :data:`FATES` has it."""
    events = fleets.opening(plan)
    for wave in (0, 1):
        events.append(event(e.WaveOpened, wave=wave))
        for n in (2 * wave, 2 * wave + 1):
            events += written(n, FATES[n])
        events.append(event(e.WaveClosed, wave=wave, status=WaveStatus.SUCCEEDED))
    events.append(event(e.RunFinished, status=RunStatus.SUCCEEDED_WITH_FAILURES))
    return told(*events)


PARENT = Parent(run_id=RunId("run-1"), plan_digest=PLAN.digest, purpose=Purpose.ROLLBACK)


def names(plan: Plan) -> list[tuple[str, list[str]]]:
    return [(wave.name, [one.cluster_name for one in some]) for wave, some in plan.by_wave()]


def test_a_rollback_goes_newest_wave_first_failed_first_and_leaves_out_what_is_stuck() -> None:
    plan = children.rollback(*over(), choice=Choice())

    assert names(plan) == [("back-w1", ["c2"]), ("back-w0", ["c1", "c0"])]
    assert [one.is_unsure for one in plan.targets] == [False, True, False, False]
    stuck = plan.targets[-1]
    assert (stuck.cluster_name, stuck.action, stuck.reason, stuck.steps) == (
        "c3",
        Action.BLOCKED,
        "irreversible: no",
        (),
    )
    head, limits = plan.head, plan.head.limits
    assert (head.parent, head.on_drift, head.basis) == (PARENT, OnDrift.FAIL, None)
    assert (limits.max_concurrency, limits.max_failures) == (2, 3)
    assert (limits.failure_mode, limits.on_breach) == (FailureMode.SOFT, OnBreach.STOP)
    groups = [
        (one.target_count, one.max_concurrency, one.max_failures) for one in head.spreads[0].groups
    ]
    assert groups == [(2, 1, None), (1, None, None)]


def test_what_follows_a_run_keeps_the_calendars_of_its_waves_and_targets() -> None:
    nights = Calendar(name="nights", level=Level.WAVE, zone="UTC")
    own = Calendar(name="stores:sun-02-06", level=Level.TARGET, zone="UTC")
    bound = dataclasses.replace(PLAN.head.waves[1], calendars=(0,))
    head = dataclasses.replace(
        PLAN.head, waves=(PLAN.head.waves[0], bound), calendars=(nights, own)
    )
    ended = over(
        planner.sealed(head, [dataclasses.replace(t, calendars=(1,)) for t in PLAN.targets])
    )

    back = children.rollback(*ended, choice=Choice())
    again = children.retry(*ended, results=frozenset({Result.FAILED, Result.SUCCEEDED}))

    for plan, waves in ((back, {"back-w1": (0,), "back-w0": ()}), (again, {"w0": (), "w1": (0,)})):
        assert plan.head.calendars == (nights, own)
        assert {one.name: one.calendars for one in plan.head.waves} == waves
        assert {one.calendars for one in plan.targets} == {(1,)}


def test_a_rollback_of_an_install_has_the_time_of_an_uninstall() -> None:
    gone = Rollback(is_possible=True, note="", steps=(Step(verb=Verb.DELETE),))
    targets = [dataclasses.replace(one, rollback=gone) for one in PLAN.targets]

    plan = children.rollback(*over(planner.sealed(PLAN.head, targets)), choice=Choice())

    assert plan.head.limits.progress_deadline == dt.timedelta(minutes=45)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        pytest.param(Choice(waves=("w0",)), [("back-w0", ["c1", "c0"])], id="wave"),
        pytest.param(Choice(targets=("C2",)), [("back-w1", ["c2"])], id="name"),
        pytest.param(Choice(targets=("/c/0",)), [("back-w0", ["c0"])], id="id"),
        pytest.param(Choice(is_failed_only=True), [("back-w0", ["c1"])], id="failed"),
        pytest.param(Choice(waves=("w1",), is_failed_only=True), [], id="none"),
    ],
)
def test_a_rollback_of_a_part(choice: Choice, expected: list[tuple[str, list[str]]]) -> None:
    assert names(children.rollback(*over(), choice=choice)) == expected


@pytest.mark.parametrize("choice", [Choice(waves=("w9",)), Choice(targets=("c9",))])
def test_what_the_run_does_not_have_is_bad_input(choice: Choice) -> None:
    with pytest.raises(InputError, match="9"):
        children.rollback(*over(), choice=choice)


def test_a_retry_takes_what_failed_with_the_same_versions_as_a_put() -> None:
    state, trail = over()

    plan = children.retry(state, trail, results=children.FAILED)

    (again,) = plan.targets
    assert names(plan) == [("w0", ["c1"])]
    assert again.is_unsure
    assert again.steps == (
        dataclasses.replace(
            PIN, verb=Verb.PUT, settings={}, release_train="stable", why="; put again, all of it"
        ),
    )
    assert (again.rollback, again.facts) == (WAY, PLAN.targets[1].facts)
    assert plan.head.parent == dataclasses.replace(PARENT, purpose=Purpose.RETRY)
    (wave,) = plan.head.waves
    assert (wave.max_concurrency, wave.max_failures, wave.worst_case_failures) == (1, 1, 1)
    assert children.retry(state, trail, results=frozenset({Result.SKIPPED})).targets == ()


def test_a_retry_of_what_was_never_sent_is_checked_as_it_was_planned() -> None:
    events = [
        *fleets.opening(PLAN),
        event(e.WaveOpened),
        event(e.TargetStarted),
        *written(1, Result.SUCCEEDED),
        event(e.TargetFinished, result=Result.TIMED_OUT),
        event(e.RunStopping),
        event(e.RunFinished, status=RunStatus.STOPPED),
    ]
    state, trail = told(*events)

    assert children.retry(state, trail, results=children.FAILED).targets == (PLAN.targets[0],)
    assert names(children.rollback(state, trail, choice=Choice())) == [("back-w0", ["c1"])]


def test_a_retry_goes_on_where_the_steps_were_proved() -> None:
    first = Step(verb=Verb.PATCH, settings={"a": "1"})
    plan = fleets.plan([fleets.wave(1)], targets=[fleets.target(0, steps=(first, PIN))])
    proved = written(0, Result.SUCCEEDED)[:-1]
    failed = [
        event(e.StepChecked, step=1),
        event(e.StepIntended, step=1),
        event(e.StepAccepted, step=1),
        event(e.OperationEnded, step=1),
        event(e.StepFailed, step=1),
        event(e.TargetFinished, result=Result.FAILED),
        event(e.WaveClosed, status=WaveStatus.SUCCEEDED_WITH_FAILURES),
        event(e.RunFinished, status=RunStatus.FAILED),
    ]
    state, trail = told(*fleets.opening(plan), event(e.WaveOpened), *proved, *failed)

    (again,) = children.retry(state, trail, results=children.FAILED).targets

    assert [(one.verb, one.version) for one in again.steps] == [(Verb.PUT, "1.2.6")]
    assert again.facts.settings == {"a": "1"}


def test_a_retry_that_would_lose_protected_settings_stays_a_patch() -> None:
    hidden = fleets.target(0, found=fleets.extension(protected_keys=("token",)))
    left = Footprint(is_written=True)

    again = children._retried(hidden, left)

    assert again.steps == (PIN,)
    assert again.is_unsure


@pytest.mark.parametrize(
    ("events", "told_"),
    [
        pytest.param([], "run run-1 is Running", id="running"),
        pytest.param([event(e.RunPausing), event(e.RunPaused)], "is Paused", id="paused"),
    ],
)
def test_a_run_that_is_not_over_has_no_followers(events: list[e.Event], told_: str) -> None:
    state, trail = told(*fleets.opening(PLAN), event(e.WaveOpened), *events)

    with pytest.raises(RefusedError, match=told_) as refusal:
        children.rollback(state, trail, choice=Choice())
    assert "fleet stop run-1" in (refusal.value.hint or "")
    with pytest.raises(RefusedError, match=told_):
        children.retry(state, trail, results=children.FAILED)


# --- footprints --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "is_written"),
    [
        pytest.param([event(e.StepIntended)], False, id="nobody knows yet"),
        pytest.param([event(e.StepIntended), event(e.StepAccepted)], True, id="accepted"),
        pytest.param([event(e.StepIntended), event(e.StepLost)], True, id="lost"),
        pytest.param([event(e.StepIntended), event(e.StepUnknown)], True, id="a bug"),
        pytest.param([event(e.StepIntended), event(e.StepHeld)], False, id="throttled"),
        pytest.param(
            [event(e.StepIntended), event(e.StepHeld, reason=HoldReason.TRANSIENT)],
            True,
            id="a service in trouble",
        ),
        pytest.param([event(e.StepIntended), event(e.StepFailed)], False, id="refused"),
        pytest.param([event(e.StepHeld, reason=HoldReason.TRANSIENT)], False, id="a read"),
    ],
)
def test_what_may_have_been_written(events: list[e.Event], is_written: bool) -> None:
    trail = Trail()
    for one in (event(e.TargetStarted), *events):
        trail.note(one)

    assert trail.of(0).is_written is is_written
    assert trail.of(1) == Footprint()


def test_the_steps_that_were_proved() -> None:
    trail = Trail()
    for one in (
        event(e.StepChecked, finding=Finding.DONE),
        event(e.StepProved, step=1),
        event(e.StepChecked, step=2),
        event(e.TargetPutOff),
        event(e.RunPaused, at=T0),
    ):
        trail.note(one)

    assert trail.of(0) == Footprint(proved_count=2, is_late=True)
