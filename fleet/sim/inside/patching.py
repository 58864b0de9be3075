"""Patches in the forms that a client may send them, and what each makes of an object.

Source:  RFC 6902 and RFC 7396; Kubernetes' strategic merge, as far as lists of named things go.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from fleet.sim.inside import merging, refusals
from fleet.sim.inside.asking import Request
from fleet.sim.inside.kinds import BUILT_IN, Kind

MERGE = "application/merge-patch+json"
JSON = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
_APPLY = "application/apply-patch+yaml"


def patched(found: Mapping[str, Any], request: Request, kind: Kind) -> Any:
    """Return an object as a request's patch makes it."""
    form = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    is_built_in = kind.resource in BUILT_IN
    accepted = [JSON, MERGE, *([STRATEGIC] if is_built_in else []), _APPLY]
    if form == MERGE:
        return merging.merged(found, _map(request.json()))
    if form == JSON:
        return _stepped(found, request.json())
    if form == STRATEGIC and is_built_in:
        return _strategic(found, _map(request.json()))
    raise refusals.media_type(accepted)


def _map(patch: Any) -> Mapping[str, Any]:
    if not isinstance(patch, Mapping):
        message = "error decoding patch: json: cannot unmarshal into Go value of type map"
        raise refusals.bad_request(message)
    return patch


def _strategic(target: Any, patch: Any) -> Any:
    """Merge as RFC 7396 does, and lists of named things by their names."""
    if isinstance(patch, Mapping):
        found = dict(target) if isinstance(target, Mapping) else {}
        for key, value in patch.items():
            if value is None:
                found.pop(key, None)
            else:
                found[key] = _strategic(found.get(key), value)
        return found
    if _is_named(patch) and _is_named(target):
        named = {one["name"]: one for one in target}
        for one in patch:
            named[one["name"]] = _strategic(named.get(one["name"]), one)
        return list(named.values())
    return patch


def _is_named(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, Mapping) and isinstance(one.get("name"), str) for one in value
    )


def _stepped(found: Mapping[str, Any], steps: Any) -> Any:
    document: Any = copy.deepcopy(dict(found))
    if not isinstance(steps, Sequence) or isinstance(steps, str):
        message = "error decoding patch: json: cannot unmarshal into Go value of type Patch"
        raise refusals.bad_request(message)
    for step in steps:
        try:
            _step(document, step)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            message = "the server rejected our request due to an error in our request"
            raise refusals.RefusedError(422, message, "Invalid", details={}) from error
    return document


def _step(document: Any, step: Mapping[str, Any]) -> None:
    *way, last = (one.replace("~1", "/").replace("~0", "~") for one in step["path"].split("/")[1:])
    place = document
    for one in way:
        place = place[int(one)] if isinstance(place, list) else place[one]
    key: Any = last
    if isinstance(place, list):
        key = len(place) if last == "-" else int(last)
    match step["op"]:
        case "add" if isinstance(place, list):
            place.insert(key, step["value"])
        case "add":
            place[key] = step["value"]
        case "replace":
            _ = place[key]
            place[key] = step["value"]
        case "remove":
            del place[key]
        case "test":
            if place[key] != step["value"]:
                message = "the test failed"
                raise ValueError(message)
        case other:
            message = f"unexpected kind: {other}"
            raise ValueError(message)
