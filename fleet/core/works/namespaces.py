"""Namespaces in and out of the mesh, and whether their sidecars are scraped.

What is written is what the mesh's own command-line tool writes, and nothing beside: whatever else
a namespace has as labels and annotations is never read, and so never touched.

Source:  openservicemesh/osm, cmd/cli: ``namespace add``, ``namespace remove``, ``metrics enable``
         and ``metrics disable``. Unlike the tool, ``remove`` leaves the label that says
         "ignore": it is another's word, and outside the mesh it means nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from fleet.core.chain import canonical
from fleet.core.works import patches, sights
from fleet.model.inside import Work, WorkKind
from fleet.model.objects import Edit, EditKind, Object, Resource, Seen, Want

NAMESPACES = Resource("", "v1", "namespaces")
PODS = Resource("", "v1", "pods")

MONITORED_BY = "openservicemesh.io/monitored-by"
INJECTION = "openservicemesh.io/sidecar-injection"
METRICS = "openservicemesh.io/metrics"
IGNORE = "openservicemesh.io/ignore"
ENABLED = "enabled"
# Source: the injector takes these words for yes, whatever their case.
YES = frozenset({ENABLED, "yes", "true"})

RESERVED = frozenset({"kube-system", "kube-public", "azure-arc"})
"""Never in a mesh: the first two are never injected, and the last holds Arc's own agents."""

INJECTED = "osm-proxy-uuid"
"""The label of a pod that has a sidecar."""
SCRAPING: Mapping[str, str] = {
    "prometheus.io/scrape": "true",
    "prometheus.io/port": "15010",
    "prometheus.io/path": "/stats/prometheus",
}
"""What the mesh annotates pods with that shall be scraped."""

_LABELS = (MONITORED_BY, IGNORE)
_ANNOTATIONS = (INJECTION, METRICS)


class _Pod(NamedTuple):
    name: str
    annotations: Mapping[str, str]


def wants(work: Work) -> tuple[Want, ...]:
    """Return the namespaces, and the injected pods of those whose scraping changes."""
    scraped = dict.fromkeys((*work.metrics, *work.no_metrics))
    return (*map(_namespace, _named(work)), *map(_pods, scraped))


def blocked(work: Work, seen: Seen) -> str:
    """Return all that stands against it."""
    unread = sights.unread(seen, wants(work))
    return unread or "; ".join(_obstacles(work, seen))


def edits(work: Work, seen: Seen, *, token: str) -> tuple[Edit, ...]:  # noqa: ARG001
    """Return a patch for each namespace that differs, and for each pod in it that does."""
    own = [
        _merge(NAMESPACES, name, None, rest)
        for name in _named(work)
        if (rest := _rest(work, name, seen))
    ]
    pods = [
        _merge(PODS, pod.name, name, {"annotations": rest})
        for name, wish in _scraping(work)
        for pod in sights.some(seen, _pods(name))
        if (rest := _of_pod(pod, wish))
    ]
    return (*own, *pods)


def changes(work: Work, seen: Seen) -> tuple[tuple[str, str | None, str | None], ...]:
    """Return each label and annotation of a namespace that changes; pods only follow it."""
    return tuple(
        (f"namespaces.{name}.{path[-1]}", before, after)
        for name in _named(work)
        for path, before, after in patches.leaves(_present(seen, name), _rest(work, name, seen))
    )


def undo(work: Work, seen: Seen) -> Work | None:
    """Return what the namespaces had, each as it was."""
    back = {
        name: patches.way_back(_present(seen, name), rest)
        for name in _named(work)
        if (rest := _rest(work, name, seen))
    }
    if not back:
        return None
    return Work(
        kind=WorkKind.NAMESPACES,
        patch=canonical(back).decode(),
        metrics=tuple(n for n in work.no_metrics if n in back and _is_scraped(seen, n)),
        no_metrics=tuple(n for n in work.metrics if n in back and not _is_scraped(seen, n)),
        mesh=work.mesh,
        namespace=work.namespace,
    )


def pending(work: Work, seen: Seen, *, token: str) -> str:  # noqa: ARG001
    """Return nothing: that pods get sidecars when they are made anew is another work."""
    return ""


def is_yes(word: Any) -> bool:
    """Return whether the mesh takes an annotation for a yes."""
    return isinstance(word, str) and word.lower() in YES


def _named(work: Work) -> list[str]:
    names = (*work.add, *work.remove, *work.metrics, *work.no_metrics, *_patches(work))
    return sorted(set(names))


def _patches(work: Work) -> Mapping[str, Any]:
    by_name: Mapping[str, Any] = json.loads(work.patch or "{}")
    return by_name


def _namespace(name: str) -> Want:
    return Want(resource=NAMESPACES, name=name, shape=_own)


def _pods(namespace: str) -> Want:
    return Want(resource=PODS, namespace=namespace, selector=INJECTED, shape=_pod)


def _own(found: Object) -> Mapping[str, Any]:
    labels, annotations = (sights.below(found, "metadata", k) for k in ("labels", "annotations"))
    return {
        "labels": {key: labels[key] for key in _LABELS if key in labels},
        "annotations": {key: annotations[key] for key in _ANNOTATIONS if key in annotations},
        "phase": sights.below(found, "status").get("phase"),
    }


def _pod(found: Object) -> _Pod | None:
    metadata = sights.metadata(found)
    is_over = sights.below(found, "status").get("phase") in ("Succeeded", "Failed")
    if is_over or "deletionTimestamp" in metadata:
        return None
    annotations = sights.below(metadata, "annotations")
    return _Pod(metadata["name"], {key: annotations[key] for key in SCRAPING if key in annotations})


def _present(seen: Seen, name: str) -> Mapping[str, Any]:
    return sights.one(seen, _namespace(name)) or {"labels": {}, "annotations": {}}


def _is_scraped(seen: Seen, name: str) -> bool:
    return is_yes(_present(seen, name)["annotations"].get(METRICS))


def _rest(work: Work, name: str, seen: Seen) -> dict[str, Any]:
    """Return what of a namespace's metadata is not so yet; nothing where it does not exist."""
    if sights.one(seen, _namespace(name)) is None:
        return {}
    present = _present(seen, name)
    wish = patches.both(_wish(work, name, present), _patches(work).get(name, {}))
    return patches.remainder(present, wish)


def _wish(work: Work, name: str, present: Mapping[str, Any]) -> dict[str, Any]:
    labels: dict[str, str | None] = {}
    annotations: dict[str, str | None] = {}
    if name in work.add:
        labels[MONITORED_BY] = work.mesh
        if not is_yes(present["annotations"].get(INJECTION)):
            annotations[INJECTION] = ENABLED
    if name in work.remove and present["labels"].get(MONITORED_BY) == work.mesh:
        labels[MONITORED_BY] = None
        annotations |= {INJECTION: None, METRICS: None}
    if name in work.metrics and not is_yes(present["annotations"].get(METRICS)):
        annotations[METRICS] = ENABLED
    if name in work.no_metrics:
        annotations[METRICS] = None
    return {"labels": labels, "annotations": annotations}


def _scraping(work: Work) -> Iterator[tuple[str, bool]]:
    yield from ((name, True) for name in dict.fromkeys(work.metrics))
    yield from ((name, False) for name in dict.fromkeys(work.no_metrics))


def _of_pod(pod: _Pod, is_scraped: bool) -> dict[str, str | None]:
    if is_scraped:
        return patches.remainder(pod.annotations, SCRAPING)
    # NB: an application may have annotations of its own under these names; those stay.
    is_ours = pod.annotations == SCRAPING
    return dict.fromkeys(SCRAPING) if is_ours else {}


def _merge(resource: Resource, name: str, namespace: str | None, rest: Mapping[str, Any]) -> Edit:
    return Edit(
        kind=EditKind.MERGE,
        resource=resource,
        name=name,
        namespace=namespace,
        body={"metadata": rest},
    )


def _obstacles(work: Work, seen: Seen) -> Iterator[str]:
    back = _patches(work)
    for name in _named(work):
        is_meant = name in work.add or name in work.metrics
        found = sights.one(seen, _namespace(name))
        if name in work.add and name in (*RESERVED, work.namespace):
            yield f"the namespace {name} cannot be in a mesh"
        elif not is_meant or name in back:
            continue
        elif found is None:
            yield f"the namespace {name} does not exist"
        elif found["phase"] == "Terminating":
            yield f"the namespace {name} is being deleted"
        else:
            yield from _refusals(work, name, found["labels"])


def _refusals(work: Work, name: str, labels: Mapping[str, str]) -> Iterator[str]:
    mesh = labels.get(MONITORED_BY)
    if name in work.add and IGNORE in labels:
        yield f"the namespace {name} has the label {IGNORE}: meshes leave it alone"
    elif name in work.add and mesh not in (None, work.mesh):
        yield f"the namespace {name} is in the mesh {mesh}"
    elif name in work.metrics and name not in work.add and mesh != work.mesh:
        yield f"the namespace {name} is not in the mesh {work.mesh}: it has no sidecars to scrape"
