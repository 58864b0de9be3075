"""A sample of every event, that fits a run of one target in its first step."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from fleet.model import events as e
from fleet.model.gates import Moment, OnVerdict, Verdict
from fleet.model.plan import Verb
from fleet.model.statuses import Finding, HoldReason, Result, RunStatus, WaitCause, WaveStatus
from fleet.model.strategy import FailureClass, RollbackScope
from tests.rig.fleets import ALICE, T0, target, wave

SAMPLES: Mapping[type, Mapping[str, Any]] = {
    e.RunPausing: {"actor": ALICE, "reason": "lunch", "request_id": "q1"},
    e.RunResumed: {"actor": ALICE, "reason": "back", "request_id": "q2"},
    e.RunStopping: {"actor": ALICE, "reason": "enough", "request_id": "q3"},
    e.RunTaken: {"actor": ALICE, "release": "0.0.0"},
    e.RunStarted: {"actor": ALICE, "consent": "--yes"},
    e.RequestRefused: {"actor": ALICE, "asked": "pause", "reason": "no", "request_id": "q4"},
    e.RunFinished: {"status": RunStatus.SUCCEEDED, "reason": "done", "counts": {}},
    e.RunPlanned: {"plan_digest": "sha256:0"},
    e.TargetsListed: {"first": 0, "targets": ()},
    e.WaveOpened: {"wave": 0},
    e.BudgetBreached: {
        "wave": 0,
        "level": "wave",
        "failures": 1,
        "max_failures": 0,
        "label": "",
    },
    e.RunRollingBack: {"reason": "too many", "scope": RollbackScope.RUN, "left": ()},
    e.RunSurveyed: {"wave": 0, "left": (), "joined": (), "groups": (), "problem": ""},
    e.WaveAdded: {"wave": 2, "planned": wave(0, name="back-w0")},
    e.WaveExtended: {"wave": 0, "members": ()},
    e.WaveOverdue: {"wave": 0, "due_at": T0},
    e.WaveSkipped: {"wave": 0, "actor": ALICE, "reason": "no", "request_id": "q5"},
    e.SoakSkipped: {"wave": 0, "actor": ALICE, "reason": "no", "request_id": "q6"},
    e.TargetReplanned: {"target": 0, "step": 0, "plan": target(0), "detail": "version was 1"},
    e.TargetRetried: {
        "target": 0,
        "step": 0,
        "retry": 1,
        "failure": FailureClass.FAILED,
        "until": T0 + dt.timedelta(seconds=60),
        "detail": "it failed",
    },
    e.TargetStalled: {"target": 0},
    e.TargetSkipped: {"target": 0, "actor": ALICE, "reason": "no", "request_id": "q7"},
    e.WaveSoaking: {"wave": 0, "until": T0},
    e.WaveClosed: {"wave": 0, "status": WaveStatus.SUCCEEDED},
    e.TargetStarted: {"target": 0},
    e.StepChecked: {"target": 0, "step": 0, "finding": Finding.PROCEED, "mark": "before"},
    e.StepIntended: {
        "target": 0,
        "step": 0,
        "attempt": 1,
        "verb": Verb.PATCH,
        "correlation_id": "c",
        "client_request_id": "r",
    },
    e.StepAccepted: {
        "target": 0,
        "step": 0,
        "attempt": 1,
        "operation_sha256": "ab",
        "mark": "accepted",
    },
    e.StepLost: {"target": 0, "step": 0, "attempt": 1, "code": "F331", "message": "no answer"},
    e.StepHeld: {
        "target": 0,
        "step": 0,
        "reason": HoldReason.THROTTLED,
        "until": T0 + dt.timedelta(seconds=10),
        "code": "F310",
        "message": "later",
    },
    e.OperationEnded: {
        "target": 0,
        "step": 0,
        "status": "Succeeded",
        "error": None,
        "poll_count": 2,
    },
    e.StepProved: {"target": 0, "step": 0, "evidence": {}},
    e.StepFailed: {"target": 0, "step": 0, "code": "F360", "message": "refused"},
    e.StepUnknown: {"target": 0, "step": 0, "message": "KeyError"},
    e.TargetPutOff: {"target": 0, "detail": "not connected (Offline)"},
    e.TargetFinished: {"target": 0, "result": Result.TIMED_OUT},
    e.TargetSoaking: {"target": 0, "until": T0},
    e.TargetObserved: {"target": 0, "step": 0},
    e.TargetReturned: {"target": 0, "detail": "its change window closed"},
    e.RunWaiting: {
        "cause": WaitCause.APPROVAL,
        "wave": 0,
        "until": None,
        "detail": "wave w0: 1 approval is needed before it",
    },
    e.RunWoken: {},
    e.WindowOverridden: {
        "calendar": 0,
        "until": None,
        "actor": ALICE,
        "reason": "the fix cannot wait",
        "request_id": "q8",
    },
    e.WindowClosed: {"calendars": (0,), "until": T0},
    e.WindowOpened: {"calendars": (0,)},
    e.ApprovalGiven: {
        "wave": 0,
        "when": Moment.BEFORE,
        "plan_digest": "sha256:0",
        "actor": ALICE,
        "reason": "looks good",
        "request_id": "q9",
    },
    e.GatesEntered: {"wave": 0, "moment": Moment.BEFORE},
    e.GateMeasured: {
        "wave": 0,
        "moment": Moment.BEFORE,
        "gate": "errors",
        "number": 1,
        "verdict": Verdict.PASS,
        "values": ("0.01",),
        "detail": "",
    },
    e.GateEnded: {
        "wave": 0,
        "moment": Moment.BEFORE,
        "gate": "errors",
        "verdict": Verdict.PASS,
        "action": OnVerdict.CONTINUE,
        "detail": "",
    },
    e.GateSkipped: {
        "wave": 0,
        "gate": "errors",
        "actor": ALICE,
        "reason": "the probe is wrong",
        "request_id": "q10",
    },
    e.WaveObserved: {"wave": 0, "relapsed": (), "detail": "", "is_seen": True},
}
"""``{event: fields}`` that fit a run of one target that is in its first step."""


def event(cls: type[Any], *, at: dt.datetime = T0, **changes: Any) -> Any:
    """An event of *cls* about target 0, step 0, attempt 1."""
    return cls(at=at, **{**SAMPLES.get(cls, {}), **changes})
