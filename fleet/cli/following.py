"""Runs that follow another: ``fleet retry`` and ``fleet rollback``.

Both make a plan from the parent's journal, show it, ask, and run it as a run of
its own, in the same place and as the same principals as the parent.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Callable
from typing import Annotated

import typer

from fleet.cli import carrying, locking, options, outside, planning, plans, running
from fleet.cli.carrying import Ended
from fleet.cli.context import Context, errors
from fleet.cli.options import Where
from fleet.cli.outside import Outside
from fleet.cli.running import Order
from fleet.core import children
from fleet.core.children import Choice
from fleet.core.state import RunState
from fleet.core.trail import Trail
from fleet.engine import history, opening
from fleet.errors import InputError, RefusedError
from fleet.model.plan import Plan, Purpose, RunId
from fleet.model.statuses import Result
from fleet.ui import output
from fleet.ui.output import Format

Make = Callable[[RunState, Trail], Plan]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """What the command line says of a run that follows another, whichever it is."""

    is_plan_only: Annotated[
        bool, typer.Option("--plan-only", help="Print the plan, and change nothing.")
    ] = False
    is_agreed: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask; needed without a terminal.")
    ] = False
    run_id: Annotated[
        str | None,
        typer.Option(
            "--run-id",
            envvar="FLEET_RUN_ID",
            help="The new run's name. One that exists is taken over; safe to repeat.",
        ),
    ] = None
    is_impatient: options.NoWait = False
    is_waiting_ok: options.WaitingOk = False
    calendars: options.Calendars = None
    form: options.Output = Format.TABLE
    as_json: options.AsJson = False

    @property
    def output(self) -> Format:
        """The format that was asked for."""
        return options.chosen(self.form, as_json=self.as_json)


@options.at_a_place
@options.taking(How, "how")
def retry(
    ctx: typer.Context,
    run: options.RunName,
    where: Where,
    how: How,
    has_failed: Annotated[
        bool, typer.Option("--failed", help="Those that failed or timed out.")
    ] = False,
    has_deferred: Annotated[
        bool, typer.Option("--deferred", help="Those that were not connected.")
    ] = False,
    has_skipped: Annotated[
        bool, typer.Option("--skipped", help="Those that were skipped.")
    ] = False,
) -> None:
    """Try some targets of a run again, with the same versions, as a run of its own."""
    results: set[Result] = set()
    results |= children.FAILED if has_failed else set()
    results |= {Result.DEFERRED} if has_deferred else set()
    results |= {Result.SKIPPED} if has_skipped else set()

    def make(state: RunState, trail: Trail) -> Plan:
        if not results:
            raise _nothing_named(state)
        return children.retry(state, trail, results=frozenset(results))

    _follow(_order(ctx, where, how), run, Purpose.RETRY, make, how)


@options.at_a_place
@options.taking(How, "how")
def rollback(
    ctx: typer.Context,
    run: options.RunName,
    where: Where,
    how: How,
    wave: Annotated[
        list[str] | None, typer.Option("--wave", help="Only what this wave of the run changed.")
    ] = None,
    target: Annotated[
        list[str] | None, typer.Option("--target", help="Only this cluster, by name or id.")
    ] = None,
    has_failed: Annotated[
        bool, typer.Option("--failed", help="Only those that failed or timed out.")
    ] = False,
) -> None:
    """Take back what a run changed, the newest wave first, as a run of its own."""
    choice = Choice(waves=tuple(wave or ()), targets=tuple(target or ()), is_failed_only=has_failed)

    def make(state: RunState, trail: Trail) -> Plan:
        return children.rollback(state, trail, choice=choice)

    _follow(_order(ctx, where, how), run, Purpose.ROLLBACK, make, how)


def _order(ctx: typer.Context, where: Where, how: How) -> Order:
    return Order(
        context=ctx.obj,
        source=None,
        run_id=RunId(how.run_id) if how.run_id else None,
        where=where,
        settings=carrying.patience(is_impatient=how.is_impatient),
        is_agreed=how.is_agreed,
        patience=locking.patience(is_queued=False, limit_s=None),
        after=(),
    )


def _follow(order: Order, run: str, purpose: Purpose, make: Make, how: How) -> None:
    parent, trail = _parent(order.context, run)
    if running.exists(order) and not how.is_plan_only:
        _require_child(order, run, purpose)
        ended = running.taken_over(order)
        running.tell(ended, how.output, is_waiting_ok=how.is_waiting_ok)
        return
    plan = _bound(order, parent, make(parent, trail), how)
    plans.refuse_secrets(plan)
    if not plan.targets:
        _say_nothing(parent, run, purpose)
    if how.is_plan_only:
        planning.print_plan(plan, form=how.output, now=outside.known_moment(parent))
        return
    ended = _launched(order, parent, plan, how.output)
    running.tell(ended, how.output, is_waiting_ok=how.is_waiting_ok)


def _bound(order: Order, parent: RunState, plan: Plan, how: How) -> Plan:
    """Return *plan* under the calendars of today, where it is bound by any."""
    if how.calendars is None and not plan.head.calendars:
        return plan
    now = asyncio.run(outside.moment(parent, state_dir=order.context.state_dir))
    return plans.under(plan, how.calendars, now=now, network=order.where.network)


_DOES = {Purpose.RETRY: "try again", Purpose.ROLLBACK: "take back"}


def _say_nothing(parent: RunState, run: str, purpose: Purpose) -> None:
    output.say(f"run {run}: nothing to {_DOES[purpose]}", on=errors())
    if purpose is Purpose.RETRY and parent.is_rolling_back:
        left = f"fleet rollback {run} --plan-only shows what is left"
        output.say(f"hint: it took back what it had changed; {left}.", on=errors())


def _launched(order: Order, parent: RunState, plan: Plan, form: Format) -> Ended | None:
    async def work(found: Outside) -> Ended | None:
        opening.require_origin(parent, found.origin)
        carrying.say_where(found)

        async def turn(order: Order) -> Ended | None:
            return await running.launched(
                order, plan, found, form=form, text="", discovered_at=None
            )

        return await running.in_turn(order, found, turn)

    return outside.run(work, where=order.where, state_dir=order.context.state_dir, goes_on=parent)


def _parent(found: Context, run: str) -> tuple[RunState, Trail]:
    trail = Trail()
    with contextlib.closing(found.store.read(run)) as reader:
        return history.load(reader, heed=trail.note), trail


def _require_child(order: Order, run: str, purpose: Purpose) -> None:
    """Refuse to take over a run that is not what was asked for."""
    child, _ = _parent(order.context, order.run_id or "")
    parent = child.plan.parent
    if parent is None or (parent.run_id, parent.purpose) != (run, purpose):
        message = f"run {order.run_id} exists, and is no {purpose} of run {run}"
        raise RefusedError(message, hint="Name another --run-id.")


def _nothing_named(state: RunState) -> InputError:
    counts = ", ".join(
        f"{name}: {sum(children.count_of(state, one) for one in results)}"
        for name, results in (
            ("--failed", children.FAILED),
            ("--deferred", (Result.DEFERRED,)),
            ("--skipped", (Result.SKIPPED,)),
        )
    )
    return InputError("nothing is named that shall be tried again", hint=f"Name some of {counts}.")


COMMANDS = (retry, rollback)
