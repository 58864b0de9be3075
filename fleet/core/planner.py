"""Inventory and plan file in, plan out: who is changed, how, why, and in which wave.

Nothing is asked and nothing is random: the same inventory and the same file
give the same plan and the same digest.

Errors:  :exc:`~fleet.errors.InputError` for a selector that means no cluster and for
         waves that leave a target out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from fleet.core import (
    advice,
    again,
    alike,
    assignment,
    bindings,
    chain,
    conflicts,
    heartbeats,
    holds,
    insides,
    order,
    selection,
    spreads,
    trials,
    unread,
    waves,
)
from fleet.core.assignment import Assignment, Member
from fleet.core.bindings import Bindings
from fleet.core.spreads import Spreading
from fleet.core.timetables import Zones
from fleet.errors import InputError
from fleet.model import codec
from fleet.model.cluster import Cluster, ClusterId, Inventory, LocalVersions
from fleet.model.desired import Membership, OnDrift, Presence, Rollout
from fleet.model.inside import Outlook
from fleet.model.plan import Basis, Digest, Limits, Plan, PlanHead, Pool, Target, Wave
from fleet.model.strategy import FailureMode, OnBreach


def plan(
    rollout: Rollout,
    inventory: Inventory,
    *,
    zones: Zones | None = None,
    outlooks: Mapping[ClusterId, Outlook] = MappingProxyType({}),
) -> Plan:
    """Compute what *rollout* does to the clusters of *inventory*.

    Args:
        rollout: A checked plan file.
        inventory: As discovery returned it.
        zones: Zone data; needed where there are calendars.
        outlooks: What was seen inside clusters; none where nobody looked.
    """
    clusters, late = selected(rollout, inventory)
    judged, conflicting = conflicts.weighed(
        _judged(rollout, clusters, inventory), rollout, inventory
    )
    judged = insides.weighed(judged, rollout, outlooks)
    judged, own = bindings.weighed(judged, rollout, zones)
    strategy = rollout.strategy
    changes = order.ordered(
        (member for member in judged if member[1].action.is_change),
        strategy.sort_key,
        cluster=lambda member: member[0],
    )
    limits = waves.limits_of(
        strategy,
        count=len(changes),
        is_uninstall=rollout.desired.presence is Presence.ABSENT,
        may_roll_back=trials.may_roll_back(rollout),
    )
    assigned = assignment.assign(
        [member for member in changes if member[0].is_reachable],
        strategy,
        late=[member for member in changes if not member[0].is_reachable],
        idle=[cluster for cluster, target in judged if not target.action.is_change],
    )
    spreading = spreads.resolved(strategy.spread, [cluster for cluster, _ in changes])
    bound = bindings.resolved(rollout, _listed(assigned), own)
    resolved, placed = _placed(assigned, rollout, limits, spreading, bound)
    rest = [target for _, target in judged if not target.action.is_change]
    head = PlanHead(
        name=rollout.name,
        owner=rollout.owner,
        change=rollout.change,
        extension_type=rollout.desired.profile.extension_type,
        namespace=rollout.desired.namespace,
        on_drift=rollout.desired.on_drift,
        unreachable=rollout.scope.unreachable,
        limits=limits,
        waves=resolved,
        warnings=(
            *inventory.warnings,
            *late,
            *holds.warnings(judged),
            *unread.warnings(clusters, rollout.desired),
            *conflicting,
            *assigned.warnings,
            *waves.clamps(
                strategy, assigned, count=len(changes), may_roll_back=limits.undo is not None
            ),
            *assignment.emptied(assigned),
            *spreading.warnings,
            *_unmarked(limits),
            *_one_way(limits, placed),
            *bound.warnings,
            *trials.warnings(rollout, resolved),
            *advice.warnings(rollout, [target for _, target in judged]),
            *insides.warnings(rollout, [target for _, target in judged], outlooks),
        ),
        inventory_digest=_inventory_digest([target for _, target in judged]),
        spreads=spreading.spreads,
        pools=_pools(rollout),
        membership=rollout.membership,
        basis=_basis(rollout, inventory),
        not_before=rollout.not_before,
        calendars=bound.calendars,
        start_buffer=rollout.start_buffer,
        gates=trials.used(rollout, resolved),
        notify=rollout.notify,
        is_namespaced=rollout.desired.profile.is_namespaced,
        notice=advice.notice(rollout),
        access=rollout.inside.access,
        checks=insides.checks_of(rollout),
        version_order=insides.order_of(rollout),
    )
    if zones is not None:
        head = bindings.opened(head, placed, zones=zones, at=inventory.read_at)
    return sealed(head, (*placed, *rest))


def sealed(head: PlanHead, targets: Sequence[Target]) -> Plan:
    """Return the plan of *head* and *targets* under its digest."""
    return Plan(head=head, targets=tuple(targets), digest=digest(head, targets))


def digest(head: PlanHead, targets: Sequence[Target]) -> Digest:
    """Return what names a plan: everything in it, and nothing of when it was made."""
    return chain.digest_of(_written(head, targets))


def _written(head: PlanHead, targets: Iterable[Target]) -> Iterator[bytes]:
    """Yield ``{"head": ..., "targets": [...]}`` bit by bit: of a large fleet it is 100 MB."""
    yield b'{"head":' + chain.canonical(codec.to_json(head)) + b',"targets":['
    comma = b""
    for one in codec.each_to_json(Target, targets):
        yield comma + chain.canonical(one)
        comma = b","
    yield b"]}"


def selected(rollout: Rollout, inventory: Inventory) -> tuple[Sequence[Cluster], tuple[str, ...]]:
    """Return the clusters that are meant, and what was noticed of their heartbeats."""
    selected = selection.selected(inventory.clusters, rollout.scope)
    if not selected:
        raise InputError(
            f"{rollout.name}: no cluster is selected, of {len(inventory.clusters)} discovered",
            hint="`fleet discover FILE` lists what there is; check targets.match and exclude.",
        )
    return heartbeats.weighed(selected, read_at=inventory.read_at)


def _listed(assigned: Assignment) -> dict[str, tuple[str, ...]]:
    """Return the calendars that waves list, of those that anybody is in."""
    return {rule.name: rule.calendars for rule, members in assigned.waves if members}


def _placed(
    assigned: Assignment,
    rollout: Rollout,
    limits: Limits,
    spreading: Spreading,
    bound: Bindings,
) -> tuple[tuple[Wave, ...], list[Target]]:
    """Return the waves that have anything to do, and their targets, wave by wave."""
    resolved, placed = [], []
    pools = _pools(rollout)
    is_strict = limits.failure_mode is FailureMode.STRICT
    for rule, members in assigned.waves:
        if not members:
            continue
        groups = [spreading.groups(cluster) for cluster, _ in members]
        wave = waves.resolved(
            rule,
            count=len(members),
            strategy=rollout.strategy,
            limits=limits,
            caps=waves.caps_of(spreading.spreads, pools, groups, is_strict=is_strict),
        )
        wave = dataclasses.replace(
            wave, not_before=rule.not_before, calendars=bound.waves[rule.name]
        )
        resolved.append(trials.added(wave, rule, rollout))
        placed += [
            dataclasses.replace(
                target, wave=rule.name, groups=found, calendars=bound.own.get(cluster.id, ())
            )
            for (cluster, target), found in zip(members, groups, strict=True)
        ]
    return tuple(resolved), placed


def _judged(rollout: Rollout, clusters: Sequence[Cluster], inventory: Inventory) -> list[Member]:
    offers = again.catalogues(
        rollout.desired, clusters, versions=inventory.versions, limits=inventory.version_limits
    )
    there = again.by_location(offers, clusters, local=inventory.local_versions)
    found = alike.judged(
        clusters, rollout.desired, there=there, unreachable=rollout.scope.unreachable
    )
    return list(zip(clusters, found, strict=True))


def _pools(rollout: Rollout) -> tuple[Pool, ...]:
    return tuple(
        Pool(name=one.name, max_concurrency=one.max_concurrency) for one in rollout.strategy.pools
    )


def _basis(rollout: Rollout, inventory: Inventory) -> Basis | None:
    """Return what clusters are judged by while the run is under way, if any will be."""
    is_followed = rollout.membership is Membership.FOLLOW
    if rollout.desired.on_drift is not OnDrift.REPLAN and not is_followed:
        return None
    # NB: the service lists versions in no order, and a plan's digest must not depend on it.
    ordered = {train: tuple(sorted(some)) for train, some in inventory.versions.items()}
    return Basis(
        desired=rollout.desired,
        scope=rollout.scope,
        versions=ordered,
        version_limits=inventory.version_limits,
        local_versions=_local(inventory),
        tag_calendars=rollout.tag_calendars,
        works=rollout.inside.works,
    )


def _local(inventory: Inventory) -> Mapping[str, LocalVersions] | None:
    """Return what each location offers, where they differ; in an order that tells nothing."""
    found = {
        train: {
            place: None if some is None else tuple(sorted(some)) for place, some in places.items()
        }
        for train, places in inventory.local_versions.items()
    }
    return found or None


def _unmarked(limits: Limits) -> tuple[str, ...]:
    if limits.stalled_after is None or limits.stalled_after < limits.progress_deadline:
        return ()
    return ("stalledAfter is not before progressDeadline: no target is ever called stalled",)


def _one_way(limits: Limits, placed: Sequence[Target]) -> tuple[str, ...]:
    """Return a warning where a run would take back what cannot be."""
    stuck = sum(target.rollback is not None and target.rollback.is_one_way for target in placed)
    if limits.undo is None or not stuck:
        return ()
    is_breach = limits.on_breach is OnBreach.ROLLBACK
    cause = "onBreach: rollback" if is_breach else "the rollback of a gate"
    return (f"{cause} cannot take back {stuck} of {len(placed)}: irreversible",)


def _inventory_digest(targets: Sequence[Target]) -> Digest:
    return chain.digest([[target.cluster_id, target.facts_digest] for target in targets])
