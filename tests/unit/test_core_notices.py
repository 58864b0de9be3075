"""What people are told of a run, event by event."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import orjson
import pytest
from hypothesis import given, settings, strategies as st

from fleet.core import notices, noticewords
from fleet.core.notices import (
    AboutRun,
    AboutWave,
    Account,
    Call,
    Failure,
    Notice,
)
from fleet.core.state import RunState
from fleet.model import codec, events as e, records
from fleet.model.approvals import ApprovalRule
from fleet.model.events import Actor
from fleet.model.gates import Moment, OnVerdict, Verdict
from fleet.model.notices import Topic
from fleet.model.plan import RunId
from fleet.model.statuses import Result, RunStatus, WaitCause, WaveStatus
from tests.rig import fleets, histories, samples
from tests.rig.fleets import ALICE, T0

BOB = Actor(name="bob", host="desk-7", pid=7, identity="bob@contoso.example")
LATER = T0 + dt.timedelta(hours=2)
RULE = ApprovalRule(when=Moment.BEFORE, quorum=2, by=("ann@x", "bob@x"))
PLAN = fleets.plan(
    [fleets.wave(2, name="canary"), fleets.wave(3, name="rest", approvals=(RULE,))],
    name="osm",
    owner="mesh-sre",
    change="CHG1",
)
RUN = AboutRun(
    id=RunId("run-1"),
    plan="osm",
    plan_digest=PLAN.digest,
    change="CHG1",
    owner="mesh-sre",
    started_by=ALICE,
)
CANARY = AboutWave(name="canary", number=1, targets=2)
REST = AboutWave(name="rest", number=2, targets=3)


@pytest.fixture
def state() -> RunState:
    return fleets.opened(PLAN)


def told(state: RunState, *events: Any) -> Notice | None:
    """What is told of the last of *events*."""
    account, notice = Account(state), None
    for n, event in enumerate(events, start=1):
        notice = account.read(n, event)
    return notice


PAUSE = e.RunPausing(at=T0, actor=BOB, reason="lunch", request_id="q1")
OWN_PAUSE = e.RunPausing(at=T0, actor=None, reason="the budget broke", request_id=None)
WAITS: dict[str, Any] = {"at": T0, "wave": 1, "until": LATER, "detail": "it is Sunday"}
GATE: dict[str, Any] = {
    "at": T0, "wave": 0, "moment": Moment.AFTER, "gate": "errors", "detail": "0.2 > 0.1",
}  # fmt: skip
ASKED: dict[str, Any] = {"at": T0, "actor": BOB, "reason": "we know", "request_id": "q9"}


@pytest.mark.parametrize(
    ("event", "kind", "topic", "title"),
    [
        (e.RunStarted(at=T0, actor=BOB, consent="--yes"), "run.started", "run",
         "osm: started by bob@contoso.example@desk-7"),
        (e.RunWaiting(cause=WaitCause.WINDOW, **WAITS), "run.waiting", "run",
         "osm, wave rest: waiting until 2026-01-10 04:00:00Z (window): it is Sunday"),
        (e.RunWaiting(cause=WaitCause.APPROVAL, **WAITS), "approval.needed", "approval",
         "osm, wave rest: approval needed: it is Sunday"),
        (e.RunWoken(at=T0), "run.woken", "run", "osm: goes on: what it waited for has come"),
        (PAUSE, "run.pausing", "run", "osm: pausing by bob@contoso.example@desk-7: lunch"),
        (dataclasses.replace(OWN_PAUSE, is_bug=True), "run.pausing", "run",
         "osm: pausing: a bug in fleet: the budget broke"),
        (e.RunPaused(at=T0), "run.paused", "run", "osm: paused, nothing is in flight"),
        (e.RunResumed(**ASKED), "run.resumed", "run",
         "osm: resumed by bob@contoso.example@desk-7: we know"),
        (e.RunStopping(at=T0, actor=None, reason="late", request_id=None), "run.stopping", "run",
         "osm: stopping: late"),
        (e.RunRollingBack(at=T0, reason="the budget broke", scope="wave", left=(1, 2)),  # type: ignore[arg-type]
         "run.rollingBack", "run",
         "osm: rolling back (wave): the budget broke; 2 cannot be taken back"),
        (e.RunFinished(at=T0, status=RunStatus.SUCCEEDED, reason="done", counts={"Succeeded": 5}),
         "run.finished", "run", "osm: Succeeded: done (5 Succeeded)"),
        (e.WindowOverridden(calendar=0, until=LATER, **ASKED), "window.overridden", "run",
         ("osm: windows overridden until 2026-01-10 04:00:00Z by bob@contoso.example@desk-7: "
          "we know")),
        (e.WaveOpened(at=T0, wave=0), "wave.opened", "wave", "osm, wave canary: opened, 2 targets"),
        (e.WaveSoaking(at=T0, wave=0, until=LATER), "wave.soaking", "wave",
         "osm, wave canary: soaking until 2026-01-10 04:00:00Z"),
        (e.SoakSkipped(wave=0, **ASKED), "wave.soakSkipped", "wave",
         "osm, wave canary: soak ended by bob@contoso.example@desk-7: we know"),
        (e.WaveSkipped(wave=1, **ASKED), "wave.skipped", "wave",
         "osm, wave rest: skipped by bob@contoso.example@desk-7: we know"),
        (e.WaveObserved(at=T0, wave=0, relapsed=(1,), detail="it is Failed", is_seen=True),
         "wave.relapsed", "wave", "osm, wave canary: 1 relapsed during the soak: it is Failed"),
        (e.WaveClosed(at=T0, wave=0, status=WaveStatus.SUCCEEDED), "wave.closed", "wave",
         "osm, wave canary: closed, Succeeded"),
        (e.BudgetBreached(at=T0, wave=0, level="label", failures=3, max_failures=2,
                          label="tag:site=7"), "budget.breached", "breach",
         "osm, wave canary: tag:site=7 budget broken: 3 failures, 2 allowed"),
        (e.WaveOverdue(at=T0, wave=0, due_at=LATER), "wave.overdue", "breach",
         "osm, wave canary: not done by 2026-01-10 04:00:00Z: nothing more starts"),
        (e.GateEnded(verdict=Verdict.PASS, action=OnVerdict.CONTINUE, **GATE), "gate.passed",
         "gate", "osm, wave canary: gate errors passed: 0.2 > 0.1"),
        (e.GateEnded(verdict=Verdict.FAIL, action=OnVerdict.STOP, **GATE), "gate.notPassed",
         "gate", "osm, wave canary: gate errors failed, so the run stops: 0.2 > 0.1"),
        (e.GateEnded(verdict=Verdict.NO_DATA, action=OnVerdict.PAUSE, **GATE), "gate.notPassed",
         "gate", "osm, wave canary: gate errors has no data, so the run pauses: 0.2 > 0.1"),
        (e.GateEnded(verdict=Verdict.FAIL, action=OnVerdict.CONTINUE, **GATE), "gate.notPassed",
         "gate", "osm, wave canary: gate errors failed: 0.2 > 0.1"),
        (e.GateSkipped(wave=0, gate="errors", **ASKED), "gate.skipped", "gate",
         "osm, wave canary: gate errors skipped by bob@contoso.example@desk-7: we know"),
        (e.ApprovalGiven(wave=1, when=Moment.BEFORE, plan_digest=PLAN.digest, **ASKED),
         "approval.given", "approval",
         "osm, wave rest: approved (before) by bob@contoso.example@desk-7: we know"),
    ],
    ids=lambda one: one.kind if hasattr(one, "kind") else None,
)  # fmt: skip
def test_says_what_happened_to_whom_it_matters(
    state: RunState, event: Any, kind: str, topic: str, title: str
) -> None:
    notice = told(state, event)

    assert notice is not None
    assert (notice.kind, notice.topic, notice.title) == (kind, topic, title)
    assert notice.at == event.at
    assert notice.run == RUN


def test_every_kind_that_is_told_is_told_above() -> None:
    """What the journal's readers look for is what there are words for."""
    (mark,) = [
        one
        for one in test_says_what_happened_to_whom_it_matters.pytestmark
        if one.name == "parametrize"
    ]
    tested = {event.kind for event, *_ in mark.args[1]}

    assert tested == noticewords.KINDS
    assert tested | {"target.finished"} == notices.KINDS


@pytest.mark.parametrize(
    "event",
    [
        e.WaveObserved(at=T0, wave=0, relapsed=(), detail="", is_seen=True),
        samples.event(e.RunTaken),
        samples.event(e.TargetStarted, target=0),
        samples.event(e.RequestRefused),
    ],
    ids=lambda one: one.kind,
)
def test_says_nothing_of_what_concerns_nobody(state: RunState, event: Any) -> None:
    assert told(state, event) is None


def test_an_approval_that_is_needed_names_who_gives_it_and_how(state: RunState) -> None:
    waiting = e.RunWaiting(
        at=T0, cause=WaitCause.APPROVAL, wave=1, until=LATER, detail="0 of 2 have approved"
    )

    assert told(state, waiting) == Notice(
        sequence=1,
        kind="approval.needed",
        topic=Topic.APPROVAL,
        at=T0,
        title="osm, wave rest: approval needed: 0 of 2 have approved",
        run=RUN,
        wave=REST,
        counts={},
        reason="0 of 2 have approved",
        until=LATER,
        call=Call(
            who="2 of ann@x, bob@x, and not alice", commands=("fleet approve run-1 --wave rest",)
        ),
    )


def test_a_wait_that_is_written_down_again_for_its_next_look_is_told_once(state: RunState) -> None:
    soak = samples.event(e.RunWaiting, cause=WaitCause.SOAK, until=LATER, look_at=T0)
    again = dataclasses.replace(soak, at=LATER, look_at=LATER)
    longer = dataclasses.replace(again, until=LATER + dt.timedelta(hours=1))

    assert told(state, soak) is not None
    assert told(state, soak, again) is None
    assert told(state, soak, longer) is not None
    assert told(state, soak, e.RunWoken(at=T0), again) is not None


def test_a_pause_says_why_it_came_and_how_it_ends(state: RunState) -> None:
    notice = told(state, PAUSE, e.RunPaused(at=LATER))

    assert notice == Notice(
        sequence=2,
        kind="run.paused",
        topic=Topic.RUN,
        at=LATER,
        title="osm: paused, nothing is in flight: lunch",
        run=RUN,
        wave=None,
        counts={},
        reason="lunch",
        actor=BOB,
        call=Call(who="mesh-sre", commands=("fleet resume run-1", "fleet stop run-1")),
    )


def finished(target: int, result: Result, detail: str = "") -> e.TargetFinished:
    return e.TargetFinished(at=T0, target=target, result=result, detail=detail)


def test_a_broken_budget_names_what_failed_in_its_wave(state: RunState) -> None:
    breach = e.BudgetBreached(at=LATER, wave=1, level="wave", failures=1, max_failures=0, label="")
    names = [one.cluster_name for one in state.targets]

    notice = told(
        state,
        e.WaveOpened(at=T0, wave=0),
        finished(0, Result.FAILED, "in another wave"),
        finished(1, Result.SUCCEEDED),
        e.WaveOpened(at=T0, wave=1),
        finished(2, Result.SUCCEEDED),
        finished(3, Result.TIMED_OUT, "no end in sight"),
        breach,
    )

    assert notice == Notice(
        sequence=7,
        kind="budget.breached",
        topic=Topic.BREACH,
        at=LATER,
        title="osm, wave rest: wave budget broken: 1 failures, 0 allowed",
        run=RUN,
        wave=REST,
        counts={"Succeeded": 1, "TimedOut": 1},
        reason="1 failures, 0 allowed",
        failures=(Failure(cluster=names[3], result=Result.TIMED_OUT, detail="no end in sight"),),
    )


def test_the_end_of_a_run_counts_all_of_it_and_says_what_may_be_done(state: RunState) -> None:
    end = e.RunFinished(
        at=LATER, status=RunStatus.FAILED, reason="it broke", counts={"Failed": 1, "Pending": 3}
    )

    notice = told(state, e.WaveOpened(at=T0, wave=0), finished(1, Result.FAILED, "no"), end)

    assert notice is not None
    assert notice.counts == {"Failed": 1, "Pending": 3}
    assert notice.title == "osm: Failed: it broke (1 Failed, 3 Pending)"
    assert [one.detail for one in notice.failures] == ["no"]
    assert notice.call == Call(
        who="mesh-sre",
        commands=("fleet retry run-1 --failed", "fleet rollback run-1 --plan-only"),
    )


@pytest.mark.parametrize(
    ("status", "counts"),
    [
        (RunStatus.SUCCEEDED, {"Succeeded": 5}),
        (RunStatus.ROLLED_BACK, {"RolledBack": 4, "Failed": 1}),
        (RunStatus.STOPPED, {"Succeeded": 1, "Pending": 4}),
    ],
)
def test_nobody_is_called_where_nothing_is_left_to_do(
    state: RunState, status: RunStatus, counts: dict[str, int]
) -> None:
    notice = told(state, e.RunFinished(at=T0, status=status, reason="x", counts=counts))

    assert notice is not None
    assert notice.call is None


def test_what_is_taken_back_or_relapses_is_counted_once(state: RunState) -> None:
    relapse = e.WaveObserved(at=T0, wave=0, relapsed=(1,), detail="it is Failed", is_seen=True)
    closed = e.WaveClosed(at=T0, wave=0, status=WaveStatus.FAILED)

    notice = told(
        state,
        e.WaveOpened(at=T0, wave=0),
        finished(0, Result.SUCCEEDED),
        finished(1, Result.SUCCEEDED),
        relapse,
        finished(0, Result.ROLLED_BACK),
        closed,
    )

    assert notice is not None
    assert notice.counts == {"Failed": 1, "RolledBack": 1}
    assert notice.title == "osm, wave canary: closed, Failed (1 Failed, 1 RolledBack)"
    assert [one.cluster for one in notice.failures] == [state.targets[1].cluster_name]


def test_before_a_wave_opens_the_run_is_counted_not_the_wave_before(state: RunState) -> None:
    notice = told(
        state,
        e.WaveOpened(at=T0, wave=0),
        finished(0, Result.NO_OP),
        finished(1, Result.SUCCEEDED),
        e.GateEnded(
            at=T0, wave=1, moment=Moment.BEFORE, gate="g", verdict=Verdict.PASS,
            action=OnVerdict.CONTINUE, detail="",
        ),
    )  # fmt: skip

    assert notice is not None
    assert (notice.wave, notice.gate, notice.verdict) == (REST, "g", Verdict.PASS)
    assert notice.counts == {"NoOp": 1, "Succeeded": 1}


def test_long_words_are_cut_and_only_the_first_failures_named(state: RunState) -> None:
    events = [finished(n, Result.FAILED, "x" * 9_000) for n in range(5)]
    state.targets += state.targets
    events += [finished(n, Result.FAILED) for n in range(5, 10)]
    end = e.RunFinished(at=T0, status=RunStatus.FAILED, reason="y" * 9_000, counts={"Failed": 10})

    notice = told(state, *events, end)

    assert notice is not None
    assert len(notice.failures) == 5
    assert {len(one.detail) for one in notice.failures} == {500}
    assert len(notice.reason) == 500
    assert len(notice.title) < 540


def test_a_notice_is_read_back_from_its_json(state: RunState) -> None:
    notice = told(state, PAUSE, e.RunPaused(at=LATER))

    assert notice is not None
    assert codec.from_json(Notice, codec.to_json(notice)) == notice
    assert notice.id == "run-1/2"


@settings(max_examples=25)
@given(seed=st.integers(0, 200), data=st.data())
def test_whoever_takes_over_tells_the_same_to_the_letter(seed: int, data: st.DataObject) -> None:
    """A notice is a matter of the journal up to it, however far the run has come since."""
    life = histories.Life(PLAN, seed=seed, luck=histories.ROUGH, unrest=3)
    life.run()
    stored = [records.from_record(orjson.loads(one)) for one in life.records]
    mine = [one for one in enumerate(stored, start=1) if one[1].kind in notices.KINDS]
    cut = data.draw(st.integers(0, len(stored)))

    whole = [Account.read(account, n, one) for account in [Account(life.state)] for n, one in mine]
    account, early = Account(fleets.folded(stored[:cut])), []
    for n, event in mine:
        if n <= cut:
            early.append(account.read(n, event))

    assert early == whole[: len(early)]
    assert any(one is not None and one.kind == "wave.opened" for one in whole)
