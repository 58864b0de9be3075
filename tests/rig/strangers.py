"""Microsoft's own clients of Azure, pointed at the simulator and otherwise unchanged.

Shapes:  a :class:`Place` says where the server is and what is in it; clients come in pairs, of
         which one waits and the other awaits.
Units:   every request takes twenty seconds of the world's time, and none of ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gc
from collections.abc import AsyncIterator, Iterator
from typing import Any

from azure.identity import ClientSecretCredential
from azure.identity.aio import ClientSecretCredential as AsyncClientSecretCredential

from fleet.sim.recipe import Span, Wire
from tests.rig.serving import CALM, TENANT, Stage, staged

WORLD = dataclasses.replace(
    CALM,
    call_ms=Span(low=20_000, high=20_000),
    # Clients count a token's life by their own clock.
    wire=Wire(token_s=10 * 24 * 3600),
)
_FAREWELL_S = 0.005
_SECRET = "any"  # noqa: S105 - the simulator takes any


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A cluster, and the server that knows it."""

    base: str
    ca_file: str
    subscription: str
    group: str
    cluster: str

    @property
    def target(self) -> tuple[str, str, str, str]:
        """What every call about an extension begins with."""
        return self.group, "Microsoft.Kubernetes", "connectedClusters", self.cluster

    @property
    def cluster_id(self) -> str:
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
            f"/providers/Microsoft.Kubernetes/connectedClusters/{self.cluster}"
        )


@contextlib.asynccontextmanager
async def placed(number: int = 0) -> AsyncIterator[Place]:
    """Serve the world over TLS, and yield where one of its clusters is."""
    async with staged(WORLD, has_tls=True) as stage:
        yield _place(stage, number)
        # NB: an error that was caught keeps its connection, and its traceback keeps the error; the
        # server's end of it closes a moment later.
        gc.collect()
        await asyncio.sleep(_FAREWELL_S)


def _place(stage: Stage, number: int) -> Place:
    _, _, subscription, _, group, _, _, _, cluster = stage.cluster(number).split("/")
    return Place(
        base=stage.base,
        ca_file=str(stage.served.ca_file),
        subscription=subscription,
        group=group,
        cluster=cluster,
    )


def credential(place: Place) -> ClientSecretCredential:
    """Return what asks the simulator's token endpoint for tokens."""
    return ClientSecretCredential(TENANT, "stranger", _SECRET, **_identity(place))


def async_credential(place: Place) -> AsyncClientSecretCredential:
    """Return its twin."""
    return AsyncClientSecretCredential(TENANT, "stranger", _SECRET, **_identity(place))


def _identity(place: Place) -> dict[str, Any]:
    return {
        "authority": place.base,
        "disable_instance_discovery": True,
        "connection_verify": place.ca_file,
    }


def _arguments(place: Place) -> dict[str, Any]:
    return {
        "base_url": place.base,
        "credential_scopes": [f"{place.base}/.default"],
        "connection_verify": place.ca_file,
        # NB: thirty seconds otherwise.
        "polling_interval": 0,
    }


@contextlib.contextmanager
def client(kind: Any, place: Place, *, has_subscription: bool = True) -> Iterator[Any]:
    """Yield a client that waits."""
    given = (place.subscription,) if has_subscription else ()
    with (
        credential(place) as found,
        kind(found, *given, **_arguments(place)) as opened,
    ):
        yield opened


@contextlib.asynccontextmanager
async def async_client(
    kind: Any, place: Place, *, has_subscription: bool = True
) -> AsyncIterator[Any]:
    """Yield a client that awaits."""
    given = (place.subscription,) if has_subscription else ()
    async with (
        async_credential(place) as found,
        kind(found, *given, **_arguments(place)) as opened,
    ):
        yield opened
