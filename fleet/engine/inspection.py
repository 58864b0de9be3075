"""What proves a run's targets inside their clusters, after Azure's own word.

Errors:  :exc:`~fleet.errors.ClusterError` where a copy of what must be preserved is wanted, and
         the cluster does not answer: nothing was changed by then.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable

from fleet.core import looks
from fleet.core.looks import Subject
from fleet.engine.inspecting import Inspector
from fleet.errors import ClusterError
from fleet.model.cluster import Extension
from fleet.model.inside import CheckMoment, CheckResult, CheckRule, Verdict, WorkKind
from fleet.model.plan import PlanHead, Target, Verb
from fleet.ports import Clusters

_PRESERVED = "meshConfigDrift"
"""The look that compares with a copy from before."""
_SHOWN = 3
# Source: learn.microsoft.com, Azure Arc-enabled Open Service Mesh: after a delete it can take ten
# minutes until its objects are gone.
GRACE = dt.timedelta(minutes=10)
_TAKES_TIME = ("leftovers-after-delete",)
"""What is waited for though it would only warn."""
_TROUBLE = (Verdict.FAILED, Verdict.UNKNOWN)


class Inspection:
    """Looks into the clusters of one run."""

    def __init__(self, head: PlanHead, clusters: Clusters) -> None:
        self._head = head
        self._inspector = Inspector(clusters)

    async def snapshot(self, target: Target) -> str | None:
        """Return what a change of *target* must preserve; ``None``: nothing, or nobody would ask.

        Raises:
            ClusterError: The cluster does not answer, and what is seen there is no mere warning.
        """
        head = self._head
        is_wanted = head.is_inspected and any(rule.look == _PRESERVED for rule in head.checks)
        if not is_wanted:
            return None
        try:
            return await self._inspector.mesh_config(target.cluster_id)
        except ClusterError:
            if head.access.is_warn_only:
                return None
            raise

    async def results(
        self, target: Target, found: Extension | None, *, snapshot: str | None, now: dt.datetime
    ) -> tuple[CheckResult, ...]:
        """Return what each check of *target*'s cluster comes to; none where there are no checks."""
        if not self._head.is_inspected:
            return ()
        return await self._inspector.inspect(
            dataclasses.replace(_subject(target, self._head, found, snapshot), now=now),
            _rules(target, self._head),
        )


def bar(results: Iterable[CheckResult], *, age: dt.timedelta) -> str:
    """Say what keeps a target from being proved; empty: nothing.

    Args:
        results: Of its checks.
        age: How long ago Azure's own word proved it.
    """
    is_young = age < GRACE
    bars = [
        f"{one.check}: {one.detail}"
        for one in results
        if one.is_barrier or (is_young and one.check in _TAKES_TIME and one.verdict in _TROUBLE)
    ]
    more = f"; and {len(bars) - _SHOWN} more checks" if len(bars) > _SHOWN else ""
    return f"inside the cluster, {'; '.join(bars[:_SHOWN])}{more}" if bars else ""


def _rules(target: Target, head: PlanHead) -> tuple[CheckRule, ...]:
    is_removed = any(step.verb is Verb.DELETE for step in target.steps)
    moment = CheckMoment.ABSENT if is_removed else CheckMoment.PRESENT
    rules = looks.chosen(head.checks, moment=moment)
    return looks.graded(rules, is_warn_only=head.access.is_warn_only)


def _subject(
    target: Target, head: PlanHead, found: Extension | None, snapshot: str | None
) -> Subject:
    works = [step.work for step in target.steps if step.work is not None]
    return Subject(
        cluster_id=target.cluster_id,
        cluster_name=target.cluster_name,
        extension=found,
        release=target.extension_name,
        namespace=(found.namespace if found else None) or head.namespace,
        version=target.to_version,
        version_order=head.version_order,
        settings=target.owned,
        mesh_wish=next((one.patch for one in works if one.kind is WorkKind.MESH_CONFIG), None),
        mesh_before=snapshot,
        meshed=tuple(ns for one in works if one.kind is WorkKind.NAMESPACES for ns in one.add),
    )
