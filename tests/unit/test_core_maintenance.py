"""What clusters' tags say of when they may be changed."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, strategies as st

from fleet import zones
from fleet.core import maintenance
from fleet.core.maintenance import Found, Reader
from fleet.model.calendars import Calendar, Level, Overrun, Rule
from fleet.model.desired import TagCalendars
from tests.rig.fleets import cluster

NIGHTS = Rule(days=(0, 1, 2, 3, 4), at="22:00", until="05:00")
STORES = TagCalendars(
    name="stores",
    tag="maintenance",
    zone="Europe/Berlin",
    zone_tag="timezone",
    named={"night": ((NIGHTS,), ())},
    overriders=("alice",),
    overrun=Overrun.STOP_STARTING,
    source="ops.ics sha256:0",
    known_until=dt.datetime(2029, 1, 1, tzinfo=dt.UTC),
)
SHOPS = TagCalendars(name="shops", tag="window", zone="UTC", must_be_tagged=False)


def read(**tags: str) -> Found:
    return Reader([STORES, SHOPS], zones.zone).read(cluster(tags=tags))


@pytest.mark.parametrize(
    ("value", "rules"),
    [
        ("sun-02-06", (Rule(days=(6,), at="02:00", until="06:00"),)),
        ("sat-2230-0400", (Rule(days=(5,), at="22:30", until="04:00"),)),
        ("sat-22:30-04:00", (Rule(days=(5,), at="22:30", until="04:00"),)),
        ("mon-fri-22-05", (NIGHTS,)),
        ("weekend-00-24", (Rule(days=(5, 6), at="00:00", until="24:00"),)),
        ("mon,wed+fri-01-02", (Rule(days=(0, 2, 4), at="01:00", until="02:00"),)),
        (
            "sun-02-06; wed-0100-0230",
            (
                Rule(days=(6,), at="02:00", until="06:00"),
                Rule(days=(2,), at="01:00", until="02:30"),
            ),
        ),
    ],
)
def test_a_value_is_a_weekly_span_itself(value: str, rules: tuple[Rule, ...]) -> None:
    assert maintenance.spans(value) == rules


@pytest.mark.parametrize(
    "value",
    ["", "sun", "sun-2-6", "sun-02", "sund-02-06", "sun-25-06", "sun-02-25", "sun-24-06",
     "sun-0260-06", "02-06", "sun-02-06;", "sun-02-06-08", "-02-06", "x" * 1_000],
)  # fmt: skip
def test_a_value_that_is_no_span_is_none(value: str) -> None:
    assert maintenance.spans(value) is None


@given(st.text(max_size=30))
def test_any_text_is_a_span_or_none(value: str) -> None:
    found = maintenance.spans(value)

    assert found is None or found


def test_a_span_is_open_in_the_clusters_own_zone() -> None:
    assert read(Maintenance="Sun-02-06", TIMEZONE="America/New_York").calendars == (
        Calendar(
            name="stores:sun-02-06@America/New_York",
            level=Level.TARGET,
            zone="America/New_York",
            allow=(Rule(days=(6,), at="02:00", until="06:00"),),
            overrun=Overrun.STOP_STARTING,
            overriders=("alice",),
        ),
    )


def test_a_value_that_the_plan_file_lists_means_what_is_listed() -> None:
    (found,) = read(maintenance=" Night ").calendars

    assert (found.name, found.zone, found.allow) == ("stores:night", "Europe/Berlin", (NIGHTS,))
    assert (found.source, found.known_until) == (STORES.source, STORES.known_until)


def test_every_rule_that_a_cluster_has_a_tag_for_binds_it() -> None:
    found = read(maintenance="night", window="daily-08-18")

    assert [one.name for one in found.calendars] == ["stores:night", "shops:daily-08-18"]


def test_what_clusters_have_in_common_is_one_calendar() -> None:
    reader = Reader([STORES], zones.zone)
    one, other = (reader.read(cluster(name, tags={"maintenance": "night"})) for name in ("a", "b"))

    assert one.calendars[0] is other.calendars[0]


@pytest.mark.parametrize(
    ("tags", "trouble"),
    [
        pytest.param(
            {},
            "it has no tag maintenance, which says when it may be changed (stores): its owner can "
            "set it, or the plan file can say untagged: allow",
            id="untagged",
        ),
        pytest.param(
            {"maintenance": "sunday night"},
            "its tag maintenance='sunday night' is no time that can be read, such as sun-02-06, "
            "sat-2230-0400 or mon-fri-22-05: its owner can correct it, or the plan file can list "
            "it under stores",
            id="no time",
        ),
        pytest.param(
            {"maintenance": "night", "timezone": "berlin"},
            "its tag timezone='berlin' is no time zone (Did you mean Europe/Berlin?): its owner "
            "can correct it",
            id="no zone",
        ),
        pytest.param(
            {"maintenance": "\x1b[31m" + "x" * 100},
            "its tag maintenance='\\x1b[31m" + "x" * 52 + "...' is no time that can be read, such "
            "as sun-02-06, sat-2230-0400 or mon-fri-22-05: its owner can correct it, or the plan "
            "file can list it under stores",
            id="what nobody would print",
        ),
    ],
)
def test_a_tag_that_cannot_be_read_is_told_with_whose_move_it_is(
    tags: dict[str, str], trouble: str
) -> None:
    assert read(**tags) == Found(trouble=trouble)
