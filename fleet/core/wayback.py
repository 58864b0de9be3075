"""The way back from a change, judged before the change is made.

What cannot be restored is said before anybody approves: protected values
cannot be read back, and some extensions cannot take an older version.
"""

from __future__ import annotations

from collections.abc import Sequence

from fleet.model.cluster import Extension
from fleet.model.desired import Profile
from fleet.model.plan import Action, Rollback, Step


def wayback(
    action: Action, steps: Sequence[Step], found: Extension | None, *, profile: Profile
) -> Rollback:
    """Return how *action* is undone, or why it cannot be."""
    if found is None:
        return Rollback(is_possible=True, note="uninstall it")
    if any(step.protected for step in steps) and found.protected_keys:
        return _irreversible("the earlier protected values cannot be read back")
    if action is Action.INSTALL:
        return _irreversible("the earlier state was a failure")
    if action is Action.UNINSTALL:
        return _reinstall(found)
    if action is Action.UPGRADE and not profile.may_downgrade:
        return _irreversible(
            f"{profile.name} cannot go back to {found.installed_version}; "
            "its settings and the auto-upgrade flag can be restored"
        )
    return Rollback(is_possible=True, note=_restored(action, steps, found))


def _reinstall(found: Extension) -> Rollback:
    if found.protected_keys:
        names = ", ".join(found.protected_keys)
        return _irreversible(f"the values of the protected settings {names} cannot be read back")
    note = f"install {found.installed_version} with the same {len(found.settings)} settings"
    return Rollback(is_possible=True, note=note)


def _restored(action: Action, steps: Sequence[Step], found: Extension) -> str:
    parts = []
    if action in (Action.UPGRADE, Action.DOWNGRADE):
        parts.append(f"version {found.installed_version}")
    if any(step.auto_upgrade not in (None, found.auto_upgrade) for step in steps):
        parts.append(f"auto-upgrade {found.auto_upgrade}")
    changed = {key for step in steps for key in step.settings or {}}
    if changed:
        parts.append(f"{len(changed)} settings")
    if any(_is_other_train(step, found) for step in steps):
        parts.append(f"release train {found.release_train}")
    if any(step.protected for step in steps):
        parts.append("no protected settings")
    if action is Action.ENABLE_AUTO_UPGRADE:
        parts.append("but not a version that was taken meanwhile")
    return "restore " + ", ".join(parts)


def _is_other_train(step: Step, found: Extension) -> bool:
    return (step.release_train or found.release_train).lower() != found.release_train.lower()


def _irreversible(why: str) -> Rollback:
    return Rollback(is_possible=False, note=f"irreversible: {why}")
