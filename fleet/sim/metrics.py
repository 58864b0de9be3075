"""What is measured in a world: scripted answers, by what a question holds and by time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from fleet.model.gates import ProbeKind
from fleet.sim.recipe import Metric, Turn

NO_DATA = Turn()


def turn(metrics: Sequence[Metric], kind: ProbeKind, text: str, *, after: dt.timedelta) -> Turn:
    """Return what an answerer says; that there is no data, where nothing is scripted.

    Args:
        metrics: The world's.
        kind: Who is asked.
        text: What is asked.
        after: How long after the first write.
    """
    for metric in metrics:
        if metric.kind is kind and metric.contains in text:
            said = [one for one in metric.turns if one.after <= after]
            return said[-1] if said else NO_DATA
    return NO_DATA
