"""The look at whether a cluster says that it is the one that is meant.

Whoever reaches another one is refused before anything is looked at; here it is told where nothing
says either way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fleet.core import nameplates
from fleet.core.looks.subject import Finding, Look, Subject, failed, passed
from fleet.model.inside import CheckRule
from fleet.model.objects import Seen, Sight, Want


def _wants_plate(rule: CheckRule, subject: Subject, seen: Seen) -> Iterator[Want]:
    del rule, subject, seen
    yield nameplates.WANT


def _identity(rule: CheckRule, subject: Subject, seen: Sequence[Sequence[Any]]) -> Finding:
    del rule
    found = nameplates.recognized(Sight(objects=tuple(seen[0])), subject.cluster_id)
    if found.plate is None:
        hint = "connect it to Azure again, or make sure that clusterAccess leads there"
        return failed(f"nothing says that it is {subject.cluster_name}: {found.why}: {hint}")
    shown = {
        "cluster": found.plate.cluster,
        "resourceGroup": found.plate.resource_group,
        "subscription": found.plate.subscription,
    }
    if found.is_it:
        return passed(**shown)
    return failed(f"it is {found.plate.words}: correct clusterAccess in the plan file", **shown)


CLUSTER_IDENTITY = Look(_identity, _wants_plate, is_placed=False)
