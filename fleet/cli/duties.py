"""What is due in a state directory: runs that can go on, and plan files whose time has come.

Looking changes nothing. Of a run that is over, or that waits, only the first and the last record
are read, however long its journal is.

Errors:  what cannot be read is a :class:`Problem`, and keeps nothing else from being found.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping
from pathlib import Path

from fleet import zones
from fleet.cli import outside
from fleet.cli.context import Context
from fleet.cli.options import Where
from fleet.core import schedules
from fleet.core.schedules import Begun, Standing
from fleet.core.state import RunState
from fleet.engine.history import Tail
from fleet.errors import FleetError, InputError
from fleet.journal import records
from fleet.journal.reader import SqliteReader
from fleet.model.desired import ScheduleRule
from fleet.model.events import Event, RequestRefused, RunCreated, RunFinished, RunTaken, RunWaiting
from fleet.model.plan import RunId
from fleet.model.statuses import RunStatus
from fleet.spec import planfile

_ENDINGS = (".yaml", ".yml")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """A run to go on with, or to begin."""

    run_id: RunId
    why: str
    file: Path | None = None
    """The plan file that it is an occurrence of, where it is to be begun."""
    endpoint: str = ""
    """Where a run that exists began."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """A run that waits, and for which the time has not come."""

    run_id: RunId
    wait: RunWaiting
    now: dt.datetime
    """By its own clock."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled:
    """How a plan file with a schedule stands."""

    file: Path
    standing: Standing
    run_id: RunId | None
    """Of its latest occurrence, begun or not."""
    latest: dt.datetime | None
    upcoming: dt.datetime | None
    """``None``: there is none, or none that is near enough to be looked for."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What could not be looked at."""

    about: str
    error: FleetError


@dataclasses.dataclass(slots=True, kw_only=True)
class Findings:
    """What a look found."""

    duties: list[Duty] = dataclasses.field(default_factory=list)
    idle: list[Idle] = dataclasses.field(default_factory=list)
    scheduled: list[Scheduled] = dataclasses.field(default_factory=list)
    problems: list[Problem] = dataclasses.field(default_factory=list)

    @contextlib.contextmanager
    def noting(self, about: str) -> Iterator[None]:
        """Keep what goes wrong with one thing from keeping the others from being looked at."""
        try:
            yield
        except FleetError as error:
            self.problems.append(Problem(about=about, error=error))


async def look(found: Context, *, directory: Path | None, where: Where) -> Findings:
    """Return what is due now.

    Args:
        found: Where runs are kept.
        directory: Of plan files; ``None``: only runs that exist are looked at.
        where: Of plan files: whose clock says whether their time has come.
    """
    findings, known = Findings(), dict[str, dt.datetime | None]()
    with findings.noting("the state directory"):
        for run_id in reversed(found.store.runs()):
            with findings.noting(f"run {run_id}"):
                await _look_at_run(RunId(run_id), found, known, findings)
    if directory is not None:
        with findings.noting(str(directory)):
            await _look_at_files(directory, where, known, found, findings)
    return findings


def last_event(found: Context, run_id: str) -> Event | None:
    """Return the newest thing that happened to a run; ``None`` where it was never begun."""
    if run_id not in found.store.runs():
        return None
    with contextlib.closing(found.store.read(run_id)) as reader:
        return _last(reader)


def _last(reader: SqliteReader) -> Event | None:
    last = reader.last()
    return None if last is None else records.decode(last.body, seq=last.seq)


# --- runs that exist -----------------------------------------------------------------------


async def _look_at_run(
    run_id: RunId, found: Context, known: dict[str, dt.datetime | None], findings: Findings
) -> None:
    """Add a run to what is *known*, and to the findings where it is not over."""
    with contextlib.closing(found.store.read(run_id)) as reader:
        last = _last(reader)
        if last is None:  # its making was cut short: whoever wants it begins it anew
            return
        known[run_id] = last.at if isinstance(last, RunFinished) else None
        if not isinstance(last, RunFinished) and reader.holder() is None:
            await _look_at_idle(run_id, reader, last, found, findings)


async def _look_at_idle(
    run_id: RunId, reader: SqliteReader, last: Event, found: Context, findings: Findings
) -> None:
    standing = _waiting(reader, last) if isinstance(last, RunWaiting) else _folded(reader)
    now = None
    if standing.wait is not None and standing.wait.due_at is not None:
        state = RunState(header=standing.header, last_at=last.at)
        now = await outside.moment(state, state_dir=found.state_dir)
    why = reason(standing, is_asked=bool(reader.requests()), now=now)
    endpoint = standing.header.endpoint if standing.header else ""
    if why:
        findings.duties.append(Duty(run_id=run_id, why=why, endpoint=endpoint))
    elif standing.wait is not None:
        findings.idle.append(Idle(run_id=run_id, wait=standing.wait, now=now or last.at))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Resting:
    """Where a run stands that nobody carries on."""

    status: RunStatus
    header: RunCreated | None = None
    wait: RunWaiting | None = None
    """What it waits for, if it does."""
    is_stirred: bool = False
    """Whether anything happened since it began to wait, such as somebody's approval."""


def reason(standing: Resting, *, is_asked: bool, now: dt.datetime | None) -> str:
    """Return why a run that nobody carries on can go on now; empty: it cannot.

    Args:
        standing: Where it stands.
        is_asked: Whether somebody asked something of it that nobody has answered.
        now: By its own clock; asked for only where its wait has an end.
    """
    if standing.status.is_terminal:
        return ""
    if is_asked:
        return "somebody asked something of it"
    if standing.status is RunStatus.PAUSED:
        return ""
    wait = standing.wait
    if wait is None:
        return "nobody carries it on"
    if standing.is_stirred:
        return "something happened while it waited"
    if now is None or wait.due_at is None or now < wait.due_at:
        return ""
    is_over = wait.until is not None and wait.until <= now
    return "its wait is over" if is_over else "something is to be measured or looked at"


def _waiting(reader: SqliteReader, last: RunWaiting) -> Resting:
    """Return where a run stands whose last record says that it waits; no more of it is read."""
    first = next((event for _, event in reader.events()), None)
    header = first if isinstance(first, RunCreated) else None
    return Resting(status=RunStatus.WAITING, header=header, wait=last)


def _folded(reader: SqliteReader) -> Resting:
    tail, is_stirred = Tail(reader), False
    for event in tail.catch_up():
        is_stirred = not isinstance(event, RunWaiting) and (
            is_stirred or not isinstance(event, RunTaken | RequestRefused)
        )
    state = tail.state
    return Resting(status=state.status, header=state.header, wait=state.wait, is_stirred=is_stirred)


# --- plan files ----------------------------------------------------------------------------


async def _look_at_files(
    directory: Path,
    where: Where,
    known: Mapping[str, dt.datetime | None],
    found: Context,
    findings: Findings,
) -> None:
    files = [one for path in files_of(directory) for one in _read(path, findings)]
    now, names = None, set[str]()
    for path, rule in files:
        with findings.noting(str(path)):
            _require_name_of_its_own(path, names)
            now = now or await outside.present(where, state_dir=found.state_dir)
            scheduled = _scheduled(path, rule, known, now)
            findings.scheduled.append(scheduled)
            if scheduled.standing is Standing.DUE and scheduled.run_id is not None:
                why = f"its occurrence of {scheduled.latest:%Y-%m-%d %H:%M} UTC has come"
                findings.duties.append(Duty(run_id=scheduled.run_id, why=why, file=path))


def files_of(directory: Path) -> list[Path]:
    """Return the plan files that lie in a directory, in order of their names."""
    if not directory.is_dir():
        message = f"{directory} is no directory"
        hint = "Name one with plan files, or none: then only runs that exist are looked at."
        raise InputError(message, hint=hint)
    try:
        found = sorted(directory.iterdir())
    except OSError as error:
        message = f"the directory {directory} cannot be read: {error.strerror}"
        raise InputError(message) from error
    return [one for one in found if one.suffix in _ENDINGS and not one.name.startswith(".")]


def _read(path: Path, findings: Findings) -> Iterator[tuple[Path, ScheduleRule]]:
    with findings.noting(str(path)):
        rule = planfile.load_rollout(path).schedule
        if rule is not None:
            yield path, rule


def _require_name_of_its_own(path: Path, names: set[str]) -> None:
    """Refuse a file whose runs would be taken for another's; *names* are those that were seen."""
    name = schedules.name_of(path.stem)
    if name in names:
        message = f"the runs of {path} would be called {name}-..., as those of a file before it"
        raise InputError(message, hint="Give the file another name.")
    names.add(name)


def _scheduled(
    path: Path, rule: ScheduleRule, known: Mapping[str, dt.datetime | None], now: dt.datetime
) -> Scheduled:
    occurrences = schedules.runs_of(path.stem, known)
    begun = [Begun(at=at, ended_at=known[run_id]) for run_id, at in occurrences.items()]
    latest = schedules.latest(rule, now, zones=zones.zone)
    return Scheduled(
        file=path,
        standing=schedules.standing(rule, latest=latest, begun=begun, now=now),
        run_id=schedules.run_id_of(path.stem, latest) if latest else None,
        latest=latest,
        upcoming=schedules.upcoming(rule, now, zones=zones.zone),
    )
