"""Clusters and extensions: what GET, PUT, PATCH and DELETE of them answer.

Each request is one call of the ports, so that latency and faults are theirs.

Source:  recorded status codes, headers and bodies; of PATCH the specification alone.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from fleet.core import draws
from fleet.errors import RemoteError
from fleet.model import codec
from fleet.model.cluster import AutoUpgrade, Cluster, Extension, ProvisioningState
from fleet.ports import Accepted, ExtensionRef, OperationStatus, Write
from fleet.sim import messages, names
from fleet.sim.server import answers, bodies, routes, writes
from fleet.sim.server.answers import Answer
from fleet.sim.server.asks import Ask
from fleet.sim.server.plane import Plane

AZURE = "https://management.azure.com"
"""Where the world says that its operations are."""
_PAGE = 100
"""Clusters in one answer of a list."""
SERVED = {"api-supported-versions": ", ".join(routes.EXTENSION_VERSIONS)}
# Source: recorded: what a forced DELETE answers is a message of .NET's, serialized.
_FORCED = {
    "version": "1.1",
    "content": {"headers": []},
    "statusCode": 200,
    "reasonPhrase": "OK",
    "headers": [],
    "trailingHeaders": [],
    "requestMessage": None,
    "isSuccessStatusCode": True,
}


async def cluster(plane: Plane, ask: Ask, parts: Mapping[str, str]) -> Answer:
    """GET of a cluster."""
    found = await plane.azure.cluster(plane.cluster_id(parts), ask.ids)
    etag = draws.guid(plane.recipe.seed, "etag", found.name)[:18]
    document = bodies.cluster(found, plane.recipe, version=ask.version)
    return answers.found(document, headers={"etag": f'"{etag}-0000-0000"'})


async def clusters(plane: Plane, ask: Ask, parts: Mapping[str, str]) -> Answer:
    """GET of the clusters of a subscription, or of a resource group in it."""
    now = await plane.azure.visit(ask.path.lower())
    first = _first(ask.query.get("$skiptoken"))
    page: list[Any] = []
    for number, one in _clusters(plane, parts, first, now):
        if len(page) == _PAGE:
            return answers.found({"value": page, "nextLink": _next_link(ask, number)})
        page.append(bodies.cluster(one, plane.recipe, version=ask.version))
    # Source: this provider leaves the key out at the end; the other one writes a null.
    return answers.found({"value": page})


async def extension(plane: Plane, ask: Ask, parts: Mapping[str, str]) -> Answer:
    """GET of an extension."""
    ref = _ref(plane, parts)
    found = await plane.azure.get(ref, ask.ids)
    if found is None:
        raise RemoteError(messages.no_extension(ref.name), status=404)
    return answers.found(_body(plane, ask, ref, found), headers=SERVED)


async def extensions(plane: Plane, ask: Ask, parts: Mapping[str, str]) -> Answer:
    """GET of the extensions of a cluster."""
    cluster_id = plane.cluster_id(parts)
    now = await plane.azure.visit(cluster_id)
    found = plane.azure.world.cluster(cluster_id, now).extensions
    value = [
        _body(plane, ask, ExtensionRef(cluster_id=cluster_id, name=one.name), one, is_list=True)
        for one in found
    ]
    return answers.found({"value": value, "nextLink": None}, headers=SERVED)


async def put(plane: Plane, ask: Ask, parts: Mapping[str, str]) -> Answer:
    """PUT of an extension: 201 where it is new."""
    document = ask.json()
    ref, write = _ref(plane, parts), writes.put(document)
    accepted = await plane.azure.send(ref, write, ask.ids, caller=ask.oid)
    shown = accepted.extension or _underneath(plane, ref)
    is_new = shown is None or shown.provisioning_state is ProvisioningState.CREATING
    if shown is None:
        shown = _asked(ref, write)
    if accepted.extension is not None:
        (plane.anonymous.discard if document.get("identity") else plane.anonymous.add)(_key(ref))
    if is_new and accepted.extension is not None:
        plane.created[_key(ref)] = shown.modified_at or ""
        # Source: recorded: the answer to a PUT does not know it yet, and the next GET does.
        shown = dataclasses.replace(shown, current_version=None)
    headers = _operation_headers(plane, ask, ref, accepted)
    status = 201 if is_new else 200
    return answers.found(_body(plane, ask, ref, shown), status=status, headers=headers)


async def patch(plane: Plane, ask: Ask, parts: Mapping[str, str]) -> Answer:
    """PATCH of an extension: 200 where there was nothing to do."""
    ref, write = _ref(plane, parts), writes.patch(ask.json())
    accepted = await plane.azure.send(ref, write, ask.ids, caller=ask.oid)
    shown = accepted.extension or _underneath(plane, ref)
    if shown is None:
        raise RemoteError(messages.no_extension(ref.name), status=404)
    document = _body(plane, ask, ref, shown)
    if accepted.operation_url is None:
        return answers.found(document, headers=SERVED)
    headers = _operation_headers(plane, ask, ref, accepted)
    return answers.found(document, status=202, headers=headers)


async def delete(plane: Plane, ask: Ask, parts: Mapping[str, str]) -> Answer:
    """DELETE of an extension: 202; 200 at once where it is forced; 204 where it is not there."""
    ref = _ref(plane, parts)
    is_forced = ask.query.get("forcedelete", "").lower() == "true"
    accepted = await plane.azure.send(
        ref, writes.delete(), ask.ids, caller=ask.oid, is_forced=is_forced
    )
    if accepted.operation_url is not None:
        return Answer(status=202, headers=_operation_headers(plane, ask, ref, accepted))
    if is_forced and accepted.extension is not None:
        return answers.found(_FORCED, headers=SERVED)
    return Answer(status=204, headers=SERVED)


async def operation(plane: Plane, ask: Ask, parts: Mapping[str, str]) -> Answer:
    """GET of an operation, at the very URL that was given out."""
    # The signature stands in the query, and must be whole; of the path a name may be encoded.
    query = ask.target.partition("?")[2]
    status = await plane.azure.operation(f"{AZURE}{ask.path}?{query}", ask.ids)
    document: dict[str, Any] = {
        "id": ask.path,
        "name": parts["operation"],
        "status": status.status,
    }
    if status.error is not None:
        document["error"] = _error(status)
    return answers.found(document, headers=SERVED)


def _error(status: OperationStatus) -> dict[str, Any]:
    # Source: recorded, and reported by users: the code tells a conflict from a failure.
    code = "UpdateFailed" if status.is_conflict else "ExtensionOperationFailed"
    return {"code": code, "message": status.error, "additionalInfo": []}


def _clusters(
    plane: Plane, parts: Mapping[str, str], first: int, now: dt.datetime
) -> Iterator[tuple[int, Cluster]]:
    """Yield the clusters of a list with their numbers, from one number on."""
    recipe, group = plane.recipe, parts.get("group")
    location = None if group is None else plane.location(group)
    numbers = names.numbers(
        plane.subscriptions[parts["subscription"].lower()],
        subscription_count=recipe.subscription_count,
        count=recipe.cluster_count,
    )
    for number in numbers:
        if number >= first:
            for one in plane.azure.world.clusters(now, [number]):
                if location is None or one.location == location:
                    yield number, one


def _next_link(ask: Ask, number: int) -> str:
    token = base64.urlsafe_b64encode(str(number).encode()).decode()
    version = ask.query["api-version"]
    return f"{ask.base}{quote(ask.path)}?api-version={version}&%24skiptoken={quote(token)}"


def _first(token: str | None) -> int:
    try:
        return 0 if token is None else int(base64.urlsafe_b64decode(token))
    except (ValueError, binascii.Error) as error:
        message = "The value of the query parameter '$skiptoken' is invalid."
        raise answers.refusal(400, "InvalidSkipToken", message) from error


def _ref(plane: Plane, parts: Mapping[str, str]) -> ExtensionRef:
    return ExtensionRef(cluster_id=plane.cluster_id(parts), name=parts["name"])


def _key(ref: ExtensionRef) -> tuple[str, str]:
    return ref.cluster_id.lower(), ref.name.lower()


def _underneath(plane: Plane, ref: ExtensionRef) -> Extension | None:
    """Return what is there, where another operation came in the way of a write."""
    return plane.azure.world.extension(ref.cluster_id, ref.name, plane.now())


def _asked(ref: ExtensionRef, write: Write) -> Extension:
    """Return what a PUT asked for, where nothing came of it."""
    return Extension(
        name=ref.name,
        extension_type=write.extension_type.lower(),
        version=write.version,
        current_version=None,
        auto_upgrade=write.auto_upgrade or AutoUpgrade.NONE,
        release_train=write.release_train or "Stable",
        provisioning_state=ProvisioningState.CREATING,
        settings=write.settings or {},
        protected_keys=tuple(sorted(write.protected or ())),
        namespace=write.namespace,
        is_namespaced=write.is_namespaced,
    )


def _body(
    plane: Plane, ask: Ask, ref: ExtensionRef, found: Extension, *, is_list: bool = False
) -> dict[str, Any]:
    long_ago = codec.utc_text(plane.recipe.epoch - dt.timedelta(days=90))
    path = ask.path.rstrip("/")
    # Source: recorded: who was written without an identity has none, as has the system's own.
    is_anonymous = found.is_system or _key(ref) in plane.anonymous
    seed = plane.recipe.seed
    return bodies.extension(
        found,
        id_=f"{path}/{found.name}" if is_list else path,
        created_at=plane.created.get(_key(ref)) or long_ago,
        principal_id=None if is_anonymous else draws.guid(seed, "identity", *_key(ref)),
        version=ask.version,
    )


def _operation_headers(
    plane: Plane, ask: Ask, ref: ExtensionRef, accepted: Accepted
) -> Mapping[str, str]:
    if accepted.operation_url is None:
        return SERVED
    location = plane.location(ref.cluster_id.split("/")[4])
    path = ref.cluster_id.replace("/connectedClusters/", "/ConnectedClusters/")
    operation_path, _, query = accepted.operation_url.removeprefix(AZURE).partition("?")
    return {
        **SERVED,
        # NB: whatever a caller has put into a name, it does not end a header.
        "Azure-AsyncOperation": f"{ask.base}{quote(operation_path)}?{query}",
        # Source: recorded: the provider's own host. Nobody outside is meant to go there.
        "Location": (
            f"https://{location}.rp.kubernetesconfiguration.azure.com{path}"
            f"/providers/Microsoft.KubernetesConfiguration/extensions/{quote(ref.name)}"
        ),
    }
