r"""Secrets taken out of text: those we know, and those that look like one.

A value that we know (a protected setting, a client secret) is found as it is,
as JSON and URLs spell it, and inside base64. A value that we do not know is
found by its company: ``Bearer``, ``password=``, ``&sig=``, the first letters of
a JWT. Which events may be changed at all is the journal's decision
(:mod:`fleet.journal.records`).

Known values, by length (of the value without blanks around it):

* under 4 characters, they are replaced where they are a whole text, and not
  inside one: ``no`` stands in half of all sentences;
* from 4, wherever they stand in a text; from 8, inside base64 too;
* the words of :data:`NOT_SECRET` never: extensions take ``true`` as a protected
  setting, and nothing is betrayed by printing it;
* of a value of many lines (a key, a kubeconfig), each long unbroken line as well.

Shapes:  what is taken out becomes :data:`MARK`.
"""

from __future__ import annotations

import base64
import json
import re
import urllib.parse
from collections.abc import Collection, Iterable, Iterator
from typing import Any

MARK = "***"

NOT_SECRET = frozenset(
    {"true", "false", "yes", "no", "on", "off", "none", "null", "default", "enabled", "disabled"}
)

_MIN_PART = 4
_MIN_BASE64 = 8
_MIN_LINE = 16

_NAMES = (
    r"pass(?:word|wd|phrase)|pwd|secret|token|credentials?"
    r"|client[_-]?(?:secret|assertion)"
    r"|api[_-]?key"
    r"|(?:account|shared[_-]?access|access|private|primary|secondary|storage)[_-]?key"
    r"|connection[_-]?string"
)
_SECRET_KEY = re.compile(rf"(?:{_NAMES})$", re.IGNORECASE)

# A quote may be escaped, however often: messages carry JSON that carries JSON.
_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
            re.DOTALL,
        ),
        MARK,
    ),
    # Source: RFC 7519: the header of a JWT opens with `{"`, which base64 spells eyJ.
    (re.compile(r"eyJ[\w-]{5,}={0,2}(?:\.[\w-]*={0,2}){0,4}"), MARK),
    # NB: without the digit, "Bearer authentication is required" would lose its noun.
    (re.compile(r"(\bBearer\s+)(?=[A-Za-z._~+/-]*\d)[\w.~+/-]{8,}=*", re.IGNORECASE), rf"\1{MARK}"),
    (
        re.compile(
            r"(\bAuthorization[\\\"']*\s*[:=]\s*[\\\"']*)(?:\w+\s+)?[^\s\"'\\,;]+", re.IGNORECASE
        ),
        rf"\1{MARK}",
    ),
    (re.compile(r"(\bSharedAccessSignature[\s=]+)[^\s\"'\\,;]+", re.IGNORECASE), rf"\1{MARK}"),
    # The signed parts of a SAS, and of the operation URLs of Resource Manager (t, c, s, h).
    (
        re.compile(
            r"((?:[?&]|&amp;|\\u0026|%26)(?:sig|signature|code|[tcsh])(?:=|%3D))[^&\s\"'<>\\)]+",
            re.IGNORECASE,
        ),
        rf"\1{MARK}",
    ),
    (re.compile(r"(://[^\s/:@\"']*:)[^\s/@\"']+(?=@)"), rf"\1{MARK}"),
    (
        re.compile(
            rf"((?:{_NAMES})(?:\\*[\"'])?\s*(?:[:=]|%3D)\s*)"
            r"(?:(\\*[\"'])(?:(?!(?<!\\)\2).)+|(?![{\[])[^\s\"'\\&,;)}\]]+)",
            re.IGNORECASE | re.DOTALL,
        ),
        rf"\1\2{MARK}",
    ),
)

# What any of the rules needs, in lower case: a record without one of these is clean.
_TRIGGERS = (
    "pass", "pwd", "secret", "token", "credential", "assertion", "key", "connection",
    "eyj", "bearer", "authorization", "sharedaccess", "=", "%3d", "://",
)  # fmt: skip


class Redactor:
    """Takes secrets out of text, for one set of known values."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        values = {value for text in secrets for value in _values(text)}
        self._short = frozenset(value for value in values if len(value) < _MIN_PART)
        parts = {
            spelling
            for value in values
            if len(value) >= _MIN_PART
            for spelling in _spellings(value)
        }
        self._parts = tuple(sorted(parts, key=lambda part: (-len(part), part)))
        self._whole = frozenset(value for value in values if _MIN_PART <= len(value) < _MIN_BASE64)
        self._inside = tuple(part for part in self._parts if len(part) >= _MIN_BASE64)
        self._needles = _needles([*self._parts, *self._short])

    def text(self, text: str) -> str:
        """Return *text* without secrets.

        >>> Redactor(["hunter2!"]).text("hunter2! was wrong; try ?sig=abc%2F&x=1")
        '*** was wrong; try ?sig=***&x=1'
        """
        if text in self._short:
            return MARK
        text = self._without_known(text)
        for pattern, replacement in _RULES:
            text = pattern.sub(replacement, text)
        return text

    def encoded(self, body: bytes, *, keep: Collection[str] = ()) -> bytes:
        """Return the JSON object *body* without secrets; as it is where there are none.

        Args:
            body: Canonical JSON; so is what comes back.
            keep: Keys of the object whose values are never changed.
        """
        if not self._is_suspect(body):
            return body
        record: dict[str, Any] = json.loads(body)
        clean = {
            key: value if key in keep else self._value(value, key) for key, value in record.items()
        }
        return body if clean == record else _canonical(clean)

    def found(self, value: object, *, path: str = "$") -> str | None:
        """Return where a known value stands in a JSON *value*; ``None`` where none does.

        Values under 8 characters count only as a whole text (inside ids and
        digests they turn up by chance), and those under 4 not at all.
        """
        if isinstance(value, str):
            is_found = value in self._whole or any(part in value for part in self._inside)
            return path if is_found else None
        items = value.items() if isinstance(value, dict) else _numbered(value)
        return next(
            filter(None, (self.found(one, path=path + name) for name, one in _paths(items))), None
        )

    def knows(self, body: bytes) -> bool:
        """Whether a known value may stand in JSON; cheap, and never wrongly no."""
        text = body.decode()
        return any(needle in text for needle in self._needles)

    def _is_suspect(self, body: bytes) -> bool:
        # As text: searching bytes takes twice as long, and this runs for every event.
        text = body.decode()
        lower = text.lower()
        return any(word in lower for word in _TRIGGERS) or any(
            needle in text for needle in self._needles
        )

    def _value(self, value: Any, key: str) -> Any:
        match value:
            case str():
                return MARK if value and _SECRET_KEY.search(key) else self.text(value)
            case dict():
                return {self._without_known(k): self._value(v, k) for k, v in value.items()}
            case list():
                return [self._value(one, key) for one in value]
            case _:
                return value

    def _without_known(self, text: str) -> str:
        spans = sorted(span for part in self._parts for span in _spans(text, part))
        clean, done = "", 0
        for start, end in spans:
            if start >= done:
                clean += text[done:start] + MARK
            # Values may overlap: what is left of the second one goes with the first.
            done = max(done, end)
        return clean + text[done:]


def _values(secret: str) -> Iterator[str]:
    """Yield what is secret about *secret*: itself, without blanks, and its long lines."""
    for value in (secret, secret.strip()):
        if value.strip() and value.strip().lower() not in NOT_SECRET:
            yield value
    if len(lines := secret.split()) > 1:
        yield from (line for line in lines if len(line) >= _MIN_LINE)


def _spellings(value: str) -> set[str]:
    """Return the ways *value* may be written in a text."""
    plain = {
        value,
        *_in_json(value),
        *(twice for once in _in_json(value) for twice in _in_json(once)),
    }
    # NB: a variable of the environment may hold what is no UTF-8.
    quoted = {
        quote(value, safe, errors="surrogatepass")
        for quote, safe in (
            (urllib.parse.quote, "/"),
            (urllib.parse.quote, ""),
            (urllib.parse.quote_plus, ""),
        )
    }
    lower = {re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), one) for one in quoted}
    return plain | quoted | lower | set(_in_base64(value))


def _in_json(value: str) -> set[str]:
    return {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}


def _in_base64(value: str) -> Iterator[str]:
    """Yield what base64 of any text around *value* must contain.

    Three bytes make four letters, so there are three ways to stand in it; the
    letters at the ends depend on the neighbours, and are left out.
    """
    data = value.encode("utf-8", "surrogatepass")
    if len(data) < _MIN_BASE64:
        return
    for offset in range(3):
        whole = base64.b64encode(bytes(offset) + data).decode().rstrip("=")
        first = (0, 2, 3)[offset]
        last = len(whole) - ((offset + len(data)) % 3 > 0)
        yield whole[first:last]
        yield whole[first:last].translate(str.maketrans("+/", "-_"))


def _needles(parts: Iterable[str]) -> tuple[str, ...]:
    """Return what encoded JSON contains wherever its text contains one of *parts*."""
    return tuple(sorted({one for part in parts for one in _in_json(part)}))


def _spans(text: str, part: str) -> Iterator[tuple[int, int]]:
    start = text.find(part)
    while start >= 0:
        yield start, start + len(part)
        start = text.find(part, start + 1)


def _numbered(value: object) -> Iterable[tuple[int, object]]:
    return enumerate(value) if isinstance(value, list) else ()


def _paths(items: Iterable[tuple[str | int, object]]) -> Iterator[tuple[str, object]]:
    for key, one in items:
        yield f"[{key}]" if isinstance(key, int) else f".{key}", one


def _canonical(value: object) -> bytes:
    # NB: byte for byte what `fleet.core.chain.canonical` makes of the same value (a test says so).
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()
