"""Commands that read journals: status, watch, log, runs, verify."""

from __future__ import annotations

import contextlib
import enum
import re
import sys
import time
from collections.abc import Iterator
from typing import Annotated, Any

import orjson
import typer
from rich.text import Text

from fleet.cli import context, ending, options, outside
from fleet.cli.context import Context
from fleet.core import chain, leftovers, remains
from fleet.core.state import RunState
from fleet.engine import history
from fleet.engine.history import Tail
from fleet.errors import FleetError, InputError, TamperedError
from fleet.model import codec, events
from fleet.model.desired import Profile
from fleet.model.plan import Action
from fleet.ports import JournalReader, StoredRecord
from fleet.spec import profiles
from fleet.ui import (
    eventlines,
    judgementview,
    leftview,
    live,
    output,
    people,
    planview,
    remainsview,
    statusview,
)
from fleet.ui.output import Format
from fleet.ui.tables import Table

_LOOK_EVERY_S = 0.5
_ANCHOR = re.compile(r"([1-9]\d{0,17}):([0-9a-fA-F]{64})")


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
        now = outside.known_moment(state)
        found = statusview.document(state, holder=holder, only_trouble=is_failed_only, now=now)
        if left := tuple(leftovers.leftovers(state)):
            found |= {"leftBehind": leftview.documents(left)}
        if profile := _retiring(state):
            still = remains.of_run(state, order=profile.version_order)
            found |= {"remains": remainsview.document(still, profile)}
        output.print_document(found, form=form)
    elif form is Format.TABLE:
        _print_head(state, f"{people.named(holder)} pid {holder.pid}" if holder else None)
        tables = [
            statusview.waves(state),
            *judgementview.tables(state, outside.known_moment(state)),
            statusview.targets(state, only_trouble=is_failed_only),
        ]
        output.print_tables(tables, form=form)
        ending.say_causes(state)
        ending.print_left(tuple(leftovers.leftovers(state)))
        _print_remains(state)
    else:
        table = statusview.rows(state, only_trouble=is_failed_only)
        if form is Format.NAME:
            output.print_names([row[0] for row in table.rows])
        else:
            output.print_tables([table], form=form)


def watch(ctx: typer.Context, run: options.RunName) -> None:
    """Follow a run until it ends; exit as it does."""
    with (
        _reader(ctx, run) as reader,
        live.view(context.errors(), clean=context.DISCRETION.text) as view,
    ):
        tail, was_alive = Tail(reader), True
        while True:
            is_alive = reader.holder() is not None
            view.show(list(tail.catch_up()), tail.state)
            if tail.state.status.is_terminal:
                break
            if was_alive and not is_alive:
                _say_nobody(run)
            was_alive = is_alive
            time.sleep(_LOOK_EVERY_S)
    raise typer.Exit(ending.exit_status(tail.state))


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
            if target is not None and (wanted is None or getattr(event, "target", None) != wanted):
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
    names = found.store.runs()
    if form is Format.NAME:
        output.print_names(names)
        return
    documents = [_run_document(found, run) for run in names]
    if form in (Format.JSON, Format.YAML):
        output.print_document(documents, form=form)
        return
    header = ("runId", "status", "plan", "follows", "startedAt", "targets", "runner")
    rows = [_run_row(document) for document in documents]
    numbers = frozenset({"targets"})
    output.print_tables([Table(header=header, rows=rows, numbers=numbers)], form=form)


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
    if form is not Format.TABLE:
        _print_flat(document, form=form)
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


def _say_nobody(run: str) -> None:
    text = f"no runner is alive: fleet run --run-id {run} carries on"
    context.errors().print(Text(text), soft_wrap=True)


def _retiring(state: RunState) -> Profile | None:
    """Return what is known of what a run takes away, where there is a notice of it."""
    if not any(target.action is Action.UNINSTALL for target in state.targets):
        return None
    profile = profiles.for_type(state.plan.extension_type)
    return profile if profile and profile.notice else None


def _print_remains(state: RunState) -> None:
    if profile := _retiring(state):
        found, on = remains.of_run(state, order=profile.version_order), output.console()
        on.print()
        line = remainsview.line(found, profile, verb="still have")
        output.say(f"as far as this run's journal tells, {line}", on=on)


def _print_flat(document: dict[str, Any], *, form: Format) -> None:
    """Print one document as CSV or Markdown, or by its name."""
    if form is Format.NAME:
        output.print_names([document["runId"]])
        return
    row = [output.word(value) for value in document.values()]
    output.print_tables([Table(header=tuple(document), rows=[row])], form=form)


def _print_head(state: RunState, runner: str | None) -> None:
    on = output.console()
    output.say(statusview.headline(state), on=on, style="bold")
    if follows := planview.parent_text(statusview.parent(state)):
        output.say(follows, on=on)
    if begun_by := statusview.begun_by(state):
        output.say(begun_by, on=on)
    for reason in statusview.reasons(state):
        output.say(reason, on=on)
    for line in judgementview.overrides(state):
        output.say(line, on=on)
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
        fields["waveName"] = state.waves[wave].planned.name
    if state.header is not None:
        fields["runId"] = state.header.run_id
        fields["planDigest"] = state.header.plan_digest
    cause = eventlines.cause(event)
    if cause is not None:
        fields |= {"cause": cause.code, "nextStep": cause.advice}
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


def _run_document(found: Context, run: str) -> dict[str, Any]:
    """Return a run in a line's worth of values; its keys are part of what is published."""
    keys = ("plan", "planDigest", "parent", "startedAt", "targets", "runner", "problem")
    empty = dict.fromkeys(keys)
    try:
        with contextlib.closing(found.store.read(run)) as reader:
            state, holder = history.load(reader), reader.holder()
    except FleetError as error:
        return {"runId": run, "status": "Unreadable", **empty, "problem": error.message}
    header = state.header
    if header is None:
        return {"runId": run, "status": "Empty", **empty}
    return {
        "runId": run,
        "status": state.status.value,
        "plan": header.plan.name,
        "planDigest": header.plan_digest,
        "parent": codec.to_json(header.plan.parent) if header.plan.parent else None,
        "startedAt": codec.utc_text(header.at),
        "targets": state.change_count,
        "runner": codec.to_json(holder) if holder else None,
        "problem": None,
    }


def _run_row(document: dict[str, Any]) -> tuple[str, ...]:
    started, runner, parent = document["startedAt"], document["runner"], document["parent"]
    return (
        document["runId"],
        document["status"],
        document["plan"] or document["problem"] or "-",
        f"{parent['purpose']} of {parent['runId']}" if parent else "-",
        f"{started[:19].replace('T', ' ')}Z" if started else "-",
        "-" if document["targets"] is None else str(document["targets"]),
        f"{runner['name']}@{runner['host']} pid {runner['pid']}" if runner else "-",
    )


def _anchor(text: str) -> tuple[int, bytes]:
    match = _ANCHOR.fullmatch(text)
    if match is None:
        message = f"{text!r} is no anchor: a count from 1 up, and 64 hexadecimal digits"
        raise InputError(message, hint="`fleet verify` prints one: COUNT:HASH, on its last line.")
    return int(match[1]), bytes.fromhex(match[2])


def _require_anchor(reader: JournalReader, wanted: tuple[int, bytes]) -> None:
    count, link = wanted
    record = next(iter(reader.records(after=count - 1)), None)
    if record is None or record.seq != count or record.link != link:
        message = f"the journal does not hold the record that the anchor names as number {count}"
        raise TamperedError(message, hint="It was cut or rewritten after the anchor was taken.")


COMMANDS = (status, watch, log, runs, verify)
