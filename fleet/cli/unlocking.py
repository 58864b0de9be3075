"""``fleet locks``: which run holds what, and taking it from one that is dead."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer
from rich.text import Text

from fleet.cli import context, options, outside
from fleet.cli.context import Context
from fleet.core.state import RunState
from fleet.engine import clock
from fleet.errors import FleetError, InputError, RefusedError
from fleet.journal import locks
from fleet.journal.locks import SqliteLocks
from fleet.model import codec
from fleet.model.events import Actor, RunCreated
from fleet.ports import LockHolder, Release
from fleet.ui import output
from fleet.ui.output import Format
from fleet.ui.tables import Table

app = typer.Typer(
    name="locks",
    help="List which run may change which clusters, and release what a dead run holds.",
    add_completion=False,
)


@app.callback(invoke_without_command=True)
def _default(ctx: typer.Context) -> None:
    if ctx.invoked_subcommand is None:
        _listed(ctx.obj, Format.TABLE)


def list_(
    ctx: typer.Context, form: options.Output = Format.TABLE, as_json: options.AsJson = False
) -> None:
    """List the runs that hold locks; so does `fleet locks` alone."""
    _listed(ctx.obj, options.chosen(form, as_json=as_json))


def show(
    ctx: typer.Context,
    run: options.RunName,
    form: options.Output = Format.TABLE,
    as_json: options.AsJson = False,
) -> None:
    """List the extensions that a run has locked."""
    form = options.chosen(form, as_json=as_json)
    found: Context = ctx.obj
    header = ("clusterId", "extension", "endpoint")
    rows: list[tuple[str, ...]] = []
    if locks.are_under(found.state_dir):
        with locks.opened(found.state_dir) as held:
            rows = [(one.cluster_id, one.extension, one.endpoint) for one in held.keys(run)]
    if form in (Format.JSON, Format.YAML):
        output.print_document([dict(zip(header, row, strict=True)) for row in rows], form=form)
    elif form is Format.NAME:
        output.print_names([row[0] for row in rows])
    else:
        output.print_tables([Table(header=header, rows=rows)], form=form)


def release(
    ctx: typer.Context,
    run: options.RunName,
    reason: Annotated[
        str, typer.Option("--reason", envvar="FLEET_REASON", help="Why; kept beside the locks.")
    ] = "",
) -> None:
    """Release what a dead run holds: others may change it now.

    What the dead process had sent may still be at work. `fleet run --run-id RUN` carries the run on
    instead, and `fleet stop RUN` ends it and releases what is not at work.
    """
    found: Context = ctx.obj
    if not reason.strip():
        message = "locks are released by force only for a reason"
        raise InputError(message, hint="Say why: --reason WHY.")
    holder = _holder(found, run)
    if holder is None:
        context.errors().print(Text(f"run {run} holds no locks"), soft_wrap=True)
        return
    with locks.opened(found.state_dir) as held:
        is_done = held.release_by_force(run, by=context.actor(), reason=reason, at=clock.wall())
    if not is_done:
        raise _refused(_holder(found, run) or holder)
    text = f"the locks of run {run} are released; {_who(holder)} held them"
    context.errors().print(Text(text), soft_wrap=True)


def releases(
    ctx: typer.Context, form: options.Output = Format.TABLE, as_json: options.AsJson = False
) -> None:
    """List what was released by force: from whom, by whom, and why."""
    form = options.chosen(form, as_json=as_json)
    found: Context = ctx.obj
    done: tuple[Release, ...] = ()
    if locks.are_under(found.state_dir):
        with locks.opened(found.state_dir) as held:
            done = held.releases()
    if form in (Format.JSON, Format.YAML):
        output.print_document([codec.to_json(one) for one in done], form=form)
    elif form is Format.NAME:
        output.print_names([one.run_id for one in done])
    else:
        header = ("runId", "at", "by", "from", "reason")
        rows = [
            (one.run_id, _moment(one.at), _name(one.actor), _name(one.holder), one.reason)
            for one in done
        ]
        output.print_tables([Table(header=header, rows=rows)], form=form)


# --- what they share ---------------------------------------------------------------------


def _listed(found: Context, form: Format) -> None:
    documents: list[dict[str, Any]] = []
    if locks.are_under(found.state_dir):
        with locks.opened(found.state_dir) as held:
            documents = [_document(found, held, one) for one in held.holders()]
    if form in (Format.JSON, Format.YAML):
        output.print_document(documents, form=form)
    elif form is Format.NAME:
        output.print_names([one["runId"] for one in documents])
    else:
        header = ("runId", "holder", "lease", "locks", "pools")
        rows = [_row(one) for one in documents]
        numbers = frozenset({"locks"})
        output.print_tables([Table(header=header, rows=rows, numbers=numbers)], form=form)


def _document(found: Context, held: SqliteLocks, holder: LockHolder) -> dict[str, Any]:
    """Return what a run holds; its keys are part of what is published."""
    now = None if holder.is_alive else asyncio.run(_moment_of(found, holder.run_id))
    return {
        "runId": holder.run_id,
        "holder": codec.to_json(holder.actor),
        "isAlive": holder.is_alive,
        "leasedAt": codec.utc_text(holder.leased_at),
        "leasedUntil": codec.utc_text(holder.leased_until),
        "isOver": None if now is None else not holder.may_keep(now),
        "locks": len(held.keys(holder.run_id)),
        "pools": dict(held.places(holder.run_id)),
    }


def _row(document: dict[str, Any]) -> tuple[str, ...]:
    who, until = document["holder"], document["leasedUntil"][:19].replace("T", " ")
    lease = "over" if document["isOver"] else f"until {until}Z"
    return (
        document["runId"],
        f"{who['name']}@{who['host']} pid {who['pid']}",
        "alive" if document["isAlive"] else f"dead, {lease}",
        str(document["locks"]),
        ", ".join(f"{name}: {count}" for name, count in document["pools"].items()) or "-",
    )


async def _moment_of(found: Context, run: str) -> dt.datetime | None:
    """Return what the clock of *run* shows; ``None`` where nobody knows."""
    try:
        with contextlib.closing(found.store.read(run)) as reader:
            _, header = next(iter(reader.events()), (0, None))
        if not isinstance(header, RunCreated):
            return None
        return await outside.moment(RunState(header=header), state_dir=found.state_dir)
    except FleetError:
        return None


def _holder(found: Context, run: str) -> LockHolder | None:
    if not locks.are_under(found.state_dir):
        return None
    with locks.opened(found.state_dir) as held:
        return next((one for one in held.holders() if one.run_id == run), None)


def _refused(holder: LockHolder) -> RefusedError:
    run = holder.run_id
    message = f"run {run} is carried on by {_who(holder)}: its locks are its own"
    hint = f"fleet stop {run} ends the run, and releases what is not at work any more."
    return RefusedError(message, hint=hint)


def _who(holder: LockHolder) -> str:
    return f"{holder.actor.name} on {holder.actor.host} (pid {holder.actor.pid})"


def _name(actor: Actor) -> str:
    return f"{actor.name}@{actor.host} pid {actor.pid}"


def _moment(moment: dt.datetime) -> str:
    return f"{codec.utc_text(moment)[:19].replace('T', ' ')}Z"


COMMANDS: Mapping[str, Callable[..., None]] = {
    "list": list_,
    "show": show,
    "release": release,
    "releases": releases,
}
