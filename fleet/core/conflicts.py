"""Policies that would undo a plan: which assignments, on which clusters, and whose move it is.

A policy with the effect DeployIfNotExists puts an extension again where it is
missing, or not as the policy wants it, with the policy's own version, flag and
settings. What it finds sound it leaves alone, so it does not undo a rollout at
once: it does after an uninstall, and whenever a write is under way or failed.

What a policy's rule asks of a cluster beyond its distribution is not known
here: an assignment counts for every cluster in its scope. Finding assignments
is discovery's business.

Source:  the rules of the built-in definitions for Arc extensions: existence asks for Succeeded.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from fleet.core import steps
from fleet.core.assignment import Member
from fleet.model.cluster import (
    AutoUpgrade,
    Cluster,
    Extension,
    Inventory,
    PolicyAssignment,
    PolicyDeployment,
    nothing,
)
from fleet.model.desired import Rollout
from fleet.model.plan import Action, Step, Target, Verb

_DEPLOYS = "deployifnotexists"
_GROUPS = "/providers/microsoft.management/managementgroups/"
_WHOSE_MOVE = (
    "whoever owns the assignment can exclude the cluster or stop enforcing it; "
    "or name it under acknowledge.policies"
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A policy that would work against what is planned for a cluster."""

    assignment: PolicyAssignment
    deed: str
    """What it would do, such as ``would install it again``."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Aim:
    """What will be there when the steps are done."""

    is_absent: bool
    auto_upgrade: AutoUpgrade | None
    version: str | None
    settings: Mapping[str, str]
    protected: frozenset[str]


def weighed(
    members: Sequence[Member], rollout: Rollout, inventory: Inventory
) -> tuple[list[Member], tuple[str, ...]]:
    """Return *members* with those blocked that a policy would undo, and what else is to be told."""
    known = {one.lower() for one in rollout.acknowledged_policies}
    accepted: collections.Counter[tuple[str, str]] = collections.Counter()
    found: list[Member] = []
    for cluster, target in members:
        conflicts = conflicts_of(cluster, target, rollout, inventory)
        open_ones = [one for one in conflicts if not _is_known(one.assignment, known)]
        if open_ones:
            found.append((cluster, _blocked(target, open_ones)))
            continue
        found.append((cluster, target))
        accepted.update((_called(one.assignment), one.deed) for one in conflicts)
    told = [
        f"{name} is acknowledged: it {deed}, on {count} of the clusters to be changed"
        for (name, deed), count in sorted(accepted.items())
    ]
    return found, (*told, *_unmet(rollout, inventory))


def conflicts_of(
    cluster: Cluster, target: Target, rollout: Rollout, inventory: Inventory
) -> tuple[Conflict, ...]:
    """Return the policies that would work against *target*, ordered as the inventory has them."""
    if not inventory.policies or not target.action.is_change:
        return ()
    present = next((e for e in cluster.extensions if e.name == target.extension_name), None)
    aim = _aim(present, steps.own(target.steps))
    wanted = rollout.desired.profile.extension_type.lower()
    return tuple(
        Conflict(assignment=assignment, deed=deed)
        for assignment in inventory.policies
        if assignment.is_enforced and _covers(assignment, cluster, inventory.management_groups)
        for deed in dict.fromkeys(_deeds(assignment, cluster, aim, extension_type=wanted))
    )


def _deeds(
    assignment: PolicyAssignment, cluster: Cluster, aim: _Aim, *, extension_type: str
) -> Iterator[str]:
    for one in assignment.deployments:
        is_meant = one.extension_type.lower() == extension_type
        is_spared = cluster.distribution.lower() in one.spared_distributions
        if is_meant and not is_spared and one.effect.lower() == _DEPLOYS:
            deed = _deed(one, aim)
            if deed:
                yield deed


def _deed(deployment: PolicyDeployment, aim: _Aim) -> str:
    """Say what the deployment would undo; empty where it would leave everything as planned."""
    if aim.is_absent:
        return "would install it again"
    parts = []
    if not _is_same_version(deployment, aim):
        parts.append(_version_deed(deployment))
    if aim.protected or not aim.settings.items() <= deployment.settings.items():
        parts.append("replace its settings")
    return f"would {' and '.join(parts)} while it is not Succeeded" if parts else ""


def _is_same_version(deployment: PolicyDeployment, aim: _Aim) -> bool:
    if deployment.auto_upgrade is None or deployment.auto_upgrade is not aim.auto_upgrade:
        return False
    return aim.auto_upgrade is not AutoUpgrade.NONE or deployment.version == aim.version


def _version_deed(deployment: PolicyDeployment) -> str:
    match deployment.auto_upgrade:
        case None:
            return "set a version or auto-upgrade of its own"
        case AutoUpgrade.NONE:
            return f"pin {deployment.version or 'a version of its own'}"
        case automatic:
            return f"set auto-upgrade {automatic}"


def _aim(present: Extension | None, steps: Sequence[Step]) -> _Aim:
    automatic = present.auto_upgrade if present else None
    version = present.installed_version if present else None
    settings = dict(present.settings) if present else {}
    protected = set(present.protected_keys) if present else set()
    for step in steps:
        automatic = step.auto_upgrade or automatic
        version = step.version or version
        settings = {**({} if step.is_exact else settings), **(step.settings or {})}
        protected |= set(step.protected or ())
    return _Aim(
        is_absent=any(step.verb is Verb.DELETE for step in steps),
        auto_upgrade=automatic,
        version=version,
        settings=settings,
        protected=frozenset(protected),
    )


def _covers(
    assignment: PolicyAssignment, cluster: Cluster, groups: Mapping[str, tuple[str, ...]]
) -> bool:
    cluster_id = cluster.id.lower()
    parts = cluster_id.split("/")
    own = {cluster_id, "/".join(parts[:5]), "/".join(parts[:3])}
    above = groups.get(cluster.subscription.lower())
    # NB: where the groups above it are not known, any may be: what they exclude is not.
    own |= {group.lower() for group in above or ()}
    scope = assignment.scope.lower()
    is_in = scope in own or (above is None and scope.startswith(_GROUPS))
    return is_in and not any(one.lower() in own for one in assignment.not_scopes)


def _blocked(target: Target, conflicts: Sequence[Conflict]) -> Target:
    said = "; ".join(f"{_called(one.assignment)} {one.deed}" for one in conflicts)
    return dataclasses.replace(
        target,
        action=Action.BLOCKED,
        reason=f"{said}: {_WHOSE_MOVE}",
        to_version=None,
        steps=(),
        owned=nothing(),
        diff=(),
        rollback=None,
    )


def _called(assignment: PolicyAssignment) -> str:
    shown = f' "{assignment.display_name}"' if assignment.display_name else ""
    return f"policy assignment{shown} {assignment.id}"


def _is_known(assignment: PolicyAssignment, acknowledged: set[str]) -> bool:
    return bool({assignment.id.lower(), assignment.name.lower()} & acknowledged)


def _unmet(rollout: Rollout, inventory: Inventory) -> Iterator[str]:
    names = {one.id.lower() for one in inventory.policies}
    names |= {one.name.lower() for one in inventory.policies}
    for one in rollout.acknowledged_policies:
        if one.lower() not in names:
            yield f"acknowledge.policies: {one}: no such assignment deploys this extension"
