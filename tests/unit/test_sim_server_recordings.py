"""Our bodies and headers beside those that Azure sent: the same keys, and the same kinds."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.rig.serving import CLUSTERS, EXTENSIONS, Heard, Stage, staged

RECORDINGS = Path(__file__).parents[2].parent / "shared" / "reference" / "azure" / "recordings"

_OF_CALLERS = frozenset({"identity"})
"""What depends on what was asked for."""
_OF_PLACES = frozenset({"arcAgentryConfigurations"})
_OF_INTERMEDIARIES = frozenset(
    {
        "x-cache",
        "x-msedge-ref",
        "mise-correlation-id",
        "x-ms-providerhub-traffic",
        "server",
        "transfer-encoding",
        "vary",
        "x-ms-async-operation-timeout",
    }
)


def interactions(name: str) -> list[Any]:
    """Return what a recording holds."""
    found = sorted(RECORDINGS.glob(f"{name}*.json"))
    if not found:
        pytest.skip(f"the recordings are not here: {name}")
    return [one for path in found for one in json.loads(path.read_text())["interactions"]]


def recorded(name: str, *, method: str, status: int, path: str, version: str = "") -> Any:
    """Return one recorded interaction."""
    return next(
        one
        for one in interactions(name)
        if one["request"]["method"] == method
        and one["response"]["status"] == status
        and one["request"]["uri"].partition("?")[0].endswith(path)
        and version in one["request"]["uri"]
    )


def shape(value: Any) -> Any:
    """Return *value* with kinds instead of values; free maps and lists keep one of each."""
    if isinstance(value, dict):
        return {name: shape(one) for name, one in value.items() if name not in _FREE}
    if isinstance(value, list):
        return [shape(one) for one in value[:1]]
    return "text" if isinstance(value, str) or value is None else type(value).__name__


_FREE = frozenset(
    {
        "configurationSettings",
        "configurationProtectedSettings",
        "tags",
        "aadProfile",
        # Null for what is installed per namespace.
        "clusterScopeSettings",
    }
)


def names(heard: Mapping[str, Any]) -> set[str]:
    return {name.lower() for name in heard} - _OF_INTERMEDIARIES


def without(document: Any, *gone: frozenset[str]) -> Any:
    """Return *document* without some keys, wherever they stand."""
    left_out = frozenset().union(*gone)
    if isinstance(document, dict):
        kept = {name: one for name, one in document.items() if name not in left_out}
        return {name: without(one, *gone) for name, one in kept.items()}
    return document


async def install(stage: Stage) -> Heard:
    body = {
        "identity": {"type": "SystemAssigned"},
        "properties": {
            "extensionType": "microsoft.openservicemesh",
            "version": "1.2.6",
            "autoUpgradeMinorVersion": False,
        },
    }
    await stage.caller.send(
        "DELETE", stage.extension(), api_version=EXTENSIONS, query={"forceDelete": "true"}
    )
    return await stage.caller.send("PUT", stage.extension(), body=body, api_version=EXTENSIONS)


async def test_an_install_s_answer_is_what_was_recorded() -> None:
    theirs = recorded(
        "extension-create-lro-success",
        method="PUT",
        status=201,
        path="/extensions/azure-iot-operations-platform",
    )["response"]
    async with staged() as stage:
        ours = await install(stage)

    assert shape(ours.json) == shape(theirs["body"])
    assert names(theirs["headers"]) - names(ours.headers) == set()


async def test_a_read_s_answer_is_what_was_recorded() -> None:
    theirs = recorded(
        "osm-version-not-found", method="GET", status=200, path="/microsoft.openservicemesh"
    )["response"]
    async with staged() as stage:
        pin = {"properties": {"version": "1.2.99", "autoUpgradeMinorVersion": False}}
        await stage.caller.send("PATCH", stage.extension(), body=pin, api_version=EXTENSIONS)
        stage.wait(minutes=1)
        ours = await stage.caller.get(stage.extension(), api_version=EXTENSIONS)

    assert shape(ours.json) == shape(theirs["body"])
    assert names(theirs["headers"]) - names(ours.headers) == set()


async def test_a_list_and_a_forced_deletion_are_what_was_recorded() -> None:
    name = "extension-create-list-forcedelete"
    listed = recorded(name, method="GET", status=200, path="/extensions")["response"]
    deleted = recorded(name, method="DELETE", status=200, path="/dapr")["response"]
    async with staged() as stage:
        ours = await stage.caller.get(stage.extension().rpartition("/")[0], api_version=EXTENSIONS)
        gone = await stage.caller.send(
            "DELETE", stage.extension(), api_version=EXTENSIONS, query={"forceDelete": "true"}
        )

    value = [without(one, _OF_CALLERS) for one in ours.json["value"]]
    assert shape({**ours.json, "value": value}) == shape(listed["body"])
    assert gone.json == deleted["body"]


async def test_an_extension_that_is_missing_is_what_was_recorded() -> None:
    theirs = recorded(
        "extension-autoupgrade-2022-03-01", method="GET", status=404, path="/containerapp-ext"
    )["response"]
    async with staged() as stage:
        ours = await stage.caller.get(
            stage.extension(name="containerapp-ext"), api_version=EXTENSIONS
        )

    assert (ours.status, ours.json) == (theirs["status"], theirs["body"])


async def test_a_cluster_that_is_missing_is_what_was_recorded() -> None:
    theirs = recorded(
        "osm-version-not-found", method="GET", status=404, path="/connectedClusters/notexistcluster"
    )
    group = theirs["request"]["uri"].split("/")[6]
    async with staged() as stage:
        ours = await stage.caller.get(
            f"{stage.cluster().rpartition('/')[0]}/notexistcluster", api_version=CLUSTERS
        )
        our_group = stage.cluster().split("/")[4]

    text = json.dumps(ours.json).replace(our_group, group)
    assert json.loads(text) == theirs["response"]["body"]
    assert (
        ours.headers["x-ms-failure-cause"] == theirs["response"]["headers"]["x-ms-failure-cause"][0]
    )


def _connected() -> Iterator[Any]:
    for one in interactions("osm-version-not-found"):
        body = one["response"]["body"]
        properties = (body.get("properties") or {}) if isinstance(body, dict) else {}
        # Of heartbeats the first one comes before the agents' certificate is known.
        if "managedIdentityCertificateExpirationTime" in properties:
            yield one["response"]


async def test_a_connected_cluster_is_what_was_recorded() -> None:
    theirs = next(_connected())
    async with staged() as stage:
        ours = await stage.caller.get(stage.cluster(), api_version=CLUSTERS)

    assert shape(ours.json) == shape(without(theirs["body"], _OF_PLACES))
    assert names(theirs["headers"]) - names(ours.headers) == set()


async def test_operations_are_what_was_recorded() -> None:
    name = "osm-create-lro-delete-lro"
    theirs = [
        one["response"]["body"]
        for one in interactions(name)
        if "/operations/" in one["request"]["uri"]
    ]
    async with staged() as stage:
        heard = await stage.caller.send("DELETE", stage.extension(), api_version=EXTENSIONS)
        url = heard.headers["Azure-AsyncOperation"]
        first = await stage.caller.get(url)
        stage.wait(minutes=2)
        ours = [first.json, (await stage.caller.get(url)).json]

    words = {(tuple(one), one["status"]) for one in theirs}
    assert {(tuple(one), one["status"]) for one in ours} <= words


@pytest.mark.parametrize(
    ("path", "is_of_location"),
    [
        ("/extensionTypes", True),
        ("/extensionTypes", False),
        ("/extensionTypes/microsoft.contoso.samples", True),
        ("/extensionTypes/microsoft.contoso.samples/versions", False),
        ("/extensionTypes/microsoft.contoso.samples/versions/1.1.0", True),
    ],
)
async def test_types_and_versions_are_what_was_recorded(path: str, *, is_of_location: bool) -> None:
    theirs = next(
        one["response"]
        for one in interactions("extension-types-2023-05-01-preview")
        if one["request"]["uri"].partition("?")[0].endswith(path)
        and ("/locations/" in one["request"]["uri"]) == is_of_location
    )
    subscription = "/subscriptions/00000000-0000-0000-0000-000000000001"
    provider = "providers/Microsoft.KubernetesConfiguration"
    ours_path = path.replace("microsoft.contoso.samples", "microsoft.openservicemesh")
    ours_path = ours_path.replace("1.1.0", "1.1.1")
    async with staged() as stage:
        place = f"{subscription}/{provider}/locations/westeurope"
        if not is_of_location:
            place = f"{stage.cluster()}/{provider}"
        ours = await stage.caller.get(f"{place}{ours_path}", api_version="2023-05-01-preview")

    assert shape(ours.json) == shape(theirs["body"])
    assert ours.headers["api-supported-versions"] == theirs["headers"]["api-supported-versions"][0]


async def test_query_answers_are_what_was_recorded() -> None:
    answers = [one["response"] for one in interactions("resourcegraph-query")]
    paged = next(one for one in answers if "$skipToken" in one["body"])
    refused = next(one for one in answers if one["status"] == 400)
    last = answers[-1]
    async with staged() as stage:
        ours = await stage.caller.ask("project id", options={"$top": 3})
        wrong = await stage.caller.ask("where where")

    assert shape(ours.json) == shape(paged["body"])
    assert shape(wrong.json) == shape(refused["body"])
    (_, their_failure), (_, our_failure) = (
        refused["body"]["error"]["details"],
        wrong.json["error"]["details"],
    )
    assert set(our_failure) == set(their_failure)
    wanted = {name for name in last["headers"] if name.startswith("x-ms-")}
    assert wanted - names(ours.headers) == set()


async def test_a_provider_s_registration_is_what_was_recorded() -> None:
    theirs = interactions("extension-create-lro-success")[0]["response"]["body"]
    kind = next(one for one in theirs["resourceTypes"] if one["resourceType"] == "extensions")
    async with staged() as stage:
        ours = await stage.caller.get(
            "/subscriptions/00000000-0000-0000-0000-000000000001/providers"
            "/Microsoft.KubernetesConfiguration",
            api_version="2022-09-01",
        )

    (found,) = (one for one in ours.json["resourceTypes"] if one["resourceType"] == "extensions")
    assert shape(found) == shape(kind)
    assert set(ours.json) == set(theirs) - {"authorizations"}
    assert found["defaultApiVersion"] == kind["defaultApiVersion"]
