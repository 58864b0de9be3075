"""Objects of the Kubernetes API: where they are served, what is read of them, how they change.

Objects themselves are JSON as the server sends it.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

Object = Mapping[str, Any]
"""As the API has it: ``{"metadata": ..., ...}``."""


class Resource(NamedTuple):
    """A kind of objects, by where the API serves them."""

    group: str
    """Empty: the core group."""
    version: str
    plural: str
    """Such as ``deployments``."""

    def path(self, namespace: str | None = None, name: str | None = None) -> str:
        """Return the path below the server's address.

        >>> Resource("apps", "v1", "deployments").path("shop", "cart")
        '/apis/apps/v1/namespaces/shop/deployments/cart'
        """
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        inside = f"{root}/namespaces/{namespace}" if namespace else root
        return f"{inside}/{self.plural}" + (f"/{name}" if name else "")


def whole(found: Object) -> Any:
    """Return an object as it is: the shape that keeps everything."""
    return found


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """Something to be read of a cluster."""

    resource: Resource
    name: str | None = None
    """``None``: all of them, or those that :attr:`selector` takes."""
    namespace: str | None = None
    selector: str = ""
    shape: Callable[[Object], Any] = whole
    """What is kept of each object: the less, the more clusters can be looked at at once."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What was seen of a :class:`Want`."""

    objects: tuple[Any, ...] = ()
    """In the server's order, in the want's shape; none where there is none."""
    error: str = ""
    """Why it could not be seen, in the server's words; then :attr:`objects` says nothing."""


Seen = Mapping[Want, Sight]


class EditKind(enum.Enum):
    """How an object is changed."""

    MERGE = enum.auto()
    CREATE = enum.auto()
    DELETE = enum.auto()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One request that changes an object."""

    kind: EditKind
    resource: Resource
    name: str
    namespace: str | None = None
    body: Object = dataclasses.field(default_factory=dict)
    """The merge patch, or the new object."""
