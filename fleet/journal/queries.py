"""SQL, by name, from the files beside this one: Python holds none.

Shapes:  ``-- name --`` on a line of its own opens a query, which runs to the next name.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping
from importlib import resources

_NAME = re.compile(r"^-- (\w+) --$", re.MULTILINE)


def parse(text: str) -> Mapping[str, str]:
    r"""Return the queries of *text* by name.

    >>> parse("-- one --\nSELECT 1;\n\n-- two --\nSELECT 2;\n")
    {'one': 'SELECT 1;', 'two': 'SELECT 2;'}
    """
    _, *parts = _NAME.split(text)
    return {name: sql.strip() for name, sql in zip(parts[::2], parts[1::2], strict=True)}


def statements(script: str) -> Iterator[str]:
    """Yield the statements of *script*, one by one.

    NB: ``Connection.executescript`` would commit first, and a migration is one transaction.
    """
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""


def load(name: str) -> Mapping[str, str]:
    """Return the queries of a file of this package."""
    return parse(resources.files("fleet.journal").joinpath(name).read_text(encoding="utf-8"))


SQL = load("queries.sql")
