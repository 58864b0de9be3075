"""Taking back, inside a run, what it changed: the newest wave first, and in it the failed first.

The waves of the way back follow those of the plan. Their targets are those of the plan, with the
steps that were settled for going back when the plan was made.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Iterator

from fleet.core import reversal
from fleet.core.state import RunState, WaveState
from fleet.model import events as e
from fleet.model.events import Event, Member
from fleet.model.plan import Target, Undo, Wave
from fleet.model.statuses import Result
from fleet.model.strategy import RollbackScope

_STRETCH = 200
"""Members told in one event."""


def begun(state: RunState, *, reason: str, now: dt.datetime) -> Iterator[Event]:
    """Yield the events with which a run whose wave just failed begins to go back."""
    rule = state.plan.limits.undo
    if rule is None:
        return
    waves = [(wave, _changed(state, wave, rule.scope)) for wave in _meant(state, rule.scope)]
    left = tuple(n for _, found in waves for n in found if _backwards(state, n) is None)
    yield e.RunRollingBack(at=now, reason=reason, scope=rule.scope, left=left)
    number = len(state.waves)
    for wave, found in waves:
        back = [Member(target=n, plan=one) for n in found if (one := _backwards(state, n))]
        if back:
            planned = _wave(wave, len(back), rule)
            yield e.WaveAdded(at=now, wave=number, planned=planned)
            for n in range(0, len(back), _STRETCH):
                stretch = tuple(back[n : n + _STRETCH])
                yield e.WaveExtended(at=now, wave=number, members=stretch)
            number += 1


def _meant(state: RunState, scope: RollbackScope) -> Iterable[WaveState]:
    """Return the waves whose targets are taken back, the newest first."""
    tried = [wave for wave in state.waves if wave.opened_at is not None]
    return tried[-1:] if scope is RollbackScope.WAVE else reversed(tried)


def _changed(state: RunState, wave: WaveState, scope: RollbackScope) -> list[int]:
    """Return the targets of *wave* to which something was sent: the failed ones first."""
    failed = [n for n in wave.changed if n in state.touched]
    if scope is RollbackScope.TARGET:
        return failed
    return failed + [n for n in reversed(wave.changed) if state.results[n] is Result.SUCCEEDED]


def _backwards(state: RunState, number: int) -> Target | None:
    result = state.results[number]
    if result not in (Result.SUCCEEDED, Result.FAILED, Result.TIMED_OUT):
        return None  # somebody else has changed it meanwhile: it is theirs
    is_sure = result is Result.SUCCEEDED
    return reversal.reversed_target(state.targets[number], is_sure=is_sure)


def _wave(wave: WaveState, count: int, rule: Undo) -> Wave:
    name = f"{NAME}{wave.planned.name}"
    at_once = min(rule.max_concurrency, count)
    return dataclasses.replace(
        wave.planned,
        name=name,
        target_count=count,
        max_concurrency=at_once,
        # What cannot be taken back is told, and keeps nobody else from being.
        max_failures=count,
        worst_case_failures=count,
        effective_concurrency=at_once,
        soak=dt.timedelta(0),
        notes=(f"takes back what wave {wave.planned.name} changed",),
        timeout=None,
        # What was changed is taken back at once: only change windows bind the way back too.
        not_before=None,
        min_success_time=None,
        min_observations=0,
        observe_every=None,
        before_gates=(),
        soak_gates=(),
        after_gates=(),
        approvals=(),
    )


def left(state: RunState) -> list[int]:
    """Return the targets that were to be taken back, and are not, or in part only."""
    stuck = (
        n
        for n in members(state)
        if state.results.get(n) is not Result.ROLLED_BACK or reversal.is_partial(state.targets[n])
    )
    return sorted({*state.irreversible, *stuck})


def members(state: RunState) -> frozenset[int]:
    """Return the targets that the run itself takes back, or has taken back."""
    return frozenset(n for wave in state.waves if wave.is_back for n in wave.line.joined)


def waiting(state: RunState) -> frozenset[int]:
    """Return those of them whose turn to be taken back did not come."""
    return frozenset(n for wave in state.waves if wave.is_back for n in wave.line.waiting())


def untried(state: RunState) -> frozenset[int]:
    """Return those of them that nobody began to take back: their turn did not come, or was skipped.

    Of those that were begun none is called Succeeded any more.
    """
    kept = (n for n in members(state) if state.results.get(n) is Result.SUCCEEDED)
    return waiting(state).union(kept)


NAME = "back-"
"""What the name of a wave that takes back begins with; the rest names the wave it takes back."""
