"""The activity log: who wrote what, under which correlation id, and what came of it.

Made from what the world has heard, so it holds too what no caller ever learned.
Each write is up to three events: begun, answered, and (where an operation ran)
ended. Nothing comes late here; the real log takes minutes.

Source:  the documented events and filters of eventtypes/management/values, api-version 2015-04-01.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from typing import Any

from fleet.core import draws
from fleet.errors import RemoteError
from fleet.model import codec
from fleet.model.plan import Verb
from fleet.sim.operations import Operation
from fleet.sim.server import answers
from fleet.sim.server.answers import Answer
from fleet.sim.server.asks import Ask
from fleet.sim.server.plane import Plane
from fleet.sim.writes import Hearing

Event = dict[str, Any]

_PROVIDER = "Microsoft.KubernetesConfiguration"
_TYPE = f"{_PROVIDER}/extensions"
_PART = re.compile(r"\s*(\w+)\s+(eq|ge|le)\s+'([^']*)'\s*", re.IGNORECASE)
_AND = re.compile(r"\s+and\s+", re.IGNORECASE)
_BY = {
    "resourcegroupname": "resourceGroupName",
    "resourceuri": "resourceId",
    "resourceprovider": "resourceProviderName",
    "correlationid": "correlationId",
}


async def events(plane: Plane, ask: Ask, parts: Mapping[str, str]) -> Answer:
    """GET of the events of a subscription that a filter selects, the newest first."""
    now = await plane.azure.visit(ask.path)
    asked = _filter(ask.query.get("$filter", ""))
    names = [one.strip() for one in ask.query.get("$select", "").split(",") if one.strip()]
    here = f"/subscriptions/{parts['subscription']}/".lower()
    found = [
        one
        for hearing in plane.azure.world.hearings
        if hearing.call.cluster_id.lower().startswith(here)
        for one in _of(hearing, plane, now)
        if _is_selected(one, asked)
    ]
    found.sort(key=lambda one: str(one["eventTimestamp"]), reverse=True)
    value = [{name: one[name] for name in names if name in one} for one in found]
    return answers.found({"value": value if names else found})


def _filter(text: str) -> list[tuple[str, str, str]]:
    """Return ``(field, operator, value)`` for each condition; refuse what the log refuses."""
    matches = [_PART.fullmatch(one) for one in _AND.split(text)]
    found = [(one[1].lower(), one[2].lower(), one[3]) for one in matches if one is not None]
    times = [one for one in found if one[0] == "eventtimestamp"]
    others = [one for one in found if one[0] in _BY and one[1] == "eq"]
    has_start = any(operator == "ge" for _, operator, _ in times)
    is_known = len(found) == len(matches) == len(times) + len(others)
    if not (is_known and has_start and len(others) <= 1 and all(map(_moment, times))):
        message = (
            "The $filter must have eventTimestamp ge '...', may have eventTimestamp le '...', and "
            "at most one of resourceGroupName, resourceUri, resourceProvider and correlationId."
        )
        raise answers.refusal(400, "BadRequest", message)
    return found


def _moment(condition: tuple[str, str, str]) -> dt.datetime | None:
    try:
        moment = dt.datetime.fromisoformat(condition[2])
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _is_selected(event: Event, asked: list[tuple[str, str, str]]) -> bool:
    at = dt.datetime.fromisoformat(event["eventTimestamp"])
    for field, operator, value in asked:
        if field == "eventtimestamp":
            limit = _moment((field, operator, value))
            if limit is None or (at < limit if operator == "ge" else at > limit):
                return False
        else:
            found = event[_BY[field]]
            text = found["value"] if isinstance(found, dict) else found
            if str(text).lower() != value.lower():
                return False
    return True


def _of(hearing: Hearing, plane: Plane, now: dt.datetime) -> Iterator[Event]:
    """Yield the events of one write, as far as they have happened."""
    at, operation, error = hearing.call.at, hearing.heard.operation, hearing.heard.error
    yield _event(hearing, plane, at=at, status="Started", code="")
    if operation is None:
        status = "Failed" if error else "Succeeded"
        yield _event(hearing, plane, at=at, status=status, code=_code(error))
        return
    created = "Created" if operation.verb is Verb.PUT else "Accepted"
    yield _event(hearing, plane, at=at, status="Accepted", code=created)
    if operation.ends_at is not None and operation.has_ended(now):
        yield _ended(hearing, plane, operation, at=operation.ends_at)


def _ended(hearing: Hearing, plane: Plane, operation: Operation, *, at: dt.datetime) -> Event:
    status = "Succeeded" if operation.error is None else "Failed"
    event = _event(hearing, plane, at=at, status=status, code="")
    if operation.error is not None:
        event["properties"]["statusMessage"] = operation.error
    return event


def _code(error: RemoteError | None) -> str:
    if error is None:
        return "OK"
    return str(error.status or 500)


def _event(hearing: Hearing, plane: Plane, *, at: dt.datetime, status: str, code: str) -> Event:
    call = hearing.call
    resource = f"{call.cluster_id}/providers/{_TYPE}/{call.name}"
    action = f"{_TYPE}/{'delete' if call.verb is Verb.DELETE else 'write'}"
    stamp = codec.utc_text(at)
    own_id = draws.guid(plane.recipe.seed, "event", call.client_request_id, resource, stamp, status)
    _, _, subscription, _, group, *_ = call.cluster_id.split("/")
    return {
        "authorization": {"action": action, "scope": resource},
        "caller": call.caller or "simulated",
        "category": _word("Administrative"),
        "correlationId": call.correlation_id,
        "eventDataId": own_id,
        "eventName": _word("BeginRequest" if status == "Started" else "EndRequest"),
        "eventTimestamp": stamp,
        "httpRequest": {
            "clientRequestId": call.client_request_id,
            "method": call.verb.value.upper(),
        },
        "id": f"{resource}/events/{own_id}",
        "level": "Error" if status == "Failed" else "Informational",
        "operationId": call.correlation_id,
        "operationName": _word(action),
        "properties": {"statusCode": code, "entity": resource},
        "resourceGroupName": group,
        "resourceId": resource,
        "resourceProviderName": _word(_PROVIDER),
        "resourceType": _word(_TYPE),
        "status": _word(status),
        "subStatus": _word(code),
        "submissionTimestamp": stamp,
        "subscriptionId": subscription,
        "tenantId": plane.tenant,
    }


def _word(value: str) -> dict[str, str]:
    return {"value": value, "localizedValue": value}
