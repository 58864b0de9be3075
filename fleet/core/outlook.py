"""What is to be expected of a run that is under way: its waves that are not over, as forecasts.

Units:   moments are aware and UTC.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping

from fleet.core import admission, consents, forecast
from fleet.core.forecast import Forecast, Leg, Terms
from fleet.core.state import RunState, WaveState
from fleet.core.waves import TYPICAL_TARGET
from fleet.model.gates import Moment
from fleet.model.statuses import WaveStatus


def of_run(state: RunState, now: dt.datetime) -> Mapping[int, Forecast]:
    """Return ``{number of a wave: what is to be expected of it}``, of those that are not over.

    As if the run went on now, where somebody paused it.
    """
    legs = legs_of(state, now)
    found = forecast.forecasts(terms_of(state, now), list(legs.values()))
    return dict(zip(legs, found, strict=True))


def terms_of(state: RunState, now: dt.datetime) -> Terms:
    """Return what a forecast of a run goes by: what its own targets took, where that is known."""
    return Terms(
        now=now,
        head=state.plan,
        hours=state.hours,
        buffer=admission.buffer(state),
        typical=state.durations.ninth_decile() or TYPICAL_TARGET,
    )


def legs_of(state: RunState, now: dt.datetime) -> Mapping[int, Leg]:
    """Return the waves that are not over, by their numbers, in order."""
    if state.header is None or state.status.is_terminal:
        return {}
    return {
        number: _leg(state, number, wave, now)
        for number, wave in enumerate(state.waves)
        if number >= state.current and wave.status is not WaveStatus.SKIPPED
    }


def _leg(state: RunState, number: int, wave: WaveState, now: dt.datetime) -> Leg:
    waiting = [state.targets[target] for target in wave.line.waiting()]
    return Leg(
        planned=wave.planned,
        keys=Counter(target.calendars for target in waiting),
        step_count=sum(len(target.steps) for target in waiting),
        in_flight=wave.in_flight,
        is_open=wave.status is not WaveStatus.NOT_STARTED,
        soaks_until=wave.soaks_until,
        is_soaking=wave.status is WaveStatus.SOAKING,
        is_back=wave.is_back,
        is_last=number + 1 == len(state.waves),
        lacking={when: lack for when in Moment if (lack := _lack(state, number, when, now))},
    )


def _lack(state: RunState, number: int, when: Moment, now: dt.datetime) -> int:
    """Return how many more people have to agree, at least."""
    return max((count for _, count in consents.missing(state, number, when, now=now)), default=0)
