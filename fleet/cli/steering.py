"""Asking a run for something from another process: pause, resume, stop.

Where a runner lives, it is asked and answers; where none does, this process
holds the run for as long as it takes to write the answer down.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import uuid
from collections.abc import Mapping
from typing import Annotated

import typer
from rich.text import Text

from fleet.cli import context, locking, options, outside
from fleet.cli.context import Context
from fleet.core import answers, fold, rollout
from fleet.core.state import RunState
from fleet.engine import clock
from fleet.engine.history import Tail
from fleet.errors import HeldError, InputError, RefusedError
from fleet.model import events as e
from fleet.model.events import Actor, Event
from fleet.model.statuses import RunStatus
from fleet.ports import Batch, Journal, Request
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
    steer(ctx.obj, run, "pause", reason, request_id)


def resume(
    ctx: typer.Context,
    run: options.RunName,
    reason: options.Reason = "",
    request_id: options.RequestId = None,
) -> None:
    """End a pause."""
    steer(ctx.obj, run, "resume", reason, request_id)


def stop(
    ctx: typer.Context,
    run: options.RunName,
    reason: options.Reason = "",
    request_id: options.RequestId = None,
) -> None:
    """End a run early, for good; what is in flight finishes."""
    steer(ctx.obj, run, "stop", reason, request_id)


def skip(
    ctx: typer.Context,
    run: options.RunName,
    target: Annotated[
        str | None,
        typer.Option("--target", metavar="NAME", help="A cluster that has not started; or its id."),
    ] = None,
    wave: Annotated[
        str | None,
        typer.Option("--wave", metavar="NAME", help="All of a wave that has not started."),
    ] = None,
    is_soak: Annotated[
        bool, typer.Option("--soak", help="What is left of the soak: the next wave opens.")
    ] = False,
    gate: Annotated[
        str | None,
        typer.Option("--gate", metavar="NAME", help="A gate that holds the run up."),
    ] = None,
    reason: options.Reason = "",
    request_id: options.RequestId = None,
) -> None:
    """Take a cluster, a wave, a soak or a gate out of a run; it counts against no budget."""
    asked = [
        ("skip-target", target),
        ("skip-wave", wave),
        ("skip-soak", "" if is_soak else None),
        ("skip-gate", gate),
    ]
    given = [(kind, subject) for kind, subject in asked if subject is not None]
    if len(given) != 1:
        message = "what is skipped is not said" if not given else "one thing is skipped at a time"
        raise InputError(message, hint="Name one: --target, --wave, --soak or --gate.")
    if not reason:
        message = "a skip needs a reason: whoever reads the journal in a year will ask"
        raise InputError(message, hint='Add --reason "...".')
    ((kind, subject),) = given
    steer(ctx.obj, run, kind, reason, request_id, subject=subject)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What came of a request."""

    event: Event | None
    """``None`` where the run was over: a finished journal is not written to any more."""
    state: RunState
    is_live: bool
    """Whether a runner is there to act on it."""


def steer(
    found: Context,
    run: str,
    kind: str,
    reason: str,
    request_id: str | None,
    *,
    subject: str = "",
    actor: Actor | None = None,
) -> Event | None:
    """Have a run answer what somebody asks, say what came of it, and return the event.

    Args:
        found: Where runs are kept.
        run: Its id.
        kind: What is asked, as :mod:`fleet.core.answers` knows it.
        reason: Why.
        request_id: The same twice is one request; ``None``: a new one.
        subject: Whom it is about.
        actor: Who asks; ``None``: the operating system's user. NB: whoever pauses a run waits for
            no token.
    """
    request = Request(
        id=request_id or str(uuid.uuid4()),
        kind=kind,
        actor=actor or context.actor(),
        reason=reason or ("" if kind == "approve" else f"{kind} asked for"),
        at=clock.wall(),
        subject=subject,
    )
    answer = asyncio.run(_answered(found, run, request))
    state, say = answer.state, context.errors()
    if isinstance(answer.event, e.RequestRefused | None):
        if not _is_so_already(kind, state):
            why = answer.event.reason if answer.event else f"the run is {state.status}"
            raise RefusedError(f"run {run}: {kind.replace('-', ' ')} is refused: {why}")
        say.print(Text(f"run {run} is {state.status} already"), soft_wrap=True)
    else:
        line = eventlines.line(answer.event, state, is_full=True) or answer.event.kind
        say.print(Text(line), soft_wrap=True)
    if not answer.is_live and not state.status.is_terminal:
        text = f"no runner is alive: fleet run --run-id {run} carries on"
        say.print(Text(text), soft_wrap=True)
    return answer.event


def _is_so_already(kind: str, state: RunState) -> bool:
    """Tell whether the run is where *kind* would bring it: asking twice is no error."""
    status = RunStatus
    wanted = {
        "pause": (status.PAUSING, status.PAUSED),
        "resume": (status.RUNNING,),
        "stop": (status.STOPPING, status.STOPPED),
    }
    return state.status in wanted.get(kind, ())


async def _answered(found: Context, run: str, request: Request) -> _Answer:
    """Have *request* answered: by the runner where one lives, else here."""
    store, is_asked = found.store, False
    with contextlib.closing(store.read(run)) as reader:
        tail = Tail(reader)
        for _ in range(round(_PATIENCE_S / _LOOK_EVERY_S)):
            event = _answer_in(tail, request)
            is_live = reader.holder() is not None
            if event is not None or tail.state.status.is_terminal:
                return _Answer(event=event, state=tail.state, is_live=is_live)
            if not is_live:
                with contextlib.suppress(HeldError):  # somebody was faster
                    return await _answered_here(found, run, request)
            if not is_asked:
                store.ask(run, request)
                is_asked = True
            await asyncio.sleep(_LOOK_EVERY_S)
    message = f"the runner has not answered within {_PATIENCE_S} s"
    hint = "The request is kept, and is answered by whoever carries the run on next."
    raise RefusedError(message, hint=hint)


async def _answered_here(found: Context, run: str, request: Request) -> _Answer:
    """Hold the run for as long as it takes to write the answer down."""
    async with found.store.hold(run, actor=request.actor) as journal:
        tail = Tail(journal)
        event, state = _answer_in(tail, request), tail.state
        if event is None and not state.status.is_terminal:
            event = await _answer(journal, request, state, found)
        locking.let_go(found, state)
        return _Answer(event=event, state=state, is_live=False)


async def _answer(journal: Journal, request: Request, state: RunState, found: Context) -> Event:
    now = await outside.moment(state, state_dir=found.state_dir)
    answer = answers.answer(
        state,
        asked=request.kind,
        subject=request.subject,
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
    return answer


_QUIET = (e.RunPaused, e.RunFinished, e.BudgetBreached, e.WaveOverdue)


async def _append(journal: Journal, state: RunState, found: list[Event]) -> None:
    # Folded first: what cannot follow must never reach the journal, where it would stay. Should
    # the append fail, this state is thrown away with the process.
    for event in found:
        fold.apply(state, event)
    await journal.append(Batch(events=found))


def _answer_in(tail: Tail, request: Request) -> Event | None:
    """Return what answered *request*, by anybody, and fold everything on the way."""
    found = None
    for event in tail.catch_up():
        if getattr(event, "request_id", None) == request.id:
            found = event
    if found is not None and (asked := _asked_by(found)) != request.kind:
        message = f"the request id {request.id} was used before, to {asked} this run"
        raise InputError(message, hint="Use another id for another request.")
    if isinstance(found, e.TargetSkipped) and not _is_about(tail.state, found, request):
        name = tail.state.targets[found.target].cluster_name
        message = f"the request id {request.id} was used before, to skip {name}"
        raise InputError(message, hint="Use another id for another request.")
    if isinstance(found, e.ApprovalGiven | e.WindowOverridden):
        _require_about(tail.state, found, request)
    return found


def _require_about(
    state: RunState, found: e.ApprovalGiven | e.WindowOverridden, request: Request
) -> None:
    if isinstance(found, e.ApprovalGiven):
        about = f"{state.waves[found.wave].planned.name}:{found.when}"
        is_same = request.subject.partition("#")[0] == about
    else:
        about = state.plan.calendars[found.calendar].name
        is_same = request.subject == about or request.subject.rpartition("@")[0] == about
    if not is_same:
        message = f"the request id {request.id} was used before, for {about}"
        raise InputError(message, hint="Use another id for another request.")


def _is_about(state: RunState, found: e.TargetSkipped, request: Request) -> bool:
    target = state.targets[found.target]
    return request.subject.lower() in (target.cluster_name.lower(), target.cluster_id.lower())


def _asked_by(event: Event) -> str:
    return event.asked if isinstance(event, e.RequestRefused) else _ASKED.get(type(event), "stop")


_ASKED: Mapping[type, str] = {
    e.RunPausing: "pause",
    e.RunResumed: "resume",
    e.TargetSkipped: "skip-target",
    e.WaveSkipped: "skip-wave",
    e.SoakSkipped: "skip-soak",
    e.GateSkipped: "skip-gate",
    e.ApprovalGiven: "approve",
    e.WindowOverridden: "override",
}


COMMANDS = (pause, resume, stop, skip)
