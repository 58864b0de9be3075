"""Recipes: settings under a name, that a plan file may ask for beside its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fleet.spec import flaws, settingrules
from fleet.spec.charts import Recipe
from fleet.spec.flaws import Flaw, Path, quoted

_PATH: Path = ("spec", "extension", "recipes")


def check(extension: Mapping[str, Any]) -> Iterator[Flaw]:
    """Yield recipes that are none, that come twice, and that contradict one another."""
    names, known = _names(extension), _known(extension)
    first: dict[str, str] = {}
    for n, name in names:
        if name not in known:
            hint = flaws.suggestion(name, known) or "this extension has none"
            yield Flaw(path=(*_PATH, n), message=f"unknown recipe {quoted(name)}", hint=hint)
        elif [other for _, other in names[:n]].count(name):
            yield Flaw(path=(*_PATH, n), message="this recipe is named twice", hint="keep one")
        for key, value in known[name].settings.items() if name in known else ():
            other = first.setdefault(key, name)
            if known[other].settings[key] != value:
                message = f"the recipes {other} and {name} set {key} differently"
                yield Flaw(path=(*_PATH, n), message=message, hint="keep one of them")


def check_own(extension: Mapping[str, Any], own: Mapping[str, Any]) -> Iterator[Flaw]:
    """Yield where the file's *own* settings contradict a recipe, or lack what it needs."""
    known = _known(extension)
    protected = extension.get(flaws.PROTECTED)
    for n, name in _names(extension):
        if name not in known:
            continue
        for key, value in known[name].settings.items():
            if key in own and own[key] != value:
                message = f"the recipe {name} sets {key} to {quoted(value)}, and settings do not"
                hint = "remove one of the two"
                yield Flaw(path=(*_PATH, n), message=message, hint=hint)
        for key in known[name].needs:
            if key not in own and not (isinstance(protected, dict) and key in protected):
                message = f"the recipe {name} needs a setting of yours"
                yield Flaw(path=(*_PATH, n), message=message, hint=f"add {key} to settings")


def settings(extension: Mapping[str, Any]) -> dict[str, str]:
    """Return what the recipes of a plan file set; where two contradict, the last."""
    known = _known(extension)
    named = [known[name] for _, name in _names(extension) if name in known]
    return {key: value for recipe in named for key, value in recipe.settings.items()}


def _names(extension: Mapping[str, Any]) -> list[tuple[int, str]]:
    names = extension.get("recipes")
    some = names if isinstance(names, list) else []
    return [(n, name) for n, name in enumerate(some) if isinstance(name, str)]


def _known(extension: Mapping[str, Any]) -> Mapping[str, Recipe]:
    chart, _ = settingrules.known_of(extension)
    return chart.recipes if chart else {}
