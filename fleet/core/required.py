"""Other extensions that a target's own one needs: installed where they are not there, else left.

In the order of the plan file, as the target's first steps. What is there is never written to,
whatever its version and settings; one that is being changed is waited for, and one that failed is
its owner's to mend. Going back leaves them: others may have come to need them meanwhile.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from fleet.core import facts
from fleet.core.wish import DEFAULT_TRAIN
from fleet.model.cluster import AutoUpgrade, Cluster, Extension, ProvisioningState
from fleet.model.desired import Desired, Presence, Requirement
from fleet.model.plan import OtherExtension, Rollback, Step, Verb
from fleet.model.statuses import Finding

_ARC = "connectedclusters"
_FIRST = "required first: "
_WHOSE_MOVE = "whoever owns it has to mend or remove it; a plan of its own puts it again"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """What of a plan file's ``requires`` one cluster does not have, or not yet."""

    steps: tuple[Step, ...] = ()
    """For those that are not there, and for those that are being changed."""
    is_lacking: bool = False
    """Whether one is not there, or is going."""
    trouble: str = ""
    """Why nothing may be installed before one of them is seen to; empty: nothing is in the way."""


# --- when a plan is made -----------------------------------------------------------------


def lack(cluster: Cluster, desired: Desired) -> Lack:
    """Return what *cluster* lacks of what *desired* requires, in order."""
    if desired.presence is Presence.ABSENT:
        return Lack()
    wanted = [(one, _instance(cluster, one)) for one in desired.requires]
    troubles = [text for one, found in wanted if (text := _trouble(cluster, one, found))]
    due = [(one, found) for one, found in wanted if not _is_settled(found)]
    return Lack(
        steps=tuple(_step(cluster, one, found) for one, found in due),
        is_lacking=any(_is_gone(found) for _, found in due),
        trouble=f"{_FIRST}{troubles[0]}" if troubles else "",
    )


def left_there(way: Rollback, steps: Sequence[Step]) -> Rollback:
    """Return *way* with what it leaves of *steps*: no other extension is taken away again."""
    if not (names := _names(steps)):
        return way
    verb = "stay" if len(names) > 1 else "stays"
    notes = (way.note, f"{' and '.join(names)} {verb}")
    return dataclasses.replace(way, note="; ".join(filter(None, notes)))


def nothing_else(steps: Sequence[Step]) -> Rollback:
    """Return the way back of a target that only installs others: there is none."""
    verb = "stay" if len(names := _names(steps)) > 1 else "stays"
    note = f"irreversible: {' and '.join(names)} {verb}, and nothing else changes"
    return Rollback(is_possible=False, note=note)


def _names(steps: Iterable[Step]) -> list[str]:
    return [step.other.name for step in steps if step.other is not None]


def _instance(cluster: Cluster, wanted: Requirement) -> Extension | None:
    """Return the extension that is meant: by its name, else the only one that there can be."""
    named = [one for one in cluster.extensions if one.name.lower() == wanted.name.lower()]
    if not named and wanted.profile.has_one_instance:
        named = [one for one in cluster.extensions if _is_of_type(one, wanted)]
    return named[0] if named else None


def _is_of_type(found: Extension, wanted: Requirement) -> bool:
    return found.extension_type.lower() == wanted.profile.extension_type.lower()


def _is_settled(found: Extension | None) -> bool:
    return found is not None and found.provisioning_state.is_terminal


def _is_gone(found: Extension | None) -> bool:
    return found is None or found.provisioning_state is ProvisioningState.DELETING


def _trouble(cluster: Cluster, wanted: Requirement, found: Extension | None) -> str:
    if found is not None:
        is_other = not _is_of_type(found, wanted)
        return _other_type(wanted.name) if is_other else _failure(found)
    for one in cluster.unread:
        if wanted.name.lower() == (one.name or "").lower() or (
            wanted.profile.extension_type.lower() == (one.extension_type or "").lower()
        ):
            return f"what Azure says of {wanted.name} cannot be read: {one.why}"
    return _unsupported(cluster, wanted)


def _unsupported(cluster: Cluster, wanted: Requirement) -> str:
    profile, distribution = wanted.profile, cluster.distribution.lower()
    if profile.cluster_types and _ARC not in profile.cluster_types:
        return f"{wanted.name} is for {' and '.join(profile.cluster_types)}, not for Arc clusters"
    if profile.distributions and distribution not in profile.distributions:
        shown = distribution or "(unknown)"
        return f"{wanted.name} does not support the distribution {shown}: leave the cluster out"
    return ""


def _step(cluster: Cluster, wanted: Requirement, found: Extension | None) -> Step:
    """Return the PUT of one that is not there; where it is by then, it is not sent."""
    profile = wanted.profile
    needed = profile.distribution_settings.get(cluster.distribution.lower(), {})
    is_pinned = wanted.version is not None
    automatic = wanted.auto_upgrade or AutoUpgrade.COMPATIBLE
    state = "not installed" if found is None else f"{found.provisioning_state}: waits for it"
    return Step(
        verb=Verb.PUT,
        version=wanted.version,
        auto_upgrade=AutoUpgrade.NONE if is_pinned else automatic,
        release_train=wanted.release_train or DEFAULT_TRAIN,
        settings={**needed, **wanted.settings},
        protected=wanted.protected or None,
        why=f"{_FIRST}{wanted.name} is {state}",
        other=OtherExtension(
            # NB: where it is there under another name, that one is what is waited for.
            name=found.name if found else wanted.name,
            extension_type=profile.extension_type,
            namespace=wanted.namespace,
            is_namespaced=profile.is_namespaced,
        ),
    )


# --- while a run goes on -----------------------------------------------------------------


def seen(other: OtherExtension, found: Extension | None) -> tuple[Finding, str]:
    """Judge a reading before the write of *other*, or instead of that write's answer."""
    if found is None:
        return Finding.PROCEED, ""
    if not found.provisioning_state.is_terminal:
        return Finding.BUSY, f"{other.name} is {found.provisioning_state}"
    if trouble := fault(other, found):
        return Finding.FAILED, f"{_FIRST}{trouble}"
    return Finding.DONE, f"{other.name} is there already, and left alone"


def fault(other: OtherExtension, found: Extension) -> str:
    """Say why *found* is not what is required; empty: it is there, and that is enough."""
    if found.extension_type.lower() != other.extension_type.lower():
        return _other_type(other.name)
    return _failure(found)


def _failure(found: Extension) -> str:
    if not facts.is_failed(found):
        return ""
    said = f" ({found.error})" if found.error else ""
    return f"{found.name} is {found.provisioning_state}{said}: {_WHOSE_MOVE}"


def _other_type(name: str) -> str:
    return f"an extension of another type is named {name}: name it otherwise, or remove that one"
