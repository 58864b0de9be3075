"""Looks at kinds of objects, at what must be gone, and at what Helm wrote down."""

from __future__ import annotations

import base64
import functools
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from fleet.core.looks import digging
from fleet.core.looks.subject import (
    Finding,
    Look,
    Subject,
    failed,
    not_applicable,
    passed,
    place,
    some,
)
from fleet.model.inside import CheckRule
from fleet.model.objects import Object, Resource, Seen, Want

DEFINITIONS = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions")
SECRETS = Resource("", "v1", "secrets")

_SINCE = " since "
_LARGEST = 16 * 1024 * 1024
"""Of what Helm wrote, unpacked: bytes. A secret holds one megabyte at most."""


class Definition(NamedTuple):
    """A kind that was added to the API."""

    served: tuple[str, ...]
    is_established: bool


class Release(NamedTuple):
    """What Helm wrote of one revision of a release."""

    revision: int
    status: str
    chart: str
    """Such as ``osm-arc-1.2.6``; empty: that cannot be read."""


def definition(found: Object) -> Definition:
    """Keep of a kind which versions are served."""
    versions = digging.entries(found, "spec", "versions")
    conditions = digging.entries(found, "status", "conditions")
    return Definition(
        served=tuple(digging.text(one, "name") for one in versions if one.get("served") is True),
        is_established=not any(
            one.get("type") == "Established" and one.get("status") == "False" for one in conditions
        ),
    )


def release(found: Object) -> Release:
    """Keep of a release's secret its labels and the chart's name; no value that was set."""
    labels = digging.labels(found)
    revision = labels.get("version", "")
    is_number = revision.isascii() and revision.isdigit() and len(revision) < len("1" * 10)
    number = int(revision) if is_number else 0
    return Release(number, labels.get("status", ""), _chart(digging.at(found, "data", "release")))


def _chart(content: Any) -> str:
    # Source: helm.sh/helm, pkg/storage/driver: JSON, compressed, in base64, twice in a secret.
    try:
        packed = base64.b64decode(base64.b64decode(content, validate=True), validate=True)
        unpacked = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(packed, _LARGEST)
        chart = digging.at(json.loads(unpacked), "chart", "metadata")
    except (ValueError, TypeError, zlib.error, RecursionError):
        return ""
    name, version = digging.text(chart, "name"), digging.text(chart, "version")
    return f"{name}-{version}" if name and version else ""


def _nothing(found: Object) -> bool:
    del found
    return True


# --- kinds -------------------------------------------------------------------------------


def _expected(rule: CheckRule, subject: Subject) -> Mapping[str, tuple[str, ...]]:
    """Return ``{kind: versions}`` that the installed version of the extension brings."""
    found = {
        name: tuple(
            version.strip()
            for version, _, since in (one.partition(_SINCE) for one in told.split(","))
            if not since or not subject.is_before(since.strip())
        )
        for name, told in rule.given.items()
    }
    return {name: some for name, some in found.items() if some}


def _wants_definitions(rule: CheckRule, subject: Subject, seen: Seen) -> Iterator[Want]:
    del seen
    for name in _expected(rule, subject):
        yield Want(resource=DEFINITIONS, name=name, shape=definition)


def _definitions(rule: CheckRule, subject: Subject, seen: Sequence[Sequence[Any]]) -> Finding:
    expected = _expected(rule, subject)
    if not expected:
        return not_applicable("this version of the extension brings no kinds")
    wrong = [
        told
        for (name, versions), found in zip(expected.items(), seen, strict=True)
        if (told := _lack(name, versions, found))
    ]
    shown = {"kinds": f"{len(expected) - len(wrong)}/{len(expected)}"}
    if not wrong:
        return passed(**shown)
    hint = "the extension's charts bring them: install it again"
    return failed(f"kinds that are not as they should be: {some(wrong)}: {hint}", **shown)


def _lack(name: str, versions: Sequence[str], found: Sequence[Definition]) -> str:
    if not found:
        return f"{name} is not there"
    missing = [one for one in versions if one not in found[0].served]
    if missing:
        return f"{name} is not served as {' and '.join(missing)}"
    return "" if found[0].is_established else f"{name} is not established"


# --- what must be gone -------------------------------------------------------------------


@functools.cache
def _address(path: str) -> Resource | None:
    """Read where a kind is served, such as ``v1/secrets`` or ``apps/v1/deployments``."""
    match path.split("/"):
        case [version, plural]:
            return Resource("", version, plural)
        case [group, version, plural]:
            return Resource(group, version, plural)
        case _:
            return None


def _meant_gone(rule: CheckRule) -> Iterator[tuple[Resource, str, str]]:
    for path, names in rule.given.items():
        resource = _address(path)
        for one in names.split() if resource else ():
            where, _, name = one.rpartition("/")
            if resource and name:
                yield resource, where, name


def _wants_gone(rule: CheckRule, subject: Subject, seen: Seen) -> Iterator[Want]:
    del subject, seen
    for resource, where, name in _meant_gone(rule):
        yield Want(resource=resource, name=name, namespace=where or None, shape=_nothing)


def _gone(rule: CheckRule, subject: Subject, seen: Sequence[Sequence[Any]]) -> Finding:
    del subject
    left = [
        f"{resource.plural} {name}"
        for (resource, _, name), found in zip(_meant_gone(rule), seen, strict=True)
        if found
    ]
    if not left:
        return passed(left=0)
    # Source: learn.microsoft.com: what an uninstall takes away is gone after about ten minutes.
    hint = "wait ten minutes after the uninstall, then delete them"
    return failed(f"still there: {some(left)}: {hint}", left=len(left))


# --- Helm --------------------------------------------------------------------------------


def _wants_release(rule: CheckRule, subject: Subject, seen: Seen) -> Iterator[Want]:
    del seen
    # NB: a secret holds the whole chart, and a release has one for each revision.
    selector = f"owner=helm,name={subject.release},status!=superseded"
    where = place(rule, subject)
    yield Want(resource=SECRETS, namespace=where, selector=selector, shape=release)


def _release(rule: CheckRule, subject: Subject, seen: Sequence[Sequence[Any]]) -> Finding:
    where, name = place(rule, subject), subject.release
    if not seen[0]:
        return failed(f"Helm has no release {name} in {where}: install the extension again")
    newest = max(seen[0])
    shown = {"revision": newest.revision, "status": newest.status, "chart": newest.chart}
    told = f"revision {newest.revision} of the release {name} is"
    hint = f"`helm -n {where} history {name}` says why"
    if newest.status != "deployed":
        return failed(f"{told} {newest.status or 'of no status'}: {hint}", **shown)
    chart, running = rule.given.get("chart"), subject.running
    wanted = f"{chart}-{running.text}" if chart and running else ""
    if wanted and newest.chart and newest.chart != wanted:
        return failed(f"{told} of the chart {newest.chart}, not {wanted}: {hint}", **shown)
    return passed(**shown)


DEFINED_KINDS = Look(_definitions, _wants_definitions, has_own_keys=True, is_placed=False)
GONE = Look(_gone, _wants_gone, has_own_keys=True, is_placed=False, is_partial=True)
HELM_RELEASE = Look(_release, _wants_release, optional=("namespace", "chart"))
