"""Walks through the simulated Azure that meet every kind of exchange, the unlucky ones too.

Shapes:  a walk takes an api-version and returns what was said on its way.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from fleet.model.cluster import Connectivity
from fleet.sim import names, stock
from fleet.sim.recipe import Faults, Rate, Special, Wire
from tests.rig import exchanges
from tests.rig.exchanges import Exchange, Witness
from tests.rig.serving import CALM, Caller, Stage, staged

PROVIDER = "providers/Microsoft.KubernetesConfiguration"
OSM = "microsoft.openservicemesh"
INSTALL: Mapping[str, Any] = {
    "identity": {"type": "SystemAssigned"},
    "properties": {
        "extensionType": OSM,
        "autoUpgradeMinorVersion": False,
        "releaseTrain": "Stable",
        "version": "1.2.6",
        "scope": {"cluster": {"releaseNamespace": "arc-osm-system"}},
        "configurationSettings": {"osm.b": "2"},
        "configurationProtectedSettings": {"osm.secret": "s3cret"},
    },
}
_EVERY_HALF = 500_000
_NOWHERE = "00000000-0000-0000-0000-00000000ffff"


def pin(version: str) -> Mapping[str, Any]:
    """Return the body of a PATCH that pins."""
    return {"properties": {"version": version, "autoUpgradeMinorVersion": False}}


def install(**changed: Any) -> Mapping[str, Any]:
    """Return the body of a PUT with other properties; those that are ``None`` are left out."""
    properties = {**INSTALL["properties"], **changed}
    return {**INSTALL, "properties": {k: v for k, v in properties.items() if v is not None}}


def special(number: int, *, count: int = CALM.cluster_count, **given: Any) -> Special:
    """Return what is special about a cluster of a world."""
    return Special(cluster=names.cluster(number, count=count), **given)


async def clusters(version: str) -> Sequence[Exchange]:
    """Lists in pages, clusters in every state, and what is not there."""
    others = [one for one in Connectivity if one is not Connectivity.CONNECTED]
    recipe = dataclasses.replace(
        CALM,
        cluster_count=130,
        subscription_count=1,
        specials=tuple(
            special(number, count=130, connectivity=one) for number, one in enumerate(others)
        ),
    )
    async with staged(recipe) as stage:
        caller = exchanges.witness(stage.caller)
        id_ = stage.cluster(len(others))
        subscription, group = "/".join(id_.split("/")[:3]), id_.rpartition("/")[0]
        listed = f"{subscription}/providers/Microsoft.Kubernetes/connectedClusters"
        first = await caller.get(listed, api_version=version)
        await caller.get(first.json["nextLink"])
        for path in (
            *(stage.cluster(number) for number in range(len(others) + 1)),
            group,
            group.replace("/resourceGroups/", "/resourcegroups/"),
            f"{id_}-missing",
            id_.replace(id_.split("/")[4], "nowhere"),
            listed.replace(id_.split("/")[2], _NOWHERE),
            listed.replace(id_.split("/")[2], "nobody-s"),
        ):
            await caller.get(path, api_version=version)
        await caller.get(listed, api_version=version, **{"$skiptoken": "no token"})
        await _unknown(stage, caller, (id_, listed), version)
        for method in ("PUT", "PATCH", "DELETE"):
            await caller.send(method, id_, body={}, api_version=version)
        await _credentials(stage, caller, id_, version)
        return caller.exchanges


async def _credentials(stage: Stage, caller: Witness, id_: str, version: str) -> None:
    action = "listClusterUserCredential"
    body: Mapping[str, Any] = {"authenticationMethod": "Token", "clientProxy": True}
    for method in ("Token", "AAD"):
        for has_proxy in (True, False):
            body = {"authenticationMethod": method, "clientProxy": has_proxy}
            await caller.send("POST", f"{id_}/{action}", body=body, api_version=version)
    wrong = {"authenticationMethod": "Password", "clientProxy": True}
    await caller.send("POST", f"{id_}/{action}", body=wrong, api_version=version)
    await caller.send("POST", f"{id_}-missing/{action}", body=body, api_version=version)
    stranger = _like(stage.stranger, caller)
    await stranger.send("POST", f"{id_}/{action}", body=body, api_version=version)


async def extensions(version: str) -> Sequence[Exchange]:
    """An extension's whole life, and what is refused."""
    async with staged(
        dataclasses.replace(CALM, specials=(special(1, is_read_only=True),))
    ) as stage:
        caller = exchanges.witness(stage.caller)
        operation = f"{stage.extension()}/operations/{_NOWHERE}"
        await _unknown(stage, caller, (stage.extension(), _list(stage), operation), version)
        await _life(stage, caller, version)
        await _refused(stage, caller, version)
        return caller.exchanges


async def _life(stage: Stage, caller: Witness, version: str) -> None:
    """Update, fail, remove, install, replace, force."""
    path = stage.extension()
    for method, body in (
        ("PATCH", pin("1.2.3")),
        ("PATCH", pin("1.2.99")),
        ("PATCH", {"properties": {"configurationSettings": {"osm.a": "9"}}}),
        ("DELETE", None),
        ("PUT", INSTALL),
        ("PUT", INSTALL),
    ):
        heard = await caller.send(method, path, body=body, api_version=version)
        url = heard.headers["Azure-AsyncOperation"].removeprefix(stage.base)
        await _seen(stage, caller, version, url)
        stage.wait(seconds=61)
        await _seen(stage, caller, version, url)
    await caller.send("PATCH", path, body={"properties": {"version": "1.2.6"}}, api_version=version)
    for _ in range(2):
        forced = {"api_version": version, "forceDelete": "true"}
        await caller.send("DELETE", path, query=forced)
    await caller.get(path, api_version=version)
    await caller.get(_list(stage), api_version=version)


async def _seen(stage: Stage, caller: Witness, version: str, operation: str) -> None:
    for path in (stage.extension(), _list(stage)):
        await caller.get(path, api_version=version)
    await caller.get(operation)


async def _refused(stage: Stage, caller: Witness, version: str) -> None:
    missing = stage.extension().replace("/store-", "/shop-")
    for method, path, body in (
        ("PUT", stage.extension(2), {}),
        ("PUT", stage.extension(2), {"properties": {}}),
        ("PUT", stage.extension(2), install(autoUpgradeMinorVersion=True)),
        ("PUT", stage.extension(2), install(extensionType="microsoft.flux", version=None)),
        ("PUT", stage.extension(1), INSTALL),
        ("PUT", missing, INSTALL),
        ("PATCH", stage.extension(2), {"properties": {"scope": {}}}),
        ("PATCH", stage.extension(2), {"properties": {"version": 12}}),
        ("PATCH", stage.extension(1), pin("1.2.6")),
        ("PATCH", stage.extension(name="other"), pin("1.2.6")),
        ("PATCH", missing, pin("1.2.6")),
        ("DELETE", stage.extension(1), None),
        ("DELETE", missing, None),
        ("GET", missing, None),
        ("GET", missing.rpartition("/")[0], None),
        ("GET", stage.extension(1), None),
        ("GET", f"{stage.extension()}/operations/{_NOWHERE}", None),
    ):
        await caller.send(method, path, body=body, api_version=version)
    for method in ("PUT", "PATCH"):
        wrong = {"Content-Type": "text/plain"}
        await caller.send(
            method, stage.extension(2), body=INSTALL, headers=wrong, api_version=version
        )


async def unlucky(version: str) -> Sequence[Exchange]:
    """A service that throttles, is out of order, or has something else to do."""
    faults = Faults(
        throttled_ppm=_EVERY_HALF // 2,
        transient_error_ppm=_EVERY_HALF // 2,
        conflict_ppm=_EVERY_HALF // 2,
    )
    async with staged(dataclasses.replace(CALM, faults=faults)) as stage:
        caller, path = exchanges.witness(stage.caller), stage.extension()
        operations = []
        for number in range(12):
            for method, body in (("GET", None), ("PUT", INSTALL), ("PATCH", pin("1.2.3"))):
                heard = await caller.send(method, path, body=body, api_version=version)
                operations.append(heard.headers.get("Azure-AsyncOperation"))
            gone = stage.extension(1 + number % 6)
            await caller.send("DELETE", gone, api_version=version)
            stage.wait(seconds=5)
        for url in 4 * [one for one in operations if one]:
            await caller.get(url.removeprefix(stage.base))
        return caller.exchanges


async def throttled(versions: Mapping[str, str]) -> Sequence[Exchange]:
    """Nobody may ask twice."""
    rate = Rate(burst=1, per_second=1)
    wire = Wire(reads=rate, writes=rate, deletes=rate)
    async with staged(dataclasses.replace(CALM, wire=wire)) as stage:
        caller, cluster = exchanges.witness(stage.caller), stage.cluster()
        await stage.caller.get(cluster, api_version="2024-01-01")
        listed = f"{'/'.join(cluster.split('/')[:3])}/providers/Microsoft.Kubernetes"
        for path in (cluster, f"{listed}/connectedClusters"):
            await caller.get(path, api_version=versions["clusters"])
        for path in (_list(stage), stage.extension()):
            await caller.get(path, api_version=versions["extensions"])
        for path in _types(stage)[:4]:
            await caller.get(path, api_version=versions["types"])
        for number in range(2):
            for method, body in (("PATCH", pin("1.2.6")), ("DELETE", None)):
                await caller.send(
                    method, stage.extension(3 * number), body=body, api_version="2023-05-01"
                )
        return [one for one in caller.exchanges if one.heard.status == 429]


async def types(version: str) -> Sequence[Exchange]:
    """Types and versions, of locations and clusters, in pages and not there."""
    many = {"stable": tuple(f"1.0.{number}" for number in range(120))}
    recipe = dataclasses.replace(
        CALM,
        extensions=(
            *CALM.extensions,
            dataclasses.replace(stock.FLUX, versions=many, installed={"1.0.0": 1}),
        ),
    )
    async with staged(recipe) as stage:
        caller = exchanges.witness(stage.caller)
        for path in _types(stage):
            heard = await caller.get(path, api_version=version)
            while heard.status == 200 and heard.json.get("nextLink"):
                heard = await caller.get(heard.json["nextLink"].removeprefix(stage.base))
        for place in (_types(stage)[0], _types(stage)[4]):
            for missing in ("/nothing", "/nothing/versions", f"/{OSM}/versions/9.9.9"):
                await caller.get(f"{place}{missing}", api_version=version)
            for listed in ("", f"/{OSM}/versions"):
                token = {"continuationToken": "nobody-s"}
                await caller.get(f"{place}{listed}", api_version=version, **token)
            await caller.get(place.replace("/store-", "/shop-"), api_version=version)
        await _unknown(stage, caller, _types(stage), version)
        return caller.exchanges


async def graph(version: str) -> Sequence[Exchange]:
    """Queries, their pages and tables, and what is wrong with some."""
    async with staged() as stage:
        caller = exchanges.witness(stage.caller)
        subscription = stage.cluster().split("/")[2]
        all_ = "resources | project id, name, tags, properties | order by id asc"
        first = await ask(caller, version, all_, {"$top": 5})
        token = first.json["$skipToken"]
        for options in (
            {"$top": 5, "$skipToken": token},
            {"$top": 3, "$skip": 2, "resultFormat": "table"},
            {"$skipToken": "nobody-s"},
        ):
            await ask(caller, version, all_, options)
        await ask(caller, version, "resources | summarize count() by location")
        await ask(caller, version, "kubernetesconfigurationresources", subscriptions=[subscription])
        await ask(caller, version, all_, subscriptions=[_NOWHERE])
        await ask(caller, version, all_, managementGroups=[_NOWHERE])
        await ask(caller, version, all_, facets=[{"expression": "location"}])
        stage.wait(seconds=6)
        for wrong in ("where where", "nothing", "resources | project nothing", ".show tables"):
            await ask(caller, version, wrong)
        wrong_type = {"Content-Type": "text/plain"}
        await caller.send("POST", GRAPH, body={}, api_version=version, headers=wrong_type)
        for _ in range(16):
            await ask(caller, version, all_)
        stranger = _like(stage.stranger, caller)
        await ask(stranger, version, all_)
        return caller.exchanges


GRAPH = "/providers/Microsoft.ResourceGraph/resources"


async def ask(caller: Witness, version: str, query: str, options: Any = None, **scope: Any) -> Any:
    """Query Resource Graph in some api-version."""
    body = {"query": query, **({} if options is None else {"options": options}), **scope}
    return await caller.send("POST", GRAPH, body=body, api_version=version)


def _list(stage: Stage) -> str:
    return stage.extension().rpartition("/")[0]


def _types(stage: Stage) -> Sequence[str]:
    subscription = "/".join(stage.cluster().split("/")[:3])
    return [
        f"{place}/extensionTypes{path}"
        for place in (
            f"{subscription}/{PROVIDER}/locations/westeurope",
            f"{stage.cluster()}/{PROVIDER}",
        )
        for path in ("", f"/{OSM}", f"/{OSM}/versions", f"/{OSM}/versions/1.2.6")
    ] + [f"{stage.cluster()}/{PROVIDER}/extensionTypes/microsoft.flux/versions"]


async def _unknown(stage: Stage, caller: Witness, paths: Sequence[str], version: str) -> None:
    """Ask as somebody without a token."""
    stranger = _like(stage.stranger, caller)
    for path in paths:
        await stranger.get(path, api_version=version)


def _like(caller: Caller, witness: Witness) -> Witness:
    return dataclasses.replace(witness, token=caller.token)
