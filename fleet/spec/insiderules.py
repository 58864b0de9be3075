"""What must hold between the keys that ask something inside clusters.

As in :mod:`fleet.spec.rules`, anything may have any shape here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fleet.core.works.namespaces import RESERVED
from fleet.model.desired import Profile
from fleet.spec import flaws, meshconfigvalues, profiles
from fleet.spec.flaws import Flaw, Path, below, quoted

ONLY_PRESENT = ("meshConfig", "namespaces", "azureMonitor", "openshift", "restart")
"""Keys that wish for something while the mesh is there."""
WORKS = (*ONLY_PRESENT, "removeOrphans")
_MESH_TYPE = "microsoft.openservicemesh"
_EXTENSION: Path = ("spec", "extension")
_PAIRS = (
    ("namespaces", "add", "remove", "it cannot be in the mesh and not"),
    ("namespaces", "metrics", "noMetrics", "it cannot be scraped and not"),
    ("namespaces", "metrics", "remove", "outside the mesh there are no sidecars to scrape"),
    ("azureMonitor", "add", "remove", "it cannot be in the list and not"),
)


def check(data: Any) -> Iterator[Flaw]:
    """Yield every broken rule of a plan file."""
    extension = below(data, *_EXTENSION)
    if not isinstance(extension, dict):
        return
    yield from _anything(extension, below(data, "spec", "clusterAccess"))
    config = extension.get("meshConfig")
    if isinstance(config, dict) and _may_be_mesh(extension):
        path = (*_EXTENSION, "meshConfig")
        yield from meshconfigvalues.check(path, config, version=extension.get("version"))
    yield from _orphans(extension)
    yield from _nothing(extension)
    yield from _twice(extension)
    yield from _reserved(extension)
    yield from _checks(extension)


def wishes(extension: Mapping[str, Any]) -> bool:
    """Return whether something is wished for inside clusters."""
    return any(key in extension for key in ONLY_PRESENT)


def _anything(extension: Mapping[str, Any], access: Any) -> Iterator[Flaw]:
    """Yield what stands against asking anything at all."""
    has_access, may_be_mesh = isinstance(access, dict), _may_be_mesh(extension)
    hint = "say under spec.clusterAccess how clusters are reached"
    for key in WORKS:
        if key in extension and not may_be_mesh:
            yield _about(key, message="only Open Service Mesh has this", hint="remove it")
        elif key in extension and not has_access:
            yield _about(key, message="needs clusterAccess", hint=hint)
    if isinstance(extension.get("checks"), dict) and not has_access:
        yield _about("checks", message="needs clusterAccess", hint=hint)


def _may_be_mesh(extension: Mapping[str, Any]) -> bool:
    kind = extension.get("extensionType")
    if isinstance(kind, str):
        return kind.lower() == _MESH_TYPE
    known = _profile(extension)
    # NB: what a profile of one's own is about is not known here.
    return known is None or known.extension_type.lower() == _MESH_TYPE


def _profile(extension: Mapping[str, Any]) -> Profile | None:
    name, kind = extension.get("profile"), extension.get("extensionType")
    if isinstance(name, str) and name in profiles.names():
        return profiles.load(name)
    return profiles.for_type(kind) if isinstance(kind, str) else None


def _orphans(extension: Mapping[str, Any]) -> Iterator[Flaw]:
    if "removeOrphans" in extension and extension.get("state") != "absent":
        message = "this is about what an uninstall leaves behind"
        yield _about("removeOrphans", message=message, hint="add state: absent, or remove it")


def _nothing(extension: Mapping[str, Any]) -> Iterator[Flaw]:
    for key in ("namespaces", "azureMonitor"):
        if extension.get(key) == {}:
            known = dict.fromkeys(
                one for section, *pair, _ in _PAIRS if section == key for one in pair
            )
            hint = f"add one of {', '.join(known)}"
            yield Flaw(path=(*_EXTENSION, key), message="may not be empty", hint=hint)


def _twice(extension: Mapping[str, Any]) -> Iterator[Flaw]:
    for section, first, second, why in _PAIRS:
        taken = _names(extension, section, first)
        for n, name in _numbered(extension, section, second):
            if name in taken:
                path = (*_EXTENSION, section, second, n)
                message = f"{quoted(name)} is under {first} too: {why}"
                yield Flaw(path=path, message=message, hint="remove one")


def _reserved(extension: Mapping[str, Any]) -> Iterator[Flaw]:
    profile = _profile(extension)
    own = extension.get("namespace") or (profile and profile.namespace)
    for n, name in _numbered(extension, "namespaces", "add"):
        if name in RESERVED or name == own:
            path = (*_EXTENSION, "namespaces", "add", n)
            yield Flaw(path=path, message=f"{quoted(name)} cannot be in a mesh", hint="remove it")


def _checks(extension: Mapping[str, Any]) -> Iterator[Flaw]:
    checks, profile = extension.get("checks"), _profile(extension)
    if not isinstance(checks, dict) or profile is None:
        return
    known = [one.id for one in profile.checks]
    for key in checks:
        if key not in known:
            hint = flaws.suggestion(key, known) or f"{profile.name} has none"
            message = f"unknown check {quoted(key)}"
            path = (*_EXTENSION, "checks", key)
            yield Flaw(path=path, message=message, hint=hint, is_about_key=True)


def _about(key: str, *, message: str, hint: str) -> Flaw:
    return Flaw(path=(*_EXTENSION, key), message=message, hint=hint, is_about_key=True)


def _names(extension: Mapping[str, Any], section: str, key: str) -> set[str]:
    return {name for _, name in _numbered(extension, section, key)}


def _numbered(extension: Mapping[str, Any], section: str, key: str) -> list[tuple[int, str]]:
    found = below(extension, section, key)
    some = found if isinstance(found, list) else []
    return [(n, one) for n, one in enumerate(some) if isinstance(one, str)]
