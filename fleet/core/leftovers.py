"""What a rollback could not take back: each target, what it came to, and whose move it is."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from fleet.core import reversal
from fleet.core.state import RunState
from fleet.model.plan import Action, Purpose, Target
from fleet.model.statuses import Result

_GOOD = frozenset({Result.SUCCEEDED, Result.NO_OP})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """A target that is not, or not wholly, as it was before."""

    target: Target
    result: str
    detail: str
    advice: str
    now: str = "not read"
    """What it is, as read after the rollback."""


def leftovers(state: RunState) -> Iterator[Leftover]:
    """Yield them, for a rollback that is over; for any other run there are none."""
    parent = state.plan.parent if state.header else None
    if parent is None or parent.purpose is not Purpose.ROLLBACK or not state.status.is_terminal:
        return
    for number, target in enumerate(state.targets):
        if target.action is Action.BLOCKED:
            yield Leftover(
                target=target, result="NotTakenBack", detail=target.reason, advice=_FORWARD
            )
        elif target.steps and (found := _left(state, number, target)):
            yield found


def _left(state: RunState, number: int, target: Target) -> Leftover | None:
    result = state.results.get(number)
    if result in _GOOD and not reversal.is_partial(target):
        return None
    if result in _GOOD:
        return Leftover(target=target, result="Partial", detail=target.reason, advice=_FORWARD)
    active = state.active.get(number)
    detail = active.message if active else state.details.get(number, "")
    return Leftover(
        target=target,
        result=str(result) if result else "Unknown" if active else "NotStarted",
        detail=detail,
        advice=_advice(state, target, result, is_active=active is not None),
    )


_FORWARD = "it stays so until a new plan says otherwise"


def _advice(state: RunState, target: Target, result: Result | None, *, is_active: bool) -> str:
    run_id = state.header.run_id if state.header else ""
    parent = state.plan.parent
    if result in (Result.FAILED, Result.TIMED_OUT) or is_active:
        return f"mend the cause, then fleet retry {run_id} --failed"
    if result is Result.DEFERRED:
        return f"when it is connected again: fleet retry {run_id} --deferred"
    if result is Result.SKIPPED:
        return f"fleet retry {run_id} --skipped"
    if result is Result.DRIFTED:
        return "somebody changed it meanwhile: look at it, then make a new plan"
    return f"fleet rollback {parent.run_id if parent else ''} --target {target.cluster_name}"
