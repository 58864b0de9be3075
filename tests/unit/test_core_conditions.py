from __future__ import annotations

from typing import Any

import pytest

from fleet.core import conditions
from fleet.model.gates import Gate, Probe, ProbeKind, Reading, Verdict

V = Verdict
NAMES = "value, baseline, count, min, max, sum, mean"
ONE = "several values, and the condition asks for one: use min, max, sum or mean"


def judged(*values: str, **keys: Any) -> tuple[V, str]:
    gate = Gate(name="rate", probe=Probe(kind=ProbeKind.PROMETHEUS), **keys)
    return conditions.judge(gate, Reading(values=values))


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("value == 0.3", True),
        ("value >= 0.1 + 0.2", True),
        ("value * 3 == 0.9 and not value > 1", True),
        ("0 < value <= 0.3 < 1", True),
        ("0 < value < 0.3", False),
        ("value - 0.1 - 0.1 == 0.1", True),
        ("value / 3 / 0.1 == 1", True),
        ("1 + 2 * value == 1.6", True),
        ("(1 + 2) * value == .9", True),
        ("-value < 0 and - -value == +value", True),
        ("abs(value - 1) == 0.7", True),
        ("value > 1 or value < 1 and value > 0", True),
        ("not (value > 1 or value < 1)", False),
        ("not value > 1 and value != 0.3", False),
        ("value == 3e-1 and value == 30E-2 and value == 0.03e+1", True),
        ("count == 1 and min == max and sum == mean and mean == value", True),
        ("value>0\n  and\tvalue<1", True),
    ],
)
def test_conditions_are_worked_out_to_the_last_digit(text: str, holds: bool) -> None:
    assert judged("0.3", success=text)[0] is (V.PASS if holds else V.FAIL)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("value", "is a number and no condition: compare it, such as value >= 0.99"),
        ("1 > 0", "says nothing about what is measured: name value, or count, min, max, sum, mean"),
        (
            "baseline > 0",
            "says nothing about what is measured: name value, or count, min, max, sum, mean",
        ),
        ("value = 1", "cannot have '=': write == to compare (at character 7)"),
        ("value > 1 && value < 2", "cannot have '&': write and (at character 11)"),
        ("value > 1 || value < 2", "cannot have '|': write or (at character 11)"),
        ("!(value > 1)", "cannot have '!': write not (at character 1)"),
        (
            "value > 99%",
            "cannot have '%': write a share as a decimal, such as 0.99 (at character 11)",
        ),
        ("result[0] > 1", f"has an unknown name 'result': there are {NAMES} (at character 1)"),
        ("value[0] > 1", "cannot have '[': write value, min, max, sum or mean (at character 6)"),
        ("value.real > 1", "cannot have '.' there (at character 6)"),
        ("Value > 1", "has 'Value' in capitals: write value (at character 1)"),
        ("value > 1 AND value < 2", "has 'AND' in capitals: write and (at character 11)"),
        ("value > 2 ** 3", "cannot have '*' there (at character 12)"),
        ("value > 9^9", "cannot have '^': there are no powers (at character 10)"),
        ("value > 1 and 3", "wants a comparison beside 'and', not a number (at character 15)"),
        ("not value", "wants a comparison beside 'not', not a number (at character 5)"),
        ("(value > 1) > 0", "wants a number beside '>', not a comparison (at character 1)"),
        ("-(value > 1)", "wants a number beside '-', not a comparison (at character 2)"),
        ("abs(value > 1) > 0", "wants a number beside 'abs', not a comparison (at character 5)"),
        ("1 + (value > 1) > 0", "wants a number beside '+', not a comparison (at character 5)"),
        ("abs value > 1", "has abs without parentheses after it (at character 5)"),
        ("(value > 1", "has a parenthesis that is not closed (at character 1)"),
        ("value > 1)", "cannot have ')' there (at character 10)"),
        ("value >", "ends where something is missing (at character 8)"),
        ("value > 0x10", "has '0x10', which is no number (at character 9)"),
        ("value > 1_000", "has '1_000', which is no number (at character 9)"),
        ("value > 1e100", "has '1e100', which is no number (at character 9)"),
        ("value > 1 2", "cannot have '2' there (at character 11)"),
        ("value > '1'", 'cannot have "\'" there (at character 9)'),
        ("value > ٣", "cannot have '٣' there (at character 9)"),
        ("value\xa0> 1", "cannot have '\\xa0' there (at character 6)"),
        (f"value > {'1' * 41}", "has a number of more than 40 digits (at character 9)"),
        (f"{'(' * 21}value{')' * 21} > 1", "is nested more than 20 deep (at character 22)"),
        (f"{'not ' * 21}value > 1", "is nested more than 20 deep (at character 85)"),
        (f"{'-' * 21}value > 1", "is nested more than 20 deep (at character 22)"),
        ("v" * 10_000, "is 10000 characters long; a condition has at most 1000"),
    ],
)
def test_what_is_no_condition_is_refused_in_words(text: str, error: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the words are compared below
        conditions.parse(text)

    assert str(caught.value) == error


@pytest.mark.parametrize(
    "text",
    [
        "value > 0" + " + 1" * 247,
        "value > 0" + " and value > 0" * 70,
        "0 < value" + " < 1" * 247,
        f"{'(' * 20}value{')' * 20} > 1",
    ],
    ids=["sum", "and", "chain", "nested"],
)
def test_the_longest_conditions_are_worked_out(text: str) -> None:
    assert judged("1", success=text)[0] in (V.PASS, V.FAIL)


def test_names_what_a_condition_needs() -> None:
    found = conditions.parse(" value >= baseline - 0.005 and count > 3 ")

    assert (found.text, found.names) == (
        "value >= baseline - 0.005 and count > 3",
        frozenset({"value", "baseline", "count"}),
    )


@pytest.mark.parametrize(
    ("value", "expected"), [("0.5", V.FAIL), ("0.95", V.INCONCLUSIVE), ("0.995", V.PASS)]
)
def test_what_meets_neither_condition_is_inconclusive(value: str, expected: V) -> None:
    assert judged(value, success="value >= 0.99", failure="value < 0.9")[0] is expected


def test_what_meets_both_conditions_fails() -> None:
    assert judged("1", success="value > 0", failure="value > 0") == (
        V.FAIL,
        "value 1: value > 0",
    )


def test_a_failure_condition_alone_passes_what_it_does_not_fit() -> None:
    assert judged("1", failure="value > 2")[0] is V.PASS
    assert judged("3", failure="value > 2")[0] is V.FAIL


def test_without_a_condition_any_number_passes() -> None:
    assert judged("12") == (V.PASS, "value 12")
    assert judged("NaN")[0] is V.NO_DATA
    assert judged("up")[0] is V.ERROR


NAN = "NaN: nothing to measure, such as a rate over no requests"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param((), (V.NO_DATA, "the answer is empty"), id="nothing"),
        pytest.param(("NaN",), (V.NO_DATA, NAN), id="NaN"),
        pytest.param(("nan", "NaN"), (V.NO_DATA, NAN), id="only NaN"),
        pytest.param(
            ("1", "NaN", "1"), (V.INCONCLUSIVE, "1 of 3 values are NaN"), id="one went silent"
        ),
        pytest.param(("+Inf",), (V.PASS, "value Infinity"), id="infinity"),
        pytest.param(
            ("-Infinity",), (V.FAIL, "value -Infinity: not value >= 0.99"), id="its opposite"
        ),
        pytest.param(("up",), (V.ERROR, "answered 'up', which is no number"), id="text"),
        pytest.param(("",), (V.ERROR, "answered '', which is no number"), id="an empty text"),
        pytest.param(
            ("1,5",), (V.ERROR, "answered '1,5', which is no number"), id="another decimal point"
        ),
        pytest.param(("1_0",), (V.ERROR, "answered '1_0', which is no number"), id="an underscore"),
        pytest.param(("٣",), (V.ERROR, "answered '٣', which is no number"), id="another alphabet"),
        pytest.param(
            ("9" * 65,), (V.ERROR, f"answered '{'9' * 39}…', which is no number"), id="endless"
        ),
        pytest.param(
            ("1e99999",), (V.ERROR, "answered '1e99999', which is no number"), id="far too large"
        ),
        pytest.param(("1e9999",), (V.PASS, "value 1e+9999"), id="large"),
        pytest.param(
            ("1", "0.5"),
            (V.INCONCLUSIVE, f"2 values from 0.5 to 1: {ONE}"),
            id="several",
        ),
    ],
)
def test_what_an_odd_answer_comes_to(values: tuple[str, ...], expected: tuple[V, str]) -> None:
    assert judged(*values, success="value >= 0.99") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("min >= 1 and max <= 3 and count == 2", V.PASS),
        ("sum == 4 and mean == 2", V.PASS),
        ("min > 1", V.FAIL),
    ],
)
def test_several_values_are_judged_by_what_they_have_together(text: str, expected: V) -> None:
    assert judged("1", "3", success=text)[0] is expected


def test_nobody_answered() -> None:
    gate = Gate(name="rate", probe=Probe(kind=ProbeKind.HTTP), success="value > 0")

    assert conditions.judge(gate, Reading(error="no answer in 30 s")) == (
        V.ERROR,
        "no answer in 30 s",
    )


@pytest.mark.parametrize(
    ("baseline", "expected"),
    [
        ("0.999", (V.FAIL, "value 0.99 (baseline 0.999): not value >= baseline - 0.005")),
        ("0.99", (V.PASS, "value 0.99 (baseline 0.99)")),
        (None, (V.INCONCLUSIVE, "value 0.99: the baseline is not known")),
        ("NaN", (V.INCONCLUSIVE, "value 0.99: the baseline is not known")),
        ("down", (V.INCONCLUSIVE, "value 0.99: the baseline is not known")),
    ],
)
def test_a_baseline_is_compared_with_where_there_is_one(
    baseline: str | None, expected: tuple[V, str]
) -> None:
    assert judged("0.99", success="value >= baseline - 0.005", baseline=baseline) == expected


@pytest.mark.parametrize(
    ("value", "text", "why"),
    [
        ("0", "1 / value > 0", "value 0: divides by zero"),
        ("0", "value / value > 0", "value 0: divides by zero"),
        ("inf", "value - value == 0", "value Infinity: cannot be worked out with these values"),
        ("inf", "0 * value == 0", "value Infinity: cannot be worked out with these values"),
    ],
)
def test_what_cannot_be_worked_out_is_inconclusive(value: str, text: str, why: str) -> None:
    assert judged(value, success=text) == (V.INCONCLUSIVE, why)
    assert judged(value, failure=text) == (V.INCONCLUSIVE, why)


def test_a_condition_can_guard_its_own_division() -> None:
    assert judged("0", success="value == 0 or 1 / value < 1")[0] is V.PASS


def test_what_fails_fails_whatever_the_other_condition_comes_to() -> None:
    assert judged("0", success="1 / value > 0", failure="value < 1")[0] is V.FAIL


def test_infinities_of_both_signs_have_no_mean() -> None:
    assert judged("inf", "-inf", success="mean > 0") == (
        V.INCONCLUSIVE,
        "2 values from -Infinity to Infinity: the values have no mean",
    )


def test_a_condition_of_an_older_file_that_nobody_can_read_is_an_error() -> None:
    assert judged("1", success="value >") == (
        V.ERROR,
        "its condition ends where something is missing (at character 8)",
    )


def test_what_the_probe_tells_stands_behind_and_is_bounded() -> None:
    gate = Gate(name="rate", probe=Probe(kind=ProbeKind.HTTP))

    assert conditions.judge(gate, Reading(values=("1",), detail="of 3 series")) == (
        V.PASS,
        "value 1; of 3 series",
    )
    assert len(conditions.judge(gate, Reading(error="x" * 10_000))[1]) == 300
