"""A database's values as Resource Graph writes them.

JSON goes through untouched: it is text in the database, and text in the answer.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import orjson

_INTEGERS = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UBIGINT", "UINTEGER"}
)
_NUMBERS = frozenset({"FLOAT", "DOUBLE"})
_INT64 = 2**63


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How a column is written."""

    kind: str
    """Resource Graph's word for its type."""
    value: Callable[[Any], Any]


def shape(database_type: str) -> Shape:
    """Return how a column of that type is written."""
    if database_type == "VARCHAR":
        return Shape(kind="string", value=_string)
    if database_type == "JSON":
        return Shape(kind="object", value=_fragment)
    if database_type == "JSON[]":
        return Shape(kind="object", value=_fragments)
    if database_type.startswith("TIMESTAMP"):
        return Shape(kind="datetime", value=_moment)
    if database_type == "INTERVAL":
        return Shape(kind="string", value=_timespan)
    if database_type in _INTEGERS:
        return Shape(kind="integer", value=_integer)
    if database_type in _NUMBERS or database_type.startswith("DECIMAL"):
        return Shape(kind="number", value=_number)
    return Shape(kind="boolean" if database_type == "BOOLEAN" else "object", value=_as_is)


def duration(length: dt.timedelta) -> str:
    """Return how long a request took, as its header has it.

    >>> duration(dt.timedelta(seconds=61, microseconds=792326))
    '0:00:01:01.7923260'
    """
    minutes, seconds = divmod(length.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{length.days}:{hours:02d}:{minutes:02d}:{seconds:02d}.{length.microseconds:06d}0"


def _as_is(value: Any) -> Any:
    return value


def _string(value: str | None) -> str:
    # Kusto knows no strings that are null.
    return value or ""


def _fragment(value: str | None) -> orjson.Fragment | None:
    return None if value is None else orjson.Fragment(value)


def _fragments(values: list[str | None] | None) -> list[orjson.Fragment | None] | None:
    return None if values is None else [_fragment(one) for one in values]


def _moment(value: dt.datetime | None) -> str | None:
    if value is None:
        return None
    return value.replace(tzinfo=None).isoformat(timespec="microseconds") + "0Z"


def _timespan(value: dt.timedelta | None) -> str:
    if value is None:
        return ""
    days, _, rest = duration(value).partition(":")
    return (f"{days}." if value.days else "") + rest.removesuffix(".0000000")


def _integer(value: int | None) -> int | float | None:
    return value if value is None or -_INT64 <= value < _INT64 else float(value)


def _number(value: float | Decimal | None) -> float | None:
    return None if value is None else float(value)
