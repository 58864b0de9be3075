"""What a look at a state directory finds, without starting anything."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime as dt
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.cli import duties
from fleet.cli.context import Context
from fleet.cli.duties import Findings, Resting
from fleet.cli.options import Where
from fleet.core.schedules import Standing
from fleet.journal import layout
from fleet.model import events as e
from fleet.model.events import Event
from fleet.model.statuses import RunStatus, WaitCause
from fleet.ports import Batch, Request
from tests.rig import commands, fleets, schedule
from tests.rig.fleets import ALICE

NOW = dt.datetime(2026, 12, 2, 1, 5, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def wait(
    until: dt.datetime | None,
    cause: WaitCause = WaitCause.NOT_BEFORE,
    look_at: dt.datetime | None = None,
) -> e.RunWaiting:
    return e.RunWaiting(
        at=NOW - HOUR, cause=cause, wave=0, until=until, detail="why", look_at=look_at
    )


# --- a run that nobody carries on ----------------------------------------------------------


@pytest.mark.parametrize(
    ("standing", "is_asked", "why"),
    [
        pytest.param(Resting(status=RunStatus.RUNNING), False, "nobody carries it on", id="left"),
        pytest.param(Resting(status=RunStatus.STOPPING), False, "nobody carries it on", id="stop"),
        pytest.param(Resting(status=RunStatus.STOPPED), True, "", id="over"),
        pytest.param(Resting(status=RunStatus.PAUSED), False, "", id="paused"),
        pytest.param(
            Resting(status=RunStatus.PAUSED), True, "somebody asked something of it", id="asked"
        ),
        pytest.param(
            Resting(status=RunStatus.WAITING, wait=wait(NOW)),
            False,
            "its wait is over",
            id="it is over",
        ),
        pytest.param(
            Resting(status=RunStatus.WAITING, wait=wait(NOW + HOUR)), False, "", id="waits"
        ),
        pytest.param(
            Resting(status=RunStatus.WAITING, wait=wait(NOW + HOUR), is_stirred=True),
            False,
            "something happened while it waited",
            id="stirred",
        ),
        pytest.param(
            Resting(status=RunStatus.WAITING, wait=wait(None, WaitCause.APPROVAL)),
            False,
            "",
            id="waits for a person",
        ),
        pytest.param(
            Resting(status=RunStatus.WAITING, wait=wait(NOW + HOUR, WaitCause.GATE, NOW)),
            False,
            "something is to be measured or looked at",
            id="waits for measurements",
        ),
    ],
)
def test_a_run_that_nobody_carries_on_goes_on_when_something_can_have_changed(
    standing: Resting, is_asked: bool, why: str
) -> None:
    assert duties.reason(standing, is_asked=is_asked, now=NOW) == why


# --- a state directory ---------------------------------------------------------------------


@pytest.fixture
def found(tmp_path: Path) -> Context:
    """A state directory beside a world whose clock shows NOW."""
    text = commands.world("calm").read_text()
    commands.written(tmp_path / "world.yaml", f"{text}epoch: {schedule.IN_TIME}\n")
    return Context(state_dir=tmp_path / "state")


def begun(found: Context, run_id: str, *more: Event) -> None:
    """Write the journal of a run that ends in *more*."""
    endpoint = f"world:{found.state_dir.parent / 'world.yaml'}"
    first = [
        dataclasses.replace(one, endpoint=endpoint) if isinstance(one, e.RunCreated) else one
        for one in fleets.opening(fleets.plan([fleets.wave(1)]))
    ]

    async def write() -> None:
        async with found.store.hold(run_id, actor=ALICE, create=True) as journal:
            await journal.append(Batch(events=[*first, *more]))

    asyncio.run(write())


def look(found: Context, directory: Path | None = None) -> Findings:
    where = Where(world=found.state_dir.parent / "world.yaml")
    return asyncio.run(duties.look(found, directory=directory, where=where))


TAKEN = e.RunTaken(at=NOW, actor=ALICE, release="0")
FINISHED = e.RunFinished(at=NOW, status=RunStatus.STOPPED, reason="", counts={})


@pytest.mark.parametrize(
    ("last", "why"),
    [
        pytest.param([], "nobody carries it on", id="its runner died"),
        pytest.param([wait(NOW)], "its wait is over", id="its wait is over"),
        pytest.param([wait(NOW), TAKEN], "its wait is over", id="and somebody was there since"),
    ],
)
def test_finds_the_runs_that_can_go_on(found: Context, last: list[Event], why: str) -> None:
    begun(found, "r1", *last)

    findings = look(found)

    assert [(one.run_id, one.why, one.file) for one in findings.duties] == [("r1", why, None)]
    assert (findings.idle, findings.problems) == ([], [])


@pytest.mark.parametrize("after", [[], [TAKEN]], ids=["at once", "after somebody was there"])
def test_leaves_those_alone_whose_time_has_not_come_and_says_when_it_does(
    found: Context, after: list[Event]
) -> None:
    later = wait(NOW + HOUR)
    begun(found, "r1", later, *after)
    begun(found, "r2", e.RunStopping(at=NOW, actor=ALICE, reason="", request_id="q"), FINISHED)

    findings = look(found)

    assert findings.duties == []
    assert [(one.run_id, one.wait, one.now) for one in findings.idle] == [("r1", later, NOW)]


def test_a_request_that_nobody_answered_is_a_reason_to_go_on(found: Context) -> None:
    begun(found, "r1", wait(None, WaitCause.APPROVAL))
    assert look(found).duties == []
    found.store.ask("r1", Request(id="q", kind="pause", actor=ALICE, reason="", at=NOW))

    (duty,) = look(found).duties

    assert (duty.run_id, duty.why) == ("r1", "somebody asked something of it")


@contextlib.contextmanager
def held(found: Context, run_id: str) -> Iterator[None]:
    """Hold a run as a living process does."""

    async def hold() -> contextlib.AsyncExitStack:
        stack = contextlib.AsyncExitStack()
        await stack.enter_async_context(found.store.hold(run_id, actor=ALICE))
        return stack

    with asyncio.Runner() as loop:
        stack = loop.run(hold())
        yield
        loop.run(stack.aclose())


def test_what_somebody_carries_on_is_left_alone(found: Context) -> None:
    begun(found, "r1")

    with held(found, "r1"):
        assert look(found) == Findings()


def test_a_journal_that_cannot_be_read_is_told_of_and_hides_no_other(found: Context) -> None:
    begun(found, "r1")
    begun(found, "r2")
    layout.folder(found.state_dir, "r1").journal.write_bytes(b"no database" * 100)

    findings = look(found)

    assert [one.run_id for one in findings.duties] == ["r2"]
    assert [one.about for one in findings.problems] == ["run r1"]
    assert findings.problems[0].error.exit_status == 5


# --- plan files ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "last", "standing"),
    [
        pytest.param(schedule.MONTHLY, None, Standing.DUE, id="its time has come"),
        pytest.param(schedule.MONTHLY, [FINISHED], Standing.BEGUN, id="it has a run"),
        pytest.param(
            '{cron: "0 20 1 12 *", zone: UTC, within: 4h}', None, Standing.MISSED, id="missed"
        ),
        pytest.param(
            "{rrule: FREQ=DAILY, starts: 2026-12-03T02:00, zone: UTC, within: 4h}",
            None,
            Standing.NONE_YET,
            id="it has not begun",
        ),
    ],
)
def test_a_plan_file_stands_as_its_schedule_and_its_runs_say(
    found: Context, tmp_path: Path, keys: str, last: list[Event] | None, standing: Standing
) -> None:
    folder = schedule.plan_file(tmp_path, "osm-monthly", keys)
    if last is not None:
        begun(found, schedule.RUN, *last)

    findings = look(found, folder)

    (scheduled,) = findings.scheduled
    assert scheduled.standing is standing
    assert [one.run_id for one in findings.duties] == (
        [schedule.RUN] if standing is Standing.DUE else []
    )


def test_a_run_whose_making_was_cut_short_is_begun_anew(found: Context, tmp_path: Path) -> None:
    folder = schedule.plan_file(tmp_path, "osm-monthly")

    async def cut_short() -> None:
        async with found.store.hold(schedule.RUN, actor=ALICE, create=True):
            pass

    asyncio.run(cut_short())

    (duty,) = look(found, folder).duties

    assert (duty.run_id, duty.file) == (schedule.RUN, folder / "osm-monthly.yaml")


def test_a_directory_that_is_not_there_is_told_of_and_runs_go_on(
    found: Context, tmp_path: Path
) -> None:
    begun(found, "r1")
    nowhere = tmp_path / "nowhere"

    findings = look(found, nowhere)

    assert [one.run_id for one in findings.duties] == ["r1"]
    assert [one.error.message for one in findings.problems] == [f"{nowhere} is no directory"]


# --- what a run's own process is told ------------------------------------------------------


def test_each_flag_of_the_service_is_told_by_the_variable_that_stands_for_it() -> None:
    hints = inspect.get_annotations(Where, eval_str=True)
    known = {name: hint.__metadata__[0].envvar for name, hint in hints.items()}

    assert known == {name: f"FLEET_{name.upper()}" for name in known}


def test_what_is_told_of_the_service_means_the_same_there() -> None:
    where = Where(
        endpoint="http://127.0.0.1:1",
        credential=["workload", "managed"],
        proxy="http://me:secret@proxy:3128",
        max_connections=7,
    )

    told = where.variables

    assert told == {
        "FLEET_ENDPOINT": "http://127.0.0.1:1",
        "FLEET_CREDENTIAL": "workload,managed",
        "FLEET_PROXY": "http://me:secret@proxy:3128",
        "FLEET_MAX_CONNECTIONS": "7",
        "FLEET_CONNECT_TIMEOUT": "10",
        "FLEET_REQUEST_TIMEOUT": "90",
    }
    again = Where(credential=[told["FLEET_CREDENTIAL"]])
    assert again.credentials == where.credentials
