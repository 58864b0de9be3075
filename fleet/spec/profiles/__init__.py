"""What is known of extension types, as data: one TOML file for each profile.

A profile never says what to do, only what is true of a product. Where a fact
comes from stands beside it, in the file. A plan file that names an extension
type instead of a profile gets the type's profile all the same, since the facts
hold whatever it is called, and one without any claims where there is none.

A file is checked when it is named, and no other with it. A user's own profile:
:mod:`fleet.spec.profilefile`.

Errors:  :exc:`~fleet.errors.InvariantError` for a packaged file that does not fit.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.resources
import tomllib
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from fleet.errors import InputError, InvariantError
from fleet.model.desired import Profile
from fleet.model.inside import CheckRule
from fleet.spec import charts, checks, flaws
from fleet.spec.profileform import ProfileFile

GENERIC = "generic"
LISTED = "`fleet profiles` lists them"
_SUFFIX = ".toml"
_COMPARING = "meshConfigDrift"


@functools.cache
def names() -> tuple[str, ...]:
    """Return the names of all profiles, sorted; no file is read for that."""
    found = (entry.name for entry in importlib.resources.files(__name__).iterdir())
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in found if name.endswith(_SUFFIX)))


@functools.cache
def load(name: str) -> Profile:
    """Return the profile called *name*; :exc:`InputError` with the nearest where there is none."""
    require(name)
    profile = from_toml(_text(name), name=name)
    rules = tuple(_seeded(one, name) for one in profile.checks)
    return dataclasses.replace(profile, checks=rules)


def require(name: str) -> None:
    """Raise :exc:`InputError`, with the nearest, where no profile is called *name*."""
    if name not in names():
        message = f"unknown profile {flaws.quoted(name)}"
        raise InputError(message, hint=suggestion(name))


def suggestion(name: str) -> str:
    """Return the hint for a *name* that no profile has."""
    near = flaws.nearest(name, names())
    return f"did you mean {flaws.quoted(near)}?" if near else LISTED


def said(name: str) -> Mapping[str, Any]:
    """Return the keys of the profile *name* as its file has them: what is known, and no more."""
    return tomllib.loads(_text(name))


def for_type(extension_type: str) -> Profile | None:
    """Return the profile of an extension type, in whatever casing it is written."""
    # Source: the service answers with lower case whatever was sent.
    name = _by_type().get(extension_type.casefold())
    return None if name is None else load(name)


def resolved(extension_type: str, *, name: str, namespace: str | None) -> Profile:
    """Return what is known of a type that a plan file names itself."""
    known = for_type(extension_type)
    if known is not None:
        return known
    return Profile(
        name=GENERIC,
        extension_type=extension_type,
        instance_name=name,
        namespace=namespace,
        checks=checks.generic(),
    )


def from_toml(text: str, *, name: str) -> Profile:
    """Return the profile that a packaged file describes."""
    try:
        return ProfileFile.model_validate(tomllib.loads(text)).profile(name)
    except (ValidationError, ValueError) as error:
        message = f"the profile {flaws.quoted(name)} does not fit: {error}"
        raise InvariantError(message) from error


def _seeded(rule: CheckRule, name: str) -> CheckRule:
    """Return a rule that compares settings with what they preset, as the chart has it."""
    chart = charts.load(name) if rule.look == _COMPARING else None
    if chart is None:
        return rule
    fields = {one.setting: one.field for one in chart.advice().seeds}
    return dataclasses.replace(rule, given={**fields, **rule.given})


@functools.cache
def _by_type() -> Mapping[str, str]:
    """Return ``{extension type, folded: profile}``, without checking any file."""
    return {str(said(name).get("extensionType", "")).casefold(): name for name in names()}


@functools.cache
def _text(name: str) -> str:
    return importlib.resources.files(__name__).joinpath(name + _SUFFIX).read_text("utf-8")
