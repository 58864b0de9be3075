"""A proxy as companies have it: it is asked for tunnels by CONNECT, and takes all of them home.

Whatever host a tunnel is for, it ends at one service of this machine: so the
real names of the clouds can be used, and nothing leaves.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Iterator

from tests.rig.background import in_a_thread

_CHUNK_BYTES = 64 * 1024


@dataclasses.dataclass(kw_only=True)
class Tunnels:
    """The proxy, and what went through it."""

    port: int
    """Of the service that all tunnels lead to."""
    login: str | None = None
    """``user:password``; ``None``: everybody may."""
    is_mute: bool = False
    """Whether it takes requests and never answers."""
    url: str = ""
    asked: list[str] = dataclasses.field(default_factory=list)
    """``host:port`` of every tunnel that was made."""
    refused: list[str] = dataclasses.field(default_factory=list)
    open_now: int = 0
    most_open: int = 0

    @property
    def hosts(self) -> set[str]:
        """What tunnels were made to."""
        return set(self.asked)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await self._tunnel(reader, writer)
        writer.close()

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, target, _ = head.split(" ", 2)
        if self.is_mute:
            await reader.read()
            return
        if method != "CONNECT" or not self._may(head):
            self.refused.append(target)
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return
        self.asked.append(target)
        await self._joined(reader, writer)

    async def _joined(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self.port)
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        try:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_pump(reader, back))
                tasks.create_task(_pump(there, writer))
        finally:
            self.open_now -= 1
            back.close()

    def _may(self, head: str) -> bool:
        if self.login is None:
            return True
        wanted = base64.b64encode(self.login.encode()).decode()
        return f"proxy-authorization: basic {wanted}".lower() in head.lower()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while content := await reader.read(_CHUNK_BYTES):
            writer.write(content)
            await writer.drain()
    writer.close()


@contextlib.contextmanager
def tunnelling(port: int, *, login: str | None = None, is_mute: bool = False) -> Iterator[Tunnels]:
    """Stand on the way to *port* for a while, in a thread of its own."""
    with in_a_thread(lambda: _listening(port, login, is_mute)) as found:
        yield found


@contextlib.asynccontextmanager
async def _listening(port: int, login: str | None, is_mute: bool) -> AsyncIterator[Tunnels]:
    tunnels = Tunnels(port=port, login=login, is_mute=is_mute)
    serving = await asyncio.start_server(tunnels.serve, "127.0.0.1", 0)
    user = f"{login}@" if login else ""
    tunnels.url = f"http://{user}127.0.0.1:{serving.sockets[0].getsockname()[1]}"
    try:
        yield tunnels
    finally:
        serving.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await serving.wait_closed()
