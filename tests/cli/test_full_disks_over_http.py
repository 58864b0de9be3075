"""From some request on the disk is full, or a file may not grow: nothing is sent blindly.

The request that is named has just arrived; what its answer leads to is the first that cannot be
written down.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rig import disks, lives, serving, trouble
from tests.rig.commands import Ended, Living
from tests.rig.lives import RUN, Fleet

SCALE = 1800
CLUSTERS = 2
PLAN = """\
apiVersion: fleet/v1
kind: Rollout
metadata: {name: full, owner: mesh-sre@contoso.example, change: CHG1}
spec:
  targets: {tenant: true}
  extension: {profile: osm, version: 1.2.6}
  strategy:
    maxConcurrency: 1
    startDeadline: 29d
    progressDeadline: 29d
    maxFailures: 100%
    waves:
      - {name: canary, size: 1, soakTime: 5m}
      - {name: rest, size: rest}
"""
EXTENSION = r"/extensions/osm\?"
MOMENTS = {
    # What may not be written: the intent, the acceptance, the end, the proof; and in the next wave.
    "checking": ("GET", EXTENSION, 1),
    "writing": ("PATCH", EXTENSION, 1),
    "following": ("GET", "/operations/", 1),
    "proving": ("GET", EXTENSION, 2),
    "writing again": ("PATCH", EXTENSION, 2),
}
SENT = {"checking": 0, "writing": 1, "following": 1, "proving": 1, "writing again": 2}
"""Writes that the service may have heard by then: none after the disk was full."""

Spoil = Callable[[Fleet, Living], None]


def opened(root: Path, plan: str = PLAN) -> contextlib.AbstractContextManager[Fleet]:
    recipe = dataclasses.replace(
        serving.CALM,
        cluster_count=CLUSTERS,
        subscription_count=1,
        distributions={"rancher_rke": 1, "aks": 1},
    )
    return lives.fleet(root, recipe, plan, scale=SCALE)


def fill(one: Fleet, _: Living) -> None:
    disks.fill(one.shell.state_dir)


def limit(one: Fleet, process: Living) -> None:
    wal = journal(one).with_name("journal.db-wal")
    disks.limit_files(process.pid, wal.stat().st_size)


def journal(one: Fleet) -> Path:
    return one.shell.state_dir / "runs" / RUN / "journal.db"


def spoiled(one: Fleet, moment: str, spoil: Spoil) -> Ended:
    """Begin the run, and spoil its disk when the request of *moment* has arrived."""
    methods, path, nth = MOMENTS[moment]
    with one.running() as process:
        meanwhile = trouble.passing(lambda: spoil(one, process))
        rule = one.proxy.on(methods, path, meanwhile, nth=nth, count=1)
        ended = process.end(limit_s=lives.LIMIT_S)
    one.proxy.clear()
    assert rule.met == 1, ended.stderr
    return ended


def events(one: Fleet, *kinds: str) -> list[dict[str, Any]]:
    lines = one.shell("log", RUN, "--json").must(0).stdout.splitlines()
    return [found for found in map(json.loads, lines) if found["kind"] in kinds]


def check(one: Fleet, moment: str, ended: Ended, *, said: str) -> None:
    """Assert that the runner told what is wrong, and that nothing was sent that is not known."""
    journals = f"the journal of run {RUN} cannot be written: {said}" in ended.must(5).stderr
    # NB: every few minutes of theirs the run says that it still wants its locks: on the same disk.
    locks = f"the locks of the runs cannot be used: {said}" in ended.stderr
    assert journals or locks, ended.stderr
    if journals:
        assert str(journal(one)) in ended.stderr
        assert f"fleet run --run-id {RUN}" in ended.stderr
    assert ended.stdout == ""
    heard = [each.call.client_request_id for each in one.served.plane.azure.world.hearings]
    assert len(heard) == SENT[moment]
    intended = {each["clientRequestId"] for each in events(one, "step.intended")}
    assert set(heard) <= intended, "sent before it was written down"


def finish(one: Fleet) -> None:
    """Take the run over, and assert that it ends as if nothing had been."""
    told = (("run", *one.where), ("verify", RUN, "--json"))
    ended, verified = one.shell.many(*told, limit_s=lives.LIMIT_S)
    assert ended.must(0).json["counts"] == {"Succeeded": CLUSTERS}
    assert verified.must(0).json["isComplete"]
    assert set(one.changes().values()) == {1}, "applied twice"
    assert set(one.hearings_by_request().values()) == {1}, "sent twice"


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_disk_that_gets_full_ends_the_runner_and_the_run_goes_on_when_there_is_room(
    tmp_path: Path, moment: str
) -> None:
    with opened(tmp_path) as one, disks.small(one.shell.state_dir, "1m"):
        ended = spoiled(one, moment, fill)

        check(one, moment, ended, said="the disk is full (SQLITE_FULL)")
        (one.shell.state_dir / "filler").unlink()
        finish(one)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_file_that_may_not_grow_ends_the_runner_and_the_run_goes_on_without_the_limit(
    tmp_path: Path, moment: str
) -> None:
    with opened(tmp_path) as one:
        ended = spoiled(one, moment, limit)

        check(one, moment, ended, said="the disk refused a read or a write (SQLITE_IOERR_WRITE)")
        finish(one)


def test_as_long_as_the_disk_is_full_the_run_can_be_looked_at_and_nothing_else(
    tmp_path: Path,
) -> None:
    with opened(tmp_path) as one, disks.small(one.shell.state_dir, "1m"):
        spoiled(one, "writing", fill).must(5)
        looking = (("status", RUN), ("log", RUN), ("verify", RUN), ("runs",))
        wanting = (("run", "--run-id", RUN), ("pause", RUN), ("stop", RUN))

        for ended in one.shell.many(*looking):
            ended.must(0)
        for args in wanting:
            disks.fill(one.shell.state_dir)  # what a process that ends cleans up is room
            ended = one.shell(*args).must(5)
            # Where there is no room for what readers share, SQLite cannot tell why.
            assert "the disk is full" in ended.stderr or "the disk refused" in ended.stderr
            assert str(one.shell.state_dir) in ended.stderr

        assert len(one.served.plane.azure.world.hearings) == 1
        (one.shell.state_dir / "filler").unlink()
        finish(one)


@contextlib.contextmanager
def soaking(one: Fleet) -> Iterator[Living]:
    with one.running() as process:
        process.wait_for("soaking until")
        yield process


def test_a_request_that_cannot_be_written_down_is_refused_and_may_be_asked_again(
    tmp_path: Path,
) -> None:
    """The limit is that of who asks; the runner has room, and lives on."""
    plan = PLAN.replace("soakTime: 5m", "soakTime: 9d")
    asked = ("pause", RUN, "--reason", "lunch", "--request-id", "p1")
    with opened(tmp_path, plan) as one, soaking(one) as runner:
        wal_bytes = journal(one).with_name("journal.db-wal").stat().st_size

        def limited() -> None:
            disks.limit_files(os.getpid(), wal_bytes)

        refused = one.shell(*asked, before=limited).must(5)
        assert f"the journal of run {RUN} cannot be written: the disk refused" in refused.stderr
        assert events(one, "run.pausing") == []

        one.shell(*asked).must(0)
        one.shell("resume", RUN).must(0)
        one.shell("skip", RUN, "--soak", "--reason", "enough").must(0)
        assert runner.end().must(0).json["counts"] == {"Succeeded": CLUSTERS}
        assert [each["reason"] for each in events(one, "run.pausing")] == ["lunch"]
        one.shell("verify", RUN).must(0)
