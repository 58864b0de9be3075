from __future__ import annotations

import datetime as dt

import pytest

from fleet import zones
from fleet.core import schedules
from fleet.core.schedules import Begun, Standing
from fleet.model.calendars import Rule
from fleet.model.desired import Missed, Overlap, ScheduleRule

HOUR = dt.timedelta(hours=1)


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def monthly(missed: Missed = Missed.SKIP, overlap: Overlap = Overlap.SKIP) -> ScheduleRule:
    return ScheduleRule(
        zone="Europe/Berlin",
        rule=Rule(cron="0 2 2 * *", length=4 * HOUR),
        missed=missed,
        overlap=overlap,
    )


def standing(
    now: str, *begun: tuple[str, str | None], schedule: ScheduleRule | None = None
) -> Standing:
    """Say how December's occurrence stands, which is at 01:00 UTC."""
    return schedules.standing(
        schedule or monthly(),
        latest=utc("2026-12-02T01:00"),
        begun=[Begun(at=utc(at), ended_at=utc(end) if end else None) for at, end in begun],
        now=utc(now),
    )


NOVEMBER = ("2026-11-02T01:00", "2026-11-02T03:00")
LONG = ("2026-11-02T01:00", "2026-12-02T02:00")
UNDER_WAY = ("2026-11-02T01:00", None)
LATEST = monthly(missed=Missed.LATEST)
QUEUE = monthly(overlap=Overlap.QUEUE)


@pytest.mark.parametrize(
    ("now", "begun", "schedule", "expected"),
    [
        pytest.param("2026-12-02T01:00", [], None, Standing.DUE, id="to the minute"),
        pytest.param("2026-12-02T04:59", [], None, Standing.DUE, id="in its time"),
        pytest.param("2026-12-02T05:00", [], None, Standing.MISSED, id="its time is over"),
        pytest.param("2026-12-02T05:00", [], LATEST, Standing.MISSED, id="late, and the first"),
        pytest.param("2026-12-24T05:00", [NOVEMBER], LATEST, Standing.DUE, id="late"),
        pytest.param("2026-12-02T05:00", [NOVEMBER], None, Standing.MISSED, id="late, skipped"),
        pytest.param("2026-12-02T01:30", [UNDER_WAY], None, Standing.OVERLAPPED, id="overlap"),
        pytest.param("2026-12-02T02:30", [LONG], None, Standing.OVERLAPPED, id="overlapped"),
        pytest.param("2026-12-20T01:30", [LONG], LATEST, Standing.OVERLAPPED, id="skip is skip"),
        pytest.param("2026-12-20T01:30", [UNDER_WAY], QUEUE, Standing.QUEUED, id="queued"),
        pytest.param("2026-12-02T05:30", [LONG], QUEUE, Standing.DUE, id="since that run ended"),
        pytest.param("2026-12-02T06:00", [LONG], QUEUE, Standing.MISSED, id="queued, and missed"),
        pytest.param(
            "2026-12-02T01:30", [("2026-12-02T01:00", None)], None, Standing.BEGUN, id="begun"
        ),
        pytest.param(
            "2026-12-02T01:30",
            [("2027-01-02T01:00", "2026-12-01T00:00")],
            None,
            Standing.BEGUN,
            id="a later one was begun by hand",
        ),
    ],
)
def test_the_latest_occurrence_stands_as_its_file_says(
    now: str,
    begun: list[tuple[str, str | None]],
    schedule: ScheduleRule | None,
    expected: Standing,
) -> None:
    assert standing(now, *begun, schedule=schedule) is expected


def test_a_schedule_that_has_not_come_to_its_first_occurrence_says_so() -> None:
    found = schedules.standing(monthly(), latest=None, begun=[], now=utc("2026-12-02T01:00"))

    assert found is Standing.NONE_YET


def recurring(rrule: str) -> ScheduleRule:
    return ScheduleRule(
        zone="Europe/Berlin", rule=Rule(rrule=rrule, starts="2026-01-11T02:00:00", length=HOUR)
    )


@pytest.mark.parametrize(
    ("schedule", "now", "latest", "upcoming"),
    [
        pytest.param(
            monthly(), "2026-12-02T01:00", "2026-12-02T01:00", "2027-01-02T01:00", id="now"
        ),
        pytest.param(
            monthly(), "2026-12-02T00:59", "2026-11-02T01:00", "2026-12-02T01:00", id="not yet"
        ),
        pytest.param(
            monthly(), "2026-07-20T00:00", "2026-07-02T00:00", "2026-08-02T00:00", id="in summer"
        ),
        pytest.param(
            ScheduleRule(zone="UTC", rule=Rule(cron="0 0 29 2 *", length=HOUR)),
            "2026-11-29T00:00",
            "2024-02-29T00:00",
            "2028-02-29T00:00",
            id="every four years",
        ),
        pytest.param(
            recurring("FREQ=MONTHLY;BYDAY=2SU"),
            "2026-11-29T00:00",
            "2026-11-08T01:00",
            "2026-12-13T01:00",
            id="the second Sunday",
        ),
        pytest.param(
            recurring("FREQ=MONTHLY;BYDAY=2SU"),
            "2026-01-11T00:59",
            None,
            "2026-01-11T01:00",
            id="before it starts",
        ),
        pytest.param(
            recurring("FREQ=MONTHLY;BYDAY=2SU;COUNT=2"),
            "2026-11-29T00:00",
            "2026-02-08T01:00",
            None,
            id="over",
        ),
    ],
)
def test_the_starts_before_and_after_a_moment_are_those_of_the_rule(
    schedule: ScheduleRule, now: str, latest: str | None, upcoming: str | None
) -> None:
    found = (
        schedules.latest(schedule, utc(now), zones=zones.zone),
        schedules.upcoming(schedule, utc(now), zones=zones.zone),
    )

    assert found == (utc(latest) if latest else None, utc(upcoming) if upcoming else None)


def test_a_run_is_named_by_its_file_and_occurrence_and_read_back_from_its_name() -> None:
    at = utc("2026-12-02T01:00")
    berlin = at.astimezone(dt.timezone(HOUR))

    assert schedules.run_id_of("osm-monthly", at) == "osm-monthly-20261202T0100Z"
    assert schedules.run_id_of("osm-monthly", berlin) == "osm-monthly-20261202T0100Z"
    assert schedules.at_of("osm-monthly", "osm-monthly-20261202T0100Z") == at
    assert schedules.runs_of(
        "osm", ["osm-20261202T0100Z", "osm-monthly-20261202T0100Z", "osm-1", "osm-20261399T0100Z"]
    ) == {"osm-20261202T0100Z": at}


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("osm monthly", "osm-monthly"),
        (".hidden", "hidden"),
        ("größe", "gr--e"),
        ("a" * 200, "a" * 80),
        ("...", "-"),
    ],
)
def test_a_files_name_becomes_one_that_a_run_may_have(stem: str, name: str) -> None:
    at = utc("2026-12-02T01:00")

    assert schedules.name_of(stem) == name
    assert schedules.at_of(stem, schedules.run_id_of(stem, at)) == at
