"""Fleets as values: clusters, plans and opened runs, built by hand or drawn by hypothesis.

Nothing here runs anything: whole runs are :mod:`tests.rig.runs`.
"""

from __future__ import annotations

import copy
import dataclasses
import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

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
from fleet.model.desired import Membership, OnDrift, Profile
from fleet.model.gates import Moment, OnVerdict, Verdict
from fleet.model.plan import (
    Action,
    Digest,
    Facts,
    Limits,
    Plan,
    PlanHead,
    Retry,
    Rollback,
    RunId,
    Spread,
    SpreadGroup,
    Step,
    Target,
    Undo,
    Verb,
    Wave,
)
from fleet.model.scope import Match, Scope, Unreachable
from fleet.model.statuses import (
    Finding,
    HoldReason,
    Result,
    RunStatus,
    WaitCause,
    WaveStatus,
)
from fleet.model.strategy import (
    FailureClass,
    FailureMode,
    OnBreach,
    PoolRule,
    RampUp,
    RollbackRule,
    RollbackScope,
    SpreadRule,
    Strategy,
    WaveRule,
)

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


SAMPLES: Mapping[type, Mapping[str, Any]] = {
    e.RunPausing: {"actor": ALICE, "reason": "lunch", "request_id": "q1"},
    e.RunResumed: {"actor": ALICE, "reason": "back", "request_id": "q2"},
    e.RunStopping: {"actor": ALICE, "reason": "enough", "request_id": "q3"},
    e.RunTaken: {"actor": ALICE, "release": "0.0.0"},
    e.RunStarted: {"actor": ALICE, "consent": "--yes"},
    e.RequestRefused: {"actor": ALICE, "asked": "pause", "reason": "no", "request_id": "q4"},
    e.RunFinished: {"status": RunStatus.SUCCEEDED, "reason": "done", "counts": {}},
    e.RunPlanned: {"plan_digest": "sha256:0"},
    e.TargetsListed: {"first": 0, "targets": ()},
    e.WaveOpened: {"wave": 0},
    e.BudgetBreached: {
        "wave": 0,
        "level": "wave",
        "failures": 1,
        "max_failures": 0,
        "label": "",
    },
    e.RunRollingBack: {"reason": "too many", "scope": RollbackScope.RUN, "left": ()},
    e.RunSurveyed: {"wave": 0, "left": (), "joined": (), "groups": (), "problem": ""},
    e.WaveAdded: {"wave": 2, "planned": wave(0, name="back-w0")},
    e.WaveExtended: {"wave": 0, "members": ()},
    e.WaveOverdue: {"wave": 0, "due_at": T0},
    e.WaveSkipped: {"wave": 0, "actor": ALICE, "reason": "no", "request_id": "q5"},
    e.SoakSkipped: {"wave": 0, "actor": ALICE, "reason": "no", "request_id": "q6"},
    e.TargetReplanned: {"target": 0, "step": 0, "plan": target(0), "detail": "version was 1"},
    e.TargetRetried: {
        "target": 0,
        "step": 0,
        "retry": 1,
        "failure": FailureClass.FAILED,
        "until": T0 + dt.timedelta(seconds=60),
        "detail": "it failed",
    },
    e.TargetStalled: {"target": 0},
    e.TargetSkipped: {"target": 0, "actor": ALICE, "reason": "no", "request_id": "q7"},
    e.WaveSoaking: {"wave": 0, "until": T0},
    e.WaveClosed: {"wave": 0, "status": WaveStatus.SUCCEEDED},
    e.TargetStarted: {"target": 0},
    e.StepChecked: {"target": 0, "step": 0, "finding": Finding.PROCEED, "mark": "before"},
    e.StepIntended: {
        "target": 0,
        "step": 0,
        "attempt": 1,
        "verb": Verb.PATCH,
        "correlation_id": "c",
        "client_request_id": "r",
    },
    e.StepAccepted: {
        "target": 0,
        "step": 0,
        "attempt": 1,
        "operation_sha256": "ab",
        "mark": "accepted",
    },
    e.StepLost: {"target": 0, "step": 0, "attempt": 1, "code": "F331", "message": "no answer"},
    e.StepHeld: {
        "target": 0,
        "step": 0,
        "reason": HoldReason.THROTTLED,
        "until": T0 + dt.timedelta(seconds=10),
        "code": "F310",
        "message": "later",
    },
    e.OperationEnded: {
        "target": 0,
        "step": 0,
        "status": "Succeeded",
        "error": None,
        "poll_count": 2,
    },
    e.StepProved: {"target": 0, "step": 0, "evidence": {}},
    e.StepFailed: {"target": 0, "step": 0, "code": "F360", "message": "refused"},
    e.StepUnknown: {"target": 0, "step": 0, "message": "KeyError"},
    e.TargetPutOff: {"target": 0, "detail": "not connected (Offline)"},
    e.TargetFinished: {"target": 0, "result": Result.TIMED_OUT},
    e.TargetSoaking: {"target": 0, "until": T0},
    e.TargetObserved: {"target": 0, "step": 0},
    e.TargetReturned: {"target": 0, "detail": "its change window closed"},
    e.RunWaiting: {
        "cause": WaitCause.APPROVAL,
        "wave": 0,
        "until": None,
        "detail": "wave w0: 1 approval is needed before it",
    },
    e.RunWoken: {},
    e.WindowOverridden: {
        "calendar": 0,
        "until": None,
        "actor": ALICE,
        "reason": "the fix cannot wait",
        "request_id": "q8",
    },
    e.WindowClosed: {"calendars": (0,), "until": T0},
    e.WindowOpened: {"calendars": (0,)},
    e.ApprovalGiven: {
        "wave": 0,
        "when": Moment.BEFORE,
        "plan_digest": "sha256:0",
        "actor": ALICE,
        "reason": "looks good",
        "request_id": "q9",
    },
    e.GatesEntered: {"wave": 0, "moment": Moment.BEFORE},
    e.GateMeasured: {
        "wave": 0,
        "moment": Moment.BEFORE,
        "gate": "errors",
        "number": 1,
        "verdict": Verdict.PASS,
        "values": ("0.01",),
        "detail": "",
    },
    e.GateEnded: {
        "wave": 0,
        "moment": Moment.BEFORE,
        "gate": "errors",
        "verdict": Verdict.PASS,
        "action": OnVerdict.CONTINUE,
        "detail": "",
    },
    e.GateSkipped: {
        "wave": 0,
        "gate": "errors",
        "actor": ALICE,
        "reason": "the probe is wrong",
        "request_id": "q10",
    },
    e.WaveObserved: {"wave": 0, "relapsed": (), "detail": "", "is_seen": True},
}
"""``{event: fields}`` that fit a run of one target that is in its first step."""


def event(cls: type[Any], *, at: dt.datetime = T0, **changes: Any) -> Any:
    """An event of *cls* about target 0, step 0, attempt 1."""
    return cls(at=at, **{**SAMPLES.get(cls, {}), **changes})


# --- drawn by hypothesis -----------------------------------------------------------------

_NAMES = st.integers(0, 60).map("store-{:02}".format)


def extensions() -> st.SearchStrategy[Extension]:
    """The mesh in any state that a GET may show."""
    return st.builds(
        _mended,
        st.builds(
            extension,
            st.sampled_from([*OFFERED, "0.9.2", "not-a-version", None]),
            auto_upgrade=st.sampled_from(AutoUpgrade),
            release_train=st.sampled_from(["Stable", "stable", "preview"]),
            provisioning_state=st.sampled_from(ProvisioningState),
            settings=st.dictionaries(st.sampled_from("abc"), st.sampled_from("12"), max_size=2),
            protected_keys=st.sampled_from([(), ("token",)]),
            is_system=st.sampled_from([False, False, False, True]),
        ),
    )


def _mended(found: Extension) -> Extension:
    is_pinned = found.auto_upgrade is AutoUpgrade.NONE
    return found if is_pinned else dataclasses.replace(found, version=None)


def clusters(*, max_size: int = 25) -> st.SearchStrategy[list[Cluster]]:
    """Clusters with different ids; names repeat across resource groups."""
    one = st.builds(
        _placed,
        _NAMES,
        st.lists(extensions(), max_size=1),
        group=st.sampled_from(["rg", "rg", "rg2"]),
        location=st.sampled_from(["westeurope", "northeurope"]),
        connectivity=st.sampled_from([Connectivity.CONNECTED] * 4 + [Connectivity.OFFLINE]),
        tags=st.dictionaries(
            st.sampled_from(["env", "tier", "rollout"]), st.sampled_from(["a", "B", "b", "hold"])
        ),
    )
    return st.lists(one, min_size=1, max_size=max_size, unique_by=lambda found: found.id)


def _placed(name: str, found: list[Extension], **changes: Any) -> Cluster:
    return cluster(name, *found, **changes)


def amounts(most: int = 30, *, least: int = 1) -> st.SearchStrategy[int | str]:
    """An integer or a percentage."""
    return st.integers(least, most) | st.integers(1, 100).map("{}%".format)


def wave_rules(name: str) -> st.SearchStrategy[WaveRule]:
    """A wave by size, by selector or by list."""
    common: dict[str, Any] = {
        "name": st.just(name),
        "max_concurrency": st.none() | amounts(),
        "max_failures": st.none() | amounts(least=0),
        "ramp_up": st.none() | ramp_ups(),
    }
    chosen = common | {
        "has_substitutes": st.booleans(),
        "substitutes": st.just(()) | st.lists(_NAMES, min_size=1, max_size=3).map(tuple),
    }
    matches = st.builds(Match, locations=st.just(("westeurope",)))
    return (
        st.builds(WaveRule, size=amounts(), **common)
        | st.builds(WaveRule, selector=matches, **chosen)
        | st.builds(WaveRule, targets=st.lists(_NAMES, min_size=1).map(tuple), **chosen)
    )


def ramp_ups() -> st.SearchStrategy[RampUp]:
    """Waves that grow, and some that do not."""
    return st.builds(RampUp, start=amounts(), factor=st.integers(1, 4), most=st.none() | amounts())


_LABELS = ("location", "subscription", "distribution", "resourceGroup", "tag:env", "tag:none")


def spread_rules() -> st.SearchStrategy[tuple[SpreadRule, ...]]:
    """Up to three caps by different labels."""
    one = st.builds(
        SpreadRule,
        by=st.sampled_from(_LABELS),
        max_concurrency=st.none() | amounts(8),
        max_failures=st.none() | amounts(8, least=0),
    )
    return st.lists(one, max_size=3, unique_by=lambda rule: rule.by).map(tuple)


def strategies(*, has_rest: bool = True) -> st.SearchStrategy[Strategy]:
    """Up to three waves, and the rest."""
    few = st.integers(0, 3).flatmap(lambda n: st.tuples(*(wave_rules(f"w{k}") for k in range(n))))
    ramped = st.builds(
        WaveRule, name=st.just("rest"), size=st.just("rest"), ramp_up=st.none() | ramp_ups()
    )
    rest = ramped.map(lambda rule: (rule,)) if has_rest else st.just(())
    keys = st.sampled_from([*_LABELS, "name", "-name", "-tag:env"])
    pools = st.builds(PoolRule, name=st.just("wan"), max_concurrency=st.integers(1, 9))
    return st.builds(
        Strategy,
        name=st.just("drawn"),
        waves=st.tuples(few, rest).map(lambda both: (*both[0], *both[1])),
        max_concurrency=amounts(),
        max_failures=amounts(least=0),
        wave_max_concurrency=st.none() | amounts(),
        wave_max_failures=st.none() | amounts(least=0),
        failure_mode=st.sampled_from(FailureMode),
        on_breach=st.sampled_from(OnBreach),
        spread=spread_rules(),
        min_success=st.none() | amounts(),
        rollback=st.builds(RollbackRule, max_concurrency=st.none() | amounts()),
        pools=st.just(()) | st.tuples(pools),
        sort_key=st.lists(keys, max_size=2).map(tuple),
    )


def scopes() -> st.SearchStrategy[Scope]:
    """Everything, with each way to treat what is not connected."""
    return st.builds(Scope, unreachable=st.sampled_from(Unreachable))


def run_plans(*, has_all_day: bool = False) -> st.SearchStrategy[Plan]:
    """Small plans with any caps, budgets, deadlines and ways on, for histories.

    With *has_all_day* nothing has to be done by any time, and no number of successes is asked for.
    """
    waves = st.lists(
        st.tuples(*[st.integers(1, 4)] * 2, st.integers(0, 3), st.booleans(), st.booleans()),
        max_size=3,
    )
    return st.builds(
        _run_plan,
        waves,
        steps=st.integers(1, 2),
        run=st.builds(
            _limits,
            on_breach=st.sampled_from(OnBreach),
            drawn=_drawn_limits(),
            has_all_day=st.just(has_all_day),
        ),
        on_drift=st.sampled_from(OnDrift),
        unreachable=st.sampled_from(Unreachable),
        membership=st.sampled_from([Membership.FROZEN, Membership.FROZEN, Membership.FOLLOW]),
        spreads=st.lists(_spreads(), max_size=2),
        has_catch_up=st.booleans(),
        has_all_day=st.just(has_all_day),
    )


def _drawn_limits() -> st.SearchStrategy[dict[str, Any]]:
    minutes = st.integers(1, 90).map(lambda n: dt.timedelta(minutes=n))
    return st.fixed_dictionaries(
        {
            "max_concurrency": st.integers(1, 5),
            "max_failures": st.integers(0, 4),
            "failure_mode": st.sampled_from(FailureMode),
            "min_success": st.none() | st.integers(1, 4),
            "run_timeout": st.none() | st.none() | minutes,
            "stalled_after": st.none() | minutes,
            "retry": st.none()
            | st.builds(
                Retry,
                attempts=st.integers(1, 2),
                backoff=minutes,
                on=st.just(tuple(FailureClass)) | st.just((FailureClass.FAILED,)),
            ),
            "undo": st.builds(
                Undo, scope=st.sampled_from(RollbackScope), max_concurrency=st.integers(1, 4)
            ),
        }
    )


def _limits(on_breach: OnBreach, drawn: dict[str, Any], *, has_all_day: bool) -> Limits:
    if has_all_day:
        drawn = {**drawn, "run_timeout": None, "min_success": None}
    undo = drawn["undo"] if on_breach is OnBreach.ROLLBACK else None
    return limits(**{**drawn, "undo": undo, "on_breach": on_breach})


def _spreads() -> st.SearchStrategy[Spread]:
    groups = st.lists(
        st.tuples(st.none() | st.integers(1, 3), st.none() | st.integers(0, 2)),
        min_size=1,
        max_size=3,
    )
    return st.builds(_spread, groups)


def _spread(drawn: list[tuple[int | None, int | None]]) -> Spread:
    return Spread(
        by="tag:site",
        groups=tuple(
            SpreadGroup(value=f"{n}", target_count=1, max_concurrency=many, max_failures=bad)
            for n, (many, bad) in enumerate(drawn)
        ),
    )


def _run_plan(
    drawn: list[tuple[int, int, int, bool, bool]],
    *,
    has_catch_up: bool,
    has_all_day: bool,
    spreads: list[Spread],
    steps: int,
    **changes: Any,
) -> Plan:
    made = [
        wave(
            count,
            name="catch-up" if has_catch_up and n + 1 == len(drawn) else f"w{n}",
            max_concurrency=min(at_once, count),
            max_failures=min(failures, count),
            soak=dt.timedelta(minutes=10 if has_soak else 0),
            timeout=dt.timedelta(minutes=40) if has_end and not has_all_day else None,
        )
        for n, (count, at_once, failures, has_soak, has_end) in enumerate(drawn)
    ]
    # Labels may not be told apart by the laws: each cap has values of its own.
    named = tuple(dataclasses.replace(spread, by=f"tag:{n}") for n, spread in enumerate(spreads))
    targets = [
        target(
            n,
            steps=(PIN,) * steps,
            groups=tuple((n * (k + 1)) % len(spread.groups) for k, spread in enumerate(named)),
            rollback=None if n % 5 == 4 else Rollback(is_possible=True, note="back", steps=(BACK,)),
        )
        for n in range(sum(one.target_count for one in made))
    ]
    return plan(made, targets=targets, spreads=named, **changes)
