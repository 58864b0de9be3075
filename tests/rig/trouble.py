"""What can come back instead of an answer, as values: :mod:`tests.rig.proxying` brings it about.

Each is either in place of the service (it was never asked, so nothing has
changed there), or *after* it: the service was asked, what it did stays done,
and only its answer suffers.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import json
from collections.abc import Callable, Mapping
from email.utils import format_datetime
from typing import Any

Headers = tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer on its way back."""

    status: int
    headers: Headers
    body: bytes = dataclasses.field(repr=False)

    def header(self, name: str) -> str | None:
        """Return the value of a header, whatever its case."""
        found = (value for key, value in self.headers if key.lower() == name.lower())
        return next(found, None)

    def with_header(self, name: str, value: str) -> Reply:
        """Return this answer with another value of a header."""
        kept = tuple(one for one in self.headers if one[0].lower() != name.lower())
        return dataclasses.replace(self, headers=(*kept, (name, value)))


class End(enum.Enum):
    """How an exchange ends."""

    ANSWERED = enum.auto()
    CUT = enum.auto()
    """Half of the body, and then the connection is gone."""
    DRIPPED = enum.auto()
    """The body comes in small pieces."""
    GARBLED = enum.auto()
    """Something comes that is no HTTP."""
    HUNG = enum.auto()
    """Nothing comes, and the connection stays open."""
    HUNG_UP = enum.auto()
    """The connection is closed without a word."""
    RESET = enum.auto()
    """The connection breaks: the other side gets ECONNRESET."""


Spoil = Callable[[Reply], Reply]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One thing that can go wrong."""

    name: str
    end: End = End.ANSWERED
    reply: Reply | None = None
    """What is answered; ``None``: what the service does."""
    is_after: bool = False
    """Whether the service is asked first."""
    spoil: Spoil | None = None
    """What becomes of the answer."""
    drip_s: float = 0.0
    """How long a body drips."""
    meanwhile: Callable[[], None] | None = None
    """What else happens when the request arrives: to its client, say."""

    def after(self) -> Trouble:
        """Return the same, when the service has done what was asked."""
        return dataclasses.replace(self, name=f"{self.name}, afterwards", is_after=True)


# --- connections -------------------------------------------------------------------------

REFUSED = Trouble(name="hung up on", end=End.HUNG_UP)
HANGS = Trouble(name="hangs", end=End.HUNG)
RESET = Trouble(name="reset", end=End.RESET)
HALF_A_BODY = Trouble(name="half a body", end=End.CUT, is_after=True)
GARBAGE = Trouble(name="no HTTP", end=End.GARBLED)


def dripping(seconds: float) -> Trouble:
    """Return an answer that takes that long to come through."""
    return Trouble(name=f"drips for {seconds} s", end=End.DRIPPED, is_after=True, drip_s=seconds)


def passing(meanwhile: Callable[[], None]) -> Trouble:
    """Return no trouble at all: the service is asked and its answer passes, and that happens."""
    return Trouble(name="passes", is_after=True, meanwhile=meanwhile)


# --- bodies ------------------------------------------------------------------------------

_HTML = b"<!DOCTYPE html><html><body><h1>Please sign in to this network</h1></body></html>"


def saying(
    status: int, body: bytes, *, content_type: str = "application/json", name: str | None = None
) -> Trouble:
    """Return an answer of one's own."""
    reply = Reply(status=status, headers=(("Content-Type", content_type),), body=body)
    return Trouble(name=name or f"{status} {body[:20].decode()!r}", reply=reply)


def html(status: int) -> Trouble:
    """Return a page that no service made."""
    return saying(status, _HTML, content_type="text/html; charset=utf-8", name=f"HTML {status}")


WRONG_JSON: Mapping[str, bytes] = {
    "half an object": b"{",
    "a list": b"[]",
    "a number as value": b'{"value": 7}',
    "text": b'"ok"',
    "null": b"null",
    "wrong types": (
        b'{"id": 7, "name": [], "properties": {"version": {}, "provisioningState": 4,'
        b' "currentVersion": [], "extensionType": 9, "configurationSettings": "none",'
        b' "statuses": {"a": 1}}, "data": "none", "status": 12, "access_token": 5,'
        b' "now": 5, "timeScale": [], "totalRecords": "many", "value": {"a": 1}}'
    ),
    "empty": b"",
    "not text": b"\xff\xfe\x00\x01",
    "deeply nested": b"[" * 5000 + b"]" * 5000,
    "NaN": b'{"status": NaN}',
}
"""Bodies of a 200 that are no answer."""


def wrong_json(kind: str, status: int = 200) -> Trouble:
    """Return one of :data:`WRONG_JSON`."""
    return saying(status, WRONG_JSON[kind], name=f"{kind} in a {status}")


def somebody_elses(version: str) -> Trouble:
    """Return a sound answer about an extension at that version, on a cluster nobody asked for."""
    cluster = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Kubernetes/connectedClusters/c"
    document = {
        "id": f"{cluster}/providers/Microsoft.KubernetesConfiguration/extensions/osm",
        "name": "osm",
        "type": "Microsoft.KubernetesConfiguration/extensions",
        "properties": {
            "extensionType": "microsoft.openservicemesh",
            "autoUpgradeMinorVersion": False,
            "releaseTrain": "stable",
            "version": version,
            "currentVersion": version,
            "provisioningState": "Succeeded",
            "configurationSettings": {},
            "configurationProtectedSettings": {},
        },
    }
    return saying(200, json.dumps(document).encode(), name="somebody else's answer")


def _said_to_be_text(reply: Reply) -> Reply:
    return reply.with_header("Content-Type", "text/plain")


def _said_to_be_packed(reply: Reply) -> Reply:
    return reply.with_header("Content-Encoding", "gzip")


def _with_a_long_header(reply: Reply) -> Reply:
    return reply.with_header("x-ms-long", "x" * 100_000)


WRONG_TYPE = Trouble(name="wrong content type", is_after=True, spoil=_said_to_be_text)
"""JSON that says it is none."""
NOT_PACKED = Trouble(name="wrong content encoding", is_after=True, spoil=_said_to_be_packed)
"""Plain text that says it is packed."""
LONG_HEADER = Trouble(name="a header of 100 KB", is_after=True, spoil=_with_a_long_header)


# --- errors, as Azure words them -----------------------------------------------------------

_GATEWAY = ("x-ms-failure-cause", "gateway")


def failing(status: int, code: str = "", message: str = "", *headers: tuple[str, str]) -> Trouble:
    """Return an error."""
    body: dict[str, Any] = {"error": {"code": code, "message": message}} if code else {}
    reply = Reply(
        status=status,
        headers=(("Content-Type", "application/json; charset=utf-8"), *headers),
        body=json.dumps(body).encode() if body else b"",
    )
    return Trouble(name=f"{status} {code}".strip(), reply=reply)


def throttled(wait_s: int | None = None, *, as_date: bool = False) -> Trouble:
    """Return a 429.

    Args:
        wait_s: What ``Retry-After`` says; ``None``: it is not there.
        as_date: Whether it says so as a moment, by the answer's own date.
    """
    headers: Headers = ()
    if wait_s is not None:
        since = dt.datetime(2026, 1, 10, 2, tzinfo=dt.UTC)
        until = format_datetime(since + dt.timedelta(seconds=wait_s), usegmt=True)
        date = ("Date", format_datetime(since, usegmt=True))
        headers = (date, ("Retry-After", until if as_date else str(wait_s)))
    made = failing(429, "TooManyRequests", "Too many requests.", *headers)
    words = "without a wait" if wait_s is None else f"for {wait_s} s"
    name = f"429 {words}{' as a date' if as_date else ''}"
    return dataclasses.replace(made, name=name)


EXPIRED = failing(
    401,
    "ExpiredAuthenticationToken",
    "The access token expiry UTC time '1/10/2026 2:00:00 AM' is earlier than current UTC time.",
    ("WWW-Authenticate", 'Bearer error="invalid_token", error_description="expired"'),
    _GATEWAY,
)
REJECTED = failing(
    401,
    "InvalidAuthenticationToken",
    "The access token is invalid.",
    ("WWW-Authenticate", 'Bearer error="invalid_token", error_description="invalid"'),
    _GATEWAY,
)
NO_CLIENT = saying(
    401,
    b'{"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret."}',
    name="401 invalid_client",
)
"""How a token service refuses."""
DENIED = failing(
    403,
    "AuthorizationFailed",
    "The client 'x' with object id 'x' does not have authorization to perform action "
    "'Microsoft.KubernetesConfiguration/extensions/write' over scope '/subscriptions/s'.",
    _GATEWAY,
)
# Source: both were recorded with the same code.
NO_EXTENSION = dataclasses.replace(
    failing(404, "ResourceNotFound", "Extension instance with name 'osm' not found."),
    name="404 of an extension",
)
NO_CLUSTER = dataclasses.replace(
    failing(
        404,
        "ResourceNotFound",
        "The Resource 'Microsoft.Kubernetes/connectedClusters/x' under resource group 'y' was not "
        "found.",
        _GATEWAY,
    ),
    name="404 of a cluster",
)
CONFLICT = failing(
    409, "Conflict", "The request cannot be processed: a conflicting operation in progress."
)
TOO_LARGE = failing(
    400, "ResponsePayloadTooLarge", "Response payload size is 20 MB, and has exceeded the limit."
)


# --- leading astray ------------------------------------------------------------------------

TRAP = "http://trap.invalid"
"""Another host: the proxy puts the address of its own trap in its place."""


def redirect(status: int = 302) -> Trouble:
    """Return a redirect to another host."""
    made = failing(status, "", "", ("Location", f"{TRAP}/stolen"))
    return dataclasses.replace(made, name=f"redirect {status}")


def _operation_elsewhere(reply: Reply) -> Reply:
    url = reply.header("Azure-AsyncOperation")
    path = (url or "").partition("://")[2].partition("/")[2]
    return reply if url is None else reply.with_header("Azure-AsyncOperation", f"{TRAP}/{path}")


def _location_elsewhere(reply: Reply) -> Reply:
    return reply.with_header("Location", f"{TRAP}/result")


def _next_page_elsewhere(reply: Reply) -> Reply:
    document = {**json.loads(reply.body), "nextLink": f"{TRAP}/next"}
    return dataclasses.replace(reply, body=json.dumps(document).encode())


def _flags_unknown(reply: Reply) -> Reply:
    document = json.loads(reply.body)
    for row in document.get("data", ()):
        for one in row.get("extensions") or ():
            own = one["properties"]
            flags = [key for key in own if key.lower() == "autoupgrademinorversion"]
            one["properties"] = {**own, **dict.fromkeys(flags, "weekly")}
    return dataclasses.replace(reply, body=json.dumps(document).encode())


FLAGS_UNKNOWN = Trouble(name="a flag like no other", is_after=True, spoil=_flags_unknown)
"""The service's own rows, but every extension in them has a flag that is neither on nor off."""
OPERATION_ELSEWHERE = Trouble(
    name="operation URL elsewhere", is_after=True, spoil=_operation_elsewhere
)
"""The service's own answer, but for an operation URL on another host."""
LOCATION_ELSEWHERE = Trouble(name="Location elsewhere", is_after=True, spoil=_location_elsewhere)
"""The service's own answer, but for a Location on another host."""
NEXT_PAGE_ELSEWHERE = Trouble(name="next page elsewhere", is_after=True, spoil=_next_page_elsewhere)
"""The service's own answer, but with a next page on another host."""
