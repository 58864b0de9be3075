"""The look at what Azure says of the extension: nothing of the cluster's own is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fleet.core.looks.subject import Finding, Look, Subject, failed, passed
from fleet.model.cluster import Extension, ProvisioningState
from fleet.model.inside import CheckRule


def _azure(rule: CheckRule, subject: Subject, seen: Sequence[Sequence[Any]]) -> Finding:
    del rule, seen
    found = subject.extension
    if found is None:
        return failed(f"Azure knows no extension {subject.release} here: install it")
    wrong = _wrong(found, subject.version)
    shown = {
        "provisioningState": found.provisioning_state.value,
        "currentVersion": found.installed_version or "",
    }
    return failed(wrong, **shown) if wrong else passed(**shown)


def _wrong(found: Extension, version: str | None) -> str:
    state, there = found.provisioning_state, found.installed_version
    if not state.is_terminal:
        return f"it is still {state} in Azure: look again when that has ended"
    if state is not ProvisioningState.SUCCEEDED or found.error:
        told = f" ({found.error})" if found.error else ""
        return f"it is {state} in Azure{told}: run the plan file again when the cause is gone"
    if version is not None and version != there:
        return f"Azure shows version {there or 'none'}, not {version}: run the plan file"
    return ""


AZURE = Look(_azure, is_placed=False)
