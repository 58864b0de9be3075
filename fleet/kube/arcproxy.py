"""``az connectedk8s proxy``: begun for one cluster, and ended with everybody it started.

It runs in the foreground, writes a kubeconfig once the way is open, and prints
that into a pipe that Python buffers: so it is the file that is waited for.

Units:   seconds; the caller's clock waits.
Errors:  :exc:`ClusterError`, without the cluster's name.
Source:  azure-cli-extensions, connectedk8s: --name, --resource-group, --port (47011), --file; the
         global --subscription. Its helper uses the port 47010 of its own, whatever --port says,
         and it refuses to run beside another: one at a time on a machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

from fleet.core.namesakes import Named
from fleet.errors import ClusterError, FleetError
from fleet.kube import kubeconfigs
from fleet.kube.kubeconfigs import Kubeconfig
from fleet.net import programs
from fleet.net.programs import Watch
from fleet.ports import Clock

AT_A_TIME = 1
START_LIMIT_S = 120.0
"""Until it is ready; the first time it downloads its helper."""
_LOOK_EVERY = dt.timedelta(milliseconds=200)
_MERCY_S = 2.0
_MOST_BYTES = 1_000_000
_WHO = "az connectedk8s proxy"
_HINT = (
    "Try it by hand, logged in as the same user: `az connectedk8s proxy -n NAME -g GROUP`. "
    "There can be one on a machine."
)


@contextlib.asynccontextmanager
async def kubeconfig(named: Named, folder: Path, *, clock: Clock) -> AsyncIterator[Kubeconfig]:
    """Open the way to a cluster for as long as the context lasts, and return what leads there.

    Args:
        named: The cluster.
        folder: For its kubeconfig; of nobody else.
        clock: Waits.
    """
    file = folder / "kubeconfig"
    async with contextlib.AsyncExitStack() as stack:
        program = programs.running(
            _argv(named, file), who=_WHO, env=os.environ, most_bytes=_MOST_BYTES, mercy_s=_MERCY_S
        )
        try:
            watch = await stack.enter_async_context(program)
        except FleetError as error:
            raise ClusterError(error.message, hint="Is the Azure CLI on the PATH?") from None
        yield await _ready(watch, file, clock)


def _argv(named: Named, file: Path) -> list[str]:
    return [
        "az",
        "connectedk8s",
        "proxy",
        "--name",
        named.cluster,
        "--resource-group",
        named.resource_group,
        "--subscription",
        named.subscription,
        "--port",
        str(_free_port()),
        "--file",
        str(file),
    ]


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


async def _ready(watch: Watch, file: Path, clock: Clock) -> Kubeconfig:
    """Return the kubeconfig once it is whole. NB: it is not written at once, so it has to rest."""
    before, trouble = b"", ""
    try:
        async with asyncio.timeout(START_LIMIT_S):
            while True:
                _require_running(watch)
                now = _content(file)
                if now and now == before:
                    try:
                        return kubeconfigs.parsed(now, f"what {_WHO} wrote", file.parent).pick()
                    except ClusterError as error:
                        trouble = f": {error.message}"
                before = now
                await clock.sleep(_LOOK_EVERY)
    except TimeoutError:
        why = programs.told(watch.said) or trouble
        message = f"{_WHO}: it was not ready within {START_LIMIT_S:g} s{why}"
        raise ClusterError(message, hint=_HINT) from None


def _require_running(watch: Watch) -> None:
    if watch.status is not None:
        why = programs.Ended(status=watch.status, printed=b"", said=watch.said).why
        raise ClusterError(f"{_WHO}: {why}", hint=_HINT)


def _content(file: Path) -> bytes:
    return file.read_bytes() if file.exists() else b""
