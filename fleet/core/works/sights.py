"""What was seen, asked for by the want: the object, the objects, or why there are none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fleet.model.objects import Object, Seen, Sight, Want

_UNSEEN = Sight(error="nobody looked")


def sight(seen: Seen, want: Want) -> Sight:
    """Return what was seen of *want*."""
    return seen.get(want, _UNSEEN)


def one(seen: Seen, want: Want) -> Any:
    """Return the object of a want that names one; ``None``: it is not there, or was not seen."""
    found = sight(seen, want).objects
    return found[0] if found else None


def some(seen: Seen, want: Want) -> tuple[Any, ...]:
    """Return the objects that the want's shape kept: all that are not ``None``."""
    return tuple(kept for kept in sight(seen, want).objects if kept is not None)


def unread(seen: Seen, wants: Iterable[Want]) -> str:
    """Return what could not be read, and why, in a sentence; empty: all of it was read."""
    for want in wants:
        if error := sight(seen, want).error:
            return f"{called(want)} cannot be read: {error}"
    return ""


def called(want: Want) -> str:
    """Return what is wanted, as people call it.

    >>> from fleet.model.objects import Resource
    >>> called(Want(resource=Resource("", "v1", "pods"), namespace="shop"))
    'pods in shop'
    """
    place = f" in {want.namespace}" if want.namespace else ""
    return f"{want.resource.plural}{f' {want.name}' if want.name else ''}{place}"


def metadata(found: Object) -> Mapping[str, Any]:
    """Return an object's metadata; empty where it has another shape."""
    return below(found, "metadata")


def below(found: Any, *path: str) -> Mapping[str, Any]:
    """Return the mapping at *path*; empty where there is none."""
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def listed(found: Any, *path: str) -> list[Any]:
    """Return the list at *path*; empty where there is none."""
    value = below(found, *path[:-1]).get(path[-1])
    return value if isinstance(value, list) else []
