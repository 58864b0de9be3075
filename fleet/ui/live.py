"""The run as it happens: a moving view on a terminal, plain lines everywhere else."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from fleet.core.state import RunState
from fleet.model.events import Event, RunWaiting
from fleet.ui import eventlines, output, statusview, waits

_REFRESH_PER_S = 8


Clean = Callable[[str], str]
Now = Callable[[], dt.datetime]


class View(Protocol):
    """Is shown every durable event."""

    def show(self, events: Sequence[Event], state: RunState) -> None:
        """Show *events*, and the run after them."""


class Lines:
    """One line for each event worth telling."""

    def __init__(self, console: Console, clean: Clean) -> None:
        self._console = console
        self._clean = clean

    def show(self, events: Sequence[Event], state: RunState) -> None:
        """Print what is worth telling."""
        for event in events:
            line = eventlines.line(event, state, is_full=False)
            if line is not None:
                output.say(self._clean(line), on=self._console)


class Moving:
    """The waves as bars, with the lines above them, and what is left of a wait below."""

    def __init__(self, live: Live, clean: Clean, now: Now | None) -> None:
        self._live = live
        self._lines = Lines(live.console, clean)
        self._clean = clean
        self._now = now

    def show(self, events: Sequence[Event], state: RunState) -> None:
        """Print what is worth telling, and redraw the bars at the next refresh."""
        self._lines.show(events, state)
        self._live.update(_picture(state, self._clean, self._now))


@contextlib.contextmanager
def view(console: Console, *, clean: Clean, now: Now | None = None) -> Iterator[View]:
    """Return the view that fits *console*.

    Args:
        console: Where it is shown.
        clean: Takes secrets out of what is shown.
        now: The run's clock, which a wait is counted down by; without it none is.
    """
    if not console.is_terminal:
        yield Lines(console, clean)
        return
    with Live(console=console, refresh_per_second=_REFRESH_PER_S, transient=True) as live:
        yield Moving(live, clean, now)


class _Countdown:
    """What a run waits for, drawn anew at every refresh: it gets shorter all by itself."""

    # NB: drawn by a thread of rich's, so it holds what does not change: never the state.
    def __init__(self, wait: RunWaiting, clean: Clean, now: Now) -> None:
        self._wait, self._clean, self._now = wait, clean, now

    def __rich__(self) -> Text:
        return Text(self._clean(waits.text(self._wait, now=self._now())))


def _picture(state: RunState, clean: Clean, now: Now | None) -> Group:
    bars = Table.grid(padding=(0, 2))
    for wave in state.waves:
        count, done = wave.target_count, wave.done_count
        bars.add_row(
            wave.planned.name,
            ProgressBar(total=count, completed=done, width=24),
            f"{done}/{count}",
            f"{wave.in_flight} in flight" if wave.in_flight else str(wave.status),
            f"{wave.failures} failed" if wave.failures else "",
        )
    why = (
        _Countdown(state.wait, clean, now)
        if state.wait and now
        else Text(clean("; ".join(statusview.reasons(state))))
    )
    return Group(Text(statusview.headline(state), style="bold"), bars, why)
