"""Namespaces whose sidecars Azure Monitor scrapes: a list in a ConfigMap that its agent reads.

There is one such ConfigMap in a cluster, so the list is shared: names are added to it and removed
from it, and all else of the text stays as it is.

Source:  microsoft/Docker-Provider, build/linux/installer/scripts/tomlparser-osm-config.rb: schema
         v1 only; a text that it cannot parse means that nothing is scraped, without a word.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleet.core.chain import canonical
from fleet.core.works import sights, tomllists
from fleet.core.works.tomllists import UnfitError
from fleet.model.inside import Work, WorkKind
from fleet.model.objects import Edit, EditKind, Object, Resource, Seen, Want

CONFIG_MAPS = Resource("", "v1", "configmaps")
NAME, NAMESPACE = "container-azm-ms-osmconfig", "kube-system"
SCHEMA, VERSION, TEXT = "schema-version", "config-version", "osm-metric-collection-configuration"
PATH = ("osm_metric_collection_configuration", "settings", "monitor_namespaces")
_SCHEMA = "v1"
_NEW = "# OSM metric collection settings\n"


def wants(work: Work) -> tuple[Want, ...]:  # noqa: ARG001
    """Return the ConfigMap, as far as it counts."""
    return (_WANT,)


def blocked(work: Work, seen: Seen) -> str:
    """Return why the list cannot be changed."""
    if unread := sights.unread(seen, wants(work)):
        return unread
    data = _data(seen)
    schema = data.get(SCHEMA)
    if schema is not None and schema.strip().lower() != _SCHEMA:
        return f"{_CALLED} has the schema version {schema.strip()}, and the agent reads v1 only"
    try:
        _after(work, data)
    except UnfitError as error:
        return f"{_CALLED} cannot be changed: {error}"
    return ""


def edits(work: Work, seen: Seen, *, token: str) -> tuple[Edit, ...]:  # noqa: ARG001
    """Return the ConfigMap with the namespaces that are missing, and without the others."""
    if blocked(work, seen):
        return ()
    data = _data(seen)
    text = _after(work, data)
    after = {} if text == data.get(TEXT, "") else {TEXT: text}
    if sights.one(seen, _WANT) is None:
        return (_edit(EditKind.CREATE, _fresh(text)),) if after else ()
    if _lacks_schema(work, seen):
        after[SCHEMA] = _SCHEMA
    return (_edit(EditKind.MERGE, {"data": after}),) if after else ()


def changes(work: Work, seen: Seen) -> tuple[tuple[str, str | None, str | None], ...]:
    """Return the list before and after."""
    try:
        before, after = _listed(seen), _wanted(work, seen)
    except UnfitError:
        return ()
    names = ("monitoring.namespaces", _shown(before) if before else None, _shown(after))
    schema = (f"monitoring.{SCHEMA}", None, _SCHEMA)
    return (
        *((names,) if before != after else ()),
        *((schema,) if _lacks_schema(work, seen) else ()),
    )


def undo(work: Work, seen: Seen) -> Work | None:
    """Return what takes out again what comes in, and puts back what goes."""
    try:
        before, after = _listed(seen), _wanted(work, seen)
    except UnfitError:
        return None
    if before == after:
        return None
    return Work(
        kind=WorkKind.MONITORING,
        add=tuple(one for one in before if one not in after),
        remove=tuple(one for one in after if one not in before),
        mesh=work.mesh,
        namespace=work.namespace,
    )


def pending(work: Work, seen: Seen, *, token: str) -> str:  # noqa: ARG001
    """Return nothing: the agent takes it up within 15 minutes, and nobody can see it do so."""
    return ""


def _kept(found: Object) -> Mapping[str, str]:
    data = sights.below(found, "data")
    return {key: data[key] for key in (SCHEMA, TEXT) if isinstance(data.get(key), str)}


_WANT = Want(resource=CONFIG_MAPS, name=NAME, namespace=NAMESPACE, shape=_kept)
_CALLED = f"the ConfigMap {NAME}"


def _data(seen: Seen) -> Mapping[str, str]:
    return sights.one(seen, _WANT) or {}


def _lacks_schema(work: Work, seen: Seen) -> bool:
    """Return whether the agent would read none of a list that has names."""
    found = sights.one(seen, _WANT)
    return found is not None and SCHEMA not in found and bool(_wanted(work, seen))


def _listed(seen: Seen) -> tuple[str, ...]:
    return tomllists.items(_data(seen).get(TEXT, ""), PATH)


def _wanted(work: Work, seen: Seen) -> tuple[str, ...]:
    return _joined(work, _listed(seen))


def _joined(work: Work, listed: tuple[str, ...]) -> tuple[str, ...]:
    # NB: the agent strips its names.
    kept = tuple(one for one in listed if one.strip() not in work.remove)
    known = {one.strip() for one in kept}
    return (*kept, *(one for one in dict.fromkeys(work.add) if one not in known))


def _after(work: Work, data: Mapping[str, str]) -> str:
    text = data.get(TEXT, "")
    listed = tomllists.items(text, PATH)
    wanted = _joined(work, listed)
    return text if wanted == listed else tomllists.replaced(text or _NEW, PATH, wanted)


def _fresh(text: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "data": {SCHEMA: _SCHEMA, VERSION: "ver1", TEXT: text},
    }


def _edit(kind: EditKind, body: Mapping[str, Any]) -> Edit:
    return Edit(kind=kind, resource=CONFIG_MAPS, name=NAME, namespace=NAMESPACE, body=body)


def _shown(names: tuple[str, ...]) -> str:
    return canonical(list(names)).decode()
