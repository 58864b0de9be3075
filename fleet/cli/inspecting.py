"""Commands that read journals: status, watch, log, runs, verify."""

from __future__ import annotations

import contextlib
import enum
import sys
import time
from collections.abc import Iterator
from typing import Annotated, Any

import orjson
import typer
from rich.text import Text

from fleet.cli import context, options
from fleet.cli.context import Context
from fleet.cli.running import exit_status
from fleet.core import chain
from fleet.core.state import RunState
from fleet.engine import history
from fleet.engine.history import Tail
from fleet.errors import FleetError, InputError, TamperedError
from fleet.model import events
from fleet.ports import JournalReader, StoredRecord
from fleet.ui import eventlines, live, output, statusview
from fleet.ui.output import Format, Table

_LOOK_EVERY_S = 0.5


class LogFormat(enum.StrEnum):
    """How a log is printed."""

    TEXT = "text"
    JSON = "json"


def status(
    ctx: typer.Context,
    run: options.RunName,
    form: options.Output = Format.TABLE,
    as_json: options.AsJson = False,
    is_failed_only: Annotated[
        bool, typer.Option("--failed", help="Only targets that did not simply succeed.")
    ] = False,
) -> None:
    """Show where a run stands."""
    form = options.chosen(form, as_json=as_json)
    with _reader(ctx, run) as reader:
        state, holder = history.load(reader), reader.holder()
    if form in (Format.JSON, Format.YAML):
        output.print_document(statusview.document(state, holder=holder), form=form)
        return
    tables = [statusview.waves(state)] if form is Format.TABLE else []
    tables.append(statusview.targets(state, only_trouble=is_failed_only))
    if form is Format.NAME:
        output.print_names([row[0] for row in tables[-1].rows])
        return
    if form is Format.TABLE:
        _print_head(state, f"{holder.name}@{holder.host} pid {holder.pid}" if holder else None)
    output.print_tables(tables, form=form)


def watch(ctx: typer.Context, run: options.RunName) -> None:
    """Follow a run until it ends; exit as it does."""
    with _reader(ctx, run) as reader, live.view(context.errors()) as view:
        tail = Tail(reader)
        while True:
            found = list(tail.catch_up())
            view.show(found, tail.state)
            if tail.state.status.is_terminal:
                break
            time.sleep(_LOOK_EVERY_S)
    raise typer.Exit(exit_status(tail.state))


def log(
    ctx: typer.Context,
    run: options.RunName,
    form: Annotated[
        LogFormat, typer.Option("-o", "--output", help="Text, or one JSON object a line.")
    ] = LogFormat.TEXT,
    as_json: options.AsJson = False,
    target: Annotated[
        str | None, typer.Option("--target", help="Only this cluster, by name or id.")
    ] = None,
) -> None:
    """Print everything that was written down, in order."""
    is_json = as_json or form is LogFormat.JSON
    with _reader(ctx, run) as reader:
        tail = Tail(reader)
        wanted: int | None = None
        for event, record in _with_records(tail, reader):
            if target is not None and wanted is None:
                wanted = _number_of(tail.state, target)
            if target is not None and getattr(event, "target", None) != wanted:
                continue
            if is_json:
                sys.stdout.write(_json_line(record, event, tail.state))
            else:
                sys.stdout.write(f"{eventlines.line(event, tail.state, is_full=True)}\n")


def runs(
    ctx: typer.Context, form: options.Output = Format.TABLE, as_json: options.AsJson = False
) -> None:
    """List all runs, newest first."""
    form = options.chosen(form, as_json=as_json)
    found: Context = ctx.obj
    rows = [_run_row(found, run) for run in found.store.runs()]
    header = ("runId", "status", "plan", "startedAt", "targets", "runner")
    if form is Format.NAME:
        output.print_names([row[0] for row in rows])
    elif form in (Format.JSON, Format.YAML):
        documents = [dict(zip(header, row, strict=True)) for row in rows]
        output.print_document(documents, form=form)
    else:
        output.print_tables([Table(header=header, rows=rows)], form=form)


def verify(
    ctx: typer.Context,
    run: options.RunName,
    anchor: Annotated[
        str | None,
        typer.Option(
            "--anchor",
            metavar="COUNT:HASH",
            help="What an earlier verify printed, kept elsewhere: proves that nothing was cut.",
        ),
    ] = None,
    form: options.Output = Format.TABLE,
    as_json: options.AsJson = False,
) -> None:
    """Check a journal link by link, and that its events make sense."""
    form = options.chosen(form, as_json=as_json)
    wanted = _anchor(anchor) if anchor else None
    with _reader(ctx, run) as reader:
        found = chain.verify(record.triple for record in reader.records())
        if found.problem is not None:
            message = f"run {run}: {found.problem}; {found.count} records before it fit"
            raise TamperedError(message, hint="Compare it with a backup; do not carry it on.")
        state = history.load(reader)
        if wanted is not None:
            _require_anchor(reader, wanted)
    document = {
        "runId": run,
        "isIntact": True,
        "count": found.count,
        "head": found.head.hex(),
        "isComplete": state.status.is_terminal,
        "status": state.status.value,
        "isAnchored": wanted is not None,
    }
    if form in (Format.JSON, Format.YAML):
        output.print_document(document, form=form)
        return
    whole = (
        f"ends with {state.status}"
        if state.status.is_terminal
        else f"prefix of {found.count} events, no terminal event ({state.status})"
    )
    on = output.console()
    on.print(Text(f"run {run}: intact: {found.count} records, {whole}"), soft_wrap=True)
    on.print(Text(f"anchor {found.count}:{found.head.hex()}"), soft_wrap=True)


# --- what they share ---------------------------------------------------------------------


@contextlib.contextmanager
def _reader(ctx: typer.Context, run: str) -> Iterator[JournalReader]:
    found: Context = ctx.obj
    with contextlib.closing(found.store.read(run)) as reader:
        yield reader


def _print_head(state: RunState, runner: str | None) -> None:
    on = output.console()
    on.print(Text(statusview.headline(state), style="bold"), soft_wrap=True)
    for reason in statusview.reasons(state):
        on.print(Text(reason), soft_wrap=True)
    if not state.status.is_terminal:
        on.print(Text(f"runner: {runner or 'none is alive'}"), soft_wrap=True)
    on.print()


def _with_records(tail: Tail, reader: JournalReader) -> Iterator[tuple[events.Event, StoredRecord]]:
    return zip(tail.catch_up(), reader.records(), strict=False)


def _json_line(record: StoredRecord, event: events.Event, state: RunState) -> str:
    """Return the stored object with what its numbers stand for, on one line."""
    fields: dict[str, Any] = orjson.loads(record.body)
    number = getattr(event, "target", None)
    if isinstance(number, int):
        fields["clusterId"] = state.targets[number].cluster_id
    wave = getattr(event, "wave", None)
    if isinstance(wave, int):
        fields["waveName"] = state.plan.waves[wave].name
    if state.header is not None:
        fields["runId"] = state.header.run_id
        fields["planDigest"] = state.header.plan_digest
    fields["link"] = record.link.hex()
    return orjson.dumps(fields).decode() + "\n"


def _number_of(state: RunState, name: str) -> int | None:
    if state.header is None or len(state.targets) < state.header.target_count:
        return None
    for number, target in enumerate(state.targets):
        if name.lower() in (target.cluster_name.lower(), target.cluster_id.lower()):
            return number
    message = f"no target of this run is named {name}"
    raise InputError(message, hint="`fleet status RUN` lists the targets.")


def _run_row(found: Context, run: str) -> tuple[str, ...]:
    try:
        with contextlib.closing(found.store.read(run)) as reader:
            state, holder = history.load(reader), reader.holder()
    except FleetError as error:
        return run, "Unreadable", error.message, "-", "-", "-"
    header = state.header
    if header is None:
        return run, "Empty", "-", "-", "-", "-"
    return (
        run,
        state.status.value,
        header.plan.name,
        f"{header.at:%Y-%m-%d %H:%M:%S}Z",
        str(state.change_count),
        f"{holder.name}@{holder.host} pid {holder.pid}" if holder else "-",
    )


def _anchor(text: str) -> tuple[int, bytes]:
    count, _, digest = text.partition(":")
    try:
        found = int(count), bytes.fromhex(digest)
    except ValueError:
        message = f"{text!r} is no anchor such as 42:9f86d0..."
        raise InputError(message, hint="`fleet verify` prints one.") from None
    return found


def _require_anchor(reader: JournalReader, wanted: tuple[int, bytes]) -> None:
    count, link = wanted
    record = next(reader.records(after=count - 1), None) if count > 0 else None
    if record is None or record.seq != count or record.link != link:
        message = f"the journal does not hold the record that the anchor names as number {count}"
        raise TamperedError(message, hint="It was cut or rewritten after the anchor was taken.")


COMMANDS = (status, watch, log, runs, verify)
