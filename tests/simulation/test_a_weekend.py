"""A weekend of one run: a short night, a freeze, and the hour after it. Berlin is an hour ahead."""

from __future__ import annotations

import datetime as dt

from fleet import zones
from fleet.model import events as e
from fleet.model.statuses import RunStatus
from tests.rig import deaths, waiting

BERLIN = zones.zone("Europe/Berlin")
SATURDAY, SUNDAY = dt.date(2026, 1, 10), dt.date(2026, 1, 11)


def local(moment: dt.datetime) -> tuple[dt.date, dt.time]:
    there = moment.astimezone(BERLIN)
    return there.date(), there.time().replace(microsecond=0)


def is_open(moment: dt.datetime) -> bool:
    day, time = local(moment)
    saturday = day == SATURDAY and dt.time(4) <= time < dt.time(4, 40)
    # Sunday's night begins at one, and is frozen until four.
    return saturday or (day == SUNDAY and dt.time(4) <= time < dt.time(5))


def test_a_weekend_with_two_windows_and_a_freeze() -> None:
    story = deaths.told(waiting.SCENARIOS["a-weekend-with-two-windows-and-a-freeze"](0))

    writes = [one.at for one in story.events if isinstance(one, e.StepIntended)]
    waits = [
        (one.cause.value, one.until and local(one.until))
        for one in story.events
        if isinstance(one, e.RunWaiting)
    ]
    assert story.state.status is RunStatus.SUCCEEDED
    assert all(map(is_open, writes))
    assert {local(one)[0] for one in writes} == {SATURDAY, SUNDAY}
    assert waits[0] == ("window", (SATURDAY, dt.time(4)))
    assert waits[-1] == ("window", (SUNDAY, dt.time(4)))
    assert [cause for cause, _ in waits].count("soak") == 1
    last = story.events[-1].at
    assert local(last)[0] == SUNDAY
