"""Our client reads what Azure said, in recordings and in official examples, to the right end."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

import orjson
import pytest

from fleet.azure import extensions, offers, operations, payloads
from fleet.azure.answers import Answer
from fleet.azure.requests import Request
from fleet.model.cluster import ClusterId
from fleet.ports import ExtensionRef
from tests.rig import conclusions, reference
from tests.rig.reference import Example
from tests.rig.scripted import IDS, speaking

CONCLUSIONS: Mapping[str, tuple[str, ...]] = {
    "connectedcluster-create-get-forcedelete": (
        "cluster LostClusterError",
        "cluster connecting, never heard of, aks",
        "cluster connected, heard of, aks",
    ),
    "extension-autoupgrade-2022-03-01-protected-settings": (
        "GET nothing",
        "PUT followed, creating None pin None auto compatible",
        "operation Creating, goes on",
        "operation Succeeded, ended",
        "GET succeeded 1.17.9 pin None auto compatible",
    ),
    "extension-autoupgrade-version-null-2023-05-01": (
        "PUT followed, creating None pin None auto compatible",
        "operation Creating, goes on",
        "operation Succeeded, ended",
        "GET succeeded 1.36.15 pin None auto compatible",
    ),
    "extension-create-list-forcedelete-2023-05-01": (
        "PUT followed, creating None pin 1.6.0 auto none",
        "GET creating 1.6.0 pin 1.6.0 auto none",
        "DELETE at once, nothing",
    ),
    "extension-create-lro-success-2023-05-01": (
        "cluster LostClusterError",
        "cluster connecting, never heard of, aks",
        "cluster connected, heard of, aks",
        "PUT followed, creating None pin 0.7.6 auto none",
        "operation Creating, goes on",
        "operation Succeeded, ended",
        "GET succeeded 0.7.6 pin 0.7.6 auto none",
        "cluster LostClusterError",
        "cluster connected, heard of, aks",
        "GET nothing",
        "cluster connected, heard of, aks",
        "GET succeeded 2.5.2-bundle pin 2.5.2-bundle auto none",
        "GET succeeded 0.9.4-bundle pin 0.9.4-bundle auto none",
        "GET succeeded 0.142.0 pin 0.142.0 auto none",
        "cluster connected, heard of, aks",
    ),
    "extension-types-2023-05-01-preview": ("versions 1.5.0 1.4.0 1.3.0 1.2.0 1.1.0",),
    "extension-types-paged-2022-01-15-preview": ("versions",),
    "osm-create-delete-2020-07-01-preview": (
        "PUT at once, creating 0.8.3 pin 0.8.3 auto none",
        "GET creating 0.8.3 pin 0.8.3 auto none",
        "DELETE at once, nothing",
    ),
    "osm-create-lro-delete-lro-2021-09-01": (
        "PUT followed, creating 0.9.2 pin 0.9.2 auto none",
        "operation Creating, goes on",
        "operation Succeeded, ended",
        "GET succeeded 0.9.2 pin 0.9.2 auto none",
        "DELETE followed, nothing",
        "operation Deleting, goes on",
        "operation Succeeded, ended",
    ),
    "osm-version-not-found-deployment-failed": (
        "cluster LostClusterError",
        "cluster connecting, never heard of, aks",
        "cluster connected, heard of, aks",
        "cluster LostClusterError",
        "cluster connected, heard of, aks",
        "GET failed 1.2.99 pin 1.2.99 auto none, failed",
        "cluster connected, heard of, aks",
    ),
    "resourcegraph-query-skiptoken-error": (
        "page 2 of 2, the last",
        "page RemoteError 400",
        "page 3 of 2994, more",
        "page 3 of 2995, more",
        "page 2 of 2, the last",
    ),
    "resourcegraph-query": ("page 1 of 1, the last",),
}
"""What is believed after each answer of a recording, repetitions left out."""


async def _concluded(recording: str) -> list[str]:
    found: list[str] = []
    async with speaking() as line:
        for one in reference.interactions():
            if one.recording == recording:
                said = await conclusions.recorded(line, one)
                if said is not None and said not in found[-1:]:
                    found.append(said)
    return found


@pytest.mark.parametrize("recording", CONCLUSIONS)
async def test_recorded_answers_lead_to_the_right_conclusions(recording: str) -> None:
    reference.folder("recordings")

    assert await _concluded(recording) == list(CONCLUSIONS[recording])


def test_no_recording_is_left_out() -> None:
    reference.folder("recordings")

    assert {one.recording for one in reference.interactions()} == set(CONCLUSIONS)


# --- the answers of the examples ----------------------------------------------------------------

_NOW = dt.datetime(2026, 1, 10, 2, tzinfo=dt.UTC)
Reading = Callable[[int, Any], tuple[Any, Any]]
"""From an answer to what the client reads in it, and what it says in plain."""


def _extension(status: int, body: Any) -> tuple[Any, Any]:
    found, own = payloads.extension(body, where="an example"), body["properties"]
    return (
        (found.name, found.extension_type, found.provisioning_state.value.lower()),
        (body["name"], own["extensionType"].lower(), _said(own).lower()),
    )


def _written(status: int, body: Any) -> tuple[Any, Any]:
    cluster, _, name = body.get("id", "/c/x/x/x/osm").rpartition("/")
    ref = ExtensionRef(cluster_id=ClusterId(cluster.rsplit("/", 3)[0]), name=name)
    request = Request(method="PATCH", url="https://anywhere", what="an example", ids=IDS)
    answer = Answer(status=status, headers={}, body=orjson.dumps(body))
    found, own = extensions._shown(answer, request, ref), body["properties"]
    assert found is not None
    return (
        (found.name, found.extension_type, found.provisioning_state.value.lower()),
        (name, own["extensionType"].lower(), _said(own).lower()),
    )


def _said(own: Any) -> str:
    """Return the state; the oldest api calls it otherwise."""
    old = {"Pending": "Creating", "Installed": "Succeeded"}
    return str(own.get("provisioningState") or old[own["installState"]])


def _cluster(status: int, body: Any) -> tuple[Any, Any]:
    found, own = payloads.cluster(body, where="an example"), body["properties"]
    return (
        (found.id, found.location, found.connectivity.value.lower()),
        (body["id"], body["location"].lower(), own.get("connectivityStatus", "unknown").lower()),
    )


def _operation(status: int, body: Any) -> tuple[Any, Any]:
    answer = Answer(status=status, headers={}, body=orjson.dumps(body))
    found = operations.status_of(answer, what="an example", now=_NOW)
    return (found.status, found.has_succeeded), (body["status"], body["status"] == "Succeeded")


def _versions(status: int, body: Any) -> tuple[Any, Any]:
    found = [name for name, _ in offers._versions(body["value"], "an example")]
    return found, [one["properties"]["version"] for one in body["value"]]


def _page(status: int, body: Any) -> tuple[Any, Any]:
    more = "more" if body.get("$skipToken") else "the last"
    cut = ", cut" if body["resultTruncated"] == "true" else ""
    said = f"page {len(body['data'])} of {body['totalRecords']}, {more}{cut}"
    return conclusions.page(status, {}, body), said


def _each(reading: Reading) -> Reading:
    def read(status: int, body: Any) -> tuple[Any, Any]:
        pairs = [reading(status, one) for one in body["value"]]
        return [one for one, _ in pairs], [one for _, one in pairs]

    return read


READINGS: Mapping[str, Reading] = {
    "Extensions_Get": _extension,
    **dict.fromkeys(("Extensions_Create", "Extensions_Update"), _written),
    "Extensions_List": _each(_extension),
    **dict.fromkeys(
        ("ConnectedCluster_Get", "ConnectedCluster_Create", "ConnectedCluster_Update"), _cluster
    ),
    "ConnectedCluster_ListBySubscription": _each(_cluster),
    "ConnectedCluster_ListByResourceGroup": _each(_cluster),
    "OperationStatus_Get": _operation,
    "ExtensionTypes_ListVersions": _versions,
    "ExtensionTypes_ClusterListVersions": _versions,
    "Resources": _page,
}
UNREAD = {
    # No body, or nothing that a rollout asks for.
    "ConnectedCluster_Delete",
    "ConnectedCluster_ListClusterUserCredential",
    "Extensions_Delete",
    "ExtensionTypes_ClusterGetVersion",
    "ExtensionTypes_Get",
    "ExtensionTypes_GetVersion",
    "ExtensionTypes_List",
    "ExtensionTypes_LocationGet",
    "ExtensionTypes_LocationList",
    "Operations_Get",
    "Operations_List",
}


def _named(one: Example) -> str:
    return f"{one.operation} {one.name}"


def test_every_official_answer_is_read_as_it_says() -> None:
    reference.folder("specification")
    pairs = {
        (_named(one), status): READINGS[one.operation](status, body)
        for one in reference.examples()
        if one.operation in READINGS
        for status, body in one.answers.items()
        if body is not None
    }

    assert len(pairs) > 40
    assert {key: read for key, (read, _) in pairs.items()} == {
        key: said for key, (_, said) in pairs.items()
    }


def test_what_is_not_read_is_named() -> None:
    reference.folder("specification")

    found = {one.operation for one in reference.examples()}
    assert found - set(READINGS) == UNREAD
