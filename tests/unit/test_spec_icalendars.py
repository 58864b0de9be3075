"""iCalendar files as rules: what real calendars hold, and every kind of rubbish."""

from __future__ import annotations

import datetime as dt
import time
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from pydantic_core import PydanticCustomError

from fleet import zones
from fleet.core import windows
from fleet.model.calendars import Calendar, Level, Rule
from fleet.spec import explanation, icalendars

HOUR = dt.timedelta(hours=1)
WEEKLY = "RRULE:FREQ=WEEKLY"
START = "DTSTART;TZID=Europe/Berlin:20260111T020000"
END = "DTEND;TZID=Europe/Berlin:20260111T060000"
TOO_OFTEN = """\
the event "Patch" comes again by a rule that is not read: 'FREQ=SECONDLY' is no recurrence rule: \
FREQ=SECONDLY starts too often to be a window"""
TOO_MANY = """\
the event "Patch" comes again by a rule that is not read: COUNT=1000000 is more than anybody \
counts: at most 10,000"""
UNPARSED = "this is no iCalendar file: it cannot be parsed"
MADE: dict[str, Any] = {"starts": "2026-01-11T02:00:00", "zone": "Europe/Berlin", "text": "Patch"}


def event(*lines: str, uid: str = "1", summary: str = "Patch") -> str:
    head = ("BEGIN:VEVENT", f"UID:{uid}", f"SUMMARY:{summary}")
    return "\r\n".join((*head, *lines, "END:VEVENT", ""))


def file(*events: str, head: str = "") -> str:
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{head}{''.join(events)}END:VCALENDAR\r\n"


def rules(*events: str, head: str = "") -> tuple[Rule, ...]:
    found = icalendars.rules(file(*events, head=head))
    # Whatever is made of a file can be read by those who say when it is open.
    calendar = Calendar(name="a", level=Level.RUN, zone="UTC", allow=found)
    at = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    assert windows.problems(calendar, zones=zones.zone, at=at) == ()
    return found


def refused(text: str) -> str:
    with pytest.raises(PydanticCustomError) as caught:
        icalendars.rules(text)
    return explanation.of_refusal(caught.value, ()).message


def test_an_event_is_a_span_in_its_own_zone() -> None:
    assert rules(event(START, END)) == (Rule(ends="2026-01-11T06:00:00", **MADE),)


@pytest.mark.parametrize(
    ("lines", "starts", "ends", "zone"),
    [
        pytest.param(
            ("DTSTART:20260111T020000Z", "DURATION:PT4H"),
            "2026-01-11T02:00:00",
            "2026-01-11T06:00:00",
            "UTC",
            id="utc",
        ),
        pytest.param(
            ("DTSTART:20260111T020000", "DTEND:20260111T060000"),
            "2026-01-11T02:00:00",
            "2026-01-11T06:00:00",
            None,
            id="floating",
        ),
        pytest.param(
            ("DTSTART;TZID=W. Europe Standard Time:20260111T020000", "DTEND:20260111T050000Z"),
            "2026-01-11T02:00:00",
            "2026-01-11T06:00:00",
            "Europe/Berlin",
            id="a zone as Windows calls it, and an end in UTC",
        ),
        pytest.param(
            ("DTSTART;TZID=/mozilla.org/20050126_1/Europe/Berlin:20260111T020000", "DURATION:PT4H"),
            "2026-01-11T02:00:00",
            "2026-01-11T06:00:00",
            "Europe/Berlin",
            id="a zone after a path",
        ),
        pytest.param(
            ("DTSTART;TZID=Europe/Berlin:20260329T010000", "DURATION:PT4H"),
            "2026-03-29T01:00:00",
            "2026-03-29T06:00:00",
            "Europe/Berlin",
            id="four hours as they pass while clocks are put forward",
        ),
    ],
)
def test_times_are_where_the_file_says(
    lines: tuple[str, ...], starts: str, ends: str, zone: str | None
) -> None:
    assert rules(event(*lines)) == (Rule(starts=starts, ends=ends, zone=zone, text="Patch"),)


def test_floating_times_and_days_are_in_the_zone_that_the_file_names() -> None:
    found = rules(
        event("DTSTART:20260111T020000", "DURATION:PT1H"),
        event("DTSTART;VALUE=DATE:20260112", uid="2"),
        event("DTSTART:20260113T020000Z", "DURATION:PT1H", uid="3"),
        head="X-WR-TIMEZONE:America/New_York\r\n",
    )

    assert [rule.zone for rule in found] == ["America/New_York", "America/New_York", "UTC"]


@pytest.mark.parametrize(
    ("end", "days"),
    [((), 1), (("DTEND;VALUE=DATE:20260115",), 3), (("DURATION:P2D",), 2)],
)
def test_whole_days_end_at_midnight(end: tuple[str, ...], days: int) -> None:
    (rule,) = rules(event("DTSTART;VALUE=DATE:20260112", *end))

    assert rule == Rule(starts="2026-01-12T00:00:00", whole_days=days, text="Patch")


def test_an_event_that_comes_again_stays_a_rule() -> None:
    (rule,) = rules(
        event(
            START,
            END,
            "RRULE:FREQ=WEEKLY;UNTIL=20261231T000000Z",
            "EXDATE;TZID=Europe/Berlin:20260118T020000,20260125T020000",
            "EXDATE:20260201T010000Z",
            "EXDATE;VALUE=DATE:20260208",
            "RDATE;TZID=Europe/Berlin:20260120T020000",
        )
    )

    assert rule == Rule(
        rrule="FREQ=WEEKLY;UNTIL=20261231T000000Z",
        except_at=tuple(f"2026-{day}T02:00:00" for day in ("01-18", "01-25", "02-01", "02-08")),
        also=("2026-01-20T02:00:00",),
        length=4 * HOUR,
        **MADE,
    )


def test_an_event_on_a_list_of_dates_has_its_own_start_too() -> None:
    (rule,) = rules(event(START, END, "RDATE;TZID=Europe/Berlin:20260120T020000"))
    calendar = Calendar(name="a", level=Level.RUN, zone="UTC", allow=(rule,))
    first = dt.datetime(2026, 1, 11, 1, tzinfo=dt.UTC)

    assert rule == Rule(also=("2026-01-20T02:00:00",), length=4 * HOUR, **MADE)
    assert windows.next_open([calendar], first - HOUR, zones=zones.zone) == first


def test_the_start_counts_even_where_the_rule_does_not_give_it() -> None:
    (rule,) = rules(event(START, END, "RRULE:FREQ=WEEKLY;BYDAY=MO"))

    assert rule.also == ("2026-01-11T02:00:00",)


def test_an_occurrence_that_was_moved_leaves_its_place_and_stands_elsewhere() -> None:
    master, moved = rules(
        event(START, END, WEEKLY),
        event(
            "RECURRENCE-ID:20260118T010000Z",
            "DTSTART;TZID=Europe/Berlin:20260119T030000",
            "DURATION:PT1H",
        ),
    )

    assert master.except_at == ("2026-01-18T02:00:00",)
    assert (moved.starts, moved.ends) == ("2026-01-19T03:00:00", "2026-01-19T04:00:00")


def test_an_occurrence_that_was_cancelled_leaves_its_place() -> None:
    cancelled = event("RECURRENCE-ID:20260118T010000Z", START, END, "STATUS:CANCELLED")

    (master,) = rules(event(START, END, WEEKLY), cancelled)

    assert master.except_at == ("2026-01-18T02:00:00",)


def test_a_cancelled_event_does_not_count_with_all_that_it_has() -> None:
    moved = event("RECURRENCE-ID:20260118T010000Z", START, END)
    gone = event(START, END, WEEKLY, "STATUS:CANCELLED")
    other = event(START, END, uid="2", summary="Other")

    assert [rule.text for rule in rules(gone, moved, other)] == ["Other"]


def test_the_newest_of_events_with_one_id_counts() -> None:
    old = event(START, END, "SEQUENCE:1", summary="Old")
    new = event(START, END, "SEQUENCE:2", summary="New")

    assert [rule.text for rule in rules(new, old)] == ["New"]


def test_what_is_no_event_is_passed_over() -> None:
    todo = "BEGIN:VTODO\r\nUID:9\r\nSUMMARY:Buy milk\r\nEND:VTODO\r\n"
    alarm = event(START, END, "BEGIN:VALARM", "TRIGGER:-PT5M", "ACTION:DISPLAY", "END:VALARM")

    assert len(rules(todo, alarm)) == 1


def test_a_name_is_one_line_of_what_can_be_printed() -> None:
    (rule,) = rules(event(START, END, summary="Patch\\nnight\x07 " + "x" * 200))

    assert rule.text == "Patch night " + "x" * 68


# --- rubbish -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((START,), 'the event "Patch" has no end (DTEND or DURATION)'),
        (("DURATION:PT1H",), 'the event "Patch" has no start (DTSTART)'),
        ((START, "DTEND:20260110T000000Z"), 'the event "Patch" ends before it starts'),
        ((START, START.replace("START", "END")), 'the event "Patch" ends when it starts'),
        ((START, "DURATION:-PT1H"), 'the event "Patch" ends before it starts'),
        ((START, END, "DURATION:PT1H"), 'the event "Patch" has both DTEND and DURATION'),
        (
            ("DTSTART:20260230T010000", "DURATION:PT1H"),
            'the event "Patch" has no DTSTART that can be read',
        ),
        ((START, "DURATION:hour"), 'the event "Patch" has no DURATION that can be read'),
        ((START, END, "RRULE:FREQ=NEVER"), 'the event "Patch" has no RRULE that can be read'),
        ((START, END, WEEKLY, WEEKLY), 'the event "Patch" has more than one RRULE'),
        ((START, END, WEEKLY, "EXDATE:soon"), 'the event "Patch" has no EXDATE that can be read'),
        (
            (START, END, "RDATE;VALUE=PERIOD:20260120T010000Z/PT3H"),
            'the event "Patch" has a period in RDATE, which is not read',
        ),
        (
            (START, END, "EXRULE:FREQ=MONTHLY"),
            'the event "Patch" has an EXRULE, which is not read',
        ),
        (
            ("RECURRENCE-ID;RANGE=THISANDFUTURE:20260118T010000Z", START, END),
            'the event "Patch" changes all that follow at once (RANGE), which is not read',
        ),
        (
            ("DTSTART;TZID=Mars/Base:20260111T020000", "DURATION:PT1H"),
            'the event "Patch" is in an unknown time zone: "Mars/Base"',
        ),
        (
            (START, "DTEND;TZID=Mars/Base:20260111T060000"),
            'the event "Patch" is in an unknown time zone: "Mars/Base"',
        ),
        (
            ("DTSTART;VALUE=DATE:20260111", "DTEND:20260112T060000"),
            'the event "Patch" starts with a day and ends within one',
        ),
        (
            (START, "DTEND:20280111T060000Z", WEEKLY),
            'the event "Patch" comes again, and is longer than 366 days',
        ),
        ((START, END, "RRULE:FREQ=SECONDLY"), TOO_OFTEN),
        ((START, END, "RRULE:FREQ=DAILY;COUNT=1000000"), TOO_MANY),
        ((START, END, "STATUS:CANCELLED"), "the calendar has no event that is not cancelled"),
    ],
    ids=range(21),
)
def test_an_event_that_cannot_be_a_window_is_refused_in_words(
    lines: tuple[str, ...], message: str
) -> None:
    assert refused(file(event(*lines))) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "this is no iCalendar file: it does not begin with BEGIN:VCALENDAR"),
        ("hello", "this is no iCalendar file: it does not begin with BEGIN:VCALENDAR"),
        ("BEGIN:VCALENDAR\r\n", UNPARSED),
        (
            "BEGIN:VCALENDAR\r\nX;;;\r\nEND:VCALENDAR",
            "this is no iCalendar file: it cannot be parsed",
        ),
        (file(), "the calendar has no event that is not cancelled"),
        (file(head="X-WR-TIMEZONE:Mars\r\n"), 'the calendar is in an unknown time zone: "Mars"'),
        (
            "BEGIN:VCALENDAR\r\n" + "BEGIN:VEVENT\r\n" * 7_000,
            "the calendar has more than 2000 events",
        ),
        ("BEGIN:VCALENDAR\r\n" + "X" * 2_000_000, "the calendar is larger than 2 MB"),
    ],
    ids=["nothing", "a word", "cut", "a broken line", "empty", "nowhere", "nested", "large"],
)
def test_what_is_no_calendar_is_refused_in_words_and_at_once(text: str, message: str) -> None:
    began = time.process_time()

    assert refused(text) == message
    assert time.process_time() - began < 2


def test_two_thousand_events_are_read_in_a_few_seconds_and_one_more_is_refused() -> None:
    some = [event(START, END, WEEKLY, uid=str(n)) for n in range(2_000)]
    began = time.process_time()

    assert len(icalendars.rules(file(*some))) == 2_000
    assert time.process_time() - began < 8
    message = "the calendar has more than 2000 events"
    assert refused(file(*some, event(START, END, uid="one more"))) == message


def test_an_event_with_thousands_of_dates_is_refused() -> None:
    dates = ",".join(f"2026{m:02}{d:02}T{h:02}0000Z" for m in range(1, 8) for d in range(1, 29)
                     for h in range(11))  # fmt: skip

    found = refused(file(event(START, END, WEEKLY, f"EXDATE:{dates}")))

    assert found == 'the event "Patch" has more than 2000 dates in EXDATE'


_PIECES = [
    "BEGIN:VEVENT", "END:VEVENT", "BEGIN:VALARM", "END:VCALENDAR", "UID:1", "UID:2", START, END,
    "DTSTART:", "DTSTART;VALUE=DATE:20260101", "DTSTART;TZID=:20260101T000000", "DTEND:99999999",
    "DURATION:P1000000000D", "DURATION:PT1H", "RRULE:FREQ=DAILY", "RRULE:",
    "RRULE:FREQ=DAILY;BYDAY=",
    "RRULE:FREQ=YEARLY;BYMONTHDAY=30;BYMONTH=2", "EXDATE:20260101", "RDATE:,", "RECURRENCE-ID:1",
    "RECURRENCE-ID:20260118T010000Z", "SEQUENCE:-1", "STATUS:CANCELLED",
    "X-WR-TIMEZONE:Europe/Berlin",
    "DTSTART:00010101T000000Z", "DTEND:99991231T235959Z", "SUMMARY:\\", " folded", ";=:", "\x00",
]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(lines=st.lists(st.sampled_from(_PIECES) | st.text(max_size=20), max_size=25))
def test_any_text_is_read_or_refused(lines: list[str]) -> None:
    text = "\r\n".join(["BEGIN:VCALENDAR", *lines, "END:VCALENDAR", ""])
    try:
        found = icalendars.rules(text)
    except PydanticCustomError:
        return
    assert found
    calendar = Calendar(name="a", level=Level.RUN, zone="UTC", deny=found)
    windows.problems(calendar, zones=zones.zone, at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
