"""Gates and approvals, from what a plan file says to what a plan has."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import Any

from fleet.model.approvals import DEFAULT_LIFE, ApprovalRule
from fleet.model.cluster import nothing
from fleet.model.gates import Gate, Moment, Probe, ProbeKind
from fleet.spec import gates
from fleet.spec.gateform import ApprovalFile, GateFile, HeaderFile, RunApprovalFile

_FIELDS = (
    "success",
    "failure",
    "interval",
    "count",
    "initial_delay",
    "failure_limit",
    "inconclusive_limit",
    "consecutive_error_limit",
    "consecutive_success_limit",
    "on_fail",
    "on_inconclusive",
    "on_no_data",
    "on_error",
)
"""Of a plan file's gate and of a plan's alike."""


def gate(file: GateFile) -> Gate:
    """Return the gate that a plan file describes, with what it takes from a canned one."""
    canned = _canned(file)
    found = {name: _first(file, canned, name) for name in (*_FIELDS, "dry_run", "timeout")}
    given = {name: value for name, value in found.items() if value is not None}
    timeout, is_dry_run = given.pop("timeout", None), given.pop("dry_run", False)
    probe = _probe(file, canned, {} if timeout is None else {"timeout": timeout})
    return Gate(name=file.name, probe=probe, is_dry_run=is_dry_run, **given)


def _first(file: GateFile, canned: GateFile | None, name: str) -> Any:
    own = getattr(file, name)
    if canned is None or own is not None:
        return own
    # NB: who says what a success is says it all: half of another's conditions would surprise.
    if name in ("success", "failure") and (file.success or file.failure):
        return None
    return getattr(canned, name)


def _canned(file: GateFile) -> GateFile | None:
    """Return the canned gate as a file would say it, where one is used."""
    if file.uses is None:
        return None
    is_prometheus = file.prometheus is not None
    return canned(file.uses, "prometheus" if is_prometheus else "logAnalytics")


@functools.cache
def canned(name: str, provider: str) -> GateFile:
    """Return a canned gate for *provider*; where it is asked stands there for form's sake."""
    found = gates.keys(name, provider)
    query = found.pop("query")
    place = {"url": "https://localhost"} if provider == "prometheus" else {"workspace": _NOBODY}
    return GateFile.model_validate({**found, "name": name, provider: {**place, "query": query}})


_NOBODY = "00000000-0000-0000-0000-000000000000"


def _probe(file: GateFile, canned: GateFile | None, limits: Mapping[str, Any]) -> Probe:
    if (asked := file.prometheus) is not None:
        return Probe(
            kind=ProbeKind.PROMETHEUS,
            url=asked.url,
            query=asked.query or _query(canned and canned.prometheus),
            headers=_headers(asked.headers),
            is_azure=asked.azure_token,
            **limits,
        )
    if (workspace := file.log_analytics) is not None:
        return Probe(
            kind=ProbeKind.LOG_ANALYTICS,
            workspace=workspace.workspace,
            query=workspace.query or _query(canned and canned.log_analytics),
            **limits,
        )
    if (http := file.http) is not None:
        return Probe(
            kind=ProbeKind.HTTP,
            url=http.url,
            pointer=http.pointer,
            headers=_headers(http.headers),
            **limits,
        )
    if (command := file.command) is not None:
        return Probe(
            kind=ProbeKind.COMMAND, argv=tuple(command.argv), pointer=command.pointer, **limits
        )
    if (graph := file.resource_graph) is not None:
        return Probe(kind=ProbeKind.RESOURCE_GRAPH, query=graph.query, **limits)
    return Probe(kind=ProbeKind.EXTENSION, **limits)


def _query(place: Any) -> str:
    return str(place.query) if place is not None else ""


def _headers(found: Mapping[str, HeaderFile] | None) -> Mapping[str, str]:
    return {name: one.from_env for name, one in (found or {}).items()} or nothing()


def approvals(files: Iterable[ApprovalFile]) -> tuple[ApprovalRule, ...]:
    """Return what a wave needs."""
    return tuple(
        ApprovalRule(
            when=Moment(one.when),
            quorum=one.quorum,
            not_author=one.not_author,
            life=one.expires or DEFAULT_LIFE,
            by=tuple(dict.fromkeys(one.by or ())),
        )
        for one in files
    )


def approvals_by_wave(
    files: Iterable[RunApprovalFile],
) -> dict[str, tuple[ApprovalRule, ...]]:
    """Return what each wave needs that is named, and under the empty name what the others need."""
    files = tuple(files)
    names = dict.fromkeys(name for one in files for name in one.waves or ())
    needed = {
        name: approvals(one for one in files if one.waves is None or name in one.waves)
        for name in names
    }
    others = approvals(one for one in files if one.waves is None)
    return {"": others, **needed} if others else needed
