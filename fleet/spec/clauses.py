"""The clause that a plan file adds to the query of Resource Graph: ``| where``, and nothing else.

What is checked is that it can only narrow: it names no other table, opens no
other query, and ends nothing that it did not begin. Whether it is otherwise
good Kusto is for the service to say, which knows better.

Errors:  those of :func:`fleet.spec.explanation.refusal`, with the line and character of the clause.
Source:  Kusto's lexical rules: literals of strings in three kinds, ``//`` for comments; the columns
         of the table ``resources``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, NoReturn

from pydantic import PlainValidator, WithJsonSchema

from fleet.spec import flaws
from fleet.spec.explanation import refusal
from fleet.spec.flaws import quoted

LONGEST = 4000
_COLUMNS = (
    "extendedLocation",
    "id",
    "identity",
    "kind",
    "location",
    "managedBy",
    "name",
    "plan",
    "properties",
    "resourceGroup",
    "sku",
    "subscriptionId",
    "tags",
    "tenantId",
    "type",
    "zones",
)
_OPERATORS = frozenset(
    {"and", "or", "in", "between", "matches", "regex", "has_any", "has_all"}
    | {"contains", "has", "hasprefix", "hassuffix", "startswith", "endswith"}
    | {"contains_cs", "has_cs", "hasprefix_cs", "hassuffix_cs", "startswith_cs", "endswith_cs"}
)
_VALUES = frozenset({"true", "false", "null"})
# Source: functions and operators of Kusto that read a table, or take what follows for one.
_READERS = frozenset(
    {
        "adx",
        "arg",
        "cluster",
        "database",
        "datatable",
        "evaluate",
        "external_table",
        "externaldata",
        "find",
        "invoke",
        "join",
        "lookup",
        "materialize",
        "print",
        "range",
        "search",
        "stored_query_result",
        "table",
        "toscalar",
        "union",
        "view",
        "workspace",
    }
)
_LITERALS = frozenset(
    {"bool", "date", "datetime", "decimal", "dynamic", "guid", "int", "long", "real"}
    | {"time", "timespan"}
)
"""Words before a bracket that holds a literal, in which names are no names."""
_TOKEN = re.compile(
    r"""
      (?P<space>[ \t\n]+)
    | (?P<comment>//)
    | (?P<text>@'(?:[^']|'')*' | @"(?:[^"]|"")*" | '(?:[^'\\\n]|\\.)*' | "(?:[^"\\\n]|\\.)*")
    | (?P<open_text>@?['"])
    | (?P<number>\d[\w.]*)
    | (?P<name>[A-Za-z_]\w*)
    | (?P<opening>[(\[{])
    | (?P<closing>[)\]}])
    | (?P<pipe>\|)
    | (?P<mark>\.\.|[-+*/%=!<>~,.:])
    """,
    re.VERBOSE | re.ASCII,
)
_PAIRS = {"(": ")", "[": "]", "{": "}"}
_WHERE = "where"
_HINT = "such as \"| where tags.tier =~ 'store'\""


class _Reader:
    """Goes over a clause once, and refuses the first thing that may not be there."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._before = ""
        """The token before, as written."""
        self._before_kind = ""
        self._open: list[tuple[str, bool]] = []
        """Brackets that are open, each with whether it holds a literal."""
        self._has_condition = True

    def read(self) -> None:
        for kind, word in self._tokens():
            self._take(kind, word)
            if kind != "space":
                self._before, self._before_kind = word, kind
            self._at += len(word)
        if self._open:
            self._refuse(f"{quoted(self._open[-1][0])} is never closed")
        self._end_condition()

    def _tokens(self) -> Iterator[tuple[str, str]]:
        while self._at < len(self._text):
            found = _TOKEN.match(self._text, self._at)
            if found is None:
                self._refuse(f"{quoted(self._text[self._at])} may not stand there", _HINT)
            yield str(found.lastgroup), found[0]

    def _take(self, kind: str, word: str) -> None:
        match kind:
            case "space":
                return
            case "comment":
                self._refuse("a comment may not stand there", "write it as a comment of the file")
            case "open_text":
                self._refuse("a text is never closed")
            case "pipe":
                self._begin_operator()
                return
            case _ if self._before_kind == "pipe":
                self._take_operator(word)
                return
            case "opening":
                self._open_bracket(word)
            case "closing":
                self._close_bracket(word)
            case "name":
                self._take_name(word)
            case _:
                pass
        self._has_condition = True

    def _begin_operator(self) -> None:
        if self._open:
            self._refuse("a query may not stand in brackets", "compare with values")
        self._end_condition()
        self._has_condition = False

    def _end_condition(self) -> None:
        if not self._has_condition:
            self._refuse("where says nothing", _HINT)

    def _take_operator(self, word: str) -> None:
        if word != _WHERE:
            self._refuse(f"{quoted(word)} may not stand there: only where may", _HINT)

    def _open_bracket(self, word: str) -> None:
        is_member = self._before_kind in ("name", "closing") and not self._is_operator()
        is_literal = self._in_literal() or (word == "(" and self._before.lower() in _LITERALS)
        if word != "(" and not is_literal and not (word == "[" and is_member):
            self._refuse(f"{quoted(word)} may not stand there", "write dynamic([...]) for a list")
        self._open.append((word, is_literal))

    def _close_bracket(self, word: str) -> None:
        if not self._open or _PAIRS[self._open[-1][0]] != word:
            self._refuse(f"{quoted(word)} closes nothing")
        self._open.pop()

    def _take_name(self, word: str) -> None:
        if self._in_literal() or self._before == ".":
            return
        is_call = self._text[self._at + len(word) :].lstrip(" \t\n").startswith("(")
        if word.lower() in _READERS:
            self._refuse(f"{quoted(word)} may not stand there: it reads another table", _HINT)
        if is_call or word in _COLUMNS or word in _OPERATORS or word in _VALUES:
            return
        near = flaws.nearest(word, _COLUMNS)
        hint = f"did you mean {quoted(near)}?" if near else "one of: " + ", ".join(_COLUMNS)
        self._refuse(f"{quoted(word)} is no column of a cluster", hint)

    def _is_operator(self) -> bool:
        return self._before in _OPERATORS or self._before == _WHERE

    def _in_literal(self) -> bool:
        return bool(self._open) and self._open[-1][1]

    def _refuse(self, message: str, hint: str | None = None) -> NoReturn:
        line = self._text.count("\n", 0, self._at)
        character = self._at - (self._text.rfind("\n", 0, self._at) + 1)
        place = f"character {character + 1}"
        raise refusal(f"{message} ({f'line {line + 1}, ' if line else ''}{place})", hint)


def _clause(value: Any) -> str:
    if not isinstance(value, str):
        raise refusal(f"expected text, found {flaws.kind_of(value)}", f"quote it, {_HINT}")
    text = value.strip()
    if not text.startswith("|"):
        message = "a clause begins with |"
        raise refusal(message, _HINT)
    if len(text) > LONGEST:
        raise refusal(f"a clause has at most {LONGEST} characters")
    _Reader(text).read()
    return text


Clause = Annotated[
    str,
    PlainValidator(_clause),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^\s*\|\s*where\s",
            "maxLength": LONGEST,
            "examples": ["| where tags.tier =~ 'store'"],
        }
    ),
]
