"""A run, as a person asks after it: where it stands, what it waits for, and what went wrong."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from typing import Any

from fleet.core import causes, finish, outlook, rollout, undo
from fleet.core.causes import Cause
from fleet.core.moves import Phase
from fleet.core.state import Active, RunState
from fleet.model import codec
from fleet.model.events import Actor
from fleet.model.plan import Parent, Plan
from fleet.model.statuses import Result, RunStatus
from fleet.ui import judgementview, people, waits
from fleet.ui.tables import Table

_RESULT_ORDER = (
    Result.FAILED,
    Result.TIMED_OUT,
    Result.DRIFTED,
    Result.DEFERRED,
    Result.SKIPPED,
    Result.REMOVED,
    Result.ROLLED_BACK,
    Result.NO_OP,
    Result.SUCCEEDED,
)


_SHOWN = 10


def headline(state: RunState) -> str:
    """Return the run in one line."""
    header = state.header
    name = f"{header.run_id} ({header.plan.name})" if header else "(no header)"
    counts = ", ".join(f"{count} {name}" for name, count in state.status_counts().items())
    return f"{name}: {state.status}" + (f": {counts}" if counts else "")


def begun_by(state: RunState) -> str:
    """Return who began the run, and by which kind of identity; empty: nobody did."""
    return f"begun by {people.named(state.header.actor)}" if state.header else ""


def parent(state: RunState) -> Parent | None:
    """Return the run that this one follows."""
    return state.plan.parent if state.header else None


def reasons(state: RunState) -> list[str]:
    """Return why nothing more is happening, or how it ended."""
    if state.status.is_terminal:
        return [state.finish_reason] if state.finish_reason else []
    if state.stopped_by is not None:
        actor, reason = state.stopped_by
        return [f"{state.status} by {people.named(actor)}: {reason}", *_stalled(state)]
    if state.last_at is None:
        return []
    if state.wait is not None:
        return [waits.text(state.wait), *_stalled(state)]
    if state.status is RunStatus.ROLLING_BACK:
        why, left = finish.why_back(state), len(undo.waiting(state))
        return [f"{why}: {left} wait to be taken back", *_stalled(state)]
    return [*rollout.decide(state, now=state.last_at).reasons, *_stalled(state)]


def _stalled(state: RunState) -> list[str]:
    """Return who takes longer than the plan expects, in one line."""
    names = [state.targets[target].cluster_name for target in state.stalled]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return [f"stalled: {', '.join(names[:_SHOWN])}{more}"] if names else []


def waves(state: RunState) -> Table:
    """Return one row a wave."""
    rows = [
        (
            wave.planned.name,
            str(wave.status),
            f"{wave.done_count}/{wave.target_count}",
            str(wave.in_flight),
            f"{wave.failures}/{wave.planned.max_failures}",
        )
        for wave in state.waves
    ]
    return Table(
        title="Waves",
        header=("wave", "status", "done", "in flight", "failures/allowed"),
        rows=rows,
        numbers=frozenset({"done", "in flight", "failures/allowed"}),
    )


def targets(state: RunState, *, only_trouble: bool) -> Table:
    """Return one row a target: failures first, then what is under way, then the rest."""
    return Table(
        title="Targets",
        header=("cluster", "status", "wave", "from", "to", "detail"),
        rows=[
            (
                target["clusterName"],
                target["status"],
                target["wave"] or "-",
                target["from"] or "-",
                target["to"] or "-",
                target["detail"],
            )
            for target in _targets(state, only_trouble=only_trouble)
        ],
        spare=("from", "to", "wave"),
    )


def advice(state: RunState) -> list[str]:
    """Return what is known of the failures, one line for each cause, the most frequent first."""
    known = (_cause(state, number) for number in (*state.results, *state.active))
    counts: Counter[Cause] = Counter(one for one in known if one is not None)
    return [
        f"{cause.code} ({count}): {cause.what}. {cause.advice[0].upper()}{cause.advice[1:]}."
        for cause, count in counts.most_common()
    ]


def rows(state: RunState, *, only_trouble: bool) -> Table:
    """Return one row a target with everything, for CSV and Markdown."""
    header = (
        *("clusterId", "clusterName", "status", "wave", "from", "to", "detail"),
        *("cause", "nextStep"),
    )
    found = _targets(state, only_trouble=only_trouble)
    return Table(
        header=header, rows=[tuple(target[key] or "" for key in header) for target in found]
    )


def document(
    state: RunState,
    *,
    holder: Actor | None,
    only_trouble: bool = False,
    now: dt.datetime | None = None,
) -> dict[str, Any]:
    """Return the run as JSON values; its keys are part of what is published.

    Args:
        state: The run.
        holder: Whose process carries it on.
        only_trouble: Whether to leave out who simply succeeded.
        now: When it is asked; ``None``: what is to be expected is left out.
    """
    header, at = state.header, now or state.last_at
    expected = outlook.of_run(state, now) if now else {}
    return {
        "apiVersion": "fleet/v1",
        "kind": "RunStatus",
        "runId": header.run_id if header else None,
        "name": header.plan.name if header else None,
        "planDigest": header.plan_digest if header else None,
        "parent": _parent(state),
        "status": state.status.value,
        "isTerminal": state.status.is_terminal,
        "reasons": reasons(state),
        "startedAt": codec.utc_text(header.at) if header else None,
        "startedBy": people.document(header.actor) if header else None,
        "overrides": judgementview.override_documents(state),
        "lastEventAt": codec.utc_text(state.last_at) if state.last_at else None,
        "runner": codec.to_json(holder) if holder else None,
        "wait": waits.document(state.wait) if state.wait else None,
        "counts": state.status_counts(),
        "waves": [
            {
                "name": wave.planned.name,
                "status": wave.status.value,
                "targetCount": wave.target_count,
                "inFlight": wave.in_flight,
                "notStarted": wave.waiting_count,
                "failures": wave.failures,
                "maxFailures": wave.planned.max_failures,
                "dueAt": codec.utc_text(wave.due_at) if wave.due_at else None,
                **(
                    judgementview.wave_document(state, number, expected.get(number), at)
                    if at
                    else {}
                ),
            }
            for number, wave in enumerate(state.waves)
        ],
        "targets": list(_targets(state, only_trouble=only_trouble)),
    }


def no_run(plan: Plan) -> dict[str, Any]:
    """Return :func:`document` for a plan that needed no run."""
    return {
        "apiVersion": "fleet/v1",
        "kind": "RunStatus",
        "runId": None,
        "name": plan.head.name,
        "planDigest": plan.digest,
        "parent": codec.to_json(plan.head.parent) if plan.head.parent else None,
        "status": RunStatus.SUCCEEDED.value,
        "isTerminal": True,
        "reasons": ["no changes: nothing to do"],
        "startedAt": None,
        "startedBy": None,
        "overrides": [],
        "lastEventAt": None,
        "runner": None,
        "wait": None,
        "counts": {},
        "waves": [],
        "targets": [],
    }


def _parent(state: RunState) -> dict[str, Any] | None:
    found = parent(state)
    return codec.to_json(found) if found else None


def _targets(state: RunState, *, only_trouble: bool) -> Iterator[dict[str, Any]]:
    back = undo.waiting(state)
    order = [
        *(n for result in _RESULT_ORDER[:3] for n in _with(state, result)),
        *sorted(state.active),
        *(n for result in _RESULT_ORDER[3:] for n in _with(state, result)),
    ]
    if only_trouble:
        order = [n for n in order if n in state.active or state.results[n] is not Result.SUCCEEDED]
    else:
        order += [n for wave in state.waves if not wave.is_back for n in wave.line.waiting()]
    for number in order:
        target, cause = state.targets[number], _cause(state, number)
        yield {
            "clusterId": target.cluster_id,
            "clusterName": target.cluster_name,
            "status": _status(state, number),
            "wave": target.wave,
            "from": target.from_version,
            "to": target.to_version,
            "detail": _TO_GO_BACK if number in back else _detail(state, number),
            "isStalled": number in state.active and state.active[number].is_stalled,
            "cause": cause.code if cause else None,
            "nextStep": cause.advice if cause else None,
        }


_TO_GO_BACK = "it was to be taken back, and its turn has not come"


def _with(state: RunState, result: Result) -> list[int]:
    return sorted(n for n, found in state.results.items() if found is result)


def _status(state: RunState, number: int) -> str:
    if number in state.results:
        return state.results[number].value
    active = state.active.get(number)
    if active is None:
        return "Pending"
    if active.held is not None:
        return f"Waiting({active.held})"
    return _PHASES.get(active.phase, "InProgress")


_PHASES = {Phase.PROVING: "Verifying", Phase.UNKNOWN: "Unknown"}


def _cause(state: RunState, number: int) -> Cause | None:
    """Return why a target failed or waits, where the service's words are known."""
    is_well = state.results.get(number) in (Result.SUCCEEDED, Result.NO_OP)
    return None if is_well else causes.cause_of(_detail(state, number))


def _detail(state: RunState, number: int) -> str:
    active: Active | None = state.active.get(number)
    if active is None:
        return state.details.get(number, "")
    steps = len(state.targets[number].steps)
    step = f"step {active.step + 1} of {steps}: " if steps > 1 else ""
    return f"{step}{active.message}" if active.message else step.removesuffix(": ")
