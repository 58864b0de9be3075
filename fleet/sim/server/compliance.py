"""Policy states as Policy Insights tells them: how clusters comply, by subscription and below.

Evaluated on the spot, where the real service looks once a day or when it is told to.

Source:  the published structure of policyStates/latest/queryResults, 2019-10-01.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fleet.sim import names
from fleet.sim.server import answers, policies
from fleet.sim.server.answers import Answer
from fleet.sim.server.asks import Ask
from fleet.sim.server.plane import Plane

_MOST = 1000
_CONDITION = re.compile(r"\s*(\w+)\s+eq\s+'([^']*)'\s*", re.IGNORECASE)
_AND = re.compile(r"\s+and\s+", re.IGNORECASE)


async def latest(plane: Plane, ask: Ask, parts: Mapping[str, str]) -> Answer:
    """POST for the states of what lies at a scope."""
    now = await plane.azure.visit(ask.path)
    conditions, top = _conditions(ask.query.get("$filter", "")), _top(ask.query.get("$top"))
    subscription = parts["subscription"].lower()
    numbers = names.numbers(
        plane.subscriptions[subscription],
        subscription_count=plane.recipe.subscription_count,
        count=plane.recipe.cluster_count,
    )
    here = ask.path.lower().partition("/providers/microsoft.policyinsights")[0]
    found = (
        row
        for cluster in plane.azure.world.clusters(now, numbers)
        if f"{cluster.id.lower()}/".startswith(f"{here}/")
        for state in policies.states(cluster, plane.recipe)
        if _fits(row := _row(state, subscription), conditions)
    )
    value = [row for _, row in zip(range(top), found, strict=False)]
    document = {
        "@odata.context": f"{ask.base}{here}/providers/Microsoft.PolicyInsights/policyStates/"
        "$metadata#latest",
        "@odata.count": len(value),
        "@odata.nextLink": None,
        "value": value,
    }
    return answers.found(document)


def _row(state: Mapping[str, Any], subscription: str) -> dict[str, Any]:
    own = state["properties"]
    return {
        **own,
        "subscriptionId": subscription,
        "resourceGroup": own["resourceId"].split("/")[4],
        "isCompliant": own["complianceState"] == "Compliant",
    }


def _fits(row: Mapping[str, Any], conditions: Mapping[str, str]) -> bool:
    lowered = {name.lower(): str(value).lower() for name, value in row.items()}
    return all(lowered.get(name) == value for name, value in conditions.items())


def _conditions(text: str) -> Mapping[str, str]:
    """Return ``{property: value}``, lower case; refuse what is more than equality."""
    if not text.strip():
        return {}
    matches = [_CONDITION.fullmatch(one) for one in _AND.split(text)]
    if not all(matches):
        message = f"The filter '{text}' is not supported: property eq 'value' and ..."
        raise answers.refusal(400, "InvalidFilterInQueryString", message)
    return {one[1].lower(): one[2].lower() for one in matches if one is not None}


def _top(text: str | None) -> int:
    if text is None:
        return _MOST
    if not text.isdecimal() or int(text) < 1:
        message = f"The value '{text}' of $top is not a number above 0."
        raise answers.refusal(400, "InvalidTopInQueryString", message)
    return min(int(text), _MOST)
