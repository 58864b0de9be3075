from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from fleet.model.calendars import Rule
from fleet.model.desired import Missed, Overlap, ScheduleRule
from fleet.spec import planfile

HOUR = dt.timedelta(hours=1)


def load(tmp_path: Path, schedule: str) -> ScheduleRule | None:
    file = tmp_path / "plan.yaml"
    file.write_text(
        "apiVersion: fleet/v1\nkind: Rollout\nmetadata: {name: trial}\nspec:\n"
        "  targets: {tenant: true}\n  extension: {profile: osm, version: 1.2.6}\n" + schedule
    )
    return planfile.load_rollout(file).schedule


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        pytest.param("", None, id="none"),
        pytest.param(
            '  schedule: {cron: "30 2 * jan-mar SUN", zone: UTC, within: 90m}\n',
            ScheduleRule(
                zone="UTC",
                rule=Rule(cron="30 2 * jan-mar SUN", length=1.5 * HOUR),
                missed=Missed.SKIP,
                overlap=Overlap.SKIP,
            ),
            id="cron",
        ),
        pytest.param(
            "  schedule:\n    rrule: rrule:freq=monthly; byday=2su\n    starts: 2026-01-11T02:00\n"
            "    zone: Europe/Berlin\n    within: 4h\n    overlap: queue\n",
            ScheduleRule(
                zone="Europe/Berlin",
                rule=Rule(
                    rrule="FREQ=MONTHLY;BYDAY=2SU", starts="2026-01-11T02:00:00", length=4 * HOUR
                ),
                missed=Missed.SKIP,
                overlap=Overlap.QUEUE,
            ),
            id="rrule",
        ),
    ],
)
def test_a_schedule_is_read_as_it_is_meant(
    tmp_path: Path, schedule: str, expected: ScheduleRule | None
) -> None:
    assert load(tmp_path, schedule) == expected
