"""KQL over resources: a query of Resource Graph, by the client that discovery uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fleet.errors import InputError
from fleet.model.gates import Reading
from fleet.outside import loganalytics, readings
from fleet.outside.identity import Rows

WHAT = "Resource Graph"
MOST_SUBSCRIPTIONS = 1000


async def reading(query: str, *, subscriptions: Sequence[str], rows: Rows) -> Reading:
    """Return the numbers of a query's rows: of the column ``value``, or else of the last one."""
    places = list(dict.fromkeys(subscriptions))
    if not places:
        # NB: without subscriptions a query is about the whole tenant.
        raise InputError(f"{WHAT}: there is no subscription to ask about")
    if len(places) > MOST_SUBSCRIPTIONS:
        message = f"{WHAT}: one query is about {MOST_SUBSCRIPTIONS} subscriptions at most"
        raise InputError(f"{message}, and these are {len(places)}")
    found = await rows(query, places)
    return readings.of_values((_value(row) for row in found), who=WHAT)


def _value(row: Mapping[str, Any]) -> Any:
    names = list(row)
    return row[names[loganalytics.column(names)]] if names else None
