"""Looking at one cluster by single checks of the mesh, whatever their moment."""

from __future__ import annotations

from typing import Any

from fleet.core import looks
from fleet.model.inside import CheckResult, Verdict
from tests.rig import insights
from tests.rig.insights import Cluster


def judged(cluster: Cluster, *names: str, **known: Any) -> tuple[CheckResult, ...]:
    """Look at a cluster by the rules of *names*, whatever their moment."""
    subject = insights.subject(**known)
    rules = tuple(one for one in insights.RULES if one.id in names)
    return looks.judge(rules, subject, cluster.seen(rules, subject))


def said(cluster: Cluster, name: str, **known: Any) -> tuple[Verdict, str]:
    (result,) = judged(cluster, name, **known)
    assert result.check == name
    return result.verdict, result.detail


def healthy_for(name: str) -> Cluster:
    return insights.uninstalled() if name.endswith("after-delete") else insights.healthy()
