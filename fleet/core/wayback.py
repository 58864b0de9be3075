"""The way back from a change, settled before the change is made.

Every write of it is known when the plan is made, and so is what it cannot
restore: protected values cannot be read back, a PATCH removes no key, some
extensions take no older version, and the service may offer one no more. What
cannot be restored is said before anybody approves. Which target these writes
make is :mod:`fleet.core.reversal`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from fleet.core import facts
from fleet.core.catalogue import Catalogue
from fleet.model import versions
from fleet.model.cluster import AutoUpgrade, Extension
from fleet.model.plan import Action, Rollback, Step, Verb


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One thing that the change touches: what restores it, or why nothing does."""

    restored: str = ""
    lost: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Version(_Part):
    hops: tuple[str, ...] = ()
    """To be taken in turn, the earlier version last."""
    is_moved: bool = False
    is_newer: bool = False
    """Whether the earlier version is newer than the planned one."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Settings(_Part):
    changed: Mapping[str, str]
    """Those that a PATCH restores."""
    whole: Mapping[str, str] | None
    """All of them, where a full PUT is needed."""


def wayback(
    action: Action,
    steps: Sequence[Step],
    found: Extension | None,
    *,
    offer: Catalogue,
    needed: Mapping[str, str],
) -> Rollback:
    """Return how *action* is undone, as far as it can be.

    Args:
        action: What the plan does.
        steps: In which writes.
        found: The extension before them.
        offer: What its release train offers now.
        needed: Settings that this distribution always needs: they are never taken away.
    """
    if found is None:
        step = Step(verb=Verb.DELETE, why="was not installed")
        return Rollback(is_possible=True, note="uninstall it", steps=(step,))
    if action is Action.INSTALL or facts.is_failed(found):
        return _irreversible("the earlier state was a failure")
    if action is Action.UNINSTALL:
        return _reinstall(found, offer, needed)
    return _restore(steps, found, offer, needed)


def _restore(
    steps: Sequence[Step], found: Extension, offer: Catalogue, needed: Mapping[str, str]
) -> Rollback:
    version = _version(steps, found, offer)
    settings = _settings(steps, found, needed)
    flag = _flag(steps, found, version, offer)
    train = _train(steps, found, version, offer)
    lost = [*version.lost, *flag.lost, *train.lost, *settings.lost]
    restored = [part.restored for part in (version, settings, train, flag) if part.restored]
    if not restored:
        return _irreversible(*lost)
    last = _last_step(steps, found, version, settings, flag=flag, train=train)
    way = (*_hops(steps, found, version), last, *_flag_on(found, version))
    return _told(f"restore {', '.join(restored)}", lost, way)


# --- what the change touches -------------------------------------------------------------


def _version(steps: Sequence[Step], found: Extension, offer: Catalogue) -> _Version:
    taken = [one for step in steps if (one := versions.parse_or_none(step.version or ""))]
    earlier = versions.parse_or_none(found.installed_version or "")
    if not taken or (earlier and offer.compare(earlier, taken[-1]) == 0):
        return _Version()
    name = found.installed_version
    if earlier is None:
        return _Version(is_moved=True, lost=(f"the earlier version was {name or 'not shown'}",))
    is_newer = offer.compare(earlier, taken[-1]) > 0
    if not is_newer and not offer.profile.may_downgrade:
        return _Version(is_moved=True, lost=(f"{offer.profile.name} cannot go back to {name}",))
    if not offer.has(earlier):
        return _Version(is_moved=True, lost=(_not_offered(found, offer),))
    hops: Sequence[versions.Version] | None = (*reversed(taken[:-1]), earlier)
    if is_newer:
        is_stepwise = offer.profile.has_sequential_minors
        hops = offer.hops(taken[-1], earlier) if is_stepwise else (earlier,)
    if hops is None:
        lost = f"a minor between {taken[-1].text} and {name} is not offered"
        return _Version(is_moved=True, lost=(lost,))
    texts = (*(hop.text for hop in hops[:-1]), name or "")
    return _Version(is_moved=True, is_newer=is_newer, hops=texts, restored=f"version {name}")


def _flag(steps: Sequence[Step], found: Extension, version: _Version, offer: Catalogue) -> _Part:
    after = _flag_after(steps, found)
    if after is found.auto_upgrade:
        return _Part()
    if found.auto_upgrade is AutoUpgrade.NONE:
        if not _is_pinnable(found, offer):
            return _Part(lost=(_not_offered(found, offer),))
        return _Part(restored="auto-upgrade none (unless another version was taken meanwhile)")
    if version.hops and not version.is_newer:
        return _Part(restored="auto-upgrade off (or the service would upgrade it again)")
    return _Part(restored=f"auto-upgrade {found.auto_upgrade}")


def _train(steps: Sequence[Step], found: Extension, version: _Version, offer: Catalogue) -> _Part:
    if not any(_is_other_train(step, found) for step in steps):
        return _Part()
    # The train takes part in resolving the version: where that one stays, so does the train.
    is_stuck = version.is_moved and not version.hops
    is_pinned = found.auto_upgrade is AutoUpgrade.NONE
    if is_stuck or (is_pinned and not _is_pinnable(found, offer)):
        return _Part(
            lost=(f"the release train stays: {found.release_train} goes with the version",)
        )
    return _Part(restored=f"release train {found.release_train}")


def _settings(steps: Sequence[Step], found: Extension, needed: Mapping[str, str]) -> _Settings:
    before, after = found.settings, _after(steps, found)
    changed = {key: value for key, value in before.items() if after.get(key) != value}
    added = [key for key in sorted(after) if key not in before]
    stays = [key for key in added if key in needed]
    lost = [f"{key} stays: this distribution needs it" for key in stays]
    gone = [key for key in added if key not in needed]
    has_protected = any(step.protected for step in steps)
    if found.protected_keys and has_protected:
        lost.append("the earlier protected values cannot be read back")
    if found.protected_keys and gone:
        names = ", ".join(gone)
        lost.append(f"{names} stay: only a PUT removes a key, and it deletes protected settings")
        gone = []
    is_new = has_protected and not found.protected_keys
    parts = [f"{len(changed) + len(gone)} settings"] if changed or gone else []
    parts += ["no protected settings"] if is_new else []
    whole = {**before, **{key: after[key] for key in stays}} if gone or is_new else None
    return _Settings(restored=", ".join(parts), lost=tuple(lost), changed=changed, whole=whole)


def _after(steps: Sequence[Step], found: Extension) -> Mapping[str, str]:
    """Return the settings that *steps* lead to."""
    known = dict(found.settings)
    for step in steps:
        known = dict(step.settings or {}) if step.is_exact else {**known, **(step.settings or {})}
    return known


def _flag_after(steps: Sequence[Step], found: Extension) -> AutoUpgrade:
    return next((s.auto_upgrade for s in reversed(steps) if s.auto_upgrade), found.auto_upgrade)


def _train_after(steps: Sequence[Step], found: Extension) -> str:
    return next((s.release_train for s in reversed(steps) if s.release_train), found.release_train)


# --- the writes --------------------------------------------------------------------------


def _hops(steps: Sequence[Step], found: Extension, version: _Version) -> tuple[Step, ...]:
    return tuple(
        Step(
            verb=Verb.PATCH,
            version=hop,
            auto_upgrade=AutoUpgrade.NONE,
            release_train=_train_after(steps, found),
            why="back, one minor after another",
        )
        for hop in version.hops[:-1]
    )


def _last_step(
    steps: Sequence[Step],
    found: Extension,
    version: _Version,
    settings: _Settings,
    *,
    flag: _Part,
    train: _Part,
) -> Step:
    """Return the write after which everything is as it was, as far as it can be."""
    is_put = settings.whole is not None
    pin = None if flag.lost else _pin(steps, found, version)
    auto = AutoUpgrade.NONE if pin else found.auto_upgrade
    auto = _flag_after(steps, found) if flag.lost else auto
    is_told = bool(version.hops or flag.restored) or is_put
    is_train_told = bool(version.hops or flag.restored or train.restored) or is_put
    train_left = _train_after(steps, found) if train.lost else found.release_train
    return Step(
        verb=Verb.PUT if is_put else Verb.PATCH,
        version=pin if is_told else None,
        auto_upgrade=auto if is_told else None,
        release_train=train_left if is_train_told else None,
        settings=settings.whole if is_put else settings.changed or None,
        is_exact=is_put,
        protected={} if is_put and any(step.protected for step in steps) else None,
        why="back to what it was" + (": only a full PUT removes what was added" if is_put else ""),
    )


def _pin(steps: Sequence[Step], found: Extension, version: _Version) -> str | None:
    """Return the version that the last write pins; ``None``: the service chooses."""
    if version.hops:
        return version.hops[-1]
    if found.auto_upgrade is not AutoUpgrade.NONE:
        return None
    if version.is_moved:
        return next(step.version for step in reversed(steps) if step.version)
    return found.installed_version


def _flag_on(found: Extension, version: _Version) -> tuple[Step, ...]:
    """Return the write after the pin: a version and auto-upgrade are never sent together."""
    if not (version.is_newer and found.auto_upgrade is not AutoUpgrade.NONE):
        return ()
    return (_flag_step(found),)


def _flag_step(found: Extension) -> Step:
    why = f"auto-upgrade {found.auto_upgrade}, as it was"
    return Step(verb=Verb.PATCH, auto_upgrade=found.auto_upgrade, why=why)


def _reinstall(found: Extension, offer: Catalogue, needed: Mapping[str, str]) -> Rollback:
    if found.protected_keys:
        names = ", ".join(found.protected_keys)
        return _irreversible(f"the values of the protected settings {names} cannot be read back")
    is_automatic = found.auto_upgrade is not AutoUpgrade.NONE
    is_pinnable = _is_pinnable(found, offer)
    lost = [] if is_pinnable else [_not_offered(found, offer)]
    if not (is_automatic or is_pinnable):
        return _irreversible(*lost)
    added = sorted(set(needed) - set(found.settings))
    lost += [f"{key} comes with it: this distribution needs it" for key in added]
    put = Step(
        verb=Verb.PUT,
        version=found.installed_version if is_pinnable else None,
        auto_upgrade=AutoUpgrade.NONE if is_pinnable else found.auto_upgrade,
        release_train=found.release_train,
        settings={**needed, **found.settings},
        why="was installed",
        namespace=found.namespace,
        is_namespaced=found.is_namespaced,
    )
    name = found.installed_version if is_pinnable else "a newer version"
    note = f"install {name} with the same {len(found.settings)} settings"
    return _told(note, lost, (put, *((_flag_step(found),) if is_automatic and is_pinnable else ())))


# --- words -------------------------------------------------------------------------------


def _is_pinnable(found: Extension, offer: Catalogue) -> bool:
    installed = versions.parse_or_none(found.installed_version or "")
    return installed is not None and offer.has(installed)


def _not_offered(found: Extension, offer: Catalogue) -> str:
    name = found.installed_version or "the earlier version"
    return f"{name} is not offered any more in release train {offer.train}"


def _is_other_train(step: Step, found: Extension) -> bool:
    return (step.release_train or found.release_train).lower() != found.release_train.lower()


def _told(note: str, lost: Sequence[str], steps: tuple[Step, ...]) -> Rollback:
    if not lost:
        return Rollback(is_possible=True, note=note, steps=steps)
    note = f"partial: {note}; but {'; '.join(dict.fromkeys(lost))}"
    return Rollback(is_possible=False, note=note, steps=steps)


def _irreversible(*why: str) -> Rollback:
    return Rollback(is_possible=False, note=f"irreversible: {'; '.join(dict.fromkeys(why))}")
