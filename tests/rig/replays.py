"""Recorded requests, sent again: to the simulator, about things that exist there.

Places and ids are the simulator's; names of extensions, bodies and queries stay what they were.
Before a request what it is about is put into the state that its recording tells of.

Shapes:  a difference is a line of text: the status, ``- path`` for what Azure has and the
         simulator has not, ``+ path`` for the other way round, ``path: kind, not kind``, and
         ``- name`` or ``+ name`` for headers.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from fleet.model.cluster import Connectivity
from fleet.sim import names, stock
from fleet.sim.recipe import ABSENT, ExtensionRecipe, Recipe, Special, Wire
from tests.rig.reference import Example, Interaction
from tests.rig.serving import CALM, Heard, Stage

INSTALLED: Mapping[str, tuple[str, str]] = {
    "microsoft.openservicemesh": ("pilot", "0.9.2"),
    "microsoft.app.environment": ("stable", "1.36.15"),
    "microsoft.dapr": ("stable", "1.6.0"),
    "microsoft.iotoperations.platform": ("preview", "0.7.6"),
    "microsoft.contoso.samples": ("stable", "1.1.0"),
    "cassandradatacentersoperator": ("stable", "1.1.0"),
    "azuremonitor-containers": ("preview", "0.1.4"),
    "azure-vote": ("preview", "0.1.4"),
    "my-extension-type": ("stable", "1.1.0"),
}
"""``{extension type: train and version}`` of everything that was written or looked at."""
_SERVED = {
    "2021-09-01": "2022-11-01",
    "2022-03-01": "2022-11-01",
    "2022-10-01-preview": "2024-01-01",
    "2024-07-01-preview": "2024-01-01",
    "2024-12-01-preview": "2024-01-01",
    "2022-01-15-preview": "2023-05-01-preview",
}
"""The next served api-version after one that is not."""
_LOCATION = "westeurope"
_CONNECTING = 1
"""The number of the cluster whose agents were never heard of."""
# The recorder drops them, or they are made on the way.
_DROPPED = frozenset(
    {
        "x-ms-request-id",
        "x-ms-correlation-request-id",
        "x-ms-client-request-id",
        "x-ms-routing-request-id",
        "x-ms-ratelimit-remaining-subscription-reads",
        "x-ms-ratelimit-remaining-tenant-reads",
        "retry-after",
    }
)
_ON_THE_WAY = frozenset(
    {
        "x-cache",
        "x-msedge-ref",
        "vary",
        "transfer-encoding",
        "content-length",
        "server",
        "mise-correlation-id",
        "x-ms-providerhub-traffic",
    }
)
_FREE = frozenset(
    {
        "configurationSettings",
        "configurationProtectedSettings",
        "tags",
        "aadProfile",
    }
)
"""Maps whose keys are their owners' own."""


def world() -> Recipe:
    """Return a world with every type that was recorded, and none of them installed."""
    connecting = Special(
        cluster=names.cluster(_CONNECTING, count=CALM.cluster_count),
        connectivity=Connectivity.CONNECTING,
    )
    return dataclasses.replace(
        CALM,
        extensions=tuple(_types()),
        specials=(connecting,),
        # Waiting for the end of one operation after another takes hours.
        wire=Wire(token_s=10 * 24 * 3600),
    )


def _types() -> Iterator[ExtensionRecipe]:
    for name, (train, version) in INSTALLED.items():
        yield dataclasses.replace(
            stock.OSM,
            extension_type=name,
            name=name,
            namespace="release",
            versions={train: (version,), **({"stable": (version,)} if train != "stable" else {})},
            installed={ABSENT: 1},
            auto_upgrade_ppm=0,
            failed_ppm=0,
            distribution_settings={},
        )


class Replay:
    """One recording, sent again in its order."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._operation = ""

    async def send(self, one: Interaction) -> Heard:
        """Send a recorded request to where it makes sense here."""
        if "/operations/" in one.path:
            return await self._poll(one)
        path = self._path(one)
        if "/extensions/" in path.lower():
            await self._prepare(one, path)
        heard = await self._stage.caller.send(
            one.method, path, body=_body(one.sent), query=_query(one)
        )
        self._operation = heard.headers.get("Azure-AsyncOperation", self._operation)
        return heard

    async def _poll(self, one: Interaction) -> Heard:
        if one.body["status"] in ("Succeeded", "Failed"):
            self._stage.wait(minutes=10)
        return await self._stage.caller.get(self._operation)

    async def _prepare(self, one: Interaction, path: str) -> None:
        """Put an extension into the state that the answer tells of."""
        caller, version = self._stage.caller, {"api_version": "2023-05-01"}
        there = await caller.get(path, **version)
        is_new = one.method == "PUT" and one.status == 201
        if there.status == 200 and (one.status == 404 or is_new):
            await caller.send("DELETE", path, query={**version, "forceDelete": "true"})
        state = (one.body or {}).get("properties", {}).get("provisioningState")
        if there.status == 404 and one.status == 200:
            await caller.send("PUT", path, body=_install(one, state), query=version)
            self._stage.wait(minutes=10)
        elif state == "Succeeded":
            self._stage.wait(minutes=10)

    def _path(self, one: Interaction) -> str:
        properties = one.body.get("properties") if isinstance(one.body, dict) else None
        is_connecting = (properties or {}).get("connectivityStatus") == "Connecting"
        there = self._stage.cluster(_CONNECTING if is_connecting else 0)
        _, _, subscription, _, group, _, _, _, cluster = there.split("/")
        path = re.sub(r"(?<=/subscriptions/)[^/]+", subscription, one.path)
        path = re.sub(r"(?i)(?<=/resourcegroups/)[^/]+", group, path)
        path = re.sub(r"(?<=/locations/)[^/]+", _LOCATION, path)
        is_of_cluster = path.lower().rpartition("/")[0].endswith("connectedclusters")
        if is_of_cluster and one.status == 404:
            return path
        return re.sub(r"(?i)(?<=/connectedclusters/)[^/]+", cluster, path)


def _query(one: Interaction) -> Mapping[str, str]:
    asked = {**one.query}
    for name, value in one.query.items():
        if name.lower() == "api-version":
            asked[name] = _SERVED.get(value, value)
        elif name == "continuationToken":
            # NB: a page here holds fewer types than the service has; its token is our own.
            del asked[name]
    return asked


def _body(sent: Any) -> Any:
    """Return a body about subscriptions that are here."""
    if not isinstance(sent, dict):
        return sent
    kept = dict(sent)
    for scope in ("subscriptions", "managementGroups"):
        kept.pop(scope, None)
    return kept


def _install(one: Interaction, state: str | None) -> Mapping[str, Any]:
    version = "1.2.99" if state == "Failed" else "0.9.2"
    identity = one.body.get("identity")
    return {
        "identity": identity and {"type": identity["type"]},
        "properties": {
            "extensionType": "microsoft.openservicemesh",
            "autoUpgradeMinorVersion": False,
            "releaseTrain": "pilot",
            "version": version,
        },
    }


async def send_example(stage: Stage, example: Example) -> Heard:
    """Send an official example's request about things that exist here."""
    arguments = {**example.arguments, **_places(stage)}
    path = re.sub(r"{(\w+)}", lambda match: str(arguments[match[1]]), example.template)
    asked = {
        name: str(arguments[name]).lower() if name == "forceDelete" else str(arguments[name])
        for name in example.queries
        if name in arguments and name != "api-version"
    }
    body = _body(arguments.get(example.body_name or ""))
    if example.operation in ("Extensions_Get", "Extensions_Update", "Extensions_Delete"):
        await _installed(stage, path)
    if isinstance(body, dict) and "$skipToken" in body.get("options", {}):
        body["options"] = {**body["options"], "$skipToken": await _token(stage)}
    query = urlencode({"api-version": example.version, **asked})
    return await stage.caller.send(example.method, f"{path}?{query}", body=body)


def _places(stage: Stage) -> Mapping[str, str]:
    _, _, subscription, _, group, _, _, _, cluster = stage.cluster().split("/")
    return {
        "subscriptionId": subscription,
        "resourceGroupName": group,
        "clusterRp": "Microsoft.Kubernetes",
        "clusterResourceName": "connectedClusters",
        "clusterName": cluster,
        "location": _LOCATION,
        "extensionTypeName": "microsoft.openservicemesh",
        "versionNumber": "0.9.2",
    }


async def _installed(stage: Stage, path: str) -> None:
    """Put something where an example expects it."""
    body = {"properties": {"extensionType": "azuremonitor-containers"}}
    await stage.caller.send("PUT", path, body=body, api_version="2023-05-01")
    stage.wait(minutes=10)


async def _token(stage: Stage) -> Any:
    """Return a token that goes on after one row; those of the examples are nobody's."""
    first = await stage.caller.ask("resources | project id", options={"$top": 1})
    return first.json["$skipToken"]


# --- what differs ---------------------------------------------------------------------------


def differences(theirs: Interaction, ours: Heard) -> Iterator[str]:
    """Yield in what our answer is of another shape."""
    if ours.status != theirs.status:
        yield f"status {ours.status}, not {theirs.status}"
    kept = {name.lower() for name in ours.headers} - _DROPPED - _ON_THE_WAY
    yield from _names("header", set(theirs.headers) - _ON_THE_WAY, kept)
    body = ours.json if ours.body else None
    yield from sorted(set(_bodies("", theirs.body, body)))


def _names(what: str, theirs: Collection[str], ours: Collection[str]) -> Iterator[str]:
    for name in sorted(set(theirs) - set(ours)):
        yield f"{what} - {name}"
    for name in sorted(set(ours) - set(theirs)):
        yield f"{what} + {name}"


def _bodies(path: str, theirs: Any, ours: Any) -> Iterator[str]:
    if path.rpartition(".")[2] in _FREE or theirs is None or ours is None:
        return
    if _kind(theirs) != _kind(ours):
        yield f"body {path or '.'}: {_kind(ours)}, not {_kind(theirs)}"
    elif isinstance(theirs, dict):
        yield from _names(f"body {path}".rstrip(), theirs, ours)
        for name in theirs.keys() & ours.keys():
            yield from _bodies(f"{path}.{name}", theirs[name], ours[name])
    elif isinstance(theirs, list) and theirs and ours:
        yield from _bodies(f"{path}[]", _together(theirs), _together(ours))


def _together(items: list[Any]) -> Any:
    """Return one item that has what any of several has."""
    if not all(isinstance(one, dict) for one in items):
        return items[0]
    found: dict[str, Any] = {}
    for one in items:
        found |= {name: value for name, value in one.items() if found.get(name) is None}
    return found


def encoded(body: Any) -> bytes:
    """Return a body as it is sent."""
    return json.dumps(body).encode()


def _kind(value: Any) -> str:
    return {bool: "boolean", int: "number", float: "number"}.get(type(value), type(value).__name__)
