"""The gates of a wave: when each is measured, when it has ended, and what that leads to.

How measurements add up is in :mod:`fleet.core.gates`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from fleet.core import gates
from fleet.core.state import GateState, RunState, WaveState
from fleet.model import events as e
from fleet.model.commands import Measure
from fleet.model.gates import Gate, Moment, OnVerdict, Verdict
from fleet.model.plan import Wave


def names(planned: Wave, moment: Moment) -> tuple[str, ...]:
    """Return the gates of a wave at *moment*."""
    match moment:
        case Moment.BEFORE:
            return planned.before_gates
        case Moment.SOAK:
            return planned.soak_gates
        case Moment.AFTER:
            return planned.after_gates


def moves(
    state: RunState, wave: WaveState, moment: Moment, now: dt.datetime, *, is_over: bool = False
) -> Iterator[e.GatesEntered | e.GateEnded | Measure]:
    """Yield what the gates of *moment* do at *now*: begin, be measured, or end.

    Args:
        state: The run.
        wave: The one that is current.
        moment: Which of its gates.
        now: The moment.
        is_over: Whether gates that are measured without an end have been measured long enough.
    """
    wanted = names(wave.planned, moment)
    if any((moment, name) not in wave.gates for name in wanted):
        yield e.GatesEntered(at=now, wave=state.current, moment=moment)
        return
    for name in wanted:
        found = wave.gates[moment, name]
        if found.ended is None and (state.current, moment, name) not in state.measuring:
            yield from _move(state, gate(state, name), found, moment, now, is_over=is_over)


def _move(
    state: RunState,
    one: Gate,
    found: GateState,
    moment: Moment,
    now: dt.datetime,
    *,
    is_over: bool,
) -> Iterator[e.GateEnded | Measure]:
    # NB: a gate that comes to be measured only when the soak is over is measured once.
    is_last = is_over and found.tally.number > 0
    verdict = gates.assess(one, found.tally, is_terminating=is_last)
    if verdict is not None:
        yield _ended(state, one, found, moment, verdict, now)
    elif _next_at(one, found) <= now:
        yield Measure(
            wave=state.current,
            moment=moment,
            gate=one,
            number=found.tally.number + 1,
            since=state.waves[state.current].opened_at,
        )


def _ended(
    state: RunState,
    one: Gate,
    found: GateState,
    moment: Moment,
    verdict: Verdict,
    now: dt.datetime,
) -> e.GateEnded:
    action = gates.action(one, verdict)
    if state.is_rolling_back and action is OnVerdict.ROLLBACK:
        action = OnVerdict.STOP
    return e.GateEnded(
        at=now,
        wave=state.current,
        moment=moment,
        gate=one.name,
        verdict=verdict,
        action=action,
        detail=found.last.detail if found.last else "",
    )


def gate(state: RunState, name: str) -> Gate:
    """Return the plan's gate of that name."""
    return next(one for one in state.plan.gates if one.name == name)


def _next_at(one: Gate, found: GateState) -> dt.datetime:
    last_at = found.last.at if found.last else None
    return gates.next_at(one, found.tally, entered_at=found.entered_at, last_at=last_at)


def next_at(state: RunState, wave: WaveState) -> dt.datetime | None:
    """Return when the first of a wave's gates is to be measured; ``None``: none is waiting."""
    moments = (
        _next_at(gate(state, name), found)
        for (moment, name), found in wave.gates.items()
        if found.ended is None and (state.current, moment, name) not in state.measuring
    )
    return min(moments, default=None)


def earliest_end(state: RunState, wave: WaveState, moment: Moment, name: str) -> dt.datetime:
    """Return when a gate that goes on can have passed, if each measurement answers at once."""
    one, found = gate(state, name), wave.gates[moment, name]
    rounds = (gates.wanted(one) or 1) - 1
    return found.entered_at + one.initial_delay + rounds * (one.interval or gates.AFTER_ERROR)


def is_passed(wave: WaveState, moment: Moment) -> bool:
    """Tell whether all gates of *moment* have ended, and none bars the way."""
    found = [wave.gates.get((moment, name)) for name in names(wave.planned, moment)]
    return all(one is not None and one.ended is not None and one.bars is None for one in found)


def barring(wave: WaveState) -> e.GateEnded | None:
    """Return the end of a gate that does not let the run go on."""
    ends = (found.ended for found in wave.gates.values() if found.bars is not None)
    return next((one for one in ends if isinstance(one, e.GateEnded)), None)
