from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import socket
import ssl
import traceback
from collections.abc import Awaitable, Iterator
from pathlib import Path

import aiohttp
import pytest
import trustme

from fleet import __version__
from fleet.azure import clouds, service
from fleet.azure.requests import Request
from fleet.azure.transport import exchange, session
from fleet.errors import (
    AuthError,
    FleetError,
    InputError,
    LostAnswerError,
    RemoteError,
    ThrottledError,
    TransientError,
    UnexpectedPayloadError,
)
from fleet.model.cluster import ClusterId
from fleet.model.plan import AZURES, Verb
from fleet.model.scope import Scope
from fleet.net.network import Network
from fleet.ports import ExtensionRef, Write
from tests.rig.scripted import (
    IDS,
    TOKEN_PATH,
    Got,
    Say,
    Scripted,
    SkippingClock,
    failure,
    jwt,
    serving,
    speaking,
    token,
)

CLUSTER = ClusterId(
    "/subscriptions/s1/resourceGroups/rg/providers/Microsoft.Kubernetes/connectedClusters/c1"
)
REF = ExtensionRef(cluster_id=CLUSTER, name="osm")
MISSING = failure(404, "ResourceNotFound", "Extension instance with name 'osm' not found.")
CLOSED = "http://127.0.0.1:9"


def write(verb: Verb = Verb.PATCH) -> Write:
    return Write(
        verb=verb,
        extension_type="microsoft.openservicemesh",
        namespace="arc-osm-system",
        location="westeurope",
        version="1.2.6",
    )


def everywhere(server: Scripted, say: Say) -> None:
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        server.on(method, "/extensions/osm", say)


# --- what is sent ------------------------------------------------------------------------


async def test_every_request_names_us_and_can_be_found_in_the_services_log() -> None:
    async with speaking() as line:
        everywhere(line.server, failure(400, "Bad"))
        with pytest.raises(RemoteError):
            await line.azure.write(REF, write(Verb.PUT), IDS)
        sent = line.server.sent("PUT")[0].headers

    assert {
        name: sent[name]
        for name in (
            "user-agent",
            "accept",
            "content-type",
            "x-ms-correlation-request-id",
            "x-ms-client-request-id",
            "x-ms-return-client-request-id",
        )
    } == {
        "user-agent": f"arc-fleet/{__version__}",
        "accept": "application/json",
        "content-type": "application/json",
        "x-ms-correlation-request-id": IDS.correlation_id,
        "x-ms-client-request-id": IDS.client_request_id,
        "x-ms-return-client-request-id": "true",
    }
    assert sent["authorization"].startswith("Bearer ")


async def test_a_proxy_of_the_environment_is_not_for_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving() as trap:
        monkeypatch.setenv("HTTP_PROXY", trap.url)
        async with speaking() as line:
            line.server.on("GET", "/extensions/osm", MISSING)
            await line.azure.get(REF, IDS)

        assert (len(line.server.sent("GET")), trap.got) == (1, [])


async def test_a_proxy_of_the_environment_is_used_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It refuses the tunnel, so nothing is sent."""
    async with serving() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        place = clouds.place(cloud=None, endpoint=None, audience=None)
        request = Request(method="PUT", url=f"{place.url}/x", what="a test")
        async with session(place, network=Network(call_limit_s=5)) as opened:
            with pytest.raises(TransientError, match="nothing was sent"):
                await exchange(opened, request, {})

        assert [(one.method, one.path) for one in proxy.got] == [
            ("CONNECT", "management.azure.com:443")
        ]


# --- a write leaves once -----------------------------------------------------------------


async def raw(opened: aiohttp.ClientSession, url: str, method: str) -> int:
    async with opened.request(method, url) as response:
        await response.read()
        return response.status


def closing_after_the_first(server: Scripted) -> None:
    """Answer on a fresh connection, and hang up on one that was kept alive."""
    seen: set[int] = set()

    def answer(got: Got) -> Say:
        is_kept = got.connection in seen
        seen.add(got.connection)
        return Say(hangs_up=True) if is_kept else MISSING

    for method in ("GET", "PUT", "PATCH", "DELETE"):
        server.on(method, "/", answer)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_aiohttp_by_itself_would_send_a_write_twice(method: str) -> None:
    """What the next test guards against; should this fail one day, the guard can go."""
    async with serving() as server, aiohttp.ClientSession() as opened:
        closing_after_the_first(server)
        await raw(opened, server.url + "/", "GET")
        await raw(opened, server.url + "/", method)

        assert len(server.sent(method)) == 2


@pytest.mark.parametrize("verb", AZURES)
async def test_a_write_on_a_connection_that_turns_out_closed_leaves_once(verb: Verb) -> None:
    async with speaking() as line:
        await line.azure.identity()
        closing_after_the_first(line.server)
        await line.azure.get(REF, IDS)  # its connection is kept
        with pytest.raises(LostAnswerError) as caught:
            await line.azure.write(REF, write(verb), IDS)

        assert len(line.server.sent(verb.name)) == 1
    assert caught.value.correlation_id == IDS.correlation_id


async def test_a_read_on_a_connection_that_turns_out_closed_may_go_out_again() -> None:
    async with speaking() as line:
        closing_after_the_first(line.server)
        await line.azure.get(REF, IDS)

        assert await line.azure.get(REF, IDS) is None
        assert len(line.server.sent("GET")) == 3


# --- nothing was sent --------------------------------------------------------------------


@pytest.mark.parametrize("verb", AZURES)
async def test_a_refused_connection_means_that_nothing_was_sent(verb: Verb) -> None:
    async with speaking() as line:
        await line.azure.identity()
        line.azure.wire.place = dataclasses.replace(line.azure.wire.place, url=CLOSED)
        with pytest.raises(TransientError, match="nothing was sent") as caught:
            await line.azure.write(REF, write(verb), IDS)

    assert type(caught.value) is TransientError
    assert caught.value.hint == "Check the endpoint, the network and HTTPS_PROXY."


async def test_a_host_that_nobody_knows_means_that_nothing_was_sent() -> None:
    place = clouds.place(cloud=None, endpoint="http://127.0.0.1:1", audience=None)
    request = Request(method="PUT", url="http://host.invalid/", what="a test")
    async with session(place, network=Network(call_limit_s=5)) as opened:
        with pytest.raises(TransientError, match="cannot be resolved"):
            await exchange(opened, request, {})


@pytest.mark.parametrize("has_tls", [False, True], ids=["TCP", "TLS"])
async def test_a_connection_that_is_not_made_in_time_means_that_nothing_was_sent(
    has_tls: bool,
) -> None:
    network = Network(connect_limit_s=0.1)
    with full() as port, silent() as other:
        url = f"https://127.0.0.1:{other}" if has_tls else f"http://127.0.0.1:{port}"
        place = clouds.place(cloud=None, endpoint=url, audience=None)
        request = Request(method="PUT", url=f"{url}/x?sig=hidden", what="a test")
        async with session(place, network=network) as opened:
            with pytest.raises(TransientError) as caught:
                await exchange(opened, request, {})

    assert type(caught.value) is TransientError
    assert caught.value.message == "a test: nothing was sent, no connection within 0.1 s"
    assert "--connect-timeout" in str(caught.value.hint)


@contextlib.contextmanager
def full() -> Iterator[int]:
    """Yield a port of this machine that takes no more connections."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        port = listening.getsockname()[1]
        with contextlib.ExitStack() as stack:
            for _ in range(4):
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(("127.0.0.1", port))
            yield port


@contextlib.contextmanager
def silent() -> Iterator[int]:
    """Yield a port that takes connections, and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


async def test_a_proxy_that_says_nothing_means_that_nothing_was_sent() -> None:
    with silent() as port:
        network = Network(connect_limit_s=0.1, proxy=f"http://user:hidden@127.0.0.1:{port}")
        place = clouds.place(cloud=None, endpoint=None, audience=None)
        request = Request(method="PUT", url=f"{place.url}/x", what="a test")
        async with session(place, network=network) as opened:
            with pytest.raises(TransientError) as caught:
                await exchange(opened, request, {})

    assert caught.value.message == "a test: nothing was sent, no connection within 0.1 s"
    assert "hidden" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_an_answer_that_pauses_too_long_is_no_answer(method: str) -> None:
    network = Network(read_limit_s=0.1)
    with silent() as port:
        url = f"http://127.0.0.1:{port}"
        place = clouds.place(cloud=None, endpoint=url, audience=None)
        request = Request(method=method, url=f"{url}/x", what="a test")
        async with session(place, network=network) as opened:
            with pytest.raises(RemoteError, match="no answer in time") as caught:
                await exchange(opened, request, {})

    assert type(caught.value) is (LostAnswerError if method == "PUT" else TransientError)


@pytest.fixture
def ca() -> trustme.CA:
    return trustme.CA()


def context(ca: trustme.CA, host: str) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(host).configure_cert(made)
    return made


@pytest.mark.parametrize("host", ["127.0.0.1", "elsewhere.example"])
async def test_a_certificate_that_is_not_trusted_is_told_with_what_to_do(
    ca: trustme.CA, host: str, tmp_path: Path
) -> None:
    # One is by a CA that nobody named; the other is by a good one, for another host.
    ca_file = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(str(ca_file))
    trusted = ca_file if host == "elsewhere.example" else None
    async with speaking(tls=context(ca, host), ca_file=trusted) as line:
        with pytest.raises(RemoteError, match="nothing was sent, TLS failed") as caught:
            await line.azure.identity()
        await asyncio.sleep(0)

    assert type(caught.value) is RemoteError
    assert "--ca-file" in str(caught.value.hint)


async def test_a_ca_file_makes_a_private_certificate_good(ca: trustme.CA, tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(str(ca_file))
    async with speaking(tls=context(ca, "127.0.0.1"), ca_file=ca_file) as line:
        line.server.on("GET", "/extensions/osm", MISSING)

        assert await line.azure.get(REF, IDS) is None


@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_a_ca_file_that_cannot_be_used_is_the_callers_mistake(
    content: str | None, tmp_path: Path
) -> None:
    ca_file = tmp_path / "ca.pem"
    if content:
        ca_file.write_text(content)
    place = clouds.place(cloud=None, endpoint="https://127.0.0.1:1", audience=None)
    with pytest.raises(InputError, match=r"ca\.pem"):
        await service.published_time(place, clock=SkippingClock(), network=Network(ca_file=ca_file))


# --- something was sent ------------------------------------------------------------------

BROKEN = [
    pytest.param(Say(hangs_up=True), id="reset"),
    pytest.param(Say(stalls=True), id="no answer in time"),
    pytest.param(Say(breaks_off=True, body={"id": "x"}), id="half a body"),
]


@pytest.mark.parametrize("verb", AZURES)
@pytest.mark.parametrize("say", BROKEN)
async def test_a_write_without_an_answer_is_lost(verb: Verb, say: Say) -> None:
    async with speaking(call_limit_s=0.3) as line:
        everywhere(line.server, say)
        with pytest.raises(LostAnswerError) as caught:
            await line.azure.write(REF, write(verb), IDS)

        assert len(line.server.sent(verb.name)) == 1
    assert "whether it took effect is unknown" in caught.value.message


@pytest.mark.parametrize("say", BROKEN)
async def test_a_read_without_an_answer_may_pass(say: Say) -> None:
    async with speaking(call_limit_s=0.3) as line:
        everywhere(line.server, say)
        with pytest.raises(TransientError):
            await line.azure.get(REF, IDS)


NOT_JSON = [
    pytest.param(b"", id="empty"),
    pytest.param(b"<html><body>Bad Gateway secret-page</body></html>", id="html"),
    pytest.param(b'{"id": "x"', id="cut"),
    pytest.param(b"\xff\xfe", id="bytes"),
    pytest.param(b"[]", id="no object"),
    pytest.param(b"{}", id="nothing in it"),
]


@pytest.mark.parametrize("body", NOT_JSON)
@pytest.mark.parametrize("status", [200, 201])
async def test_a_write_answered_with_what_cannot_be_read_must_be_looked_up(
    body: bytes, status: int
) -> None:
    async with speaking() as line:
        everywhere(line.server, Say(status=status, body=body))
        with pytest.raises((LostAnswerError, UnexpectedPayloadError)) as caught:
            await line.azure.write(REF, write(Verb.PUT), IDS)

    assert "secret-page" not in caught.value.message


@pytest.mark.parametrize("body", NOT_JSON)
async def test_a_read_answered_with_what_cannot_be_read_says_so(body: bytes) -> None:
    async with speaking() as line:
        everywhere(line.server, Say(body=body))
        with pytest.raises(UnexpectedPayloadError) as caught:
            await line.azure.get(REF, IDS)

    assert "secret-page" not in caught.value.message


async def test_an_error_whose_body_breaks_off_is_still_that_error() -> None:
    async with speaking() as line:
        everywhere(line.server, Say(status=429, breaks_off=True, headers={"Retry-After": "7"}))
        with pytest.raises(ThrottledError) as caught:
            await line.azure.write(REF, write(), IDS)

    assert caught.value.retry_after_s == 7


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_what_is_no_http_is_told_without_the_url_or_the_token(method: str) -> None:
    hidden = "-".join(("signed", "part"))

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"SSH-2.0-Babble\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(babble, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        place = clouds.place(cloud=None, endpoint=url, audience=None)
        request = Request(method=method, url=f"{url}/operations/1?s={hidden}", what="a test")
        async with session(place, network=Network(call_limit_s=5)) as opened:
            with pytest.raises((LostAnswerError, TransientError)) as caught:
                await exchange(opened, request, {"Authorization": f"Bearer {hidden}"})

    assert isinstance(caught.value, LostAnswerError) is (method == "DELETE")
    assert hidden not in "".join(traceback.format_exception(caught.value))
    assert hidden not in repr(request)


async def test_a_redirect_is_told_and_never_followed() -> None:
    async with serving() as trap, speaking() as line:
        everywhere(line.server, Say(status=307, headers={"Location": f"{trap.url}/x"}))
        for call in (line.azure.get(REF, IDS), line.azure.write(REF, write(), IDS)):
            with pytest.raises(RemoteError, match="redirects are not followed"):
                await call

        assert trap.got == []


# --- whatever happens --------------------------------------------------------------------


@pytest.mark.parametrize(
    "say",
    [
        *BROKEN,
        *(pytest.param(Say(body=one.values[0]), id=f"200 {one.id}") for one in NOT_JSON),
        *(
            pytest.param(Say(status=status, body=body), id=f"{status} {body!r}")
            for status in (302, 400, 401, 403, 404, 408, 409, 412, 418, 429, 500, 502, 503, 504)
            for body in (None, b"<html>", {"error": None}, {"error": {"code": 1, "details": 2}})
        ),
    ],
)
async def test_only_errors_of_ours_come_out(say: Say) -> None:
    async with speaking(call_limit_s=0.2) as line:
        everywhere(line.server, say)
        for part in ("/operations/", "/connectedClusters/", "/metadata/"):
            line.server.on("GET", part, say)
        line.server.on("POST", "/providers/Microsoft.ResourceGraph", say)
        azure = line.azure
        calls: list[Awaitable[object]] = [
            azure.get(REF, IDS),
            azure.operation(f"{line.server.url}/operations/1", IDS),
            azure.cluster(CLUSTER, IDS),
            azure.write(REF, write(Verb.PUT), IDS),
            azure.write(REF, write(Verb.PATCH), IDS),
            azure.write(REF, write(Verb.DELETE), IDS),
        ]
        if not say.stalls:
            calls.append(azure.inventory(Scope(), extension_type="x", release_train=None))
        messages = [await message_of(call) for call in calls]

    assert [one for one in messages if len(one) > 1000 or "\n" in one or "<html" in one] == []


async def message_of(call: Awaitable[object]) -> str:
    """Return what went wrong; any error that is not ours goes through."""
    try:
        await call
    except FleetError as error:
        return error.message
    return ""


async def test_tokens_that_the_service_never_took_need_a_person_after_the_second() -> None:
    async with speaking() as line:
        texts = [jwt(tid="t", oid="1", iat=n) for n in range(3)]
        line.server.on("POST", TOKEN_PATH, [token(one) for one in texts])
        everywhere(line.server, failure(401, "InvalidAuthenticationToken"))
        with pytest.raises(TransientError) as first:
            await line.azure.get(REF, IDS)
        with pytest.raises(AuthError) as caught:
            await line.azure.get(REF, IDS)
        sent = [one.headers["authorization"] for one in line.server.sent("GET")]

    assert sent == [f"Bearer {one}" for one in texts[:2]]
    assert first.value.correlation_id == IDS.correlation_id
    assert caught.value.hint
    assert caught.value.correlation_id == IDS.correlation_id


async def test_a_token_that_the_service_took_before_is_fetched_anew() -> None:
    async with speaking() as line:
        line.server.on("GET", "/extensions/osm", [MISSING, failure(401, "Expired"), MISSING])
        await line.azure.get(REF, IDS)
        with pytest.raises(TransientError):
            await line.azure.get(REF, IDS)
        # The server hands out the same token, which is as good as none.
        with pytest.raises(AuthError):
            await line.azure.get(REF, IDS)

        assert len(line.server.sent("GET")) == 2
