"""A strategy, from its name or from the block of a plan file.

One wave of a file may mean several: a size that is a list makes one wave of
each of its entries, called NAME-1, NAME-2 and so on. A ramp-up does too, but
only the planner can tell how many.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from fleet.model.scope import Match
from fleet.model.strategy import (
    Amount,
    PoolRule,
    RampUp,
    RetryRule,
    RollbackRule,
    SpreadRule,
    Strategy,
    WaveRule,
)
from fleet.spec import gatefile, strategies
from fleet.spec.strategyform import RetryFile, RollbackFile, StrategyFile
from fleet.spec.waveform import MatchFile, RampUpFile, WaveFile

CUSTOM = "custom"
"""What a strategy is called that a plan file spells out."""


@functools.cache
def named(name: str) -> Strategy:
    """Return the strategy called *name*, one of :func:`fleet.spec.strategies.names`."""
    return _strategy(StrategyFile.model_validate(strategies.block(name)), name=name)


def custom(block: StrategyFile) -> Strategy:
    """Return the strategy that a plan file spells out."""
    return _strategy(block, name=CUSTOM)


def match(found: MatchFile | None) -> Match:
    """Return a selector; nothing said is an empty one."""
    if found is None:
        return Match()
    return Match(
        tags={name: tuple(values) for name, values in (found.tags or {}).items()},
        locations=tuple(found.locations or ()),
        distributions=tuple(found.distributions or ()),
        names=tuple(found.names or ()),
    )


def _strategy(block: StrategyFile, *, name: str) -> Strategy:
    given = _given(
        max_concurrency=block.max_concurrency,
        max_failures=block.max_failures,
        start_deadline=block.start_deadline,
        progress_deadline=block.progress_deadline,
        # One number in the file goes for an uninstall too.
        uninstall_deadline=block.progress_deadline,
        retry=block.retry and _retry(block.retry),
        rollback=block.rollback and _rollback(block.rollback),
        min_observations=block.min_observations,
    )
    return Strategy(
        name=name,
        waves=tuple(rule for wave in block.waves for rule in _waves(wave)),
        wave_max_concurrency=block.wave_max_concurrency,
        wave_max_failures=block.wave_max_failures,
        failure_mode=block.failure_mode,
        on_breach=block.on_breach,
        spread=tuple(
            SpreadRule(
                by=one.by, max_concurrency=one.max_concurrency, max_failures=one.max_failures
            )
            for one in block.spread or ()
        ),
        min_success=block.min_success,
        wave_timeout=block.wave_timeout,
        run_timeout=block.run_timeout,
        stalled_after=block.stalled_after,
        pools=tuple(
            PoolRule(name=one.name, max_concurrency=one.max_concurrency)
            for one in block.pools or ()
        ),
        sort_key=_listed(block.sort_key),
        has_strict_selection=block.strict_selection,
        min_success_time=block.min_success_time,
        observe_every=block.observe_every,
        **given,
    )


def _waves(wave: WaveFile) -> Iterator[WaveRule]:
    """Yield the waves that one of the file means."""
    if not isinstance(wave.size, list):
        yield _wave(wave, wave.name, wave.size)
        return
    for n, size in enumerate(wave.size, start=1):
        yield _wave(wave, f"{wave.name}-{n}", size, is_part=True)


def _wave(wave: WaveFile, name: str, size: Amount | None, *, is_part: bool = False) -> WaveRule:
    return WaveRule(
        name=name,
        size=size,
        selector=None if wave.match is None else match(wave.match),
        targets=tuple(wave.targets or ()),
        max_concurrency=wave.max_concurrency,
        max_failures=wave.max_failures,
        timeout=wave.timeout,
        ramp_up=_ramp_up(wave.ramp_up) if wave.ramp_up else None,
        is_required=wave.required,
        # A canary that must exist is one that somebody stands in for, unless that is not wanted.
        has_substitutes=wave.required if wave.substitute is None else bool(wave.substitute),
        substitutes=tuple(wave.substitute) if isinstance(wave.substitute, list) else (),
        is_part=is_part,
        not_before=wave.not_before,
        calendars=tuple(wave.calendars or ()),
        min_success_time=wave.min_success_time,
        min_observations=wave.min_observations,
        observe_every=wave.observe_every,
        before_gates=_listed_or_none(wave.before_gates),
        soak_gates=_listed_or_none(wave.soak_gates),
        after_gates=_listed_or_none(wave.after_gates),
        approvals=None if wave.approvals is None else gatefile.approvals(wave.approvals),
        **_given(soak=wave.soak_time),
    )


def _ramp_up(ramp: RampUpFile) -> RampUp:
    return RampUp(start=ramp.start, factor=ramp.factor, most=ramp.most)


def _retry(retry: RetryFile) -> RetryRule:
    on = tuple(dict.fromkeys(retry.on)) if retry.on else None
    return RetryRule(attempts=retry.attempts, **_given(backoff=retry.backoff, on=on))


def _rollback(rollback: RollbackFile) -> RollbackRule:
    return RollbackRule(scope=rollback.scope, max_concurrency=rollback.max_concurrency)


def _listed(value: str | list[str] | None) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value or ())


def _listed_or_none(value: list[str] | None) -> tuple[str, ...] | None:
    return None if value is None else tuple(value)


def _given(**fields: Any) -> dict[str, Any]:
    """Return the fields that the file has; the model has the defaults of the others."""
    return {name: value for name, value in fields.items() if value is not None}
