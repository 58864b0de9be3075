"""Objects of a list, taken out of its JSON as it comes.

A page of large objects takes twenty times its text while it is a tree. So no more is kept of it
than the object that is not whole yet.

Source:  ``kind`` and ``metadata`` come before ``items`` in lists of the server's own types, and
         around them in lists of custom resources.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Generator, Iterator
from typing import Any, NoReturn

import orjson

from fleet.model.objects import Object

Steps = Generator[Object | None, None, Any]
"""Yields objects, and ``None`` where more text is needed."""

_SIGN = re.compile(r"[,:\]}\s]")
_BLANK = re.compile(r"[ \t\n\r]*")
# NB: half a character is no text, and cannot be written down. orjson refuses it, json does not.
_HALF = re.compile(r"\\u[dD][89a-fA-F]")


class Unwrapper:
    """Reads one answer."""

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._text, self._at = "", 0
        self._is_over = False
        self._rest: dict[str, Any] | None = {}
        self._steps = self._answer()

    def objects(self, part: bytes, *, is_last: bool = False) -> Iterator[Object]:
        """Yield the objects that are whole with *part*; none of what is no list."""
        if self._rest is None:
            return
        try:
            self._text = self._text[self._at :] + self._decode(part, is_last)
            self._at, self._is_over = 0, is_last
            for one in self._steps:
                if one is None:
                    return
                yield one
        except (ValueError, RecursionError):
            self._rest, self._text = None, ""

    @property
    def rest(self) -> dict[str, Any] | None:
        """All but the objects, after the last part; ``None``: it was no JSON object."""
        return self._rest

    def _answer(self) -> Steps:
        yield from self._one_of("{")
        sign = "," if (yield from self._next()) != "}" else (yield from self._one_of("}"))
        while sign == ",":
            key = yield from self._value()
            yield from self._one_of(":")
            is_list = key == "items" and (yield from self._next()) == "["
            value = yield from self._items() if is_list else self._value()
            self._put(key, value)
            sign = yield from self._one_of(",}")
        if (yield from self._next()):
            _refuse(self._text)

    def _items(self) -> Steps:
        yield from self._one_of("[")
        sign = "," if (yield from self._next()) != "]" else (yield from self._one_of("]"))
        while sign == ",":
            one = yield from self._value()
            if not isinstance(one, dict):
                _refuse("an object")
            yield one
            # NB: else it would be kept until the next one is whole.
            del one
            sign = yield from self._one_of(",]")
        return []

    def _value(self) -> Steps:
        """Return the next value, when it is whole: a number is, where a sign comes after it."""
        needed = 0
        while True:
            start = yield from self._start()
            if self._is_over or len(self._text) - start >= needed:
                try:
                    found, end = _DECODER.raw_decode(self._text, start)
                except json.JSONDecodeError:
                    if self._is_over:
                        raise
                else:
                    if self._is_whole(found, end):
                        return self._taken(found, end)
                # Twice as much: what comes in many parts is not tried with each of them.
                needed = 2 * (len(self._text) - start)
            yield None

    def _is_whole(self, found: Any, end: int) -> bool:
        is_number = isinstance(found, (int, float))
        return self._is_over or not is_number or _SIGN.match(self._text, end) is not None

    def _taken(self, found: Any, end: int) -> Any:
        if _HALF.search(self._text, self._at, end):
            found = orjson.loads(self._text[self._at : end])
        self._at = end
        return found

    def _put(self, key: Any, value: Any) -> None:
        if not isinstance(key, str):
            _refuse("a key")
        assert self._rest is not None  # noqa: S101 - nothing is read any more then
        self._rest[key] = value

    def _one_of(self, signs: str) -> Steps:
        sign = yield from self._next()
        if not sign or sign not in signs:
            _refuse(signs)
        self._at += 1
        return sign

    def _next(self) -> Steps:
        """Return the next sign, and leave it where it is; empty: there is none."""
        start = yield from self._start()
        return self._text[start : start + 1]

    def _start(self) -> Steps:
        """Go to the next sign, and return where it is."""
        while True:
            blank = _BLANK.match(self._text, self._at)
            assert blank is not None  # noqa: S101 - nothing matches as well
            self._at = blank.end()
            if self._at < len(self._text) or self._is_over:
                return self._at
            yield None


def _refuse(what: str) -> NoReturn:
    message = f"no JSON: {what}"
    raise ValueError(message)


_DECODER = json.JSONDecoder(parse_constant=_refuse)
