"""Microsoft's released clients work against the simulator, with their own pollers and pages."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.hybridkubernetes import ConnectedKubernetesClient
from azure.mgmt.hybridkubernetes.aio import ConnectedKubernetesClient as AsyncClusters
from azure.mgmt.kubernetesconfiguration.extensions import (
    KubernetesConfigurationExtensionsMgmtClient,
)
from azure.mgmt.kubernetesconfiguration.extensions.aio import (
    KubernetesConfigurationExtensionsMgmtClient as AsyncExtensions,
)
from azure.mgmt.kubernetesconfiguration.extensiontypes import (
    KubernetesConfigurationExtensionTypesMgmtClient,
)
from azure.mgmt.kubernetesconfiguration.extensiontypes.aio import (
    KubernetesConfigurationExtensionTypesMgmtClient as AsyncTypes,
)
from azure.mgmt.resourcegraph import ResourceGraphClient
from azure.mgmt.resourcegraph.aio import ResourceGraphClient as AsyncGraph
from azure.mgmt.resourcegraph.models import QueryRequest, QueryRequestOptions

from tests.rig import strangers
from tests.rig.strangers import Place
from tests.rig.walks import OSM, install, pin

OFFERED = {"1.0.0", "1.0.0-1", "1.1.1", "1.1.1-1", "1.2.3", "1.2.6"}
LIFE = {
    "listed": [("osm", "1.1.1", "Succeeded")],
    "updated": ("1.2.3", "Succeeded"),
    "failed": ("ExtensionOperationFailed", True),
    "after the failure": ("1.2.99", "Failed"),
    "deleted": None,
    "missed": 404,
    "created": ("1.2.6", "Succeeded", {"osm.b": "2"}, {"osm.secret": ""}, "SystemAssigned"),
    "forced": None,
    "left": [],
}


def _shown(found: Any) -> tuple[str, str]:
    return found.properties.current_version, found.properties.provisioning_state


def _made(found: Any) -> tuple[Any, ...]:
    properties = found.properties
    return (
        *_shown(found),
        dict(properties.configuration_settings),
        dict(properties.configuration_protected_settings),
        found.identity.type,
    )


def _failure(error: HttpResponseError) -> tuple[str | None, bool]:
    """Return the code, and whether the words name the version that is not there."""
    assert error.error is not None
    return error.error.code, "for version '1.2.99'" in str(error.error.message)


def _life(place: Place) -> Mapping[str, Any]:
    with strangers.client(KubernetesConfigurationExtensionsMgmtClient, place) as client:
        extensions, osm = client.extensions, (*place.target, "osm")
        seen: dict[str, Any] = {}
        seen["listed"] = [(one.name, *_shown(one)) for one in extensions.list(*place.target)]
        seen["updated"] = _shown(extensions.begin_update(*osm, pin("1.2.3")).result())
        with pytest.raises(HttpResponseError) as caught:
            extensions.begin_update(*osm, pin("1.2.99")).result()
        seen["failed"] = _failure(caught.value)
        seen["after the failure"] = _shown(extensions.get(*osm))
        seen["deleted"] = extensions.begin_delete(*osm).result()
        with pytest.raises(ResourceNotFoundError) as missed:
            extensions.get(*osm)
        seen["missed"] = missed.value.status_code
        seen["created"] = _made(extensions.begin_create(*osm, install()).result())
        seen["forced"] = extensions.begin_delete(*osm, force_delete=True).result()
        seen["left"] = list(extensions.list(*place.target))
        return seen


async def _async_life(place: Place) -> Mapping[str, Any]:
    async with strangers.async_client(AsyncExtensions, place) as client:
        extensions, osm = client.extensions, (*place.target, "osm")
        seen: dict[str, Any] = {}
        seen["listed"] = [(one.name, *_shown(one)) async for one in extensions.list(*place.target)]
        poller = await extensions.begin_update(*osm, pin("1.2.3"))
        seen["updated"] = _shown(await poller.result())
        with pytest.raises(HttpResponseError) as caught:
            await (await extensions.begin_update(*osm, pin("1.2.99"))).result()
        seen["failed"] = _failure(caught.value)
        seen["after the failure"] = _shown(await extensions.get(*osm))
        seen["deleted"] = await (await extensions.begin_delete(*osm)).result()
        with pytest.raises(ResourceNotFoundError) as missed:
            await extensions.get(*osm)
        seen["missed"] = missed.value.status_code
        seen["created"] = _made(await (await extensions.begin_create(*osm, install())).result())
        seen["forced"] = await (await extensions.begin_delete(*osm, force_delete=True)).result()
        seen["left"] = [one async for one in extensions.list(*place.target)]
        return seen


async def test_extensions_are_created_updated_and_deleted_by_who_waits() -> None:
    async with strangers.placed() as place:
        seen = await asyncio.to_thread(_life, place)

    assert seen == LIFE


async def test_extensions_are_created_updated_and_deleted_by_who_awaits() -> None:
    async with strangers.placed() as place:
        seen = await _async_life(place)

    assert seen == LIFE


# --- types and versions -----------------------------------------------------------------------

TYPES = {
    "of the location": [OSM],
    "of the cluster": [OSM],
    "one of the location": "arc-osm-system",
    "one of the cluster": "arc-osm-system",
    "versions of the location": OFFERED,
    "versions of the cluster": OFFERED,
    "a version of the location": "1.2.6",
    "a version of the cluster": "1.2.6",
}


def _space(found: Any) -> str:
    """Return the namespace that a type names; it stands flat, where the models do not look."""
    settings = found.properties.supported_scopes.cluster_scope_settings
    return str(settings["defaultReleaseNamespace"])


def _types(place: Place) -> Mapping[str, Any]:
    with strangers.client(KubernetesConfigurationExtensionTypesMgmtClient, place) as client:
        types, target = client.extension_types, place.target
        here = "westeurope"
        return {
            "of the location": [one.name for one in types.location_list(here)],
            "of the cluster": [one.name for one in types.list(*target)],
            "one of the location": _space(types.location_get(here, OSM)),
            "one of the cluster": _space(types.get(*target, OSM)),
            "versions of the location": {one.name for one in types.list_versions(here, OSM)},
            "versions of the cluster": {
                one.name for one in types.cluster_list_versions(*target, OSM)
            },
            "a version of the location": types.get_version(here, OSM, "1.2.6").properties.version,
            "a version of the cluster": types.cluster_get_version(
                *target, OSM, "1.2.6"
            ).properties.version,
        }


async def _async_types(place: Place) -> Mapping[str, Any]:
    async with strangers.async_client(AsyncTypes, place) as client:
        types, target = client.extension_types, place.target
        here = "westeurope"
        at_cluster = await types.cluster_get_version(*target, OSM, "1.2.6")
        at_location = await types.get_version(here, OSM, "1.2.6")
        return {
            "of the location": [one.name async for one in types.location_list(here)],
            "of the cluster": [one.name async for one in types.list(*target)],
            "one of the location": _space(await types.location_get(here, OSM)),
            "one of the cluster": _space(await types.get(*target, OSM)),
            "versions of the location": {one.name async for one in types.list_versions(here, OSM)},
            "versions of the cluster": {
                one.name async for one in types.cluster_list_versions(*target, OSM)
            },
            "a version of the location": at_location.properties.version,
            "a version of the cluster": at_cluster.properties.version,
        }


async def test_types_and_versions_are_listed_by_who_waits() -> None:
    async with strangers.placed() as place:
        seen = await asyncio.to_thread(_types, place)

    assert seen == TYPES


async def test_types_and_versions_are_listed_by_who_awaits() -> None:
    async with strangers.placed() as place:
        seen = await _async_types(place)

    assert seen == TYPES


# --- clusters ---------------------------------------------------------------------------------


def _clusters(place: Place) -> tuple[Any, ...]:
    with strangers.client(ConnectedKubernetesClient, place) as client:
        clusters = client.connected_cluster
        one = clusters.get(place.group, place.cluster)
        return (
            one.id,
            one.properties.connectivity_status,
            sorted(each.name for each in clusters.list_by_subscription()),
            sorted(each.name for each in clusters.list_by_resource_group(place.group)),
        )


async def _async_clusters(place: Place) -> tuple[Any, ...]:
    async with strangers.async_client(AsyncClusters, place) as client:
        clusters = client.connected_cluster
        one = await clusters.get(place.group, place.cluster)
        return (
            one.id,
            one.properties.connectivity_status,
            sorted([each.name async for each in clusters.list_by_subscription()]),
            sorted([each.name async for each in clusters.list_by_resource_group(place.group)]),
        )


async def test_clusters_are_got_and_listed_by_who_waits_and_by_who_awaits() -> None:
    async with strangers.placed() as place:
        seen = await asyncio.to_thread(_clusters, place)
        again = await _async_clusters(place)

    id_, connectivity, all_, near = seen
    assert (id_, connectivity) == (place.cluster_id, "Connected")
    assert all_ == ["store-0001-a", "store-0001-b", "store-0004-a", "store-0004-b"]
    assert place.cluster in near
    assert set(near) <= set(all_)
    assert again == seen


# --- queries ----------------------------------------------------------------------------------

_ALL = "resources | project id, name | order by id asc"


def _question(token: str | None) -> QueryRequest:
    return QueryRequest(query=_ALL, options=QueryRequestOptions(top=5, skip_token=token))


def _queried(place: Place) -> list[Any]:
    with strangers.client(ResourceGraphClient, place, has_subscription=False) as client:
        pages = [client.resources(_question(None))]
        while pages[-1].skip_token:
            pages.append(client.resources(_question(pages[-1].skip_token)))
        return pages


async def _async_queried(place: Place) -> list[Any]:
    async with strangers.async_client(AsyncGraph, place, has_subscription=False) as client:
        pages = [await client.resources(_question(None))]
        while pages[-1].skip_token:
            pages.append(await client.resources(_question(pages[-1].skip_token)))
        return pages


async def test_queries_are_answered_in_pages() -> None:
    async with strangers.placed() as place:
        waited = await asyncio.to_thread(_queried, place)
        awaited = await _async_queried(place)

    for pages in (waited, awaited):
        assert [page.count for page in pages] == [5, 5, 2]
        assert {page.total_records for page in pages} == {12}
        assert {str(page.result_truncated) for page in pages} == {"false"}
        ids = [one["id"] for page in pages for one in page.data]
        assert ids == sorted(set(ids))
        assert len(ids) == 12


def _refused(place: Place) -> tuple[int | None, str | None, list[str | None]]:
    with (
        strangers.client(ResourceGraphClient, place, has_subscription=False) as client,
        pytest.raises(HttpResponseError) as caught,
    ):
        client.resources(QueryRequest(query="where where"))
    error = caught.value
    assert error.error is not None
    return error.status_code, error.error.code, [one.code for one in error.error.details]


async def test_a_query_that_is_wrong_is_refused_with_its_code() -> None:
    async with strangers.placed() as place:
        seen = await asyncio.to_thread(_refused, place)

    assert seen == (400, "BadRequest", ["InvalidQuery", "ParserFailure"])


# --- tokens -----------------------------------------------------------------------------------


async def test_a_token_is_given_to_a_secret_and_trusted_for_as_long_as_it_says() -> None:
    def token(place: Place) -> Any:
        with strangers.credential(place) as found:
            return found.get_token(f"{place.base}/.default")

    async with strangers.placed() as place:
        waited = await asyncio.to_thread(token, place)
        async with strangers.async_credential(place) as found:
            awaited = await found.get_token("https://management.azure.com/.default")

    assert waited.token.count(".") == awaited.token.count(".") == 2
    assert waited.token != awaited.token
