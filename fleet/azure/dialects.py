"""Which api-versions of extensions Resource Manager routes, and which of them we speak.

Source:  provider metadata: ``resourceTypes[].apiVersions``; which are routed differs by cloud, and
         the specification lists more than any.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence

from fleet.azure import paths
from fleet.azure.answers import Answer, Object
from fleet.azure.reads import read
from fleet.azure.requests import Request
from fleet.azure.templates import listed
from fleet.azure.wire import Wire
from fleet.errors import InputError

CONCURRENCY = 8
_TYPE = "extensions"
_API_VERSION = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(-[a-z]{1,20})?")


def known(api_version: str) -> str:
    """Return *api_version*; :exc:`InputError` for one that is not spoken here."""
    if api_version not in paths.EXTENSIONS_APIS:
        message = f"{api_version!r} is no api-version of extensions that fleet speaks"
        raise InputError(message, hint=f"One of: {', '.join(paths.EXTENSIONS_APIS)}.")
    return api_version


async def provider(wire: Wire, subscription: str, *, tries: int) -> tuple[Answer, Object]:
    """Return what Resource Manager says of the extensions' provider in *subscription*."""
    path = f"/subscriptions/{paths.quoted(subscription)}/providers/{paths.PROVIDER}"
    request = Request(
        method="GET",
        url=paths.url(wire.place.url, path, {"api-version": paths.PROVIDERS_API}),
        what=f"asking whether {paths.PROVIDER} is registered",
    )
    return await read(wire, request, tries=tries)


def routed(body: Object) -> Sequence[str]:
    """Return the api-versions that a provider's metadata has for extensions."""
    offered = [
        one.get("apiVersions")
        for one in listed(body.get("resourceTypes"))
        if isinstance(one, dict)
        and isinstance(kind := one.get("resourceType"), str)
        and kind.lower() == _TYPE
    ]
    found = [version for one in offered for version in listed(one)]
    return [one for one in found if isinstance(one, str) and _API_VERSION.fullmatch(one)]


async def common(wire: Wire, subscriptions: Iterable[str], *, tries: int) -> Sequence[str]:
    """Return those that we speak and that all of *subscriptions* route, oldest first."""
    gate = asyncio.Semaphore(CONCURRENCY)

    async def one(subscription: str) -> frozenset[str]:
        async with gate:
            _, body = await provider(wire, subscription, tries=tries)
        return frozenset(routed(body))

    try:
        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(one(place)) for place in dict.fromkeys(subscriptions)]
    except ExceptionGroup as group:
        # The first says enough; the others were cancelled or say the same.
        raise group.exceptions[0] from None
    everywhere = frozenset(paths.EXTENSIONS_APIS).intersection(*(task.result() for task in asked))
    return sorted(everywhere)
