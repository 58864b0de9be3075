"""What is known of extension types, as data: one TOML file for each profile.

A profile never says what to do, only what is true of a product. Where a fact
comes from stands beside it, in the file. A plan file that names an extension
type instead of a profile gets the type's profile all the same, since the facts
hold whatever it is called, and one without any claims where there is none.

Errors:  :exc:`~fleet.errors.InvariantError` for a packaged file that does not fit.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.resources
import tomllib
from typing import Annotated

from pydantic import Field, ValidationError

from fleet.errors import InputError, InvariantError
from fleet.model import versions
from fleet.model.advice import Need
from fleet.model.desired import Profile
from fleet.model.versions import VersionOrder
from fleet.spec import flaws
from fleet.spec.explanation import FileModel

GENERIC = "generic"
_SUFFIX = ".toml"


class _NeedFile(FileModel):
    setting: str
    value: str
    api: str
    gone_in: str
    until: str


class _ProfileFile(FileModel):
    extension_type: str
    instance_name: str | None = None
    namespace: str | None = None
    has_one_instance: bool = False
    version_order: Annotated[VersionOrder, Field(strict=False)] = VersionOrder.SEMVER
    has_sequential_minors: bool = False
    may_downgrade: bool = True
    distributions: list[str] = Field(default_factory=list)
    supported_minor_count: Annotated[int, Field(ge=1)] | None = None
    catalogue: list[str] = Field(default_factory=list)
    distribution_settings: dict[str, dict[str, str]] = Field(default_factory=dict)
    needs: list[_NeedFile] = Field(default_factory=list)
    notice: str | None = None


@functools.cache
def names() -> tuple[str, ...]:
    """Return the names of all profiles, sorted."""
    found = (entry.name for entry in importlib.resources.files(__name__).iterdir())
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in found if name.endswith(_SUFFIX)))


@functools.cache
def load(name: str) -> Profile:
    """Return the profile called *name*; :exc:`InputError` with the nearest where there is none."""
    if name not in names():
        message = f"unknown profile {flaws.quoted(name)}"
        raise InputError(message, hint=flaws.suggestion(name, names()))
    text = importlib.resources.files(__name__).joinpath(name + _SUFFIX).read_text("utf-8")
    return from_toml(text, name=name)


def for_type(extension_type: str) -> Profile | None:
    """Return the profile of an extension type, in whatever casing it is written."""
    every = map(load, names())
    return next((one for one in every if _is_same(one.extension_type, extension_type)), None)


def resolved(extension_type: str, *, name: str, namespace: str | None) -> Profile:
    """Return what is known of a type that a plan file names itself."""
    known = for_type(extension_type)
    if known is not None:
        return known
    return Profile(
        name=GENERIC, extension_type=extension_type, instance_name=name, namespace=namespace
    )


def from_toml(text: str, *, name: str) -> Profile:
    """Return the profile that a file describes."""
    try:
        file = _ProfileFile.model_validate(tomllib.loads(text))
        fields = {field: getattr(file, field) for field in _ProfileFile.model_fields}
        return dataclasses.replace(
            Profile(name=name, **fields),
            distributions=tuple(one.lower() for one in file.distributions),
            catalogue=tuple(versions.parse(one).text for one in file.catalogue),
            needs=tuple(Need(**one.model_dump()) for one in file.needs),
        )
    except (ValidationError, ValueError) as error:
        message = f"the profile {flaws.quoted(name)} does not fit: {error}"
        raise InvariantError(message) from error


def _is_same(one: str, other: str) -> bool:
    # Source: the service answers with lower case whatever was sent.
    return one.casefold() == other.casefold()
