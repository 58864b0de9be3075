"""What people's requests lead to: one event each, whatever the run is doing.

Asking for what is so already is refused with what is so; nothing is ever done twice.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping

from fleet.core import assents, members
from fleet.core.state import RunState, WaveState
from fleet.model import events as e
from fleet.model.events import Actor, Event
from fleet.model.statuses import RunStatus, WaveStatus

_ACTIVE = frozenset({RunStatus.RUNNING, RunStatus.WAITING, RunStatus.ROLLING_BACK})
_HELD = frozenset({RunStatus.PAUSING, RunStatus.PAUSED})


_ASSENTS: Mapping[str, Callable[..., Event | str]] = {
    "approve": assents.approved,
    "override": assents.overridden,
    "skip-gate": assents.skipped_gate,
}


def answer(
    state: RunState,
    *,
    asked: str,
    subject: str = "",
    actor: Actor,
    reason: str,
    request_id: str,
    now: dt.datetime,
) -> Event:
    """Return the event that a person's request leads to; asking twice is answered twice.

    Args:
        state: The run.
        asked: ``pause``, ``resume``, ``stop``, ``skip-target``, ``skip-wave``, ``skip-soak``,
            ``skip-gate``, ``approve`` or ``override``.
        subject: The cluster's, wave's, gate's or calendar's name; of a cluster the id will do.
        actor: Who asks.
        reason: Why.
        request_id: Of this request.
        now: When it is answered.
    """
    status = state.status
    if asked == "pause" and status in _ACTIVE:
        return e.RunPausing(at=now, actor=actor, reason=reason, request_id=request_id)
    if asked == "resume" and status in _HELD:
        return e.RunResumed(at=now, actor=actor, reason=reason, request_id=request_id)
    if asked == "stop" and (status in _ACTIVE or status in _HELD):
        return e.RunStopping(at=now, actor=actor, reason=reason, request_id=request_id)
    found: Event | str = f"the run is {status}"
    if asked in _ASSENTS and (status in _ACTIVE or status in _HELD):
        found = _ASSENTS[asked](
            state, subject, actor=actor, reason=reason, request_id=request_id, now=now
        )
    elif asked.startswith("skip-") and (status in _ACTIVE or status in _HELD):
        found = _skip(state, asked, subject, actor, reason, request_id, now)
    if not isinstance(found, str):
        return found
    return e.RequestRefused(at=now, actor=actor, asked=asked, reason=found, request_id=request_id)


def _skip(
    state: RunState,
    asked: str,
    subject: str,
    actor: Actor,
    reason: str,
    request_id: str,
    now: dt.datetime,
) -> Event | str:
    """Return the event that takes something out, or why nothing is."""
    if asked == "skip-target":
        target = _target(state, subject)
        if isinstance(target, str):
            return target
        return e.TargetSkipped(
            at=now, target=target, actor=actor, reason=reason, request_id=request_id
        )
    if asked == "skip-soak":
        wave = state.waves[state.current] if state.current < len(state.waves) else None
        if wave is None or wave.status is not WaveStatus.SOAKING:
            return "no wave is soaking"
        return e.SoakSkipped(
            at=now, wave=state.current, actor=actor, reason=reason, request_id=request_id
        )
    number = _wave(state, subject)
    if isinstance(number, str):
        return number
    return e.WaveSkipped(at=now, wave=number, actor=actor, reason=reason, request_id=request_id)


def _target(state: RunState, name: str) -> int | str:
    """Return which target is meant, or why it cannot be skipped."""
    wanted = name.lower()
    found = [
        n
        for n, target in enumerate(state.targets)
        if wanted in (target.cluster_name.lower(), target.cluster_id.lower())
    ]
    if len(found) != 1:
        some = f"{len(found)} targets are" if found else "no target is"
        return f"{some} called {name}" + (": name it by its id" if found else "")
    (number,) = found
    if members.waiting_wave(state, number) is not None:
        return number
    if number in state.active:
        return f"{name} is being changed: it cannot be skipped any more"
    result = state.results.get(number)
    return f"{name} is {result} already" if result else f"{name} needs no change"


def _wave(state: RunState, name: str) -> int | str:
    """Return which wave is meant, or why it cannot be skipped."""
    found = [n for n, wave in enumerate(state.waves) if wave.planned.name == name]
    if not found:
        names = ", ".join(wave.planned.name for wave in state.waves)
        return f"no wave is called {name}: there are {names}"
    wave: WaveState = state.waves[found[-1]]
    may_skip = wave.status in (WaveStatus.NOT_STARTED, WaveStatus.RUNNING)
    return found[-1] if may_skip else f"wave {name} is {wave.status} already"
