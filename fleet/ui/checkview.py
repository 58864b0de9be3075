"""Clusters that were checked: how each stands, and what is wrong with those where anything is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fleet.core.checkups import Tally
from fleet.model import codec
from fleet.ui.tables import Table

_COLUMNS = ("cluster", "passed", "failed", "unknown", "first")
_NUMBERS = frozenset({"passed", "failed", "unknown"})


def headline(tallies: Sequence[Tally]) -> str:
    """Return all of them in one line."""
    barred = sum(one.has_failed for one in tallies)
    lost = sum(one.is_reached is False for one in tallies)
    well = sum(not one.is_barred and one.is_reached is not False for one in tallies)
    rest = [
        f"{count} {what}" for count, what in ((barred, "failed"), (lost, "not reached")) if count
    ]
    told = f"{well} of {len(tallies)} clusters pass every gate"
    return ": ".join([told, ", ".join(rest)]) if rest else told


def summary(tallies: Sequence[Tally], *, has_ids: bool) -> Table:
    """Return one row a cluster."""
    ids = [(one.cluster_id,) if has_ids else () for one in tallies]
    rows = [(*found, *_cells(one)) for found, one in zip(ids, tallies, strict=True)]
    header = (*(("clusterId",) if has_ids else ()), *_COLUMNS)
    return Table(header=header, rows=rows, numbers=_NUMBERS)


def _cells(one: Tally) -> tuple[str, ...]:
    counts = (one.passed, one.failed, one.unknown)
    return (one.cluster_name, *map(str, counts), _first(one))


def troubles(tallies: Sequence[Tally]) -> Table:
    """Return one row for each check that did not pass."""
    rows = [
        (tally.cluster_name, one.check, one.severity.value, one.verdict.value, one.detail)
        for tally in tallies
        for one in tally.troubles
    ]
    return Table(
        title="Not in order",
        header=("cluster", "check", "severity", "verdict", "detail"),
        rows=rows,
        spare=("verdict", "severity"),
    )


def document(tally: Tally) -> dict[str, Any]:
    """Return a cluster as JSON values; of its checks those that did not pass."""
    return {
        "clusterId": tally.cluster_id,
        "clusterName": tally.cluster_name,
        "isReached": tally.is_reached,
        "passesGates": not tally.is_barred,
        "passed": tally.passed,
        "failed": tally.failed,
        "unknown": tally.unknown,
        "notApplicable": tally.not_applicable,
        "checks": [codec.to_json(one) for one in tally.troubles],
    }


def _first(tally: Tally) -> str:
    """Return what bars the way first, else what does not pass first."""
    barriers = [one for one in tally.troubles if one.is_barrier]
    found = next(iter([*barriers, *tally.troubles]), None)
    if found is None:
        return "-"
    if tally.is_reached is False and found.detail:
        return f"not reached: {found.detail}"
    return f"{found.check} ({found.severity.value})"
