"""What a rollback could not take back, one row a target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fleet.core.leftovers import Leftover
from fleet.ui.tables import Table


def table(left: Sequence[Leftover]) -> Table:
    """Return them for people."""
    return Table(
        title="Not as before",
        header=("cluster", "result", "now", "why", "what to do"),
        rows=[
            (one.target.cluster_name, one.result, one.now, one.detail or "-", one.advice)
            for one in left
        ],
    )


def documents(left: Sequence[Leftover]) -> list[dict[str, Any]]:
    """Return them as JSON values."""
    return [
        {
            "clusterId": one.target.cluster_id,
            "clusterName": one.target.cluster_name,
            "result": one.result,
            "now": one.now,
            "detail": one.detail,
            "nextStep": one.advice,
        }
        for one in left
    ]
