"""Azure, ready to be used: one session, one token, both ports.

Import this only where HTTP is spoken: it loads what that takes.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from fractions import Fraction
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from fleet.azure import kql, payloads, transport, versions
from fleet.azure.answers import Answer
from fleet.azure.clouds import Place
from fleet.azure.credentials import Identity, Issuer, Kind, hint_of, kind_at
from fleet.azure.extensions import ArmExtensions
from fleet.azure.refusals import refusal
from fleet.azure.requests import Request
from fleet.azure.retries import reading
from fleet.azure.simulated import SimulatedIssuer
from fleet.azure.tokens import Tokens
from fleet.azure.transport import exchange
from fleet.azure.wire import Wire
from fleet.errors import UnexpectedPayloadError
from fleet.model.cluster import Cluster, ClusterId, Extension, Inventory
from fleet.model.desired import Scope
from fleet.ports import Accepted, Clock, ExtensionRef, OperationStatus, RequestIds, Write

if TYPE_CHECKING:
    from fleet.azure.graph import Graph

_SIMULATION = "/metadata/simulation"
_TRIES = 3
_NOT_ONE = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PublishedTime:
    """What time it is in a simulated world, and how fast it passes."""

    now: dt.datetime
    scale: Fraction
    """Its seconds per second of ours."""
    seed: int | None


class AzureService:
    """A :class:`fleet.ports.Discovery` and a :class:`fleet.ports.Extensions`."""

    def __init__(self, wire: Wire, graph: Graph, *, kind: Kind) -> None:
        self.wire = wire
        self.graph = graph
        self.kind = kind
        self._arm = ArmExtensions(wire)

    async def identity(self) -> Identity:
        """Return who we are, as the token says."""
        return await self.wire.tokens.identity()

    async def inventory(
        self, scope: Scope, *, extension_type: str, release_train: str | None
    ) -> Inventory:
        """Return the clusters that *scope* may mean, with their extensions of every type."""
        found = await self.graph.resources(
            kql.clusters(scope.match), subscriptions=scope.subscriptions, read=payloads.row
        )
        clusters = sorted(found, key=lambda one: one.id.lower())
        offered = await versions.offered(
            self.wire, clusters, extension_type=extension_type, release_train=release_train
        )
        return Inventory(
            clusters=tuple(clusters),
            versions={train: found for train, found in offered.items() if found is not None},
            warnings=tuple(_untold(train) for train, found in offered.items() if found is None),
        )

    async def cluster(self, cluster_id: ClusterId, ids: RequestIds) -> Cluster:
        """Return one cluster as it is now; :exc:`LostClusterError` where it is gone."""
        return await self._arm.cluster(cluster_id, ids)

    async def get(self, ref: ExtensionRef, ids: RequestIds) -> Extension | None:
        """Return the extension; ``None`` where the cluster is there and it is not."""
        return await self._arm.get(ref, ids)

    async def write(self, ref: ExtensionRef, write: Write, ids: RequestIds) -> Accepted:
        """Send one write, once."""
        return await self._arm.write(ref, write, ids)

    async def operation(self, url: str, ids: RequestIds) -> OperationStatus:
        """Read the state of an operation."""
        return await self._arm.operation(url, ids)


@asynccontextmanager
async def connected(
    place: Place,
    *,
    clock: Clock,
    kind: Kind | None = None,
    ca_file: Path | None = None,
    call_limit_s: float = 90.0,
) -> AsyncIterator[AzureService]:
    """Speak to *place* for a while.

    Args:
        place: Where.
        clock: The run's, for the ends of tokens and for waits.
        kind: As whom; ``None``: what suits the place.
        ca_file: Certificates to trust beside the system's.
        call_limit_s: For one call. ARM gives a provider 60 s, and says 504 then.
    """
    chosen = kind_at(place, kind)
    from fleet.azure import graph  # noqa: PLC0415 - the SDK, only where it is used

    async with AsyncExitStack() as stack:
        opened = await stack.enter_async_context(
            transport.session(place, ca_file=ca_file, call_limit_s=call_limit_s)
        )
        issuer = await _issuer(stack, place, chosen, ca_file=ca_file, opened=opened, clock=clock)
        tokens = Tokens(issuer, clock=clock, hint=hint_of(chosen))
        wire = Wire(place, opened=opened, tokens=tokens, clock=clock)
        found = await stack.enter_async_context(graph.connected(wire, call_limit_s=call_limit_s))
        yield AzureService(wire, found, kind=chosen)


async def published_time(
    place: Place, *, clock: Clock, ca_file: Path | None = None, call_limit_s: float = 90.0
) -> PublishedTime | None:
    """Return the time of a simulated world; ``None`` where *place* is none.

    Asked on this machine only, and without a token.

    Args:
        place: Where.
        clock: For the waits between attempts: of this machine, as no other is known yet.
        ca_file: Certificates to trust beside the system's.
        call_limit_s: For one call.
    """
    if not place.is_loopback:
        return None
    what = "asking the simulator for its time"
    request = Request(method="GET", url=f"{place.url}{_SIMULATION}", what=what)
    async with transport.session(place, ca_file=ca_file, call_limit_s=call_limit_s) as opened:

        async def ask() -> Answer:
            answer = await exchange(opened, request, {})
            if answer.status not in (HTTPStatus.OK, *_NOT_ONE):
                raise refusal(answer, request, now=clock.now())
            return answer

        answer = await reading(ask, clock=clock, tries=_TRIES)
    return None if answer.status in _NOT_ONE else _published(answer, what)


async def _issuer(
    stack: AsyncExitStack,
    place: Place,
    kind: Kind,
    *,
    ca_file: Path | None,
    opened: aiohttp.ClientSession,
    clock: Clock,
) -> Issuer:
    if kind is Kind.SIMULATOR:
        return SimulatedIssuer(place, opened=opened, clock=clock)
    from fleet.azure import entra  # noqa: PLC0415 - the SDK, only where it is used

    return await stack.enter_async_context(entra.issuer(place, kind=kind, ca_file=ca_file))


def _untold(train: str) -> str:
    return (
        f"release train {train}: the service does not tell which versions it offers (is reading "
        "extension types allowed?); what the profile knows is used instead"
    )


def _published(answer: Answer, what: str) -> PublishedTime:
    body = answer.object(what=what)
    try:
        now = dt.datetime.fromisoformat(body["now"])
        scale = Fraction(str(body["timeScale"]))
        seed = body.get("seed")
        if now.tzinfo is None or scale <= 0:
            raise ValueError  # noqa: TRY301 - a moment without a zone is as bad as none
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        message = f"{what}: now or timeScale is missing or cannot be read"
        raise UnexpectedPayloadError(message, status=answer.status) from error
    return PublishedTime(
        now=now.astimezone(dt.UTC), scale=scale, seed=seed if isinstance(seed, int) else None
    )
