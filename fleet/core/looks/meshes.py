"""Looks at a mesh's configuration: is it there, and is it what it was and what it shall be?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fleet.core.looks import digging
from fleet.core.looks.subject import (
    Finding,
    Look,
    Subject,
    failed,
    first,
    not_applicable,
    passed,
    place,
    some,
)
from fleet.core.works import meshconfig
from fleet.model.inside import CheckRule
from fleet.model.objects import Object, Resource, Seen, Want

# Source: openservicemesh/osm, CRDs: releases up to 1.0 serve v1alpha1 alone; from 1.1 on v1alpha2
# is stored, and v1alpha1 does not show all of its fields.
MESH_CONFIGS, OLD_MESH_CONFIGS = meshconfig.RESOURCES
_NEW_SINCE = "1.1.0"

_SPEC = "spec"
_LONGEST = 60
_EMPTY = ("", "false", "0", "0s")

Leaf = tuple[str, ...]


def spec(found: Object) -> Mapping[str, Any]:
    """Keep of a MeshConfig what people configure."""
    value = digging.at(found, _SPEC)
    return value if isinstance(value, Mapping) else {}


def resource(subject: Subject) -> Resource:
    """Return where the API serves the configuration of the mesh that is there."""
    return OLD_MESH_CONFIGS if subject.is_before(_NEW_SINCE) else MESH_CONFIGS


def wanted(subject: Subject, *, name: str, namespace: str) -> Want:
    """Return what to read of the configuration of a mesh."""
    return Want(resource=resource(subject), name=name, namespace=namespace, shape=spec)


def _wants(rule: CheckRule, subject: Subject, seen: Seen) -> Iterator[Want]:
    del seen
    yield wanted(subject, name=rule.given["name"], namespace=place(rule, subject))


def _exists(rule: CheckRule, subject: Subject, seen: Sequence[Sequence[Any]]) -> Finding:
    name, where = rule.given["name"], place(rule, subject)
    if first(seen) is not None:
        return passed(name=name)
    hint = f"restart what makes it: `kubectl -n {where} rollout restart deployment osm-bootstrap`"
    return failed(f"there is no MeshConfig {name} in {where}: {hint}")


def _drift(rule: CheckRule, subject: Subject, seen: Sequence[Sequence[Any]]) -> Finding:
    now = first(seen)
    if now is None:
        return not_applicable(f"there is no MeshConfig {rule.given['name']}")
    is_now, wished = leaves(now), leaves(_parsed(subject.mesh_wish))
    before = leaves(_parsed(subject.mesh_before))
    changed = [key for key, one in before.items() if key not in wished and is_now.get(key) != one]
    unwished = [key for key, one in wished.items() if is_now.get(key) != one]
    unreached = [
        key
        for key, field in _seeded(rule, subject.settings)
        if field not in wished and not _is_set(subject.settings[key], digging.at(now, *field), key)
    ]
    shown = {"changed": len(changed), "unwished": len(unwished), "unreached": len(unreached)}
    told = [
        f"changed since it was read before: {_told(changed, before, is_now)}" if changed else "",
        f"not as the plan file wants it: {_told(unwished, wished, is_now)}" if unwished else "",
        f"settings that never reached it: {some(unreached)}" if unreached else "",
    ]
    if not any(told):
        return passed(**shown)
    hint = "say in meshConfig of the plan file what shall hold"
    return failed(f"{'; '.join(filter(None, told))}: {hint}", **shown)


def leaves(found: Any, path: Leaf = ()) -> dict[Leaf, Any]:
    """Return what stands in a document that is no object itself, by where it stands.

    >>> leaves({"traffic": {"enableEgress": True}, "sidecar": {}})
    {('traffic', 'enableEgress'): True}
    """
    if not isinstance(found, Mapping):
        return {path: found}
    return {
        leaf: one
        for key, inner in found.items()
        for leaf, one in leaves(inner, (*path, str(key))).items()
    }


def _parsed(text: str | None) -> Any:
    try:
        return json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}


def _seeded(rule: CheckRule, settings: Mapping[str, str]) -> Iterator[tuple[str, Leaf]]:
    """Yield settings, each with the field that it presets."""
    for key in settings:
        # A list's items have keys of their own, such as ``list[0]``.
        field = rule.given.get(key.partition("[")[0], "")
        if field.startswith(f"{_SPEC}."):
            yield key, tuple(field.split(".")[1:])


def _is_set(setting: str, found: Any, key: str) -> bool:
    text = setting.strip()
    if isinstance(found, list):
        return text in {_plain(one) for one in found}
    if isinstance(found, Mapping):
        # A setting that is on or off presets a whole part.
        return text == "true"
    # Source: the API leaves out what is empty.
    return text in _EMPTY if found is None else "[" not in key and _plain(found) == text


def _plain(value: Any) -> str:
    """Return a value as a setting has it, whose values are all text."""
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _told(keys: Sequence[Leaf], wanted: Mapping[Leaf, Any], found: Mapping[Leaf, Any]) -> str:
    return some(_differing(".".join(key), wanted[key], found.get(key)) for key in keys)


def _differing(name: str, wanted: Any, found: Any) -> str:
    if wanted is None:
        return f"{name} is set"
    return f"{name} is {_short(found)}, not {_short(wanted)}"


def _short(value: Any) -> str:
    text = "not set" if value is None else _plain(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


MESH_CONFIG = Look(_exists, _wants, required=("name",), optional=("namespace",))
MESH_CONFIG_DRIFT = Look(
    _drift, _wants, required=("name",), optional=("namespace",), has_own_keys=True
)
