"""Tables: for people, as wide as their terminal, and as Markdown or CSV.

Not here: where they go, and documents (:mod:`fleet.ui.output`).

Shapes:  a table is a header and rows of text.
Units:   widths in columns.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import re
import textwrap
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

_GAP = 2
_PROSE = 48
_HUMP = re.compile(r"(?<=[a-z])[A-Z]")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under a header."""

    title: str = ""
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: frozenset[str] = frozenset()
    """Columns to align right."""
    spare: Sequence[str] = ()
    """Columns that people can do without, the first soonest, where a terminal is too narrow."""


def _fitting(table: Table, width: int) -> Table:
    """Return *table* without the spare columns that there is no room for."""
    dropped: set[str] = set()
    while _needed(table) > width and (spare := [n for n in table.spare if n not in dropped]):
        dropped.add(spare[0])
        kept = [place for place, name in enumerate(table.header) if name != spare[0]]
        table = dataclasses.replace(
            table,
            header=[table.header[place] for place in kept],
            rows=[[row[place] for place in kept] for row in table.rows],
        )
    return table


def _needed(table: Table) -> int:
    """Return the width at which *table* reads well: the last column may be prose, and wraps."""
    widths = [max(map(len, column)) for column in zip(table.header, *table.rows, strict=True)]
    return sum(widths[:-1]) + min(widths[-1], _PROSE) + _GAP * (len(widths) - 1)


def print_text(table: Table, on: Console, *, is_first: bool) -> None:
    """Print *table* for people, as wide as *on* is."""
    table = _fitting(table, on.width)
    if not is_first:
        on.print()
    if table.title:
        on.print(Text(table.title, style="bold"))
    if not on.is_terminal and (lines := _lines(table, on.width)):
        on.file.write("".join(f"{line.rstrip()}\n" for line in lines))
        return
    shown = RichTable(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
        header_style="bold",
    )
    for name in table.header:
        is_number = name in table.numbers
        shown.add_column(
            _heading(name),
            justify="right" if is_number else "left",
            no_wrap=is_number,
            overflow="fold",
        )
    for row in table.rows:
        shown.add_row(*(Text(cell, style=_style(cell)) for cell in row))
    if on.is_terminal:
        on.print(shown)
        return
    with on.capture() as rendered:
        on.print(shown)
    # Cells are padded to the column's width: in a file that is only noise.
    on.file.write("".join(f"{line.rstrip()}\n" for line in rendered.get().splitlines()))


def _lines(table: Table, width: int) -> list[str]:
    """Return a table where only the last column has to be wrapped; nothing for any other.

    For 10,000 rows this takes a tenth of a second, and rich takes five.
    """
    grid = [[_heading(name) for name in table.header], *table.rows]
    *widths, prose = (max(map(len, column)) for column in zip(*grid, strict=True))
    room = width - sum(widths) - _GAP * len(widths)
    is_plain = all(cell.isascii() and "\n" not in cell for row in grid for cell in row)
    if not is_plain or table.header[-1] in table.numbers or room < min(prose, _PROSE):
        return []
    pads = [str.rjust if name in table.numbers else str.ljust for name in table.header]
    lines = []
    for *cells, last in grid:
        parts = (textwrap.wrap(last, room) if len(last) > room else [last]) or [""]
        padded = [pad(cell, wide) for pad, cell, wide in zip(pads, cells, widths, strict=False)]
        lines.append((" " * _GAP).join((*padded, parts[0])))
        lines += [" " * (width - room) + part for part in parts[1:]]
    rule = "─" * (width - room + min(prose, room))
    return [lines[0], rule, *lines[1:]]


def _heading(name: str) -> str:
    """Return a key such as ``startedAt`` as a person reads it."""
    return _HUMP.sub(r" \g<0>", name).upper()


def _style(cell: str) -> str:
    """Colour what a person looks for; the word says the same."""
    if cell in ("Failed", "TimedOut", "blocked", "Unknown"):
        return "red"
    if cell in ("Drifted", "Deferred", "Paused", "Stopped", "SucceededWithFailures"):
        return "yellow"
    return "green" if cell == "Succeeded" else ""


def markdown(table: Table) -> str:
    """Return *table* as Markdown."""
    lines = [f"**{table.title}**", ""] if table.title else []
    lines += [_md_row(table.header)]
    lines += [_md_row(["---:" if one in table.numbers else "---" for one in table.header])]
    lines += [_md_row([_md_cell(cell) for cell in row]) for row in table.rows]
    return "\n".join(lines) + "\n"


def _md_cell(cell: str) -> str:
    return cell.replace("\\", "\\\\").replace("|", "\\|").replace("\n", "<br>")


def _md_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def comma_separated(table: Table) -> str:
    """Return *table* as CSV."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table.header)
    writer.writerows(table.rows)
    return out.getvalue()
