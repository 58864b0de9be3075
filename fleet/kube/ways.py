"""The ways in: where the kubeconfig of a cluster comes from, by the kind of access.

Errors:  :exc:`ClusterError`, without the cluster's name.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path, PurePath

from fleet.core.namesakes import Named
from fleet.errors import ClusterError, FleetError
from fleet.kube import arcproxy, kubeconfigs
from fleet.kube.kubeconfigs import Files, Kubeconfig
from fleet.model.inside import AccessKind, ClusterAccess
from fleet.net import programs
from fleet.net.words import line
from fleet.ports import Clock

_ENDINGS = (".yaml", ".yml", ".kubeconfig", "")
_MOST_BYTES = 2_000_000


class Ways:
    """The ways that a plan file names."""

    def __init__(self, access: ClusterAccess, base: Path, clock: Clock) -> None:
        self._access = access
        self._base = base
        self._clock = clock
        self._files = Files()
        self._taken: dict[tuple[Path | str, ...], str] = {}
        """Whose each is: a name may be had in several resource groups."""

    @contextlib.asynccontextmanager
    async def kubeconfig(self, named: Named, folder: Path) -> AsyncIterator[Kubeconfig]:
        """Return what leads into a cluster, for as long as the context lasts.

        Args:
            named: The cluster.
            folder: For files; of nobody else.
        """
        match self._access.kind:
            case AccessKind.KUBECONFIG:
                yield self._of_context(named)
            case AccessKind.DIRECTORY:
                yield self._of_directory(named)
            case AccessKind.COMMAND:
                yield await self._of_command(named)
            case AccessKind.PROXY:
                async with arcproxy.kubeconfig(named, folder, clock=self._clock) as found:
                    yield found
            case AccessKind.NONE | AccessKind.IN_CLUSTER:
                message = "clusterAccess names no way to a kubeconfig"
                raise ClusterError(message)

    def _of_context(self, named: Named) -> Kubeconfig:
        access = self._access
        path = named.filled(access.path)
        files = [self._path(path)] if path else kubeconfigs.usual()
        found = self._files.read(files)
        context = access.contexts.get(named.cluster.lower()) or named.filled(access.context)
        # NB: Azure's names differ by casing from request to request, and contexts do not.
        if context not in found.contexts and context.lower() in found.contexts:
            context = context.lower()
        self._take((*files, context), f"the context {line(context)}", named)
        return found.pick(context)

    def _of_directory(self, named: Named) -> Kubeconfig:
        folder = self._path(named.filled(self._access.path))
        # NB: Azure's names differ by casing from request to request, and files do not.
        names = dict.fromkeys((named.cluster, named.cluster.lower()))
        for name in names:
            for ending in _ENDINGS:
                if (file := folder / f"{name}{ending}").is_file():
                    self._take((file,), str(file), named)
                    return self._files.read([file]).pick()
        if not folder.is_dir():
            message = f"there is no directory {folder}"
            raise ClusterError(message, hint="clusterAccess.directory starts at the plan file.")
        endings = ", ".join(ending for ending in _ENDINGS if ending)
        message = f"{folder} holds no kubeconfig called {named.cluster}"
        raise ClusterError(message, hint=f"It may end in {endings} or nothing.")

    async def _of_command(self, named: Named) -> Kubeconfig:
        argv = [named.filled(one) for one in self._access.command]
        program = PurePath(argv[0]).name if argv else ""
        who = f"the command {line(program, longest=80)}"
        limit_s = self._access.timeout.total_seconds()
        try:
            async with asyncio.timeout(limit_s):
                ended = await programs.run(argv, who=who, env=os.environ, most_bytes=_MOST_BYTES)
        except TimeoutError:
            message = f"{who}: it did not end within {limit_s:g} s"
            raise ClusterError(message, hint=_SLOW) from None
        except FleetError as error:
            raise ClusterError(error.message, hint=_COMMAND) from None
        if ended.status:
            raise ClusterError(f"{who}: {ended.why}", hint=_COMMAND)
        if not ended.printed.strip():
            raise ClusterError(f"{who}: it printed nothing", hint=_COMMAND)
        return kubeconfigs.parsed(ended.printed, f"what {who} printed", self._base).pick()

    def _take(self, key: tuple[Path | str, ...], what: str, named: Named) -> None:
        """Refuse to lead two clusters into one."""
        other = self._taken.setdefault(key, named.id)
        if other.lower() != named.id.lower():
            message = f"{what} is that of another cluster with this name: {other}"
            raise ClusterError(message, hint=_APART)

    def _path(self, text: str) -> Path:
        return self._base / Path(text).expanduser()


_APART = "Let clusterAccess name {resourceGroup} or {subscription} as well."
_COMMAND = "clusterAccess.command prints a kubeconfig: run it by hand, as the same user."
_SLOW = "clusterAccess.timeout allows more; it may ask nobody: it has no terminal."
