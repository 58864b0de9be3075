"""What must hold between the keys of ``requires``: other extensions that must be there first.

Like :mod:`fleet.spec.rules`, of data that may have any shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fleet.model.desired import Profile
from fleet.spec import flaws, profiles, settingrules
from fleet.spec.flaws import PROTECTED, Flaw, Path, quoted
from fleet.spec.values import LATEST

_KINDS = ("profile", "extensionType")
_AUTOMATIC = ("patch", "compatible")


def check(path: Path, extension: Mapping[str, Any]) -> Iterator[Flaw]:
    """Yield what is wrong with those that an extension requires.

    Args:
        path: Where they stand.
        extension: The one that requires them.
    """
    wanted = extension.get("requires")
    some = [(n, one) for n, one in enumerate(wanted if isinstance(wanted, list) else ())]
    known = [(n, one) for n, one in some if isinstance(one, dict)]
    for n, one in known:
        yield from _identity((*path, n), one)
        yield from _version((*path, n), one)
        yield from _settings((*path, n), one)
    yield from _again(path, extension, known)


def profile_of(required: Mapping[str, Any]) -> Profile | None:
    """Return what is known of one of them; ``None`` where nothing is."""
    name, kind = required.get("profile"), required.get("extensionType")
    if isinstance(name, str):
        return profiles.load(name) if name in profiles.names() else None
    return profiles.for_type(kind) if isinstance(kind, str) else None


def _identity(path: Path, one: dict[str, Any]) -> Iterator[Flaw]:
    given = [key for key in _KINDS if key in one]
    if not given:
        hint = f"add profile ({profiles.LISTED}), or extensionType and name"
        yield Flaw(path=path, message="which extension is not said", hint=hint, is_absence=True)
    for key in given[1:]:
        yield flaws.excluded(path, key, by=given[0])
    name = one.get("profile")
    if isinstance(name, str) and name not in profiles.names():
        message = f"unknown profile {quoted(name)}"
        yield Flaw(path=(*path, "profile"), message=message, hint=profiles.suggestion(name))
        return
    profile = profile_of(one)
    if given and "name" not in one and (profile is None or profile.instance_name is None):
        whose = f": {profile.name} has no usual name" if profile else f" beside {given[0]}"
        yield Flaw(path=(*path, "name"), message=f"this key is required{whose}")
    if profile and profile.is_namespaced and not (profile.namespace or "namespace" in one):
        message = f"this key is required: {profile.name} is installed for a namespace"
        yield Flaw(path=(*path, "namespace"), message=message)


def _version(path: Path, one: dict[str, Any]) -> Iterator[Flaw]:
    version, automatic = one.get("version"), one.get("autoUpgrade")
    if version == LATEST:
        # NB: the service is asked for the versions of one type, the plan's own.
        message = f"{quoted(LATEST)} is not looked up for an extension that is required"
        hint = "remove version: the service then installs the newest, and keeps it new"
        yield Flaw(path=(*path, "version"), message=message, hint=hint, is_about_key=True)
    elif version is not None and automatic in _AUTOMATIC:
        message = f"a version cannot be pinned while autoUpgrade is {automatic}"
        hint = "set autoUpgrade: none to pin, or remove version"
        yield Flaw(path=(*path, "version"), message=message, hint=hint, is_about_key=True)
    if version is None and automatic == "none":
        message = "none needs a version: without one the service chooses, again and again"
        hint = "add version, or remove autoUpgrade"
        yield Flaw(path=(*path, "autoUpgrade"), message=message, hint=hint)


def _settings(path: Path, one: dict[str, Any]) -> Iterator[Flaw]:
    plain, protected = one.get("settings"), one.get(PROTECTED)
    for section, given in (("settings", plain), (PROTECTED, protected)):
        for key in given if isinstance(given, dict) else ():
            if not key or key != key.strip():
                wrong = "spaces around the key" if key.strip() else "the key of a setting is empty"
                yield Flaw(path=(*path, section, key), message=wrong, is_about_key=True)
    if not isinstance(plain, dict):
        return
    yield from settingrules.check(one, plain, (*path, "settings"))
    for key in plain.keys() & protected.keys() if isinstance(protected, dict) else ():
        message = "this setting is in protectedSettings too"
        where = (*path, "settings", key)
        yield Flaw(path=where, message=message, hint="keep one", is_about_key=True)


def _again(
    path: Path, extension: Mapping[str, Any], known: list[tuple[int, dict[str, Any]]]
) -> Iterator[Flaw]:
    """Yield those that come twice: two of one name, or of a type of which there can be one."""
    own = _marks(extension)
    seen: dict[str, int] = {}
    for n, one in known:
        marks = _marks(one)
        if marks & own:
            message = "this is the extension that the plan file is about: it cannot require itself"
            yield Flaw(path=(*path, n), message=message, hint="remove it")
        elif before := next((seen[mark] for mark in sorted(marks) if mark in seen), None):
            message = f"the same extension is required as number {before} already"
            yield Flaw(path=(*path, n), message=message, hint="keep one")
        for mark in marks:
            seen.setdefault(mark, n + 1)


def _marks(one: Mapping[str, Any]) -> set[str]:
    """Return what no other extension on the cluster can have in common with this one."""
    profile = profile_of(one)
    name = one.get("name") or (profile.instance_name if profile else None)
    found = {f"name {name.lower()}"} if isinstance(name, str) else set()
    if profile and profile.has_one_instance:
        found.add(f"type {profile.extension_type.lower()}")
    return found
