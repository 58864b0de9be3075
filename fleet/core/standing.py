"""Where one target stands: why it is not being changed now, what comes before it, and when.

Asked about one target, on demand; changes nothing.

Errors:  :exc:`~fleet.errors.InputError` for a name that no target has, or several.
Units:   moments are aware and UTC.
"""

from __future__ import annotations

import bisect
import dataclasses
import datetime as dt
import itertools
from collections.abc import Iterator, Mapping, Sequence

from fleet.core import course, forecast, members, outlook
from fleet.core.forecast import Forecast, Leg, Terms, Window
from fleet.core.state import RunState, WaveState
from fleet.core.windows import Zones
from fleet.errors import InputError
from fleet.model.calendars import Calendar
from fleet.model.events import WindowOverridden
from fleet.model.plan import Plan, Target
from fleet.model.statuses import RunStatus, WaveStatus


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A calendar that binds a target, and how it is now."""

    calendar: Calendar
    window: Window | None
    """``None``: it never opens, as far as is searched."""
    override: WindowOverridden | None = None
    """Who lets changes start outside of it, if somebody does."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """All of it."""

    target: Target
    status: str
    """``Planned``, ``Pending``, ``InProgress``, ``Waiting(...)``, how it ended, or the plan's word
    for why nothing is done."""
    why: tuple[str, ...]
    """For people; the first says the most."""
    wave: str | None = None
    """The wave in which its turn comes, or came."""
    ahead: tuple[str, ...] = ()
    """What is done before its turn: waves, and targets of its own wave."""
    holds: tuple[Hold, ...] = ()
    starts_at: dt.datetime | None = None
    """When its turn comes, at the earliest; ``None``: never, or it has come."""
    is_after_approval: bool = False
    has_turn: bool = False
    """Whether it waits for one."""


def of_plan(plan: Plan, name: str, *, zones: Zones, now: dt.datetime) -> Standing:
    """Return where a target of a plan would stand, were the plan begun at *now*."""
    number = number_of(plan.targets, name)
    target = plan.targets[number]
    if not target.action.is_change or target.wave is None:
        return _left_out(target)
    ends = list(itertools.accumulate(wave.target_count for wave in plan.head.waves))
    index = bisect.bisect_right(ends, number)
    place = number - (ends[index - 1] if index else 0)
    terms = forecast.terms_of_plan(plan.head, zones=zones, now=now)
    legs = list(forecast.legs_of_plan(plan))
    found = list(forecast.forecasts(terms, legs))
    turn = _Turn(terms=terms, leg=legs[index], found=found[index], place=place)
    ahead = tuple(f"wave {one.name}" for one in plan.head.waves[:index])
    return dataclasses.replace(
        _of_turn(turn, target, ahead, {}),
        status="Planned",
        why=("the plan was not begun", *_hangs(turn), *_reasons(turn, target)),
    )


def of_run(state: RunState, name: str, now: dt.datetime) -> Standing:
    """Return where a target of a run stands at *now*."""
    number = number_of(state.targets, name)
    target = state.targets[number]
    wave = members.waiting_wave(state, number)
    if number in state.active:
        return _in_flight(state, number, target)
    if wave is None:
        return _ended(state, number, target)
    return _waiting(state, number, target, wave, now)


def number_of(targets: Sequence[Target], name: str) -> int:
    """Return the number of the target that *name* means: its cluster's, or its id."""
    wanted = name.lower()
    found = [
        number
        for number, one in enumerate(targets)
        if wanted in (one.cluster_name.lower(), one.cluster_id.lower())
    ]
    if len(found) == 1:
        return found[0]
    if not found:
        message = f"no target is called {name}"
        hint = "`fleet status RUN` and `fleet show PLAN` list them; the selector may not mean it."
        raise InputError(message, hint=hint)
    raise InputError(f"{len(found)} targets are called {name}", hint="Name it by its id.")


# --- those whose turn does not come ------------------------------------------------------


def _left_out(target: Target) -> Standing:
    why = f"nothing is done to it ({target.action}): {target.reason}"
    return Standing(target=target, status=str(target.action), why=(why,))


def _ended(state: RunState, number: int, target: Target) -> Standing:
    result = state.results.get(number)
    if result is None:
        return _left_out(target)
    detail = state.details.get(number, "")
    said = f"its turn is over: {result}"
    return Standing(
        target=target,
        status=str(result),
        why=(f"{said}: {detail}" if detail else said,),
        wave=target.wave,
    )


def _in_flight(state: RunState, number: int, target: Target) -> Standing:
    active = state.active[number]
    step = f"step {active.step + 1} of {len(target.steps)}"
    why = [f"it is being changed: {step} ({active.phase})"]
    until = state.timers.moments().get(number)
    if active.held is not None:
        when = f" until {until:%Y-%m-%d %H:%M:%S}Z" if until else ""
        why = [f"it was begun, and waits ({active.held}){when}: {step}"]
    why += [active.message] if active.message else []
    wave = state.waves[active.wave]
    status = f"Waiting({active.held})" if active.held else "InProgress"
    return Standing(target=target, status=status, why=tuple(why), wave=wave.planned.name)


# --- those who wait ----------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    """A target's turn, as forecasts see it."""

    terms: Terms
    leg: Leg
    found: Forecast
    place: int
    """How many of its wave are before it."""

    def key(self, target: Target) -> tuple[int, ...]:
        """Return all calendars that bind *target*."""
        return (*self.terms.key_of(self.leg.planned), *target.calendars)


def _waiting(
    state: RunState, number: int, target: Target, wave: WaveState, now: dt.datetime
) -> Standing:
    legs = outlook.legs_of(state, now)
    terms = outlook.terms_of(state, now)
    found = dict(zip(legs, forecast.forecasts(terms, list(legs.values())), strict=True))
    index = next(n for n, one in enumerate(state.waves) if one is wave)
    place = next(n for n, one in enumerate(wave.line.waiting()) if one == number)
    turn = _Turn(terms=terms, leg=legs[index], found=found[index], place=place)
    ahead = tuple(f"wave {legs[n].planned.name}" for n in legs if n < index)
    return dataclasses.replace(
        _of_turn(turn, target, ahead, state.overrides),
        status="Pending",
        why=tuple(_why_waiting(state, target, wave, turn, index)),
    )


def _why_waiting(
    state: RunState, target: Target, wave: WaveState, turn: _Turn, index: int
) -> Iterator[str]:
    if state.status in (RunStatus.PAUSED, RunStatus.PAUSING, RunStatus.STOPPING):
        yield f"the run is {state.status}"
    if index > state.current:
        yield f"wave {state.waves[state.current].planned.name} comes before its own"
    yield from course.reasons(state)
    if index == state.current and wave.status is WaveStatus.RUNNING:
        key = state.caps.full(target, is_at_work=False)
        if key is not None:
            yield f"all places of {state.caps.label(key)} are taken"
    if state.wait is None or index > state.current:
        yield from _hangs(turn)
    yield from _reasons(turn, target)


def _of_turn(
    turn: _Turn,
    target: Target,
    ahead: tuple[str, ...],
    overrides: Mapping[int, WindowOverridden],
) -> Standing:
    """Return what a forecast says of a turn; status and reasons are still to be told."""
    terms = turn.terms
    planned = turn.leg.planned
    own = f"{turn.place} of wave {planned.name}, {planned.effective_concurrency} at once"
    return Standing(
        target=target,
        status="",
        why=(),
        wave=planned.name,
        ahead=(*ahead, own) if turn.place else ahead,
        holds=tuple(
            Hold(
                calendar=terms.head.calendars[number],
                window=forecast.window_of(terms, (number,), terms.now),
                override=overrides.get(number),
            )
            for number in turn.key(target)
        ),
        starts_at=forecast.start_of(terms, turn.leg, turn.found, target, place=turn.place),
        is_after_approval=turn.found.is_after_approval,
        has_turn=True,
    )


def _hangs(turn: _Turn) -> Iterator[str]:
    return (f"its wave waits: {text}" for text in turn.found.hangs_on)


def _reasons(turn: _Turn, target: Target) -> Iterator[str]:
    terms = turn.terms
    shut = [
        terms.head.calendars[number].name
        for number in target.calendars
        if not terms.hours.opening((number,), terms.now, buffer=terms.buffer).is_open
    ]
    if shut:
        yield f"outside of its own windows: {', '.join(shut)}"
