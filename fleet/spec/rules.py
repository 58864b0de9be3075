"""What must hold between the keys of a plan file.

Checked on the data as it was read, so that these problems are reported
together with unknown keys and wrong values; anything may therefore have any
shape here, and what has the wrong one is passed over. What a strategy may say
is in :mod:`fleet.spec.waverules`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fleet.model.desired import Profile
from fleet.spec import (
    accessform,
    calendarrules,
    flaws,
    gaterules,
    insiderules,
    noticerules,
    profiles,
    recipes,
    requirerules,
    scheduleform,
    settingrules,
    strategies,
    waverules,
)
from fleet.spec.flaws import PROTECTED, Flaw, Path, below, quoted

_TARGETS: Path = ("spec", "targets")
_EXTENSION: Path = ("spec", "extension")
_STRATEGY: Path = ("spec", "strategy")
_CALENDARS: Path = ("spec", "calendars")
_NOTIFY: Path = ("spec", "notify")
_SCHEDULE: Path = ("spec", "schedule")
_ACCESS: Path = ("spec", "clusterAccess")
_PLACES = ("subscriptions", "managementGroups", "tenant")
_KINDS = ("profile", "profileFile", "extensionType")
_ONLY_PRESENT = (
    "version",
    "autoUpgrade",
    "releaseTrain",
    "settings",
    "settingsFile",
    "settingsMode",
    PROTECTED,
    "recipes",
    "allowDowngrade",
    "allowSkipMinor",
    "requires",
    *insiderules.ONLY_PRESENT,
)


def check(data: Any) -> Iterator[Flaw]:
    """Yield every broken rule."""
    if isinstance(targets := below(data, *_TARGETS), dict):
        yield from _targets(targets)
    if isinstance(extension := below(data, *_EXTENSION), dict):
        yield from _identity(extension)
        yield from _state(extension)
        yield from _settings(extension)
        yield from requirerules.check((*_EXTENSION, "requires"), extension)
    strategy = below(data, *_STRATEGY)
    if isinstance(strategy, str) and strategy not in strategies.names():
        hint = flaws.suggestion(strategy, strategies.names())
        message = f"unknown strategy {quoted(strategy)}"
        yield Flaw(path=_STRATEGY, message=message, hint=hint)
    if isinstance(strategy, dict):
        may_roll_back = gaterules.may_roll_back(data)
        yield from waverules.check(_STRATEGY, strategy, may_roll_back=may_roll_back)
    calendars = below(data, *_CALENDARS)
    yield from calendarrules.check(_CALENDARS, calendars)
    yield from calendarrules.check_waves((*_STRATEGY, "waves"), below(strategy, "waves"), calendars)
    yield from gaterules.check(data)
    yield from insiderules.check(data)
    if isinstance(told := below(data, *_NOTIFY), list):
        yield from noticerules.check(_NOTIFY, told)
    if isinstance(schedule := below(data, *_SCHEDULE), dict):
        yield from scheduleform.check(_SCHEDULE, schedule)
    if isinstance(access := below(data, *_ACCESS), dict):
        yield from accessform.check(_ACCESS, access)


def _targets(targets: dict[str, Any]) -> Iterator[Flaw]:
    given = [key for key in _PLACES if key in targets]
    if not given:
        message = "where to look for clusters is not said"
        hint = "add subscriptions, managementGroups, or tenant: true"
        yield Flaw(path=_TARGETS, message=message, hint=hint, is_absence=True)
    for key in given[1:]:
        yield flaws.excluded(_TARGETS, key, by=given[0])
    if targets.get("tenant") is False:
        hint = "write true, or list subscriptions instead"
        yield Flaw(path=(*_TARGETS, "tenant"), message="false says nothing", hint=hint)


def _identity(extension: dict[str, Any]) -> Iterator[Flaw]:
    given = [key for key in _KINDS if key in extension]
    if not given:
        message = "which extension is not said"
        hint = f"add profile ({profiles.LISTED}), profileFile, or extensionType and name"
        yield Flaw(path=_EXTENSION, message=message, hint=hint, is_absence=True)
    for key in given[1:]:
        yield flaws.excluded(_EXTENSION, key, by=given[0])
    name, kind = extension.get("profile"), extension.get("extensionType")
    if isinstance(name, str):
        if name in profiles.names():
            yield from unsaid(profiles.load(name), extension)
        else:
            message = f"unknown profile {quoted(name)}"
            hint = profiles.suggestion(name)
            yield Flaw(path=(*_EXTENSION, "profile"), message=message, hint=hint)
    elif isinstance(kind, str) and given == ["extensionType"]:
        if known := profiles.for_type(kind):
            yield from unsaid(known, extension)
        elif "name" not in extension:
            message = "this key is required beside extensionType"
            yield Flaw(path=(*_EXTENSION, "name"), message=message)


def unsaid(profile: Profile, extension: dict[str, Any]) -> Iterator[Flaw]:
    """Yield what the plan file has to say, since *profile* knows nothing of it."""
    if profile.instance_name is None and "name" not in extension:
        message = f"this key is required: {profile.name} has no usual name"
        yield Flaw(path=(*_EXTENSION, "name"), message=message)
    is_known = profile.namespace is not None or "namespace" in extension
    is_absent = extension.get("state") == "absent"
    if profile.is_namespaced and not is_known and not is_absent:
        message = f"this key is required: {profile.name} is installed for a namespace"
        yield Flaw(path=(*_EXTENSION, "namespace"), message=message)


def _state(extension: dict[str, Any]) -> Iterator[Flaw]:
    if extension.get("state", "present") == "absent":
        for key in _ONLY_PRESENT:
            if key in extension:
                yield flaws.excluded(_EXTENSION, key, by="state: absent")
        return
    if not _says_something(extension):
        message = "nothing is wished for"
        hint = "add version, autoUpgrade, settings or protectedSettings, or state: absent"
        yield Flaw(path=_EXTENSION, message=message, hint=hint, is_absence=True)
    automatic = extension.get("autoUpgrade")
    if extension.get("version") is not None and automatic in ("patch", "compatible"):
        # Source: the service refuses such a request from api-version 2023-05-01 on.
        message = f"a version cannot be pinned while autoUpgrade is {automatic}"
        hint = "set autoUpgrade: none to pin, or remove version"
        path = (*_EXTENSION, "version")
        yield Flaw(path=path, message=message, hint=hint, is_about_key=True)


def _says_something(extension: dict[str, Any]) -> bool:
    is_exact = extension.get("settingsMode") == "exact"
    wishes = ("version", "autoUpgrade", "settingsFile", "recipes", PROTECTED)
    has_settings = "settings" in extension and (is_exact or extension["settings"] != {})
    is_wished = has_settings or any(extension.get(key, {}) != {} for key in wishes)
    return is_wished or insiderules.wishes(extension)


def _settings(extension: dict[str, Any]) -> Iterator[Flaw]:
    if "settings" in extension and "settingsFile" in extension:
        yield flaws.excluded(_EXTENSION, "settingsFile", by="settings")
    if extension.get("settingsMode") == "exact":
        yield from _exact(extension)
    for section in ("settings", PROTECTED):
        yield from _keys(section, extension.get(section), extension)
    yield from recipes.check(extension)
    yield from _judged(extension)
    plain, protected = extension.get("settings"), extension.get(PROTECTED)
    if isinstance(plain, dict) and isinstance(protected, dict):
        for key in plain.keys() & protected.keys():
            path = (*_EXTENSION, "settings", key)
            yield in_both(path)


def in_both(path: Path) -> Flaw:
    """Return the flaw of a setting that is plain and protected at once."""
    message = "this setting is in protectedSettings too"
    return Flaw(path=path, message=message, hint="keep one", is_about_key=True)


def _exact(extension: dict[str, Any]) -> Iterator[Flaw]:
    path = (*_EXTENSION, "settingsMode")
    if PROTECTED in extension:
        # The whole map can only be claimed by replacing the resource, which needs every secret.
        message = "exact and protectedSettings exclude each other"
        yield Flaw(path=path, message=message, hint="use settingsMode: owned")
    if not {"settings", "settingsFile", "recipes"} & extension.keys():
        message = "exact without settings would remove every setting"
        yield Flaw(path=path, message=message, hint="write settings: {} if that is meant")


def _judged(extension: dict[str, Any]) -> Iterator[Flaw]:
    """Yield what a chart that is known would not take; a settings file is judged as it is read."""
    if "settingsFile" in extension or extension.get("state") == "absent":
        return
    settings = extension.get("settings")
    own = settings if isinstance(settings, dict) else {}
    beside = recipes.settings(extension)
    yield from recipes.check_own(extension, own)
    yield from settingrules.check(extension, own, (*_EXTENSION, "settings"), beside=beside)


def _keys(section: str, settings: Any, extension: dict[str, Any]) -> Iterator[Flaw]:
    for key in settings if isinstance(settings, dict) else ():
        if key != key.strip() or not key:
            message = (
                "the key of a setting is empty" if not key.strip() else "spaces around the key"
            )
            path = (*_EXTENSION, section, key)
            hint = None if key.strip() else settingrules.meant(extension, settings[key])
            yield Flaw(path=path, message=message, hint=hint, is_about_key=True)
