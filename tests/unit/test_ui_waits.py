"""What is shown of a run that waits: on a terminal it counts down, elsewhere it is one line."""

from __future__ import annotations

import dataclasses
import datetime as dt
import io

import pytest
from rich.console import Console

from fleet.core.state import RunState
from fleet.model.events import RunWaiting
from fleet.model.statuses import RunStatus, WaitCause
from fleet.ui import live, spans, statusview, waits
from tests.rig import fleets

BEGUN = dt.datetime(2026, 11, 29, 18, tzinfo=dt.UTC)
WAIT = RunWaiting(
    at=BEGUN,
    cause=WaitCause.WINDOW,
    wave=0,
    until=dt.datetime(2026, 12, 1, 22, tzinfo=dt.UTC),
    detail="wave rest: outside of the change windows of nights",
)
WAITING = RunState(status=RunStatus.WAITING, wait=WAIT, last_at=BEGUN)


@pytest.mark.parametrize(
    ("cause", "until", "text"),
    [
        (WaitCause.WINDOW, WAIT.until, "waits for a change window until 2026-12-01 22:00 UTC: why"),
        (WaitCause.NOT_BEFORE, WAIT.until, "waits until 2026-12-01 22:00 UTC: why"),
        (WaitCause.SOAK, BEGUN.replace(second=5), "waits until 2026-11-29 18:00:05 UTC: why"),
        (WaitCause.GATE, None, "waits for a gate: why"),
        (WaitCause.APPROVAL, None, "waits for an approval: why"),
    ],
)
def test_a_wait_is_told_with_its_cause_and_its_end(
    cause: WaitCause, until: dt.datetime | None, text: str
) -> None:
    assert waits.text(dataclasses.replace(WAIT, cause=cause, until=until, detail="why")) == text


@pytest.mark.parametrize(
    ("left", "text"),
    [
        (dt.timedelta(days=2, hours=4, minutes=9), "2 d 4 h"),
        (dt.timedelta(days=2, minutes=9), "2 d"),
        (dt.timedelta(hours=3, minutes=5), "3 h 5 min"),
        (dt.timedelta(seconds=70), "1 min 10 s"),
        (dt.timedelta(seconds=9, microseconds=999_999), "9 s"),
        (dt.timedelta(0), "0 s"),
        (dt.timedelta(seconds=-70), "0 s"),
    ],
)
def test_what_is_left_is_told_in_the_two_units_that_matter(left: dt.timedelta, text: str) -> None:
    assert spans.left_text(left) == text


class Watch:
    """A clock that a test moves."""

    now = BEGUN

    def __call__(self) -> dt.datetime:
        return self.now


def shown(columns: int, *, is_terminal: bool, moments: list[dt.datetime]) -> str:
    """Return what a view writes that is shown the wait once, and then lives through *moments*."""
    out, watch = io.StringIO(), Watch()
    console = Console(file=out, force_terminal=is_terminal, width=columns, color_system=None)
    with live.view(console, clean=str, now=watch) as view:
        view.show([WAIT], WAITING)
        for moment in moments:
            watch.now = moment
    return out.getvalue()


@pytest.mark.parametrize("columns", [80, 200])
@pytest.mark.parametrize(("passed", "left"), [(0, "2 d 4 h"), (48, "4 h"), (60, "0 s")])
def test_on_a_terminal_the_wait_counts_down_within_the_width(
    columns: int, passed: int, left: str
) -> None:
    text = shown(columns, is_terminal=True, moments=[BEGUN + dt.timedelta(hours=passed)])

    # The line of the event comes first; what is drawn below it is what moves.
    *_, drawn = text.split("(no header): Waiting")
    lines = drawn.replace("\r", "\n").splitlines()
    assert max(len(line) for line in lines if "\x1b" not in line) <= columns
    words = " ".join(drawn.split())
    assert f"waits for a change window until 2026-12-01 22:00 UTC (in {left}): wave" in words


def test_elsewhere_it_is_one_line_when_it_begins_however_long_it_lasts() -> None:
    moments = [BEGUN + dt.timedelta(seconds=n) for n in range(100)]

    text = shown(80, is_terminal=False, moments=moments)

    (line,) = text.splitlines()
    assert line == f"2026-11-29 18:00:00Z  {waits.text(WAIT, now=BEGUN)}"


def test_a_run_and_a_plan_that_needed_none_are_documents_with_the_same_keys() -> None:
    planned = fleets.plan([fleets.wave(1)])
    state = dataclasses.replace(
        fleets.opened(planned), status=RunStatus.WAITING, wait=dataclasses.replace(WAIT, until=None)
    )

    found = statusview.document(state, holder=None)

    assert list(found) == list(statusview.no_run(planned))
    assert found["wait"] == {
        "cause": "window",
        "since": "2026-11-29T18:00:00.000000Z",
        "until": None,
        "lookAt": None,
        "detail": WAIT.detail,
    }
