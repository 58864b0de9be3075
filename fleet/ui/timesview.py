"""When the waves of a plan are to be expected, and what each is judged by, before anybody says yes.

Of a plan that has no windows, no gates and no approvals, nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence

from fleet import zones
from fleet.core import forecast
from fleet.core.forecast import Terms, Window
from fleet.model.approvals import ApprovalRule
from fleet.model.calendars import Calendar
from fleet.model.gates import Moment
from fleet.model.plan import Plan, Wave
from fleet.ui import forecastview, moments
from fleet.ui.spans import span_text
from fleet.ui.tables import Table

CALENDARS_SHOWN = 20
"""Where every site has its own, nobody reads them all here: `fleet explain` has those of one."""


def tables(plan: Plan, *, now: dt.datetime) -> list[Table]:
    """Return what there is to be told of *plan*, were it begun at *now*."""
    found = [_judged(plan)]
    if forecastview.is_timed(plan.head):
        expected = forecast.of_plan(plan, zones=zones.zone, now=now)
        found.append(forecastview.table(f"Times, if begun at {moments.text(now)}", expected))
    if plan.head.calendars:
        found.append(_calendars(plan, now))
    return [table for table in found if table.rows]


def _calendars(plan: Plan, now: dt.datetime) -> Table:
    terms = forecast.terms_of_plan(plan.head, zones=zones.zone, now=now)
    shown = list(enumerate(plan.head.calendars))[:CALENDARS_SHOWN]
    rows = [calendar_row(one, _window(terms, number)) for number, one in shown]
    more = len(plan.head.calendars) - len(shown)
    if more:
        rows.append((f"and {more} more", "-", "-", "-", "-"))
    return Table(title="Calendars", header=CALENDAR_HEADER, rows=rows, spare=("of",))


CALENDAR_HEADER = ("calendar", "of", "now", "opens", "closes")


def calendar_row(calendar: Calendar, window: Window | None) -> tuple[str, ...]:
    """Return how a calendar is now: in UTC, and as its own zone's clocks have it."""
    if window is None:
        return calendar.name, str(calendar.level), "closed", moments.NEVER, "-"
    zone = zones.zone(calendar.zone)
    return (
        calendar.name,
        str(calendar.level),
        "open" if window.is_open else "closed",
        "-" if window.is_open else moments.local_text(window.opens_at, zone, calendar.zone),
        moments.local_text(window.closes_at, zone, calendar.zone) if window.closes_at else "-",
    )


def _window(terms: Terms, number: int) -> Window | None:
    return forecast.window_of(terms, (number,), terms.now)


def _judged(plan: Plan) -> Table:
    """Return what each wave is judged by; what no wave is, is left out."""
    waves = plan.head.waves
    columns = {name: [cell(wave) for wave in waves] for name, cell in _COLUMNS.items()}
    kept = {name: cells for name, cells in columns.items() if set(cells) != {"-"}}
    is_plain = set(kept) <= {"wave"}
    return Table(
        title="Gates and approvals",
        header=tuple(kept) or ("wave",),
        rows=[] if is_plain else list(zip(*kept.values(), strict=True)),
    )


def _names(names: Sequence[str]) -> str:
    return ", ".join(names) or "-"


def _approvals(wave: Wave, when: Moment) -> str:
    return ", ".join(approval_text(one) for one in wave.approvals if one.when is when) or "-"


def approval_text(rule: ApprovalRule) -> str:
    """Return who has to agree.

    >>> approval_text(ApprovalRule(when=Moment.BEFORE, quorum=2))
    '2, not the author'
    """
    who = f" of {', '.join(rule.by)}" if rule.by else ""
    return f"{rule.quorum}{who}{', not the author' if rule.not_author else ''}"


def _watched(wave: Wave) -> str:
    looks = f"every {span_text(wave.observe_every)}" if wave.observe_every else ""
    least = f"at least {wave.min_observations} times" if wave.min_observations else ""
    return ", ".join(one for one in (*wave.soak_gates, looks, least) if one) or "-"


_COLUMNS: Mapping[str, Callable[[Wave], str]] = {
    "wave": lambda wave: wave.name,
    "approvals before": lambda wave: _approvals(wave, Moment.BEFORE),
    "gates before": lambda wave: _names(wave.before_gates),
    "gates after": lambda wave: _names(wave.after_gates),
    "watched in its soak": _watched,
    "approvals after": lambda wave: _approvals(wave, Moment.AFTER),
}
