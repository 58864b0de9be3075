"""What a decision about an extension rests on, drawn from a reading; never a heartbeat's time."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from fleet.core import chain
from fleet.model import codec
from fleet.model.cluster import Extension, ProvisioningState
from fleet.model.plan import Facts, Step

_ABSENT = "absent"


def facts_of(found: Extension | None, steps: Sequence[Step], *, owned: Mapping[str, str]) -> Facts:
    """Return what a decision to take *steps* rests on: no heartbeat, no agent version."""
    if found is None:
        return Facts(is_present=False)
    is_exact = any(step.is_exact for step in steps if step.is_own)
    kept = found.settings if is_exact else {k: v for k, v in found.settings.items() if k in owned}
    return Facts(
        is_present=True,
        version=found.version,
        current_version=found.current_version,
        auto_upgrade=found.auto_upgrade,
        release_train=found.release_train.lower(),
        is_failed=is_failed(found),
        settings=kept,
        protected_keys=tuple(sorted(found.protected_keys)),
    )


def owned_only(known: Facts, owned: Mapping[str, str]) -> Facts:
    """Return *known* with those settings only that *owned* names."""
    kept = {key: value for key, value in known.settings.items() if key in owned}
    return dataclasses.replace(known, settings=kept)


def is_failed(found: Extension) -> bool:
    """Whether the last operation on it ended badly."""
    return found.provisioning_state in (ProvisioningState.FAILED, ProvisioningState.CANCELED)


def barred(found: Extension) -> str:
    """Say why nobody but its manager may write to *found*; empty: nothing says so."""
    if found.is_system:
        return "a system extension: the service manages it"
    return "its manager lets users read only" if found.is_read_only else ""


def mark(found: Extension | None) -> str:
    """Return what tells one state of an extension from another: a digest of the whole reading."""
    return chain.digest(codec.to_json(found)) if found else _ABSENT
