"""Exec plugins: programs that a kubeconfig names to get credentials from.

They are run by us and not by kubernetes_asyncio, which neither limits what they
print nor ends them, and reads no certificates from them. What one gave is used
for all clusters that ask the same of it, until shortly before it expires.

Units:   the caller sets a limit of time around it.
Errors:  :exc:`ClusterError`, without the cluster's name; nothing that a plugin printed is in it.
Source:  kubernetes.io/docs/reference/access-authn-authz/authentication, client-go credential
         plugins; ExecCredential v1.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import hashlib
import os
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import orjson

from fleet.errors import ClusterError, FleetError
from fleet.net import programs
from fleet.net.words import line
from fleet.ports import Clock

_MOST_BYTES = 1_000_000
_LONGEST_KEPT = dt.timedelta(minutes=10)
"""A person may log in anew meanwhile, and a token be taken back."""
_SPARE = dt.timedelta(minutes=1)
_HINT = "Try it with kubectl, as the same user: `kubectl --context ... get ns`."


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What a plugin gave: a token, or a certificate with its key."""

    token: str = dataclasses.field(default="", repr=False)
    certificate: str = dataclasses.field(default="", repr=False)
    key: str = dataclasses.field(default="", repr=False)


class Plugins:
    """Runs exec plugins; the same one once for all who ask at a time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[str, tuple[dt.datetime, Credential]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def credential(self, plugin: Mapping[str, Any], cluster: Mapping[str, Any]) -> Credential:
        """Return what a plugin gives.

        Args:
            plugin: A user's ``exec``.
            cluster: The cluster's entry, for plugins that want to know it.
        """
        argv, env = _argv(plugin), _environment(plugin, cluster)
        asked = orjson.dumps([argv, env], option=orjson.OPT_SORT_KEYS)
        key = hashlib.sha256(asked).hexdigest()
        async with self._locks.setdefault(key, asyncio.Lock()):
            kept = self._kept.get(key)
            if kept is None or kept[0] <= self._clock.now():
                kept = await self._asked(argv, env, plugin)
                self._kept[key] = kept
            return kept[1]

    async def _asked(
        self, argv: list[str], env: Mapping[str, str], plugin: Mapping[str, Any]
    ) -> tuple[dt.datetime, Credential]:
        # NB: its name alone: arguments may be secrets.
        who = f"the exec plugin {line(PurePath(argv[0]).name, longest=80)}"
        try:
            ended = await programs.run(argv, who=who, env=env, most_bytes=_MOST_BYTES)
        except FleetError as error:
            hint = plugin.get("installHint")
            more = line(hint) if isinstance(hint, str) and hint else _HINT
            raise ClusterError(error.message, hint=more) from None
        if ended.status:
            raise ClusterError(f"{who}: {ended.why}", hint=_HINT)
        status = _status(ended.printed, who)
        return self._until(status), _read(status, who)

    def _until(self, status: Mapping[str, Any]) -> dt.datetime:
        """Return until when it is used again; it is not at all where it does not say how long."""
        now = self._clock.now()
        try:
            expires = dt.datetime.fromisoformat(str(status.get("expirationTimestamp")))
        except ValueError:
            return now
        if expires.tzinfo is None:
            return now
        return min(expires - _SPARE, now + _LONGEST_KEPT)


def _argv(plugin: Mapping[str, Any]) -> list[str]:
    command, args = plugin.get("command"), plugin.get("args") or []
    if not isinstance(command, str) or not command or not isinstance(args, list):
        message = "its kubeconfig's exec names no command"
        raise ClusterError(message, hint=_HINT)
    if plugin.get("interactiveMode") == "Always":
        who = line(PurePath(command).name, longest=80)
        message = f"the exec plugin {who} wants to ask somebody at a terminal"
        raise ClusterError(message, hint="Log in another way, such as with a managed identity.")
    return [command, *map(str, args)]


def _environment(plugin: Mapping[str, Any], cluster: Mapping[str, Any]) -> dict[str, str]:
    spec: dict[str, Any] = {"interactive": False}
    if plugin.get("provideClusterInfo") is True:
        known = ("server", "certificate-authority-data", "tls-server-name", "proxy-url")
        spec["cluster"] = {key: cluster[key] for key in known if key in cluster}
    info = {
        "apiVersion": plugin.get("apiVersion"),
        "kind": "ExecCredential",
        "spec": spec,
    }
    env = plugin.get("env")
    own = {
        str(one["name"]): str(one["value"])
        for one in (env if isinstance(env, list) else [])
        if isinstance(one, dict) and {"name", "value"} <= one.keys()
    }
    return {**os.environ, **own, "KUBERNETES_EXEC_INFO": orjson.dumps(info).decode()}


def _status(printed: bytes, who: str) -> Mapping[str, Any]:
    try:
        data = orjson.loads(printed)
    except orjson.JSONDecodeError:
        what = "nothing" if not printed.strip() else "no JSON"
        raise ClusterError(f"{who}: it printed {what}", hint=_HINT) from None
    status = data.get("status") if isinstance(data, dict) else None
    if not isinstance(status, dict):
        raise ClusterError(f"{who}: it printed no ExecCredential with a status", hint=_HINT)
    return status


def _read(status: Mapping[str, Any], who: str) -> Credential:
    token, certificate, key = (
        value if isinstance(value := status.get(name), str) else ""
        for name in ("token", "clientCertificateData", "clientKeyData")
    )
    if not token and not (certificate and key):
        message = f"{who}: it gave neither a token nor a certificate with its key"
        raise ClusterError(message, hint=_HINT)
    return Credential(token=token.strip(), certificate=certificate, key=key)
