"""Gates that have a name, as data: one YAML file each, with the keys of a gate of a plan file.

A file has conditions and limits at its top, and below the name of each provider that can be asked
the query, and what else differs there. A plan file's gate that ``uses`` one says where to ask, and
may say anything else again: its own keys go first.

Errors:  :exc:`~fleet.errors.InvariantError` for a packaged file that does not fit.
"""

from __future__ import annotations

import functools
import importlib.resources
from collections.abc import Mapping
from typing import Any

from fleet.errors import InvariantError
from fleet.spec import nodes

PROVIDERS = ("prometheus", "logAnalytics")
"""Who can be asked, as the key in a plan file is called."""
_SUFFIX = ".yaml"


@functools.cache
def names() -> tuple[str, ...]:
    """Return the names of all of them, sorted."""
    found = (entry.name for entry in importlib.resources.files(__name__).iterdir())
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in found if name.endswith(_SUFFIX)))


@functools.cache
def read(name: str) -> Mapping[str, Any]:
    """Return the file of *name*, which is one of :func:`names`."""
    text = importlib.resources.files(__name__).joinpath(name + _SUFFIX).read_text("utf-8")
    tree = nodes.read(text)
    if tree.flaws or not isinstance(tree.data, dict):
        message = f"the gate {name} cannot be read: {tree.flaws}"
        raise InvariantError(message)
    return tree.data


def keys(name: str, provider: str) -> dict[str, Any]:
    """Return what the gate *name* says where *provider* is asked; the query among it.

    >>> "query" in keys("osm-request-success-rate", "prometheus")
    True
    """
    file = read(name)
    common = {key: value for key, value in file.items() if key not in PROVIDERS}
    return {**common, **file.get(provider, {})}
