"""Webhooks that an uninstalled mesh left behind: with nobody to answer, they refuse every pod.

Only the two of this mesh's own names are meant, and only where the service that they call is gone:
while it is there the uninstall is not over, and they may be taken away by it.

Source:  the chart's cleanup job, which selects webhooks by the chart's version, while the mesh
         keeps the label of the version that made them: after an upgrade it finds none.
"""

from __future__ import annotations

from typing import NamedTuple

from fleet.core.works import sights
from fleet.model.inside import Work
from fleet.model.objects import Edit, EditKind, Object, Resource, Seen, Want

_GROUP = "admissionregistration.k8s.io"
MUTATING = Resource(_GROUP, "v1", "mutatingwebhookconfigurations")
VALIDATING = Resource(_GROUP, "v1", "validatingwebhookconfigurations")
SERVICES = Resource("", "v1", "services")


class _Hook(NamedTuple):
    services: frozenset[tuple[str, str]]
    """``(namespace, name)`` of all that it calls."""
    is_elsewhere: bool
    """Whether it calls an address that is no service."""


def wants(work: Work) -> tuple[Want, ...]:
    """Return the webhooks, and the services of the mesh's namespace."""
    return (*_hooks(work), _services(work))


def blocked(work: Work, seen: Seen) -> str:
    """Return what could not be read."""
    return sights.unread(seen, wants(work))


def edits(work: Work, seen: Seen, *, token: str) -> tuple[Edit, ...]:  # noqa: ARG001
    """Return the removal of each webhook that nobody answers."""
    if blocked(work, seen):
        return ()
    return tuple(
        Edit(kind=EditKind.DELETE, resource=want.resource, name=want.name or "")
        for want in _hooks(work)
        if _is_own(work, sights.one(seen, want)) and not _backend(work, want, seen)
    )


def changes(work: Work, seen: Seen) -> tuple[tuple[str, str | None, str | None], ...]:
    """Return each webhook that goes."""
    return tuple((f"orphans.{one.name}", "present", None) for one in edits(work, seen, token=""))


def undo(work: Work, seen: Seen) -> Work | None:  # noqa: ARG001
    """Return nothing: nobody wants them back."""
    return None


def pending(work: Work, seen: Seen, *, token: str) -> str:  # noqa: ARG001
    """Return which webhook still has its service: the uninstall goes on inside."""
    for want in _hooks(work):
        service = _backend(work, want, seen)
        if service and _is_own(work, sights.one(seen, want)):
            return f"{want.name} is still there, and so is its service {service}"
    return ""


def _hook(found: Object) -> _Hook:
    calls = [sights.below(one, "clientConfig") for one in sights.listed(found, "webhooks")]
    named = [sights.below(one, "service") for one in calls]
    return _Hook(
        frozenset((str(one.get("namespace")), str(one.get("name"))) for one in named if one),
        not all(named),
    )


def _name(found: Object) -> str:
    return str(sights.metadata(found).get("name", ""))


def _hooks(work: Work) -> tuple[Want, Want]:
    # Source: the chart's webhookConfigNamePrefix, and the mesh's code for the other name.
    return (
        Want(resource=MUTATING, name=f"arc-osm-webhook-{work.mesh}", shape=_hook),
        Want(resource=VALIDATING, name=f"osm-validator-mesh-{work.mesh}", shape=_hook),
    )


def _services(work: Work) -> Want:
    return Want(resource=SERVICES, namespace=work.namespace, shape=_name)


def _is_own(work: Work, hook: _Hook | None) -> bool:
    """Return whether all that it calls lies in the mesh's namespace: another's is left alone."""
    if hook is None or hook.is_elsewhere:
        return False
    return {namespace for namespace, _ in hook.services} == {work.namespace}


def _backend(work: Work, want: Want, seen: Seen) -> str:
    hook: _Hook | None = sights.one(seen, want)
    there = sights.some(seen, _services(work))
    called = sorted(name for _, name in hook.services) if hook else []
    return next((name for name in called if name in there), "")
