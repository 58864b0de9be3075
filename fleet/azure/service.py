"""Azure, ready to be used: one session, one identity or several, both ports.

Import this only where HTTP is spoken: it loads what that takes.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from fractions import Fraction
from http import HTTPStatus
from typing import TYPE_CHECKING

import aiohttp

from fleet.azure import dialects, health, kql, paths, payloads, policies, transport, versions
from fleet.azure.answers import Answer, Object, plausible
from fleet.azure.audiences import Audiences
from fleet.azure.clouds import Place
from fleet.azure.credentials import Credential, Identity, Issuer, Kind, credentials_at, hint_of
from fleet.azure.extensions import ArmExtensions
from fleet.azure.paths import EXTENSIONS_API
from fleet.azure.principals import Principal, Principals
from fleet.azure.reads import read
from fleet.azure.refusals import refusal
from fleet.azure.requests import Request
from fleet.azure.retries import reading
from fleet.azure.simulated import SimulatedIssuer
from fleet.azure.tokens import Tokens
from fleet.azure.transport import exchange
from fleet.azure.wire import Wire
from fleet.errors import InputError, RemoteError, UnexpectedPayloadError
from fleet.model.cluster import Cluster, ClusterId, Extension, Inventory
from fleet.model.scope import Scope
from fleet.model.traces import Trace
from fleet.net.network import Network
from fleet.ports import Accepted, Clock, ExtensionRef, OperationStatus, RequestIds, Unwell, Write

if TYPE_CHECKING:
    from fleet.azure.graph import Graph

_DIRECT = Network()
_SIMULATION = "/metadata/simulation"
_TRIES = 3
_SCALE = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?(/[0-9]{1,9})?")
_CLAUSE_HINT = (
    f"If it is targets.kql that is meant: it begins at line {kql.CLAUSE_LINE} of the query."
)
_NOT_ONE = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PublishedTime:
    """What time it is in a simulated world, and how fast it passes."""

    now: dt.datetime
    scale: Fraction
    """Its seconds per second of ours."""
    seed: int | None


class AzureService:
    """A :class:`fleet.ports.Service`."""

    def __init__(
        self,
        wire: Wire,
        graph: Graph,
        *,
        kind: Kind,
        audiences: Audiences,
        api_version: str = EXTENSIONS_API,
    ) -> None:
        self.wire = wire
        self.graph = graph
        self.kind = kind
        self.audiences = audiences
        self._arm = ArmExtensions(wire, api_version=api_version)

    @property
    def api_version(self) -> str:
        """In which extensions are spoken of."""
        return self._arm.api_version

    def speaking(self, api_version: str) -> AzureService:
        """Return the same service, spoken to in another api-version."""
        return AzureService(
            self.wire,
            self.graph,
            kind=self.kind,
            audiences=self.audiences,
            api_version=api_version,
        )

    def alone(self, principal: str) -> AzureService:
        """Return the same service, asked as one of those we are and nobody else."""
        wire = self.wire.alone(principal)
        return AzureService(
            wire,
            self.graph.over(wire),
            kind=self.kind,
            audiences=self.audiences,
            api_version=self.api_version,
        )

    async def api_versions(self, subscriptions: Iterable[str]) -> Sequence[str]:
        """Return those for extensions that could be spoken in all of them, oldest first."""
        return await dialects.common(self.wire, subscriptions, tries=_TRIES)

    async def identity(self) -> Identity:
        """Return who we are, as the token says."""
        return await self.wire.tokens.identity()

    async def identities(self) -> Sequence[Identity]:
        """Return everybody we are, ordered and distinct; :exc:`RefusedError` for two tenants."""
        return await self.wire.principals.identities()

    async def vouched(self) -> Identity:
        """Return who we are, once the service has taken our token: only it can tell a forged one.

        Raises:
            AuthError: It does not take it.
        """
        query = {"api-version": paths.SUBSCRIPTIONS_API}
        request = Request(
            method="GET",
            url=paths.url(self.wire.place.url, "/subscriptions", query),
            what="asking whether our token is good",
        )
        identity = await self.identity()
        # NB: who may see nothing is somebody all the same.
        await read(self.wire, request, passing=(HTTPStatus.FORBIDDEN,), tries=_TRIES)
        return identity

    def remember(self, traces: Sequence[Trace]) -> None:
        """Count what an earlier process of the run sent, before anything is sent."""
        self.wire.pace.remember(traces, among=self.wire.principals.names)

    async def inventory(
        self, scope: Scope, *, extension_type: str, release_train: str | None
    ) -> Inventory:
        """Return the clusters that *scope* may mean, with their extensions of every type."""
        excused: dict[str, None] = {}
        began_at = self.wire.clock.now()
        found = await self._rows(scope, excuse=lambda what: excused.update({what: None}))
        spent = self.wire.clock.now() - began_at
        # NB: as of the first question: what was read first is not old because reading took long.
        read_at = self.graph.heard_at - spent if self.graph.heard_at else None
        clusters = sorted(found, key=lambda one: one.id.lower())
        offered = await versions.offered(
            self.wire, clusters, extension_type=extension_type, release_train=release_train
        )
        seen = await policies.found(
            self.graph,
            subscriptions=(one.subscription for one in clusters),
            extension_type=extension_type,
        )
        return Inventory(
            clusters=tuple(clusters),
            versions=offered.versions,
            version_limits=offered.limits,
            local_versions=offered.local_versions,
            read_at=read_at,
            warnings=(*excused, *offered.warnings, *seen.warnings),
            policies=seen.policies,
            management_groups=seen.management_groups,
        )

    async def _rows(self, scope: Scope, *, excuse: Callable[[str], None]) -> Sequence[Cluster]:
        try:
            return await self.graph.resources(
                kql.clusters(scope.match, scope.kql),
                subscriptions=scope.subscriptions,
                management_groups=scope.management_groups,
                read=payloads.row,
                excuse=excuse if scope.allows_partial else None,
            )
        except RemoteError as error:
            if scope.kql is None or error.status != HTTPStatus.BAD_REQUEST:
                raise
            # Without a clause the query is ours, and it is not the plan file's author who can help.
            raise InputError(error.message, hint=_CLAUSE_HINT) from error

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

    async def rows(self, query: str, subscriptions: Sequence[str]) -> Sequence[Object]:
        """Return the rows of a query of Resource Graph that fits a page."""
        rows, _ = await self.graph.table(query, subscriptions=subscriptions)
        return rows

    async def unwell(
        self, *, extension_type: str, subscriptions: Sequence[str], ids: RequestIds
    ) -> Sequence[Unwell]:
        """Return the extensions of this type whose last write did not end well."""
        return await health.unwell(
            self.graph,
            extension_type=extension_type,
            subscriptions=subscriptions,
            correlation_id=ids.correlation_id,
        )


@asynccontextmanager
async def connected(
    place: Place,
    *,
    clock: Clock,
    credentials: Sequence[Credential] = (),
    network: Network = _DIRECT,
    api_version: str = EXTENSIONS_API,
    wall: Callable[[], dt.datetime] | None = None,
) -> AsyncIterator[AzureService]:
    """Speak to *place* for a while.

    Args:
        place: Where.
        clock: The run's, for the ends of tokens and for waits.
        credentials: As whom; none: what suits the place. Several share the work.
        network: How to get there.
        api_version: Of extensions.
        wall: This machine's clock, which somebody may set meanwhile; without it, the run's.
    """
    chosen = credentials_at(place, credentials)
    from fleet.azure import graph  # noqa: PLC0415 - the SDK, only where it is used

    async with AsyncExitStack() as stack:
        opened = await stack.enter_async_context(transport.session(place, network=network))
        issuers = [
            await _issuer(stack, place, one, network=network, opened=opened, clock=clock, wall=wall)
            for one in chosen
        ]
        principals = Principals(
            [
                Principal(
                    credential=one, tokens=Tokens(issuer, clock=clock, hint=hint_of(one.kind))
                )
                for one, issuer in zip(chosen, issuers, strict=True)
            ]
        )
        wire = Wire(
            place,
            opened=opened,
            principals=principals,
            clock=clock,
            network=network,
        )
        found = await stack.enter_async_context(graph.connected(wire, network=network))

        async def opened_for(audience: str) -> Issuer:
            meant = dataclasses.replace(place, audience=audience)
            return await _issuer(
                stack, meant, chosen[0], network=network, opened=opened, clock=clock, wall=wall
            )

        yield AzureService(
            wire,
            found,
            kind=chosen[0].kind,
            audiences=Audiences(opened_for, clock=clock, hint=hint_of(chosen[0].kind)),
            api_version=dialects.known(api_version),
        )


async def published_time(
    place: Place, *, clock: Clock, network: Network = _DIRECT
) -> PublishedTime | None:
    """Return the time of a simulated world; ``None`` where *place* is none.

    Asked on this machine only, and without a token.

    Args:
        place: Where.
        clock: For the waits between attempts: of this machine, as no other is known yet.
        network: How to get there.
    """
    if not place.is_loopback:
        return None
    what = "asking the simulator for its time"
    request = Request(method="GET", url=f"{place.url}{_SIMULATION}", what=what)
    async with transport.session(place, network=network) as opened:

        async def ask() -> PublishedTime | None:
            answer = await exchange(opened, request, {})
            if answer.status not in (HTTPStatus.OK, *_NOT_ONE):
                raise refusal(answer, request, now=clock.now())
            return None if answer.status in _NOT_ONE else _published(answer, what)

        return await reading(ask, clock=clock, tries=_TRIES)


async def _issuer(
    stack: AsyncExitStack,
    place: Place,
    credential: Credential,
    *,
    network: Network,
    opened: aiohttp.ClientSession,
    clock: Clock,
    wall: Callable[[], dt.datetime] | None,
) -> Issuer:
    if credential.kind is Kind.SIMULATOR:
        return SimulatedIssuer(place, opened=opened, clock=clock, name=credential.name)
    from fleet.azure import entra  # noqa: PLC0415 - the SDK, only where it is used

    def ahead() -> dt.timedelta:
        return clock.now() - (wall or clock.now)()

    return await stack.enter_async_context(
        entra.issuer(place, kind=credential.kind, network=network, ahead=ahead)
    )


def _published(answer: Answer, what: str) -> PublishedTime:
    body = answer.object(what=what)
    try:
        given, scale = dt.datetime.fromisoformat(body["now"]), _scale(body["timeScale"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise _untimely(answer, what) from error
    now, seed = plausible(given), body.get("seed")
    # A moment without a zone is as bad as none.
    if now is None or given.tzinfo is None or scale <= 0:
        raise _untimely(answer, what)
    return PublishedTime(now=now, scale=scale, seed=seed if isinstance(seed, int) else None)


def _scale(value: object) -> Fraction:
    # NB: not any text: to make a fraction of 1e999999999 takes all the memory there is.
    if not isinstance(value, str | int | float) or not _SCALE.fullmatch(str(value)):
        raise ValueError
    return Fraction(str(value))


def _untimely(answer: Answer, what: str) -> UnexpectedPayloadError:
    message = f"{what}: now or timeScale is missing or cannot be read"
    return UnexpectedPayloadError(message, status=answer.status)
