from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import pytest
from hypothesis import given, strategies as st

from fleet import zones
from fleet.core import forecast, outlook
from fleet.core.forecast import Forecast, Window
from fleet.core.hours import Hours
from fleet.core.waves import TYPICAL_TARGET
from fleet.model.approvals import ApprovalRule
from fleet.model.calendars import Calendar, Level, Rule
from fleet.model.gates import Gate, Moment, Probe, ProbeKind
from fleet.model.plan import Plan, Target
from tests.rig.byhand import Hand
from tests.rig.fleets import T0, opened, plan, target, wave

MINUTE, HOUR = dt.timedelta(minutes=1), dt.timedelta(hours=1)
NIGHTS = Calendar(
    name="nights",
    level=Level.RUN,
    zone="UTC",
    allow=(Rule(days=tuple(range(7)), at="22:00", until="23:00"),),
)
"""An hour each day; T0 is at 02:00."""
TONIGHT = T0.replace(hour=22)


def expected(found: Plan, *, now: dt.datetime = T0) -> Sequence[Forecast]:
    return forecast.of_plan(found, zones=zones.zone, now=now)


def test_waves_follow_each_other_in_rounds_and_soaks() -> None:
    made = plan([wave(1, soak=HOUR), wave(10, name="w1", effective_concurrency=4, soak=HOUR)])

    first, second = expected(made)

    assert first == Forecast(
        wave="w0",
        opens_at=T0,
        ends_at=T0 + TYPICAL_TARGET,
        closes_at=T0 + TYPICAL_TARGET + HOUR,
        window=None,
        hangs_on=(),
        is_after_approval=False,
    )
    opens_at = T0 + TYPICAL_TARGET + HOUR
    assert (second.opens_at, second.ends_at) == (opens_at, opens_at + 3 * TYPICAL_TARGET)
    assert second.closes_at == second.ends_at, "nobody waits for the soak of the last wave"


def test_a_window_is_waited_for_and_left_by_its_buffer() -> None:
    made = plan([wave(20, effective_concurrency=1)], calendars=(NIGHTS,), start_buffer=10 * MINUTE)

    (found,) = expected(made)

    # In an hour less the buffer of ten minutes, ten start one after another.
    second_night = TONIGHT + dt.timedelta(days=1)
    assert found == Forecast(
        wave="w0",
        opens_at=TONIGHT,
        ends_at=second_night + 10 * TYPICAL_TARGET,
        closes_at=second_night + 10 * TYPICAL_TARGET,
        window=Window(opens_at=TONIGHT, closes_at=TONIGHT + HOUR, is_open=False),
        hangs_on=("the windows of nights",),
        is_after_approval=False,
    )


def test_a_wave_that_no_window_is_long_enough_for_never_opens_nor_does_one_after_it() -> None:
    made = plan([wave(1), wave(1, name="w1")], calendars=(NIGHTS,), start_buffer=2 * HOUR)

    first, second = expected(made)

    assert (first.opens_at, first.ends_at, first.closes_at) == (None, None, None)
    assert first.hangs_on == ("the windows of nights",)
    assert (second.opens_at, second.hangs_on) == (None, ())


def test_not_before_approvals_and_gates_are_told_in_the_order_they_come() -> None:
    gate = Gate(
        name="errors",
        probe=Probe(kind=ProbeKind.HTTP),
        interval=MINUTE,
        count=4,
        initial_delay=2 * MINUTE,
    )
    day = T0 + dt.timedelta(days=1)
    rules = (ApprovalRule(when=Moment.BEFORE, quorum=2), ApprovalRule(when=Moment.AFTER))
    made = plan(
        [
            wave(1, not_before=day, before_gates=("errors",), approvals=rules),
            wave(1, name="w1"),
        ],
        gates=(gate,),
    )

    first, second = expected(made)

    assert first == Forecast(
        wave="w0",
        opens_at=day + 5 * MINUTE,
        ends_at=day + 5 * MINUTE + TYPICAL_TARGET,
        closes_at=day + 5 * MINUTE + TYPICAL_TARGET,
        window=None,
        hangs_on=(
            "not before 2026-01-11 02:00Z",
            "2 approvals before it",
            "gates: errors",
            "1 approval after it",
        ),
        is_after_approval=True,
    )
    assert second.is_after_approval
    assert second.hangs_on == ("the approval of wave w0",)


@pytest.mark.parametrize(
    ("changes", "minutes"),
    [
        ({}, 0),
        ({"interval": MINUTE, "count": 4}, 3),
        ({"interval": MINUTE, "count": 4, "consecutive_success_limit": 2}, 1),
        ({"interval": MINUTE, "consecutive_success_limit": 3}, 2),
        ({"initial_delay": 2 * MINUTE}, 2),
    ],
)
def test_a_gate_takes_at_least_as_long_as_it_must_be_measured(
    changes: dict[str, object], minutes: int
) -> None:
    gate = Gate(name="g", probe=Probe(kind=ProbeKind.HTTP), **changes)  # type: ignore[arg-type]

    assert forecast.shortest(gate) == minutes * MINUTE


def test_own_calendars_hold_up_who_has_them_and_with_them_the_wave() -> None:
    own = Calendar(name="site", level=Level.TARGET, zone="UTC", allow=NIGHTS.allow)
    targets = [target(0), target(1, calendars=(0,)), target(2)]
    made = plan([wave(3, effective_concurrency=1)], targets=targets, calendars=(own,))

    (found,) = expected(made)

    assert found.opens_at == T0
    assert found.ends_at == TONIGHT + TYPICAL_TARGET
    terms = forecast.terms_of_plan(made.head, zones=zones.zone, now=T0)
    (leg,) = forecast.legs_of_plan(made)
    starts = [
        forecast.start_of(terms, leg, found, one, place=place)
        for place, one in enumerate(made.targets)
    ]
    assert starts == [T0, TONIGHT, T0 + 2 * TYPICAL_TARGET]


@given(
    count=st.integers(1, 60),
    at_once=st.integers(1, 7),
    buffer_min=st.integers(0, 59),
    since_min=st.integers(0, 3000),
)
def test_nobody_is_expected_to_start_while_a_window_is_closed(
    count: int, at_once: int, buffer_min: int, since_min: int
) -> None:
    """And never more at a time than the wave allows, each for as long as a target takes."""
    now = T0 + since_min * MINUTE
    made = plan(
        [wave(count, effective_concurrency=at_once)],
        calendars=(NIGHTS,),
        start_buffer=buffer_min * MINUTE,
    )
    terms = forecast.terms_of_plan(made.head, zones=zones.zone, now=now)
    (leg,) = forecast.legs_of_plan(made)
    (found,) = forecast.of_plan(made, zones=zones.zone, now=now)

    starts = [
        forecast.start_of(terms, leg, found, made.targets[0], place=place) for place in range(count)
    ]

    known = [one for one in starts if one is not None]
    assert len(known) == count
    assert all(one >= now for one in known)
    assert known == sorted(known)
    assert all(terms.hours.opening((0,), one, buffer=terms.buffer).is_open for one in known)
    for earlier, later in zip(known, known[at_once:], strict=False):
        assert later - earlier >= TYPICAL_TARGET
    assert found.ends_at == known[-1] + TYPICAL_TARGET


def test_a_run_is_expected_to_go_on_from_where_it_is() -> None:
    made = plan([wave(4, effective_concurrency=2, max_concurrency=2), wave(1, name="w1")])
    hand = Hand(opened(made)).settle()
    hand.end(0)

    found = outlook.of_run(hand.state, hand.now)

    # Two are in flight, and the last one follows in the place of the first of them.
    assert list(found) == [0, 1]
    assert found[0].ends_at == hand.now + 2 * TYPICAL_TARGET
    assert found[1].opens_at == found[0].ends_at


def test_of_a_run_that_is_over_nothing_is_expected() -> None:
    hand = Hand(opened(plan([wave(1)]))).settle()
    hand.end(0)

    assert hand.state.status.is_terminal
    assert outlook.of_run(hand.state, hand.now) == {}


def test_what_people_have_agreed_to_is_waited_for_no_more() -> None:
    rule = ApprovalRule(when=Moment.BEFORE, not_author=False)
    hand = Hand(opened(plan([wave(1, approvals=(rule,)), wave(1, name="w1")]))).settle()
    before = outlook.of_run(hand.state, hand.now)
    hand.ask("approve")

    after = outlook.of_run(hand.state, hand.now)

    assert before[0].hangs_on == ("1 approval before it",)
    assert before[1].hangs_on == ("the approval of wave w0",)
    assert [one.hangs_on for one in after.values()] == [(), ()]


def test_a_hundred_thousand_targets_are_asked_about_few_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As often as there are windows to pass, and kinds of calendars: never once a target."""
    own = [
        Calendar(name=f"site {n}", level=Level.TARGET, zone="UTC", allow=NIGHTS.allow)
        for n in range(20)
    ]
    many: list[Target] = [target(n, calendars=(n % 20,)) for n in range(2000)]
    few = many[:200]

    counts = [
        _asked(
            monkeypatch,
            plan([wave(len(ts), effective_concurrency=10)], targets=ts, calendars=tuple(own)),
        )
        for ts in (few, many)
    ]

    assert counts[1] <= 12 * counts[0]


def _asked(monkeypatch: pytest.MonkeyPatch, made: Plan) -> int:
    asked = 0
    opening = Hours.opening

    def counted(*args: object, **kwargs: object) -> object:
        nonlocal asked
        asked += 1
        return opening(*args, **kwargs)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Hours, "opening", counted)
        forecast.of_plan(made, zones=zones.zone, now=T0)
    return asked
