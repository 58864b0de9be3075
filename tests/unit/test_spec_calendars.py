"""Calendars from a plan file, and from the file of those that bind every run."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
from pathlib import Path

import pytest

from fleet import zones
from fleet.core import windows
from fleet.model.calendars import Calendar, Level, Overrun, Rule
from fleet.model.desired import TagCalendars
from fleet.spec import calendarfile, planfile
from fleet.spec.calendarfile import NEVER_KNOWN, Feed, Fetched, Surroundings
from fleet.spec.problems import SpecError

NOW = dt.datetime(2026, 11, 29, 12, tzinfo=dt.UTC)
AROUND = Surroundings(now=NOW)
HEAD = """\
apiVersion: fleet/v1
kind: Rollout
metadata: {name: trial}
spec:
  targets: {tenant: true}
  extension: {profile: osm, version: 1.2.6}
"""
SHARED = "apiVersion: fleet/v1\nkind: Calendars\ncalendars:\n"
NIGHTS = Rule(days=(0, 1, 2, 3, 4), at="22:00", until="05:00")
ICAL = """\
BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//Contoso//Ops//EN
BEGIN:VEVENT
UID:1
SUMMARY:Patch night
DTSTART;TZID=Europe/Paris:20261205T220000
DTEND;TZID=Europe/Paris:20261206T020000
END:VEVENT
END:VCALENDAR
"""
SHA = hashlib.sha256(ICAL.encode()).hexdigest()
PATCH_NIGHT = Rule(
    starts="2026-12-05T22:00:00",
    ends="2026-12-06T02:00:00",
    zone="Europe/Paris",
    text="Patch night",
)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(spec: str) -> planfile.PlanFile:
    Path("plan.yaml").write_text(HEAD + spec, encoding="utf-8")
    return planfile.read(Path("plan.yaml"))


def calendars(spec: str, around: Surroundings = AROUND) -> tuple[Calendar, ...]:
    return read("  calendars:\n" + spec).rollout(around).calendars


def allowed(rule: str) -> tuple[Rule, ...]:
    (calendar,) = calendars(f"    - {{name: a, zone: Europe/Berlin, allow: [{rule}]}}\n")
    return calendar.allow


@pytest.mark.parametrize(
    ("written", "rule"),
    [
        pytest.param('{days: mon-fri, from: "22:00", to: "05:00"}', NIGHTS, id="weekly"),
        pytest.param(
            "{days: [Sat, su], from: 00:00, to: 24:00}",
            Rule(days=(5, 6), at="00:00", until="24:00"),
            id="whole days",
        ),
        pytest.param(
            '{cron: "0  2 * *   sun", for: 4h}',
            Rule(cron="0 2 * * sun", length=dt.timedelta(hours=4)),
            id="cron",
        ),
        pytest.param(
            '{rrule: "RRULE:FREQ=monthly;BYDAY=2SU", starts: 2026-01-11T02:00, for: 4h, '
            "except: [2026-06-14T02:00]}",
            Rule(
                starts="2026-01-11T02:00:00",
                rrule="FREQ=MONTHLY;BYDAY=2SU",
                except_at=("2026-06-14T02:00:00",),
                length=dt.timedelta(hours=4),
            ),
            id="rrule",
        ),
        pytest.param(
            "{from: 2026-12-19T00:00, to: 2026-12-20 06:00:30}",
            Rule(starts="2026-12-19T00:00:00", ends="2026-12-20T06:00:30"),
            id="once",
        ),
        pytest.param(
            "{from: 2028-02-29T00:00, to: 2028-02-29T06:00}",
            Rule(starts="2028-02-29T00:00:00", ends="2028-02-29T06:00:00"),
            id="a leap day",
        ),
        pytest.param(
            "{from: 2026-10-25T02:30, to: 2026-10-25T05:00}",
            Rule(starts="2026-10-25T02:30:00", ends="2026-10-25T05:00:00"),
            id="an hour that comes twice",
        ),
    ],
)
def test_a_rule_can_be_written_in_each_of_its_forms(written: str, rule: Rule) -> None:
    assert allowed(written) == (rule,)
    # What the plan file lets through, windows can be made of.
    calendar = Calendar(name="a", level=Level.RUN, zone="Europe/Berlin", allow=(rule,))
    assert windows.next_open([calendar], dt.datetime(2026, 1, 1, tzinfo=dt.UTC), zones=zones.zone)


@pytest.mark.parametrize(
    ("written", "days"),
    [
        ("mon", (0,)),
        ("Mo", (0,)),
        ("TUESDAY", (1,)),
        ("[thurs, Fr]", (3, 4)),
        ("mon-wed", (0, 1, 2)),
        ("mon - wed", (0, 1, 2)),
        ("fri-mon", (0, 4, 5, 6)),
        ("weekdays", (0, 1, 2, 3, 4)),
        ("[weekend, mon]", (0, 5, 6)),
        ('"mon, wed+fri"', (0, 2, 4)),
        ("mon wed", (0, 2)),
        ("daily", (0, 1, 2, 3, 4, 5, 6)),
        ("sundays", (6,)),
    ],
)
def test_days_have_their_usual_names(written: str, days: tuple[int, ...]) -> None:
    (rule,) = allowed(f"{{days: {written}, from: 01:00, to: 02:00}}")

    assert rule.days == days


def test_every_key_reaches_the_calendar() -> None:
    found = read(
        """\
  notBefore: 2026-12-01T02:00:00+01:00
  startBuffer: 20m
  calendars:
    - name: nights
      zone: Europe/Berlin
      level: wave
      allow: [{days: weekdays, from: 22:00, to: 05:00}]
      deny: [{from: 2026-12-20T00:00, to: 2027-01-04T00:00}]
      overrun: stopStarting
      override: [alice@contoso.example]
    - name: stores
      zone: Europe/Berlin
      byTag: maintenance
      zoneTag: timezone
      values: {" Night ": {allow: [{days: weekdays, from: 22:00, to: 05:00}]}}
      untagged: allow
      overrun: stopStarting
      override: [bob@contoso.example]
    - {name: shops, zone: UTC, byTag: window}
  strategy:
    waves:
      - {name: canary, size: 1}
      - {name: rest, size: [5, rest], notBefore: 2026-12-02T00:00Z, calendars: [nights]}
"""
    ).rollout(AROUND)

    assert found.not_before == dt.datetime(2026, 12, 1, 1, tzinfo=dt.UTC)
    assert found.start_buffer == dt.timedelta(minutes=20)
    assert found.calendars == (
        Calendar(
            name="nights",
            level=Level.WAVE,
            zone="Europe/Berlin",
            allow=(NIGHTS,),
            deny=(Rule(starts="2026-12-20T00:00:00", ends="2027-01-04T00:00:00"),),
            overrun=Overrun.STOP_STARTING,
            overriders=("alice@contoso.example",),
        ),
    )
    assert found.tag_calendars == (
        TagCalendars(
            name="stores",
            tag="maintenance",
            zone="Europe/Berlin",
            zone_tag="timezone",
            named={"night": ((NIGHTS,), ())},
            must_be_tagged=False,
            overrun=Overrun.STOP_STARTING,
            overriders=("bob@contoso.example",),
        ),
        TagCalendars(name="shops", tag="window", zone="UTC"),
    )
    assert [(one.not_before, one.calendars) for one in found.strategy.waves] == [
        (None, ()),
        (dt.datetime(2026, 12, 2, tzinfo=dt.UTC), ("nights",)),
        (dt.datetime(2026, 12, 2, tzinfo=dt.UTC), ("nights",)),
    ]


# --- public holidays ---------------------------------------------------------------------

HOLIDAYS = "    - {name: a, zone: Europe/Berlin, deny: [{holidays: DE, subdivision: BY}]}\n"


def test_holidays_become_dates_of_three_years_with_their_names() -> None:
    (calendar,) = calendars(HOLIDAYS)

    by_name = {rule.text: (rule.starts, *rule.also) for rule in calendar.deny}
    assert by_name["Heilige Drei Könige"] == tuple(f"{y}-01-06T00:00:00" for y in range(2026, 2029))
    assert by_name["Karfreitag"] == (
        "2026-04-03T00:00:00",
        "2027-03-26T00:00:00",
        "2028-04-14T00:00:00",
    )
    assert {(rule.whole_days, rule.rrule, rule.length) for rule in calendar.deny} == {(1, "", None)}
    # What comes after is not known: midnight in Berlin.
    assert calendar.known_until == dt.datetime(2028, 12, 31, 23, tzinfo=dt.UTC)


def test_the_first_year_of_holidays_is_the_one_that_the_calendars_zone_is_in() -> None:
    late = Surroundings(now=dt.datetime(2026, 12, 31, 23, 30, tzinfo=dt.UTC))
    (berlin,) = calendars(HOLIDAYS, late)
    (lisbon,) = calendars(HOLIDAYS.replace("Berlin", "Lisbon"), late)

    assert (berlin.deny[0].starts, lisbon.deny[0].starts) == (
        "2027-01-01T00:00:00",
        "2026-01-01T00:00:00",
    )


def test_a_part_of_a_country_has_holidays_of_its_own() -> None:
    (all_of_it,) = calendars(HOLIDAYS.replace(", subdivision: BY", ""))
    (bavaria,) = calendars(HOLIDAYS)

    own = {rule.text for rule in bavaria.deny} - {rule.text for rule in all_of_it.deny}
    assert "Fronleichnam" in own


def test_the_middle_of_a_holiday_is_closed_and_the_day_after_is_not() -> None:
    (calendar,) = calendars(HOLIDAYS)
    epiphany = dt.datetime(2027, 1, 5, 23, tzinfo=dt.UTC)

    assert windows.next_open([calendar], epiphany, zones=zones.zone) == (
        epiphany + dt.timedelta(days=1)
    )


def test_holidays_that_nobody_knows_are_refused_and_not_left_out() -> None:
    with pytest.raises(SpecError) as caught:
        calendars(HOLIDAYS, Surroundings(now=dt.datetime(2199, 1, 1, tzinfo=dt.UTC)))

    assert str(caught.value) == (
        "plan.yaml:8:56: spec.calendars[0].deny[0].holidays: the public holidays of DE are not "
        "known for 2199 to 2201; list the days yourself"
    )


def test_who_does_not_plan_looks_nothing_up_and_then_all_is_closed() -> None:
    (calendar,) = calendars(HOLIDAYS, calendarfile.OFFLINE)

    assert (calendar.deny, calendar.known_until) == ((), NEVER_KNOWN)
    assert windows.next_open([calendar], NOW, zones=zones.zone) is None


# --- iCalendar files, here and elsewhere -------------------------------------------------

URL = "https://calendar.contoso.example/ops.ics"


def test_a_file_beside_the_plan_becomes_rules_and_is_named_with_its_digest() -> None:
    Path("ops.ics").write_text(ICAL)

    (calendar,) = calendars("    - {name: a, zone: UTC, allow: [{ical: ops.ics}]}\n")

    assert calendar.allow == (PATCH_NIGHT,)
    assert (calendar.source, calendar.known_until) == (f"ops.ics sha256:{SHA}", None)


def test_a_url_is_read_by_others_and_until_then_all_is_closed() -> None:
    file = read(f"  calendars:\n    - {{name: a, zone: UTC, allow: [{{ical: '{URL}'}}]}}\n")
    (feed,) = file.feeds

    (offline,) = file.rollout().calendars
    fetched = {feed.key: Fetched(text=ICAL, shown=feed.shown)}
    (online,) = file.rollout(Surroundings(now=NOW, feeds=fetched)).calendars

    assert feed == Feed(url=URL)
    assert windows.next_open([offline], NOW, zones=zones.zone) is None
    assert (online.allow, online.source) == ((PATCH_NIGHT,), f"{URL} sha256:{SHA}")


def test_a_secret_url_stays_in_its_variable() -> None:
    spec = "  calendars:\n    - {name: a, zone: UTC, allow: [{ical: {fromEnv: OPS_ICS}}]}\n"
    (feed,) = read(spec).feeds

    assert (feed.key, feed.shown) == ("$OPS_ICS", "the URL in OPS_ICS")


def test_what_is_shown_of_a_url_has_no_user_and_no_query() -> None:
    assert Feed(url="https://a:b@c.example/x.ics?q=1#f").shown == "https://c.example/x.ics"


def test_what_was_fetched_and_cannot_be_read_is_told_with_its_line() -> None:
    file = read(f"  calendars:\n    - {{name: a, zone: UTC, allow: [{{ical: '{URL}'}}]}}\n")
    page = Fetched(text="<!DOCTYPE html><title>Log in</title>", shown=URL)

    with pytest.raises(SpecError) as caught:
        file.rollout(Surroundings(now=NOW, feeds={URL: page}))

    assert str(caught.value) == (
        "plan.yaml:8:43: spec.calendars[0].allow[0].ical: this is no iCalendar file: it does not "
        "begin with BEGIN:VCALENDAR; it is a web page: does it ask for a login?"
    )


def test_a_file_of_ten_megabytes_is_refused_before_it_is_read() -> None:
    Path("ops.ics").write_text("BEGIN:VCALENDAR\n" + "X" * 10_000_000)

    with pytest.raises(SpecError) as caught:
        calendars("    - {name: a, zone: UTC, allow: [{ical: ops.ics}]}\n")

    assert str(caught.value) == (
        'plan.yaml:8:43: spec.calendars[0].allow[0].ical: the calendar "ops.ics" cannot be '
        "used: larger than 5 MB; nothing was read"
    )


# --- the file of those that bind every run -----------------------------------------------


def shared(text: str) -> calendarfile.CalendarsDocument:
    Path("shared.yaml").write_text(SHARED + text)
    return calendarfile.read(Path("shared.yaml"))


FREEZE = "  - {name: freeze, zone: UTC, deny: [{from: 2026-12-20T00:00, to: 2027-01-04T00:00}]}\n"


def test_shared_calendars_come_first_and_bind_every_run() -> None:
    file = read("  calendars: [{name: a, zone: UTC, byTag: b}]\n")

    found = file.rollout(
        AROUND, shared=shared(FREEZE + "  - {name: tags, zone: UTC, byTag: window}\n")
    )

    assert [(one.name, one.level) for one in found.calendars] == [("freeze", Level.GLOBAL)]
    assert [one.name for one in found.tag_calendars] == ["tags", "a"]


def test_a_plan_cannot_take_the_name_of_a_shared_calendar() -> None:
    file = read("  calendars: [{name: freeze, zone: UTC, byTag: b}]\n")

    with pytest.raises(SpecError) as caught:
        file.rollout(AROUND, shared=shared(FREEZE))

    assert str(caught.value) == (
        "plan.yaml:7:22: spec.calendars[0].name: a calendar that binds every run is called "
        '"freeze" too; choose another name'
    )


def test_a_shared_calendar_cannot_be_for_some_waves_only() -> None:
    with pytest.raises(SpecError) as caught:
        shared(FREEZE.replace("zone: UTC", "zone: UTC, level: wave"))

    assert "calendars[0].level: a calendar of this file binds every run" in str(caught.value)


def test_another_kind_of_file_is_no_file_of_calendars() -> None:
    Path("plan.yaml").write_text(HEAD)

    with pytest.raises(SpecError, match="unknown value"):
        calendarfile.read(Path("plan.yaml"))
    assert not calendarfile.is_one(Path("plan.yaml"))
    shared(FREEZE)
    assert calendarfile.is_one(Path("shared.yaml"))


def test_a_calendar_of_a_plan_is_a_value() -> None:
    (first,), (second,) = calendars(HOLIDAYS), calendars(HOLIDAYS)

    assert first == second
    assert dataclasses.replace(first, name="b") != second
