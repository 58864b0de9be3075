"""Who answers the ports: Azure, what speaks its protocol, or a world file's fleet."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime as dt
import hashlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from fleet.azure import clouds, monitors
from fleet.azure.clouds import Place
from fleet.azure.credentials import UNKNOWN
from fleet.azure.paths import EXTENSIONS_API
from fleet.cli.options import Where
from fleet.core.state import RunState
from fleet.engine import clock, virtual
from fleet.engine.clock import Clock
from fleet.engine.nowhere import Nowhere
from fleet.engine.opening import Origin
from fleet.errors import InputError, RemoteError, TransientError
from fleet.model.inside import ClusterAccess
from fleet.net.network import Network
from fleet.ports import Clusters, Probes, Service

if TYPE_CHECKING:
    from fleet.azure.service import AzureService
    from fleet.outside.identity import Identity
    from fleet.sim.opening import OpenWorld

T = TypeVar("T")
_SCHEME = "world:"
_TIME_LIMIT_S = 5.0
"""How long a simulator may take to say what time it is, where only the time is asked for."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """The service, and the clock that the service and the run share."""

    service: Service
    clock: Clock
    origin: Origin
    time_scale: Fraction
    """How many of the clock's seconds pass in one of ours."""
    is_virtual: bool
    """Whether time is virtual: then it does not wait for other processes."""

    probing: Probing
    """Makes what measures."""
    entering: Entering
    """Makes the way into clusters."""

    azure: AzureService | None = None
    """The service, where it is spoken to over HTTP."""
    person: str = ""
    """What Azure calls whoever we are, by the token of the first credential; empty: not known."""
    is_api_named: bool = True
    """Whether somebody chose the api-version of extensions: then no other is taken."""

    @property
    def is_remote(self) -> bool:
        """Whether it is spoken to over HTTP."""
        return not self.origin.endpoint.startswith(_SCHEME)

    def probes(self, extension_type: str, secrets: Mapping[str, str]) -> Probes:
        """Return what measures for gates.

        Args:
            extension_type: The plan's.
            secrets: ``{environment variable: value}`` of those that headers name.
        """
        return self.probing(extension_type, secrets)

    def clusters(self, access: ClusterAccess) -> Clusters:
        """Return the way into clusters that a plan file names, or none."""
        return self.entering(access) if access.is_given else Nowhere()

    def speaking(self, api_version: str) -> Outside:
        """Return the same, spoken to in another api-version of extensions."""
        if self.azure is None:
            return self
        azure = self.azure.speaking(api_version)
        origin = dataclasses.replace(self.origin, api_version=api_version)
        return dataclasses.replace(self, service=azure, azure=azure, origin=origin)


Probing = Callable[[str, Mapping[str, str]], Probes]
"""Takes the extensions' type, and the values of the variables that headers name."""
Entering = Callable[[ClusterAccess], Clusters]
Work = Callable[[Outside], Coroutine[Any, Any, T]]


def run(work: Work[T], *, where: Where, state_dir: Path, goes_on: RunState | None = None) -> T:
    """Run *work* with the service that is meant, on the event loop that its time wants.

    Args:
        work: What to do.
        where: What the command line says of the service.
        state_dir: Where worlds are remembered.
        goes_on: The run that is carried on: where it began, and never back in time.
    """
    not_before = goes_on.last_at if goes_on else None
    where = where_it_began(where, goes_on)
    if where.world is None:
        return asyncio.run(_on_azure(where, not_before, work))
    origin = _origin_of_world(where.world)
    with _opened(where.world, state_dir) as found:
        base_at = _not_before(found.base_at, not_before)
        if found.is_virtual:
            return virtual.run(_on_world(found, base_at, origin, work), start_at=base_at)
        return asyncio.run(_on_world(found, base_at, origin, work))


def known_moment(state: RunState) -> dt.datetime:
    """Return what time it is for a run, as far as that is known without asking anybody.

    A simulated world has a time of its own: there, it is when the last event was written.
    """
    header, last_at = state.header, state.last_at
    is_simulated = header is not None and header.cloud == "simulated"
    if last_at is not None and is_simulated:
        return last_at
    return _not_before(clock.wall(), last_at)


async def moment(state: RunState, *, state_dir: Path) -> dt.datetime:
    """Return what the clock of a run that nobody carries on would show."""
    where = where_it_began(Where(), state)
    if where.world is not None:
        with _opened(where.world, state_dir) as found:
            return _not_before(found.base_at, state.last_at)
    try:
        async with asyncio.timeout(_TIME_LIMIT_S):
            there = await whereabouts(where)
    except (RemoteError, TimeoutError):
        # A simulator that is gone has no time any more, and ours may be years away from it.
        return state.last_at or clock.wall()
    return _not_before(there.clock.now(), state.last_at)


async def present(where: Where, *, state_dir: Path) -> dt.datetime:
    """Return what the clock of a place shows: of a world, of a simulator, or ours for Azure."""
    where = where_it_began(where, None)
    if where.world is not None:
        with _opened(where.world, state_dir) as found:
            return found.base_at
    try:
        async with asyncio.timeout(_TIME_LIMIT_S):
            return (await whereabouts(where)).clock.now()
    except TimeoutError:
        message = f"{where.endpoint} did not say within {_TIME_LIMIT_S:g} s what time it is there"
        raise TransientError(message) from None


def _not_before(moment: dt.datetime, earliest: dt.datetime | None) -> dt.datetime:
    return moment if earliest is None else max(moment, earliest)


def where_it_began(where: Where, state: RunState | None) -> Where:
    """Return *where*, with what it leaves open as the run's header has it."""
    if where.world is not None and (where.endpoint or where.cloud):
        message = "a world file and an endpoint or cloud are both named"
        hint = "Leave out --world (FLEET_WORLD), or --endpoint and --cloud."
        raise InputError(message, hint=hint)
    header = state.header if state else None
    if header is None:
        return where
    where = dataclasses.replace(where, api_version=where.api_version or header.api_version)
    if where.world or where.endpoint or where.cloud:
        return where
    if header.endpoint.startswith(_SCHEME):
        world = Path(header.endpoint.removeprefix(_SCHEME))
        return dataclasses.replace(where, world=world)
    return dataclasses.replace(where, endpoint=header.endpoint)


# --- a world file ------------------------------------------------------------------------


def _opened(world: Path, state_dir: Path) -> contextlib.AbstractContextManager[OpenWorld]:
    from fleet.sim import opening  # noqa: PLC0415 - Azure needs no world

    return opening.opened(world, state_dir=state_dir, wall=clock.wall())


def _origin_of_world(world: Path) -> Origin:
    try:
        content = world.read_bytes()
    except OSError as error:
        message = f"the world file {world} cannot be read: {error.strerror}"
        raise InputError(message, hint="Name another with --world FILE.") from error
    return Origin(
        endpoint=f"{_SCHEME}{world.resolve()}",
        cloud="simulated",
        tenant=f"sha256:{hashlib.sha256(content).hexdigest()}",
        principals=("simulated",),
        # NB: without HTTP none is spoken, and a header has one.
        api_version=EXTENSIONS_API,
    )


async def _on_world(found: OpenWorld, base_at: dt.datetime, origin: Origin, work: Work[T]) -> T:
    shared = virtual.clock() if found.is_virtual else clock.scaled(base_at, found.time_scale)
    service = found.azure(shared)

    def probing(extension_type: str, _secrets: Mapping[str, str]) -> Probes:
        from fleet.sim.probes import SimulatedProbes  # noqa: PLC0415 - Azure needs no world

        return SimulatedProbes(service, shared, extension_type=extension_type)

    def entering(access: ClusterAccess) -> Clusters:
        return found.clusters(shared, max_concurrency=access.max_concurrency)

    return await work(
        Outside(
            service=service,
            probing=probing,
            entering=entering,
            clock=shared,
            origin=origin,
            time_scale=Fraction(found.time_scale),
            is_virtual=found.is_virtual,
        )
    )


# --- Azure -------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Whereabouts:
    """Where Azure is, and what time it is there: a simulator has its own."""

    place: Place
    clock: Clock
    time_scale: Fraction


async def _on_azure(where: Where, not_before: dt.datetime | None, work: Work[T]) -> T:
    there = await whereabouts(where, not_before=not_before)
    async with connected(where, there) as service:
        identities = await service.identities()
        # Asked once: a token that lives for seconds would end between two questions.
        only = identities[0] if len(identities) == 1 else None
        person = (only or await service.identity()).name
        return await work(
            Outside(
                service=service,
                probing=_probing(service, where),
                entering=_entering(there.clock, where.network),
                clock=there.clock,
                origin=Origin(
                    endpoint=there.place.url,
                    cloud=there.place.cloud,
                    tenant=identities[0].tenant,
                    principals=tuple(one.principal for one in identities),
                    api_version=service.api_version,
                ),
                time_scale=there.time_scale,
                is_virtual=False,
                azure=service,
                person="" if person == UNKNOWN else person,
                is_api_named=where.api_version is not None,
            )
        )


def _probing(service: AzureService, where: Where) -> Probing:
    def probing(extension_type: str, secrets: Mapping[str, str]) -> Probes:
        from fleet.outside.probes import OutsideProbes  # noqa: PLC0415 - only where one is wanted

        return OutsideProbes(
            health=service,
            extension_type=extension_type,
            network=where.network,
            identity=_identity(service),
            secrets=secrets,
        )

    return probing


def _entering(shared: Clock, network: Network) -> Entering:
    def entering(access: ClusterAccess) -> Clusters:
        from fleet.kube import clusters  # noqa: PLC0415 - only where clusters are entered

        return clusters.clusters_of(access, base=Path.cwd(), clock=shared, network=network)

    return entering


def _identity(service: AzureService) -> Identity:
    from fleet.outside.identity import Identity  # noqa: PLC0415 - only where one is wanted

    token, rows = service.audiences.token, service.rows
    found = monitors.monitor(service.wire.place)
    if found is None:
        return Identity(token=token, rows=rows)
    return Identity(
        token=token,
        rows=rows,
        logs_url=found.logs_url,
        logs_audience=found.logs_audience,
        metrics_audience=found.metrics_audience,
        is_metrics=found.is_metrics,
    )


async def whereabouts(where: Where, *, not_before: dt.datetime | None = None) -> Whereabouts:
    """Return the place that is meant, with a clock of its time; never before *not_before*."""
    from fleet.azure import service  # noqa: PLC0415 - HTTP is loaded only where it is spoken

    place = clouds.place(cloud=where.cloud, endpoint=where.endpoint, audience=where.audience)
    with _naming(place):
        published = await service.published_time(
            place,
            clock=clock.real(),
            network=where.network,
        )
    now = published.now if published else clock.wall()
    scale = published.scale if published else Fraction(1)
    return Whereabouts(
        place=place, clock=clock.scaled(_not_before(now, not_before), scale), time_scale=scale
    )


@contextlib.asynccontextmanager
async def connected(where: Where, there: Whereabouts) -> AsyncIterator[AzureService]:
    """Speak to Azure for a while, as whom the command line says."""
    from fleet.azure import service  # noqa: PLC0415 - HTTP is loaded only where it is spoken

    with _naming(there.place):
        async with service.connected(
            there.place,
            clock=there.clock,
            credentials=where.credentials,
            network=where.network,
            api_version=where.api_version or EXTENSIONS_API,
            wall=clock.wall,
        ) as found:
            yield found


@contextlib.contextmanager
def _naming(place: Place) -> Iterator[None]:
    """Let an error say where it was met."""
    try:
        yield
    except RemoteError as error:
        if place.url not in error.message:
            error.add_note(f"at {place.url}")
        raise
