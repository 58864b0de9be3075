"""``fleet explain``: why a cluster is not being changed now, and when its turn comes."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from fleet import zones
from fleet.cli import options, outside, plans
from fleet.cli.context import Context
from fleet.cli.options import Where
from fleet.cli.outside import Outside
from fleet.cli.plans import Source
from fleet.core import standing
from fleet.core.standing import Standing
from fleet.engine import history
from fleet.errors import InputError
from fleet.ui import output, standingview
from fleet.ui.output import Format


@options.at_a_place
def explain(
    ctx: typer.Context,
    subject: Annotated[
        str, typer.Argument(metavar="RUN|FILE|PLAN", help="A run, a plan file or a saved plan.")
    ],
    target: Annotated[str, typer.Argument(metavar="TARGET", help="A cluster's name, or its id.")],
    where: Where,
    calendars: options.Calendars = None,
    form: options.Output = Format.TABLE,
    as_json: options.AsJson = False,
) -> None:
    """Say why a cluster is not being changed now, what comes before it, and when its turn is."""
    found: Context = ctx.obj
    form = options.chosen(form, as_json=as_json)
    if subject in found.store.runs():
        stands = _in_run(found, subject, target)
    else:
        source = _source(subject, calendars, where)
        stands = _in_plan(found, source, target, where)
    if form in (Format.JSON, Format.YAML):
        output.print_document(standingview.document(stands), form=form)
    elif form is Format.NAME:
        output.print_names([stands.target.cluster_id])
    elif form is Format.TABLE:
        _print(stands)
    else:
        output.print_tables([standingview.holds(stands)], form=form)


def _print(stands: Standing) -> None:
    on = output.console()
    first, *others = standingview.lines(stands)
    output.say(first, on=on, style="bold")
    for line in others:
        output.say(line, on=on)
    if stands.holds:
        on.print()
        output.print_tables([standingview.holds(stands)], form=Format.TABLE, on=on)


def _in_run(found: Context, run: str, target: str) -> Standing:
    with contextlib.closing(found.store.read(run)) as reader:
        state, holder = history.load(reader), reader.holder()
    now = asyncio.run(outside.moment(state, state_dir=found.state_dir))
    stands = standing.of_run(state, target, now)
    if holder is not None or state.status.is_terminal or not stands.has_turn:
        return stands
    nobody = f"no runner is alive: fleet run --run-id {run} carries on"
    return dataclasses.replace(stands, why=(nobody, *stands.why))


def _source(subject: str, calendars: Path | None, where: Where) -> Source:
    path = Path(subject)
    if not path.exists():
        message = f"there is no run {subject}, and no file"
        raise InputError(message, hint="`fleet runs` lists the runs.")
    return plans.read(path, calendars=calendars, network=where.network)


def _in_plan(found: Context, source: Source, target: str, where: Where) -> Standing:
    if source.plan is not None:
        now = asyncio.run(outside.present(where, state_dir=found.state_dir))
        return standing.of_plan(source.plan, target, zones=zones.zone, now=now)

    async def work(there: Outside) -> Standing:
        plan = await plans.plan_of(source, there)
        return standing.of_plan(plan, target, zones=zones.zone, now=there.clock.now())

    return outside.run(work, where=where, state_dir=found.state_dir)


COMMANDS = (explain,)
