"""Every kind of exchange with the simulator, by Microsoft's validator and official OpenAPI files.

Not judged: refusals of an api-version, which belong to no specification, and the routes of
Resource Manager itself and of the token endpoint, whose specifications are not at hand.
"""

from __future__ import annotations

import copy
import re
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import pytest

from fleet.sim.server.routes import Kind
from tests.rig import exchanges, gaps, reference, walks
from tests.rig.exchanges import Complaint, Exchange
from tests.rig.node import Node
from tests.rig.serving import Stage, staged

Walk = Callable[[], Awaitable[Sequence[Exchange]]]

_CLUSTERS, _EXTENSIONS, _TYPES = "2024-01-01", "2023-05-01", "2023-05-01-preview"
WALKS: Mapping[str, Walk] = {
    "clusters 2024-01-01": lambda: walks.clusters(_CLUSTERS),
    "clusters 2026-05-01": lambda: walks.clusters("2026-05-01"),
    "extensions 2023-05-01": lambda: walks.extensions(_EXTENSIONS),
    "extensions 2025-03-01": lambda: walks.extensions("2025-03-01"),
    "unlucky 2023-05-01": lambda: walks.unlucky(_EXTENSIONS),
    "unlucky 2025-03-01": lambda: walks.unlucky("2025-03-01"),
    "types 2023-05-01-preview": lambda: walks.types(_TYPES),
    "graph 2024-04-01": lambda: walks.graph("2024-04-01"),
    "throttled": lambda: walks.throttled(
        {"clusters": _CLUSTERS, "extensions": _EXTENSIONS, "types": _TYPES}
    ),
}
_LISTS = {"GET": {200, 400, 401, 404, 429}}
_READS = {"GET": {200, 401, 404, 429}}
EVERYTHING: Mapping[Kind, Mapping[str, set[int]]] = {
    Kind.CLUSTERS: _LISTS,
    Kind.CLUSTER: {**_READS, "PUT": {405}, "PATCH": {405}, "DELETE": {405}},
    Kind.EXTENSIONS: _READS,
    Kind.EXTENSION: {
        "GET": {200, 401, 404, 429, 503},
        "PUT": {200, 201, 400, 403, 404, 409, 415, 429, 503},
        "PATCH": {200, 202, 400, 403, 404, 409, 415, 429, 503},
        "DELETE": {200, 202, 204, 403, 404, 409, 429, 503},
    },
    Kind.OPERATION: {"GET": {200, 401, 404, 429, 503}},
    Kind.TYPES: _LISTS,
    Kind.TYPE: _READS,
    Kind.TYPE_VERSIONS: _LISTS,
    Kind.TYPE_VERSION: _READS,
    Kind.CREDENTIAL: {"POST": {200, 400, 401, 404}},
    Kind.GRAPH: {"POST": {200, 400, 401, 415, 429}},
}
"""What can be asked for, how, and every status that can come of it."""


@pytest.mark.parametrize("name", WALKS)
async def test_every_exchange_is_what_the_specification_says(name: str, node: Node) -> None:
    specifications = reference.folder("specification")
    said = await WALKS[name]()

    found = [
        (one.kind, complaint)
        for one in said
        for complaint in gaps.not_allowed(
            exchanges.complaints(node, one, specifications=specifications)
        )
    ]
    assert found == []


async def test_the_walks_meet_everything_that_can_be_said() -> None:
    met: dict[str, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    for walk in WALKS.values():
        for one in await walk():
            kind, method, status = one.kind
            met[kind][method].add(status)

    assert met == {kind.name: methods for kind, methods in EVERYTHING.items()}


async def test_every_gap_that_is_named_is_met(node: Node) -> None:
    specifications = reference.folder("specification")
    ours = [
        complaint
        for walk in WALKS.values()
        for one in await walk()
        for complaint in exchanges.complaints(node, one, specifications=specifications)
    ]

    assert gaps.met(ours) == gaps.met_by(gaps.SIMULATOR)


def _without_nulls(value: Any) -> Any:
    """Return *value* without the nulls over which the validator itself would stumble."""
    if isinstance(value, dict):
        gone = "clusterScopeSettings"
        return {k: _without_nulls(v) for k, v in value.items() if k != gone or v is not None}
    return [_without_nulls(one) for one in value] if isinstance(value, list) else value


def _recorded(node: Node) -> list[Complaint]:
    """Return what the validator has against Azure itself, where it knows the api-version."""
    specifications = reference.folder("specification")
    return [
        complaint
        for one in reference.interactions()
        for body in (one.body, _without_nulls(one.body))
        for complaint in exchanges.judged(
            node,
            specifications=specifications,
            request={
                "method": one.method,
                # Resource Graph answers all its stable versions alike, and one is described.
                "url": re.sub(r"(?<=resources\?api-version=)2021-03-01", "2024-04-01", one.uri),
                "headers": {"content-type": "application/json"},
                **({} if one.sent is None else {"body": one.sent}),
            },
            response={
                "statusCode": str(one.status),
                "headers": dict(one.headers),
                **({} if one.body is None else {"body": body}),
            },
        )
        if not complaint.code.startswith("OPERATION_NOT_FOUND_IN_CACHE")
    ]


def test_azure_itself_meets_the_same_gaps_and_no_others(node: Node) -> None:
    found = _recorded(node)

    assert gaps.not_allowed(found) == []
    assert gaps.met(found) == gaps.met_by(gaps.AZURE)


# --- what is planted is found ---------------------------------------------------------------


async def _pinned(stage: Stage) -> Mapping[str, Any]:
    """Return an exchange as the validator is told of it: a PATCH that was accepted."""
    body = dict(walks.pin("1.2.6"))
    caller = exchanges.witness(stage.caller)
    heard = await caller.send("PATCH", stage.extension(), body=body, api_version=_EXTENSIONS)
    return {
        "request": {
            "method": "PATCH",
            "url": caller.exchanges[0].url,
            "headers": {"content-type": "application/json"},
            "body": body,
        },
        "response": {
            "statusCode": str(heard.status),
            "headers": dict(heard.headers),
            "body": heard.json,
        },
    }


def _put(told: Any, *path: str, value: Any) -> None:
    for name in path[:-1]:
        told = told[name]
    told[path[-1]] = value


def _headers(told: Any) -> None:
    kept = told["response"]["headers"]
    told["response"]["headers"] = {
        name: value
        for name, value in kept.items()
        if name.lower() not in ("azure-asyncoperation", "location")
    }


_BODY = ("response", "body")
VIOLATIONS: Mapping[str, tuple[Callable[[Any], None], tuple[str, str, str]]] = {
    "a text where a truth value belongs": (
        lambda told: _put(told, *_BODY, "properties", "isSystemExtension", value="no"),
        ("response", "INVALID_TYPE", "/properties/isSystemExtension"),
    ),
    "a property nobody knows": (
        lambda told: _put(told, *_BODY, "properties", "colour", value="blue"),
        ("response", "OBJECT_ADDITIONAL_PROPERTIES", "/properties/colour"),
    ),
    "a kind of identity nobody knows": (
        lambda told: _put(told, *_BODY, "identity", "type", value="Borrowed"),
        ("response", "ENUM_MISMATCH", "/identity/type"),
    ),
    "a status that is not declared": (
        lambda told: _put(told, "response", "statusCode", value="201"),
        ("response", "INVALID_RESPONSE_CODE", ""),
    ),
    "an acceptance without a header to follow": (
        _headers,
        ("response", "LRO_RESPONSE_HEADER", ""),
    ),
    "another content type": (
        lambda told: _put(told, "response", "headers", value={"content-type": "text/html"}),
        ("response", "INVALID_CONTENT_TYPE", ""),
    ),
    "a request that sends a number": (
        lambda told: _put(told, "request", "body", "properties", "version", value=1.2),
        ("request", "INVALID_TYPE", "/properties/version"),
    ),
    "a request for something else": (
        lambda told: _put(told, "request", "body", "properties", "scope", value={}),
        ("request", "OBJECT_ADDITIONAL_PROPERTIES", "/properties/scope"),
    ),
}


@pytest.mark.parametrize("name", VIOLATIONS)
async def test_a_planted_violation_is_found(name: str, node: Node) -> None:
    specifications = reference.folder("specification")
    plant, expected = VIOLATIONS[name]
    async with staged() as stage:
        told = copy.deepcopy(dict(await _pinned(stage)))
    before = gaps.not_allowed(exchanges.judged(node, specifications=specifications, **told))
    plant(told)
    after = gaps.not_allowed(exchanges.judged(node, specifications=specifications, **told))

    assert before == []
    assert expected in [(one.side, one.code, one.path) for one in after]
