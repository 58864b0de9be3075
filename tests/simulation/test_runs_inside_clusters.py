"""Whole runs that reach into clusters: what is done there and proved there, and the way back."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Sequence
from typing import Any

from fleet.core import children
from fleet.core.children import Choice
from fleet.core.state import RunState
from fleet.core.trail import Trail
from fleet.engine import virtual
from fleet.model import events as e
from fleet.model.desired import Presence
from fleet.model.events import Event
from fleet.model.inside import AccessKind, ClusterAccess, Severity, Verdict, Work, WorkKind
from fleet.model.objects import Resource
from fleet.model.plan import Action, Plan
from fleet.sim.ports import SimulatedAzure
from fleet.sim.world import World
from tests.rig import entering, returns, runs
from tests.rig.entering import APP, BRIEF, CONFIG, METRICS, asked
from tests.rig.returns import Told

MESH_CONFIGS = Resource("config.openservicemesh.io", "v1alpha2", "meshconfigs")
NAMESPACES = Resource("", "v1", "namespaces")
ONE = "store-0001-a"


def world(installed: str = "1.2.3", *breaks: str, **keys: Any) -> World:
    file = {
        "clusters": 1,
        "seed": 1,
        "offlineShare": 0,
        "distributions": {"rancher_rke": 1},
        "extensions": [
            {
                "type": "Microsoft.openservicemesh",
                "installed": {installed: 1},
                "autoUpgrade": 0,
                "failedShare": 0,
            }
        ],
        "overrides": [{"cluster": ONE, "breaks": list(breaks)}],
    }
    return runs.world(**{**file, **keys})


def told(found: World, *works: Work, **wishes: Any) -> tuple[Told, list[Event]]:
    """A run, and what was written down of it."""
    events: list[Event] = []

    def observe(some: Sequence[Event], _state: RunState) -> None:
        events.extend(some)

    return returns.forward(found, asked(*works, **wishes), observe=observe), events


def there(found: World, resource: Resource, name: str, namespace: str | None = None) -> Any:
    """An object as it is when everything has settled."""

    async def read() -> Any:
        azure = SimulatedAzure(found, virtual.clock())
        way = runs.inside(azure, virtual.clock())
        assert way is not None
        (cluster,) = found.clusters(virtual.clock().now())
        async with way.open(cluster.id) as api:
            return await api.get(resource, name, namespace=namespace)

    return virtual.run(read(), start_at=found.last_at + dt.timedelta(hours=2))


def mesh_config(found: World) -> Any:
    return there(found, MESH_CONFIGS, "osm-mesh-config", "arc-osm-system")["spec"]


def one(events: Sequence[Event], kind: type[Any]) -> Any:
    (found,) = (event for event in events if isinstance(event, kind))
    return found


# --- proof -------------------------------------------------------------------------------


def test_an_upgrade_is_proved_by_every_check_and_the_evidence_is_written_down() -> None:
    ended, events = told(world())

    assert ended.results == {ONE: "Succeeded"}
    seen = one(events, e.TargetObserved).checks
    assert [result.check for result in seen] == [
        rule.id for rule in entering.OSM.checks if rule.moment.value == "present"
    ]
    assert {result.check: result.evidence for result in seen}["controller-endpoints"] == {
        "addresses": "1",
        "ports": "15128 9092 9091",
    }
    # Sidecars stay as they are until their pods are restarted: that is told, and bars nobody.
    assert [one.check for one in seen if one.verdict is Verdict.FAILED] == ["stale-sidecars"]


def test_what_azure_calls_succeeded_is_no_success_while_a_gate_fails_inside() -> None:
    ended, _ = told(world("1.2.3", "injector-no-endpoints"))

    assert ended.results == {ONE: "TimedOut"}
    assert ended.state.details[0] == (
        "not proved in time: inside the cluster, injector-endpoints: service osm-injector leads "
        "nowhere: look at the pods behind it in arc-osm-system"
    )


def test_a_check_that_the_plan_file_makes_a_warning_bars_nobody() -> None:
    inside = {"severities": {"injector-endpoints": Severity.WARN}}
    ended, events = told(world("1.2.3", "injector-no-endpoints"), inside=inside)

    assert ended.results == {ONE: "Succeeded"}
    failed = {one.check for one in one(events, e.TargetObserved).checks if one.detail}
    assert "injector-endpoints" in failed


def test_through_the_proxy_everything_only_warns() -> None:
    inside = {"access": ClusterAccess(kind=AccessKind.PROXY)}
    ended, events = told(world("1.2.3", "api-unreachable"), inside=inside)

    assert ended.results == {ONE: "Succeeded"}
    assert {one.severity for one in one(events, e.TargetObserved).checks} == {Severity.WARN}


def test_nothing_is_written_to_a_cluster_that_could_not_be_proved_afterwards() -> None:
    ended, events = told(world("1.2.3", "api-unreachable"))

    assert ended.results == {ONE: "TimedOut"}
    assert not [event for event in events if isinstance(event, e.StepIntended)]
    assert ended.state.details[0].startswith("no write was accepted by the start deadline: ")


def test_a_mesh_configuration_that_an_upgrade_did_not_preserve_bars_where_the_file_says_so() -> (
    None
):
    inside = {"severities": {"meshconfig-drift": Severity.GATE}}
    ended, events = told(world("1.2.3", "meshconfig-drift"), profile=BRIEF, inside=inside)
    checked = [one for one in events if isinstance(one, e.StepChecked) and one.snapshot]
    assert [json.loads(one.snapshot or "")["traffic"]["enableEgress"] for one in checked] == [True]
    assert ended.results == {ONE: "Succeeded"}  # it was so before already: nothing changed


# --- work --------------------------------------------------------------------------------


def test_configuration_and_namespaces_come_after_the_upgrade_and_are_read_back() -> None:
    found = world()
    ended, _ = told(found, METRICS, CONFIG, profile=BRIEF)

    assert ended.results == {ONE: "Succeeded"}
    assert mesh_config(found)["traffic"]["enableEgress"] is False
    metadata = there(found, NAMESPACES, APP)["metadata"]
    assert metadata["labels"]["openservicemesh.io/monitored-by"] == "osm"
    assert metadata["annotations"] == {
        "openservicemesh.io/sidecar-injection": "enabled",
        "openservicemesh.io/metrics": "enabled",
    }


def test_taking_a_run_back_restores_the_configuration_it_found() -> None:
    found = world("1.2.6")
    before = mesh_config(found)
    forward, _ = told(found, CONFIG, profile=BRIEF)
    assert forward.results == {ONE: "Succeeded"}
    assert mesh_config(found) != before

    back = returns.child(found, forward, _taken_back)

    assert back.results == {ONE: "Succeeded"}
    assert mesh_config(found) == before


def _taken_back(state: RunState, trail: Trail) -> Plan:
    return children.rollback(state, trail, choice=Choice())


def test_a_value_that_the_api_server_refuses_blocks_the_target_in_its_words() -> None:
    wrong = Work(kind=WorkKind.MESH_CONFIG, patch='{"traffic":{"enableEgress":"no"}}')
    (target,) = returns.planned(world("1.2.6"), asked(wrong)).targets

    assert target.action is Action.BLOCKED
    assert target.reason == (
        'inside the cluster: MeshConfig.config.openservicemesh.io "osm-mesh-config" is invalid: '
        'spec.traffic.enableEgress: Invalid value: "string": spec.traffic.enableEgress in body '
        'must be of type boolean: "string"'
    )


def test_what_may_only_be_read_fails_the_target_in_the_servers_words() -> None:
    plan = returns.planned(world("1.2.6", "api-read-only"), asked(CONFIG))
    assert plan.targets[0].action is Action.BLOCKED
    assert "cannot patch resource" in plan.targets[0].reason


def test_a_cluster_that_is_not_connected_is_put_off_and_not_waited_for() -> None:
    away = {"cluster": ONE, "connectivity": "Offline"}
    ended, _ = told(world("1.2.6", overrides=[away]), CONFIG, profile=BRIEF)

    assert ended.results == {ONE: "Deferred"}
    assert ended.state.details[0] == "not connected (Offline)"


def test_an_uninstall_is_proved_by_absence_and_waits_for_what_goes_slowly() -> None:
    found = world("1.2.6", "orphan-webhooks")
    ended, events = told(
        found, entering.LEAVE, entering.ORPHANS, presence=Presence.ABSENT, version=None
    )

    assert ended.results == {ONE: "Succeeded"}
    seen = {result.check: result.verdict for result in one(events, e.TargetObserved).checks}
    assert seen["orphan-webhooks-after-delete"] is Verdict.PASSED
    waits = {event.message for event in events if isinstance(event, e.StepHeld)}
    assert any("leftovers-after-delete" in wait for wait in waits)


def test_webhooks_that_were_left_behind_bar_an_uninstall_that_does_not_remove_them() -> None:
    ended, _ = told(
        world("1.2.6", "orphan-webhooks"), presence=Presence.ABSENT, version=None, profile=ORPHANS
    )
    assert ended.results == {ONE: "TimedOut"}
    assert "orphan-webhooks-after-delete" in ended.state.details[0]


ORPHANS = dataclasses.replace(
    BRIEF,
    checks=tuple(rule for rule in entering.OSM.checks if rule.id == "orphan-webhooks-after-delete"),
)
