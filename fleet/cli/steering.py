"""Asking a run for something from another process: pause, resume, stop.

Where a runner lives, it is asked and answers; where none does, this process
holds the run for as long as it takes to write the answer down.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid

import typer
from rich.text import Text

from fleet.cli import context, options, outside
from fleet.cli.context import Context
from fleet.core import fold, rollout
from fleet.core.state import RunState
from fleet.engine import clock, history
from fleet.engine.history import Tail
from fleet.errors import HeldError, RefusedError
from fleet.model import events as e
from fleet.model.events import Event
from fleet.ports import Batch, Journal, JournalReader, Request
from fleet.ui import eventlines

_PATIENCE_S = 20
"""How long to wait for a live runner's answer."""
_LOOK_EVERY_S = 0.1


def pause(
    ctx: typer.Context,
    run: options.RunName,
    reason: options.Reason = "",
    request_id: options.RequestId = None,
) -> None:
    """Start nothing new; what is in flight finishes. `fleet resume` ends it."""
    _steer(ctx.obj, run, "pause", reason, request_id)


def resume(
    ctx: typer.Context,
    run: options.RunName,
    reason: options.Reason = "",
    request_id: options.RequestId = None,
) -> None:
    """End a pause."""
    _steer(ctx.obj, run, "resume", reason, request_id)


def stop(
    ctx: typer.Context,
    run: options.RunName,
    reason: options.Reason = "",
    request_id: options.RequestId = None,
) -> None:
    """End a run early, for good; what is in flight finishes."""
    _steer(ctx.obj, run, "stop", reason, request_id)


def _steer(found: Context, run: str, kind: str, reason: str, request_id: str | None) -> None:
    request = Request(
        id=request_id or str(uuid.uuid4()),
        kind=kind,
        actor=context.actor(),
        reason=reason or f"{kind} asked for",
        at=clock.wall(),
    )
    event, state, is_live = asyncio.run(_answered(found, run, request))
    line = eventlines.line(event, state, is_full=True) or event.kind
    context.errors().print(Text(line), soft_wrap=True)
    if isinstance(event, e.RequestRefused) and not _is_so_already(kind, state):
        message = f"{kind} refused: {event.reason}"
        raise RefusedError(message)
    if not is_live and not state.status.is_terminal:
        text = f"no runner is alive: fleet run --run-id {run} carries on"
        context.errors().print(Text(text), soft_wrap=True)


def _is_so_already(kind: str, state: RunState) -> bool:
    """Tell whether the run is where *kind* would bring it: asking twice is no error."""
    status = e.RunStatus
    wanted = {
        "pause": (status.PAUSING, status.PAUSED),
        "resume": (status.RUNNING,),
        "stop": (status.STOPPING, status.STOPPED),
    }
    return state.status in wanted[kind]


async def _answered(found: Context, run: str, request: Request) -> tuple[Event, RunState, bool]:
    """Return the event that answers *request*, the run after it, and whether a runner lives."""
    store = found.store
    with contextlib.closing(store.read(run)) as reader:
        earlier = _answer_in(Tail(reader), request.id)
    if earlier is not None:
        return *earlier, False
    try:
        async with store.hold(run, actor=request.actor) as journal:
            return *await _answer_here(journal, request, found), False
    except HeldError:
        store.ask(run, request)
        with contextlib.closing(store.read(run)) as reader:
            return *await _answer_there(reader, request.id), True


async def _answer_here(
    journal: Journal, request: Request, found: Context
) -> tuple[Event, RunState]:
    state = history.load(journal)
    now = outside.moment(state, state_dir=found.state_dir)
    answer = rollout.answer(
        state,
        asked=request.kind,
        actor=request.actor,
        reason=request.reason,
        request_id=request.id,
        now=now,
    )
    await _append(journal, state, [answer])
    # What follows without any request leaving, such as "paused" where nothing is in flight.
    while (decision := rollout.decide(state, now=now)).events:
        if decision.commands or not all(isinstance(one, _QUIET) for one in decision.events):
            break
        await _append(journal, state, list(decision.events))
    return answer, state


_QUIET = (e.RunPaused, e.RunFinished, e.BudgetBreached)


async def _append(journal: Journal, state: RunState, found: list[Event]) -> None:
    await journal.append(Batch(events=found))
    for event in found:
        fold.apply(state, event)


async def _answer_there(reader: JournalReader, request_id: str) -> tuple[Event, RunState]:
    tail = Tail(reader)
    try:
        async with asyncio.timeout(_PATIENCE_S):
            while True:
                answer = _answer_in(tail, request_id)
                if answer is not None:
                    return answer
                await asyncio.sleep(_LOOK_EVERY_S)
    except TimeoutError:
        message = f"the runner has not answered within {_PATIENCE_S} s"
        hint = "The request is kept, and is answered by whoever carries the run on next."
        raise RefusedError(message, hint=hint) from None


def _answer_in(tail: Tail, request_id: str) -> tuple[Event, RunState] | None:
    found = None
    for event in tail.catch_up():
        if getattr(event, "request_id", None) == request_id:
            found = event
    return (found, tail.state) if found is not None else None


COMMANDS = (pause, resume, stop)
