"""What a plan does inside clusters: steps beside Azure's, the way back from them, what is told.

Added to targets after they were judged. A cluster that was looked at, and where
all is as it shall be, gets no such step; one that could not be looked at gets
all of them, and each finds out for itself. What the API server refuses of a dry
run blocks the target, in the server's words.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence

from fleet.core import holds, looks, platforms, required, steps
from fleet.core.assignment import Member
from fleet.model.cluster import Cluster, ClusterId
from fleet.model.desired import Profile, Rollout
from fleet.model.inside import CheckRule, Outlook, Work, WorkKind
from fleet.model.plan import Action, Change, Rollback, Step, Target, Verb
from fleet.model.scope import Unreachable
from fleet.model.versions import VersionOrder

NOT_LOOKED = Outlook(is_seen=False)
_UNTOUCHED = frozenset({Action.SKIP, Action.BLOCKED})


def weighed(
    members: Sequence[Member], rollout: Rollout, outlooks: Mapping[ClusterId, Outlook]
) -> list[Member]:
    """Return *members* with what is done inside their clusters.

    Args:
        members: As judged by what Azure says.
        rollout: The plan file.
        outlooks: What was seen of each cluster; none where nobody looked.
    """
    return [
        (
            cluster,
            judged(
                cluster,
                target,
                rollout.desired.profile,
                rollout.inside.works,
                outlooks.get(cluster.id, NOT_LOOKED),
                unreachable=rollout.scope.unreachable,
            ),
        )
        for cluster, target in members
    ]


def judged(
    cluster: Cluster,
    target: Target,
    profile: Profile,
    works: Sequence[Work],
    outlook: Outlook = NOT_LOOKED,
    *,
    unreachable: Unreachable,
) -> Target:
    """Return *target* with what of *works* is due inside its *cluster*."""
    if target.action in _UNTOUCHED:
        return target
    unmet = platforms.unmet(profile, outlook.platforms)
    if unmet and target.action is Action.INSTALL:
        return _blocked(target, unmet)
    works = _due(target, works, outlook)
    if not works:
        return target
    if not target.action.is_change and (reason := _spared(cluster, unreachable)):
        return dataclasses.replace(target, action=Action.SKIP, reason=reason)
    if outlook.refused:
        return _blocked(target, f"inside the cluster: {outlook.refused}")
    return _added(target, works, outlook)


def _spared(cluster: Cluster, unreachable: Unreachable) -> str:
    """Say why a cluster is left alone that Azure alone would have left alone anyway."""
    if holds.is_held(cluster):
        return holds.reason(Action.RECONFIGURE)
    if not cluster.is_reachable and unreachable is Unreachable.SKIP:
        return f"not connected ({cluster.connectivity}); would {Action.RECONFIGURE}"
    return ""


def _due(target: Target, works: Sequence[Work], outlook: Outlook) -> list[Work]:
    """Return those of *works* that *target* needs."""
    if target.action is Action.NO_CHANGE and not target.facts.is_present:
        return []
    if target.action is Action.INSTALL or not outlook.is_seen:
        return list(works)
    due = [work for work in works if _is_changing(work, target, outlook)]
    # Pods are behind only once what decides over their sidecars has changed.
    is_followed = any(work.kind in _DECIDES_OVER_SIDECARS for work in due)
    return [
        work for work in works if work in due or (is_followed and work.kind is WorkKind.RESTART)
    ]


_DECIDES_OVER_SIDECARS = (WorkKind.NAMESPACES, WorkKind.MESH_CONFIG)


def _is_changing(work: Work, target: Target, outlook: Outlook) -> bool:
    """Tell whether it does anything; what a change brings about itself is not seen before it."""
    is_late = work.kind in (WorkKind.RESTART, WorkKind.ORPHANS) and target.action.is_change
    return is_late or outlook.changes.get(work.kind) != ()


def _added(target: Target, works: Sequence[Work], outlook: Outlook) -> Target:
    before = [one for one in works if _is_before(one, target.action)]
    after = [one for one in works if not _is_before(one, target.action)]
    is_change = target.action.is_change
    diff = tuple(
        Change(path=path, before=was, after=shall)
        for work in works
        for path, was, shall in outlook.changes.get(work.kind, ())
    )
    kinds = ", ".join(work.kind for work in works)
    return dataclasses.replace(
        target,
        action=target.action if is_change else Action.RECONFIGURE,
        reason=f"{target.reason}; inside: {kinds}" if is_change else f"inside: {kinds}",
        steps=(*_steps(before), *target.steps, *_steps(after)),
        diff=(*target.diff, *diff),
        rollback=_wayback(target, works, outlook),
    )


def _is_before(work: Work, action: Action) -> bool:
    """Whether *work* is done before Azure is asked: an uninstall comes after all that it ends."""
    return action is Action.UNINSTALL and work.kind is not WorkKind.ORPHANS


def _steps(works: Sequence[Work]) -> tuple[Step, ...]:
    return tuple(
        Step(verb=Verb.CONFIGURE, work=work, why=f"inside the cluster: {_WORDS[work.kind]}")
        for work in works
    )


_WORDS: Mapping[WorkKind, str] = {
    WorkKind.MESH_CONFIG: "the mesh's configuration",
    WorkKind.NAMESPACES: "namespaces of the mesh",
    WorkKind.MONITORING: "namespaces that Azure Monitor scrapes",
    WorkKind.PRIVILEGED: "OpenShift's privileged constraints for meshed namespaces",
    WorkKind.RESTART: "workloads with sidecars that are not the mesh's own",
    WorkKind.ORPHANS: "webhooks that the mesh left behind",
}


def _wayback(target: Target, works: Sequence[Work], outlook: Outlook) -> Rollback:
    """Return the way back of the target with that of *works* added."""
    back = [
        outlook.undo[work.kind]
        for work in reversed(works)
        if work.kind in outlook.undo and not _goes_with_it(work, target)
    ]
    lost = [
        work.kind
        for work in works
        if work.kind not in outlook.undo
        and not _goes_with_it(work, target)
        and work.kind not in (WorkKind.RESTART, WorkKind.ORPHANS)
    ]
    way = target.rollback or Rollback(is_possible=True, note="")
    if back and not steps.own(target.steps):
        # All that would be taken back is inside; what is required first stays all the same.
        way = required.left_there(Rollback(is_possible=True, note=""), target.steps)
    is_uninstall = bool(way.steps) and way.steps[-1].verb is Verb.DELETE
    inside = _steps(back)
    order = (*inside, *way.steps) if is_uninstall else (*way.steps, *inside)
    told = [way.note] if way.note else []
    told += [f"inside as it was: {', '.join(work.kind for work in back)}"] if back else []
    told += [f"inside not known: {', '.join(lost)}"] if lost else []
    return Rollback(is_possible=way.is_possible and not lost, note="; ".join(told), steps=order)


def _goes_with_it(work: Work, target: Target) -> bool:
    """Whether uninstalling takes *work*'s objects away by itself."""
    return work.kind is WorkKind.MESH_CONFIG and not target.facts.is_present


def _blocked(target: Target, reason: str) -> Target:
    return dataclasses.replace(
        target, action=Action.BLOCKED, reason=reason, steps=(), diff=(), rollback=None
    )


def checks_of(rollout: Rollout) -> tuple[CheckRule, ...]:
    """Return what is checked inside clusters, as severely as the plan file wants it."""
    inside = rollout.inside
    if not (inside.has_checks and inside.access.is_given):
        return ()
    # NB: what only warns is settled when a run looks: plans of old runs do not have it in them.
    return looks.graded(rollout.desired.profile.checks, severities=inside.severities)


def order_of(rollout: Rollout) -> VersionOrder:
    """Return how the checks are to compare versions; nobody else asks a plan's head."""
    is_checked = bool(checks_of(rollout))
    return rollout.desired.profile.version_order if is_checked else VersionOrder.SEMVER


def warnings(
    rollout: Rollout, targets: Sequence[Target], outlooks: Mapping[ClusterId, Outlook]
) -> tuple[str, ...]:
    """Return what is not proved inside clusters, and which of them could not be looked at."""
    changes = [one for one in targets if one.action.is_change]
    if not changes:
        return ()
    seen = [found for one in changes if (found := outlooks.get(one.cluster_id)) is not None]
    return (
        *_unproved(rollout),
        *_counted([found.why_not for found in seen], changes, "not everything could be looked at"),
        *_counted([found.doubt for found in seen], changes, "nothing says which cluster it is"),
    )


def _counted(reasons: Iterable[str], changes: Sequence[Target], what: str) -> Iterator[str]:
    found = collections.Counter(why for why in reasons if why)
    for why, count in found.most_common(_SHOWN):
        yield f"inside {count} of {len(changes)} {what}: {why}"


_SHOWN = 3


def _unproved(rollout: Rollout) -> tuple[str, ...]:
    access, checks = rollout.inside.access, rollout.desired.profile.checks
    if not checks:
        return ()
    if not access.is_given:
        text = (
            f"nothing inside the clusters is proved: {len(checks)} checks need clusterAccess, "
            "and a target counts as succeeded on Azure's word alone"
        )
        return (text,)
    if not rollout.inside.has_checks:
        return (f"nothing inside the clusters is proved: checks are off ({len(checks)} of them)",)
    if access.is_warn_only:
        return ("what is seen through the proxy only warns: no target is held up by it",)
    return ()
