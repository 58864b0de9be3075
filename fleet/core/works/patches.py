"""Merge patches as arithmetic: what of one is not so yet, and what leads back from it.

Source:  RFC 7396, JSON Merge Patch: ``null`` removes a key, mappings are merged, and anything
         else, lists included, is replaced whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fleet.core.chain import canonical

Leaf = tuple[tuple[str, ...], Any, Any]
"""Path, before and after; ``None``: not there."""


def merged(target: Any, patch: Any) -> Any:
    """Return *target* with *patch* applied.

    >>> merged({"a": 1, "b": {"c": 2}}, {"a": None, "b": {"d": [3]}})
    {'b': {'c': 2, 'd': [3]}}
    """
    if not isinstance(patch, Mapping):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def both(first: Mapping[str, Any], then: Mapping[str, Any]) -> dict[str, Any]:
    """Return one patch for two of mappings of values, the second having the last word.

    >>> both({"a": {"b": 1, "c": None}}, {"a": {"b": None}})
    {'a': {'b': None, 'c': None}}
    """
    result = dict(first)
    for key, value in then.items():
        present = result.get(key)
        is_deeper = isinstance(value, Mapping) and isinstance(present, Mapping)
        result[key] = both(present or {}, value) if is_deeper else value
    return result


def remainder(target: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of *patch* would change *target*.

    >>> remainder({"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 3}, "d": None})
    {'b': {'c': 3}}
    """
    rest: dict[str, Any] = {}
    for key, value in patch.items():
        present = target.get(key)
        if isinstance(value, Mapping) and isinstance(present, Mapping):
            if below := remainder(present, value):
                rest[key] = below
        elif not _is_same(present, value):
            rest[key] = value
    return rest


def way_back(target: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Return the patch that makes *target* again of what *patch* makes of it.

    >>> way_back({"a": 1}, {"a": 2, "b": {"c": 3}})
    {'a': 1, 'b': None}
    """
    back: dict[str, Any] = {}
    for key, value in remainder(target, patch).items():
        present = target.get(key)
        if isinstance(value, Mapping) and isinstance(present, Mapping):
            back[key] = way_back(present, value)
        else:
            back[key] = present
    return back


def leaves(
    target: Mapping[str, Any], patch: Mapping[str, Any], *, path: tuple[str, ...] = ()
) -> Iterator[Leaf]:
    """Yield each single value that *patch* would change."""
    for key, value in remainder(target, patch).items():
        present, here = target.get(key), (*path, key)
        # NB: nothing is removed where nothing is.
        after = value if isinstance(present, Mapping) else merged(None, value)
        if isinstance(after, Mapping) and after and (present is None or value is after):
            yield from leaves(present or {}, after, path=here)
        else:
            yield here, present, after


def shown(value: Any) -> str | None:
    """Return a value as people read it; ``None``: it is not there."""
    return value if value is None or isinstance(value, str) else canonical(value).decode()


def _is_same(one: Any, other: Any) -> bool:
    # NB: true is no 1 in JSON, and is in Python.
    return canonical(one) == canonical(other)
