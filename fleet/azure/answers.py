"""What came back, and what can be read in it: JSON, an error's words, when to come again.

Units:   seconds.
Errors:  :exc:`GarbledError` where JSON is needed and there is none. Bodies are never
         quoted in messages: an error's own words are, shortened, on one line.
Source:  Azure/azure-resource-manager-rpc, common-api-details: error bodies and headers.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import email.utils
import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson

from fleet.errors import UnexpectedPayloadError

Object = Mapping[str, Any]


class GarbledError(UnexpectedPayloadError):
    """The answer is no JSON, or no object: it was cut off, or something in between made it."""


_LONGEST = 400
_DEEPEST = 8
"""Errors within errors that are read."""
_LONGEST_WAIT_S = 10.0**8
"""Three years: whoever asks for more is not waited for either way, and sums stay in bounds."""
_YEARS = range(2000, 2200)
_ID = re.compile(r"[!-~]{1,100}")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f\s]+")
# Source: ResourceRequestsThrottled, as it was seen: "... Please try again after '372' seconds."
_AFTER = re.compile(r"try again after '?(\d{1,6})'? seconds", re.IGNORECASE)
_CLOCKLIKE = re.compile(r"(\d{1,3}):(\d{2}):(\d{2})(?:\.\d+)?")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    """By lower-cased name."""
    body: bytes = dataclasses.field(repr=False)

    @property
    def correlation_id(self) -> str | None:
        """What finds this request in the service's own log."""
        found = self.headers.get("x-ms-correlation-request-id", "")
        return found if _ID.fullmatch(found) else None

    def json(self, *, what: str) -> Any:
        """Return the body as JSON.

        Args:
            what: What was asked, for the message.
        """
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            message = f"{what}: the answer ({self.status}) is {self.shape}, not JSON"
            raise GarbledError(
                message, status=self.status, correlation_id=self.correlation_id
            ) from error

    def object(self, *, what: str) -> Object:
        """Return the body as a JSON object."""
        found = self.json(what=what)
        if isinstance(found, dict):
            return found
        message = f"{what}: the answer ({self.status}) is JSON, but no object"
        raise GarbledError(message, status=self.status, correlation_id=self.correlation_id)

    @property
    def shape(self) -> str:
        """What kind of body it is, in words."""
        if not self.body.strip():
            return "an empty body"
        if "html" in self.headers.get("content-type", "").lower() or self.body.lstrip()[:1] == b"<":
            return "an HTML page"
        return f"{len(self.body)} bytes that cannot be read"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """An error as the service words it."""

    code: str = ""
    message: str = ""

    @property
    def text(self) -> str:
        """Code and message on one line, shortened; as the Azure CLI words it."""
        # NB: not "code: message": a code that ends in Token would make its message look like one.
        code = f"({self.code})" if self.code else ""
        return line(" ".join(part for part in (code, self.message) if part))


def headers_of(items: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    """Return headers by their lower-cased names; what comes more than once is one list.

    >>> headers_of([("WWW-Authenticate", "PoP"), ("www-authenticate", "Bearer x=y")])
    {'www-authenticate': 'PoP, Bearer x=y'}
    """
    found: dict[str, str] = {}
    for name, value in items:
        key = name.lower()
        found[key] = f"{found[key]}, {value}" if key in found else value
    return found


def problem_of(answer: Answer) -> Problem:
    """Return the error in *answer*; empty where it holds none that can be read."""
    try:
        body = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return Problem()
    return problem_in(body.get("error", body)) if isinstance(body, dict) else Problem()


def problem_in(error: object, *, depth: int = _DEEPEST) -> Problem:
    """Return the error in a JSON value such as ``{"code": ..., "message": ..., "details": [...]}``.

    A code that only wraps others is followed by what the details say.

    Args:
        error: The value.
        depth: How far down details within details are read.
    """
    if isinstance(error, str):
        return Problem(message=error)
    if not isinstance(error, dict):
        return Problem()
    fields = {str(key).lower(): value for key, value in error.items()}
    code, message = _text(fields.get("code")), _text(fields.get("message"))
    details = _list(fields.get("details")) if depth else ()
    inner = "; ".join(found for one in details if (found := _detail(one, depth - 1)))
    return Problem(code=code, message=f"{message} ({inner})" if inner else message)


def next_link(body: Object, what: str) -> str | None:
    """Return where a list goes on; ``None`` where it ends here.

    Args:
        body: A page.
        what: What was asked, for the message.
    """
    link = body.get("nextLink")
    if not isinstance(link, str | None):
        message = f"{what}: nextLink cannot be read"
        raise UnexpectedPayloadError(message)
    return link or None


def line(text: str, *, longest: int = _LONGEST) -> str:
    r"""Return *text* on one line, shortened in the middle of nowhere.

    >>> line("a  b\n c"), line("abcdef", longest=4)
    ('a b c', 'abc…')
    """
    flat = _CONTROLS.sub(" ", text).strip()
    if len(flat) > longest:
        flat = f"{flat[: longest - 1]}…"
    # NB: what cannot be seen may still turn the direction of what follows.
    return flat if flat.isprintable() else "".join(c if c.isprintable() else "?" for c in flat)


def retry_after_s(answer: Answer, *, now: dt.datetime) -> float | None:
    """Return how long the service asks to wait; ``None`` where it does not say, or says nothing.

    Args:
        answer: Which may carry it in one of several headers, or in words.
        now: The moment, for an HTTP date where the answer has no date of its own.
    """
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        if (found := _number(answer.headers.get(name))) is not None:
            return min(found / 1000, _LONGEST_WAIT_S) or None
    header = answer.headers.get("retry-after")
    if header is not None:
        found = _number(header)
        wait_s = (_until(header, answer, now) if found is None else found) or None
        return wait_s and min(wait_s, _LONGEST_WAIT_S)
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return quota_resets_s(answer) or _in_words(answer)
    return None


def quota_resets_s(answer: Answer) -> float | None:
    """Return when Resource Graph's quota is whole again, from its ``hh:mm:ss``."""
    found = _CLOCKLIKE.fullmatch(answer.headers.get("x-ms-user-quota-resets-after", "").strip())
    if found is None:
        return None
    hours, minutes, seconds = map(int, found.groups())
    return float(hours * 3600 + minutes * 60 + seconds) or None


def moment(header: str | None) -> dt.datetime | None:
    """Return the moment of an HTTP date."""
    try:
        return plausible(email.utils.parsedate_to_datetime(header or ""))
    except ValueError:
        return None


def plausible(found: dt.datetime) -> dt.datetime | None:
    """Return a moment in UTC; ``None`` for one that nobody can mean, such as the year 1."""
    if found.year not in _YEARS:
        return None
    return found.astimezone(dt.UTC) if found.tzinfo else found.replace(tzinfo=dt.UTC)


def _until(header: str, answer: Answer, now: dt.datetime) -> float | None:
    until = moment(header)
    if until is None:
        return None
    since = moment(answer.headers.get("date")) or now
    return max((until - since).total_seconds(), 0.0)


def _in_words(answer: Answer) -> float | None:
    found = _AFTER.search(problem_of(answer).message)
    return float(found.group(1)) if found else None


def _number(text: str | None) -> float | None:
    # NB: float() would take "nan" and "inf", too.
    if text is None or not re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text.strip()):
        return None
    return float(text)


def _detail(detail: object, depth: int) -> str:
    found = problem_in(detail, depth=depth)
    if found.code == found.message:
        found = Problem(code=found.code)
    text = ": ".join(part for part in (found.code, found.message) if part)
    place = ""
    if isinstance(detail, dict) and isinstance(detail.get("line"), int):
        character = detail.get("characterPositionInLine")
        place = f" at line {detail['line']}"
        place += f", character {character}" if isinstance(character, int) else ""
        if token := _text(detail.get("token")):
            place += f", at {token!r}"
    return text + place


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""
