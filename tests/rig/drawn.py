"""Fleets, strategies and plans as hypothesis draws them."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

from hypothesis import strategies as st

from fleet.model.cluster import AutoUpgrade, Cluster, Connectivity, Extension, ProvisioningState
from fleet.model.desired import Membership, OnDrift
from fleet.model.plan import Limits, Plan, Retry, Rollback, Spread, SpreadGroup, Undo
from fleet.model.scope import Match, Scope, Unreachable
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
from tests.rig.fleets import BACK, OFFERED, PIN, cluster, extension, limits, plan, target, wave

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
