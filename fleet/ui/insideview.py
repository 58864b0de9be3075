"""What was seen inside a cluster, as one line of a log."""

from __future__ import annotations

from collections.abc import Sequence

from fleet.model.inside import CheckResult, Verdict

_BAD = (Verdict.FAILED, Verdict.UNKNOWN)


def warnings(checks: Sequence[CheckResult]) -> list[CheckResult]:
    """Return the checks that did not pass; none of them bars a target that was proved."""
    return [one for one in checks if one.verdict in _BAD]


def line(checks: Sequence[CheckResult]) -> str:
    """Return what the checks of a cluster came to."""
    passed = sum(one.verdict is Verdict.PASSED for one in checks)
    told = "; ".join(f"{one.check}: {one.detail}" for one in warnings(checks))
    text = f"checked inside: {passed} passed"
    return f"{text}; warning: {told}" if told else text
