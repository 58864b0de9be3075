"""Numbers from outside: whoever a probe names is asked once, within its time.

Whatever comes of it is a reading: an answerer that cannot be reached, or that
says rubbish, is one with an error, in words that a person can act on and
without secrets.
"""

from __future__ import annotations

import asyncio
import dataclasses
import uuid
from collections.abc import Mapping
from http import HTTPStatus

from fleet.core import figures, placeholders
from fleet.core.placeholders import Dialect
from fleet.errors import FleetError, InputError, RefusedError
from fleet.model.gates import Probe, ProbeKind, Reading
from fleet.model.redaction import Redactor
from fleet.net.network import Network
from fleet.net.words import line
from fleet.outside import httpjson, loganalytics, prometheus, resourcegraph
from fleet.outside.commands import Commands
from fleet.outside.fetching import Question, Reply, origin, reply
from fleet.outside.identity import Identity
from fleet.ports import About, Health, RequestIds

_LONGEST_ERROR = 500


class OutsideProbes:
    """A :class:`fleet.ports.Probes`."""

    def __init__(
        self,
        *,
        health: Health,
        extension_type: str,
        network: Network,
        identity: Identity | None = None,
        secrets: Mapping[str, str] | None = None,
    ) -> None:
        """Take who is asked, and how.

        Args:
            health: Knows which extensions are not in order.
            extension_type: Of those that are meant.
            network: The way to everybody.
            identity: Ours at Azure; ``None``: there is none, and nothing of Azure's is asked.
            secrets: ``{environment variable: value}`` of those that headers name.
        """
        self._health = health
        self._extension_type = extension_type
        self._network = network
        self._identity = identity
        self._secrets = secrets or {}
        self._redactor = Redactor(self._secrets.values())
        self._commands = Commands()

    async def measure(self, probe: Probe, about: About) -> Reading:
        """Ask once, within the probe's timeout."""
        limit_s = probe.timeout.total_seconds()
        try:
            async with asyncio.timeout(limit_s):
                found = await self._asked(probe, about)
        except TimeoutError:
            return Reading(error=f"{_name(probe)}: no answer within {limit_s:g} s")
        except FleetError as error:
            return Reading(error=self._clean(_told(error)))
        return dataclasses.replace(found, detail=self._clean(found.detail))

    def _clean(self, text: str) -> str:
        return line(self._redactor.text(text), longest=_LONGEST_ERROR) if text else ""

    async def _asked(self, probe: Probe, about: About) -> Reading:
        match probe.kind:
            case ProbeKind.PROMETHEUS:
                return await self._prometheus(probe, about)
            case ProbeKind.LOG_ANALYTICS:
                return await self._log_analytics(probe, about)
            case ProbeKind.HTTP:
                asked = httpjson.question(_filled(probe.url, about, Dialect.PLAIN))
                return httpjson.reading(await self._reply(asked, probe), probe.pointer)
            case ProbeKind.COMMAND:
                argv = [_filled(one, about, Dialect.PLAIN) for one in probe.argv]
                return await self._commands.reading(argv, probe.pointer)
            case ProbeKind.RESOURCE_GRAPH:
                return await resourcegraph.reading(
                    _filled(probe.query, about, Dialect.KQL),
                    subscriptions=about.subscriptions,
                    rows=self._us(resourcegraph.WHAT).rows,
                )
            case ProbeKind.EXTENSION:
                return await self._extension(about)

    async def _prometheus(self, probe: Probe, about: About) -> Reading:
        query = _filled(probe.query, about, Dialect.PROMQL)
        asked = prometheus.question(probe.url, query, timeout_s=probe.timeout.total_seconds())
        if not probe.is_azure:
            return prometheus.reading(await self._reply(asked, probe))
        us = self._us(prometheus.WHAT)
        if not us.is_metrics(asked.url):
            message = (
                f"{asked.who}: not asked, it is no managed Prometheus of this cloud, "
                "and no token goes elsewhere"
            )
            raise RefusedError(message)
        return prometheus.reading(await self._with_token(asked, probe, us, us.metrics_audience))

    async def _log_analytics(self, probe: Probe, about: About) -> Reading:
        us = self._us(loganalytics.WHAT)
        if not us.logs_url:
            message = f"{loganalytics.WHAT}: where it is in this cloud is not known"
            raise InputError(message, hint="Name the cloud: --cloud.")
        asked = loganalytics.question(
            us.logs_url,
            probe.workspace,
            _filled(probe.query, about, Dialect.KQL),
            timeout_s=probe.timeout.total_seconds(),
        )
        return loganalytics.reading(await self._with_token(asked, probe, us, us.logs_audience))

    async def _extension(self, about: About) -> Reading:
        found = await self._health.unwell(
            extension_type=self._extension_type,
            subscriptions=about.subscriptions,
            ids=RequestIds(correlation_id=str(uuid.uuid4()), client_request_id=str(uuid.uuid4())),
        )
        return figures.share_well(about.cluster_ids, {one.cluster_id: one.state for one in found})

    async def _with_token(
        self, asked: Question, probe: Probe, us: Identity, audience: str
    ) -> Reply:
        """Ask under our identity; once more where the token has ended early."""
        token = await us.token(audience)
        found = await self._reply(_bearing(asked, token), probe)
        if found.status != HTTPStatus.UNAUTHORIZED:
            return found
        token = await us.token(audience, refused=token)
        return await self._reply(_bearing(asked, token), probe)

    async def _reply(self, asked: Question, probe: Probe) -> Reply:
        secrets = {**self._headers(probe), **asked.secrets}
        asked = dataclasses.replace(asked, secrets=secrets)
        return await reply(asked, network=self._network)

    def _headers(self, probe: Probe) -> Mapping[str, str]:
        absent = [name for name in probe.headers.values() if not self._secrets.get(name)]
        if absent:
            message = f"{_name(probe)}: a header is to come from {absent[0]}, which is not set"
            raise InputError(message)
        return {header: self._secrets[name] for header, name in probe.headers.items()}

    def _us(self, what: str) -> Identity:
        if self._identity is None:
            message = f"{what}: there is no identity at Azure to ask it with"
            raise InputError(message)
        return self._identity


def _told(error: FleetError) -> str:
    """Return what happened and, where somebody knows that, what to do."""
    is_general = error.hint is None or error.hint == error.advice
    return error.message if is_general else f"{error.message}. {error.hint}"


def _bearing(asked: Question, token: str) -> Question:
    return dataclasses.replace(asked, secrets={"Authorization": f"Bearer {token}"})


def _filled(text: str, about: About, dialect: Dialect) -> str:
    return placeholders.filled(
        text,
        dialect=dialect,
        clusters=about.clusters,
        wave=about.wave,
        window=about.window,
    )


def _name(probe: Probe) -> str:
    """Return who is asked, for a message."""
    match probe.kind:
        case ProbeKind.PROMETHEUS:
            return f"{prometheus.WHAT} at {origin(probe.url)}"
        case ProbeKind.LOG_ANALYTICS:
            return loganalytics.WHAT
        case ProbeKind.HTTP:
            return f"{httpjson.WHAT} at {origin(probe.url)}"
        case ProbeKind.COMMAND:
            return f"the command {line(probe.argv[0] if probe.argv else '', longest=80)}"
        case ProbeKind.RESOURCE_GRAPH:
            return resourcegraph.WHAT
        case ProbeKind.EXTENSION:
            return "the extensions' own state"
