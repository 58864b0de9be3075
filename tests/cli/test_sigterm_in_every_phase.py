"""SIGTERM, as a supervisor sends it, in every phase of a run over HTTP: the next runner finishes.

What a runner was doing is told by the request that has just arrived from it, or by what it said.
"""

from __future__ import annotations

import contextlib
import dataclasses
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from fleet.sim.faultfile import FaultFile
from fleet.sim.recipe import Recipe
from fleet.sim.script import Script
from tests.rig import lives, serving, trouble
from tests.rig.commands import Ended, Living, until
from tests.rig.lives import RUN, Fleet
from tests.rig.terminals import Terminal

SCALE = 1800
CLUSTERS = 2
"""Each needs two steps: its settings, then the version."""
PLAN = """\
apiVersion: fleet/v1
kind: Rollout
metadata: {name: told, owner: mesh-sre@contoso.example, change: CHG1}
spec:
  targets: {tenant: true}
  extension:
    profile: osm
    version: 1.2.6
    settings: {osm.osm.osmController.resource.limits.cpu: 2000m}
  strategy:
    maxConcurrency: 1
    # Deadlines are for other tests: between two runners hours of this fleet pass.
    startDeadline: 9d
    progressDeadline: 9d
    maxFailures: 100%
    waves:
      - {name: canary, size: 1, soakTime: 5m}
      - {name: rest, size: rest}
"""
EXTENSION = r"/extensions/osm\?"

KILLED = -15
"""Nothing has begun, and there is nobody to tell: the signal ends the process itself."""
LEFT = 6
"""The run goes on later."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """What a runner is doing when its n-th request of a kind arrives."""

    methods: str
    path: str
    status: int
    nth: int = 1


PHASES: Mapping[str, Phase] = {
    "asking for the time": Phase(methods="GET", path="/metadata/simulation", status=KILLED),
    "logging in": Phase(methods="POST", path="/oauth2/", status=KILLED),
    "discovering": Phase(methods="POST", path="ResourceGraph", status=KILLED),
    "planning": Phase(methods="GET", path="/extensionTypes/", status=KILLED),
    "planning, at its end": Phase(methods="POST", path="ResourceGraph", nth=5, status=KILLED),
    "checking": Phase(methods="GET", path=EXTENSION, status=LEFT),
    "writing": Phase(methods="PATCH", path=EXTENSION, status=LEFT),
    "following": Phase(methods="GET", path="/operations/", status=LEFT),
    "proving": Phase(methods="GET", path=EXTENSION, nth=2, status=LEFT),
    "checking a second step": Phase(methods="GET", path=EXTENSION, nth=3, status=LEFT),
    "writing a second step": Phase(methods="PATCH", path=EXTENSION, nth=2, status=LEFT),
    "following the last": Phase(methods="GET", path="/operations/", nth=4, status=LEFT),
    "looking whether it is there": Phase(
        methods="GET", path=r"connectedClusters/[^/?]+\?", status=LEFT
    ),
}


def recipe(**more: Any) -> Recipe:
    return dataclasses.replace(
        serving.NAMED,
        cluster_count=CLUSTERS,
        subscription_count=1,
        distributions={"rancher_rke": 1, "aks": 1},
        **more,
    )


def scripted(**rule: Any) -> Script:
    """Return what happens to the first write."""
    first = {"on": ["extension"], "methods": ["PATCH"], "last": 1}
    written = {"apiVersion": "fleet/v1", "kind": "Faults", "rules": [{**first, **rule}]}
    return FaultFile.model_validate(written).script()


def slow() -> Script:
    """Let the first operation take two seconds of ours: time to say something meanwhile."""
    return scripted(fault="offlineMidway", seconds=2 * SCALE)


@contextlib.contextmanager
def opened(root: Path, plan: str = PLAN, **more: Any) -> Iterator[Fleet]:
    with lives.fleet(root, recipe(**more), plan, scale=SCALE) as one:
        yield one


def finish(one: Fleet, status: int = 0) -> Any:
    """Take the run over, carry it to its end, and assert what holds whoever was told to end."""
    told = (("run", *one.where), ("verify", RUN, "--json"))
    ended, verified = one.shell.many(*told, limit_s=lives.LIMIT_S)
    document = ended.must(status).json
    found = verified.must(0).json
    assert (found["isComplete"], found["status"]) == (True, document["status"])
    assert set(one.effects_by_step().values()) <= {1}, "applied twice"
    assert set(one.hearings_by_request().values()) <= {1}, "sent twice"
    return document


def told_to_end(one: Fleet, phase: Phase) -> Ended:
    """Begin the run, and send SIGTERM when *phase* has come."""
    with one.running() as process:
        meanwhile = trouble.passing(lambda: process.send(signal.SIGTERM))
        rule = one.proxy.on(phase.methods, phase.path, meanwhile, nth=phase.nth, count=1)
        ended = process.end()
    one.proxy.clear()
    assert rule.met == 1
    return ended


@pytest.mark.parametrize("name", PHASES)
def test_whatever_a_runner_does_when_it_is_told_to_end_the_next_one_finishes(
    tmp_path: Path, name: str
) -> None:
    with opened(tmp_path) as one:
        ended = told_to_end(one, PHASES[name]).must(PHASES[name].status)

        if ended.status == LEFT:
            assert ended.json["status"] == "Running"
            assert f"fleet run --run-id {RUN}" in ended.stderr
        else:
            assert one.shell("runs", "--json").must(0).json == []
        assert finish(one)["counts"] == {"Succeeded": CLUSTERS}
        # Two steps each: none was left out, and none was done again.
        assert set(one.changes().values()) == {2}


def test_at_the_question_nothing_has_begun(tmp_path: Path) -> None:
    with opened(tmp_path) as one:
        args = ("run", one.plan, "--run-id", RUN, "--endpoint", one.proxy.url)
        term = Terminal(one.shell, *args, columns=100)
        with contextlib.closing(term):
            term.wait_for("Only 'yes' is taken: ")
            term.process.send_signal(signal.SIGTERM)
            term.end().must(KILLED)

        assert one.shell("runs", "--json").must(0).json == []
        assert one.changes() == {}
        assert finish(one)["counts"] == {"Succeeded": CLUSTERS}


def test_when_a_journal_has_just_been_made(tmp_path: Path) -> None:
    journal = tmp_path / "state" / "runs" / RUN / "journal.db"
    with opened(tmp_path) as one:
        with one.running() as process:
            until(journal.exists, what="a journal", every_s=0.001)
            process.send(signal.SIGTERM)
            ended = process.end()

        assert ended.must(ended.status).status in (KILLED, LEFT)
        assert finish(one)["counts"] == {"Succeeded": CLUSTERS}


def said(one: Fleet, text: str) -> Ended:
    """Begin the run, and send SIGTERM when it has said *text*."""
    with one.running() as process:
        process.wait_for(text)
        process.send(signal.SIGTERM)
        return process.end()


def test_while_a_wave_soaks(tmp_path: Path) -> None:
    with opened(tmp_path, PLAN.replace("5m", "1h")) as one:
        left = said(one, "soaking until").must(LEFT).json

        assert left["counts"] == {"Pending": 1, "Succeeded": 1}
        assert finish(one)["counts"] == {"Succeeded": CLUSTERS}


def test_while_the_service_wants_no_requests(tmp_path: Path) -> None:
    script = scripted(fault="throttled", retryAfterSeconds=2 * SCALE)
    with opened(tmp_path, script=script) as one:
        left = said(one, "waits (throttled)").must(LEFT).json

        assert left["status"] == "Running"
        assert one.changes() == {}
        assert finish(one)["counts"] == {"Succeeded": CLUSTERS}


def test_while_a_breach_keeps_the_run_paused(tmp_path: Path) -> None:
    plan = PLAN.replace("maxFailures: 100%", "maxFailures: 0\n    onBreach: pause")
    script = scripted(fault="operationFails")
    with opened(tmp_path, plan, script=script) as one:
        left = said(one, "run paused").must(LEFT)

        assert left.json["status"] == "Paused"
        assert f"fleet resume {RUN}" in left.stderr
        one.shell("run", *one.where, "--no-wait").must(LEFT)
        one.shell("resume", RUN, "--reason", "seen").must(0)
        assert finish(one, 1)["counts"] == {"Failed": 1, "Succeeded": 1}


def interrupted(process: Living, *, times: int) -> None:
    """Press Ctrl-C: once pauses the run, twice stops it."""
    process.wait_for("wave canary  opened")
    process.send(signal.SIGINT)
    process.wait_for("pausing by")
    if times == 2:
        process.send(signal.SIGINT)
        process.wait_for("stopping by")


@pytest.mark.parametrize(("times", "status"), [(1, "Pausing"), (2, "Stopping")])
def test_while_what_is_in_flight_finishes(tmp_path: Path, times: int, status: str) -> None:
    with opened(tmp_path, script=slow()) as one:
        with one.running() as process:
            until(lambda: bool(one.changes()), what="a write")
            interrupted(process, times=times)
            process.send(signal.SIGTERM)
            left = process.end().must(LEFT)

        assert left.json["status"] == status
        if status == "Stopping":
            document = finish(one, 7)
            assert document["status"] == "Stopped"
            assert document["counts"] == {"Pending": 1, "Succeeded": 1}
        else:
            paused = one.shell("run", *one.where, "--no-wait").must(LEFT).json
            assert paused["status"] == "Paused"
            one.shell("resume", RUN).must(0)
            assert finish(one)["counts"] == {"Succeeded": CLUSTERS}


RETURN = (
    PLAN.replace("    version: 1.2.6\n", "")
    .replace("osm.osm.osmController.resource.limits.cpu: 2000m", "osm.osm.meshName: two")
    .replace(
        "maxFailures: 100%", "maxFailures: 0\n    onBreach: rollback\n    rollback: {scope: run}"
    )
)


@pytest.mark.parametrize("nth", [1, 2])
def test_while_what_was_changed_is_taken_back(tmp_path: Path, nth: int) -> None:
    if not lives.is_offered(RETURN, tmp_path):
        pytest.skip("this release takes nothing back by itself")
    script = scripted(fault="operationFails", cluster="store-0001-b")
    # Two writes go forward; those that follow go back.
    phase = Phase(methods="PATCH", path=EXTENSION, nth=CLUSTERS + nth, status=LEFT)
    with opened(tmp_path, RETURN, script=script) as one:
        left = told_to_end(one, phase).must(LEFT)

        assert left.json["status"] == "RollingBack"
        assert finish(one, 1)["counts"] == {"RolledBack": CLUSTERS}
        assert set(one.changes().values()) == {2}


def test_told_twice_is_told_once(tmp_path: Path) -> None:
    with opened(tmp_path, script=slow()) as one:
        with one.running() as process:
            until(lambda: bool(one.changes()), what="a write")
            process.send(signal.SIGTERM)
            process.send(signal.SIGTERM)
            left = process.end().must(LEFT).json

        assert left["counts"] == {"InProgress": 1, "Pending": 1}
        assert finish(one)["counts"] == {"Succeeded": CLUSTERS}
