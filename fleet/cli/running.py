"""``fleet run``: ask, begin or take over, carry on, and end with the run's own exit status."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import secrets
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

import fleet
from fleet.cli import (
    carrying,
    consent,
    context,
    ending,
    locking,
    minding,
    notifying,
    options,
    outside,
    planning,
    plans,
)
from fleet.cli.carrying import Ended
from fleet.cli.context import Context
from fleet.cli.locking import ClaimedError, Patience
from fleet.cli.options import Where
from fleet.cli.outside import Outside
from fleet.cli.plans import Source
from fleet.core.state import RunState
from fleet.engine import clock, history, opening
from fleet.engine.opening import Opening
from fleet.engine.recollection import Recollection
from fleet.engine.runner import Settings
from fleet.errors import InputError, InvariantError, RefusedError
from fleet.model.plan import Action, Plan, RunId
from fleet.model.redaction import Redactor
from fleet.ports import Journal
from fleet.ui import output, statusview
from fleet.ui.output import Format


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the command line asked for."""

    context: Context
    source: Source | None
    run_id: RunId | None
    where: Where
    settings: Settings
    is_agreed: bool
    patience: Patience
    after: Sequence[str]
    """Runs that must have ended well before."""
    keeps_empty: bool = False
    """Whether a run is begun, and ends, where nothing is to do: so that it is known of."""


@options.at_a_place
def run(  # noqa: PLR0913, PLR0917 - one for each flag
    ctx: typer.Context,
    where: Where,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE|PLAN]",
            help="A plan file or a saved plan; with --due a directory of plan files.",
        ),
    ] = None,
    is_agreed: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask; needed without a terminal.")
    ] = False,
    run_id: Annotated[
        str | None,
        typer.Option(
            "--run-id",
            envvar="FLEET_RUN_ID",
            help="The run's name. One that exists is taken over; safe to repeat.",
        ),
    ] = None,
    is_impatient: options.NoWait = False,
    is_waiting_ok: options.WaitingOk = False,
    is_due: Annotated[
        bool,
        typer.Option(
            "--due",
            help="Go on with every run here that can, and begin the plan files of the directory "
            "FILE whose schedule says so; wait for nothing.",
        ),
    ] = False,
    is_occurrence: Annotated[
        bool,
        typer.Option("--occurrence", hidden=True, help="Begin a run even where nothing is to do."),
    ] = False,
    after: Annotated[
        list[str] | None,
        typer.Option(
            "--after",
            envvar="FLEET_AFTER",
            metavar="RUN",
            help="Begin only once RUN has ended well; may be given more than once.",
        ),
    ] = None,
    is_queued: Annotated[
        bool,
        typer.Option(
            "--queue",
            envvar="FLEET_QUEUE",
            help="Wait for --after, and for runs that change the same clusters, "
            "instead of being refused.",
        ),
    ] = False,
    queue_timeout: Annotated[
        float | None,
        typer.Option(
            "--queue-timeout",
            envvar="FLEET_QUEUE_TIMEOUT",
            metavar="SECONDS",
            min=0,
            help="How long to wait; without it, as long as it takes.",
        ),
    ] = None,
    calendars: options.Calendars = None,
    form: options.Output = Format.TABLE,
    as_json: options.AsJson = False,
) -> None:
    """Carry a plan out, or take over a run that nobody carries on."""
    form = options.chosen(form, as_json=as_json)
    if is_due:
        refuse_beside_due(run_id=run_id, after=after, is_queued=is_queued)
        round_ = minding.Round(
            context=ctx.obj,
            directory=file,
            where=where,
            is_agreed=is_agreed,
            is_waiting_ok=is_waiting_ok,
            form=form,
            calendars=calendars,
            log=logged(ctx),
        )
        raise typer.Exit(minding.mind(round_))
    order = Order(
        context=ctx.obj,
        source=None
        if file is None
        else plans.read(file, calendars=calendars, network=where.network),
        run_id=RunId(run_id) if run_id else None,
        where=where,
        settings=carrying.patience(is_impatient=is_impatient),
        is_agreed=is_agreed,
        patience=locking.patience(is_queued=is_queued, limit_s=queue_timeout),
        after=locking.runs_before(after or (), run_id),
        keeps_empty=is_occurrence,
    )
    ended = taken_over(order) if exists(order) else _begun(order, form)
    tell(ended, form, is_waiting_ok=is_waiting_ok)


def logged(ctx: typer.Context) -> dict[str, str]:
    """Return the flags that say what is logged."""
    given = ctx.find_root().params
    return {f"--{name.replace('_', '-')}": given[name] for name in ("log_level", "log_format")}


def refuse_beside_due(*, run_id: str | None, after: Sequence[str] | None, is_queued: bool) -> None:
    """Refuse what says nothing of runs that are looked for."""
    given = {"--run-id": run_id, "--after": after, "--queue": is_queued}
    for name in [name for name, value in given.items() if value]:
        message = f"--due and {name} exclude each other"
        hint = "--due looks for what is to be done; what cannot be begun now, it leaves for later."
        raise InputError(message, hint=hint)


def tell(ended: Ended | None, form: Format, *, is_waiting_ok: bool = False) -> None:
    """Tell how a run ended, and exit as it did; nothing where there was nothing to do."""
    if ended is None:
        return
    # Whether anybody reads the report or not, the run ended as it did.
    with output.best_effort():
        ending.report(ended.state, form, left=ended.left)
    ending.say_what_next(ended.state)
    raise typer.Exit(ending.exit_status(ended.state, is_waiting_ok=is_waiting_ok))


def exists(order: Order) -> bool:
    """Tell whether the run was begun: a journal without a record is a beginning cut short."""
    store, run_id = order.context.store, order.run_id
    if run_id is None or run_id not in store.runs():
        return False
    with contextlib.closing(store.read(run_id)) as reader:
        return next(iter(reader.records()), None) is not None


# --- a new run ---------------------------------------------------------------------------


def _begun(order: Order, form: Format) -> Ended | None:
    """Plan, ask, and run; ``None`` where there is nothing to do."""
    source = order.source
    if source is None:
        named = f"there is no run {order.run_id}, and" if order.run_id else "neither"
        message = f"{named} no plan is named" if order.run_id else "no plan and no run is named"
        raise InputError(message, hint="fleet run FILE, or fleet run --run-id ID; see fleet runs.")

    async def work(found: Outside) -> Ended | None:
        carrying.say_where(found)
        await locking.followed(order.context, order.after, order.patience, found)

        async def turn(order: Order) -> Ended | None:
            asked_at = found.clock.now()
            plan = await plans.plan_of(source, found)
            discovered_at = None if source.plan else asked_at
            return await launched(
                order, plan, found, form=form, text=source.text, discovered_at=discovered_at
            )

        return await in_turn(order, found, turn)

    return outside.run(work, where=order.where, state_dir=order.context.state_dir)


async def in_turn(
    order: Order, found: Outside, work: Callable[[Order], Awaitable[Ended | None]]
) -> Ended | None:
    """Do *work*, from its start each time that another run had to be waited for."""
    while True:
        try:
            return await work(order)
        except ClaimedError as claimed:
            order = dataclasses.replace(order, run_id=claimed.run_id)  # the same run, once more
            await locking.free(order.context, claimed, order.patience, found)


async def launched(
    order: Order,
    plan: Plan,
    found: Outside,
    *,
    form: Format,
    text: str,
    discovered_at: dt.datetime | None,
) -> Ended | None:
    """Show *plan*, ask, and run it as a run of its own; ``None`` where there is nothing to do."""
    found = await plans.fluent(plan, found)
    now = found.clock.now()
    planning.print_summary(plan, on=context.errors(), has_clusters=False, now=now)
    if not plan.change_count:
        _require_no_blocks(plan)
        context.errors().print(Text("No changes: nothing to do."))
        if not order.keeps_empty:
            _print_no_run(plan, form)
            return None
    vault = plans.vault(plan.head, plan.targets)
    run_id = order.run_id or _new_id(plan)
    keys = locking.keys_of_plan(plan, found)
    # Looked at before anybody is asked, and again after the answer: it may have taken a while.
    locking.require_free(order.context, run_id, keys, now=found.clock.now())
    header = _header(order, run_id, text, plan, found, discovered_at=discovered_at)
    locking.require_free(order.context, run_id, keys, now=found.clock.now())
    store, values = order.context.store, tuple(vault.values())
    is_new = run_id not in store.runs()
    async with store.hold(run_id, actor=header.actor, secrets=values, create=is_new) as journal:
        _require_empty(journal, run_id)
        with locking.taken(order.context, plan.head, run_id, keys, outside=found) as keeper:
            with locking.given_back_on_failure(order.context, run_id):
                state = await opening.begin(journal, plan, header, now=found.clock.now())
            return await carrying.carried_on(order, journal, state, found, vault, keeper)


def _require_empty(journal: Journal, run_id: RunId) -> None:
    if next(iter(journal.records()), None) is not None:
        message = f"run {run_id} was begun by another process meanwhile"
        raise RefusedError(message, hint=f"Carry it on with: fleet run --run-id {run_id}")


def _header(
    order: Order,
    run_id: RunId,
    text: str,
    plan: Plan,
    found: Outside,
    *,
    discovered_at: dt.datetime | None,
) -> Opening:
    return Opening(
        run_id=run_id,
        actor=context.actor(found.person),
        origin=found.origin,
        release=fleet.__version__,
        tzdata_version=context.tzdata_version(),
        plan_text=text,
        consent=consent.given(plan, run_id, is_agreed=order.is_agreed),
        discovered_at=discovered_at,
    )


def _new_id(plan: Plan) -> RunId:
    name = "".join(c if c.isalnum() or c in ".-_" else "-" for c in plan.head.name)
    name = f"{plan.head.parent.purpose}-{name}" if plan.head.parent else name
    return RunId(f"{name[:60]}-{clock.wall():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}")


def _require_no_blocks(plan: Plan) -> None:
    """Refuse to call it success where somebody's hand is needed first."""
    blocked = sum(target.action is Action.BLOCKED for target in plan.targets)
    if blocked:
        message = f"nothing can be done: {blocked} of {len(plan.targets)} clusters are blocked"
        raise RefusedError(message, hint="The plan above says why, and whose move it is.")


def _print_no_run(plan: Plan, form: Format) -> None:
    if form in (Format.JSON, Format.YAML):
        output.print_document(statusview.no_run(plan), form=form)


# --- a run that exists -------------------------------------------------------------------


def taken_over(order: Order) -> Ended | None:
    """Carry on a run that exists, to its end."""
    store, run_id = order.context.store, order.run_id
    if run_id is None:
        message = "a run without a name cannot be taken over"
        raise InvariantError(message)
    with contextlib.closing(store.read(run_id)) as reader:
        known = history.load(reader)
    _require_same(order, known)
    if known.status.is_terminal:
        locking.let_go(order.context, known)
        notifying.tell_rest(order.context, known, order.where.network)
        return Ended(state=known)
    vault = plans.vault(known.plan, known.targets)

    async def carry_on(found: Outside) -> Ended | None:
        actor = context.actor(found.person)
        async with store.hold(run_id, actor=actor, secrets=tuple(vault.values())) as journal:
            recollection = Recollection()
            state = history.load(journal, heed=recollection.note)
            if state.status.is_terminal:  # the other runner got there first
                return Ended(state=state)
            now, keys = found.clock.now(), locking.keys_of_run(state)
            with locking.taken(order.context, state.plan, run_id, keys, outside=found) as keeper:
                if found.azure is not None:
                    found.azure.remember(recollection.traces(state.targets, now=now))
                await opening.take(journal, state, actor=actor, release=fleet.__version__, now=now)
                return await carrying.carried_on(order, journal, state, found, vault, keeper)

    async def work(found: Outside) -> Ended | None:
        opening.require_origin(known, found.origin)
        carrying.say_where(found)
        await locking.followed(order.context, order.after, order.patience, found)
        return await in_turn(order, found, lambda _order: carry_on(found))

    return outside.run(work, where=order.where, state_dir=order.context.state_dir, goes_on=known)


def _require_same(order: Order, known: RunState) -> None:
    """Refuse to take a run over under another plan than it began with."""
    header, source = known.header, order.source
    if header is None:
        message = f"run {order.run_id} was never begun: its journal is empty"
        raise InputError(message, hint="Begin it under another --run-id.")
    if source is None:
        return
    digest = source.plan.digest if source.plan else None
    # The journal keeps the text without what looks like a secret.
    clean = Redactor(plans.vault(known.plan, known.targets).values()).text(source.text)
    is_same = digest == header.plan_digest if digest else clean == header.plan_text
    if not is_same:
        message = f"run {header.run_id} began with another plan than {source.path}"
        hint = "Take it over without naming a file, or begin a new run under another --run-id."
        raise RefusedError(message, hint=hint)


COMMANDS = (run,)
