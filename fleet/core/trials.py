"""What each wave must stand: its gates, its approvals, and being looked at while it soaks.

What a wave says itself goes first, then what its strategy or its file says for all waves. The wave
of late clusters has none of it: it comes after all that was judged.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Iterable, Iterator, Sequence

from fleet.core import gates
from fleet.model.approvals import ApprovalRule
from fleet.model.desired import Rollout
from fleet.model.gates import Gate, OnVerdict
from fleet.model.plan import CATCH_UP, Wave
from fleet.model.strategy import Strategy, WaveRule

_MINUTE = dt.timedelta(minutes=1)
_LONGEST_GAP = dt.timedelta(minutes=10)
_SHORTEST_GAP = dt.timedelta(seconds=10)
"""Between two looks: each is a query, and what it asks is minutes old anyway."""
_SHARE_OF_SOAK = 10
_PART = re.compile(r"-[0-9]+$")


def added(wave: Wave, rule: WaveRule, rollout: Rollout) -> Wave:
    """Return *wave* with what it must stand."""
    if wave.name == CATCH_UP:
        return wave
    soak_gates = _first(rule.soak_gates, rollout.soak_gates) if wave.soak else ()
    watched = dataclasses.replace(
        wave,
        before_gates=_first(rule.before_gates, rollout.before_gates),
        soak_gates=soak_gates,
        after_gates=_first(rule.after_gates, rollout.after_gates),
        approvals=_approvals(rule, rollout),
    )
    return _looked_at(watched, rule, rollout.strategy)


def _first(own: tuple[str, ...] | None, others: tuple[str, ...]) -> tuple[str, ...]:
    return others if own is None else own


def _approvals(rule: WaveRule, rollout: Rollout) -> tuple[ApprovalRule, ...]:
    if rule.approvals is not None:
        return rule.approvals
    # A file names the wave that it wrote down; each of its parts needs the same.
    names = [rule.name, *([_PART.sub("", rule.name)] if rule.is_part else []), ""]
    return next((rollout.approvals[name] for name in names if name in rollout.approvals), ())


def _looked_at(wave: Wave, rule: WaveRule, strategy: Strategy) -> Wave:
    lasting = strategy.min_success_time if rule.min_success_time is None else rule.min_success_time
    count = strategy.min_observations if rule.min_observations is None else rule.min_observations
    count = count if wave.soak or lasting else 0
    said = strategy.observe_every if rule.observe_every is None else rule.observe_every
    every, notes = None, wave.notes
    if wave.soak and (said or count or wave.soak_gates):
        every = said or _gap(wave.soak, count)
        if not said:
            told = f"observeEvery: of a soak of {_text(wave.soak)} -> {_text(every)}"
            notes = (*notes, told)
    return dataclasses.replace(
        wave,
        min_success_time=lasting or None,
        min_observations=count,
        observe_every=every,
        notes=notes,
    )


def _gap(soak: dt.timedelta, count: int) -> dt.timedelta:
    """Return how long from one look to the next: whole seconds, and often enough for *count*."""
    usual = min(max(soak / _SHARE_OF_SOAK, _MINUTE), _LONGEST_GAP, soak / max(count, 2))
    return max(dt.timedelta(seconds=usual // dt.timedelta(seconds=1)), _SHORTEST_GAP)


def used(rollout: Rollout, waves: Sequence[Wave]) -> tuple[Gate, ...]:
    """Return the gates that any of *waves* names, in the file's order."""
    named = {name for wave in waves for name in _named(wave)}
    return tuple(gate for gate in rollout.gates if gate.name in named)


def _named(wave: Wave) -> tuple[str, ...]:
    return (*wave.before_gates, *wave.soak_gates, *wave.after_gates)


def may_roll_back(rollout: Rollout) -> bool:
    """Tell whether a gate that a wave may name leads to a rollback."""
    named = set(_said(rollout))
    return any(
        OnVerdict.ROLLBACK in (gate.on_fail, gate.on_inconclusive, gate.on_no_data, gate.on_error)
        for gate in rollout.gates
        if gate.name in named and not gate.is_dry_run
    )


def _said(rollout: Rollout) -> Iterator[str]:
    """Yield every name of a gate that the file has for a wave."""
    yield from (*rollout.before_gates, *rollout.soak_gates, *rollout.after_gates)
    for rule in rollout.strategy.waves:
        yield from (
            *(rule.before_gates or ()),
            *(rule.soak_gates or ()),
            *(rule.after_gates or ()),
        )


# --- warnings -----------------------------------------------------------------------------


def warnings(rollout: Rollout, waves: Sequence[Wave]) -> tuple[str, ...]:
    """Return what somebody should know before a run of *waves* begins."""
    by_name = {gate.name: gate for gate in rollout.gates}
    said = set(_said(rollout))
    found = [f"gate {name}: no wave uses it" for name in by_name if name not in said]
    for wave in waves:
        found += _of_soak(wave, [by_name[name] for name in wave.soak_gates if name in by_name])
    return tuple(found)


def _of_soak(wave: Wave, measured: Iterable[Gate]) -> Iterator[str]:
    looks = wave.min_observations
    if wave.observe_every and (long := wave.observe_every * looks) > wave.soak:
        yield (
            f"wave {wave.name}: {looks} looks take {_text(long)}, and its soak is "
            f"{_text(wave.soak)}: it soaks longer"
        )
    lasting = wave.min_success_time
    if lasting and looks and lasting / looks < _SHORTEST_GAP:
        yield f"wave {wave.name}: each target is looked at {looks} times in {_text(lasting)}"
    for gate in measured:
        yield from _of_measurements(wave, gate)


def _of_measurements(wave: Wave, gate: Gate) -> Iterator[str]:
    count = gates.wanted(gate)
    wanted = count or max(wave.min_observations, 1)
    took = gate.initial_delay + (gate.interval or dt.timedelta(0)) * (wanted - 1)
    if took <= wave.soak:
        return
    times = f"{wanted} measurements take" if wanted > 1 else "the first measurement comes after"
    is_cut = count is not None and gate.initial_delay < wave.soak
    then = "it is judged by fewer" if is_cut else "the wave soaks longer"
    yield (
        f"wave {wave.name}: gate {gate.name}: {times} {_text(took)}, and the soak is "
        f"{_text(wave.soak)}: {then}"
    )


def _text(span: dt.timedelta) -> str:
    seconds = round(span.total_seconds())
    parts = (
        (seconds // 86_400, "d"),
        (seconds // 3_600 % 24, "h"),
        (seconds // 60 % 60, "m"),
        (seconds % 60, "s"),
    )
    return "".join(f"{number}{unit}" for number, unit in parts if number) or "0s"
