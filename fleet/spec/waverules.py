"""What must hold between the keys of a strategy: its waves, its caps, its ways back.

As in :mod:`fleet.spec.rules`, anything may have any shape here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from fleet.model.plan import CATCH_UP
from fleet.spec import flaws
from fleet.spec.amounts import REST
from fleet.spec.flaws import Flaw, Path, below, quoted

_KINDS = ("size", "match", "targets")
_ONLY_SELECTED = ("required", "substitute")


def check(path: Path, strategy: dict[str, Any], *, may_roll_back: bool = False) -> Iterator[Flaw]:
    """Yield every broken rule of the strategy at *path*.

    Args:
        path: Where it stands.
        strategy: What stands there.
        may_roll_back: Whether something else than a broken budget leads to a rollback.
    """
    if isinstance(waves := strategy.get("waves"), list):
        yield from _waves((*path, "waves"), waves)
    if isinstance(spread := strategy.get("spread"), list):
        yield from _spread((*path, "spread"), spread)
    if isinstance(pools := strategy.get("pools"), list):
        yield from _twice((*path, "pools"), pools, "name", "pools are called")
    if "rollback" in strategy and strategy.get("onBreach") != "rollback" and not may_roll_back:
        message = "rollback says nothing without onBreach: rollback"
        hint = "add onBreach: rollback, or remove it"
        yield Flaw(path=(*path, "rollback"), message=message, hint=hint, is_about_key=True)


def _waves(path: Path, waves: list[Any]) -> Iterator[Flaw]:
    rest: int | None = None
    for n, wave in enumerate(waves):
        if not isinstance(wave, dict):
            continue
        yield from _kind((*path, n), wave)
        yield from _size((*path, n), wave.get("size"))
        yield from _ramp((*path, n), wave)
        if rest is not None:
            message = "no wave can follow the one of size rest, which takes all that are left"
            hint = "move the wave of size rest to the end"
            yield Flaw(path=(*path, n), message=message, hint=hint)
        if rest is None and _takes_the_rest(wave.get("size")):
            rest = n
    yield from _names(path, waves)


def _takes_the_rest(size: Any) -> bool:
    return size == REST or (isinstance(size, list) and REST in size)


def _kind(path: Path, wave: dict[str, Any]) -> Iterator[Flaw]:
    given = [key for key in _KINDS if key in wave]
    if not given:
        hint = 'add size (a number, "10%" or rest), match or targets'
        message = "which targets the wave has is not said"
        yield Flaw(path=path, message=message, hint=hint, is_absence=True)
    for key in given[1:]:
        yield flaws.excluded(path, key, by=given[0])
    for key in _ONLY_SELECTED:
        if key in wave and given == ["size"]:
            message = f"{key} says nothing of a size, which takes whoever is next"
            hint = "name the clusters by match or targets, or remove it"
            yield Flaw(path=(*path, key), message=message, hint=hint, is_about_key=True)


def _size(path: Path, size: Any) -> Iterator[Flaw]:
    if isinstance(size, list) and REST in size[:-1]:
        place = (*path, "size", size.index(REST))
        yield Flaw(path=place, message="nothing can follow rest", hint="move it to the end")


def _ramp(path: Path, wave: dict[str, Any]) -> Iterator[Flaw]:
    if "rampUp" in wave and isinstance(wave.get("size"), list):
        yield flaws.excluded(path, "rampUp", by="a list of sizes")
    first, most = below(wave, "rampUp", "from"), below(wave, "rampUp", "max")
    if type(most) is int and most < (first if type(first) is int else 1):
        message = f"max is less than from ({first})"
        yield Flaw(path=(*path, "rampUp", "max"), message=message, hint="raise it, or lower from")


def _names(path: Path, waves: list[Any]) -> Iterator[Flaw]:
    """Yield what is wrong with names; parts of a wave are called NAME-1, NAME-2 and so on."""
    names = {n: below(waves, n, "name") for n in range(len(waves))}
    parts = {
        names[n]: n
        for n, wave in enumerate(waves)
        if isinstance(names[n], str) and ("rampUp" in wave or isinstance(wave.get("size"), list))
    }
    yield from _twice(path, waves, "name", "waves are called")
    for n, name in names.items():
        if name == CATCH_UP:
            message = f"{quoted(CATCH_UP)} is the name of the wave of late clusters"
            yield Flaw(path=(*path, n, "name"), message=message, hint="choose another name")
        elif isinstance(name, str) and (of := re.sub("-[0-9]+$", "", name)) != name and of in parts:
            message = f"{quoted(name)} is the name of a part of the wave {quoted(of)}"
            yield Flaw(path=(*path, n, "name"), message=message, hint="choose another name")


def _spread(path: Path, rules: list[Any]) -> Iterator[Flaw]:
    for n, rule in enumerate(rules):
        if isinstance(rule, dict) and not rule.keys() & {"maxConcurrency", "maxFailures"}:
            message, hint = "no cap is said", "add maxConcurrency, maxFailures, or both"
            yield Flaw(path=(*path, n), message=message, hint=hint, is_absence=True)
    yield from _twice(path, rules, "by", "caps are by")


def _twice(path: Path, items: list[Any], key: str, what: str) -> Iterator[Flaw]:
    seen: dict[str, int] = {}
    for n in range(len(items)):
        value = below(items, n, key)
        if isinstance(value, str) and value != CATCH_UP:
            first = seen.setdefault(value.lower(), n)
            if first != n:
                message = f"two {what} {quoted(value)}"
                hint = f"the first is {path[-1]}[{first}]"
                yield Flaw(path=(*path, n, key), message=message, hint=hint)
