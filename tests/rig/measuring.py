"""Probes against a scripted server: what they are asked with, and what they know."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from fleet.model.cluster import ClusterId
from fleet.model.gates import Probe, ProbeKind, Reading
from fleet.net.network import Network
from fleet.outside.identity import Identity
from fleet.outside.probes import OutsideProbes
from fleet.ports import About, RequestIds, Unwell
from tests.rig import scripted
from tests.rig.scripted import Scripted

TOKEN = "eyJhbGciOiJub25lIn0.real.token-1"  # noqa: S105 - what no message may hold
HEADER = "hunter2-in-a-header"
ABOUT = About(
    wave="canary",
    clusters=("store-1", "store.2"),
    cluster_ids=(ClusterId("/Clusters/store-1"), ClusterId("/Clusters/store.2")),
    subscriptions=("s1", "s2"),
    window=dt.timedelta(minutes=5),
)
OSM = "Microsoft.openservicemesh"


class Sickbay:
    """Knows who is not well."""

    def __init__(self, *unwell: Unwell, error: Exception | None = None) -> None:
        self.unwell_ = unwell
        self.error = error
        self.asked: list[tuple[str, tuple[str, ...]]] = []

    async def unwell(
        self, *, extension_type: str, subscriptions: Sequence[str], ids: RequestIds
    ) -> Sequence[Unwell]:
        """Return them."""
        assert ids.correlation_id != ids.client_request_id
        self.asked.append((extension_type, tuple(subscriptions)))
        if self.error is not None:
            raise self.error
        return self.unwell_


class Wallet:
    """Gives tokens, another one where one was refused."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    async def __call__(self, audience: str, *, refused: str = "") -> str:
        """Return a token."""
        self.asked.append((audience, refused))
        return TOKEN.replace("-1", "-2") if refused else TOKEN


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """A server, and probes that may ask it."""

    server: Scripted
    probes: OutsideProbes
    wallet: Wallet
    health: Sickbay

    async def measure(self, probe: Probe, about: About = ABOUT) -> Reading:
        """Ask once."""
        return await self.probes.measure(probe, about)

    def prometheus(self, **fields: Any) -> Probe:
        """Return a probe that asks the server for PromQL."""
        given = {"kind": ProbeKind.PROMETHEUS, "url": self.server.url, "query": "up", **fields}
        return Probe(**given)

    def http(self, path: str = "/health", **fields: Any) -> Probe:
        """Return a probe that asks the server for JSON."""
        return Probe(kind=ProbeKind.HTTP, url=f"{self.server.url}{path}", **fields)


async def no_rows(query: str, subscriptions: Sequence[str]) -> Sequence[Mapping[str, Any]]:
    """Return the rows of a query."""
    del query, subscriptions
    return ()


@contextlib.asynccontextmanager
async def standing(
    *, secrets: Mapping[str, str] | None = None, health: Sickbay | None = None, **identity: Any
) -> AsyncIterator[Stand]:
    """Serve, and have probes whose identity is good for the server."""
    wallet, health = Wallet(), health or Sickbay()
    async with scripted.serving() as server:
        ours = {
            "token": wallet,
            "rows": no_rows,
            "logs_url": server.url,
            "logs_audience": "https://logs.example",
            "metrics_audience": "https://metrics.example",
            "is_metrics": lambda url: url.startswith(f"{server.url}/"),
            **identity,
        }
        probes = OutsideProbes(
            health=health,
            extension_type=OSM,
            network=Network(connect_limit_s=5),
            identity=Identity(**ours),
            secrets=secrets,
        )
        yield Stand(server=server, probes=probes, wallet=wallet, health=health)
