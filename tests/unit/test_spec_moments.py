"""Times that clocks leave out, found in whichever zone."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, strategies as st

from fleet import zones
from fleet.spec import moments

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Africa/Cairo")


@given(
    local=st.datetimes(dt.datetime(2024, 1, 1), dt.datetime(2030, 1, 1)),  # noqa: DTZ001
    zone=st.sampled_from(ZONES),
)
def test_a_time_is_in_a_gap_where_no_moment_shows_it(local: dt.datetime, zone: str) -> None:
    local = local.replace(microsecond=0)
    info = zones.zone(zone)
    shown = local.replace(tzinfo=info).astimezone(dt.UTC).astimezone(info).replace(tzinfo=None)

    gap = moments.gap_at(local, info)

    assert (gap is not None) == (shown != local)
    assert gap is None or gap[0] <= local < gap[1]


@pytest.mark.parametrize(
    ("zone", "local", "gap"),
    [
        ("Europe/Berlin", "2026-03-29T02:00", ("02:00", "03:00")),
        ("Europe/Berlin", "2026-03-29T02:59:59", ("02:00", "03:00")),
        ("Europe/Berlin", "2026-03-29T03:00", None),
        ("Europe/Berlin", "2026-10-25T02:30", None),
        ("Australia/Lord_Howe", "2026-10-04T02:15", ("02:00", "02:30")),
        # A whole day that never was.
        ("Pacific/Apia", "2011-12-30T12:00", ("00:00", "00:00")),
    ],
)
def test_a_gap_is_where_clocks_are_put_forward(
    zone: str, local: str, gap: tuple[str, str] | None
) -> None:
    found = moments.gap_at(dt.datetime.fromisoformat(local), zones.zone(zone))

    assert (found and tuple(f"{one:%H:%M}" for one in found)) == gap
