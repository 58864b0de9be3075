"""What calendars mean: clock changes, dates that are rare, and calendars of no use."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import pytest

from fleet import zones
from fleet.core import patterns, rruletext, windows
from fleet.core.windows import Opening
from fleet.errors import InputError
from fleet.model.calendars import Calendar, Rule
from tests.rig import minutes

BERLIN, NEW_YORK, SANTIAGO = "Europe/Berlin", "America/New_York", "America/Santiago"
HOUR = dt.timedelta(hours=1)
NIGHTS = Rule(days=(0, 1, 2, 3, 4), at="22:00", until="05:00")
NOW = dt.datetime(2026, 11, 29, 12, tzinfo=dt.UTC)


def utc(text: str) -> dt.datetime:
    """Return a moment as ``2026-11-29 12:00``."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def spans(rule: Rule, zone: str, since: str, until: str) -> list[tuple[str, str]]:
    """Return the spans of a rule between two days, in UTC."""
    found = windows.spans(rule, zones.zone(zone), after=utc(since), before=utc(until))
    return [(f"{one.start:%F %H:%M}", f"{one.end:%F %H:%M}") for one in found]


def next_open(*calendars: Calendar, after: dt.datetime = NOW, **keys: Any) -> dt.datetime | None:
    return windows.next_open(calendars, after, zones=zones.zone, **keys)


def opening(*calendars: Calendar, now: dt.datetime = NOW, **keys: Any) -> Opening:
    return windows.opening(calendars, now, zones=zones.zone, **keys)


def problems(calendar: Calendar) -> tuple[str, ...]:
    return windows.problems(calendar, zones=zones.zone, at=NOW)


# The shapes


def test_a_weekly_span_belongs_to_the_day_it_starts() -> None:
    friday = Rule(days=(4,), at="22:00", until="05:00")

    assert spans(friday, BERLIN, "2026-11-25", "2026-12-02") == [
        ("2026-11-27 21:00", "2026-11-28 04:00")
    ]


@pytest.mark.parametrize(
    ("at", "until", "end"),
    [
        pytest.param("00:00", "24:00", "2026-11-28 00:00", id="the end of the day"),
        pytest.param("08:00", "08:00", "2026-11-28 08:00", id="a whole day"),
        pytest.param("08:00", "07:59", "2026-11-28 07:59", id="the next day"),
    ],
)
def test_an_end_that_is_no_later_than_the_start_is_the_next_day(
    at: str, until: str, end: str
) -> None:
    found = spans(Rule(days=(4,), at=at, until=until), "UTC", "2026-11-27", "2026-12-01")

    assert found == [(f"2026-11-27 {at}", end)]


def test_a_span_that_has_begun_is_among_those_that_lie_there_in_part() -> None:
    assert spans(NIGHTS, "UTC", "2026-11-25", "2026-11-26") == [
        ("2026-11-24 22:00", "2026-11-25 05:00"),
        ("2026-11-25 22:00", "2026-11-26 05:00"),
    ]


def test_spans_of_months_come_once_each() -> None:
    found = spans(Rule(cron="0 1 * * *", length=30 * HOUR), "UTC", "2026-01-01", "2027-01-01")

    assert len(found) == 366
    assert found == sorted(set(found))


def test_cron_joins_the_days_of_the_month_and_of_the_week_as_debian_does() -> None:
    either = Rule(cron="0 3 13 * FRI", length=HOUR)
    both = Rule(cron="0 3 */13 * FRI", length=HOUR)

    assert [start for start, _ in spans(either, "UTC", "2026-11-12", "2026-11-21")] == [
        "2026-11-13 03:00",
        "2026-11-20 03:00",
    ]
    assert [start for start, _ in spans(both, "UTC", "2026-10-01", "2026-12-01")] == [
        "2026-11-27 03:00"
    ]


def test_recurring_starts_are_those_of_the_rule_and_the_dates_without_the_exceptions() -> None:
    rule = Rule(
        starts="2019-01-13T02:00:00",
        rrule="FREQ=MONTHLY;BYDAY=2SU",
        also=("2026-11-20T02:00:00", "2026-12-13T02:00:00"),
        except_at=("2026-11-08T02:00:00",),
        length=HOUR,
    )

    assert [start for start, _ in spans(rule, "UTC", "2026-11-01", "2027-01-01")] == [
        "2026-11-20 02:00",
        "2026-12-13 02:00",
    ]


def test_a_start_without_a_rule_is_one_of_its_dates() -> None:
    rule = Rule(starts="2026-11-20T02:00:00", also=("2026-11-21T02:00:00",), length=HOUR)

    assert len(spans(rule, "UTC", "2026-11-01", "2027-01-01")) == 2


@pytest.mark.parametrize(
    ("until", "count"),
    [
        pytest.param("20261103T220000Z", 3, id="the moment of the third"),
        pytest.param("20261103T215959Z", 2, id="a second before it"),
        pytest.param("20261103T230000", 3, id="as clocks show it"),
        pytest.param("20261103", 3, id="all of that day"),
        pytest.param("99991231T235959Z", 30, id="for ever"),
    ],
)
def test_the_end_of_a_rule_is_among_what_it_gives(until: str, count: int) -> None:
    rule = Rule(starts="2026-11-01T23:00:00", rrule=f"FREQ=DAILY;UNTIL={until}", length=HOUR)

    assert len(spans(rule, BERLIN, "2026-11-01", "2026-12-01")) == count


@pytest.mark.parametrize(
    ("rule", "days"),
    [
        # python-dateutil gives nothing at all for this.
        pytest.param("FREQ=MONTHLY;BYDAY=MO,2SU", [2, 8, 9, 16, 23, 30], id="either"),
        # It gives every day of that week.
        pytest.param("FREQ=YEARLY;BYWEEKNO=46", [14], id="the start's day"),
        # It begins the first week with the start.
        pytest.param("FREQ=WEEKLY;BYDAY=MO,SA;BYSETPOS=1", [9, 16, 23, 30], id="whole weeks"),
    ],
)
def test_rules_are_read_as_the_rfc_says(rule: str, days: list[int]) -> None:
    given = Rule(starts="2026-11-01T02:00:00", rrule=rule, length=HOUR)
    if "WEEK" in rule:
        given = dataclasses.replace(given, starts="2026-11-07T02:00:00")

    found = spans(given, "UTC", "2026-11-01", "2026-12-01")

    assert [int(start[8:10]) for start, _ in found] == days


@pytest.mark.parametrize(("week_start", "days"), [("MO", [5, 10, 19, 24]), ("SU", [5, 17, 19, 31])])
def test_every_other_week_depends_on_the_day_that_begins_one(
    week_start: str, days: list[int]
) -> None:
    """The RFC's own example, of August 1997."""
    rule = Rule(
        starts="1997-08-05T09:00:00",
        rrule=f"FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST={week_start}",
        length=HOUR,
    )

    found = spans(rule, "UTC", "1997-08-01", "1997-10-01")

    assert [int(start[8:10]) for start, _ in found] == days


@pytest.mark.parametrize(
    ("rule", "before"),
    [
        pytest.param("FREQ=WEEKLY;BYDAY=MO,SU", "2026-10-31T00:00:00", id="a week of two months"),
        pytest.param("FREQ=YEARLY;BYMONTH=10,12", "2026-11-01T00:00:00", id="a year"),
        pytest.param("FREQ=MONTHLY;BYDAY=MO", "2026-10-26T12:00:00", id="a day"),
    ],
)
def test_the_last_place_of_a_step_is_not_the_last_one_asked_about(rule: str, before: str) -> None:
    start = dt.datetime.fromisoformat("2026-10-26T14:00:00")
    given = rruletext.read(f"{rule};BYSETPOS=-1", start)

    assert list(given.between(start, dt.datetime.fromisoformat(before))) == []


def test_a_length_is_time_that_passes_and_hours_are_what_clocks_show() -> None:
    passing = Rule(cron="0 22 * * SAT", length=8 * HOUR)
    shown = Rule(days=(5,), at="22:00", until="06:00")

    assert spans(passing, BERLIN, "2026-10-24", "2026-10-26") == [
        ("2026-10-24 20:00", "2026-10-25 04:00")
    ]
    assert spans(shown, BERLIN, "2026-10-24", "2026-10-26") == [
        ("2026-10-24 20:00", "2026-10-25 05:00")
    ]


# Clock changes


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param(Rule(days=(6,), at="02:30", until="04:00"), id="weekly"),
        pytest.param(Rule(cron="30 2 * * SUN", length=HOUR), id="cron"),
    ],
)
def test_a_start_that_clocks_leave_out_is_the_end_of_the_gap(rule: Rule) -> None:
    assert spans(rule, BERLIN, "2027-03-27", "2027-03-29") == [
        ("2027-03-28 01:00", "2027-03-28 02:00")
    ]


def test_an_end_that_clocks_leave_out_is_the_end_of_the_gap() -> None:
    rule = Rule(days=(6,), at="01:00", until="02:30")

    assert spans(rule, BERLIN, "2027-03-27", "2027-03-29") == [
        ("2027-03-28 00:00", "2027-03-28 01:00")
    ]


def test_hours_that_clocks_leave_out_altogether_are_no_window() -> None:
    rule = Rule(days=(6,), at="02:15", until="02:45")

    assert spans(rule, BERLIN, "2027-03-27", "2027-03-29") == []


def test_a_rule_of_the_rfc_gives_no_start_that_does_not_exist() -> None:
    rule = Rule(starts="2027-03-27T02:30:00", rrule="FREQ=DAILY;COUNT=3", length=HOUR)

    # And what does not exist is not counted.
    assert [start for start, _ in spans(rule, BERLIN, "2027-03-27", "2027-04-01")] == [
        "2027-03-27 01:30",
        "2027-03-29 00:30",
        "2027-03-30 00:30",
    ]


def test_a_date_that_somebody_named_is_there_as_if_clocks_had_not_moved() -> None:
    dates = Rule(also=("2027-03-28T02:30:00",), length=HOUR)
    once = Rule(starts="2027-03-28T02:15:00", ends="2027-03-28T02:45:00")

    assert spans(dates, BERLIN, "2027-03-27", "2027-03-29") == [
        ("2027-03-28 01:30", "2027-03-28 02:30")
    ]
    assert spans(once, BERLIN, "2027-03-27", "2027-03-29") == [
        ("2027-03-28 01:15", "2027-03-28 01:45")
    ]


@pytest.mark.parametrize(
    ("at", "until", "span"),
    [
        pytest.param("02:30", "04:00", ("00:30", "03:00"), id="from within"),
        pytest.param("01:00", "02:30", ("23:00", "00:30"), id="into it"),
        pytest.param("02:00", "03:00", ("00:00", "02:00"), id="all of it"),
    ],
)
def test_an_hour_that_is_shown_twice_counts_once(
    at: str, until: str, span: tuple[str, str]
) -> None:
    """Both ends are the first of the two: where one window ends another can begin."""
    found = spans(Rule(days=(6,), at=at, until=until), BERLIN, "2026-10-24", "2026-10-26")

    assert [(start[11:], end[11:]) for start, end in found] == [span]


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param(Rule(also=("2026-09-06T00:00:00",), whole_days=1), id="a date"),
        pytest.param(
            Rule(starts="2020-09-06T00:00:00", rrule="FREQ=YEARLY", whole_days=1), id="a rule"
        ),
    ],
)
def test_a_day_without_a_midnight_is_a_day_all_the_same(rule: Rule) -> None:
    assert spans(rule, SANTIAGO, "2026-09-05", "2026-09-08") == [
        ("2026-09-06 04:00", "2026-09-07 03:00")
    ]


def test_a_day_that_a_zone_leaves_out_moves_to_the_next() -> None:
    rule = Rule(days=(4,), at="10:00", until="16:00")

    # Samoa went from Thursday to Saturday.
    assert spans(rule, "Pacific/Apia", "2011-12-29", "2012-01-01") == []
    assert spans(
        dataclasses.replace(rule, until="09:00"), "Pacific/Apia", "2011-12-29", "2012-01-01"
    ) == [("2011-12-30 10:00", "2011-12-30 19:00")]


# What they say together


def test_denying_wins_and_one_that_allows_is_enough() -> None:
    weekend = Rule(days=(5, 6), at="00:00", until="24:00")
    christmas = Rule(also=("2026-12-24T00:00:00",), whole_days=3, text="Christmas")
    calendar = minutes.calendar(BERLIN, allow=[NIGHTS, weekend], deny=[christmas])

    assert next_open(calendar, after=utc("2026-12-23 23:00")) == utc("2026-12-26 23:00")
    assert windows.next_close([calendar], utc("2026-12-23 12:00"), zones=zones.zone) == utc(
        "2026-12-23 23:00"
    )


def test_no_calendar_is_always_open() -> None:
    assert opening() == Opening(is_open=True, changes_at=None)


def test_several_calendars_must_all_be_open() -> None:
    berlin = minutes.calendar(BERLIN, allow=[NIGHTS])
    york = minutes.calendar(NEW_YORK, allow=[NIGHTS])

    assert opening(berlin, york) == Opening(is_open=False, changes_at=utc("2026-12-01 03:00"))
    assert opening(berlin, york, now=utc("2026-12-01 03:00")) == Opening(
        is_open=True, changes_at=utc("2026-12-01 04:00")
    )


def test_windows_that_meet_are_one() -> None:
    evening, night = (
        Rule(days=(0,), at="20:00", until="24:00"),
        Rule(days=(1,), at="00:00", until="06:00"),
    )
    calendar = minutes.calendar("UTC", allow=[evening, night])

    assert opening(calendar, now=utc("2026-11-30 23:30"), buffer=2 * HOUR) == Opening(
        is_open=True, changes_at=utc("2026-12-01 04:00")
    )


def test_a_buffer_is_what_must_be_left() -> None:
    calendar = minutes.calendar("UTC", allow=[NIGHTS])
    last = utc("2026-12-01 04:30")

    assert opening(calendar, now=last - minutes.MINUTE, buffer=HOUR / 2) == Opening(
        is_open=True, changes_at=last
    )
    assert opening(calendar, now=last, buffer=HOUR / 2) == Opening(
        is_open=False, changes_at=utc("2026-12-01 22:00")
    )
    assert opening(calendar, now=last) == Opening(is_open=True, changes_at=last + HOUR / 2)
    assert next_open(calendar, buffer=7 * HOUR) is None


def test_what_is_not_known_yet_is_closed() -> None:
    calendar = dataclasses.replace(
        minutes.calendar("UTC", deny=[NIGHTS]), known_until=utc("2026-12-01 10:00")
    )

    assert opening(calendar, now=utc("2026-12-01 09:00")) == Opening(
        is_open=True, changes_at=utc("2026-12-01 10:00")
    )
    assert opening(calendar, now=utc("2026-12-01 10:00")) == Opening(is_open=False, changes_at=None)


# Rare, old, and never


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", id="by its date"),
        pytest.param("FREQ=YEARLY;BYYEARDAY=60;BYMONTHDAY=29", id="by the day of the year"),
        pytest.param("FREQ=YEARLY", id="by its start"),
    ],
)
@pytest.mark.parametrize(("since", "year"), [(NOW, 2028), (utc("2096-03-01 00:00"), 2104)])
def test_the_29th_of_february_is_found(rule: str, since: dt.datetime, year: int) -> None:
    given = Rule(starts="2020-02-29T10:00:00", rrule=rule, length=HOUR)

    found = next_open(minutes.calendar("UTC", allow=[given]), after=since)

    assert found == dt.datetime(year, 2, 29, 10, tzinfo=dt.UTC)


def test_one_date_years_from_now_is_found() -> None:
    once = Rule(starts="2032-05-01T00:00:00", ends="2032-05-02T00:00:00")

    found = next_open(minutes.calendar(BERLIN, allow=[once]), minutes.calendar(BERLIN))

    assert found == utc("2032-04-30 22:00")


def test_a_start_of_centuries_ago_is_a_start() -> None:
    old = Rule(starts="1601-01-01T22:00:00", rrule="FREQ=DAILY;INTERVAL=2", length=HOUR)
    since = Rule(starts="2001-01-01T22:00:00", rrule="FREQ=DAILY;INTERVAL=2", length=HOUR)

    # Four hundred years are 146,097 days, which is odd.
    assert next_open(minutes.calendar("UTC", allow=[old])) != next_open(
        minutes.calendar("UTC", allow=[since])
    )


def test_windows_that_never_meet_never_open() -> None:
    morning = minutes.calendar("UTC", allow=[Rule(days=(0,), at="06:00", until="12:00")])
    evening = minutes.calendar("UTC", allow=[Rule(days=(0,), at="18:00", until="24:00")])

    assert next_open(morning, evening) is None
    assert windows.next_close([morning, evening], NOW, zones=zones.zone) is None


# Of no use


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (
            Rule(starts="2026-12-02T00:00:00", ends="2026-12-01T00:00:00"),
            "it ends at 2026-12-01T00:00:00, which is not after its start at 2026-12-02T00:00:00",
        ),
        (
            Rule(cron="* * * * *", length=HOUR),
            ("'* * * * *' starts 1440 times a day; at most 96 are read."
            " Say how long one window is, and start it once."),
        ),
        (
            Rule(starts="2000-01-01T00:00:00", rrule="FREQ=MINUTELY", length=HOUR),
            "'FREQ=MINUTELY' is no recurrence rule: FREQ=MINUTELY starts too often to be a window",
        ),
        (
            Rule(starts="2000-01-01T00:00:00", rrule="FREQ=SECONDLY;COUNT=9", length=HOUR),
            ("'FREQ=SECONDLY;COUNT=9' is no recurrence rule:"
            " FREQ=SECONDLY starts too often to be a window"),
        ),
        (
            Rule(
                starts="2000-01-01T00:00:00",
                rrule=f"FREQ=DAILY;BYMINUTE={','.join(map(str, range(60)))};BYHOUR=0,1",
                length=HOUR,
            ),
            (f"'FREQ=DAILY;BYMINUTE={','.join(map(str, range(60)))};BYHOUR=0,1'"
            " starts 120 times a day; at most 96 are read."
            " Say how long one window is, and start it once."),
        ),
        (
            Rule(starts="2000-01-01T00:00:00", rrule="FREQ=DAILY;COUNT=1000000", length=HOUR),
            "'FREQ=DAILY;COUNT=1000000' is no recurrence rule: 1000000 is no number",
        ),
        (
            Rule(starts="2000-01-01T00:00:00", rrule="FREQ=DAILY;COUNT=10001", length=HOUR),
            "'FREQ=DAILY;COUNT=10001' is no recurrence rule: 10001 is not from 1 to 10,000",
        ),
        (
            Rule(cron="0 * * * *", length=30 * 24 * HOUR),
            ("it starts 24 times a day, and each time for 30 days, 0:00:00."
            " Say how long one window is, and start it once."),
        ),
        (
            Rule(also=tuple(["2026-12-01T00:00:00"] * 10_001), length=HOUR),
            "it names 10,001 dates one by one. At most 10,000 are read.",
        ),
        (
            Rule(starts="2000-01-01T00:00:00", rrule="FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
                 length=HOUR),
            "'FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30' gives nothing in 9 years from its start",
        ),
        (
            Rule(cron="0 0 30 2 *", length=HOUR),
            "'0 0 30 2 *' is no cron expression: bad day-of-month",
        ),
        (
            Rule(cron="@daily", length=HOUR),
            ("'@daily' is no cron expression of five fields."
            " Minute, hour, day of the month, month, day of the week."),
        ),
        (Rule(cron="0 0 * * *"), "it does not say how long its spans are"),
        (
            Rule(cron="0 0 * * *", length=dt.timedelta(0)),
            "its spans are 0:00:00 long: more than nothing and at most 366 days",
        ),
        (
            Rule(cron="0 0 * * *", length=dt.timedelta(days=367)),
            "its spans are 367 days, 0:00:00 long: more than nothing and at most 366 days",
        ),
        (
            Rule(rrule="FREQ=DAILY", length=HOUR),
            "it does not say when it starts",
        ),
        (
            Rule(starts="tomorrow", rrule="FREQ=DAILY", length=HOUR),
            "'tomorrow' is no local time. Write it as 2026-12-24T18:00:00, without an offset.",
        ),
        (
            Rule(also=("2026-12-01T00:00:00+01:00",), length=HOUR),
            ("'2026-12-01T00:00:00+01:00' is no local time."
            " Write it as 2026-12-24T18:00:00, without an offset."),
        ),
        (
            Rule(also=("0206-12-01T00:00:00",), length=HOUR),
            ("'0206-12-01T00:00:00' is no local time."
            " Write it as 2026-12-24T18:00:00, without an offset."),
        ),
        (
            Rule(days=(0,), at="22", until="05:00"),
            "'22' is no time of day. Write it as 22:00; 24:00 is the end of a day.",
        ),
        (
            Rule(days=(0,), at="24:00", until="05:00"),
            "'24:00' is no time of day. Write it as 22:00; 24:00 is the end of a day.",
        ),
        (Rule(at="22:00", until="05:00"),
         "a weekly rule names days of the week, and at least one"),
        (Rule(days=(7,), at="22:00", until="05:00"),
         "a weekly rule names days of the week, and at least one"),
        (
            Rule(days=(0,), at="22:00", until="05:00", cron="0 0 * * *"),
            ("it says in more than one way when it is, or in none."
            " Days and hours, or cron, or a start with its rule or end."),
        ),
        (
            Rule(),
            ("it says in more than one way when it is, or in none."
            " Days and hours, or cron, or a start with its rule or end."),
        ),
        (
            Rule(days=(0,), at="22:00", until="05:00", zone="Europe/Munich"),
            ("there is no time zone 'Europe/Munich'."
            " Did you mean Europe/Zurich?"),
        ),
    ],
)  # fmt: skip
def test_a_rule_of_no_use_is_told_of_and_never_worked_out(rule: Rule, told: str) -> None:
    calendar = minutes.calendar(BERLIN, allow=[NIGHTS], deny=[rule])

    assert problems(calendar) == (f"deny[0]: {told}",)
    if "gives nothing" not in told:
        with pytest.raises(InputError):
            opening(calendar)


@pytest.mark.parametrize(
    "text",
    [
        "FREQ", "FREQ=", "DAILY", "INTERVAL=2", "FREQ=DAILY;FREQ=DAILY", "FREQ=FORTNIGHTLY",
        "FREQ=DAILY;BYEASTER=0", "FREQ=DAILY;RSCALE=HEBREW", "FREQ=DAILY;INTERVAL=0",
        "FREQ=DAILY;INTERVAL=-1", "FREQ=DAILY;INTERVAL=10001", "FREQ=DAILY;COUNT=0",
        "FREQ=DAILY;COUNT=1;UNTIL=20270101", "FREQ=DAILY;UNTIL=20270229", "FREQ=DAILY;UNTIL=soon",
        "FREQ=DAILY;WKST=1", "FREQ=DAILY;BYHOUR=24", "FREQ=DAILY;BYHOUR=-1", "FREQ=DAILY;BYHOUR=a",
        "FREQ=DAILY;BYMINUTE=60", "FREQ=DAILY;BYSECOND=60", "FREQ=DAILY;BYMONTH=13",
        "FREQ=DAILY;BYMONTH=0", "FREQ=MONTHLY;BYMONTHDAY=0", "FREQ=MONTHLY;BYMONTHDAY=-32",
        "FREQ=WEEKLY;BYDAY=2SU", "FREQ=DAILY;BYDAY=2SU", "FREQ=MONTHLY;BYDAY=0SU",
        "FREQ=MONTHLY;BYDAY=SUN", "FREQ=MONTHLY;BYDAY=2", "FREQ=WEEKLY;BYMONTHDAY=1",
        "FREQ=MONTHLY;BYYEARDAY=1", "FREQ=MONTHLY;BYWEEKNO=1", "FREQ=YEARLY;BYWEEKNO=54",
        "FREQ=YEARLY;BYWEEKNO=1;BYDAY=2SU", "FREQ=DAILY;BYSETPOS=1", "FREQ=DAILY;;",
        "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=0", "RRULE:FREQ=DAILY", "FREQ=DAILY\nFREQ=DAILY",
        "FREQ=DAILY;BYHOUR=1,,2", "FREQ=DAILY;BYHOUR=\u0661",
    ],
)  # fmt: skip
def test_what_is_no_recurrence_rule_is_refused(text: str) -> None:
    rule = Rule(starts="2026-01-01T00:00:00", rrule=text, also=("2026-01-01T00:00:00",),
                length=HOUR)  # fmt: skip
    with pytest.raises(InputError, match="is no recurrence rule"):
        patterns.read(rule, dt.UTC)


@pytest.mark.parametrize(
    "text",
    [
        "a b c d e",
        "60 * * * *",
        "0 0 1-40 * *",
        "0 0 * * MON#6",
        "0 0 0 0 0 0",
        "0 0 * *",
        "/ * * * *",
    ],
)
def test_what_is_no_cron_expression_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is no cron expression"):
        patterns.read(Rule(cron=text, length=HOUR), dt.UTC)


def test_a_zone_that_is_not_known_hides_nothing_else_that_is_wrong() -> None:
    calendar = minutes.calendar("Berlin", allow=[NIGHTS, Rule(cron="0 0 * * *", text="patches")])

    assert problems(calendar) == (
        "there is no time zone 'Berlin'. Did you mean Europe/Berlin?",
        "allow[1] (patches): it does not say how long its spans are",
    )


@pytest.mark.parametrize(
    ("calendar", "told"),
    [
        (
            minutes.calendar(
                BERLIN, allow=[Rule(starts="2025-01-01T00:00:00", ends="2025-02-01T00:00:00")]
            ),
            ("it is never open from 2026-11-29 on, for 9 years:"
            " what it allows is over, or has not begun by then"),
        ),
        (
            minutes.calendar(BERLIN, deny=[Rule(days=tuple(range(7)), at="00:00", until="24:00")]),
            "it is never open from 2026-11-29 on, for 2 years: everything is denied",
        ),
        (
            minutes.calendar(
                BERLIN, allow=[NIGHTS], deny=[Rule(cron="0 21 * * *", length=9 * HOUR)]
            ),
            ("it is never open from 2026-11-29 on, for 2 years:"
            " all that it allows is over, or denied"),
        ),
        (
            dataclasses.replace(minutes.calendar(BERLIN), known_until=utc("2026-11-01 00:00")),
            "nothing is known of it later than 2026-11-01: it is closed",
        ),
    ],
)  # fmt: skip
def test_a_calendar_that_never_opens_is_told_of(calendar: Calendar, told: str) -> None:
    assert problems(calendar) == (told,)


def test_a_calendar_that_can_be_used_has_no_problem() -> None:
    old = Rule(also=("2019-12-25T00:00:00",), whole_days=1)

    assert problems(minutes.calendar(BERLIN, allow=[NIGHTS], deny=[old])) == ()
