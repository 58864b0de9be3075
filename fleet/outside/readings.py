"""From values in answers to a reading: numbers are kept, nothing is no data, the rest is an error.

Errors:  :exc:`RemoteError` for what is no number, and for too many of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fleet.core import figures
from fleet.errors import RemoteError
from fleet.model.gates import Reading
from fleet.net.words import line
from fleet.outside import pointers

MOST_VALUES = 1000


def of_values(values: Iterable[Any], *, who: str, detail: str = "") -> Reading:
    """Return the reading of some values; those that are null have no data.

    Args:
        values: As they stand in an answer.
        who: Who said them, for messages.
        detail: What a person should know beside them.
    """
    found: list[str] = []
    for value in values:
        if value is None:
            continue
        number = figures.figure(value)
        if number is None:
            raise RemoteError(f"{who}: the answer has {_shown(value)} where a number is needed")
        found.append(number)
        if len(found) > MOST_VALUES:
            message = f"{who}: the answer has more than {MOST_VALUES} values"
            raise RemoteError(message, hint="Let the query sum them up.")
    return Reading(values=tuple(found), detail=detail)


def of_json(value: Any, pointer: str, *, who: str) -> Reading:
    """Return the reading of a number, or of a list of numbers, at a place in a JSON value."""
    found = pointers.found(value, pointer)
    if found is pointers.ABSENT:
        return Reading(detail=f"there is nothing at {pointer}")
    return of_values(found if isinstance(found, list) else [found], who=who)


def _shown(value: Any) -> str:
    if isinstance(value, str):
        # NB: only how long it is: what stands where a number should be may be anything.
        return f"{len(value)} characters of text" if value else "empty text"
    kinds = {bool: "true or false", list: "a list", dict: "an object"}
    return kinds.get(type(value)) or line(value, longest=40)
