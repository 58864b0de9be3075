"""Somebody who is told: a receiver that answers as it is bidden, and keeps what it got."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime as dt
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Any

from aiohttp import web

from fleet.core.notices import AboutRun, Notice
from fleet.model.events import Actor
from fleet.model.notices import Topic
from fleet.model.plan import Digest, RunId
from tests.rig import background

Answer = Callable[[web.Request, int], Awaitable[web.StreamResponse]]
"""Answers a request; which one it is, from 0."""
KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
CANARY = "c4nary"
"""Stands in the path of every address."""
AT = dt.datetime(2026, 1, 10, 2, tzinfo=dt.UTC)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    """One request."""

    headers: Mapping[str, str]
    body: bytes
    path: str
    at_s: float
    """By the receiver's loop."""

    @property
    def event(self) -> Any:
        return json.loads(self.body)


@dataclasses.dataclass(slots=True, kw_only=True)
class Receiver:
    """Where it is, and what it got."""

    url: str = ""
    got: list[Got] = dataclasses.field(default_factory=list)
    taken: list[Got] = dataclasses.field(default_factory=list)
    """Those that were answered with 2xx."""

    @property
    def ids(self) -> list[str]:
        """What was taken, by the events' ids."""
        return [one.event["id"] for one in self.taken]

    @property
    def kinds(self) -> list[str]:
        return [one.event["data"]["kind"] for one in self.taken]


async def take(_request: web.Request, _number: int) -> web.Response:
    """Take whatever comes."""
    return web.Response(status=204)


def statuses(*found: int, then: int = 204, **headers: str) -> Answer:
    """Answer with one status after another."""

    async def answer(_request: web.Request, number: int) -> web.Response:
        status = found[number] if number < len(found) else then
        given = headers if number < len(found) else {}
        return web.Response(
            status=status, headers={name.replace("_", "-"): one for name, one in given.items()}
        )

    return answer


async def hang(_request: web.Request, _number: int) -> web.Response:
    """Never answer."""
    await asyncio.sleep(10**6)
    return web.Response()


@contextlib.asynccontextmanager
async def receiving(answer: Answer = take, *, ssl: Any = None) -> AsyncIterator[Receiver]:
    """Receive on the running loop for as long as the block lasts."""
    found = Receiver()

    async def heard(request: web.Request) -> web.StreamResponse:
        got = Got(
            headers=dict(request.headers),
            body=await request.read(),
            path=request.raw_path,
            at_s=asyncio.get_running_loop().time(),
        )
        found.got.append(got)
        response = await answer(request, len(found.got) - 1)
        if response.status // 100 == 2:
            found.taken.append(got)
        return response

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", heard)
    runner = web.AppRunner(application, shutdown_timeout=0, handler_cancellation=True)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ssl)
        await site.start()
        port = runner.addresses[0][1]
        found.url = f"{'https' if ssl else 'http'}://127.0.0.1:{port}/{CANARY}/hook"
        yield found
    finally:
        await runner.cleanup()


@contextlib.contextmanager
def receiver(answer: Answer = take) -> Iterator[Receiver]:
    """Receive on a thread, for commands that are processes."""
    with background.in_a_thread(lambda: receiving(answer)) as found:
        yield found


def notice(**changes: Any) -> Notice:
    """A wave that opens."""
    actor = Actor(name="alice", host="ops-1", pid=100)
    defaults: dict[str, Any] = {
        "sequence": 7,
        "kind": "run.paused",
        "topic": Topic.RUN,
        "at": AT,
        "title": "osm: paused, nothing is in flight: naïve \N{SNOWMAN}",
        "run": AboutRun(
            id=RunId("osm-1.2.6"),
            plan="osm",
            plan_digest=Digest("sha256:" + "0" * 64),
            change="CHG1",
            owner=None,
            started_by=actor,
        ),
        "wave": None,
        "counts": {"Succeeded": 3},
    }
    return Notice(**(defaults | changes))


@dataclasses.dataclass(slots=True, kw_only=True)
class Waits:
    """A :class:`fleet.ports.Pause` that keeps what it was asked for, and waits."""

    found: list[tuple[float, bool]] = dataclasses.field(default_factory=list)

    async def __call__(self, seconds: float, *, is_asked_for: bool) -> None:
        self.found.append((seconds, is_asked_for))
        await asyncio.sleep(seconds)
