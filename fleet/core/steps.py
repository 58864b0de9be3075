"""The writes that take one extension from what it is to what it shall be.

Usually one. More where minors must be taken in turn, and where settings change
together with the version: settings go first, so that a bad one is found while
the old version still runs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from fleet.core.gaps import Gap
from fleet.core.wish import Wish
from fleet.model.cluster import AutoUpgrade, Extension
from fleet.model.desired import Desired, SettingsMode
from fleet.model.plan import Action, Change, Step, Verb


def own(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Return those of *steps* that write to the target's own extension."""
    return tuple(step for step in steps if step.is_own)


def install_step(desired: Desired, wish: Wish, *, keep: Extension | None = None) -> Step:
    """Return the PUT that creates the extension, or puts a failed one again.

    A PUT replaces everything, so what *keep* has and the plan does not name is sent again.
    """
    version = wish.version.text if wish.version else _pin_of(keep)
    auto = wish.auto_upgrade or (keep.auto_upgrade if keep else AutoUpgrade.COMPATIBLE)
    is_exact = desired.settings_mode is SettingsMode.EXACT
    return Step(
        verb=Verb.PUT,
        version=version if auto is AutoUpgrade.NONE else None,
        auto_upgrade=auto,
        release_train=wish.train,
        settings=wish.settings,
        is_exact=is_exact,
        protected=desired.protected or None,
        why="the last operation failed: put again, all of it" if keep else "not installed",
    )


def repair_steps(gap: Gap, desired: Desired, wish: Wish, found: Extension) -> tuple[Step, ...]:
    """Return the PUT of a failed extension, at the first minor that is due, and the other hops."""
    first, *later = gap.hops or (wish.version,)
    put = install_step(desired, dataclasses.replace(wish, version=first), keep=found)
    hops = dataclasses.replace(gap, hops=tuple(later), has_pin=False)
    return put, *_version_steps(hops, wish)


def action_of(gap: Gap) -> Action:
    """Name what closing *gap* amounts to; the version speaks first."""
    if gap.hops:
        return Action.DOWNGRADE if gap.is_older else Action.UPGRADE
    if gap.has_pin:
        return Action.PIN
    if gap.auto_upgrade is not None:
        return Action.ENABLE_AUTO_UPGRADE
    return Action.RECONFIGURE


def steps_of(gap: Gap, desired: Desired, wish: Wish, found: Extension) -> tuple[Step, ...]:
    """Return the writes that close *gap*, in order."""
    protected = desired.protected if gap.has_protected else None
    if desired.settings_mode is SettingsMode.EXACT and gap.settings is not None:
        first: Sequence[Step] = (_exact_step(desired, wish, found),)
    elif gap.hops and (gap.settings is not None or protected):
        why = "settings before the version"
        first = (Step(verb=Verb.PATCH, settings=gap.settings, protected=protected, why=why),)
    elif gap.hops:
        first = ()
    else:
        return (_single_step(gap, wish, protected),)
    return (*first, *(_version_steps(gap, wish) or _flag_steps(gap, wish)))


def diff_of(steps: Sequence[Step], found: Extension | None) -> tuple[Change, ...]:
    """Return what *steps* change of the extension in the end, field by field."""
    steps = own(steps)
    if any(step.verb is Verb.DELETE for step in steps) and found:
        return (Change(path="version", before=found.installed_version, after=None),)
    changes = [
        *_field_changes(steps, found),
        *_setting_changes(steps, found),
        *(
            Change(path=f"protectedSettings.{key}", before=None, after="(not shown)")
            for key in sorted(_merged(step.protected for step in steps))
        ),
    ]
    return tuple(change for change in changes if change.before != change.after)


def _version_steps(gap: Gap, wish: Wish) -> list[Step]:
    last = len(gap.hops)
    return [
        Step(
            verb=Verb.PATCH,
            version=hop.text,
            auto_upgrade=AutoUpgrade.NONE,
            release_train=wish.train,
            why="version" if last == 1 else f"version, hop {n} of {last}: one minor after another",
        )
        for n, hop in enumerate(gap.hops, start=1)
    ]


def _flag_steps(gap: Gap, wish: Wish) -> list[Step]:
    """Return the write of the pin, the flag or the train, where any of them is due."""
    left = dataclasses.replace(gap, settings=None, has_protected=False)
    return [] if left.is_closed else [_single_step(left, wish, None)]


def _single_step(gap: Gap, wish: Wish, protected: Mapping[str, str] | None) -> Step:
    pins = gap.has_pin and wish.version is not None
    parts = {
        "pin the version, auto-upgrade off": pins,
        f"auto-upgrade {gap.auto_upgrade}": gap.auto_upgrade is not None and not pins,
        "release train": gap.train is not None and not pins,
        "settings": gap.settings is not None,
        "protected settings": protected is not None,
    }
    return Step(
        verb=Verb.PATCH,
        # Source: version, auto-upgrade off and the train are sent together: the train takes
        # part in resolving the version.
        version=wish.version.text if pins and wish.version else None,
        auto_upgrade=AutoUpgrade.NONE if pins else gap.auto_upgrade,
        release_train=wish.train if pins else gap.train,
        settings=gap.settings,
        protected=protected,
        why=", ".join(part for part, is_part in parts.items() if is_part),
    )


def _exact_step(desired: Desired, wish: Wish, found: Extension) -> Step:
    """Return the PUT that removes what the plan file does not name, and changes nothing else."""
    # NB: a PUT without the protected settings deletes them; all are named, or it is blocked.
    return Step(
        verb=Verb.PUT,
        version=_pin_of(found),
        auto_upgrade=found.auto_upgrade,
        release_train=found.release_train,
        settings=wish.settings,
        is_exact=True,
        protected=desired.protected or None,
        why="settings, exactly these: only a full PUT removes a key",
    )


def _pin_of(found: Extension | None) -> str | None:
    return found.installed_version if found and found.auto_upgrade is AutoUpgrade.NONE else None


def _field_changes(steps: Sequence[Step], found: Extension | None) -> list[Change]:
    def last(field: str) -> str | None:
        return next((v for step in reversed(steps) if (v := getattr(step, field))), None)

    before = {
        "version": found.installed_version if found else None,
        "autoUpgrade": found.auto_upgrade.value if found else None,
        "releaseTrain": found.release_train.lower() if found else None,
    }
    train = last("release_train")
    after = {
        "version": last("version"),
        "autoUpgrade": last("auto_upgrade"),
        "releaseTrain": train.lower() if train else None,
    }
    return [
        Change(path=path, before=before[path], after=str(value))
        for path, value in after.items()
        if value is not None
    ]


def _setting_changes(steps: Sequence[Step], found: Extension | None) -> list[Change]:
    before = found.settings if found else {}
    after = _merged(step.settings for step in steps)
    removed = set(before) - set(after) if any(step.is_exact for step in steps) else set()
    return [
        Change(path=f"settings.{key}", before=before.get(key), after=after.get(key))
        for key in sorted({*after, *removed})
    ]


def _merged(maps: Iterable[Mapping[str, str] | None]) -> dict[str, str]:
    return {key: value for one in maps for key, value in (one or {}).items()}
