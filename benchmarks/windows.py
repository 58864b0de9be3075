"""What windows cost: the next open moment of ten calendars, and a run that asks for everybody.

Cold is one question with nothing known: zones are read, rules are not. Warm is the same calendars
asked again, later and later. All of it is CPU time of this machine on this day: compare within one
run only.

Run:  python benchmarks/windows.py [--quick]
"""

from __future__ import annotations

import datetime as dt
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import table
from benchmarks.table import Row
from fleet import zones
from fleet.core import windows
from fleet.core.hours import Hours
from fleet.model.calendars import Calendar, Level, Rule

NOW = dt.datetime(2026, 11, 29, 12, 7, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
WORKDAYS = (0, 1, 2, 3, 4)
PLACES = (
    "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu",
    "America/Santiago",
)  # fmt: skip


def calendar(
    name: str, zone: str, *, allow: tuple[Rule, ...] = (), deny: tuple[Rule, ...] = ()
) -> Calendar:
    return Calendar(name=name, level=Level.RUN, zone=zone, allow=allow, deny=deny)


def ten() -> list[Calendar]:
    """Return calendars of every shape, among them rules and holidays of many years."""
    holidays = tuple(f"{year}-{day}T00:00:00" for year in range(2016, 2036) for day in (
        "01-01", "05-01", "10-03", "12-24", "12-25", "12-26", "12-31",
    ))  # fmt: skip
    nights = Rule(days=WORKDAYS, at="20:00", until="06:00")
    weekend = Rule(days=(5, 6), at="00:00", until="24:00")
    started = "2006-01-01T01:30:00"
    return [
        calendar("nights", "Europe/Berlin", allow=(nights, weekend)),
        calendar("york", "America/New_York", deny=(
            Rule(days=WORKDAYS, at="09:00", until="10:00"),
        )),
        calendar("holidays", "Europe/Berlin", deny=(Rule(also=holidays, whole_days=1),)),
        calendar("cron", "Asia/Kathmandu", allow=(Rule(cron="0 */6 * * *", length=5 * HOUR),)),
        calendar("quarter", "UTC", deny=(Rule(cron="0 0 28-31 3,6,9,12 *", length=3 * DAY),)),
        calendar("daily", "America/Santiago", allow=(
            Rule(starts=started, rrule="FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR,SA", length=20 * HOUR),
        )),
        calendar("patches", "UTC", deny=(
            Rule(starts=started, rrule="FREQ=MONTHLY;BYDAY=2TU", length=2 * DAY),
        )),
        calendar("yearly", "UTC", deny=(
            Rule(starts=started, rrule="FREQ=YEARLY;BYMONTH=11;BYDAY=4TH", length=4 * DAY),
        )),
        calendar("lord", "Australia/Lord_Howe", allow=(
            Rule(starts=started, rrule="FREQ=WEEKLY;BYDAY=MO,WE,FR", length=30 * HOUR),
        )),
        calendar("freeze", "Europe/Berlin", deny=(
            Rule(starts="2026-12-18T12:00:00", ends="2027-01-07T06:00:00"),
        )),
    ]  # fmt: skip


def measured(call: Callable[[], object], times: int) -> list[float]:
    """Return how long a call takes, in milliseconds, each time."""
    found = []
    for _ in range(times):
        began = time.process_time()
        call()
        found.append((time.process_time() - began) * 1000)
    return found


def next_open(times: int) -> dict[str, float]:
    """Ask ten calendars for their next open moment: first, again anew, and from what is kept."""
    calendars = ten()
    (first,) = measured(lambda: windows.next_open(calendars, NOW, zones=zones.zone), 1)
    cold = measured(lambda: windows.next_open(calendars, NOW, zones=zones.zone), times)
    kept = Hours(calendars, zones.zone)
    everything = tuple(range(len(calendars)))
    moments = iter(NOW + number * 7 * HOUR for number in range(times))
    warm = measured(lambda: kept.opening(everything, next(moments), buffer=HOUR), times)
    found = windows.next_open(calendars, NOW, zones=zones.zone)
    assert found is not None
    assert windows.opening(calendars, found, zones=zones.zone).is_open
    return {
        "first_ms": first,
        "cold_ms": sorted(cold)[times // 2],
        "warm_us": sorted(warm)[times // 2] * 1000,
    }


def hours(targets: int, tuples: int) -> dict[str, float]:
    """Ask for each target: at first, again, with another buffer, and after a change."""
    calendars = ten() + [
        calendar(f"site-{n}", PLACES[n % len(PLACES)], allow=(
            Rule(days=tuple(range(7)), at=f"{18 + n % 6}:{n % 60:02}", until=f"{4 + n % 5:02}:00"),
        ))
        for n in range(200)
    ]  # fmt: skip
    kept = Hours(calendars, zones.zone)
    # Five of them bind everybody; of the sites' two of one zone.
    keys = [(0, 2, 4, 6, 9, 10 + n % 200, 10 + (n + n // 200 * 5) % 200) for n in range(tuples)]
    asked = [keys[n % tuples] for n in range(targets)]

    def ask(now: dt.datetime, buffer: dt.timedelta) -> float:
        began = time.process_time()
        for one in asked:
            kept.opening(one, now, buffer=buffer)
        return time.process_time() - began

    changes_at = kept.next_change(NOW)
    assert changes_at is not None
    return {
        "first_s": ask(NOW, HOUR),
        "again_us": ask(NOW, HOUR) / targets * 1e6,
        "buffer_us": ask(NOW, HOUR * 1.1) / targets * 1e6,
        "changed_s": ask(changes_at, HOUR * 1.1),
        "day_s": ask(NOW + 10 * DAY, HOUR),
        "next_change_ms": measured(lambda: kept.next_change(NOW + 5 * DAY), 1)[0],
    }


def measure(*, quick: bool) -> list[Row]:
    times, scale = (1, 10) if quick else (5, 1)
    targets, tuples = 100_000 // scale, 3_000 // scale
    opened = table.repeated(next_open, times, 50)
    asked = table.repeated(hours, times, targets, tuples)
    return [
        Row(what="next open of ten, first in a process", unit="ms", values=opened["first_ms"]),
        Row(what="  nothing known of them", unit="ms", values=opened["cold_ms"], target="< 5"),
        Row(what="  kept, seven hours later", unit="us", values=opened["warm_us"], target="< 5000"),
        Row(what=f"ask for {targets:,} targets of {tuples:,} kinds", unit="s",
            values=asked["first_s"]),
        Row(what="  again, each", unit="us", values=asked["again_us"], target="< 2"),
        Row(what="  with another buffer, each", unit="us", values=asked["buffer_us"]),
        Row(what="  after a change, all", unit="s", values=asked["changed_s"]),
        Row(what="  ten days later, all", unit="s", values=asked["day_s"]),
        Row(what="  the next change of 210 calendars", unit="ms", values=asked["next_change_ms"]),
    ]  # fmt: skip


if __name__ == "__main__":
    table.command("windows", measure, globals())
