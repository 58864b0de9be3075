"""``fleet check``: whether clusters are, inside, as a plan file wants them; nothing is changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from fleet.cli import context, options, outside, plans
from fleet.cli.context import errors
from fleet.cli.options import Where
from fleet.cli.outside import Outside
from fleet.core import checkups, looks, selection
from fleet.core.checkups import Tally
from fleet.engine import inspecting
from fleet.engine.inspecting import Inspector
from fleet.errors import InputError, RemoteError
from fleet.model.cluster import Cluster
from fleet.model.desired import Presence, Rollout
from fleet.model.inside import CheckRule
from fleet.spec import flaws, planfile
from fleet.ui import checkview, output
from fleet.ui.output import Format

EXIT_FAILED = 1


@options.at_a_place
def check(
    ctx: typer.Context,
    file: options.PlanFile,
    where: Where,
    only: Annotated[
        list[str] | None,
        typer.Option("--cluster", metavar="NAME", help="One of them only, by name or id; again."),
    ] = None,
    form: options.Output = Format.TABLE,
    as_json: options.AsJson = False,
) -> None:
    """Look whether clusters are, inside, as a plan file wants them; change nothing.

    Those are looked at that have the extension, or with `state: absent` those that have it no
    more. Exits 1 where a gate does not pass, else 4 where a cluster could not be reached.
    """
    form = options.chosen(form, as_json=as_json)
    rollout = planfile.load_rollout(file)
    rules = _rules(rollout)

    async def work(there: Outside) -> list[Tally]:
        clusters = await _clusters(there, rollout, only or ())
        access = plans.settled(rollout.inside.access, file.absolute().parent)
        inspector = Inspector(there.clusters(access))
        tallies: list[Tally] = []
        await inspecting.check_all(
            checkups.subjects(clusters, rollout, now=there.clock.now()),
            rules,
            inspector=inspector,
            workers=min(access.max_concurrency, len(clusters)),
            tell=tallies.append,
        )
        return sorted(tallies, key=lambda one: (one.cluster_name.lower(), one.cluster_id))

    found: context.Context = ctx.obj
    tallies = outside.run(work, where=where, state_dir=found.state_dir)
    _show(tallies, form)
    if any(one.has_failed for one in tallies):
        raise typer.Exit(EXIT_FAILED)
    if any(one.is_reached is False for one in tallies):
        raise typer.Exit(RemoteError.exit_status)


def _rules(rollout: Rollout) -> Sequence[CheckRule]:
    """Return the rules that can be looked at; say which cannot."""
    rules = checkups.rules_of(rollout)
    if rollout.inside.access.is_given:
        return rules
    outer = [rule for rule in rules if looks.is_outside(rule)]
    hint = "add clusterAccess to the plan file: it says how clusters are reached"
    if not outer:
        message = f"{rollout.name}: there is no way into clusters, and nothing else to look at"
        raise InputError(message, hint=f"{hint}.")
    text = f"{len(rules) - len(outer)} of {len(rules)} checks are not made, and nothing inside"
    warning = f"warning: {text} clusters is proved: {hint}"
    output.say(warning, on=errors(), style="yellow")
    return outer


async def _clusters(there: Outside, rollout: Rollout, only: Sequence[str]) -> list[Cluster]:
    """Return the clusters that are selected and are to be checked."""
    inventory = await there.service.inventory(
        rollout.scope,
        extension_type=rollout.desired.profile.extension_type,
        release_train=rollout.desired.release_train,
    )
    selected = _only(selection.selected(inventory.clusters, rollout.scope), only)
    for warning in (*inventory.warnings, *checkups.unread_warnings(selected, rollout.desired)):
        output.say(f"warning: {warning}", on=errors(), style="yellow")
    left = checkups.passed_over(selected, rollout)
    is_absent = rollout.desired.presence is Presence.ABSENT
    state = "still there or cannot be told" if is_absent else "not there"
    told = f"{rollout.desired.name} is {state} on {left} of {len(selected)} clusters"
    if left == len(selected):
        message = f"{rollout.name}: there is nothing to check: {told}"
        raise InputError(message, hint="`fleet discover FILE` lists what there is.")
    if left:
        output.say(f"note: {told}: they are not checked", on=errors())
    return selected


def _only(clusters: Sequence[Cluster], names: Sequence[str]) -> list[Cluster]:
    wanted = {name.lower() for name in names}
    known = {key.lower(): one for one in clusters for key in (one.name, one.id)}
    for name in names:
        if name.lower() not in known:
            message = f"no cluster {flaws.quoted(name)} is selected"
            hint = flaws.suggestion(name, sorted(one.name for one in clusters)[:20])
            raise InputError(message, hint=hint)
    return [one for one in clusters if not wanted or wanted & {one.name.lower(), one.id.lower()}]


def _show(tallies: Sequence[Tally], form: Format) -> None:
    if form is Format.NAME:
        output.print_names([one.cluster_id for one in tallies if one.is_barred])
    elif form in (Format.JSON, Format.YAML):
        output.print_document([checkview.document(one) for one in tallies], form=form)
    elif form is Format.TABLE:
        on = output.console()
        output.say(checkview.headline(tallies), on=on, style="bold")
        on.print()
        output.print_tables([checkview.summary(tallies, has_ids=False)], form=form, on=on)
        wrong = checkview.troubles(tallies)
        if wrong.rows:
            on.print()
            output.print_tables([wrong], form=form, on=on)
    else:
        output.print_tables([checkview.summary(tallies, has_ids=True)], form=form)


COMMANDS = (check,)
