"""Fleets as values: clusters, plans and opened runs, built by hand.

Nothing here runs anything: whole runs are :mod:`tests.rig.runs`.
"""

from __future__ import annotations

import copy
import dataclasses
import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from fleet import zones
from fleet.core import chain, facts, fold, planner
from fleet.core.assignment import Member
from fleet.core.state import RunState
from fleet.model import codec, events as e
from fleet.model.cluster import (
    AutoUpgrade,
    Cluster,
    ClusterId,
    Connectivity,
    Extension,
    Inventory,
    ProvisioningState,
)
from fleet.model.desired import OnDrift, Profile
from fleet.model.plan import (
    Action,
    Digest,
    Facts,
    Limits,
    Plan,
    PlanHead,
    RunId,
    Step,
    Target,
    Verb,
    Wave,
)
from fleet.model.scope import Unreachable
from fleet.model.strategy import FailureMode, OnBreach

T0 = dt.datetime(2026, 1, 10, 2, tzinfo=dt.UTC)
ALICE = e.Actor(name="alice", host="ops-1", pid=100)
MESH_TYPE = "microsoft.openservicemesh"
OFFERED = ("1.2.6", "1.0.0", "1.0.0-1", "1.1.1-1", "1.1.1", "1.2.3", "1.3.0-beta-1")
"""As the service lists them: in no order, prereleases among them."""

PLAIN = Profile(name="plain", extension_type="Contoso.Plain", instance_name=None, namespace=None)
"""Nothing is known of it: every version, every distribution, one step, and back again."""


def seconds(count: float) -> dt.timedelta:
    """A span of time."""
    return dt.timedelta(seconds=count)


def extension(installed: str | None = "1.1.1", **changes: Any) -> Extension:
    """The mesh, pinned and well."""
    defaults: dict[str, Any] = {
        "name": "osm",
        "extension_type": MESH_TYPE,
        "version": installed,
        "current_version": installed,
        "auto_upgrade": AutoUpgrade.NONE,
        "release_train": "Stable",
        "provisioning_state": ProvisioningState.SUCCEEDED,
    }
    return Extension(**(defaults | changes))


def automatic(installed: str | None = "1.1.1", **changes: Any) -> Extension:
    """The mesh, with the service choosing its version."""
    defaults = {"version": None, "auto_upgrade": AutoUpgrade.COMPATIBLE}
    return extension(installed, **(defaults | changes))


def cluster(name: str = "store-1", *found: Extension, group: str = "rg", **changes: Any) -> Cluster:
    """A connected cluster with the extensions *found*."""
    path = f"/subscriptions/s1/resourceGroups/{group}/providers/Microsoft.Kubernetes"
    defaults: dict[str, Any] = {
        "id": ClusterId(f"{path}/connectedClusters/{name}"),
        "name": name,
        "subscription": "s1",
        "resource_group": group,
        "location": "westeurope",
        "distribution": "rancher_rke",
        "kubernetes_version": "1.29.1",
        "agent_version": "1.20.0",
        "connectivity": Connectivity.CONNECTED,
        "last_connectivity_at": T0,
        "extensions": found,
    }
    return Cluster(**(defaults | changes))


def inventory(clusters: Iterable[Cluster], versions: Sequence[str] = OFFERED) -> Inventory:
    """What discovery returned, with *versions* in the train ``stable``."""
    return Inventory(clusters=tuple(clusters), versions={"stable": tuple(versions)})


def stores(count: int, *found: Extension) -> tuple[Cluster, ...]:
    """Clusters ``store-001`` and on, all alike."""
    return tuple(cluster(f"store-{n:03}", *found) for n in range(1, count + 1))


def members(clusters: Iterable[Cluster]) -> list[Member]:
    """Clusters, each with what an upgrade does to it."""
    return [
        (one, target(n, cluster_id=one.id, cluster_name=one.name)) for n, one in enumerate(clusters)
    ]


# --- plans and runs, without a planner ---------------------------------------------------

PIN = Step(verb=Verb.PATCH, version="1.2.6", auto_upgrade=AutoUpgrade.NONE, release_train="stable")
BACK = Step(verb=Verb.PATCH, version="1.1.1", auto_upgrade=AutoUpgrade.NONE, release_train="stable")


def target(
    n: int = 0, *, steps: tuple[Step, ...] = (PIN,), found: Extension | None = None, **changes: Any
) -> Target:
    """A target that upgrades the mesh, as found (1.1.1 where nothing else is said)."""
    owned = {key: value for step in steps for key, value in (step.settings or {}).items()}
    known = facts.facts_of(found or extension(), steps, owned=owned)
    defaults: dict[str, Any] = {
        "cluster_id": ClusterId(f"/c/{n}"),
        "cluster_name": f"c{n}",
        "subscription": "s1",
        "location": "westeurope",
        "extension_name": "osm",
        "action": Action.UPGRADE,
        "reason": "version",
        "wave": "w0",
        "from_version": "1.1.1",
        "to_version": "1.2.6",
        "steps": steps,
        "owned": owned,
        "facts": known,
        "facts_digest": chain.digest(codec.to_json(known)),
    }
    return Target(**(defaults | changes))


def absent_target(**changes: Any) -> Target:
    """A target on which nothing is installed."""
    known = Facts(is_present=False)
    digest = chain.digest(codec.to_json(known))
    defaults: dict[str, Any] = {"facts": known, "facts_digest": digest, "action": Action.INSTALL}
    return target(**(defaults | changes))


def wave(count: int, *, name: str = "w0", **changes: Any) -> Wave:
    """A wave that starts all at once and forgives nothing."""
    defaults: dict[str, Any] = {
        "name": name,
        "target_count": count,
        "max_concurrency": count,
        "max_failures": 0,
        "worst_case_failures": count,
        "effective_concurrency": count,
        "soak": dt.timedelta(0),
    }
    return Wave(**(defaults | changes))


def limits(**changes: Any) -> Limits:
    """A run that starts a thousand at once and forgives a thousand."""
    defaults: dict[str, Any] = {
        "max_concurrency": 1000,
        "max_failures": 1000,
        "failure_mode": FailureMode.SOFT,
        "on_breach": OnBreach.STOP,
        "start_deadline": dt.timedelta(minutes=30),
        "progress_deadline": dt.timedelta(minutes=30),
    }
    return Limits(**(defaults | changes))


def plan(
    waves: Sequence[Wave],
    *,
    steps: int = 1,
    run: Limits | None = None,
    targets: Sequence[Target] | None = None,
    **changes: Any,
) -> Plan:
    """A plan of *waves*; each target has *steps* steps."""
    defaults: dict[str, Any] = {
        "name": "test",
        "owner": None,
        "change": None,
        "extension_type": MESH_TYPE,
        "namespace": None,
        "on_drift": OnDrift.FAIL,
        "unreachable": Unreachable.DEFER,
        "limits": run or limits(),
        "waves": tuple(waves),
        "warnings": (),
        "inventory_digest": Digest("sha256:" + "0" * 64),
    }
    count = sum(one.target_count for one in waves)
    made = targets or [target(n, steps=(PIN,) * steps) for n in range(count)]
    return planner.sealed(PlanHead(**(defaults | changes)), made)


def opening(
    planned: Plan, *, at: dt.datetime = T0, discovered_at: dt.datetime | None = T0
) -> list[e.Event]:
    """The first events of a run of *planned*."""
    header = e.RunCreated(
        at=at,
        run_id=RunId("run-1"),
        actor=ALICE,
        release="0.0.0",
        endpoint="world:test",
        cloud="simulated",
        tenant="test",
        principals=("test",),
        tzdata_version="2026a",
        plan_digest=planned.digest,
        plan_text="# a test",
        target_count=len(planned.targets),
        plan=planned.head,
        discovered_at=discovered_at,
        api_version="2023-05-01",
    )
    listed = [e.TargetsListed(at=at, first=0, targets=planned.targets)] if planned.targets else []
    return [
        header,
        *listed,
        e.RunPlanned(at=at, plan_digest=planned.digest),
        e.RunStarted(at=at, actor=ALICE, consent="--yes"),
        e.RunTaken(at=at, actor=ALICE, release="0.0.0"),
    ]


def folded(events: Iterable[e.Event], state: RunState | None = None) -> RunState:
    """The state that *events* add up to."""
    state = state or RunState(zones=zones.zone)
    for event in events:
        fold.apply(state, event)
    return state


def opened(planned: Plan) -> RunState:
    """A run that somebody said yes to, and holds."""
    return folded(opening(planned))


def snapshot(state: RunState) -> dict[str, Any]:
    """Everything of *state* that changes, copied."""
    return copy.deepcopy(
        {
            field.name: getattr(state, field.name)
            for field in dataclasses.fields(state)
            if field.name not in ("header", "targets", "_hours", "_run_calendars")
        }
    ) | {"header": state.header, "targets": list(state.targets)}
