"""Runs beside each other: taking locks, waiting for those who hold them, and for other runs.

Waiting comes before planning: what another run changes meanwhile would be
drift to a plan that was made before.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence

from rich.text import Text

from fleet.cli import context
from fleet.cli.context import Context
from fleet.cli.outside import Outside
from fleet.core import undo
from fleet.core.state import RunState
from fleet.engine import requests
from fleet.engine.history import Tail
from fleet.engine.upkeep import LEASE, LeaseKeeper
from fleet.errors import InputError, InvariantError, JournalError, LockedError, RefusedError
from fleet.journal import locks, pools
from fleet.model import codec
from fleet.model.plan import Plan, PlanHead, RunId, Target
from fleet.model.statuses import RunStatus
from fleet.ports import Conflict, ExtensionRef, LockHolder, LockKey, Pools

_LOOK_EVERY_S = 0.5
_NAMED = 3
_GOOD = frozenset({RunStatus.SUCCEEDED, RunStatus.SUCCEEDED_WITH_FAILURES})
"""How a run may have ended for another to follow it: within what its own plan allowed."""


class ClaimedError(LockedError):
    """Another run is changing the same extensions."""

    def __init__(
        self, run_id: RunId, keys: Sequence[LockKey], conflicts: Sequence[Conflict]
    ) -> None:
        super().__init__(
            "\n".join(_told(run_id, one) for one in conflicts), hint=_way_out(conflicts)
        )
        self.run_id, self.keys, self.conflicts = run_id, keys, conflicts


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Whether to wait for other runs, and how long."""

    is_willing: bool
    limit_s: float | None
    """Seconds of ours, for all waiting together; ``None``: as long as it takes."""


# --- what is locked ----------------------------------------------------------------------


def keys_of_plan(plan: Plan, found: Outside) -> tuple[LockKey, ...]:
    """Return what a run of *plan* will change."""
    changed = (target for target in plan.targets if target.action.is_change)
    return tuple(key for target in changed for key in _keys(found.origin.endpoint, target))


def keys_of_run(state: RunState) -> tuple[LockKey, ...]:
    """Return what a run that is taken over may still change."""
    back = undo.members(state)
    left = (
        target
        for number, target in enumerate(state.targets)
        if target.action.is_change
        and (number not in state.results or number in state.operations or number in back)
    )
    return tuple(key for target in left for key in _keys(_endpoint(state), target))


def keys_at_work(state: RunState) -> tuple[LockKey, ...]:
    """Return what a run that has ended is still changing: operations that nobody saw the end of."""
    refs = (
        requests.ref_of(state.targets[number], step) for number, step in state.operations.items()
    )
    return tuple(_key(_endpoint(state), ref) for ref in refs)


def _keys(endpoint: str, target: Target) -> Iterator[LockKey]:
    """Yield the target's own extension, and those that it may install first."""
    yield _key(endpoint, requests.ref_of(target))
    for number, step in enumerate(target.steps):
        if step.other is not None:
            yield _key(endpoint, requests.ref_of(target, number))


def _key(endpoint: str, ref: ExtensionRef) -> LockKey:
    return LockKey(endpoint=endpoint, cluster_id=ref.cluster_id, extension=ref.name)


def _endpoint(state: RunState) -> str:
    if state.header is None:
        message = "a run without a header holds no locks"
        raise InvariantError(message)
    return state.header.endpoint


# --- taking and letting go ---------------------------------------------------------------


def require_free(
    found: Context, run_id: RunId, keys: Sequence[LockKey], *, now: dt.datetime
) -> None:
    """Raise :exc:`ClaimedError` where *run_id* could not take *keys* now."""
    if not locks.are_under(found.state_dir):
        return
    with locks.opened(found.state_dir) as held:
        conflicts = held.conflicts(run_id, keys=keys, now=now)
    if conflicts:
        raise ClaimedError(run_id, keys, conflicts)


@contextlib.contextmanager
def taken(
    found: Context, plan: PlanHead, run_id: RunId, keys: Sequence[LockKey], *, outside: Outside
) -> Iterator[LeaseKeeper]:
    """Hold *keys* for as long as the block lasts, and after it until the lease is over.

    They are let go of by :func:`let_go`, where the run has ended.
    """
    now, actor = outside.clock.now(), context.actor()
    with locks.opened(found.state_dir) as held, _pools(found, plan) as shared:
        taking = held.take(run_id, actor=actor, keys=keys, now=now, lease=LEASE)
        if taking.conflicts:
            raise ClaimedError(run_id, keys, taking.conflicts)
        for one in taking.taken_over:
            _say(
                f"{_clusters(one)} were locked by run {one.holder.run_id}, which nobody carries on "
                f"and whose lease ended at {_moment(one.holder.leased_until)}: taken over"
            )
        yield LeaseKeeper(
            held,
            run_id=run_id,
            actor=actor,
            endpoint=outside.origin.endpoint,
            taken_at=now,
            pools=shared,
        )


@contextlib.contextmanager
def _pools(found: Context, plan: PlanHead) -> Iterator[Pools | None]:
    if not plan.pools:
        yield None
        return
    with pools.opened(found.state_dir) as shared:
        yield shared


@contextlib.contextmanager
def given_back_on_failure(found: Context, run_id: RunId) -> Iterator[None]:
    """Release everything where the block fails: a run that was never begun changes nothing."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(JournalError), locks.opened(found.state_dir) as held:
            held.finish(run_id)
        raise


def let_go(found: Context, state: RunState) -> None:
    """Release what a run that has ended held, but for what is still at work."""
    if state.header is None or not state.status.is_terminal:
        return
    if not locks.are_under(found.state_dir):
        return
    try:
        with locks.opened(found.state_dir) as held:
            held.finish(state.header.run_id, keep=keys_at_work(state))
    except JournalError as error:
        # The run ended as it did; nobody carries it on, so its lease will run out.
        _say(f"{error.message}; they go when the lease of the run ends")


# --- waiting -----------------------------------------------------------------------------


async def free(found: Context, claimed: ClaimedError, patience: Patience, outside: Outside) -> None:
    """Wait until what was claimed is free, or raise *claimed* again where nobody wants to wait."""
    if not patience.is_willing:
        raise claimed
    _require_real_time(outside, claimed)

    def look() -> str | None:
        with locks.opened(found.state_dir) as held:
            conflicts = held.conflicts(claimed.run_id, keys=claimed.keys, now=outside.clock.now())
        runs = [f"{one.holder.run_id} ({_who(one.holder)})" for one in conflicts]
        return f"{' and '.join(runs)}, for {_count(conflicts)} of its clusters" if runs else None

    await _until(look, patience)


async def followed(
    found: Context, after: Sequence[str], patience: Patience, outside: Outside
) -> None:
    """Wait until all runs of *after* have ended well; refuse where one ended badly."""
    with contextlib.ExitStack() as stack:
        tails = []
        for run in after:
            reader = stack.enter_context(contextlib.closing(found.store.read(run)))
            tails.append((run, Tail(reader)))

        def look() -> str | None:
            pending = [run for run, tail in tails if not _has_ended_well(run, tail)]
            return f"{' and '.join(pending)} to end" if pending else None

        pending = look()
        if pending is None:
            return
        refusal = RefusedError(
            f"this run is to come after others, and waits for run {pending}",
            hint="Wait for it with --queue, or begin this run once it has ended.",
        )
        if not patience.is_willing:
            raise refusal
        _require_real_time(outside, refusal)
        await _until(look, patience)


def _has_ended_well(run: str, tail: Tail) -> bool:
    for _ in tail.catch_up():
        pass
    status = tail.state.status
    if status.is_terminal and status not in _GOOD:
        message = f"this run is to come after run {run}, which ended as {status}"
        raise RefusedError(message, hint=f"See what happened: fleet status {run}.")
    return status in _GOOD


async def _until(look: Callable[[], str | None], patience: Patience) -> None:
    """Look again and again until there is nothing to wait for; say for whom, once for each."""
    loop, said = asyncio.get_running_loop(), ""
    deadline = None if patience.limit_s is None else loop.time() + patience.limit_s
    while (waited_for := look()) is not None:
        if waited_for != said:
            _say(f"waiting for run {waited_for}; Ctrl-C leaves, and nothing was begun")
            said = waited_for
        if deadline is not None and loop.time() >= deadline:
            message = f"waited {patience.limit_s:g} s for run {waited_for}"
            raise RefusedError(message, hint="Nothing was begun. Try again, or wait longer.")
        await asyncio.sleep(_LOOK_EVERY_S)
    if said:
        _say("the wait is over")


def _require_real_time(outside: Outside, refusal: RefusedError) -> None:
    if outside.is_virtual:
        hint = "--queue cannot wait here: this world's time does not wait for other processes."
        raise RefusedError(refusal.message, hint=hint) from refusal


# --- words -------------------------------------------------------------------------------


def _told(run_id: RunId, conflict: Conflict) -> str:
    holder = conflict.holder
    until = "" if holder.is_alive else f", locked until {_moment(holder.leased_until)}"
    return (
        f"run {run_id} would change {_clusters(conflict)}, which run {holder.run_id} is changing "
        f"({_who(holder)}{until})"
    )


def _way_out(conflicts: Sequence[Conflict]) -> str:
    hint = "Wait with --queue, or leave those clusters out. `fleet locks` lists who holds what."
    dead = next((one.holder.run_id for one in conflicts if not one.holder.is_alive), None)
    if dead is not None:
        hint += (
            f" Nobody carries run {dead} on: fleet run --run-id {dead} does, fleet stop {dead} "
            f"ends it, and fleet locks release {dead} --reason WHY gives its locks away."
        )
    return hint


def _who(holder: LockHolder) -> str:
    who = f"{holder.actor.name} on {holder.actor.host}, pid {holder.actor.pid}"
    return who if holder.is_alive else f"{who}, not running"


def _clusters(conflict: Conflict) -> str:
    names = [one.cluster_id.rsplit("/", 1)[-1] for one in conflict.first[:_NAMED]]
    more = conflict.count - len(names)
    tail = f" and {more} more" if more else ""
    noun = "cluster" if conflict.count == 1 else "clusters"
    return f"{conflict.count} {noun} ({', '.join(names)}{tail})"


def _count(conflicts: Iterable[Conflict]) -> int:
    return sum(one.count for one in conflicts)


def _moment(moment: dt.datetime) -> str:
    return f"{codec.utc_text(moment)[:19].replace('T', ' ')}Z"


def _say(text: str) -> None:
    context.errors().print(Text(context.DISCRETION.text(text)), soft_wrap=True)


def runs_before(after: Sequence[str], run_id: str | None) -> tuple[str, ...]:
    """Return the runs that are to end first, each once."""
    if run_id in after:
        message = f"run {run_id} cannot come after itself"
        raise InputError(message, hint="Name another run with --after.")
    return tuple(dict.fromkeys(after))


def patience(*, is_queued: bool, limit_s: float | None) -> Patience:
    """Return what the command line says of waiting."""
    if limit_s is not None and not is_queued:
        message = "--queue-timeout says how long to wait, and nobody said to wait"
        raise InputError(message, hint="Add --queue.")
    return Patience(is_willing=is_queued, limit_s=limit_s)
