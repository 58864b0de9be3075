"""``fleet run --due``: carries on all that is due, each run by a process of its own.

A run that takes hours, waits, or breaks keeps no other from going on; and while any of them is
under way, what becomes due meanwhile is begun as well. So it ends when nothing is under way and
nothing is due, and a timer that starts it again only then misses nothing.

On a terminal, and where nobody said ``--yes`` beforehand, one follows the other in front of the
person, who is asked about each.

Exit:    the worst of what the runs and the look at them came to; 0 where nothing was due.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

from rich.text import Text

from fleet.cli import context, dueview, duties, ending, mishaps
from fleet.cli.context import Context
from fleet.cli.dueview import Done
from fleet.cli.duties import Duty, Findings, Problem
from fleet.cli.options import Where
from fleet.errors import RefusedError
from fleet.ui.output import Format

_AT_ONCE = 8
"""Runs under way; a process takes some 100 MB, and more for a large plan."""
_LOOK_EVERY_S = 30
_LONGEST_LINE = 1_000_000
_SIGNALLED = 128
"""What a process that a signal ended exits with is so much above the signal, as in a shell."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What the command line asked for."""

    context: Context
    directory: Path | None
    where: Where
    is_agreed: bool
    is_waiting_ok: bool
    form: Format
    calendars: Path | None
    """Those that bind every run that is begun."""
    log: Mapping[str, str]
    """``{flag: value}`` of what is logged."""


def mind(asked: Round) -> int:
    """Do what is due, tell what came of it, and return what to exit with."""
    is_attended = sys.stdin.isatty() and sys.stderr.isatty() and not asked.is_agreed
    if is_attended and asked.form is Format.TABLE:
        return _in_front_of_somebody(asked)
    minder = _Minder(asked)
    asyncio.run(minder.mind())
    for problem in minder.findings.problems:
        mishaps.show(problem.error)
    dueview.show(minder.findings, minder.done, form=asked.form)
    return _worst(minder.done, minder.findings)


def _worst(done: list[Done], findings: Findings) -> int:
    problems = (problem.error.exit_status for problem in findings.problems)
    return ending.worst([*(one.status for one in done), *problems])


# --- with a person -------------------------------------------------------------------------


def _in_front_of_somebody(asked: Round) -> int:
    findings = asyncio.run(_look(asked))
    done: list[Done] = []
    for duty in findings.duties:
        _say(f"{duty.run_id}: {duty.why}")
        with subprocess.Popen(_command(duty, asked), env=_environment(duty, asked)) as process:  # noqa: S603
            status = _waited_for(process)
        done.append(_told(duty, status, asked))
    for problem in findings.problems:
        mishaps.show(problem.error)
    dueview.show(findings, done, form=asked.form)
    return _worst(done, findings)


def _waited_for(process: subprocess.Popen[bytes]) -> int:
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue  # it went to the run as well, which pauses and says so


# --- with nobody ---------------------------------------------------------------------------


class _Minder:
    """Looks, starts what is due, and hands on what the runs say."""

    def __init__(self, asked: Round) -> None:
        self._asked = asked
        self._tried: set[Duty] = set()
        self._alive: dict[Duty, Process] = {}
        self._turn = asyncio.Event()
        self._is_leaving = False
        self.findings = Findings()
        self.done: list[Done] = []

    async def mind(self) -> None:
        """Do what is due, until nothing is and nothing is under way."""
        with _signals(self._leave):
            async with asyncio.TaskGroup() as tasks:
                while True:
                    await self._start_what_is_due(tasks)
                    if not self._alive:
                        return
                    await self._wait()

    async def _start_what_is_due(self, tasks: asyncio.TaskGroup) -> None:
        if self._is_leaving:
            return
        self.findings = _agreed(await _look(self._asked), self._asked)
        # What was tried is left for the next round, unless it is due for another reason now.
        due = [one for one in self.findings.duties if one not in self._tried]
        busy = {one.run_id for one in self._alive}
        for duty in due:
            if len(self._alive) < _AT_ONCE and duty.run_id not in busy and not self._is_leaving:
                self._tried.add(duty)
                self._alive[duty] = await self._started(duty)
                tasks.create_task(self._followed(duty, self._alive[duty]), name=duty.run_id)

    async def _started(self, duty: Duty) -> Process:
        _say(f"{duty.run_id}: {duty.why}")
        # NB: a session of its own: a Ctrl-C reaches it by us alone, once.
        return await asyncio.create_subprocess_exec(
            *_command(duty, self._asked),
            env=_environment(duty, self._asked),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            limit=_LONGEST_LINE,
        )

    async def _followed(self, duty: Duty, process: Process) -> None:
        """Hand on what a run says, and write down how it ended."""
        async for line in _lines(process):
            _say(f"{duty.run_id}: {line}".rstrip())
        status = await process.wait()
        if status == RefusedError.exit_status and not await self._is_still_due(duty):
            _say(f"{duty.run_id}: another process sees to it")
            status = 0
        self.done.append(_told(duty, status, self._asked))
        del self._alive[duty]
        self._turn.set()

    async def _is_still_due(self, duty: Duty) -> bool:
        """Tell whether a run that was refused is there to be carried on, and nobody does."""
        return duty.run_id in {one.run_id for one in (await _look(self._asked)).duties}

    async def _wait(self) -> None:
        """Wait until a run has ended, and look anyway from time to time."""
        self._turn.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_EVERY_S):
                await self._turn.wait()

    def _leave(self, signum: signal.Signals) -> None:
        """Start nothing more, and tell the runs what we were told."""
        self._is_leaving = True
        for process in self._alive.values():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signum)


async def _lines(process: Process) -> AsyncIterator[str]:
    stream = process.stdout
    while stream is not None:
        try:
            line = await stream.readline()
        except ValueError:  # longer than anybody would read
            continue
        if not line:
            return
        yield line.decode(errors="replace").rstrip("\n")


@contextlib.contextmanager
def _signals(heard: Callable[[signal.Signals], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    ours = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup asks for
        ours.append(signal.SIGHUP)
    for one in ours:
        loop.add_signal_handler(one, heard, one)
    try:
        yield
    finally:
        for one in ours:
            loop.remove_signal_handler(one)


# --- what both share -----------------------------------------------------------------------


async def _look(asked: Round) -> Findings:
    return await duties.look(asked.context, directory=asked.directory, where=asked.where)


def _agreed(findings: Findings, asked: Round) -> Findings:
    """Refuse to begin what nobody said yes to; what was begun may go on."""
    if asked.is_agreed:
        return findings
    for duty in [one for one in findings.duties if one.file is not None]:
        message = f"{duty.run_id} is due, nobody can be asked here, and nobody said yes"
        error = RefusedError(message, hint="Add --yes, or run it on a terminal.")
        findings.problems.append(Problem(about=duty.run_id, error=error))
        findings.duties.remove(duty)
    return findings


def _command(duty: Duty, asked: Round) -> list[str]:
    """Return the command that carries one run on, as somebody could type it."""
    told = ["run", "--run-id", duty.run_id, "--no-wait"]
    told += ["--waiting-ok"] if asked.is_waiting_ok else []
    if duty.file is not None:
        told += [str(duty.file), "--occurrence"]
        told += ["--calendars", str(asked.calendars)] if asked.calendars else []
        told += ["--yes"] if asked.is_agreed else []
    state_dir = ("--state-dir", str(asked.context.state_dir))
    log = [word for flag, value in asked.log.items() for word in (flag, value)]
    return [sys.executable, "-m", "fleet", *state_dir, *log, *told]


def _as_it_began(where: Where, endpoint: str) -> Where:
    """Return *where* for a run that exists: its own journal says which place it began at.

    Whom tokens are for is said for the place that was named, and for no other.
    """
    is_there = where.endpoint is not None and where.endpoint.rstrip("/") == endpoint.rstrip("/")
    return dataclasses.replace(
        where,
        world=None,
        cloud=None,
        endpoint=where.endpoint if is_there else None,
        audience=where.audience if is_there or where.endpoint is None else None,
        api_version=None,
    )


def _environment(duty: Duty, asked: Round) -> dict[str, str]:
    """Return what a run's process knows of the machine, and where its service is."""
    where = asked.where if duty.file is not None else _as_it_began(asked.where, duty.endpoint)
    others = {name: value for name, value in os.environ.items() if not name.startswith("FLEET_")}
    return others | where.variables


def _told(duty: Duty, status: int, asked: Round) -> Done:
    last = duties.last_event(asked.context, duty.run_id)
    return Done(duty=duty, status=status if status >= 0 else _SIGNALLED - status, last=last)


def _say(text: str) -> None:
    context.errors().print(Text(context.DISCRETION.text(text)), soft_wrap=True)
