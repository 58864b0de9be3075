"""YAML text to plain data, with the line and column of every key and value.

YAML 1.2, core schema: ``22:00``, ``NO`` and ``2026-01-10`` are text; ``1.10``
is a number, and its text is kept so that a message can show it in quotes.
JSON is read by the same rules. What most plan files never need, and what can
be used to surprise a reader, is refused: anchors and aliases (so nothing can
expand), tags, directives, several documents, duplicate keys.

The parser's events are folded without recursion, so that depth cannot break
it; what the data *means* is not known here.

Source:  https://yaml.org/spec/1.2.2/#103-core-schema
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from fleet.spec.flaws import Flaw, Path, Position

MAX_DEPTH = 32
MAX_NODES = 100_000
HALF_CHARACTER = "an escape stands for half a character"

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
# Python refuses to read integers far beyond this; nobody means them.
_LONGEST_INTEGER = 1_000

# NB: the parser's own words may quote the file, and with it a secret; only these are passed on.
_SYNTAX: tuple[tuple[str, str, str | None], ...] = (
    ("found character '\\t'", "a tab stands where none may", "indent with spaces"),
    ("found character", "this character cannot start a value", "put the value in quotes"),
    ("mapping values are not allowed", "a colon stands where none may", "put the text in quotes"),
    ("expected <block end>", "the indentation does not fit the lines before", None),
    ("could not find expected ':'", "a key without its colon", None),
    ("found unexpected end of stream", "the file ends inside a quoted text", "close the quote"),
    ("expected ',' or", "a bracket or brace is not closed, or a comma is missing", None),
    ("found unknown escape", "an unknown escape in double quotes", "use single quotes"),
)


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands."""

    key: Position | None
    """``None`` in a list, and at the top."""
    value: Position
    source: str | None = None
    """How a scalar was written, without its quotes."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """What a text says."""

    data: Any
    """Mappings, lists, text, integers, floats, booleans, ``None``."""
    places: Mapping[Path, Place]
    flaws: tuple[Flaw, ...]
    is_complete: bool
    """Whether the end was reached; otherwise *data* is what was read until a flaw."""


class _FatalError(Exception):
    """Nothing that follows can be understood."""


def read(text: str) -> Tree:
    """Read one document."""
    builder, is_complete = _Builder(), False
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            builder.take(event)
        is_complete = True
    except _FatalError:
        pass
    except YAMLError as error:
        builder.flaws.append(_syntax_flaw(error, text))
    return Tree(
        data=builder.root,
        places=builder.places,
        flaws=tuple(builder.flaws),
        is_complete=is_complete,
    )


def joined(text: str) -> str:
    r"""Return *text* with its surrogates joined to characters.

    JSON escapes what lies beyond U+FFFF in two halves, ``"\ud83d\ude00"``; the parser leaves
    them so, and nobody can encode them later. :exc:`UnicodeDecodeError` for one half alone.
    """
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")


@dataclasses.dataclass(slots=True)
class _Frame:
    """A mapping or list that is not closed yet."""

    path: Path
    container: dict[str, Any] | list[Any]
    key: tuple[str, Position] | None = None
    """The key that waits for its value."""
    is_dropped: bool = False
    """Whether that key came twice; the first one counts."""


class _Builder:
    """Folds parser events into data."""

    def __init__(self) -> None:
        self.root: Any = None
        self.places: dict[Path, Place] = {}
        self.flaws: list[Flaw] = []
        self._stack: list[_Frame] = []
        self._node_count = 0
        self._document_count = 0

    def take(self, event: Event) -> None:
        match event:
            case DocumentStartEvent():
                self._open_document(event)
            case MappingEndEvent() | SequenceEndEvent():
                self._stack.pop()
            case MappingStartEvent() | SequenceStartEvent() | ScalarEvent() | AliasEvent():
                self._take_node(event)
            case _:
                pass

    def _open_document(self, event: DocumentStartEvent) -> None:
        self._document_count += 1
        if self._document_count > 1:
            self._refuse(event, "a second document starts here", "put it into a file of its own")
            raise _FatalError
        if event.tags or event.version not in (None, (1, 2)):
            self._refuse(event, "YAML directives are not read", "remove the lines with %")

    def _take_node(self, event: Event) -> None:
        self._node_count += 1
        if self._node_count > MAX_NODES:
            self._refuse(event, f"more than {MAX_NODES} values", None)
            raise _FatalError
        self._refuse_marks(event)
        if isinstance(event, ScalarEvent):
            self._join_halves(event)
        if self._is_at_key():
            self._take_key(event)
        elif isinstance(event, MappingStartEvent | SequenceStartEvent):
            self._open(event, {} if isinstance(event, MappingStartEvent) else [])
        elif isinstance(event, ScalarEvent):
            self._place(event, _scalar(event), source=event.value)
        else:
            self._place(event, None)

    def _refuse_marks(self, event: Event) -> None:
        # NB: neither is quoted: a password that starts with &, * or ! looks like one.
        if getattr(event, "anchor", None) is not None:
            hint = "write the value out, or put it in quotes if it starts with & or *"
            self._refuse(event, "anchors and aliases are not read", hint)
        if getattr(event, "tag", None) is not None:
            hint = "leave the tag out, or put the value in quotes if it starts with !"
            self._refuse(event, "tags are not read", hint)

    def _join_halves(self, event: ScalarEvent) -> None:
        try:
            event.value = joined(event.value)
        except UnicodeDecodeError:
            event.value = ""
            self._refuse(event, HALF_CHARACTER, None)

    def _is_at_key(self) -> bool:
        frame = self._stack[-1] if self._stack else None
        return frame is not None and isinstance(frame.container, dict) and frame.key is None

    def _take_key(self, event: Event) -> None:
        if not isinstance(event, ScalarEvent):
            self._refuse(event, "a mapping or list cannot be a key", None)
            raise _FatalError
        frame, key = self._stack[-1], event.value
        if not isinstance(_scalar(event), str):
            self._refuse(event, "a key is text", "put the key in quotes")
        frame.key = (key, _position(event))
        frame.is_dropped = key in frame.container
        if frame.is_dropped:
            self._refuse_twice((*frame.path, key), _position(event))

    def _refuse_twice(self, path: Path, position: Position) -> None:
        line, column = self.places[path].key or self.places[path].value
        self.flaws.append(
            Flaw(
                path=path,
                message="duplicate key",
                hint=f"it stands on line {line}, column {column} already",
                position=position,
            )
        )

    def _open(self, event: Event, container: dict[str, Any] | list[Any]) -> None:
        if len(self._stack) >= MAX_DEPTH:
            self._refuse(event, f"nested more than {MAX_DEPTH} levels deep", None)
            raise _FatalError
        path = self._place(event, container)
        self._stack.append(_Frame(path=path, container=container))

    def _place(self, event: Event, value: Any, *, source: str | None = None) -> Path:
        """Put *value* where it belongs; return its path."""
        if not self._stack:
            self.root = value
            self.places[()] = Place(None, _position(event), source)
            return ()
        frame, key_at = self._stack[-1], None
        if isinstance(frame.container, list):
            path: Path = (*frame.path, len(frame.container))
            frame.container.append(value)
        else:
            assert frame.key is not None  # noqa: S101 - a value follows its key
            key, key_at = frame.key
            path = (*frame.path, key)
            if not frame.is_dropped:
                frame.container[key] = value
            frame.key = None
        # NB: the parser places what is not there at the next token, lines further down.
        is_nowhere = value is None and source == ""
        value_at = (key_at if is_nowhere else None) or _position(event)
        self.places.setdefault(path, Place(key_at, value_at, source))
        return path

    def _refuse(self, event: Event, message: str, hint: str | None) -> None:
        path: Path = ()
        if self._stack:
            frame = self._stack[-1]
            path = frame.path if frame.key is None else (*frame.path, frame.key[0])
        self.flaws.append(Flaw(path=path, message=message, hint=hint, position=_position(event)))


def _scalar(event: ScalarEvent) -> Any:
    text: str = event.value
    if event.style not in (None, ""):
        return text
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _INTEGER.fullmatch(text) and len(text) <= _LONGEST_INTEGER:
        return int(text, _base(text))
    return _float(text) if _FLOAT.fullmatch(text) else text


def _base(text: str) -> int:
    return {"0o": 8, "0x": 16}.get(text[:2], 10)


def _float(text: str) -> float:
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


def _position(event: Event) -> Position:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _syntax_flaw(error: YAMLError, text: str) -> Flaw:
    if isinstance(error, ReaderError):
        message = f"the control character U+{_code_point(error):04X} cannot stand in a text file"
        return Flaw(path=(), message=message, position=_position_of(text, error.position))
    mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
    position = (mark.line + 1, mark.column + 1) if mark is not None else None
    problem = str(getattr(error, "problem", None) or "")
    for start, message, hint in _SYNTAX:
        if problem.startswith(start):
            return Flaw(path=(), message=message, hint=hint, position=position)
    return Flaw(path=(), message="this is not YAML", position=position)


def _code_point(error: ReaderError) -> int:
    return ord(error.character) if isinstance(error.character, str) else int(error.character)


def _position_of(text: str, index: int) -> Position:
    line = text.count("\n", 0, index)
    return line + 1, index - (text.rfind("\n", 0, index) + 1) + 1
