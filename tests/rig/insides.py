"""A cluster's objects in memory: read by wants, changed by edits, as an API server would."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping
from typing import Any

from fleet.core.works import patches
from fleet.model.objects import Edit, EditKind, Object, Resource, Seen, Sight, Want

Key = tuple[Resource, str | None, str]
Found = tuple[Resource, Object]


class Inside:
    """Objects by where they are; what is asked in a version that is not served is not there."""

    def __init__(self, *objects: tuple[Resource, Object]) -> None:
        self.objects: dict[Key, dict[str, Any]] = {}
        self.errors: dict[str, str] = {}
        """``{plural: why it may not be read}``."""
        for resource, one in objects:
            self.put(resource, one)

    def put(self, resource: Resource, one: Object) -> None:
        """Have an object, in the place of the one of its name."""
        metadata = one["metadata"]
        key = resource, metadata.get("namespace"), metadata["name"]
        self.objects[key] = json.loads(json.dumps(one))

    def see(self, wants: Iterable[Want]) -> Seen:
        """Return what is seen of *wants*."""
        return {want: self._sight(want) for want in wants}

    def do(self, edits: Iterable[Edit]) -> None:
        """Change what is there; a template that changes is a new generation."""
        for edit in edits:
            key = edit.resource, edit.namespace, edit.name
            if edit.kind is EditKind.DELETE:
                del self.objects[key]
                continue
            assert (key in self.objects) is (edit.kind is EditKind.MERGE), key
            before = self.objects.get(key, {})
            after = patches.merged(before, json.loads(json.dumps(edit.body)))
            if before.get("spec") != after.get("spec"):
                metadata = after.setdefault("metadata", {})
                metadata["generation"] = metadata.get("generation", 0) + 1
            self.objects[key] = after

    def copied(self) -> Mapping[Key, Any]:
        """Return all there is, as it is now."""
        return copy.deepcopy(self.objects)

    def _sight(self, want: Want) -> Sight:
        if error := self.errors.get(want.resource.plural):
            return Sight(error=error)
        found = [
            one
            for (resource, namespace, name), one in self.objects.items()
            if resource == want.resource
            and want.namespace in (None, namespace)
            and want.name in (None, name)
            and _is_selected(want.selector, one)
        ]
        return Sight(objects=tuple(map(want.shape, found)))


def _is_selected(selector: str, one: Object) -> bool:
    return not selector or selector in one["metadata"].get("labels", {})


def namespace(
    name: str,
    *,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Object:
    """Return a namespace."""
    return {
        "metadata": {
            "name": name,
            "labels": {"kubernetes.io/metadata.name": name, **(labels or {})},
            "annotations": {"owner": "them", **(annotations or {})},
        },
        "status": {"phase": "Active"},
    }
