"""``fleet doctor``: what stands between a plan file and a run, before anything is planned."""

from __future__ import annotations

import asyncio
import datetime as dt
import tempfile
from collections.abc import Sequence
from pathlib import Path

import typer

from fleet.azure.checks import Check, Verdict
from fleet.cli import context, options, outside
from fleet.cli.options import Where
from fleet.engine import clock
from fleet.errors import FleetError, JournalError, RemoteError
from fleet.journal import layout
from fleet.journal.sqlite import SqliteStore
from fleet.model.desired import Rollout
from fleet.spec import planfile
from fleet.ui import output
from fleet.ui.output import Format
from fleet.ui.tables import Table

_SLOW_COMMIT_MS = 500


@options.at_a_place
def doctor(
    ctx: typer.Context,
    file: options.PlanFile,
    where: Where,
    form: options.Output = Format.TABLE,
    as_json: options.AsJson = False,
) -> None:
    """Look at what a rollout needs: identity, endpoint, rights, quotas, clock, journal."""
    rollout = planfile.load_rollout(file)
    said = Check(name="plan file", verdict=Verdict.OK, detail=f"{file}: {rollout.name}")
    found: context.Context = ctx.obj
    journal = _journal(found.state_dir)
    remote = [] if where.world else asyncio.run(_remote(where, rollout))
    _show([said, journal, *remote], options.chosen(form, as_json=as_json))
    if any(one.verdict is Verdict.FAIL for one in remote):
        raise typer.Exit(RemoteError.exit_status)
    if journal.verdict is Verdict.FAIL:
        raise typer.Exit(JournalError.exit_status)


async def _remote(where: Where, rollout: Rollout) -> Sequence[Check]:
    from fleet.azure import diagnosis  # noqa: PLC0415 - HTTP is loaded only where it is spoken

    try:
        there = await outside.whereabouts(where)
        async with outside.connected(where, there) as service:
            return await diagnosis.examine(service, rollout.scope, rollout.desired.presence)
    except RemoteError as error:
        failed = Check(name="endpoint", verdict=Verdict.FAIL, detail=error.message, hint=error.hint)
        return [failed]


def _journal(state_dir: Path) -> Check:
    """Begin a run that is none, where runs are kept, and throw it away."""
    name = "journal"
    try:
        state_dir.mkdir(mode=layout.DIRECTORY_MODE, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=state_dir, prefix=".doctor-") as folder:
            began_at = clock.wall()
            asyncio.run(_trial(Path(folder)))
            spent_ms = (clock.wall() - began_at) // dt.timedelta(milliseconds=1)
    except OSError as error:
        detail = f"{state_dir} cannot be written to: {error.strerror}"
        hint = "Name another folder: --state-dir, or FLEET_STATE_DIR."
        return Check(name=name, verdict=Verdict.FAIL, detail=detail, hint=hint)
    except FleetError as error:
        return Check(name=name, verdict=Verdict.FAIL, detail=error.message, hint=error.hint)
    detail = f"{state_dir}: a journal is made and held in {spent_ms} ms"
    if spent_ms <= _SLOW_COMMIT_MS:
        return Check(name=name, verdict=Verdict.OK, detail=detail)
    hint = "A slow disk slows a run down: every decision is made durable first."
    return Check(name=name, verdict=Verdict.WARN, detail=detail, hint=hint)


async def _trial(folder: Path) -> None:
    async with SqliteStore(folder).hold("trial", actor=context.actor(), create=True):
        return


def _show(checks: Sequence[Check], form: Format) -> None:
    if form in (Format.JSON, Format.YAML):
        output.print_document([_document(one) for one in checks], form=form)
    elif form is Format.NAME:
        output.print_names([one.name for one in checks if one.verdict is not Verdict.OK])
    elif form is Format.TABLE:
        short = [(one.name, one.verdict.value, one.detail) for one in checks]
        table = Table(header=("check", "verdict", "detail"), rows=short)
        output.print_tables([table], form=form)
        for one in checks:
            if one.hint:
                output.say(f"\n{one.name}: {one.hint}", on=output.console())
    else:
        rows = [(one.name, one.verdict.value, one.detail, one.hint or "") for one in checks]
        table = Table(header=("check", "verdict", "detail", "hint"), rows=rows)
        output.print_tables([table], form=form)


def _document(check: Check) -> dict[str, str | None]:
    return {
        "name": check.name,
        "verdict": check.verdict.value,
        "detail": check.detail,
        "hint": check.hint,
    }


COMMANDS = (doctor,)
