"""How many: numbers, percentages, and the sizes of waves, with the hint for whoever errs.

Errors:  those of :func:`fleet.spec.explanation.refusal`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import Discriminator, Field, PlainValidator, Tag, WithJsonSchema

from fleet.model.strategy import Amount
from fleet.spec import flaws
from fleet.spec.explanation import refusal
from fleet.spec.flaws import quoted

REST = "rest"
MAX_AMOUNT = 1_000_000

_PERCENT = re.compile(r"([0-9]{1,9})%")
_MAX_PERCENT = 100
_PERCENT_SCHEMA = "^([1-9][0-9]?|100)%$"


def shown(value: Any) -> str:
    """Return a value as it is quoted in a message."""
    if isinstance(value, str):
        return quoted(value)
    return str(value) if type(value) is int and abs(value) <= MAX_AMOUNT else flaws.kind_of(value)


def _size(value: Any) -> Amount:
    if value == REST:
        return REST
    if value == -1 or (isinstance(value, str) and not _looks_numeric(value)):
        message = f"unknown size {shown(value)}"
        raise refusal(message, 'did you mean "rest"? (or a number, or a percentage such as "10%")')
    return _amount(value, least=1)


def _concurrency(value: Any) -> Amount:
    return _amount(value, least=1)


def _failures(value: Any) -> Amount:
    return _amount(value, least=0)


def _amount(value: Any, *, least: int) -> Amount:
    match value:
        case bool() | None:
            pass
        case int():
            return _count(value, least=least)
        case float() if 0 < value < 1:
            share = f"{value * 100:.4g}%"
            message = "expected a whole number, found a fraction"
            raise refusal(message, f"write {quoted(share)}")
        case str() if _PERCENT.fullmatch(value):
            return _percent(value, least=least)
        case str() if _PERCENT.fullmatch(value.replace(" ", "")):
            hint = f"write {quoted(value.replace(' ', ''))}"
            raise refusal(f"{quoted(value)} is not a percentage", hint)
        case str() if value.isdecimal():
            message = "expected a number, found text"
            raise refusal(message, "write it without quotes")
    message = f"expected a number or a percentage, found {shown(value)}"
    raise refusal(message, 'write 10, or "10%"')


def _count(value: int, *, least: int) -> int:
    if value < least:
        raise refusal(f"must be at least {least}")
    if value > MAX_AMOUNT:
        raise refusal(f"must be at most {MAX_AMOUNT}")
    return value


def _percent(value: str, *, least: int) -> str:
    percent = int(value.removesuffix("%"))
    if percent == 0:
        message = "0% is not a share"
        raise refusal(message, "write 0" if least == 0 else 'the least is "1%"')
    if percent > _MAX_PERCENT:
        raise refusal(f"{quoted(value)} is more than all there are", 'the most is "100%"')
    return f"{percent}%"


def _looks_numeric(text: str) -> bool:
    return bool(re.fullmatch(r"[-+]?[0-9.]+ *%?", text))


def _whole(least: int, most: int = MAX_AMOUNT) -> PlainValidator:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            hint = "write it without quotes" if isinstance(value, str) and value.isdecimal() else ""
            found = "a fraction" if isinstance(value, float) else shown(value)
            raise refusal(f"expected a whole number, found {found}", hint or None)
        if value > most:
            raise refusal(f"must be at most {most}")
        return _count(value, least=least)

    return PlainValidator(check)


def _whole_schema(least: int, most: int = MAX_AMOUNT) -> WithJsonSchema:
    return WithJsonSchema({"type": "integer", "minimum": least, "maximum": most})


def list_or_one(value: Any) -> str:
    """Return the tag of what *value* is, where one may stand for a list of one."""
    return "<list>" if isinstance(value, list) else "<one>"


def _amount_schema(*, least: int, words: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "anyOf": [
            {"type": "integer", "minimum": least, "maximum": MAX_AMOUNT},
            {"type": "string", "pattern": _PERCENT_SCHEMA},
            *({"const": word} for word in words),
        ]
    }


Size = Annotated[
    Amount, PlainValidator(_size), WithJsonSchema(_amount_schema(least=1, words=(REST,)))
]
Concurrency = Annotated[
    Amount, PlainValidator(_concurrency), WithJsonSchema(_amount_schema(least=1))
]
Failures = Annotated[Amount, PlainValidator(_failures), WithJsonSchema(_amount_schema(least=0))]
Sizes = Annotated[
    Annotated[Size, Tag("<one>")]
    | Annotated[Annotated[list[Size], Field(min_length=1)], Tag("<list>")],
    Discriminator(list_or_one),
]
Share = Concurrency
"""At least one, or a percentage."""
Count = Annotated[int, _whole(1), _whole_schema(1)]
Factor = Annotated[int, _whole(1, 100), _whole_schema(1, 100)]
Attempts = Annotated[int, _whole(1, 10), _whole_schema(1, 10)]
AtOnce = Annotated[int, _whole(1, 500), _whole_schema(1, 500)]
"""Of what each takes a connection or two."""
