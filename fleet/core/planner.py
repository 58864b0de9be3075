"""Inventory and plan file in, plan out: who is changed, how, why, and in which wave.

Nothing is asked and nothing is random: the same inventory and the same file
give the same plan and the same digest.

Errors:  :exc:`~fleet.errors.InputError` for a selector that means no cluster and for
         waves that leave a target out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from fleet.core import again, chain, conflicts, heartbeats, policy, selection, unread, waves
from fleet.core.waves import Assignment, Member
from fleet.errors import InputError
from fleet.model import codec
from fleet.model.cluster import Cluster, Inventory
from fleet.model.desired import Presence, Rollout
from fleet.model.plan import Digest, Limits, Plan, PlanHead, Target, Wave


def plan(rollout: Rollout, inventory: Inventory) -> Plan:
    """Compute what *rollout* does to the clusters of *inventory*."""
    selected = selection.selected(inventory.clusters, rollout.scope)
    clusters, late = heartbeats.weighed(selected, read_at=inventory.read_at)
    if not clusters:
        raise InputError(
            f"{rollout.name}: no cluster is selected, of {len(inventory.clusters)} discovered",
            hint="`fleet discover FILE` lists what there is; check targets.match and exclude.",
        )
    judged, conflicting = conflicts.weighed(
        _judged(rollout, clusters, inventory), rollout, inventory
    )
    changes = [member for member in judged if member[1].action.is_change]
    limits = waves.limits_of(
        rollout.strategy,
        count=len(changes),
        is_uninstall=rollout.desired.presence is Presence.ABSENT,
    )
    assignment = waves.assign(
        [member for member in changes if member[0].is_reachable],
        rollout.strategy,
        late=[member for member in changes if not member[0].is_reachable],
    )
    resolved, placed = _placed(assignment, rollout, limits)
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
            *unread.warnings(clusters, rollout.desired),
            *conflicting,
            *assignment.warnings,
            *waves.clamps(rollout.strategy, assignment, count=len(changes)),
            *waves.emptied(assignment),
        ),
        inventory_digest=_inventory_digest([target for _, target in judged]),
    )
    return sealed(head, (*placed, *rest))


def sealed(head: PlanHead, targets: Sequence[Target]) -> Plan:
    """Return the plan of *head* and *targets* under its digest."""
    return Plan(head=head, targets=tuple(targets), digest=digest(head, targets))


def digest(head: PlanHead, targets: Sequence[Target]) -> Digest:
    """Return what names a plan: everything in it, and nothing of when it was made."""
    return chain.digest(
        {"head": codec.to_json(head), "targets": [codec.to_json(target) for target in targets]}
    )


def _placed(
    assignment: Assignment, rollout: Rollout, limits: Limits
) -> tuple[tuple[Wave, ...], list[Target]]:
    """Return the waves that have anything to do, and their targets, wave by wave."""
    full = [(rule, members) for rule, members in assignment.waves if members]
    resolved = tuple(
        waves.resolved(rule, count=len(members), strategy=rollout.strategy, limits=limits)
        for rule, members in full
    )
    placed = [
        dataclasses.replace(target, wave=rule.name)
        for rule, members in full
        for _, target in members
    ]
    return resolved, placed


def _judged(rollout: Rollout, clusters: Sequence[Cluster], inventory: Inventory) -> list[Member]:
    catalogues = again.catalogues(
        rollout.desired, clusters, versions=inventory.versions, limits=inventory.version_limits
    )
    there = again.by_location(catalogues, clusters, local=inventory.local_versions)
    return [
        (
            cluster,
            policy.judge(
                cluster,
                rollout.desired,
                catalogues=there[cluster.location],
                unreachable=rollout.scope.unreachable,
            ),
        )
        for cluster in clusters
    ]


def _inventory_digest(targets: Sequence[Target]) -> Digest:
    return chain.digest([[target.cluster_id, target.facts_digest] for target in targets])
