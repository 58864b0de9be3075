"""What a rollback could not take back: each target, what it came to, and whose move it is.

A rollback is a run of its own, or the end of a run that takes back what it changed itself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from fleet.core import reversal, undo
from fleet.core.state import RunState
from fleet.model.plan import Action, Purpose, Target
from fleet.model.statuses import Result

_GOOD = frozenset({Result.SUCCEEDED, Result.NO_OP, Result.ROLLED_BACK})


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
    if state.header is None or not state.status.is_terminal:
        return
    parent = state.plan.parent
    if state.is_rolling_back:
        yield from _left_by_itself(state)
    elif parent is not None and parent.purpose is Purpose.ROLLBACK:
        yield from _left_by_child(state)


def _left_by_itself(state: RunState) -> Iterator[Leftover]:
    """Yield what a run left of its own changes, when it went back by itself."""
    back, untried = undo.members(state), undo.untried(state)
    for number in sorted({*state.irreversible, *back}):
        target, result = state.targets[number], state.results.get(number)
        if number not in back:
            theirs = result is Result.DRIFTED
            yield Leftover(
                target=target,
                result="NotTakenBack",
                detail=state.details.get(number, "")
                if theirs
                else reversal.irreversible_note(target),
                advice=_THEIRS if theirs else _FORWARD,
            )
        elif number in untried:
            advice = _advice(state, target, None, is_active=False)
            yield Leftover(target=target, result="NotStarted", detail="", advice=advice)
        elif found := _left(state, number, target):
            yield found


def _left_by_child(state: RunState) -> Iterator[Leftover]:
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
_THEIRS = "somebody changed it meanwhile: look at it, then make a new plan"


def _advice(state: RunState, target: Target, result: Result | None, *, is_active: bool) -> str:
    run_id = state.header.run_id if state.header else ""
    parent = state.plan.parent
    if result is Result.DRIFTED:
        return _THEIRS
    if state.is_rolling_back:
        again = f"fleet rollback {run_id} --target {target.cluster_name}"
        is_broken = result in (Result.FAILED, Result.TIMED_OUT) or is_active
        return f"mend the cause, then {again}" if is_broken else again
    if result in (Result.FAILED, Result.TIMED_OUT) or is_active:
        return f"mend the cause, then fleet retry {run_id} --failed"
    if result is Result.DEFERRED:
        return f"when it is connected again: fleet retry {run_id} --deferred"
    if result is Result.SKIPPED:
        return f"fleet retry {run_id} --skipped"
    return f"fleet rollback {parent.run_id if parent else ''} --target {target.cluster_name}"
