"""Calendars at a URL: what is asked, what is followed, and what is refused in time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from fleet.errors import FleetError, InputError, RemoteError
from fleet.outside import feeds
from tests.rig import loopback

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
CALLED = "https://calendar.example/ops.ics"
WAY = feeds.Way(time_limit_s=5)


@contextlib.asynccontextmanager
async def served(handler: Handler) -> AsyncIterator[str]:
    """Answer every request on this machine by *handler*; yields where."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0] and f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def refusal(handler: Handler, way: feeds.Way = WAY) -> FleetError:
    async with served(handler) as url:
        with pytest.raises(FleetError) as caught:
            await feeds.text(f"{url}/ops.ics?token=canary-7f3a", called=CALLED, way=way)
    assert "canary" not in str(caught.value) + repr(caught.value.__cause__) + str(caught.value.hint)
    return caught.value


async def test_what_is_asked_carries_nothing_of_anybody() -> None:
    seen: list[web.Request] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request)
        response = web.Response(body="\ufeffBEGIN:VCALENDAR".encode())
        response.set_cookie("session", "1")
        return response

    async with served(answer) as url:
        found = await feeds.text(f"{url}/a/ops.ics?x=1", called=CALLED, way=WAY)

    assert found == "BEGIN:VCALENDAR"
    (request,) = seen
    assert (request.method, request.path_qs) == ("GET", "/a/ops.ics?x=1")
    assert not {"Authorization", "Cookie"} & set(request.headers)


async def test_what_was_moved_is_followed() -> None:
    async def answer(request: web.Request) -> web.Response:
        if request.path != "/new":
            raise web.HTTPMovedPermanently(location="new")
        return web.Response(text="here")

    async with served(answer) as url:
        assert await feeds.text(f"{url}/old", called=CALLED, way=WAY) == "here"


async def test_who_redirects_for_ever_is_left() -> None:
    count = 0

    async def answer(request: web.Request) -> web.Response:
        nonlocal count
        count += 1
        raise web.HTTPFound(location="/again")

    error = await refusal(answer)

    assert isinstance(error, RemoteError)
    assert error.message == f"{CALLED} redirects more than 5 times"
    assert count == 6


@pytest.mark.parametrize("place", ["http://calendar.example/x", "ftp://127.0.0.1/x", "file:///etc"])
async def test_nobody_is_led_away_from_https(place: str) -> None:
    async def answer(request: web.Request) -> web.Response:
        raise web.HTTPFound(location=place)

    error = await refusal(answer)

    assert isinstance(error, InputError)
    scheme = place.split(":", maxsplit=1)[0]
    assert f"{CALLED} is not asked: it redirects to {scheme}; only https" in error.message


@pytest.mark.parametrize(
    "url", ["http://calendar.example/x", "webcal://a/x", "https:///x", "nothing"]
)
async def test_only_https_is_asked(url: str) -> None:
    with pytest.raises(InputError, match="is not asked"):
        await feeds.text(url, called=CALLED, way=WAY)


def test_a_url_that_hangs_ends_in_time() -> None:
    async def answer(request: web.Request) -> web.Response:
        await asyncio.sleep(3_600)
        return web.Response()

    # In virtual time: half a minute, and nobody waits for it.
    error = loopback.run(refusal(answer, feeds.Way()))

    assert isinstance(error, RemoteError)
    assert error.message == f"{CALLED} did not answer within 30 s"


def test_an_answer_that_never_ends_ends_in_time_too() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while True:
                await response.write(b"BEGIN:VCALENDAR\r\n")
                await asyncio.sleep(1)
        return response

    error = loopback.run(refusal(answer, feeds.Way()))

    assert error.message == f"{CALLED} did not answer within 30 s"


async def test_what_is_too_large_is_not_read_to_its_end() -> None:
    written = 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal written
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            for _ in range(1_000):
                await response.write(b"x" * 100_000)
                written += 100_000
        return response

    error = await refusal(answer)

    assert isinstance(error, InputError)
    assert error.message == f"{CALLED} is larger than 2 MB"
    assert written < 50_000_000


async def test_what_is_packed_is_not_unpacked() -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=b"x", headers={"Content-Encoding": "gzip"})

    assert (await refusal(answer)).message == f"{CALLED} answers packed, which was not asked for"


@pytest.mark.parametrize(
    ("status", "told"),
    [(404, "answers 404"), (401, "answers 401: it wants a login"), (503, "answers 503"),
     (304, "answers 304")],
)  # fmt: skip
async def test_any_other_answer_is_told(status: int, told: str) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status)

    error = await refusal(answer)

    assert isinstance(error, RemoteError)
    assert (error.message, error.status) == (f"{CALLED} {told}", status)


async def test_a_connection_that_is_cut_or_refused_is_told() -> None:
    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    assert (await refusal(answer)).message == f"{CALLED} cannot be read: the connection was cut"

    async with served(answer) as url:
        gone = url
    with pytest.raises(RemoteError, match="cannot be read: no connection"):
        await feeds.text(gone, called=CALLED, way=WAY)
