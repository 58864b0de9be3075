"""The strategies that have a name, as data: one TOML file each, with the keys of a block.

What the keys mean: :class:`fleet.spec.strategyform.StrategyFile`.
"""

from __future__ import annotations

import functools
import importlib.resources
import tomllib
from typing import Any

DEFAULT = "standard"
"""Of a plan file that names none."""
_SUFFIX = ".toml"


@functools.cache
def names() -> tuple[str, ...]:
    """Return the names of all of them, sorted."""
    found = (entry.name for entry in importlib.resources.files(__name__).iterdir())
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in found if name.endswith(_SUFFIX)))


def block(name: str) -> dict[str, Any]:
    """Return what would stand in a plan file in place of *name*, which is one of :func:`names`."""
    text = importlib.resources.files(__name__).joinpath(name + _SUFFIX).read_text("utf-8")
    return tomllib.loads(text)
