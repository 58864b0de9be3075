"""The simulator under requests that nobody would think of, made from the official OpenAPI files.

Half of the requests are valid by the specification and half are not; of both most go to places
that exist. A request takes a second of the world's time, so that nobody is throttled.
"""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import functools
import json
import re
import threading
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings, strategies as st
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from fleet.sim.recipe import Rate, Span, Wire
from tests.rig import judging, reference
from tests.rig.serving import CALM, Stage, staged
from tests.rig.walks import OSM

_PROVIDER = "kubernetesconfiguration/resource-manager/Microsoft.KubernetesConfiguration"
_CLUSTERS = "hybridkubernetes/resource-manager/Microsoft.Kubernetes"
_GRAPH = "resourcegraph/resource-manager/Microsoft.ResourceGraph"
FILES: Mapping[str, str] = {
    "extensions 2023-05-01": f"{_PROVIDER}/stable/2023-05-01/extensions.json",
    "extensions 2025-03-01": f"{_PROVIDER}/extensions/stable/2025-03-01/extensions.json",
    "types 2023-05-01-preview": f"{_PROVIDER}/preview/2023-05-01-preview/extensionTypes.json",
    "clusters 2024-01-01": f"{_CLUSTERS}/stable/2024-01-01/connectedClusters.json",
    "clusters 2026-05-01": f"{_CLUSTERS}/HybridKubernetes/stable/2026-05-01/connectedClusters.json",
    "graph 2024-04-01": f"{_GRAPH}/stable/2024-04-01/resourcegraph.json",
}
EXAMPLES = 100
"""For each operation that is served."""
_MORE = 30
"""For what another api-version has tried already."""
_FEW = 15
"""For what is not served at all."""
_UNSERVED = re.compile(r"Operations_.*|ConnectedCluster_(Create|CreateOrReplace|Update|Delete)")
_LIMIT_S = 10
"""Whoever is not answered until then was left hanging."""

REFUSALS: Mapping[int, str] = {
    400: "what was asked for makes no sense",
    403: "what is there may not be changed by everybody",
    404: "what was asked for is not there",
    405: "what is there knows no such method",
    409: "somebody else is at it",
    415: "the body is not JSON, or does not say so",
}
"""Statuses that every operation may answer with, as errors that the specifications sum up."""
_UNLIMITED = Rate(burst=10**9, per_second=10**9)
WORLD = dataclasses.replace(
    CALM,
    call_ms=Span(low=1000, high=1000),
    wire=Wire(reads=_UNLIMITED, writes=_UNLIMITED, deletes=_UNLIMITED, token_s=10**9),
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A server in another thread, and where things are in it."""

    session: requests.Session
    base: str
    places: Mapping[str, str]
    """Values of parameters of paths that lead somewhere."""


@pytest.fixture(scope="module", name="target")
def _target() -> Iterator[Target]:
    """Serve the world while this module's tests run."""
    ready: list[Stage] = []
    ends: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
    opened = threading.Event()

    async def serve() -> None:
        over = asyncio.Event()
        ends.append((asyncio.get_running_loop(), over))
        async with staged(WORLD) as stage:
            ready.append(stage)
            opened.set()
            await over.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    try:
        assert opened.wait(_LIMIT_S)
        with requests.Session() as session:
            session.headers["User-Agent"] = judging.MAKES_UP
            session.headers["Authorization"] = f"Bearer {ready[0].caller.token}"
            yield Target(session=session, base=ready[0].base, places=_places(ready[0]))
    finally:
        for loop, over in ends:
            loop.call_soon_threadsafe(over.set)
        thread.join(_LIMIT_S)


def _places(stage: Stage) -> Mapping[str, str]:
    _, _, subscription, _, group, _, _, _, cluster = stage.cluster().split("/")
    return {
        "subscriptionId": subscription,
        "resourceGroupName": group,
        "clusterRp": "Microsoft.Kubernetes",
        "clusterResourceName": "connectedClusters",
        "clusterName": cluster,
        "extensionName": "osm",
        "extensionTypeName": OSM,
        "versionNumber": "1.2.6",
        "location": "westeurope",
    }


@functools.cache
def _operations(path: Path) -> Mapping[str, Any]:
    schema = schemathesis.openapi.from_path(path)
    found = [one.ok() for one in schema.get_all_operations() if isinstance(one, Ok)]
    return {one.definition.raw["operationId"]: one for one in found}


def _names() -> Iterator[Any]:
    """Yield every operation of every file."""
    if not reference.is_here():
        yield pytest.param("", "", marks=pytest.mark.skip("the reference is not here"))
        return
    for name, file in FILES.items():
        for operation in _operations(reference.folder("specification") / file):
            yield pytest.param(name, operation, id=f"{name} {operation}")


CLAUSES = (
    "where name =~ 'osm'",
    "project id, name, properties",
    "summarize count() by location",
    "extend x = tolower(id), y = properties.version",
    "where x has 'store' and not(y == '1.1.1')",
    "join kind=leftouter (kubernetesconfigurationresources | project id, name) on name",
    "join kind=rightanti (resources) on $left.id == $right.id",
    "union (kubernetesconfigurationresources)",
    "parse id with a '/providers/' b",
    "mv-expand z = split(id, '/')",
    "order by id asc",
    "take 3",
    "limit -1",
    "top 2 by name",
    "distinct location",
    "where",
    "project nothing",
    "count",
    "let x = 1; resources",
)
"""What queries are made of: a text of any letters gets no further than the parser."""
_QUERIES = st.lists(st.sampled_from(CLAUSES), max_size=5).map(
    lambda clauses: " | ".join(["resources", *clauses])
)
_WISHES = st.sampled_from(
    [
        {"extensionType": OSM, "version": "1.2.6", "autoUpgradeMinorVersion": False},
        {"version": "1.2.3", "autoUpgradeMinorVersion": False},
        {"extensionType": OSM, "version": None, "autoUpgradeMinorVersion": True},
        {},
    ]
)
_VALUES = st.sampled_from(
    [None, True, 0, -1, 2**63, 1.5, "", "\x00", [], {}, [None], ["x"], {"x": 1}]
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Sense:
    """What makes a request get further than the first check; ``None``: nothing does."""

    version: str | None
    query: str | None
    wish: Mapping[str, Any]
    twist: tuple[int, Any] | None
    """What stands in the place of some value of the body."""


def _without(known: Mapping[str, str], name: str) -> dict[str, str]:
    return {one: value for one, value in known.items() if one != name}


def cases(operation: Any, version: str, places: Mapping[str, str]) -> Any:
    """Return requests: three of four go where something is, nearly all know the version."""
    names = re.findall(r"{(\w+)}", operation.path)
    known = {name: places[name] for name in names if name in places}
    everywhere = [
        operation.as_strategy(mode, path_parameters=given)
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
        for given in [known, known, *(_without(known, name) for name in known), {}]
    ]
    senses = st.builds(
        _Sense,
        # NB: what stands first is what is tried most.
        version=st.sampled_from(7 * [version] + [None]),
        query=_QUERIES | st.none(),
        wish=_WISHES,
        twist=st.none() | st.tuples(st.integers(0, 30), _VALUES),
    )
    return st.builds(_sensible, st.one_of(everywhere), senses)


def _sensible(case: Any, sense: _Sense) -> Any:
    if sense.version is not None:
        case.query = {**(case.query or {}), "api-version": sense.version}
    body = case.body
    if isinstance(body, dict) and "query" in body and sense.query is not None:
        scopes = ("subscriptions", "managementGroups")
        kept = {name: value for name, value in body.items() if name not in scopes}
        case.body = {**kept, "query": sense.query}
    elif isinstance(body, dict) and isinstance(body.get("properties"), dict):
        sensible = {**body["properties"], **sense.wish}
        if case.method == "PATCH":
            sensible.pop("extensionType", None)
        case.body = {**body, "properties": sensible}
    if sense.twist is not None:
        case.body = _twisted(case.body, *sense.twist)
    return case


def _twisted(body: Any, number: int, value: Any) -> Any:
    """Return *body* with another value in one of its places."""
    if not isinstance(body, dict):
        return body
    found = copy.deepcopy(body)
    places = list(_slots(found))
    if places:
        container, key = places[number % len(places)]
        container[key] = value
    return found


def _slots(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield everything that a body holds: in what, and where."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, one in list(pairs):
        yield value, key
        if isinstance(one, dict | list):
            yield from _slots(one)


def _wrong(status: int, kind: str, body: bytes, *, documented: Collection[int]) -> list[str]:
    """Return what Azure would not answer like that."""
    found = []
    if status not in documented and status not in REFUSALS:
        found.append(f"status {status}")
    if kind != ("application/json; charset=utf-8" if body else ""):
        found.append(f"content type {kind or 'none'}")
    elif status >= 400 and not {"code", "message"} <= set(json.loads(body)["error"]):
        found.append("an error without code or message")
    return found


@pytest.mark.parametrize(
    ("status", "kind", "body", "found"),
    [
        (200, "application/json; charset=utf-8", b"{}", []),
        (204, "", b"", []),
        (404, "application/json; charset=utf-8", b'{"error": {"code": "x", "message": "y"}}', []),
        (
            500,
            "text/plain; charset=utf-8",
            b"500",
            ["status 500", "content type text/plain; charset=utf-8"],
        ),
        (201, "application/json; charset=utf-8", b"{}", ["status 201"]),
        (200, "", b"{}", ["content type none"]),
        (
            400,
            "application/json; charset=utf-8",
            b'{"error": {"code": "x"}}',
            ["an error without code or message"],
        ),
    ],
)
def test_what_azure_would_not_answer_is_found(
    status: int, kind: str, body: bytes, found: list[str]
) -> None:
    assert _wrong(status, kind, body, documented={200, 204}) == found


@pytest.mark.parametrize(("name", "operation_id"), list(_names()))
def test_whatever_is_asked_is_answered_as_azure_would(
    name: str, operation_id: str, target: Target
) -> None:
    file = reference.folder("specification") / FILES[name]
    operation = _operations(file)[operation_id]
    version = name.rpartition(" ")[2]
    count = _MORE if version in ("2025-03-01", "2026-05-01") else EXAMPLES
    count = _FEW if _UNSERVED.fullmatch(operation_id) else count

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases(operation, version, target.places))
    def fuzz(case: Any) -> None:
        heard = case.call(base_url=target.base, session=target.session, timeout=_LIMIT_S)
        documented = {int(one) for one in operation.responses.status_codes if one.isdigit()}
        kind = heard.headers.get("content-type", [""])[0]
        found = _wrong(heard.status_code, kind, heard.content, documented=documented)
        assert found == [], case.as_curl_command()

    fuzz()
