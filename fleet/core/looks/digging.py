"""What stands somewhere in an object, whatever the object really holds.

Servers, and what people put in between, answer with anything. What is missing
or of another kind reads as empty: a look then says what it did not find.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleet.model.cluster import nothing

_LONGEST = 300


def at(found: Any, *keys: str) -> Any:
    """Return what stands below *keys*; ``None``: nothing."""
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def text(found: Any, *keys: str) -> str:
    """Return a text, cut to what a sentence can take."""
    value = at(found, *keys)
    return value[:_LONGEST] if isinstance(value, str) else ""


def number(found: Any, *keys: str) -> int:
    """Return an integer; the API leaves out those that are 0."""
    value = at(found, *keys)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def entries(found: Any, *keys: str) -> list[Mapping[str, Any]]:
    """Return the objects in a list."""
    value = at(found, *keys)
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def texts(found: Any, *keys: str) -> Mapping[str, str]:
    """Return the texts by key, such as labels."""
    value = at(found, *keys)
    if not isinstance(value, Mapping):
        return nothing()
    pairs = value.items()
    return {key: one for key, one in pairs if isinstance(key, str) and isinstance(one, str)}


def name(found: Any) -> str:
    """Return an object's name."""
    return text(found, "metadata", "name")


def labels(found: Any) -> Mapping[str, str]:
    """Return an object's labels."""
    return texts(found, "metadata", "labels")


def notes(found: Any) -> Mapping[str, str]:
    """Return an object's annotations."""
    return texts(found, "metadata", "annotations")
