"""Probes of a world that is used without HTTP: what its file says is measured, and when.

The extension's own state is looked up as it is; everything else is scripted
(``metrics:``), and what is not, has no data. Nothing outside of the world is
asked: a simulated hour takes a second, and no real server could keep up.
"""

from __future__ import annotations

from fleet.core import figures, placeholders
from fleet.core.placeholders import Dialect
from fleet.errors import FleetError
from fleet.model.gates import Probe, ProbeKind, Reading
from fleet.ports import About, Clock, RequestIds
from fleet.sim import metrics
from fleet.sim.ports import SimulatedAzure
from fleet.sim.recipe import Turn

_IDS = RequestIds(correlation_id="probe", client_request_id="probe")
_DIALECTS = {
    ProbeKind.PROMETHEUS: Dialect.PROMQL,
    ProbeKind.LOG_ANALYTICS: Dialect.KQL,
    ProbeKind.RESOURCE_GRAPH: Dialect.KQL,
}


class SimulatedProbes:
    """A :class:`fleet.ports.Probes`."""

    def __init__(self, azure: SimulatedAzure, clock: Clock, *, extension_type: str) -> None:
        self._azure = azure
        self._clock = clock
        self._extension_type = extension_type

    async def measure(self, probe: Probe, about: About) -> Reading:
        """Ask once."""
        if probe.kind is ProbeKind.EXTENSION:
            return await self._extension(about)
        try:
            text = _text(probe, about)
        except FleetError as error:
            return Reading(error=error.message)
        now = await self._azure.visit("probe")
        world = self._azure.world
        said = metrics.turn(world.recipe.metrics, probe.kind, text, after=world.since_begun(now))
        return await self._said(said, probe)

    async def _said(self, said: Turn, probe: Probe) -> Reading:
        await self._clock.sleep(min(said.takes, probe.timeout))
        if said.takes > probe.timeout:
            return Reading(error=f"no answer within {probe.timeout.total_seconds():g} s")
        return Reading(values=() if said.error else said.values, error=said.error)

    async def _extension(self, about: About) -> Reading:
        try:
            unwell = await self._azure.unwell(
                extension_type=self._extension_type, subscriptions=about.subscriptions, ids=_IDS
            )
        except FleetError as error:
            return Reading(error=error.message)
        return figures.share_well(about.cluster_ids, {one.cluster_id: one.state for one in unwell})


def _text(probe: Probe, about: About) -> str:
    asked = (probe.query, probe.url, *probe.argv)
    dialect = _DIALECTS.get(probe.kind, Dialect.PLAIN)
    return " ".join(
        placeholders.filled(
            one,
            dialect=dialect,
            clusters=about.clusters,
            wave=about.wave,
            window=about.window,
        )
        for one in asked
        if one
    )
