"""Conditions over what a probe answered, such as ``value >= 0.99 and value >= baseline - 0.005``.

How they are written is in :mod:`fleet.core.formulas`; here is what the names stand for, and what
an answer comes to that is empty, no number, or not the one that was meant.

Errors:  :func:`parse` raises ``ValueError`` with words for whoever wrote the condition;
         :func:`judge` never raises.
"""

from __future__ import annotations

import dataclasses
import decimal
import functools
import re
from decimal import Decimal

from fleet.core import formulas
from fleet.core.formulas import Truth, Values
from fleet.model.gates import Gate, Reading, Verdict

LONGEST = 1_000
"""Characters of a condition."""
_MOST_SHOWN = 300


@dataclasses.dataclass(frozen=True, slots=True)
class Condition:
    """A condition that was read."""

    text: str
    names: frozenset[str]
    """Those it needs, of :data:`fleet.core.formulas.NAMES`."""
    holds: Truth = dataclasses.field(compare=False, repr=False)
    """Raises an ``ArithmeticError`` where it cannot be worked out."""


@functools.lru_cache(maxsize=256)
def parse(text: str) -> Condition:
    """Read a condition.

    >>> sorted(parse("0 <= value <= 2 * baseline").names)
    ['baseline', 'value']

    Raises:
        ValueError: It is none; with what is wrong, and at which character.
    """
    if len(text) > LONGEST:
        raise ValueError(f"is {len(text)} characters long; a condition has at most {LONGEST}")
    holds, names = formulas.read(text)
    return Condition(text.strip(), names, holds)


def judge(gate: Gate, reading: Reading) -> tuple[Verdict, str]:
    """Return what one measurement comes to, and why, in a line for people.

    With both conditions given what meets neither is inconclusive; with one the other is its
    opposite; with none any number passes. What fails fails, whatever else cannot be told.
    """
    verdict, why = _judged(gate, reading)
    detail = "; ".join(part for part in (why, reading.detail) if part)
    return verdict, _cut(detail, _MOST_SHOWN)


def _judged(gate: Gate, reading: Reading) -> tuple[Verdict, str]:
    if reading.error:
        return Verdict.ERROR, reading.error
    if not reading.values:
        return Verdict.NO_DATA, "the answer is empty"
    numbers = [_number(one) for one in reading.values]
    if None in numbers:
        odd = reading.values[numbers.index(None)]
        return Verdict.ERROR, f"answered {_cut(odd, 40)!r}, which is no number"
    known = [one for one in numbers if one is not None and not one.is_nan()]
    missing = len(numbers) - len(known)
    # A rate over no requests is 0/0, which a Prometheus server answers with NaN: nothing was
    # measured. Where only some are, to leave them out would hide those that went silent.
    if not known:
        return Verdict.NO_DATA, "NaN: nothing to measure, such as a rate over no requests"
    if missing:
        return Verdict.INCONCLUSIVE, f"{missing} of {len(numbers)} values are NaN"
    try:
        return _against(gate, known)
    except ValueError as error:
        return Verdict.ERROR, f"its condition {error}"


def _against(gate: Gate, numbers: list[Decimal]) -> tuple[Verdict, str]:
    """Return what the two conditions make of *numbers*.

    Raises:
        ValueError: One of them is no condition.
    """
    success = parse(gate.success) if gate.success else None
    failure = parse(gate.failure) if gate.failure else None
    shown = _shown(numbers, _baseline(gate))
    try:
        values = _values(gate, numbers)
        if failure and _holds(failure, values):
            return Verdict.FAIL, f"{shown}: {failure.text}"
        if success is None or _holds(success, values):
            return Verdict.PASS, shown
    except ArithmeticError as error:
        return Verdict.INCONCLUSIVE, f"{shown}: {_in_words(error)}"
    if failure is None:
        return Verdict.FAIL, f"{shown}: not {success.text}"
    return Verdict.INCONCLUSIVE, f"{shown}: neither success nor failure"


class _UnknownError(ArithmeticError):
    """A name in a condition stands for nothing."""


def _holds(condition: Condition, values: Values) -> bool:
    with decimal.localcontext(_EXACT):
        for name in sorted(condition.names - values.keys()):
            raise _UnknownError(_WHY_UNKNOWN[name])
        return condition.holds(values)


_WHY_UNKNOWN = {
    "value": "several values, and the condition asks for one: use min, max, sum or mean",
    "baseline": "the baseline is not known",
    "sum": "the values have no sum",
    "mean": "the values have no mean",
}
_EXACT = decimal.Context(
    prec=200,
    Emax=999_999,
    Emin=-999_999,
    traps=[
        decimal.DivisionByZero,
        decimal.InvalidOperation,
        decimal.Overflow,
        decimal.Underflow,
    ],
)


def _in_words(error: ArithmeticError) -> str:
    if isinstance(error, _UnknownError | formulas.DividedByZeroError):
        return str(error)
    return "cannot be worked out with these values"


def _values(gate: Gate, numbers: list[Decimal]) -> dict[str, Decimal]:
    count = Decimal(len(numbers))
    values = {"count": count, "min": min(numbers), "max": max(numbers)}
    if len(numbers) == 1:
        values["value"] = numbers[0]
    with decimal.localcontext(_EXACT):
        try:
            values["sum"] = sum(numbers, Decimal(0))
            values["mean"] = values["sum"] / count
        except decimal.InvalidOperation:  # plus infinity and minus infinity
            pass
    if (baseline := _baseline(gate)) is not None:
        values["baseline"] = baseline
    return values


def _baseline(gate: Gate) -> Decimal | None:
    number = None if gate.baseline is None else _number(gate.baseline)
    return None if number is None or number.is_nan() else number


_NUMERAL = re.compile(
    r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]{1,4})?", re.IGNORECASE | re.ASCII
)
_INFINITY = re.compile(r"([+-]?)inf(inity)?", re.IGNORECASE | re.ASCII)
_LONGEST_NUMERAL = 64


def _number(text: str) -> Decimal | None:
    """Return a number as probes write it; ``None``: it is none."""
    if len(text) > _LONGEST_NUMERAL:
        return None
    if _NUMERAL.fullmatch(text):
        return Decimal(text)
    if found := _INFINITY.fullmatch(text):
        return Decimal(f"{found[1]}Infinity")
    return Decimal("NaN") if text.lower() == "nan" else None


def _shown(numbers: list[Decimal], baseline: Decimal | None) -> str:
    if len(numbers) == 1:
        what = f"value {_brief(numbers[0])}"
    else:
        what = f"{len(numbers)} values from {_brief(min(numbers))} to {_brief(max(numbers))}"
    return what if baseline is None else f"{what} (baseline {_brief(baseline)})"


def _brief(number: Decimal) -> str:
    return f"{number:.6g}"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
