"""Kusto queries as DuckDB's SQL: translated, with what the translation lacks made good.

Queries are never recognized: what is rewritten here are single constructs
whose meaning Kusto defines and the translation does not cover.

* A query without a table begins with ``resources``, as Resource Graph has it.
* ``parse X with name "literal" *`` begins with a name, which the translation
  refuses: a mark is put before the value and before the pattern.
* Strings are never null in Kusto: after an outer join the columns of the side
  that may be missing are made empty where they are null.

Errors:  :exc:`QueryError` with what Resource Graph says below ``InvalidQuery``. Which codes it has
         for unknown names was never recorded; their words are Kusto's.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import duckdb
import duckdb_kql
from duckdb_kql import KqlError, KqlSchemaError, KqlSyntaxError

from fleet.errors import RemoteError
from fleet.sim.server import tables

MOST_JOINS = 3
MOST_LEGS = 3
_JOIN_KINDS = {
    "innerunique": "InnerUnique",
    "inner": "Inner",
    "leftouter": "LeftOuter",
    "fullouter": "FullOuter",
}

_UNLIMITED = 2
"""Parts of a call with one argument: the name, and that."""
_DEFAULT = f"{tables.CLUSTERS} | "
_OPERATOR = re.compile(
    r"\s*(where|project|project-away|project-rename|project-reorder|extend|summarize|limit|take|"
    r"order|sort|top|join|count|distinct|mv-expand|parse)\b(?!\s*[|=(])"
)
_TABLE = re.compile(rf"\b(?:{'|'.join(tables.TABLES)})\b", re.IGNORECASE)
_MARK = "\u00a4"
_TOKEN = re.compile(r"'((?:[^'\\]|\\.)*)'")

Detail = Mapping[str, Any]
Describe = Callable[[str, Mapping[str, Any]], Sequence[tuple[str, str]]]
"""Returns name and type of each column that some SQL returns."""


class QueryError(RemoteError):
    """A query that cannot be executed."""

    def __init__(self, *details: Detail) -> None:
        super().__init__("the query is invalid", status=400)
        self.details = details


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """What is executed."""

    sql: str
    parameters: Mapping[str, Any]
    """The moment, where the query asks for it."""
    is_limited: bool
    """Whether the query itself says how many rows it wants: then there are no pages."""


def translate(text: str, *, describe: Describe, now: dt.datetime) -> Translation:
    """Return what a query is in SQL."""
    text, tree = _parsed(text)
    _check(tree)
    text = _edited(text, _leading_names(tree))
    count = len(_outer_joins(_parsed(text)[1]))
    for number in range(count):
        text = _with_strings(text, number, describe=describe, now=now)
    sql, parameters = _sql(text, now=now)
    return Translation(sql=sql, parameters=parameters, is_limited=_is_limited(tree))


def of_database(error: duckdb.Error) -> QueryError:
    """Return what is said of SQL that the database refuses."""
    text = str(error)
    column = re.search(r'column "([^"]+)" not found', text)
    table = re.search(r"Table with name (\S+) does not exist", text)
    if table:
        return _unknown_table(table[1])
    if column:
        words = f"Failed to resolve column or scalar expression named '{column[1]}'"
        return QueryError({"code": "UnresolvedName", "message": words})
    return QueryError({"code": "SemanticError", "message": text.splitlines()[0]})


def _unknown_table(name: str) -> QueryError:
    words = f"Table {name} is invalid, unsupported or disallowed."
    return QueryError({"code": "InvalidTableName", "message": words})


def _parsed(text: str) -> tuple[str, Any]:
    """Return the query with its table, and its tree."""
    is_bare = _OPERATOR.match(text) is not None
    shift = len(_DEFAULT) if is_bare else 0
    text = f"{_DEFAULT}{text}" if is_bare else text
    if text.lstrip().startswith("."):
        raise QueryError(_parser_failure(1, len(text) - len(text.lstrip()), ".", ""))
    try:
        return text, duckdb_kql.parse(text).tree
    except KqlSyntaxError as error:
        raise QueryError(*_syntax(error, shift=shift)) from error


def _syntax(error: KqlSyntaxError, *, shift: int) -> Iterator[Detail]:
    for one in error.diagnostics[:1]:
        line, place = one.span.line, one.span.column
        place = max(place - shift, 0) if line == 1 else place
        found, _, expected = one.message.partition(" expecting ")
        token = _TOKEN.search(found)
        yield _parser_failure(line, place, token[1] if token else "", expected)


def _parser_failure(line: int, place: int, token: str, expected: str) -> Detail:
    # Source: recorded: one word twice, and the place beside it.
    return {
        "code": "ParserFailure",
        "message": "ParserFailure",
        "line": line,
        "characterPositionInLine": place,
        "token": token,
        "expectedToken": expected,
    }


def _sql(text: str, *, now: dt.datetime) -> tuple[str, Mapping[str, Any]]:
    # Kusto's names have a case, and Resource Graph takes its tables' in any.
    spellings = {*_TABLE.findall(text), *tables.TABLES}
    columns = list(tables.COLUMNS)
    schema = dict.fromkeys(spellings, columns)
    try:
        found = duckdb_kql.to_sql(text, schema=schema, allow_write=False, query_now=now)
    except KqlSchemaError as error:
        raise _unknown_table(error.name) from error
    except KqlError as error:
        words = f"The simulator does not execute this: {error}"
        raise QueryError({"code": "NotSupportedBySimulator", "message": words}) from error
    return str(found), dict(found.parameters)


# --- what Resource Graph does not allow ---------------------------------------------------


def _check(tree: Any) -> None:
    joins = list(_nodes(tree, "JoinOperatorContext"))
    for join in joins:
        kind = _kind(join) or "innerunique"
        if kind not in _JOIN_KINDS:
            words = f'The join kind "{kind}" is not supported or not allowed.'
            raise QueryError({"code": "UnsupportedJoinFlavor", "message": words})
    legs = sum(len(_rules(one)) for one in _nodes(tree, "UnionOperatorContext"))
    for what, count, most in (("join", len(joins), MOST_JOINS), ("union", legs, MOST_LEGS)):
        if count > most:
            words = f"The query has {count} {what} legs, and {most} are allowed."
            raise QueryError({"code": f"{what.title()}LimitExceeded", "message": words})
    for call in _nodes(tree, "NamedFunctionCallExpressionContext"):
        is_list = call.getText().startswith(("make_list(", "make_set("))
        if is_list and len(_rules(call)) > _UNLIMITED:
            # The translation would leave the limit out, and return more than was asked for.
            words = "The simulator knows make_list and make_set without a limit only."
            raise QueryError({"code": "NotSupportedBySimulator", "message": words})


def _is_limited(tree: Any) -> bool:
    """Tell whether the outermost pipeline has a ``limit`` or a ``take``."""
    last = [one for one in _rules(_rules(tree)[0]) if "Statement" in type(one).__name__][-1]
    pipeline = next(_walk(last, "PipeExpressionContext"), None)
    piped = [] if pipeline is None else _rules(pipeline)[1:]
    return any("TakeOperatorContext" in _first_kinds(one) for one in piped)


def _first_kinds(node: Any) -> Iterator[str]:
    """Yield the kinds of a node and of what it begins with: the grammar wraps each operator."""
    yield type(node).__name__
    for child in _rules(node)[:1]:
        yield from _first_kinds(child)


# --- what the translation lacks -----------------------------------------------------------

Edit = tuple[int, str]
"""Where to put what."""


def _edited(text: str, edits: Sequence[Edit]) -> str:
    for place, added in sorted(edits, reverse=True):
        text = text[:place] + added + text[place:]
    return text


def _leading_names(tree: Any) -> list[Edit]:
    """Return the edits that put a mark before patterns that begin with a name."""
    edits: list[Edit] = []
    for kind in ("ParseOperatorContext", "ParseWhereOperatorContext"):
        for node in _nodes(tree, kind):
            value, pattern = [one for one in _rules(node) if "KindClause" not in type(one).__name__]
            if type(_rules(pattern)[0]).__name__ == "ParseOperatorNameAndOptionalTypeContext":
                edits += [
                    (value.start.start, f'strcat("{_MARK}", '),
                    (value.stop.stop + 1, ")"),
                    (pattern.start.start, f'"{_MARK}" '),
                ]
    return edits


def _outer_joins(tree: Any) -> list[Any]:
    """Return the joins that may leave a side out: inner ones first, then in order."""
    joins = [one for one in _nodes(tree, "JoinOperatorContext") if "outer" in (_kind(one) or "")]
    lookups = [
        one for one in _nodes(tree, "LookupOperatorContext") if _kind(one) in (None, "leftouter")
    ]
    return joins + lookups


def _with_strings(text: str, number: int, *, describe: Describe, now: dt.datetime) -> str:
    """Return the query with an operator after its *number*-th outer join."""
    node = _outer_joins(_parsed(text)[1])[number]
    pipeline, piped, statement = _around(node)
    before = text[: statement.start.start] + text[pipeline.start.start : piped.start.start]
    end = node.stop.stop + 1
    through = text[: statement.start.start] + text[pipeline.start.start : end]
    columns = describe(*_sql(through, now=now))
    if _kind(node) != "fullouter":
        columns = columns[len(describe(*_sql(before, now=now))) :]
    strings = [name for name, kind in columns if kind == "VARCHAR"]
    if not strings:
        return text
    filled = ", ".join(f'{_name(name)} = coalesce({_name(name)}, "")' for name in strings)
    return f"{text[:end]} | extend {filled}{text[end:]}"


def _name(name: str) -> str:
    return f"['{name}']"


def _around(node: Any) -> tuple[Any, Any, Any]:
    """Return a join's pipeline, its own part of that, and the statement it stands in."""
    piped = node.parentCtx
    while type(piped).__name__ != "PipedOperatorContext":
        piped = piped.parentCtx
    statement = pipeline = piped.parentCtx
    while type(statement.parentCtx).__name__ != "QueryContext":
        statement = statement.parentCtx
    return pipeline, piped, statement


def _kind(join: Any) -> str | None:
    """Return the kind of a join, lower case; ``None`` where it names none."""
    for one in _rules(join):
        name, _, value = str(one.getText()).partition("=")
        if name == "kind":
            return value.lower()
    return None


def _nodes(tree: Any, kind: str) -> Iterator[Any]:
    """Yield the nodes of one kind, inner ones before those they stand in."""
    for child in _rules(tree):
        yield from _nodes(child, kind)
    if type(tree).__name__ == kind:
        yield tree


def _walk(tree: Any, kind: str) -> Iterator[Any]:
    """Yield the nodes of one kind, outer ones before those within them."""
    if type(tree).__name__ == kind:
        yield tree
    for child in _rules(tree):
        yield from _walk(child, kind)


def _rules(node: Any) -> list[Any]:
    """Return the children of a node that are not mere words."""
    return [one for one in node.children or () if hasattr(one, "children")]
