"""A control plane on a port of this machine, for a while.

The world lives in the memory of this process, and ends with it: two servers
are two worlds, and another process meets a world through its server alone.

Errors:  :exc:`~fleet.errors.InputError` where the port cannot be had.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import ssl
from collections.abc import AsyncIterator, Sequence
from fractions import Fraction
from pathlib import Path

from aiohttp import web

from fleet.errors import InputError
from fleet.ports import Clock
from fleet.sim.ports import SimulatedAzure
from fleet.sim.recipe import Recipe
from fleet.sim.server import certificates
from fleet.sim.server.application import Application
from fleet.sim.server.plane import Plane
from fleet.sim.world import World

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_BACKLOG = 1024
_GRACE_S = 1.0
"""For requests that are being answered when the end comes."""
_MOST_URL_BYTES = 16 * 1024


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A server that is ready."""

    endpoint: str
    ca_file: Path | None
    """What to trust it by; ``None`` without TLS."""
    plane: Plane


@contextlib.asynccontextmanager
async def serving(
    recipe: Recipe,
    *,
    clock: Clock,
    scale: Fraction,
    host: str = "127.0.0.1",
    port: int = 0,
    has_tls: bool = False,
    names: Sequence[str] = (),
) -> AsyncIterator[Served]:
    """Serve a new world.

    Args:
        recipe: What the world is made of.
        clock: Its time, which stands at the recipe's epoch now.
        scale: How fast that time goes; told to those who ask.
        host: Where to listen.
        port: The port; 0 for any that is free.
        has_tls: Whether to speak TLS, with a throwaway certificate.
        names: What it is called there besides, by those who come another way.
    """
    plane = Plane(azure=SimulatedAzure(World(recipe), clock), clock=clock, scale=scale)
    with contextlib.ExitStack() as stack:
        context, ca_file = None, None
        if has_tls:
            context, ca_file = stack.enter_context(certificates.throwaway(host, *names))
        async with _listening(Application(plane), host, port, context) as bound:
            scheme = "https" if has_tls else "http"
            name = f"[{host}]" if ":" in host else host
            endpoint = f"{scheme}://{name}:{bound}"
            yield Served(endpoint=endpoint, ca_file=ca_file, plane=plane)


@contextlib.asynccontextmanager
async def _listening(
    application: Application, host: str, port: int, context: ssl.SSLContext | None
) -> AsyncIterator[int]:
    """Listen, and yield the port."""
    server = web.Server(application, access_log=None, max_line_size=_MOST_URL_BYTES)
    runner = web.ServerRunner(server, shutdown_timeout=_GRACE_S)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, ssl_context=context, backlog=_BACKLOG)
        try:
            await site.start()
        except OSError as error:
            raise _unavailable(host, port, error) from error
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
        await application.close()


def _unavailable(host: str, port: int, error: OSError) -> InputError:
    is_taken = error.errno == errno.EADDRINUSE
    reason = "it is in use" if is_taken else (error.strerror or str(error)).lower()
    message = f"port {port} of {host} cannot be listened on: {reason}"
    return InputError(message, hint="Name another with --port; 0 takes any that is free.")
