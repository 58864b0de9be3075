"""Carrying a run on in this process: signals, locks, pools, the live view, and how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gc
import signal
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from rich.text import Text

from fleet.azure.paths import EXTENSIONS_API
from fleet.cli import context, leaving, locking, notifying
from fleet.cli.context import Context
from fleet.cli.options import Where
from fleet.cli.outside import Outside
from fleet.core.leftovers import Leftover
from fleet.core.state import RunState
from fleet.engine import history
from fleet.engine.runner import Runner, Settings
from fleet.errors import AuthError
from fleet.model.events import Actor, Event
from fleet.model.statuses import WaitCause
from fleet.ports import Journal, Upkeep
from fleet.ui import live


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A run that was carried on as far as it went."""

    state: RunState
    left: tuple[Leftover, ...] = ()
    """What a rollback could not take back, as it was read at the end."""


class How(Protocol):
    """What carrying on needs to know of the command line."""

    @property
    def context(self) -> Context:
        """Where runs are kept."""

    @property
    def settings(self) -> Settings:
        """How the runner behaves."""

    @property
    def where(self) -> Where:
        """How others are reached."""


async def carried_on(
    how: How,
    journal: Journal,
    state: RunState,
    found: Outside,
    vault: Mapping[str, str],
    upkeep: Upkeep,
) -> Ended:
    """Run what *journal* holds to its end, a pause, or until somebody asks this process to leave.

    Args:
        how: What the command line asked for.
        journal: Held by this process.
        state: What it adds up to.
        found: The service, and the clock.
        vault: ``{environment variable: value}`` of the plan's secrets.
        upkeep: What keeps the run's locks.
    """
    console = context.errors()
    console.print(Text(f"run {state.header.run_id if state.header else ''}"), soft_wrap=True)
    network, is_virtual = how.where.network, found.is_virtual
    telling = notifying.telling(journal, state, vault, network, is_virtual=is_virtual)
    with live.view(console, clean=context.DISCRETION.text, now=found.clock.now) as view:

        def observe(events: Sequence[Event], state: RunState) -> None:
            view.show(events, state)
            told.observe(events, state)
            if state.has_bug:  # nothing to wait for: somebody has to look at it first
                runner.settle_for_pause()
            if found.is_virtual and _needs_person(state):
                runner.leave()

        runner = Runner(
            journal=journal,
            state=state,
            service=found.service,
            clock=found.clock,
            vault=vault,
            settings=_settings(how.settings, found),
            observe=observe,
            upkeep=upkeep,
            probes=found.probes(state.plan.extension_type, vault),
            clusters=found.clusters(state.plan.access),
        )
        # The plan and what it was made from live as long as the run: a sixth of a large run's CPU
        # went into the garbage collector looking at them again and again.
        gc.freeze()
        async with telling as told:
            with _signals(runner, context.actor(found.person)):
                ended = await _run(runner)
            locking.let_go(how.context, ended)
    # What is told is what is kept: an error may have quoted a secret, and the journal has it not.
    ended = history.load(journal) if vault else ended
    return Ended(state=ended, left=await leaving.read(ended, found))


def say_where(found: Outside) -> None:
    """Say on stderr whom we speak to, as whom, and how fast time goes there."""
    console, origin = context.errors(), found.origin
    if found.is_remote:
        text = f"{origin.endpoint} ({origin.cloud}), tenant {origin.tenant}"
        text = f"{text}, as {', '.join(origin.principals)}"
        if origin.api_version != EXTENSIONS_API:
            text = f"{text}, api-version {origin.api_version}"
        console.print(Text(text), soft_wrap=True)
    if found.time_scale != 1:
        text = f"simulated time: {found.time_scale} seconds of theirs pass in one of ours"
        console.print(Text(text), soft_wrap=True)


def _needs_person(state: RunState) -> bool:
    """Whether only a person can end what the run waits for: virtual time passes for nobody."""
    wait = state.wait
    by_people = (WaitCause.APPROVAL, WaitCause.WINDOW)
    return wait is not None and wait.until is None and wait.cause in by_people


async def _run(runner: Runner) -> RunState:
    try:
        return await runner.run()
    except AuthError as error:
        header = runner.state.header
        go_on = f"fleet run --run-id {header.run_id if header else ''} carries on"
        hint = f"{error.hint or 'Log in again'} Then {go_on}; nothing is lost."
        raise AuthError(error.message, hint=hint, status=error.status) from error


def patience(*, is_impatient: bool) -> Settings:
    """Return how a runner behaves that waits for people and moments, or that leaves instead."""
    return Settings(waits_when_paused=not is_impatient, leaves_when_waiting=is_impatient)


def _settings(settings: Settings, found: Outside) -> Settings:
    if not found.is_virtual:
        return settings
    # Virtual time does not wait for what other processes may still ask.
    return dataclasses.replace(settings, inbox_every_s=None, waits_when_paused=False)


@contextlib.contextmanager
def _signals(runner: Runner, actor: Actor) -> Iterator[None]:
    """Let Ctrl-C pause, then stop, then leave; it is *actor* who presses it.

    SIGTERM leaves at once, and so does a terminal that goes away: the run goes on later.
    """
    loop = asyncio.get_running_loop()
    presses = iter(("pause", "stop"))

    def interrupted() -> None:
        kind = next(presses, None)
        if kind is None:
            runner.leave()
        else:
            runner.settle_for_pause()
            runner.ask(kind, actor=actor, reason="Ctrl-C")

    leaving = [signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup asks for
        leaving.append(signal.SIGHUP)
    loop.add_signal_handler(signal.SIGINT, interrupted)
    for one in leaving:
        loop.add_signal_handler(one, runner.leave)
    try:
        yield
    finally:
        for one in (signal.SIGINT, *leaving):
            loop.remove_signal_handler(one)
