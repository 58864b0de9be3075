"""Zone data: the package's own, by name."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from importlib import resources
from pathlib import Path

import pytest

from fleet import zones
from fleet.errors import InputError


def test_the_data_is_the_packages_and_not_the_machines(
    tmp_path: Path,
) -> None:
    """Somebody's old file is not looked at: the journal names the package's version."""
    zones.found.cache_clear()
    (tmp_path / "Europe").mkdir()
    utc = resources.files("tzdata").joinpath("zoneinfo", "UTC").read_bytes()
    (tmp_path / "Europe" / "Berlin").write_bytes(utc)
    zoneinfo.reset_tzpath([str(tmp_path)])
    try:
        machines = zoneinfo.ZoneInfo.no_cache("Europe/Berlin")
        ours = zones.zone("Europe/Berlin")
    finally:
        zoneinfo.reset_tzpath()

    now = dt.datetime(2026, 11, 29, tzinfo=dt.UTC)
    assert machines.utcoffset(now.replace(tzinfo=None)) == dt.timedelta(0)
    assert now.astimezone(ours).utcoffset() == dt.timedelta(hours=1)


def test_a_zone_is_read_once() -> None:
    assert zones.zone("Europe/Berlin") is zones.zone("Europe/Berlin")


def test_a_zone_is_known_by_the_name_that_iana_has() -> None:
    names = ["Europe/Berlin", "UTC", "europe/berlin", "Europe", "../etc/passwd", "localtime", ""]

    assert [zones.found(name) is not None for name in names] == [True, True, *[False] * 5]


def test_every_zone_can_be_read() -> None:
    assert {str(zones.zone(name)) for name in zones.names()} == zones.names()


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Berlin", "Did you mean Europe/Berlin?"),
        ("new york", "Did you mean America/New_York?"),
        ("europe/berlin", "Did you mean Europe/Berlin?"),
        ("Europe/Berlim", "Did you mean Europe/Berlin?"),
        ("../../etc/passwd", "Write an IANA name, such as Europe/Berlin or UTC."),
        ("", "Write an IANA name, such as Europe/Berlin or UTC."),
    ],
)
def test_a_zone_that_nobody_knows_is_refused_with_those_that_are_near(name: str, hint: str) -> None:
    with pytest.raises(InputError) as refused:
        zones.zone(name)

    assert (refused.value.message, refused.value.hint) == (f"there is no time zone {name!r}", hint)
