"""A TOML file as a :class:`~fleet.spec.document.Document`: plain data, and where its keys stand.

The parser of the standard library says what a text means, and not where: lines are looked through
a second time for that. A key that is written in some other way than on a line of its own has the
place of the table it is in.

Errors:  :exc:`~fleet.spec.problems.SpecError`, and nothing else, whatever the bytes.
Source:  https://toml.io/en/v1.0.0
"""

from __future__ import annotations

import contextlib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

from fleet.spec import document as documents
from fleet.spec.document import Document
from fleet.spec.flaws import Flaw, Path, Position, below
from fleet.spec.nodes import Place
from fleet.spec.problems import Problem, SpecError

MAX_CHARACTERS = 100_000
"""The parser's time grows faster than the text; no such file is near that."""

_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')"""
_KEY = rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*"
_TABLE = re.compile(rf"[ \t]*\[[ \t]*({_KEY})[ \t]*\]")
_ITEM = re.compile(rf"[ \t]*\[\[[ \t]*({_KEY})[ \t]*\]\]")
_PAIR = re.compile(rf"[ \t]*({_KEY})[ \t]*=[ \t]*(.*)")
_WHERE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_SCALAR = re.compile(r"""("(?:[^"\\]|\\.)*"|'[^']*'|[^\s\[{"'#][^#]*)""")


def read(path: FilePath) -> Document:
    """Read a file, for :func:`fleet.spec.document.validate` to check."""
    text = documents.text_of(path)
    if len(text) > MAX_CHARACTERS:
        message = f"longer than {MAX_CHARACTERS} characters"
        raise SpecError([Problem(str(path), 0, 0, "", message, "nothing was read")])
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        flaw = _no_toml(str(error), text)
    except (ValueError, RecursionError):
        flaw = Flaw(path=(), message="nested too deep, or a number too long")
    else:
        return Document(path=path, text=text, data=data, places=_places(text, data))
    return Document(path=path, text=text, data=None, places={}, flaws=(flaw,), is_complete=False)


def _no_toml(told: str, text: str) -> Flaw:
    where = _WHERE.search(told)
    said = told[: where.start()] if where else told
    position = _position(where, text) if where else None
    return Flaw(
        path=(), message=f"this is not TOML: {said[:1].lower()}{said[1:]}", position=position
    )


def _position(where: re.Match[str], text: str) -> Position:
    if where[1] is not None:
        return int(where[1]), int(where[2])
    lines = text.rstrip().split("\n")
    return len(lines), len(lines[-1]) + 1


def _places(text: str, data: Any) -> dict[Path, Place]:
    places: dict[Path, Place] = {}
    table: Path = ()
    counts: dict[Path, int] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if found := _ITEM.match(line):
            parts = _parts(found[1])
            counts[parts] = counts.get(parts, 0) + 1
            path = table = _resolved(parts, counts)
            source = None
        elif found := _TABLE.match(line):
            path = table = _resolved(_parts(found[1]), counts)
            source = None
        elif found := _PAIR.match(line):
            path = (*table, *_parts(found[1]))
            scalar = _SCALAR.match(found[2])
            source = scalar[1].strip() if scalar else None
        else:
            continue
        # NB: a line within a text of several lines may look like a pair; it leads nowhere.
        if below(data, *path) is not None and path not in places:
            places[path] = _place(found, number, source)
    return places


def _resolved(parts: Path, counts: Mapping[Path, int]) -> Path:
    """Return where a table is: below the last of the items that its name is below."""
    path: Path = ()
    for n, part in enumerate(parts, start=1):
        path = (*path, part, counts[parts[:n]] - 1) if parts[:n] in counts else (*path, part)
    return path


def _place(found: re.Match[str], line: int, source: str | None) -> Place:
    key = (line, found.start(1) + 1)
    value = (line, found.start(2) + 1) if found.re is _PAIR else key
    return Place(key, value, source)


def _parts(key: str) -> Path:
    # A key's text is the text of a value with the same quotes.
    parts = re.findall(_PART, key)
    with contextlib.suppress(tomllib.TOMLDecodeError):
        return tuple(str(_plain(part)) for part in parts)
    return ()


def _plain(part: str) -> Any:
    return tomllib.loads(f"key = {part}")["key"] if part[0] in "\"'" else part
