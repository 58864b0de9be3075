"""Rows and documents in the format that was asked for: stdout is data, and nothing else.

Shapes:  a table is a header and rows of text; a document is JSON values.
Units:   a terminal's width in columns; where there is none, ``COLUMNS``, else enough for a row.
"""

from __future__ import annotations

import csv
import dataclasses
import enum
import io
import os
import sys
from collections.abc import Sequence
from typing import Any, TextIO

import orjson
from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text
from ruamel.yaml import YAML

_WIDE = 160


class Format(enum.StrEnum):
    """How to print."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    MD = "md"
    CSV = "csv"
    NAME = "name"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under a header."""

    title: str = ""
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: frozenset[str] = frozenset()
    """Columns to align right."""


def console(stream: TextIO | None = None) -> Console:
    """Return a console on *stream* (stdout): colour on a terminal only, never under NO_COLOR."""
    out = stream or sys.stdout
    width = None if out.isatty() else int(os.environ.get("COLUMNS") or _WIDE)
    return Console(file=out, width=width, highlight=False, soft_wrap=False, emoji=False)


def print_tables(tables: Sequence[Table], *, form: Format, on: Console | None = None) -> None:
    """Print *tables* as text, Markdown or CSV."""
    target = on or console()
    for number, table in enumerate(tables):
        if form is Format.CSV:
            target.file.write(_csv(table))
        elif form is Format.MD:
            target.file.write(("\n" if number else "") + _markdown(table))
        else:
            _print_rich(table, target, is_first=number == 0)


def print_document(document: Any, *, form: Format) -> None:
    """Print *document* as JSON or YAML."""
    text = yaml_text(document) if form is Format.YAML else json_text(document)
    sys.stdout.write(text)


def print_names(names: Sequence[str]) -> None:
    """Print one name a line."""
    sys.stdout.write("".join(f"{name}\n" for name in names))


def json_text(document: Any) -> str:
    """Return *document* as indented JSON."""
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n"


def yaml_text(document: Any) -> str:
    """Return *document* as YAML."""
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = _WIDE
    out = io.StringIO()
    yaml.dump(document, out)
    return out.getvalue()


def _print_rich(table: Table, on: Console, *, is_first: bool) -> None:
    if not is_first:
        on.print()
    if table.title:
        on.print(Text(table.title, style="bold"))
    shown = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for name in table.header:
        is_number = name in table.numbers
        shown.add_column(
            name.upper(),
            justify="right" if is_number else "left",
            no_wrap=is_number,
            overflow="fold",
        )
    for row in table.rows:
        shown.add_row(*(Text(cell, style=_style(cell)) for cell in row))
    on.print(shown)


def _style(cell: str) -> str:
    """Colour what a person looks for; the word says the same."""
    if cell in ("Failed", "TimedOut", "blocked", "Unknown"):
        return "red"
    if cell in ("Drifted", "Deferred", "Paused", "Stopped", "SucceededWithFailures"):
        return "yellow"
    return "green" if cell == "Succeeded" else ""


def _markdown(table: Table) -> str:
    lines = [f"**{table.title}**", ""] if table.title else []
    lines += [_md_row(table.header)]
    lines += [_md_row(["---:" if one in table.numbers else "---" for one in table.header])]
    lines += [_md_row([cell.replace("|", "\\|") for cell in row]) for row in table.rows]
    return "\n".join(lines) + "\n"


def _md_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _csv(table: Table) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table.header)
    writer.writerows(table.rows)
    return out.getvalue()
