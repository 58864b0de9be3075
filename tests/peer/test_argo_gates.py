"""Argo Rollouts' analysis: what a metric's counts come to, while it runs and when it is ended."""

from __future__ import annotations

import datetime as dt

import pytest

from fleet.core import gates
from fleet.core.gates import Tally
from fleet.model.gates import Gate, Probe, ProbeKind, Verdict
from tests.rig import peers
from tests.rig.peers import Case

CASES = peers.tables("argo_rollouts_gates").get("cases", ())
ENDED = [case for case in CASES if case["expectPhaseWhenTerminating"]]

CALLED = {
    None: "Running",
    Verdict.PASS: "Successful",
    Verdict.FAIL: "Failed",
    Verdict.INCONCLUSIVE: "Inconclusive",
    Verdict.ERROR: "Error",
}
"""What they would call it. They have no word for missing data: a result that is empty is an error
of theirs."""

DIFFERING_AT_THE_END = {
    "default consecutiveErrorLimit 4, 4 errors": (
        "theirs is ended when something else has settled the matter; ours when the soak is over,"
        " and nothing good is said of what was never measured"
    ),
}


def _gate(case: Case) -> Gate:
    metric = case["metric"]
    limits = {
        "failureLimit": "failure_limit",
        "inconclusiveLimit": "inconclusive_limit",
        "consecutiveErrorLimit": "consecutive_error_limit",
        "consecutiveSuccessLimit": "consecutive_success_limit",
        "count": "count",
    }
    given = {ours: metric[theirs] for theirs, ours in limits.items() if theirs in metric}
    text = metric.get("interval")
    interval = dt.timedelta(seconds=int(text.removesuffix("s"))) if text else None
    probe = Probe(kind=ProbeKind.PROMETHEUS)
    return Gate(name="metric", probe=probe, interval=interval, **given)


def _tally(case: Case) -> Tally:
    result = case["result"]
    # Their table gives a count of errors as answers, which their own code never does.
    count = result["count"] - result.get("consecutiveError", 0)
    return Tally(
        successful=result.get("successful", 0),
        failed=result.get("failed", 0),
        inconclusive=result.get("inconclusive", 0),
        error=result.get("consecutiveError", 0),
        consecutive_success=result.get("consecutiveSuccess", 0),
        consecutive_error=result.get("consecutiveError", 0),
        count=count,
    )


@pytest.mark.parametrize("case", peers.named(CASES))
def test_what_counts_come_to_while_a_gate_is_measured(case: Case) -> None:
    found = gates.assess(_gate(case), _tally(case))

    peers.compare(case["name"], CALLED[found], case["expectPhaseWhileRunning"], differing={})


@pytest.mark.parametrize("case", peers.named(ENDED))
def test_what_counts_come_to_when_a_gate_is_ended(case: Case) -> None:
    found = gates.assess(_gate(case), _tally(case), is_terminating=True)

    theirs = case["expectPhaseWhenTerminating"]
    peers.compare(case["name"], CALLED[found], theirs, differing=DIFFERING_AT_THE_END)


def test_their_defaults_are_ours() -> None:
    defaults = peers.tables("argo_rollouts_gates").get("defaults", {})
    gate = Gate(name="metric", probe=Probe(kind=ProbeKind.PROMETHEUS))
    ours = {
        "failureLimit": gate.failure_limit,
        "inconclusiveLimit": gate.inconclusive_limit,
        "consecutiveErrorLimit": gate.consecutive_error_limit,
        "consecutiveSuccessLimit": gate.consecutive_success_limit,
    }

    assert not defaults or ours.items() <= defaults.items()


def test_every_difference_that_is_listed_is_a_case() -> None:
    assert not CASES or DIFFERING_AT_THE_END.keys() <= {case["name"] for case in CASES}
