"""Checking clusters outside any run: which of a plan file's, as what, and what came of it.

How one is looked at: :mod:`fleet.core.looks`.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from fleet.core import looks, policy, unread
from fleet.core.looks import Subject
from fleet.core.wish import LATEST
from fleet.model.cluster import Cluster, Extension
from fleet.model.desired import Desired, Presence, Rollout
from fleet.model.inside import (
    CheckMoment,
    CheckResult,
    CheckRule,
    Inside,
    Severity,
    Verdict,
    Work,
    WorkKind,
)

_TROUBLE = (Verdict.FAILED, Verdict.UNKNOWN)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What all rules came to on one cluster."""

    results: tuple[CheckResult, ...]
    is_reached: bool | None = True
    """Whether its own API answered; ``None``: it was not asked."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What is kept of a cluster that was checked: the fleet may be large."""

    cluster_id: str
    cluster_name: str
    is_reached: bool | None
    passed: int
    failed: int
    unknown: int
    not_applicable: int
    troubles: tuple[CheckResult, ...]
    """What failed or is unknown, in the rules' order; of a cluster that was not reached, why."""

    @property
    def is_barred(self) -> bool:
        """Whether a gate did not pass."""
        return any(one.is_barrier for one in self.troubles)

    @property
    def has_failed(self) -> bool:
        """Whether a gate did not pass for another reason than that nobody was reached."""
        barriers = [one for one in self.troubles if one.is_barrier]
        is_lost = self.is_reached is False
        return any(not is_lost or one.verdict is Verdict.FAILED for one in barriers)


def rules_of(rollout: Rollout) -> tuple[CheckRule, ...]:
    """Return the checks that make sense where a plan file has been carried out."""
    inside = rollout.inside
    is_absent = rollout.desired.presence is Presence.ABSENT
    moment = CheckMoment.ABSENT if is_absent else CheckMoment.PRESENT
    return looks.graded(
        looks.chosen(rollout.desired.profile.checks, moment=moment),
        severities=inside.severities,
        is_warn_only=inside.access.is_warn_only,
    )


def subjects(
    clusters: Iterable[Cluster], rollout: Rollout, *, now: dt.datetime | None = None
) -> Iterator[Subject]:
    """Yield the clusters that are as far as the plan file wants them: with it, or without."""
    is_absent = rollout.desired.presence is Presence.ABSENT
    for cluster in clusters:
        found, trouble = policy.instance(cluster, rollout.desired)
        if found is not None and not is_absent:
            yield subject_of(cluster, found, rollout.desired, rollout.inside, now=now)
        elif found is None and is_absent and not trouble:
            yield subject_of(cluster, None, rollout.desired, rollout.inside, now=now)


def passed_over(clusters: Sequence[Cluster], rollout: Rollout) -> int:
    """Return how many clusters are not checked."""
    return len(clusters) - sum(1 for _ in subjects(clusters, rollout))


def subject_of(
    cluster: Cluster,
    found: Extension | None,
    desired: Desired,
    inside: Inside,
    *,
    now: dt.datetime | None = None,
) -> Subject:
    """Return a cluster as looks are told of it."""
    needed = desired.profile.distribution_settings.get(cluster.distribution.lower(), {})
    version = desired.version if desired.version != LATEST else None
    wish, meshed = wished(inside.works)
    return Subject(
        cluster_id=cluster.id,
        cluster_name=cluster.name,
        extension=found,
        release=found.name if found else desired.name,
        namespace=(found.namespace if found else None) or desired.namespace,
        version=version,
        version_order=desired.profile.version_order,
        settings={**needed, **desired.settings},
        mesh_wish=wish,
        meshed=meshed,
        now=now,
    )


def wished(works: Iterable[Work]) -> tuple[str | None, tuple[str, ...]]:
    """Return what works want the mesh's configuration to be, and who shall be in the mesh."""
    patch: str | None = None
    meshed: tuple[str, ...] = ()
    for work in works:
        if work.kind is WorkKind.MESH_CONFIG:
            patch = work.patch
        if work.kind is WorkKind.NAMESPACES:
            meshed = work.add
    return patch, meshed


def tally(subject: Subject, inspection: Inspection) -> Tally:
    """Return what is kept of an inspection."""
    counts = Counter(one.verdict for one in inspection.results)
    troubles = [one for one in inspection.results if one.verdict in _TROUBLE]
    if inspection.is_reached is False:
        first = next(
            (one for one in _worst_first(troubles) if one.verdict is Verdict.UNKNOWN), None
        )
        troubles = [one for one in troubles if one.verdict is Verdict.FAILED or one is first]
    return Tally(
        cluster_id=subject.cluster_id,
        cluster_name=subject.cluster_name,
        is_reached=inspection.is_reached,
        passed=counts[Verdict.PASSED],
        failed=counts[Verdict.FAILED],
        unknown=counts[Verdict.UNKNOWN],
        not_applicable=counts[Verdict.NOT_APPLICABLE],
        troubles=tuple(troubles),
    )


def unread_warnings(clusters: Sequence[Cluster], desired: Desired) -> tuple[str, ...]:
    """Return what of Azure's own answers keeps clusters from being checked."""
    return unread.warnings(clusters, desired, are_meant=True)


def _worst_first(troubles: Iterable[CheckResult]) -> list[CheckResult]:
    return sorted(troubles, key=lambda one: one.severity is not Severity.GATE)
