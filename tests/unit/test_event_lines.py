"""What `fleet log` says of waits and judgements, and who acted by which kind of identity."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from fleet.model import events as e, records
from fleet.model.calendars import Calendar, Level
from fleet.model.events import Actor
from fleet.model.gates import OnVerdict, Verdict
from fleet.model.inside import CheckResult, Severity, Verdict as CheckVerdict
from fleet.ui import eventlines
from tests.rig.fleets import T0, opened, plan, wave
from tests.rig.samples import event

NIGHTS = Calendar(name="nights", level=Level.RUN, zone="UTC")
STATE = opened(plan([wave(1)], calendars=(NIGHTS,)))
ADA = Actor(name="ops", host="jump-1", pid=7, identity="ada@x.example")
LATER = T0 + dt.timedelta(hours=1)
MOMENT = "2026-01-10 02:00:00Z  "


def line(cls: type[Any], *, is_full: bool = True, **changes: Any) -> str | None:
    return eventlines.line(event(cls, **changes), STATE, is_full=is_full)


READY = CheckResult(check="pods", severity=Severity.GATE, verdict=CheckVerdict.PASSED)
STALE = CheckResult(
    check="stale-sidecars",
    severity=Severity.WARN,
    verdict=CheckVerdict.FAILED,
    detail="shop/cart: restart it",
)


@pytest.mark.parametrize(
    ("cls", "changes", "said"),
    [
        (e.WindowClosed, {"until": None}, "windows closed: nights"),
        (e.WindowOpened, {}, "windows open again: nights"),
        (
            e.WindowOverridden,
            {"actor": ADA, "until": LATER, "reason": "a fix"},
            (
                "windows of nights overridden until 2026-01-10 03:00:00Z by ada@x.example "
                "(Azure; ops@jump-1): a fix"
            ),
        ),
        (
            e.ApprovalGiven,
            {},
            "wave w0  approved (before) by alice@ops-1 (OS user): looks good",
        ),
        (e.GatesEntered, {}, "wave w0  gates before begin"),
        (e.GateMeasured, {}, "wave w0  gate errors (before) 1. Pass: 0.01"),
        (
            e.GateMeasured,
            {"verdict": Verdict.ERROR, "values": (), "detail": "no answer"},
            "wave w0  gate errors (before) 1. Error (no answer)",
        ),
        (e.GateEnded, {}, "wave w0  gate errors (before) came to Pass"),
        (
            e.GateEnded,
            {"verdict": Verdict.FAIL, "action": OnVerdict.ROLLBACK},
            "wave w0  gate errors (before) came to Fail; rollback follows",
        ),
        (
            e.GateSkipped,
            {"actor": ADA},
            "wave w0  gate errors skipped by ada@x.example (Azure; ops@jump-1): the probe is wrong",
        ),
        (e.WaveObserved, {}, "wave w0  looked at again: all are as they were proved to be"),
        (
            e.WaveObserved,
            {"relapsed": (0,), "detail": "Failed"},
            "wave w0  looked at again: 1 relapsed: Failed",
        ),
        (
            e.WaveObserved,
            {"is_seen": False, "detail": "no answer"},
            "wave w0  was to be looked at again, and was not seen: no answer",
        ),
        (e.TargetSoaking, {"until": LATER}, "c0  as planned; has to stay so until 03:00:00Z"),
        (e.TargetObserved, {}, "c0  step 1 is as it was proved to be"),
        (
            e.TargetObserved,
            {"checks": (READY, STALE)},
            "c0  checked inside: 1 passed; warning: stale-sidecars: shop/cart: restart it",
        ),
        (e.TargetReturned, {}, "c0  waits for its turn again: its change window closed"),
    ],
)
def test_every_wait_and_judgement_has_a_line(
    cls: type[Any], changes: dict[str, Any], said: str
) -> None:
    assert line(cls, **changes) == MOMENT + said


def test_no_event_is_shown_by_its_kind_alone() -> None:
    assert set(records.KINDS.values()) == set(eventlines._TOLD)


@pytest.mark.parametrize(
    ("cls", "changes", "is_told"),
    [
        (e.GateMeasured, {}, False),
        (e.GateMeasured, {"verdict": Verdict.FAIL}, True),
        (e.WaveObserved, {}, False),
        (e.WaveObserved, {"relapsed": (0,)}, True),
        (e.GatesEntered, {}, False),
        (e.TargetSoaking, {}, False),
        (e.TargetObserved, {}, False),
        (e.TargetObserved, {"checks": (READY,)}, False),
        (e.TargetObserved, {"checks": (READY, STALE)}, True),
        (e.RunWaiting, {}, True),
        (e.ApprovalGiven, {}, True),
        (e.WindowOverridden, {}, True),
    ],
)
def test_while_a_run_goes_on_only_what_is_news_is_told(
    cls: type[Any], changes: dict[str, Any], is_told: bool
) -> None:
    assert (line(cls, is_full=False, **changes) is not None) is is_told


def test_who_began_a_run_is_told_with_the_kind_of_identity() -> None:
    assert line(e.RunStarted, actor=ADA, consent="prompt") == (
        f"{MOMENT}run started by ada@x.example (Azure; ops@jump-1) (prompt)"
    )
