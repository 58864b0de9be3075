"""OpenShift's privileged security context constraints, granted where meshed pods run.

The sidecar's init container changes the pod's own firewall, which OpenShift allows to privileged
service accounts only. Who gets it is a namespace's service accounts, or single ones of them
(``shop``, ``shop/cart``): by a binding in that namespace, and by no other.

Source:  learn.microsoft.com, Azure Arc-enabled Open Service Mesh: ``oc adm policy
         add-scc-to-user privileged -z NAME -n NAMESPACE``. openshift/oc, modify_scc.go: that makes
         this same role where it is not there, and binds it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from fleet.core.works import sights
from fleet.model.inside import Work, WorkKind
from fleet.model.objects import Edit, EditKind, Object, Resource, Seen, Want

ROLE = "system:openshift:scc:privileged"
BINDING = "openservicemesh-privileged"
_RBAC = "rbac.authorization.k8s.io"
_CONSTRAINTS = Resource("security.openshift.io", "v1", "securitycontextconstraints")
_ROLES = Resource(_RBAC, "v1", "clusterroles")
BINDINGS = Resource(_RBAC, "v1", "rolebindings")
_NAMESPACES = Resource("", "v1", "namespaces")
_GROUP = "system:serviceaccounts:"


class _Binding(NamedTuple):
    name: str
    role: str
    subjects: tuple[Mapping[str, Any], ...]


def wants(work: Work) -> tuple[Want, ...]:
    """Return whether this is OpenShift, whether the role is there, and who has it already."""
    names = _namespaces(work)
    return (_SCC, _ROLE, *map(_namespace, names), *map(_bindings, names))


def blocked(work: Work, seen: Seen) -> str:
    """Return why it cannot be granted; nothing where the cluster is no OpenShift."""
    if unread := sights.unread(seen, (_SCC,)):
        return unread
    if not _is_openshift(seen):
        return ""
    return sights.unread(seen, wants(work)) or "; ".join(_obstacles(work, seen))


def edits(work: Work, seen: Seen, *, token: str) -> tuple[Edit, ...]:  # noqa: ARG001
    """Return the binding of each namespace that lacks it; none where it is no OpenShift."""
    if not _is_openshift(seen):
        return ()
    made = (_edit(work, name, seen) for name in _namespaces(work))
    role = Edit(kind=EditKind.CREATE, resource=_ROLES, name=ROLE, body=_role())
    return (*((role,) if _lacks_role(work, seen) else ()), *(edit for edit in made if edit))


def changes(work: Work, seen: Seen) -> tuple[tuple[str, str | None, str | None], ...]:
    """Return each service account, or group of them, that gets or loses it."""
    gained, lost = _gained(work, seen), _lost(work, seen)
    role = (f"privileged.{ROLE}", None, "present")
    return (
        *((role,) if _lacks_role(work, seen) else ()),
        *((f"privileged.{one}", None, "bound") for one in gained),
        *((f"privileged.{one}", "bound", None) for one in lost),
    )


def undo(work: Work, seen: Seen) -> Work | None:
    """Return what takes back what was granted here, and only that. NB: the role stays."""
    gained, lost = _gained(work, seen), _lost(work, seen)
    if not gained and not lost:
        return None
    return Work(
        kind=WorkKind.PRIVILEGED,
        add=lost,
        remove=gained,
        mesh=work.mesh,
        namespace=work.namespace,
    )


def pending(work: Work, seen: Seen, *, token: str) -> str:  # noqa: ARG001
    """Return nothing: a binding holds at once."""
    return ""


def _named(found: Object) -> str:
    return str(sights.metadata(found).get("name", ""))


def _binding(found: Object) -> _Binding | None:
    role = str(sights.below(found, "roleRef").get("name", ""))
    name = _named(found)
    if role != ROLE and name != BINDING:
        return None
    return _Binding(name, role, tuple(sights.listed(found, "subjects")))


_SCC = Want(resource=_CONSTRAINTS, name="privileged", shape=_named)
_ROLE = Want(resource=_ROLES, name=ROLE, shape=_named)


def _namespace(name: str) -> Want:
    return Want(resource=_NAMESPACES, name=name, shape=_named)


def _bindings(namespace: str) -> Want:
    return Want(resource=BINDINGS, namespace=namespace, shape=_binding)


def _is_openshift(seen: Seen) -> bool:
    return sights.one(seen, _SCC) is not None


def _namespaces(work: Work) -> list[str]:
    return sorted({_place(one) for one in (*work.add, *work.remove)})


def _place(entry: str) -> str:
    return entry.partition("/")[0]


def _subject(entry: str) -> dict[str, str]:
    namespace, _, account = entry.partition("/")
    if account:
        return {"kind": "ServiceAccount", "name": account, "namespace": namespace}
    return {"kind": "Group", "apiGroup": _RBAC, "name": _GROUP + namespace}


def _has(subjects: tuple[Mapping[str, Any], ...], entry: str) -> bool:
    aim = _subject(entry)
    # NB: a service account of the binding's own namespace may be written without it.
    return any(
        one.get("kind") == aim["kind"]
        and one.get("name") == aim["name"]
        and one.get("namespace", _place(entry)) == _place(entry)
        for one in subjects
    )


def _own(seen: Seen, namespace: str) -> _Binding | None:
    found = sights.some(seen, _bindings(namespace))
    return next((one for one in found if one.name == BINDING), None)


def _is_granted(work: Work, seen: Seen, entry: str) -> bool:
    """Return whether an account has it, by whatever binding, once those to be removed are out."""
    place = _place(entry)
    return any(
        _has((subject,), one)
        for binding in sights.some(seen, _bindings(place))
        if binding.role == ROLE
        for subject in binding.subjects
        if binding.name != BINDING or not any(_has((subject,), gone) for gone in work.remove)
        for one in {entry, place}
    )


def _gained(work: Work, seen: Seen) -> tuple[str, ...]:
    if not _is_openshift(seen):
        return ()
    return tuple(one for one in dict.fromkeys(work.add) if not _is_granted(work, seen, one))


def _lost(work: Work, seen: Seen) -> tuple[str, ...]:
    if not _is_openshift(seen):
        return ()
    return tuple(
        one
        for one in dict.fromkeys(work.remove)
        if (own := _own(seen, _place(one))) and _has(own.subjects, one)
    )


def _lacks_role(work: Work, seen: Seen) -> bool:
    return bool(_gained(work, seen)) and sights.one(seen, _ROLE) is None


def _edit(work: Work, namespace: str, seen: Seen) -> Edit | None:
    gained = [one for one in _gained(work, seen) if _place(one) == namespace]
    lost = [one for one in _lost(work, seen) if _place(one) == namespace]
    own = _own(seen, namespace)
    if not gained and not lost:
        return None
    present = own.subjects if own else ()
    kept = [one for one in present if not any(_has((one,), entry) for entry in lost)]
    subjects = [*map(dict, kept), *map(_subject, gained)]
    if own is None:
        return _request(EditKind.CREATE, namespace, _fresh(namespace, subjects))
    if not subjects:
        return _request(EditKind.DELETE, namespace, {})
    return _request(EditKind.MERGE, namespace, {"subjects": subjects})


def _request(kind: EditKind, namespace: str, body: Mapping[str, Any]) -> Edit:
    return Edit(kind=kind, resource=BINDINGS, name=BINDING, namespace=namespace, body=body)


def _role() -> dict[str, Any]:
    rule = {
        "apiGroups": [_CONSTRAINTS.group],
        "resources": [_CONSTRAINTS.plural],
        "resourceNames": ["privileged"],
        "verbs": ["use"],
    }
    metadata = {"name": ROLE}
    kind = {"apiVersion": f"{_RBAC}/v1", "kind": "ClusterRole"}
    return {**kind, "metadata": metadata, "rules": [rule]}


def _fresh(namespace: str, subjects: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": BINDING, "namespace": namespace},
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": ROLE},
        "subjects": subjects,
    }


def _obstacles(work: Work, seen: Seen) -> Iterator[str]:
    for name in sorted({_place(one) for one in work.add}):
        own = _own(seen, name)
        if sights.one(seen, _namespace(name)) is None:
            yield f"the namespace {name} does not exist"
        elif own and own.role != ROLE:
            yield f"the role binding {BINDING} in {name} grants {own.role}, not {ROLE}"
