"""Answers gone bad: what Hypothesis makes of a good one, and a client that is answered with it.

A good answer is rotted in one to three places of its JSON, as a whole, or in a
header that is read. Nothing listens: the answers are put where those of the
client's session would come from, so that thousands of them take seconds.

Shapes:  a place is a path into the JSON, such as ``("data", 0, "id")``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any, cast

import aiohttp
import yarl
from azure.mgmt.resourcegraph.aio import ResourceGraphClient
from hypothesis import strategies as st

from fleet.azure import clouds
from fleet.azure.audiences import Audiences
from fleet.azure.credentials import Credential, Kind
from fleet.azure.graph import Graph
from fleet.azure.principals import Principal, Principals
from fleet.azure.service import AzureService
from fleet.azure.simulated import SimulatedIssuer
from fleet.azure.tokens import Tokens
from fleet.azure.wire import Wire
from fleet.net.network import Network
from fleet.ports import Clock
from tests.rig import scripted
from tests.rig.scripted import TOKEN_PATH, Got, Say, SkippingClock

Place = tuple[str | int, ...]

SECRET = "hunter2-of-the-answer"  # noqa: S105 - what no message may hold
LONG = 10_000_000
"""Characters of the longest text."""


class Raw(bytes):
    """JSON text as it is to stand there, whether it is JSON or not."""


class Twice(bytes):
    """The same behind the good value, under the same key once more."""


REMOVED = Raw(b"")


def _text(value: str) -> Raw:
    return Raw(json.dumps(value).encode())


WRONG_TYPES = tuple(
    map(
        Raw,
        (
            b"null",
            b"true",
            b"false",
            b"0",
            b"7",
            b"-1",
            b"1.5",
            b"[]",
            b"{}",
            b'[{"a": [1]}]',
            b'{"a": {"b": 1}}',
            b'["x", null, 3]',
        ),
    )
)
NUMBERS = tuple(
    map(
        Raw,
        (b"1000000000000", b"9" * 30, b"9" * 5000, b"1e300", b"1e400", b"-1e400", b"NaN", b"-0.0"),
    )
)
TEXTS = (
    *map(
        _text,
        (
            "",
            " ",
            "Retiring",
            "weekly",
            "true",
            "False",
            "a\nb\r\x00c\x1b[31m",
            "\N{ARABIC-INDIC DIGIT THREE}" * 3,
            "1e999999999",
            "1e400",
            "9" * 400,
            "9" * 5000,
            "0001-01-01T00:00:00+23:59",
            "9999-12-31T23:59:59-23:59",
            "2026-13-45T99:00:00Z",
            "*a" * 40 + "*b",
            "http://trap.invalid/stolen?s=1",
            "/subscriptions/other/resourceGroups/x",
            f"password={SECRET}",
            "SPOILED " * 1000,
        ),
    ),
    Raw(b'"\\ud800"'),
    Raw(b'"\xff\xfe"'),
)
DEEP = (
    Raw(b"[" * 300 + b"]" * 300),
    Raw(b"[" * 1000 + b"]" * 1000),
    Raw(b"[" * 5000 + b"]" * 5000),
    Raw(b'{"details":[' * 480 + b"]}" * 480),
    Raw(b'{"a":' * 1000 + b"1" + b"}" * 1000),
)
HUGE = Raw(b'"' + b"SPOILED " * (LONG // 8) + b'"')

spoils: st.SearchStrategy[Raw | Twice] = st.one_of(
    st.just(REMOVED),
    st.sampled_from(WRONG_TYPES),
    st.sampled_from(NUMBERS),
    st.sampled_from(TEXTS),
    st.sampled_from(DEEP),
    st.sampled_from((*WRONG_TYPES, *TEXTS)).map(Twice),
    st.integers(0, 40).map(lambda one: HUGE if one == 40 else Raw(b'"SPOILED"')),
)
HEADERS = (
    "Retry-After",
    "retry-after-ms",
    "Azure-AsyncOperation",
    "Location",
    "Date",
    "Content-Type",
    "WWW-Authenticate",
    "x-ms-ratelimit-remaining-subscription-reads",
    "x-ms-ratelimit-remaining-subscription-global-reads",
    "x-ms-ratelimit-remaining-subscription-writes",
    "x-ms-user-quota-remaining",
    "x-ms-user-quota-resets-after",
    "x-ms-operation-identifier",
    "x-ms-routing-request-id",
    "x-ms-correlation-request-id",
    "x-ms-tenant-subscription-limit-hit",
    "x-ms-failure-cause",
)
VALUES = (
    "",
    "0",
    "-5",
    "3",
    "999999999",
    "9" * 400,
    "1e9",
    "nan",
    "inf",
    "\N{ARABIC-INDIC DIGIT THREE}",
    "99:99:99",
    "999:99:99",
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "Fri, 31 Dec 9999 23:59:59 -2300",
    "Sat, 01 Jan 0001 00:00:00 +2300",
    "Sat, 01 Jan 0001 00:00:00 GMT",
    "Mon, 99 Foo 2026 99:99:99 GMT",
    "http://trap.invalid/stolen",
    "text/html; charset=no-such",
    "//",
    "a/b/c/d",
    "gateway",
    "x" * 8000,
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Rotten:
    """An answer, and what is wrong with it."""

    say: Say
    places: tuple[Place, ...] = ()
    """Where its JSON was good before."""
    is_whole: bool = False
    """Whether its body is no longer the one that it was."""
    shown: str = ""
    """How it begins, for whoever reads of a failure: the whole may be 10 MB."""

    def __repr__(self) -> str:
        return f"<rotten at {self.places or 'its body or a header'}: {self.shown}>"

    def _repr_pretty_(self, printer: Any, _is_circular: bool) -> None:
        """Be written like this by Hypothesis too, which writes data classes its own way."""
        printer.text(repr(self))

    def spares(self, *places: Place) -> bool:
        """Whether nothing at, above or below *places* was touched."""
        return not self.is_whole and not any(
            one[: len(other)] == other or other[: len(one)] == one
            for one in self.places
            for other in places
        )

    @property
    def document(self) -> Any:
        """The JSON, as a reader sees it that is not ours; of twofold keys the last."""
        return json.loads(self.say.body)


@st.composite
def rotten(draw: st.DrawFn, good: Say) -> Rotten:
    """Return *good*, rotted somewhere."""
    match draw(st.sampled_from(("places", "places", "places", "places", "body", "header"))):
        case "body":
            said = dataclasses.replace(good, body=draw(_bodies(good)))
            return Rotten(say=said, is_whole=True, shown=_shown(said))
        case "header":
            name, value = draw(st.sampled_from(HEADERS)), draw(st.sampled_from(VALUES))
            body = _encoded(good.body, {})
            headers = {**good.headers, name: value}
            said = dataclasses.replace(good, body=body, headers=headers)
            return Rotten(say=said, shown=f"{name}: {value[:60]}")
        case _:
            every = list(places_of(good.body))
            chosen = draw(st.lists(st.sampled_from(every), min_size=1, max_size=3, unique=True))
            spoiled = {place: draw(spoils) for place in chosen}
            said = dataclasses.replace(good, body=_encoded(good.body, spoiled))
            return Rotten(say=said, places=tuple(chosen), shown=_shown(said))


def _shown(say: Say) -> str:
    return repr(say.body[:2000])


def _bodies(good: Say) -> st.SearchStrategy[bytes]:
    sound = _encoded(good.body, {})
    return st.one_of(
        st.integers(0, len(sound) - 1).map(lambda end: sound[:end]),
        st.sampled_from(
            (
                b"",
                b" \r\n",
                b"null",
                b"[]",
                b"7",
                b'"ok"',
                b"{}",
                b"[" + sound + b"]",
                b"\xef\xbb\xbf" + sound,
                sound.decode().encode("utf-16"),
                sound + sound,
                b"\xff\xfe\x00",
                b"<html><body>" + b"SPOILED " * 200 + b"</body></html>",
                b"SPOILED " * 200,
                *DEEP,
            )
        ),
        st.integers(0, 20).map(lambda one: HUGE if one == 20 else b"{"),
    )


def places_of(value: Any, above: Place = ()) -> Iterator[Place]:
    """Yield every place in a JSON value, outer ones first."""
    if above:
        yield above
    inner: Any = value.items() if isinstance(value, dict) else ()
    if isinstance(value, list):
        inner = enumerate(value)
    for key, one in inner:
        yield from places_of(one, (*above, key))


def _encoded(value: Any, spoiled: Mapping[Place, bytes], at: Place = ()) -> bytes:
    found = spoiled.get(at)
    if isinstance(found, Raw):
        return found
    if isinstance(value, dict):
        parts = [part for key in value for part in _members(value, key, spoiled, at)]
        return b"{" + b",".join(parts) + b"}"
    if isinstance(value, list):
        items = (_encoded(one, spoiled, (*at, number)) for number, one in enumerate(value))
        return b"[" + b",".join(one for one in items if one) + b"]"
    return json.dumps(value).encode()


def _members(
    value: Mapping[str, Any], key: str, spoiled: Mapping[Place, bytes], at: Place
) -> Iterator[bytes]:
    own = _encoded(value[key], spoiled, (*at, key))
    if own:
        yield _text(key) + b":" + own
    again = spoiled.get((*at, key))
    if isinstance(again, Twice):
        yield _text(key) + b":" + again


# --- a client that is answered without a network -----------------------------------------

URL = "http://127.0.0.1:9"


class Door:
    """Where answers come from: routes as :class:`tests.rig.scripted.Scripted` has them."""

    def __init__(self) -> None:
        self.got: list[Got] = []
        self._routes: list[tuple[str, str, Callable[[Got], Say]]] = []
        self.on("POST", TOKEN_PATH, scripted.token())

    def on(self, method: str, part: str, answer: Say | Callable[[Got], Say]) -> None:
        """Answer requests whose path contains *part*; what was said last goes first."""
        say = (lambda _: answer) if isinstance(answer, Say) else answer
        self._routes.insert(0, (method, part, say))

    def request(
        self,
        method: str,
        url: yarl.URL,
        *,
        headers: Mapping[str, str],
        data: bytes | None,
        **_: Any,
    ) -> contextlib.AbstractAsyncContextManager[_Response]:
        """Stand in for a session's method of that name."""
        return _arriving(self._answered(method, str(url), headers, data))

    async def _send_request(self, sent: Any) -> _SdkResponse:
        """Stand in for the Resource Graph client's."""
        say = self._answered(sent.method, sent.url, dict(sent.headers), sent.content)
        return _SdkResponse(status_code=say.status, headers=say.headers, content=_payload(say))

    def _answered(
        self, method: str, url: str, headers: Mapping[str, str], data: bytes | None
    ) -> Say:
        assert url.startswith(f"{URL}/"), "a request left for another host"
        got = Got(
            method=method,
            path=url.removeprefix(URL),
            headers={name.lower(): value for name, value in headers.items()},
            body=data or b"",
            connection=1,
        )
        self.got.append(got)
        for own, part, say in self._routes:
            if own == method and part in got.path:
                return say(got)
        return Say(status=501, body={"error": {"code": "NotScripted", "message": got.path}})


@dataclasses.dataclass(frozen=True, slots=True)
class _Response:
    status: int
    headers: Mapping[str, str]
    body: bytes

    async def read(self) -> bytes:
        return self.body


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _SdkResponse:
    status_code: int
    headers: Mapping[str, str]
    content: bytes


@contextlib.asynccontextmanager
async def _arriving(say: Say) -> AsyncIterator[_Response]:
    yield _Response(say.status, say.headers, _payload(say))


def _payload(say: Say) -> bytes:
    if isinstance(say.body, bytes):
        return bytes(say.body)  # as it is read from a socket, and no kind of it
    return b"" if say.body is None else json.dumps(say.body).encode()


def answered_by(door: Door, clock: Clock | None = None) -> AzureService:
    """Return the real client, with *door* in the place of its network."""
    place = clouds.place(cloud=None, endpoint=URL, audience=None)
    clock = clock or SkippingClock()
    opened = cast("aiohttp.ClientSession", door)
    issuer = SimulatedIssuer(place, opened=opened, clock=clock)
    credential = Credential(kind=Kind.SIMULATOR)
    principals = Principals(
        [Principal(credential=credential, tokens=Tokens(issuer, clock=clock, hint="Log in."))]
    )
    network = Network(call_limit_s=5)
    wire = Wire(place, opened=opened, principals=principals, clock=clock, network=network)
    graph = Graph(wire, cast("ResourceGraphClient", door), call_limit_s=5)

    async def issuer_for(_audience: str) -> SimulatedIssuer:
        return issuer

    audiences = Audiences(issuer_for, clock=clock, hint="Log in.")
    return AzureService(wire, graph, kind=Kind.SIMULATOR, audiences=audiences)


def page(rows: Sequence[Any], *, after: str | None = None, total: int | None = None) -> Say:
    """Return a page of Resource Graph."""
    body: dict[str, Any] = {
        "totalRecords": len(rows) if total is None else total,
        "count": len(rows),
        "resultTruncated": "false",
        "data": list(rows),
        "facets": [],
    }
    return Say(body={**body, "$skipToken": after} if after else body)
