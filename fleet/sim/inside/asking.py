"""A request to a cluster's API, and what it is about: paths, users and what they may do.

Source:  Kubernetes' API conventions; paths that kubectl and the Python client send.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Mapping
from typing import Any

from fleet.core import draws
from fleet.model.objects import Resource
from fleet.sim.breakage import Break
from fleet.sim.inside import refusals
from fleet.sim.inside.kinds import BUILT_IN, Kind
from fleet.sim.inside.scene import Scene

ADMIN, READER, NOBODY = "admin", "reader", "nobody"
USERS = (ADMIN, READER, NOBODY)
_READS = frozenset({"get", "list", "watch"})
_REVIEWS = "selfsubjectaccessreviews"
_SUBRESOURCES = frozenset({"status"})
_LONGEST = 2


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request, as it comes by the wire."""

    method: str
    path: str
    """Below the cluster's address, such as ``/api/v1/nodes``."""
    query: Mapping[str, str] = dataclasses.field(default_factory=dict)
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """By names in lower case."""
    body: bytes = b""

    @property
    def is_watch(self) -> bool:
        """Whether events are wanted."""
        return self.is_told("watch")

    def is_told(self, key: str) -> bool:
        """Tell whether a flag of the query is set, in any of Go's spellings."""
        return self.query.get(key, "").lower() in ("true", "t", "1")

    @property
    def is_dry_run(self) -> bool:
        """Whether nothing shall be changed."""
        asked = self.query.get("dryRun")
        if asked not in (None, "", "All"):
            said = f'Unsupported value: "{asked}": supported values: "All"'
            kind, causes = "PatchOptions", [("FieldValueNotSupported", "dryRun", said)]
            raise refusals.invalid(kind, "meta.k8s.io", "", causes)
        return asked == "All"

    def json(self) -> Any:
        """Return the body."""
        try:
            # Source: a number without a fraction is an integer, however it is written.
            return json.loads(self.body, parse_float=_number)
        except ValueError as error:
            message = f"error decoding: {error}"
            raise refusals.bad_request(message) from error


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a path is about."""

    kind: Kind
    namespace: str | None
    name: str | None

    @property
    def resource(self) -> Resource:
        """Its kind's place."""
        return self.kind.resource


def _number(text: str) -> int | float:
    value = float(text)
    return int(value) if value.is_integer() else value


def is_built_in(path: str) -> bool:
    """Tell whether a path is below a group and version that a server serves of its own."""
    match path.strip("/").split("/"):
        case ["api", version, *_]:
            place = "", version
        case ["apis", group, version, *_]:
            place = group, version
        case _:
            return False
    return any(place == one[:2] for one in BUILT_IN)


def target(path: str, known: Mapping[Resource, Kind]) -> Target | None:
    """Return what a path is about; ``None``: nothing that is served.

    >>> from fleet.sim.inside.kinds import BUILT_IN
    >>> found = target("/apis/apps/v1/namespaces/shop/deployments/cart", BUILT_IN)
    >>> found.kind.kind, found.namespace, found.name
    ('Deployment', 'shop', 'cart')
    """
    parts = path.strip("/").split("/")
    match parts:
        case ["api", version, *rest]:
            group = ""
        case ["apis", group, version, *rest]:
            pass
        case _:
            return None
    namespace = None
    if len(rest) > _LONGEST and rest[0] == "namespaces" and rest[2] not in _SUBRESOURCES:
        namespace, rest = rest[1], rest[2:]
    if len(rest) == _LONGEST + 1 and rest[2] in _SUBRESOURCES:
        rest = rest[:2]
    if not rest or len(rest) > _LONGEST:
        return None
    kind = known.get(Resource(group, version, rest[0]))
    if kind is None or (namespace is not None and not kind.is_namespaced):
        return None
    return Target(kind=kind, namespace=namespace, name=rest[1] if len(rest) > 1 else None)


def verb(request: Request, found: Target) -> str:
    """Return what a request does, in the words of roles."""
    match request.method:
        case "GET" if request.is_watch:
            return "watch"
        case "GET":
            return "list" if found.name is None else "get"
        case "POST" if found.name is None:
            return "create"
        case "PUT" if found.name is not None:
            return "update"
        case "PATCH" if found.name is not None:
            return "patch"
        case "DELETE" if found.name is not None:
            return "delete"
        case _:
            raise refusals.not_allowed()


# --- users -------------------------------------------------------------------------------


@functools.lru_cache(maxsize=64)
def token(seed: int, user: str) -> str:
    """Return the token of a user of all clusters."""
    return f"sim-{user}-{draws.guid(seed, 'token of a cluster', user)}"


def user_of(request: Request, *, seed: int) -> str:
    """Return who asks; refuse strangers."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    found = next((one for one in USERS if given.strip() == token(seed, one)), None)
    if scheme.lower() != "bearer" or found is None:
        raise refusals.unauthorized()
    return found


def may(scene: Scene, user: str, verb: str, resource: Resource) -> bool:
    """Tell whether a user may do something."""
    if resource.plural == _REVIEWS:
        return True
    if Break.API_FORBIDDEN in scene.broken or user == NOBODY:
        return False
    is_read_only = user == READER or Break.API_READ_ONLY in scene.broken
    return verb in _READS or not is_read_only


def check(scene: Scene, user: str, verb: str, found: Target) -> None:
    """Refuse what a user may not do."""
    if not may(scene, user, verb, found.resource):
        raise refusals.forbidden(
            shown(user), verb, found.resource, namespace=found.namespace, name=found.name or ""
        )


def shown(user: str) -> str:
    """Return what the server calls a user."""
    return user if user == NOBODY else f"system:serviceaccount:fleet:{user}"
