"""A plan, as a person reads it before saying yes: totals, waves, changes, and what is left out."""

from __future__ import annotations

import collections
from collections.abc import Callable, Mapping, Sequence

from fleet.model.plan import Action, Parent, Plan, Target, Wave
from fleet.ui.spans import span_text
from fleet.ui.tables import Table

_NAMES_SHOWN = 6
_DIGEST_SHOWN = len("sha256:") + 12


def headline(plan: Plan) -> str:
    """Return the plan in one line."""
    counts = collections.Counter(target.action for target in plan.targets)
    total = ", ".join(f"{counts[action]} {action}" for action in Action if counts[action])
    head = plan.head
    who = f", change {head.change}" if head.change else ""
    return f"{head.name}{who}: {len(plan.targets)} clusters: {total}"


def subline(plan: Plan) -> str:
    """Return what identifies the plan, and what holds for the whole run."""
    limits = plan.head.limits
    return (
        f"{plan.head.extension_type}, digest {plan.digest[:_DIGEST_SHOWN]}; "
        f"run: at most {limits.max_concurrency} at once, {limits.max_failures} failures allowed, "
        f"{limits.failure_mode}, on breach {limits.on_breach}"
        f"{_parent_text(plan)}"
    )


def parent_text(parent: Parent | None) -> str:
    """Return which run a run follows; empty: none."""
    return f"{parent.purpose} of {parent.run_id}" if parent else ""


def one_way(plan: Plan) -> list[str]:
    """Return what cannot be taken back, or not wholly: to be read before saying yes."""
    ways = [(one, one.rollback) for one in plan.targets if one.action.is_change and one.rollback]
    stuck = [one for one, way in ways if way.is_one_way]
    partial = [one for one, way in ways if way.is_partial]
    return [
        f"warning: {len(members)} of {len(ways)} changes {what}: {names_of(members)}"
        for members, what in (
            (stuck, "cannot be taken back"),
            (partial, "can be taken back in part only"),
        )
        if members
    ]


def waves(plan: Plan) -> Table:
    """Return one row a wave, every number resolved; what no wave has is left out."""
    stuck = [
        sum(one.rollback is not None and one.rollback.is_one_way for one in targets)
        for _, targets in plan.by_wave()
    ]
    columns = {name: [cell(wave) for wave in plan.head.waves] for name, cell in _COLUMNS.items()}
    if any(stuck):
        columns["irreversible"] = [str(count) for count in stuck]
    if not any(wave.timeout for wave in plan.head.waves):
        del columns["within"]
    return Table(
        title="Waves",
        header=tuple(columns),
        rows=list(zip(*columns.values(), strict=True)),
        numbers=frozenset(columns) - {"wave", "soak", "within"},
        spare=("irreversible",),
    )


def resolutions(plan: Plan) -> list[str]:
    """Return how every number of the run and of every wave came about."""
    told = [("run", plan.head.limits.notes), *((wave.name, wave.notes) for wave in plan.head.waves)]
    return [f"{whose}: {'; '.join(notes)}" for whose, notes in told if notes]


def changes(plan: Plan) -> list[str]:
    """Return the changes as lines, clusters with the same one together."""
    groups: dict[tuple[str, ...], list[Target]] = {}
    for target in plan.targets:
        if target.action.is_change:
            groups.setdefault(_group_key(target), []).append(target)
    lines = []
    for (action, diff, steps, note), members in groups.items():
        lines += ["", f"{action} {len(members)}: {names_of(members)}"]
        lines += [f"    {line}" for line in (*diff.splitlines(), *steps.splitlines())]
        lines += [f"    rollback: {note}"]
    return lines[1:]


def left_out(plan: Plan) -> Table:
    """Return what nothing is done to, by reason."""
    groups: dict[tuple[Action, str], list[Target]] = {}
    for target in plan.targets:
        if not target.action.is_change:
            groups.setdefault((target.action, target.reason), []).append(target)
    return Table(
        title="Not changed",
        header=("action", "count", "why", "clusters"),
        rows=[
            (str(action), str(len(members)), reason, names_of(members))
            for (action, reason), members in sorted(groups.items())
        ],
        numbers=frozenset({"count"}),
    )


def targets(plan: Plan) -> Table:
    """Return one row a cluster."""
    return Table(
        title="Clusters",
        header=("cluster", "action", "from", "to", "wave", "steps", "reason"),
        rows=[
            (
                target.cluster_name,
                str(target.action),
                target.from_version or "-",
                target.to_version or "-",
                target.wave or "-",
                str(len(target.steps)),
                target.reason,
            )
            for target in plan.targets
        ],
        numbers=frozenset({"steps"}),
        spare=("steps",),
    )


def rows(plan: Plan) -> Table:
    """Return one row a cluster with everything, for CSV and Markdown."""
    return Table(
        header=(
            "clusterId",
            "action",
            "from",
            "to",
            "wave",
            "reason",
            "diff",
            "steps",
            "rollback",
            "spread",
        ),
        rows=[
            (
                target.cluster_id,
                str(target.action),
                target.from_version or "",
                target.to_version or "",
                target.wave or "",
                target.reason,
                diff_text(target),
                _steps_text(target),
                target.rollback.note if target.rollback else "",
                _groups_text(plan, target),
            )
            for target in plan.targets
        ],
    )


def diff_text(target: Target) -> str:
    """Return what changes, one line a field."""
    return "\n".join(
        f"{change.path}: {_shown(change.before)} -> {_shown(change.after)}"
        for change in target.diff
    )


def names_of(members: Sequence[Target]) -> str:
    """Return the first names, and how many more there are."""
    names = [target.cluster_name for target in members]
    more = len(names) - _NAMES_SHOWN
    return ", ".join(names[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _parent_text(plan: Plan) -> str:
    told = parent_text(plan.head.parent)
    return f"; {told}" if told else ""


def _group_key(target: Target) -> tuple[str, ...]:
    note = target.rollback.note if target.rollback else ""
    return str(target.action), diff_text(target), _steps_text(target), note


def _steps_text(target: Target) -> str:
    lines = [
        f"{step.verb.upper()} {step.version or ''} ({step.why})".replace("  ", " ")
        for step in target.steps
    ]
    return "\n".join(f"{n}. {line}" for n, line in enumerate(lines, start=1))


def _shown(value: str | None) -> str:
    return "(none)" if value is None else value


def _groups_text(plan: Plan, target: Target) -> str:
    """Return the labels that the plan caps, with the target's values."""
    return ", ".join(
        f"{spread.by}={spread.groups[group].value}"
        for spread, group in zip(plan.head.spreads, target.groups, strict=False)
    )


_COLUMNS: Mapping[str, Callable[[Wave], str]] = {
    "wave": lambda wave: wave.name,
    "targets": lambda wave: str(wave.target_count),
    "at once": lambda wave: str(wave.effective_concurrency),
    "max failures": lambda wave: str(wave.max_failures),
    "worst case": lambda wave: str(wave.worst_case_failures),
    "soak": lambda wave: span_text(wave.soak),
    "within": lambda wave: span_text(wave.timeout) if wave.timeout else "-",
}
