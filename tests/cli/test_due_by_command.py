"""``fleet run --due``: what is due is done, and nothing else. The world's clock tells the time."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path

from fleet.engine import clock
from fleet.model.events import RunStarted
from fleet.sim import opening
from tests.rig import commands, races, schedule, terminals
from tests.rig.commands import Ended, Shell, living, until
from tests.rig.schedule import IN_TIME, RUN
from tests.rig.terminals import Terminal

DUE = ("run", "--due")


def done(ended: Ended) -> list[tuple[str, str, int]]:
    return [(one["runId"], one["status"], one["exitStatus"]) for one in ended.json["runs"]]


def test_an_occurrence_is_begun_once_by_whoever_said_yes_and_a_bad_file_keeps_it_from_nothing(
    tmp_path: Path,
) -> None:
    shell = schedule.shell_at(tmp_path, IN_TIME)
    folder = schedule.plan_file(tmp_path, "osm-monthly")
    commands.written(folder / "a-bad-one.yaml", "kind: [")
    commands.written(folder / "osm-monthly.yml", (folder / "osm-monthly.yaml").read_text())
    commands.written(folder / "unscheduled.yaml", commands.plan("pin").read_text())
    commands.written(folder / "notes.txt", "no plan file")

    refused, first, again, known = shell.many(
        (*DUE, folder, "--json"),
        (*DUE, folder, "--yes", "--json"),
        (*DUE, folder, "--yes"),
        ("runs", "-o", "name"),
    )

    assert f"{RUN} is due, nobody can be asked here, and nobody said yes" in refused.must(3).stderr
    assert done(refused) == []
    assert done(first.must(2)) == [(RUN, "Succeeded", 0)]
    assert first.json["schedules"] == [
        {
            "file": str(folder / "osm-monthly.yaml"),
            "runId": RUN,
            "standing": "begun",
            "latest": "2026-12-02T01:00:00.000000Z",
            "upcoming": "2027-01-02T01:00:00.000000Z",
        }
    ]
    bad, twin = first.json["problems"]
    assert (bad["about"], bad["code"]) == (str(folder / "a-bad-one.yaml"), "F100")
    assert "a-bad-one.yaml:1:8" in bad["message"]
    assert "would be called osm-monthly-..." in twin["message"]
    assert bad["message"] in first.stderr
    assert again.must(2).stdout == ""
    assert "Nothing is due.\nosm-monthly.yaml comes at 2027-01-02 01:00 UTC\n" in again.stderr
    assert known.stdout == f"{RUN}\n"


def test_what_has_nothing_to_do_says_so_and_is_not_planned_again(tmp_path: Path) -> None:
    shell = schedule.shell_at(tmp_path, IN_TIME)
    folder = schedule.plan_file(tmp_path, "osm-monthly")

    _, first, again, log = shell.many(
        ("run", folder / "osm-monthly.yaml", "--yes", "--run-id", "before"),
        (*DUE, folder, "--yes", "--json"),
        (*DUE, folder, "--yes"),
        ("log", RUN),
    )

    assert f"{RUN}: No changes: nothing to do." in first.must(0).stderr
    assert done(first) == [(RUN, "Succeeded", 0)]
    assert (again.must(0).stdout, log.must(0).stdout.count("\n")) == ("", 6)
    assert "run Succeeded: nothing to do ()" in log.stdout


def test_of_two_that_look_at_once_one_begins_the_occurrence_and_both_are_well(
    tmp_path: Path,
) -> None:
    shell = schedule.shell_at(tmp_path, IN_TIME, world="lively")
    folder = schedule.plan_file(tmp_path, "osm-monthly")

    with races.race(shell, [(*DUE, folder, "--yes")] * 2) as race:
        race.begin()
        both = [one.end() for one in race.runners]

    assert [one.must(0).status for one in both] == [0, 0]
    found = kinds(shell)
    assert [found[f"run.{one}"] for one in ("created", "taken", "finished")] == [1, 1, 1]


def test_what_one_timer_leaves_the_next_goes_on_with_and_what_lives_is_left_alone(
    tmp_path: Path,
) -> None:
    """Told to end, then killed: first the one that looks alone, then the run's own process."""
    shell = schedule.shell_at(tmp_path, IN_TIME, world="lively", scale=60)
    folder = schedule.plan_file(tmp_path, "osm-monthly")
    with living(shell, *DUE, folder, "--yes", "--json") as first:
        first.wait_for("wave rest  opened")
        first.send(signal.SIGTERM)
        left = first.end().must(6)
    with living(shell, *DUE) as second:
        until(lambda: schedule.runner(shell) is not None, what="its run's own process")
        second.process.kill()
        second.process.wait()
    beside = shell(*DUE)
    pid = schedule.runner(shell)
    assert pid is not None, "it has ended before it could be killed"
    os.kill(pid, signal.SIGKILL)
    until(lambda: schedule.runner(shell) is None, what="its end")
    last = shell(*DUE, "--json")

    assert done(left) == [(RUN, "left", 6)]
    assert "Nothing is due." in beside.must(0).stderr
    assert done(last.must(0)) == [(RUN, "Succeeded", 0)]
    assert last.json["runs"][0]["why"] == "nobody carries it on"
    assert kinds(shell)["run.taken"] == 3


def kinds(shell: Shell) -> Counter[str]:
    """Return how often what happened to the run."""
    return Counter(one.kind for one in schedule.events(shell))


def test_a_run_that_is_paused_waits_for_a_person_and_one_that_was_resumed_goes_on_where_it_began(
    tmp_path: Path,
) -> None:
    bad = "overrides: [{cluster: store-0003-a, faults: {operationFails: 100}}]\n"
    own = schedule.shell_at(tmp_path, IN_TIME, more=bad)
    text = commands.plan("pin").read_text().replace("100%", "0\n    onBreach: pause")
    careful = commands.written(tmp_path / "careful.yaml", text)
    # Whatever world is meant later: the run belongs to its own.
    shell = Shell(root=tmp_path, world=commands.world("calm"))

    _, paused, _, resumed = shell.many(
        ("run", careful, "--yes", "--run-id", "r1", "--world", str(own.world)),
        (*DUE, "--json"),
        ("resume", "r1", "--reason", "looked at"),
        (*DUE, "--json"),
    )

    assert done(paused.must(0)) == []
    assert done(resumed.must(1)) == [("r1", "SucceededWithFailures", 1)]


def test_a_run_that_waits_for_hours_is_left_and_the_timer_takes_it_up_when_its_time_has_come(
    tmp_path: Path,
) -> None:
    lively = schedule.shell_at(tmp_path, IN_TIME, world="lively").with_(TZ="Europe/Berlin")
    text = commands.plan("pin").read_text() + f"  notBefore: {LATER}\n"
    file = commands.written(tmp_path / "later.yaml", text)
    still = commands.written(
        tmp_path / "still.yaml", commands.world("calm").read_text() + f"epoch: {IN_TIME}\n"
    )

    left, again, early, there = lively.many(
        ("run", file, "--yes", "--run-id", "r1", "--no-wait"),
        ("run", "--run-id", "r1", "--no-wait", "--waiting-ok", "--json"),
        DUE,
        ("run", file, "--yes", "--run-id", "r2", "--world", still),
    )
    until(lambda: world_time(lively) >= LATER, what="its time", every_s=0.2)
    ended = lively(*DUE, "--json")

    assert (
        "run r1 waits until 2026-12-02 02:05 UTC (2026-12-02 03:05 CET here): "
        "wave canary is not to open earlier\n"
        "hint: then fleet run --run-id r1 carries on, or fleet run --due.\n"
    ) in left.must(6).stderr
    assert again.must(0).json["wait"]["until"] == "2026-12-02T02:05:00.000000Z"
    assert early.must(0).stderr.startswith(
        "Nothing is due.\nrun r1 waits until 2026-12-02 02:05 UTC (in "
    )
    assert there.must(0).stderr.count("waits until 2026-12-02 02:05 UTC") == 1
    assert done(ended.must(0)) == [("r1", "Succeeded", 0)]
    assert ended.json["runs"][0]["why"] == "its wait is over"


LATER = "2026-12-02T02:05:00Z"


def world_time(shell: Shell) -> str:
    """Return what the world's clock shows."""
    assert shell.world is not None
    with opening.opened(shell.world, state_dir=shell.state_dir, wall=clock.wall()) as found:
        return found.base_at.isoformat().replace("+00:00", "Z")


def test_what_says_nothing_of_runs_that_are_looked_for_is_refused(tmp_path: Path) -> None:
    shell = schedule.shell_at(tmp_path, IN_TIME)

    *refused, nowhere, empty, named = shell.many(
        (*DUE, "--run-id", "r1"),
        (*DUE, "--after", "r1"),
        (*DUE, "--queue"),
        (*DUE, tmp_path / "nowhere"),
        DUE,
        (*DUE, "-o", "name"),
    )

    for one in refused:
        assert "--due and --" in one.must(2).stderr
    assert "nowhere is no directory" in nowhere.must(2).stderr
    assert (empty.must(0).stdout, empty.stderr) == ("", "Nothing is due.\n")
    assert (named.must(0).stdout, named.stderr) == ("", "Nothing is due.\n")


def test_a_person_at_a_terminal_is_asked_about_each(tmp_path: Path) -> None:
    shell = schedule.shell_at(tmp_path, IN_TIME)
    folder = schedule.plan_file(tmp_path, "osm-monthly")
    term = Terminal(shell, *DUE, folder, columns=120)
    try:
        term.wait_for("Only 'yes' is taken: ")
        term.type("yes\n")
        ended = term.end().must(0)
    finally:
        term.close()

    shown = terminals.plain(ended.stdout)
    assert f"{RUN}: its occurrence of 2026-12-02 01:00 UTC has come" in shown
    assert f"Change 12 clusters, as run {RUN}?" in shown
    (started,) = (one for one in schedule.events(shell) if isinstance(one, RunStarted))
    assert started.consent == "prompt"
