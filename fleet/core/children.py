"""Plans of runs that follow another: trying again, and going back, with the same frozen versions.

Made from what the parent's journal adds up to, without asking anybody: what a
target needs was settled in the parent's plan. Budgets begin afresh.

Errors:  :exc:`~fleet.errors.RefusedError` for a run that is not over,
         :exc:`~fleet.errors.InputError` for a wave or a target that it does not have.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from fleet.core import chain, childheads, proof, reversal, steps, undo
from fleet.core.state import RunState
from fleet.core.trail import Footprint, Trail
from fleet.errors import InputError, RefusedError
from fleet.model import codec
from fleet.model.cluster import nothing
from fleet.model.plan import CATCH_UP, Action, Facts, Plan, PlanHead, Purpose, Step, Target
from fleet.model.statuses import Result, RunStatus

FAILED = frozenset({Result.FAILED, Result.TIMED_OUT})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which targets are meant; where nothing is said, all that there are."""

    waves: tuple[str, ...] = ()
    """Of the parent, by name."""
    targets: tuple[str, ...] = ()
    """Clusters' names or ids."""
    is_failed_only: bool = False


def retry(state: RunState, trail: Trail, *, results: frozenset[Result]) -> Plan:
    """Return the plan that tries those targets again that ended with one of *results*.

    The parent's waves keep their order and their numbers, as far as they still have members.
    """
    head = _require_over(state)
    own = undo.members(state)
    numbers = [
        n for n in range(len(state.targets)) if _result(state, n) in results and n not in own
    ]
    members = [_retried(state.targets[n], trail.of(n)) for n in numbers]
    # As they came to be: clusters may have joined, and a wave may have become necessary.
    own_waves = [
        dataclasses.replace(wave.planned, target_count=wave.target_count)
        for wave in state.waves
        if not wave.is_back
    ]
    waves = [(wave, [one for one in members if one.wave == wave.name]) for wave in own_waves]
    limits = childheads.retry_limits(head.limits, count=len(members))
    return childheads.sealed(
        state,
        purpose=Purpose.RETRY,
        limits=limits,
        waves=tuple(childheads.retry_wave(wave, len(some), limits) for wave, some in waves if some),
        targets=[one for _, some in waves for one in some],
        spreads=childheads.spreads_of(state),
    )


def rollback(state: RunState, trail: Trail, *, choice: Choice) -> Plan:
    """Return the plan that takes back what the run changed, as far as it can be.

    The newest wave first, and in each wave what failed first. What cannot be taken back is in
    the plan too, blocked, with the reason. What the run tried to take back itself is tried again,
    where that failed.
    """
    head = _require_over(state)
    done = {n for n in undo.members(state) if state.results.get(n) is Result.ROLLED_BACK}
    numbers = [n for n in _chosen(state, trail, choice) if trail.of(n).is_written and n not in done]
    back, stuck = _split(state, trail, numbers)
    limits = childheads.rollback_limits(head.limits, [one for _, one in back])
    waves, targets = [], []
    for name in reversed(_wave_names(state)):
        members = [(n, one) for n, one in back if _wave_of(state, trail, n) == name]
        members.sort(key=lambda one: (_result(state, one[0]) not in FAILED, -one[0]))
        if members:
            called = f"{undo.NAME}{name}"
            bound = childheads.calendars_of(state, name)
            waves.append(childheads.rollback_wave(called, len(members), limits, bound))
            targets += [dataclasses.replace(one, wave=called) for _, one in members]
    spreads = tuple(
        dataclasses.replace(
            one,
            groups=tuple(dataclasses.replace(group, max_failures=None) for group in one.groups),
        )
        for one in childheads.spreads_of(state)
    )
    return childheads.sealed(
        state,
        purpose=Purpose.ROLLBACK,
        limits=limits,
        waves=tuple(waves),
        targets=[*targets, *stuck],
        spreads=spreads,
    )


def count_of(state: RunState, result: Result) -> int:
    """Return how many targets ended with *result*; one that a bug hit has failed."""
    return sum(_result(state, n) is result for n in range(len(state.targets)))


# --- which targets -----------------------------------------------------------------------


def _require_over(state: RunState) -> PlanHead:
    header = state.header
    if header is None:
        message = "the run was never begun: its journal is empty"
        raise InputError(message)
    if state.status.is_terminal:
        return state.plan
    run_id = header.run_id
    on = f"fleet run --run-id {run_id} carries it on where nobody does"
    if state.status is RunStatus.PAUSED:
        on = f"fleet resume {run_id}, then fleet run --run-id {run_id} carries it on"
    message = f"run {run_id} is {state.status}: it is not over"
    hint = f"fleet stop {run_id} ends it; fleet watch {run_id} waits for its end; {on}."
    raise RefusedError(message, hint=hint)


def _result(state: RunState, target: int) -> Result | None:
    """Return how a target ended; one that a bug hit and nobody looked at again has failed."""
    found = state.results.get(target)
    return Result.FAILED if found is None and target in state.active else found


def _chosen(state: RunState, trail: Trail, choice: Choice) -> list[int]:
    _require_waves(state, choice.waves)
    named = _named(state, choice.targets)
    return [
        n
        for n in range(len(state.targets))
        if (not choice.waves or _wave_of(state, trail, n) in choice.waves)
        and (not choice.targets or n in named)
        and (not choice.is_failed_only or _result(state, n) in FAILED)
    ]


def _require_waves(state: RunState, wanted: Iterable[str]) -> None:
    names = _wave_names(state)
    for name in wanted:
        if name not in names:
            message = f"the run has no wave {name}"
            raise InputError(message, hint=f"It has: {', '.join(names)}.")


def _named(state: RunState, wanted: Iterable[str]) -> set[int]:
    places: dict[str, set[int]] = {}
    for n, target in enumerate(state.targets):
        for name in (target.cluster_name.lower(), target.cluster_id.lower()):
            places.setdefault(name, set()).add(n)
    found: set[int] = set()
    for name in wanted:
        if name.lower() not in places:
            message = f"no target of this run is named {name}"
            raise InputError(message, hint="`fleet status RUN` lists the targets.")
        found |= places[name.lower()]
    return found


def _wave_names(state: RunState) -> list[str]:
    return list(dict.fromkeys(wave.planned.name for wave in state.waves if not wave.is_back))


def _wave_of(state: RunState, trail: Trail, target: int) -> str:
    """Return the wave in which a target's turn came."""
    name = state.targets[target].wave or ""
    if any(wave.is_back and wave.planned.name == name for wave in state.waves):
        name = name.removeprefix(undo.NAME)  # it was to go back already
    return CATCH_UP if trail.of(target).is_late else name


# --- trying again ------------------------------------------------------------------------


def _retried(target: Target, left: Footprint) -> Target:
    """Return what is still to be done of *target*.

    Where nothing was written, it stands where it stood, and any other state is drift.
    """
    if not left.is_written:
        return target
    done = min(left.proved_count, len(target.steps) - 1)
    known = proof.expected(target, done)
    first, *later = target.steps[done:]
    return dataclasses.replace(
        target,
        steps=(_again(first, target, known), *later),
        facts=known,
        facts_digest=chain.digest(codec.to_json(known)),
        reason=f"{target.reason}; tried before, and how far it came is not known",
        is_unsure=True,
    )


def _again(step: Step, target: Target, known: Facts) -> Step:
    """Return *step* as a PUT, where one loses nothing: a PATCH does not mend a failed extension."""
    if not step.is_own:
        return step
    own = steps.own(target.steps)
    protected = {key: name for one in own for key, name in (one.protected or {}).items()}
    if set(known.protected_keys) - set(protected):
        return step
    put = reversal.as_put(step, known)
    return dataclasses.replace(put, protected=protected or None) if put is not step else step


# --- going back --------------------------------------------------------------------------


def _split(
    state: RunState, trail: Trail, numbers: Sequence[int]
) -> tuple[list[tuple[int, Target]], list[Target]]:
    """Return the targets that go back, and those that cannot."""
    back, stuck = [], []
    own, untried = undo.members(state), undo.untried(state)
    for n in numbers:
        if n in own:
            # Planned as it goes back already: begun or not.
            one = state.targets[n]
            if state.results.get(n) is Result.DRIFTED:
                stuck.append(_stuck(one, "somebody has changed it meanwhile", is_sure=False))
            else:
                back.append((n, one if n in untried else _retried(one, trail.of(n))))
            continue
        target, is_sure = state.targets[n], state.results.get(n) is Result.SUCCEEDED
        found = reversal.reversed_target(target, is_sure=is_sure)
        if found is None:
            note = reversal.irreversible_note(target)
            stuck.append(_stuck(target, note, is_sure=is_sure))
        else:
            back.append((n, found))
    return back, stuck


def _stuck(target: Target, reason: str, *, is_sure: bool) -> Target:
    return dataclasses.replace(
        target,
        action=Action.BLOCKED,
        reason=reason,
        wave=None,
        from_version=target.to_version if is_sure else None,
        to_version=None,
        steps=(),
        owned=nothing(),
        diff=(),
        rollback=None,
    )
