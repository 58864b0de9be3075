"""What must hold between the keys of a plan file.

Checked on the data as it was read, so that these problems are reported
together with unknown keys and wrong values; anything may therefore have any
shape here, and what has the wrong one is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fleet.model.plan import CATCH_UP
from fleet.spec import flaws, profiles, strategies
from fleet.spec.flaws import PROTECTED, Flaw, Path, below, quoted
from fleet.spec.values import REST

NOT_YET = frozenset(
    {
        "afterGates",
        "approvals",
        "beforeGates",
        "calendars",
        "clusterAccess",
        "gates",
        "membership",
        "meshConfig",
        "minObservations",
        "minSuccess",
        "minSuccessTime",
        "namespaces",
        "notBefore",
        "notify",
        "pools",
        "rampUp",
        "retry",
        "rollback",
        "runTimeout",
        "schedule",
        "sortKey",
        "spread",
        "stalledAfter",
        "strictSelection",
        "substitute",
        "waveTimeout",
    }
)
"""Keys that are designed and not built, wherever they stand."""

NOT_YET_VALUES = frozenset({("onDrift", "replan"), ("onBreach", "rollback")})

_TARGETS: Path = ("spec", "targets")
_EXTENSION: Path = ("spec", "extension")
_STRATEGY: Path = ("spec", "strategy")
_PLACES = ("subscriptions", "managementGroups", "tenant")
_WAVE_KINDS = ("size", "match", "targets")
_ONLY_PRESENT = (
    "version",
    "autoUpgrade",
    "releaseTrain",
    "settings",
    "settingsFile",
    "settingsMode",
    PROTECTED,
    "allowDowngrade",
    "allowSkipMinor",
)


def check(data: Any) -> Iterator[Flaw]:
    """Yield every broken rule."""
    if isinstance(targets := below(data, *_TARGETS), dict):
        yield from _targets(targets)
    if isinstance(extension := below(data, *_EXTENSION), dict):
        yield from _identity(extension)
        yield from _state(extension)
        yield from _settings(extension)
    strategy = below(data, *_STRATEGY)
    if isinstance(strategy, str) and strategy not in strategies.names():
        hint = flaws.suggestion(strategy, strategies.names())
        message = f"unknown strategy {quoted(strategy)}"
        yield Flaw(path=_STRATEGY, message=message, hint=hint)
    if isinstance(waves := below(strategy, "waves"), list):
        yield from _waves(waves)


def _targets(targets: dict[str, Any]) -> Iterator[Flaw]:
    given = [key for key in _PLACES if key in targets]
    if not given:
        message = "where to look for clusters is not said"
        hint = "add subscriptions, managementGroups, or tenant: true"
        yield Flaw(path=_TARGETS, message=message, hint=hint, is_absence=True)
    for key in given[1:]:
        yield _excluded(_TARGETS, key, by=given[0])
    if targets.get("tenant") is False:
        hint = "write true, or list subscriptions instead"
        yield Flaw(path=(*_TARGETS, "tenant"), message="false says nothing", hint=hint)


def _identity(extension: dict[str, Any]) -> Iterator[Flaw]:
    if "profile" in extension and "extensionType" in extension:
        yield _excluded(_EXTENSION, "extensionType", by="profile")
    elif "extensionType" in extension and "name" not in extension:
        message = "this key is required beside extensionType"
        yield Flaw(path=(*_EXTENSION, "name"), message=message)
    elif "profile" not in extension and "extensionType" not in extension:
        message = "which extension is not said"
        hint = "add profile (" + ", ".join(profiles.names()) + "), or extensionType and name"
        yield Flaw(path=_EXTENSION, message=message, hint=hint, is_absence=True)
    name = extension.get("profile")
    if isinstance(name, str) and name not in profiles.names():
        message = f"unknown profile {quoted(name)}"
        hint_text = flaws.suggestion(name, profiles.names())
        yield Flaw(path=(*_EXTENSION, "profile"), message=message, hint=hint_text)


def _state(extension: dict[str, Any]) -> Iterator[Flaw]:
    if extension.get("state", "present") == "absent":
        for key in _ONLY_PRESENT:
            if key in extension:
                yield _excluded(_EXTENSION, key, by="state: absent")
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
    wishes = ("version", "autoUpgrade", "settingsFile", PROTECTED)
    has_settings = "settings" in extension and (is_exact or extension["settings"] != {})
    return has_settings or any(extension.get(key, {}) != {} for key in wishes)


def _settings(extension: dict[str, Any]) -> Iterator[Flaw]:
    if "settings" in extension and "settingsFile" in extension:
        yield _excluded(_EXTENSION, "settingsFile", by="settings")
    if extension.get("settingsMode") == "exact":
        yield from _exact(extension)
    for section in ("settings", PROTECTED):
        yield from _keys(section, extension.get(section))
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
    if "settings" not in extension and "settingsFile" not in extension:
        message = "exact without settings would remove every setting"
        yield Flaw(path=path, message=message, hint="write settings: {} if that is meant")


def _keys(section: str, settings: Any) -> Iterator[Flaw]:
    for key in settings if isinstance(settings, dict) else ():
        if key != key.strip() or not key:
            message = (
                "the key of a setting is empty" if not key.strip() else "spaces around the key"
            )
            path = (*_EXTENSION, section, key)
            yield Flaw(path=path, message=message, is_about_key=True)


def _waves(waves: list[Any]) -> Iterator[Flaw]:
    seen: dict[str, int] = {}
    rest: int | None = None
    for n, wave in enumerate(waves):
        path: Path = (*_STRATEGY, "waves", n)
        if not isinstance(wave, dict):
            continue
        yield from _wave_kind(path, wave)
        yield from _wave_name(path, wave.get("name"), seen)
        if rest is not None:
            message = "no wave can follow the one of size rest, which takes all that are left"
            hint = "move the wave of size rest to the end"
            yield Flaw(path=path, message=message, hint=hint)
        if wave.get("size") == REST and rest is None:
            rest = n


def _wave_kind(path: Path, wave: dict[str, Any]) -> Iterator[Flaw]:
    given = [key for key in _WAVE_KINDS if key in wave]
    if not given:
        hint = 'add size (a number, "10%" or rest), match or targets'
        message = "which targets the wave has is not said"
        yield Flaw(path=path, message=message, hint=hint, is_absence=True)
    for key in given[1:]:
        yield _excluded(path, key, by=given[0])


def _wave_name(path: Path, name: Any, seen: dict[str, int]) -> Iterator[Flaw]:
    path = (*path, "name")
    if name == CATCH_UP:
        message = f"{quoted(CATCH_UP)} is the name of the wave of late clusters"
        yield Flaw(path=path, message=message, hint="choose another name")
    elif isinstance(name, str) and name in seen:
        message = f"two waves are called {quoted(name)}"
        yield Flaw(path=path, message=message, hint=f"the first is waves[{seen[name]}]")
    elif isinstance(name, str):
        seen[name] = path[-2] if isinstance(path[-2], int) else 0


def _excluded(section: Path, key: str, *, by: str) -> Flaw:
    message = f"{key} and {by} exclude each other"
    return Flaw(path=(*section, key), message=message, hint="remove one", is_about_key=True)
