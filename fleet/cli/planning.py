"""Commands that look and compute, and change nothing: validate, schema, discover, plan, show."""

from __future__ import annotations

import datetime as dt
import enum
import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from fleet.cli import options, outside, plans
from fleet.cli.context import Context, errors
from fleet.cli.options import Where
from fleet.cli.outside import Outside
from fleet.core import remains, saved, selection, unread
from fleet.engine import clock
from fleet.errors import InputError
from fleet.model import codec
from fleet.model.cluster import Cluster, Extension
from fleet.model.desired import Desired
from fleet.model.plan import Plan
from fleet.spec import calendarfile, planfile, schemas
from fleet.spec.calendarfile import OFFLINE
from fleet.ui import limitsview, output, planview, remainsview, timesview
from fleet.ui.output import Format
from fleet.ui.tables import Table

EXIT_CHANGES = 10


class SchemaKind(enum.StrEnum):
    """What a schema is of."""

    ROLLOUT = "rollout"
    CALENDARS = "calendars"
    PLAN = "plan"


def validate(file: options.PlanFile) -> None:
    """Check a plan file, or a file of calendars: every error at once, with its line and column."""
    if calendarfile.is_one(file):
        shared = calendarfile.read(file)
        name, feeds = f"{len(shared.calendars)} calendars", shared.feeds
        shared.frozen(OFFLINE)
    else:
        plan_file = planfile.read(file)
        name, feeds = plan_file.rollout().name, plan_file.feeds
    output.console().print(Text(f"{file}: valid: {name}"), soft_wrap=True)
    for feed in feeds:
        text = f"note: {feed.shown} was not fetched: it is read when a plan is made"
        output.say(text, on=errors())


def schema(
    kind: Annotated[
        SchemaKind, typer.Option("--kind", help="Of a plan file, a file of calendars, or a plan.")
    ] = SchemaKind.ROLLOUT,
) -> None:
    """Print a JSON Schema, so that an editor completes plan files."""
    output.print_document(_SCHEMAS[kind](), form=Format.JSON)


_SCHEMAS = {
    SchemaKind.ROLLOUT: schemas.rollout_schema,
    SchemaKind.CALENDARS: schemas.calendars_schema,
    SchemaKind.PLAN: schemas.plan_schema,
}


@options.at_a_place
def discover(
    ctx: typer.Context,
    file: options.PlanFile,
    where: Where,
    form: options.Output = Format.TABLE,
    as_json: options.AsJson = False,
    is_summary: Annotated[
        bool, typer.Option("--summary", help="Only how many have the extension, by version.")
    ] = False,
) -> None:
    """List the clusters that a plan file selects, and what is on them."""
    form = options.chosen(form, as_json=as_json)
    rollout = planfile.load_rollout(file)
    wanted = rollout.desired.profile.extension_type

    async def work(found: Outside) -> list[Cluster]:
        inventory = await found.service.inventory(
            rollout.scope, extension_type=wanted, release_train=rollout.desired.release_train
        )
        selected = selection.selected(inventory.clusters, rollout.scope)
        for warning in (
            *inventory.warnings,
            *unread.warnings(selected, rollout.desired, are_meant=True),
            *unread.warnings(selected, rollout.desired),
        ):
            output.say(f"warning: {warning}", on=errors(), style="yellow")
        return selected

    clusters = outside.run(work, where=where, state_dir=_context(ctx).state_dir)
    if is_summary:
        _print_remains(clusters, rollout.desired, form=form)
    elif form is Format.NAME:
        output.print_names([cluster.id for cluster in clusters])
    elif form in (Format.JSON, Format.YAML):
        output.print_document([codec.to_json(cluster) for cluster in clusters], form=form)
    else:
        table = _cluster_table(clusters, rollout.desired, has_ids=form is not Format.TABLE)
        output.print_tables([table], form=form)
    if rollout.desired.profile.notice and form is Format.TABLE and not is_summary:
        output.console().print()
        _print_remains(clusters, rollout.desired, form=form)


def _print_remains(clusters: list[Cluster], wanted: Desired, *, form: Format) -> None:
    """Print how many of *clusters* have the extension: what is left, where it retires."""
    found, profile = remains.of_clusters(clusters, wanted), wanted.profile
    if form is Format.NAME:
        output.print_names([version for version, _ in found.by_version if version])
    elif form in (Format.JSON, Format.YAML):
        output.print_document(remainsview.document(found, profile), form=form)
    elif form is Format.TABLE:
        output.say(remainsview.line(found, profile), on=output.console())
        if profile.notice:
            output.say(f"note: {profile.notice}", on=output.console())
    else:
        output.print_tables([remainsview.table(found)], form=form)


@options.at_a_place
def plan(
    ctx: typer.Context,
    file: options.PlanFile,
    where: Where,
    form: options.Output = Format.TABLE,
    as_json: options.AsJson = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="PLAN", help="Save the plan, for `fleet run PLAN`."),
    ] = None,
    has_detailed_exitcode: Annotated[
        bool,
        typer.Option("--detailed-exitcode", help="Exit 10 when the plan has changes, 0 when none."),
    ] = False,
    calendars: options.Calendars = None,
) -> None:
    """Compute what each cluster needs, and the waves; change nothing."""
    form = options.chosen(form, as_json=as_json)
    source = plans.read(file, calendars=calendars, network=where.network)

    async def work(found: Outside) -> tuple[Plan, dt.datetime]:
        made = await plans.plan_of(source, found)
        await plans.fluent(made, found)
        return made, found.clock.now()

    made, now = outside.run(work, where=where, state_dir=_context(ctx).state_dir)
    if out is not None:
        _save(made, out)
    print_plan(made, form=form, now=now)
    if has_detailed_exitcode and made.change_count:
        raise typer.Exit(EXIT_CHANGES)


def show(
    file: Annotated[Path, typer.Argument(metavar="PLAN", help="A saved plan.")],
    form: options.Output = Format.TABLE,
    as_json: options.AsJson = False,
) -> None:
    """Show a saved plan."""
    form = options.chosen(form, as_json=as_json)
    print_plan(plans.read_saved(file), form=form, now=clock.wall())


def print_plan(made: Plan, *, form: Format, now: dt.datetime) -> None:
    """Print a plan on stdout, with its times as if it were begun at *now*."""
    if form is Format.NAME:
        changed = [target.cluster_id for target in made.targets if target.action.is_change]
        output.print_names(changed)
    elif form in (Format.JSON, Format.YAML):
        output.print_document(saved.document(made), form=form)
    elif form in (Format.CSV, Format.MD):
        output.print_tables([planview.rows(made)], form=form)
    else:
        print_summary(made, on=output.console(), has_clusters=True, now=now)


def print_summary(made: Plan, *, on: Any, has_clusters: bool, now: dt.datetime) -> None:
    """Print what a person reads before saying yes, with times as if it were begun at *now*."""
    _print_heading(made, on=on)
    if made.head.waves:
        for line in limitsview.lines(made):
            output.say(line, on=on)
        on.print()
        output.print_tables([planview.waves(made)], form=Format.TABLE, on=on)
        for line in planview.resolutions(made):
            output.say(line, on=on)
        for table in timesview.tables(made, now=now):
            on.print()
            output.print_tables([table], form=Format.TABLE, on=on)
        for table in limitsview.spreads(made):
            on.print()
            output.print_tables([table], form=Format.TABLE, on=on)
        on.print()
        output.say("Changes", on=on, style="bold")
        for line in planview.changes(made):
            output.say(line, on=on)
        for line in planview.one_way(made):
            on.print()
            output.say(line, on=on, style="yellow")
    tables = [planview.left_out(made)] if made.change_count < len(made.targets) else []
    tables += [planview.targets(made)] if has_clusters else []
    for table in tables:
        on.print()
        output.print_tables([table], form=Format.TABLE, on=on)


def _print_heading(made: Plan, *, on: Any) -> None:
    output.say(planview.headline(made), on=on, style="bold")
    output.say(planview.subline(made), on=on)
    if made.head.notice:
        output.say(f"note: {made.head.notice}", on=on)
    for warning in made.head.warnings:
        output.say(f"warning: {warning}", on=on, style="yellow")


def _save(made: Plan, path: Path) -> None:
    """Write a saved plan, whole or not at all, for its owner's eyes."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.touch(mode=0o600)
        draft.write_text(output.json_text(saved.document(made)))
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        message = f"the plan cannot be saved as {path}: {error.strerror}"
        raise InputError(message) from error


def _cluster_table(clusters: list[Cluster], wanted: Desired, *, has_ids: bool) -> Table:
    header = ("cluster", *_FACTS)
    rows = [(cluster.name, *_facts(cluster, wanted)) for cluster in clusters]
    if not has_ids:
        spare = ("kubernetes", "extension", "location", "distribution")
        return Table(header=header, rows=rows, spare=spare)
    ids = [cluster.id for cluster in clusters]
    return Table(
        header=("clusterId", *header),
        rows=[(found, *row) for found, row in zip(ids, rows, strict=True)],
    )


_FACTS = (
    "location",
    "distribution",
    "kubernetes",
    "connectivity",
    "extension",
    "version",
    "autoUpgrade",
    "state",
)


def _facts(cluster: Cluster, wanted: Desired) -> tuple[str, ...]:
    is_unread = unread.trouble(cluster, wanted) != ""
    found = _instance(cluster, wanted)
    return (
        cluster.location,
        cluster.distribution,
        cluster.kubernetes_version or "-",
        cluster.connectivity.value,
        *(_UNREAD if is_unread else _extension_cells(found)),
    )


_UNREAD = ("(unreadable)", "-", "-", "-")


def _instance(cluster: Cluster, wanted: Desired) -> Extension | None:
    """Return the instance of that name, else one of the type."""
    kind, name = wanted.profile.extension_type.lower(), wanted.name.lower()
    same = [one for one in cluster.extensions if one.extension_type.lower() == kind]
    return next((one for one in same if one.name.lower() == name), same[0] if same else None)


def _extension_cells(found: Extension | None) -> tuple[str, ...]:
    if found is None:
        return "-", "-", "-", "-"
    return (
        found.name,
        found.installed_version or "-",
        found.auto_upgrade.value,
        found.provisioning_state.value,
    )


def _context(ctx: typer.Context) -> Context:
    found: Context = ctx.obj
    return found


COMMANDS = (validate, schema, discover, plan, show)
