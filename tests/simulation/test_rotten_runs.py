"""Whole runs, of which the answers to one type of request are rotten: they end, and tell the truth.

The service is made by hand here, a few lines that know what is really
installed. Its word reaches the real engine through the real client, on virtual
time, after it was rotted.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies as st

from fleet.core.state import RunState
from fleet.engine import virtual
from fleet.journal.memory import MemoryStore
from fleet.model.events import Event
from fleet.model.statuses import Result, RunStatus
from tests.rig import rollouts, runs, scripted
from tests.rig.rotting import URL, Door, answered_by, page, rotten
from tests.rig.scripted import Got, Say

GROUP = "/subscriptions/s1/resourceGroups/rg/providers/Microsoft.Kubernetes/connectedClusters"
OSM = "microsoft.openservicemesh"
LASTS = dt.timedelta(seconds=90)
CLUSTERS = 4
FAILING, SILENT = 2, 3
"""Where the operation says Succeeded and the extension Failed; what the index calls offline."""
ROTTEN = 10
"""Answers, until they are sound again or all the same."""


@dataclasses.dataclass(kw_only=True)
class Truth:
    """What is really on a cluster."""

    number: int
    version: str = "1.1.1"
    state: str = "Succeeded"
    ends_at: dt.datetime | None = None
    writes: int = 0

    @property
    def is_as_wished(self) -> bool:
        return (self.version, self.state) == ("1.2.6", "Succeeded")

    def write(self, now: dt.datetime) -> None:
        self.version, self.state, self.ends_at = "1.2.6", "Updating", now + LASTS
        self.writes += 1

    def age(self, now: dt.datetime) -> None:
        if self.ends_at is not None and now >= self.ends_at:
            self.state = "Failed" if self.number == FAILING else "Succeeded"
            self.ends_at = None


class HandMade:
    """A service of a few clusters that have the extension."""

    def __init__(self, now: Callable[[], dt.datetime]) -> None:
        self.now = now
        self.truths = [Truth(number=number) for number in range(CLUSTERS)]

    def answer(self, kind: str, got: Got) -> Say:
        """Return the sound answer to a request of that kind."""
        for one in self.truths:
            one.age(self.now())
        if kind == "graph":
            is_about_clusters = got.json["query"].startswith("resources\n")
            return page([self._row(one) for one in self.truths] if is_about_clusters else [])
        if kind == "versions":
            return Say(body={"value": [{"name": version} for version in ("1.1.1", "1.2.6")]})
        if kind == "token":
            return scripted.token()
        found = re.search(r"/c(\d)", got.path)
        assert found is not None, got.path
        truth = self.truths[int(found[1])]
        if kind == "write":
            truth.write(self.now())
            operation = f"{URL}{GROUP}/c{truth.number}/operations/1?s=signed"
            headers = {"Azure-AsyncOperation": operation}
            return Say(status=202, body=self._extension(truth), headers=headers)
        if kind == "operation":
            return Say(body={"status": "Succeeded" if truth.ends_at is None else "Updating"})
        if kind == "cluster":
            return Say(body=self._cluster(truth))
        return Say(body=self._extension(truth))

    def _extension(self, truth: Truth) -> dict[str, Any]:
        place = f"{GROUP}/c{truth.number}"
        return {
            "id": f"{place}/providers/Microsoft.KubernetesConfiguration/extensions/osm",
            "name": "osm",
            "properties": {
                "extensionType": OSM,
                "autoUpgradeMinorVersion": False,
                "releaseTrain": "stable",
                "version": truth.version,
                "currentVersion": truth.version,
                "provisioningState": truth.state,
                "configurationSettings": {},
                "configurationProtectedSettings": {},
                "statuses": [],
            },
            "systemData": {"lastModifiedAt": f"{truth.writes}"},
        }

    def _cluster(self, truth: Truth) -> dict[str, Any]:
        return {
            "id": f"{GROUP}/c{truth.number}",
            "name": f"c{truth.number}",
            "location": "westeurope",
            "properties": {
                "connectivityStatus": "Connected",
                "lastConnectivityTime": self.now().isoformat(),
            },
        }

    def _row(self, truth: Truth) -> dict[str, Any]:
        cluster = self._cluster(truth)
        own = cluster.pop("properties")
        if truth.number == SILENT:
            own["connectivityStatus"] = "Offline"
        one = {"name": "osm", "properties": self._extension(truth)["properties"]}
        return {**cluster, **own, "distribution": "k3s", "extensions": [one]}


KINDS = {
    "token": ("POST", scripted.TOKEN_PATH),
    "graph": ("POST", "Microsoft.ResourceGraph"),
    "versions": ("GET", "/extensionTypes/"),
    "cluster": ("GET", "/connectedClusters/"),
    "extension": ("GET", "/extensions/osm"),
    "operation": ("GET", "/operations/1"),
    "write": ("PATCH", "/extensions/osm"),
}
"""Those that come later are looked at first."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """What came of a run."""

    state: RunState
    truths: list[Truth]
    events: list[Event]
    rotted: int


def lived(kind: str, rot: Callable[[Say, int], Say]) -> Lived:
    """Plan, then run with the answers to *kind* rotted."""
    counted: collections.Counter[str] = collections.Counter()

    async def play() -> Lived:
        clock, store, door = virtual.clock(), MemoryStore(), Door()
        service = HandMade(clock.now)
        is_planned = False

        def answering(name: str) -> Callable[[Got], Say]:
            def say(got: Got) -> Say:
                sound = service.answer(name, got)
                if name != kind or not is_planned:
                    return sound
                counted[kind] += 1
                return rot(sound, counted[kind])

            return say

        for name, (method, part) in KINDS.items():
            door.on(method, part, answering(name))
        azure = answered_by(door, clock)
        asked = rollouts.rollout(spread=rollouts.strategy(max_concurrency=2))
        plan = await runs.planned(asked, azure)
        is_planned = True
        async with store.hold(runs.RUN, actor=runs.ALICE, create=True) as journal:
            runner = await runs.begun(journal, plan, azure)
            state = await runner.run()
        events = [event for _, event in store.read(runs.RUN).events()]
        return Lived(state=state, truths=service.truths, events=events, rotted=counted[kind])

    return virtual.run(play())


def test_with_sound_answers_all_but_the_failing_one_succeed() -> None:
    found = lived("extension", lambda sound, _: sound)

    assert found.state.status is RunStatus.SUCCEEDED_WITH_FAILURES
    assert found.state.status_counts() == {"Succeeded": CLUSTERS - 1, "Failed": 1}
    assert [one.is_as_wished for one in found.truths] == [True, True, False, True]
    assert [one.writes for one in found.truths] == [1] * CLUSTERS


@pytest.mark.parametrize("kind", ["extension", "write", "operation", "cluster"])
@settings(
    max_examples=25,
    deadline=None,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(stays=st.booleans(), data=st.data())
def test_a_run_among_rotten_answers_ends_and_calls_nothing_a_success_that_is_none(
    kind: str, stays: bool, data: st.DataObject
) -> None:
    last: list[Say] = []

    def rot(sound: Say, count: int) -> Say:
        if count > ROTTEN:
            # An operation or an extension that nobody can read any more; or one as ever.
            return last[0] if stays else sound
        if data.draw(st.booleans()):
            last[:] = [data.draw(rotten(sound)).say]
            return last[0]
        last[:] = last or [sound]
        return sound

    found = lived(kind, rot)

    ends = {RunStatus.SUCCEEDED_WITH_FAILURES, RunStatus.FAILED}
    names = [target.cluster_name for target in found.state.targets]
    if found.state.results[names.index(f"c{FAILING}")] is Result.DEFERRED:
        # Called not connected, it is put off, and so it does not fail.
        ends.add(RunStatus.SUCCEEDED)
    assert found.state.status in ends
    assert found.rotted > 0
    # NB: a bug of ours would be one of these.
    assert "step.unknown" not in {event.kind for event in found.events}
    for number, result in found.state.results.items():
        if result in (Result.SUCCEEDED, Result.NO_OP):
            target = found.state.targets[number]
            assert found.truths[int(target.cluster_name[1:])].is_as_wished
    if kind in ("write", "operation"):
        assert [one.writes for one in found.truths] == [1] * CLUSTERS
        assert found.state.status_counts() == {"Succeeded": CLUSTERS - 1, "Failed": 1}


def _without_operation(sound: Say, _: int) -> Say:
    return dataclasses.replace(sound, headers={})


def _with_operation_elsewhere(sound: Say, _: int) -> Say:
    headers = {"Azure-AsyncOperation": "http://trap.invalid/operations/1", "Location": "http://x/"}
    return dataclasses.replace(sound, headers=headers)


def _without_an_answer(_: Say, __: int) -> Say:
    return Say(status=504, body={"error": {"code": "GatewayTimeout", "message": "Too long."}})


@pytest.mark.parametrize(
    ("kind", "rot"),
    [
        pytest.param("write", _without_operation, id="an operation URL that was never told"),
        pytest.param("write", _with_operation_elsewhere, id="an operation URL elsewhere"),
        pytest.param("write", _without_an_answer, id="a write whose answer was lost"),
        pytest.param(
            "operation",
            lambda _, __: scripted.failure(404, "ResourceNotFound", "No such operation."),
            id="an operation that is forgotten",
        ),
        pytest.param(
            "operation",
            lambda _, __: Say(body={"status": "Succeeded"}),
            id="an operation that says Succeeded from the first moment on",
        ),
        pytest.param(
            "operation",
            lambda _, __: Say(body={"status": "Updating"}),
            id="an operation that never ends",
        ),
    ],
)
def test_what_became_of_a_write_is_told_by_the_extension_itself(
    kind: str, rot: Callable[[Say, int], Say]
) -> None:
    found = lived(kind, rot)

    assert found.state.status_counts() == {"Succeeded": CLUSTERS - 1, "Failed": 1}
    assert [one.writes for one in found.truths] == [1] * CLUSTERS
