"""Rows and documents in the format that was asked for: stdout is data, and nothing else.

Shapes:  a table is a header and rows of text; a document is JSON values.
Units:   a terminal's width in columns; where there is none, ``COLUMNS``, else enough for a row.
"""

from __future__ import annotations

import contextlib
import enum
import io
import os
import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any, TextIO, cast

import orjson
from rich.console import Console
from rich.text import Text

from fleet.ui import tables
from fleet.ui.tables import Table

_WIDE = 160
_NARROW = 20


class Format(enum.StrEnum):
    """How to print."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    MD = "md"
    CSV = "csv"
    NAME = "name"


class Unfailing:
    """A stream that may lose its reader: what is said there must never end what is being done."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write *text*, if there is anybody to read it."""
        try:
            return self._stream.write(text)
        except OSError:
            hang_up(self._stream)
            return len(text)

    def flush(self) -> None:
        """Send what was written, if there is anybody to read it."""
        try:
            self._stream.flush()
        except OSError:
            hang_up(self._stream)


def errors() -> TextIO:
    """Return stderr, for progress and logs."""
    return cast("TextIO", Unfailing(sys.stderr))


@contextlib.contextmanager
def best_effort() -> Iterator[None]:
    """Print on stdout what may as well be lost."""
    try:
        yield
        sys.stdout.flush()
    except OSError:
        hang_up(sys.stdout)


def hang_up(stream: TextIO) -> None:
    """Send what is still written to *stream* nowhere: its reader is gone, or its disk is full."""
    # NB: without this the interpreter tries to flush it at the end, and exits 120.
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to the caller: the base class ends the process, with a run's exit status."""
        raise BrokenPipeError


def console(stream: TextIO | None = None) -> Console:
    """Return a console on *stream* (stdout): colour on a terminal only, never under NO_COLOR."""
    out = stream or sys.stdout
    width = None if out.isatty() else _asked_width()
    return _Console(file=out, width=width, highlight=False, soft_wrap=False, emoji=False)


def _asked_width() -> int:
    asked = os.environ.get("COLUMNS", "")
    return max(int(asked), _NARROW) if asked.isascii() and asked.isdigit() else _WIDE


def say(text: str, *, on: Console, style: str = "") -> None:
    """Print a line of prose: wrapped between words on a terminal, one line everywhere else."""
    lines = [text]
    if on.is_terminal and len(text) > on.width:
        indent = " " * (len(text) - len(text.lstrip()) + 4)
        lines = textwrap.wrap(
            text,
            on.width,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
    for line in lines:
        on.print(Text(line, style=style), soft_wrap=True)


def print_tables(found: Sequence[Table], *, form: Format, on: Console | None = None) -> None:
    """Print *found* as text, Markdown or CSV."""
    target = on or console()
    for number, table in enumerate(found):
        if form is Format.CSV:
            target.file.write(tables.comma_separated(table))
        elif form is Format.MD:
            target.file.write(("\n" if number else "") + tables.markdown(table))
        else:
            tables.print_text(table, target, is_first=number == 0)


def print_document(document: Any, *, form: Format) -> None:
    """Print *document* as JSON or YAML."""
    text = yaml_text(document) if form is Format.YAML else json_text(document)
    sys.stdout.write(text)


def print_names(names: Sequence[str]) -> None:
    """Print one name a line."""
    sys.stdout.write("".join(f"{name}\n" for name in names))


def word(value: Any) -> str:
    """Return a JSON value as it stands in a cell."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def json_text(document: Any) -> str:
    """Return *document* as indented JSON."""
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n"


def yaml_text(document: Any) -> str:
    """Return *document* as YAML."""
    from ruamel.yaml import YAML  # noqa: PLC0415 - few ask for it, and all would wait for it

    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = _WIDE
    out = io.StringIO()
    # NB: parts that targets have in common would be written as anchors and aliases.
    yaml.dump(orjson.loads(orjson.dumps(document)), out)
    return out.getvalue()
