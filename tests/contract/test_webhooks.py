"""A webhook over sockets, on virtual time: whatever its receiver does, it ends, and is told."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import email.utils
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import standardwebhooks
import structlog.testing
import trustme
from aiohttp import web
from yarl import URL

from fleet.engine import clock
from fleet.errors import RemoteError, ThrottledError, TransientError
from fleet.outside import deliveries, signatures
from fleet.outside.deliveries import Delivery
from fleet.outside.webhooks import Webhook
from tests.rig import loopback, receiving
from tests.rig.receiving import (
    CANARY,
    KEY,
    Receiver,
    Waits,
    hang,
    notice,
    receiving as receive,
    statuses,
)

NOW = clock.wall()


def webhook(url: str, **changes: Any) -> Webhook:
    key = signatures.key_of(KEY)
    fields: dict[str, Any] = {"name": "ops", "url": url, "key": key, "wall": clock.wall}
    return Webhook(**(fields | changes))


async def passed_s(work: Awaitable[Any]) -> float:
    """Return how long *work* took, by the loop."""
    began_s = asyncio.get_running_loop().time()
    await work
    return asyncio.get_running_loop().time() - began_s


async def refused(work: Awaitable[Any]) -> RemoteError:
    """Return the error that *work* ends in; it gives nothing away."""
    with structlog.testing.capture_logs() as logged, pytest.raises(RemoteError) as caught:
        await work
    error = caught.value
    told = f"{error!r} {error.message} {error.hint} {logged}"
    for secret in (CANARY, "127.0.0.1", "example", KEY.removeprefix("whsec_")):
        assert secret not in told
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None
    return error


def test_what_arrives_is_signed_and_a_cloud_event() -> None:
    async def work() -> None:
        async with receive() as there:
            await webhook(there.url).send(notice())

            (got,) = there.got
            verified = standardwebhooks.Webhook(KEY).verify(got.body, dict(got.headers))
            assert verified["id"] == "osm-1.2.6/7"
            assert got.headers["Content-Type"] == "application/cloudevents+json"
            assert got.path == f"/{CANARY}/hook"

    loopback.run(work())


def test_without_a_key_it_is_sent_unsigned() -> None:
    async def work() -> None:
        async with receive() as there:
            await webhook(there.url, key=None).send(notice())

            assert "webhook-signature" not in {name.lower() for name in there.got[0].headers}

    loopback.run(work())


def test_what_stands_in_an_address_is_sent_as_it_was_written() -> None:
    async def work() -> None:
        async with receive() as there:
            await webhook(f"{there.url}/a%2Fb?x=%7e&y=a+b").send(notice())

            assert there.got[0].path == f"/{CANARY}/hook/a%2Fb?x=%7e&y=a+b"

    loopback.run(work())


def test_what_may_pass_is_tried_again_less_and_less_often_under_one_id() -> None:
    async def work() -> None:
        waits = Waits()
        async with receive(statuses(500, 503, 429, 408, 425, 502, 504, 599)) as there:
            with structlog.testing.capture_logs() as logged:
                took_s = await passed_s(
                    Delivery(once=webhook(there.url).send).bring(notice(), waits)
                )

            assert waits.found == [(wait_s, False) for wait_s in (1, 2, 4, 8, 16, 32, 60, 60)]
            assert took_s == pytest.approx(183, abs=1)
            assert len(there.got) == 9
            assert len({one.headers["webhook-id"] for one in there.got}) == 1
            assert len({one.body for one in there.got}) == 1
            assert [one["reason"] for one in logged][:2] == ["ops answered 500", "ops answered 503"]

    loopback.run(work())


def test_the_moment_that_is_signed_is_that_of_the_try() -> None:
    moments = iter(NOW + n * dt.timedelta(minutes=10) for n in range(9))

    async def work() -> None:
        async with receive(statuses(500)) as there:
            hook = webhook(there.url, wall=lambda: next(moments))
            with structlog.testing.capture_logs():
                await Delivery(once=hook.send).bring(notice(), Waits())

            first, second = (int(one.headers["webhook-timestamp"]) for one in there.got)
            assert second > first
            for one in there.got:
                key, at = signatures.key_of(KEY), int(one.headers["webhook-timestamp"])
                made = signatures.headers(
                    key, message_id=one.headers["webhook-id"], at=at, body=one.body
                )
                assert one.headers["webhook-signature"] == made["webhook-signature"]

    loopback.run(work())


@pytest.mark.parametrize(
    ("asked", "waits"),
    [
        ("0", [(0, True)]),
        ("7", [(7, True)]),
        (email.utils.format_datetime(NOW + dt.timedelta(seconds=90), usegmt=True), [(90, True)]),
        (email.utils.format_datetime(NOW - dt.timedelta(days=3), usegmt=True), [(0, True)]),
        ("soon", [(1, False)]),
        ("-5", [(1, False)]),
        ("", [(1, False)]),
    ],
    ids=["at once", "seconds", "a date", "a date that is over", "a word", "before now", "nothing"],
)
def test_waits_as_long_as_it_is_asked_to(asked: str, waits: list[tuple[float, bool]]) -> None:
    found = Waits()

    async def work() -> None:
        async with receive(statuses(503, Retry_After=asked)) as there:
            hook = webhook(there.url, wall=lambda: NOW.replace(microsecond=0))
            with structlog.testing.capture_logs():
                await Delivery(once=hook.send).bring(notice(), found)
            assert len(there.taken) == 1

    loopback.run(work())

    assert found.found == waits


def test_whoever_asks_for_a_day_is_left_alone() -> None:
    async def work() -> RemoteError:
        async with receive(statuses(429, Retry_After="86400")) as there:
            hook = webhook(there.url)
            error = await refused(Delivery(once=hook.send, limit_s=600).bring(notice(), Waits()))
            assert len(there.got) == 1
            return error

    error = loopback.run(work())

    assert (error.status, error.retry_after_s) == (429, 86400)


@pytest.mark.parametrize(
    "status", [300, 301, 302, 307, 308, 400, 401, 403, 404, 409, 410, 413, 422]
)
def test_a_refusal_is_not_repeated_and_a_redirect_not_followed(status: int) -> None:
    async def work() -> RemoteError:
        async with (
            receive() as elsewhere,
            receive(statuses(status, Location=elsewhere.url)) as there,
        ):
            bring = Delivery(once=webhook(there.url).send).bring(notice(), Waits())
            error = await refused(bring)
            assert (len(there.got), len(elsewhere.got)) == (1, 0)
            return error

    error = loopback.run(work())

    assert type(error) is RemoteError
    assert (error.message, error.status) == (f"ops answered {status}", status)


def test_what_never_gets_better_is_given_up_within_the_hour() -> None:
    async def work() -> None:
        async with receive(statuses(then=500)) as there:
            bring = Delivery(once=webhook(there.url).send).bring(notice(), Waits())
            took_s = await passed_s(refused(bring))

            assert 3500 < took_s <= 3600
            assert 60 < len(there.got) < 70

    loopback.run(work())


def test_who_never_answers_is_left_after_twenty_seconds() -> None:
    async def work() -> None:
        async with receive(hang) as there:
            error: list[RemoteError] = []

            async def send() -> None:
                error.append(await refused(webhook(there.url).send(notice())))

            assert await passed_s(send()) == pytest.approx(20, abs=1)
            assert error[0].message == "ops: no answer in time"
            assert isinstance(error[0], TransientError)

    loopback.run(work())


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[str]:
    """Speak anything but sense, on a socket."""
    tasks: list[asyncio.Task[None] | None] = []

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.current_task())
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await reader.readuntil(b"\r\n\r\n")
                await serve(reader, writer)
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(served, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/{CANARY}"
    finally:
        server.close()
        for task in tasks:
            if task:
                task.cancel()
        await asyncio.sleep(0.1)


async def _drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for letter in "HTTP/1.1 204 No Content\r\n\r\n":
        writer.write(letter.encode())
        await writer.drain()
        await asyncio.sleep(5)


async def _garble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail.example ESMTP c4nary\r\n")
    await writer.drain()


async def _hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def _flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for _n in range(3_000):
        writer.write(b"X-Canary: " + b"c4nary" * 1_000 + b"\r\n")
        await writer.drain()


@pytest.mark.parametrize(
    ("serve", "words"),
    [
        (_drip, "no answer in time"),
        (_garble, "the connection broke"),
        (_hang_up, "the connection broke"),
        (_flood, "the connection broke"),
    ],
)
def test_who_makes_no_sense_may_make_some_later(serve: Serve, words: str) -> None:
    async def work() -> RemoteError:
        async with serving(serve) as url:
            return await refused(webhook(url).send(notice()))

    error = loopback.run(work())

    assert isinstance(error, TransientError)
    assert error.message == f"ops: {words}"


def test_of_an_answer_nothing_is_read_but_its_status() -> None:
    """A body that drips, or has no end, keeps nobody."""

    async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"5\r\nhello\r\n")
            await writer.drain()
            await asyncio.sleep(1)

    async def work() -> float:
        async with serving(endless) as url:
            return await passed_s(webhook(url).send(notice()))

    assert loopback.run(work()) < 2


def test_nobody_there_may_be_somebody_later(unused_port: int) -> None:
    async def work() -> RemoteError:
        return await refused(webhook(f"http://127.0.0.1:{unused_port}/{CANARY}").send(notice()))

    error = loopback.run(work())

    assert isinstance(error, TransientError)
    assert error.message == "ops: no connection (Connection refused)"


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_a_name_that_nobody_knows_may_be_known_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known: hooks.example")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    async def work() -> RemoteError:
        return await refused(webhook(f"https://hooks.example/{CANARY}").send(notice()))

    error = loopback.run(work())

    assert isinstance(error, TransientError)
    assert error.message == "ops: the host's name cannot be resolved"


def test_who_cannot_prove_to_be_whom_we_mean_is_told_nothing() -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    async def work() -> RemoteError:
        async with receive(ssl=context) as there:
            error = await refused(webhook(there.url).send(notice()))
            assert there.got == []
            trusting = ssl.create_default_context()
            authority.configure_trust(trusting)
            await webhook(there.url, trust=trusting).send(notice())
            assert len(there.taken) == 1
            return error

    error = loopback.run(work())

    assert error.message == "ops: TLS failed: is its certificate one that this machine trusts?"


def test_goes_through_a_proxy_where_there_is_one() -> None:
    async def work() -> None:
        async with receive() as proxy:
            hook = webhook(f"http://localhost:1/{CANARY}", proxy=URL(proxy.url).origin())
            await hook.send(notice())

            assert [one.path for one in proxy.got] == [f"http://localhost:1/{CANARY}"]

    loopback.run(work())


def test_no_cookie_and_nothing_of_netrc_is_sent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    file = tmp_path / "netrc"
    file.write_text("machine 127.0.0.1 login x password y\n")
    monkeypatch.setenv("NETRC", str(file))

    async def bake(_request: web.Request, _number: int) -> web.Response:
        answer = web.Response(status=503)
        answer.set_cookie("a", "b")
        return answer

    async def work() -> None:
        async with receive(bake) as there:
            hook = Delivery(once=webhook(there.url).send, tries=2)
            await refused(hook.bring(notice(), Waits()))

            sent = {name.lower() for one in there.got for name in one.headers}
            assert len(there.got) == 2
            assert sent & {"cookie", "authorization"} == set()

    loopback.run(work())


async def test_aside_it_takes_real_time_and_says_the_same() -> None:
    """Where the run's own time is virtual, a try is made on a loop of its own."""
    with receiving.receiver(statuses(404)) as there:
        once = deliveries.aside(webhook(there.url).send)
        with pytest.raises(RemoteError, match="ops answered 404"):
            await once(notice())
        await once(notice())

    assert there.ids == ["osm-1.2.6/7"]


def test_where_time_stands_still_nobody_takes_more_of_it_than_a_little() -> None:
    """A receiver that hangs, over hours of virtual time: two tries of ours, and no more."""
    waits = Waits()

    async def work(url: str) -> None:
        once = deliveries.aside(webhook(url, limit_s=0.2).send, budget_s=0.3)
        await refused(Delivery(once=once).bring(notice(), waits))

    with receiving.receiver(hang) as there:
        began_s = time.monotonic()
        loopback.run(work(there.url))
        took_s = time.monotonic() - began_s

    assert len(there.got) == 2
    assert len(waits.found) > 60
    assert took_s < 15


def test_who_may_come_again_is_told_apart_from_who_is_asked_to_wait() -> None:
    async def outcome(answer: receiving.Answer) -> type[RemoteError]:
        async with receive(answer) as there:
            return type(await refused(webhook(there.url).send(notice())))

    assert loopback.run(outcome(statuses(503))) is TransientError
    assert loopback.run(outcome(statuses(503, Retry_After="3"))) is ThrottledError


def test_a_webhook_shows_nobody_its_address_and_key() -> None:
    shown = repr(webhook(f"https://hooks.example/{CANARY}", proxy=URL("http://u:pw@proxy")))

    assert "ops" in shown
    assert not any(one in shown for one in (CANARY, "example", "pw", repr(signatures.key_of(KEY))))


def test_who_is_interrupted_leaves_nothing_behind() -> None:
    async def work() -> Receiver:
        async with receive(hang) as there:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(3):
                    await webhook(there.url).send(notice())
            return there

    assert len(loopback.run(work()).got) == 1
