"""A list of texts inside a TOML text, changed where it stands: all else stays, comments included.

Nothing is trusted that was not read back: what comes out says what went in, but for the list.

Source:  https://toml.io/en/v1.0.0
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

# One text, of any of TOML's four kinds, or a comment.
_TOKEN = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}'
    r'|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|#[^\n]*',
    re.DOTALL,
)
_INDENT = "    "


class UnfitError(ValueError):
    """The text cannot be changed in this way; the message says why."""


class _Span(NamedTuple):
    start: int
    end: int


def items(text: str, path: Sequence[str]) -> tuple[str, ...]:
    """Return the list at *path*; none where nothing stands there.

    Raises:
        UnfitError: The text is no TOML, or something else stands there.
    """
    found = _at(_parsed(text), path)
    if found is None:
        return ()
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        message = f"{'.'.join(path)} is no list of texts"
        raise UnfitError(message)
    return tuple(found)


def replaced(text: str, path: Sequence[str], wanted: Sequence[str]) -> str:
    r"""Return *text* with *wanted* as the list at *path*.

    What stays of the list keeps its place, and what is new comes last.

    >>> print(replaced('[a]\nb = ["x", "y"] # z', ("a", "b"), ["y", "new"]))
    [a]
    b = ["y", "new"] # z

    Raises:
        UnfitError: As of :func:`items`, or there is no way that keeps all else.
    """
    present = items(text, path)
    if list(present) == list(wanted):
        return text
    aim = _with(_parsed(text), path, list(wanted))
    for candidate in _candidates(text, path, wanted):
        if _is(candidate, aim):
            return candidate
    message = f"{'.'.join(path)} is written in a way that cannot be changed without the rest"
    raise UnfitError(message)


def _candidates(text: str, path: Sequence[str], wanted: Sequence[str]) -> Iterator[str]:
    for span in _lists(text, path[-1]):
        yield text[: span.start] + _changed(text[span.start : span.end], wanted) + text[span.end :]
    newline = "\r\n" if "\r\n" in text else "\n"
    line = f"{_INDENT}{path[-1]} = {_written(wanted)}{newline}"
    for end in _headers(text, path[:-1]):
        gap = "" if text[:end].endswith("\n") else newline
        yield text[:end] + gap + line + text[end:]
    gap = "" if not text or text.endswith("\n") else newline
    yield f"{text}{gap}[{'.'.join(path[:-1])}]{newline}{line}"


def _lists(text: str, key: str) -> Iterator[_Span]:
    """Yield where the brackets after *key* open and close, in whatever table."""
    name = rf"""["']?{re.escape(key)}["']?"""
    begin = re.compile(rf"^[^#\n=\[]*?{name}[ \t]*=[ \t]*\[", re.MULTILINE)
    for match in begin.finditer(text):
        start = match.end() - 1
        depth_end = _closed(text, start)
        if depth_end is not None:
            yield _Span(start, depth_end)


def _closed(text: str, start: int) -> int | None:
    at = start + 1
    while at < len(text):
        if text[at] == "]":
            return at + 1
        token = _TOKEN.match(text, at)
        at = token.end() if token else at + 1
    return None


def _changed(brackets: str, wanted: Sequence[str]) -> str:
    kept: list[_Span] = []
    gone: list[_Span] = []
    left = list(wanted)
    for token in _TOKEN.finditer(brackets):
        if token.group().startswith("#"):
            continue
        value = _value(token.group())
        is_kept = value in left
        (kept if is_kept else gone).append(_Span(*token.span()))
        if is_kept:
            left.remove(value)
    at = max((span.end for span in kept), default=1)
    more = ", ".join(map(_quoted, left))
    if more and kept:
        brackets = f"{brackets[:at]}, {more}{brackets[at:]}"
    for span in reversed(gone):
        shift = len(more) + 2 if more and kept and span.start >= at else 0
        brackets = _without(brackets, _Span(span.start + shift, span.end + shift))
    if more and not kept:
        brackets = f"[{more}{_comma(brackets)}{brackets[1:]}"
    return brackets


def _comma(brackets: str) -> str:
    return "," if "," in _TOKEN.sub("", brackets) else ""


def _without(brackets: str, span: _Span) -> str:
    after = re.match(r"[ \t]*,[ \t]*", brackets[span.end :])
    if after:
        return brackets[: span.start] + brackets[span.end + after.end() :]
    before = re.search(r",[ \t]*$", brackets[: span.start])
    start = before.start() if before else span.start
    return brackets[:start] + brackets[span.end :]


def _headers(text: str, table: Sequence[str]) -> Iterator[int]:
    parts = r"[ \t]*\.[ \t]*".join(rf"""["']?{re.escape(part)}["']?""" for part in table)
    header = re.compile(rf"^[ \t]*\[[ \t]*{parts}[ \t]*\][^\n]*(?:\n|\Z)", re.MULTILINE)
    for match in header.finditer(text):
        yield match.end()


def _written(values: Sequence[str]) -> str:
    return f"[{', '.join(map(_quoted, values))}]"


def _quoted(value: str) -> str:
    return json.dumps(value)


def _value(token: str) -> Any:
    try:
        return tomllib.loads(f"x = {token}")["x"]
    except tomllib.TOMLDecodeError:
        return None


def _parsed(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = f"it is no valid TOML: {str(error)[:1].lower()}{str(error)[1:]}"
        raise UnfitError(message) from None


def _is(text: str, aim: dict[str, Any]) -> bool:
    try:
        return tomllib.loads(text) == aim
    except tomllib.TOMLDecodeError:
        return False


def _at(data: Any, path: Sequence[str]) -> Any:
    for key in path:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def _with(data: Any, path: Sequence[str], value: list[str]) -> dict[str, Any]:
    copy = dict(data) if isinstance(data, dict) else {}
    copy[path[0]] = _with(copy.get(path[0]), path[1:], value) if len(path) > 1 else value
    return copy
