from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from fleet.core import gates
from fleet.core.gates import Tally
from fleet.model.gates import Gate, OnVerdict, Probe, ProbeKind, Verdict
from tests.rig.fleets import T0

V = Verdict
MINUTE = dt.timedelta(minutes=1)


def gate(**keys: Any) -> Gate:
    return Gate(name="rate", probe=Probe(kind=ProbeKind.PROMETHEUS), **keys)


def tally(*verdicts: V) -> Tally:
    found = Tally()
    for one in verdicts:
        found = found.with_(one)
    return found


def test_counts_what_was_measured() -> None:
    found = tally(V.PASS, V.PASS, V.ERROR, V.ERROR, V.FAIL, V.NO_DATA, V.INCONCLUSIVE, V.PASS)

    assert found == Tally(
        successful=3,
        failed=1,
        inconclusive=1,
        no_data=1,
        error=2,
        consecutive_success=1,
        consecutive_error=0,
        count=6,
    )
    assert found.number == 8


@pytest.mark.parametrize("verdict", [V.FAIL, V.INCONCLUSIVE, V.NO_DATA, V.ERROR])
def test_all_but_a_success_breaks_a_row_of_them(verdict: V) -> None:
    assert tally(V.PASS, V.PASS, verdict).consecutive_success == 0


@pytest.mark.parametrize("verdict", [V.PASS, V.FAIL, V.INCONCLUSIVE, V.NO_DATA])
def test_any_answer_breaks_a_row_of_errors(verdict: V) -> None:
    assert tally(V.ERROR, verdict).consecutive_error == 0


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        pytest.param({}, 1, id="once"),
        pytest.param({"interval": MINUTE}, None, id="as long as it is asked"),
        pytest.param({"interval": MINUTE, "count": 5}, 5, id="so often"),
        pytest.param({"count": 3}, 3, id="a count alone"),
    ],
)
def test_how_many_measurements_a_gate_wants(keys: dict[str, Any], wanted: int | None) -> None:
    assert gates.wanted(gate(**keys)) == wanted


@pytest.mark.parametrize("verdict", [V.PASS, V.FAIL, V.INCONCLUSIVE, V.NO_DATA])
def test_one_answer_settles_a_gate_that_is_asked_once(verdict: V) -> None:
    assert gates.assess(gate(), tally(verdict)) is verdict


def test_an_error_is_no_measurement_and_does_not_use_up_the_count() -> None:
    errors = [V.ERROR] * 4

    assert gates.assess(gate(), tally(*errors)) is None
    assert gates.assess(gate(), tally(*errors, V.PASS)) is V.PASS
    assert gates.assess(gate(), tally(*errors, V.ERROR)) is V.ERROR


def test_nothing_is_settled_before_something_was_measured() -> None:
    assert gates.assess(gate(), Tally()) is None


def test_missing_data_counts_against_the_limit_of_what_is_inconclusive() -> None:
    lenient = gate(interval=MINUTE, count=5, inconclusive_limit=1)

    assert gates.assess(lenient, tally(V.NO_DATA)) is None
    assert gates.assess(lenient, tally(V.NO_DATA, V.NO_DATA)) is V.NO_DATA
    assert gates.assess(lenient, tally(V.NO_DATA, V.INCONCLUSIVE)) is V.INCONCLUSIVE


def test_missing_data_keeps_its_name_among_successes() -> None:
    assert gates.assess(gate(interval=MINUTE), tally(V.PASS, V.PASS, V.NO_DATA)) is V.NO_DATA


def test_too_few_in_a_row_for_want_of_data_is_missing_data() -> None:
    wants = gate(interval=MINUTE, count=2, consecutive_success_limit=2, inconclusive_limit=2)

    assert gates.assess(wants, tally(V.PASS, V.NO_DATA)) is V.NO_DATA
    assert gates.assess(wants, tally(V.PASS, V.INCONCLUSIVE)) is V.INCONCLUSIVE


@pytest.mark.parametrize(
    ("verdicts", "ended"),
    [
        pytest.param([], V.NO_DATA, id="nothing was ever measured"),
        pytest.param([V.ERROR], V.ERROR, id="nobody ever answered"),
        pytest.param([V.PASS, V.ERROR], V.PASS, id="an answer, and then none"),
        pytest.param([V.PASS], V.PASS, id="it went well so far"),
        pytest.param([V.FAIL], V.FAIL, id="it did not"),
    ],
)
def test_what_a_soak_s_gate_comes_to_when_the_soak_is_over(verdicts: list[V], ended: V) -> None:
    unlimited = gate(interval=MINUTE)

    assert gates.assess(unlimited, tally(*verdicts), is_terminating=True) is ended


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (V.PASS, OnVerdict.CONTINUE),
        (V.FAIL, OnVerdict.ROLLBACK),
        (V.INCONCLUSIVE, OnVerdict.PAUSE),
        (V.NO_DATA, OnVerdict.STOP),
        (V.ERROR, OnVerdict.PAUSE),
    ],
)
def test_what_follows_is_what_the_gate_says(verdict: V, expected: OnVerdict) -> None:
    asked = gate(on_fail=OnVerdict.ROLLBACK, on_no_data=OnVerdict.STOP)

    assert gates.action(asked, verdict) is expected
    assert gates.action(gate(is_dry_run=True, on_fail=OnVerdict.STOP), verdict) is (
        OnVerdict.CONTINUE
    )


def test_when_to_measure_next() -> None:
    asked = gate(interval=MINUTE, initial_delay=2 * MINUTE)
    entered, last = T0, T0 + 10 * MINUTE

    assert gates.next_at(asked, Tally(), entered, None) == T0 + 2 * MINUTE
    assert gates.next_at(asked, tally(V.PASS), entered, last) == last + MINUTE
    assert gates.next_at(asked, tally(V.ERROR), entered, last) == last + MINUTE


def test_a_gate_without_an_interval_is_asked_again_soon_after_an_error() -> None:
    last = T0 + MINUTE

    assert gates.next_at(gate(), tally(V.ERROR), T0, last) == last + dt.timedelta(seconds=10)


def test_a_gate_that_is_entered_again_waits_as_at_first() -> None:
    """What was measured the time before is no longer counted, and does not hurry it."""
    asked = gate(interval=MINUTE, initial_delay=2 * MINUTE)

    assert gates.next_at(asked, Tally(), T0, T0 - MINUTE) == T0 + 2 * MINUTE
