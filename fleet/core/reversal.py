"""From a planned target to the target that takes it back.

Its steps were settled when the plan was made (:mod:`fleet.core.wayback`); here
they become a target like any other: checked for drift against what the forward
steps led to, proved like a forward step.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from fleet.core import chain, facts, proof, steps
from fleet.model import codec
from fleet.model.cluster import AutoUpgrade, Extension, ProvisioningState
from fleet.model.plan import Action, Facts, Rollback, Step, Target, Verb


def reversed_target(target: Target, *, is_sure: bool) -> Target | None:
    """Return the target of going back; ``None`` where nothing of it can be restored.

    Args:
        target: As planned.
        is_sure: Whether all of its steps were proved. Otherwise it may stand anywhere between
            the first and the last: then nothing is drift, and a failed extension is put again.
    """
    way = target.rollback
    if way is None or not way.steps:
        return None
    after = _after(target, way.steps)
    back = way.steps if is_sure else _forced(target, way)
    owned = _owned(target, back)
    known = after if _is_exact(back) else facts.owned_only(after, owned)
    return dataclasses.replace(
        target,
        action=_action(target, back, after),
        reason=_reason(target, way, is_sure=is_sure),
        from_version=after.current_version if after.is_present else None,
        to_version=_version_left(back, after),
        steps=back,
        owned=owned,
        diff=steps.diff_of(back, _extension(target, after)),
        rollback=_forward_again(target, way, is_sure=is_sure),
        facts=known,
        facts_digest=chain.digest(codec.to_json(known)),
        is_unsure=not is_sure,
    )


def is_partial(target: Target) -> bool:
    """Tell whether *target*, made by :func:`reversed_target`, restores a part only."""
    return target.reason.startswith(_TAKES_BACK) and _PARTIAL in target.reason


_TAKES_BACK = "takes back "
_PARTIAL = ": partial: "


def irreversible_note(target: Target) -> str:
    """Return why nothing of *target* can be taken back."""
    way = target.rollback
    if way is None or way.is_possible:
        return "irreversible: its plan was made by a release that did not settle the way back"
    return way.note


def _after(target: Target, back: Sequence[Step]) -> Facts:
    """Return what is known of the extension after all forward steps, with every setting known."""
    before = target.facts
    whole = next((step.settings for step in back if step.is_exact), None)
    if whole is not None:
        before = dataclasses.replace(before, settings={**whole, **before.settings})
    return proof.expected(dataclasses.replace(target, facts=before), len(target.steps))


def _owned(target: Target, back: Sequence[Step]) -> Mapping[str, str]:
    if any(step.verb is Verb.DELETE for step in back):
        # Nothing is restored, but what others have made of them meanwhile is not thrown away.
        return target.owned
    return {key: value for step in back for key, value in (step.settings or {}).items()}


def _is_exact(back: Sequence[Step]) -> bool:
    return any(step.is_exact for step in back)


def _version_left(back: Sequence[Step], after: Facts) -> str | None:
    if any(step.verb is Verb.DELETE for step in back):
        return None
    return next((one.version for one in reversed(back) if one.version), after.current_version)


def _action(target: Target, back: Sequence[Step], after: Facts) -> Action:
    version = _version_left(back, after)
    flag = next((one.auto_upgrade for one in reversed(back) if one.auto_upgrade), None)
    if back[-1].verb is Verb.DELETE:
        return Action.UNINSTALL
    if not after.is_present:
        return Action.INSTALL
    if version != after.current_version:
        return Action.UPGRADE if target.action is Action.DOWNGRADE else Action.DOWNGRADE
    if flag in (None, after.auto_upgrade):
        return Action.RECONFIGURE
    return Action.PIN if flag is AutoUpgrade.NONE else Action.ENABLE_AUTO_UPGRADE


def _reason(target: Target, way: Rollback, *, is_sure: bool) -> str:
    doubt = "" if is_sure else "; how far it came is not known"
    return f"{_TAKES_BACK}{target.action}: {way.note}{doubt}"


def _forward_again(target: Target, way: Rollback, *, is_sure: bool) -> Rollback:
    if not is_sure:
        return Rollback(is_possible=False, note="irreversible: what it is now is not known")
    if not way.is_possible:
        return Rollback(is_possible=False, note="irreversible: only a part of it is taken back")
    return Rollback(is_possible=True, note=f"{target.action} again", steps=target.steps)


# --- where it is not known how far it came -------------------------------------------------


def _forced(target: Target, way: Rollback) -> tuple[Step, ...]:
    """Return the way back with a PUT where a PATCH could be none.

    Source: a PATCH that changes nothing does nothing, and a failed extension stays failed.
    """
    known = target.facts
    own = steps.own(target.steps)
    is_hidden = bool(known.protected_keys) or any(step.protected for step in own)
    if not way.is_possible or is_hidden:
        return way.steps
    last = max((n for n, step in enumerate(way.steps) if step.version), default=len(way.steps) - 1)
    forced = as_put(way.steps[last], known)
    return (*way.steps[:last], forced, *way.steps[last + 1 :])


def as_put(step: Step, known: Facts) -> Step:
    """Return *step* as a full PUT of an extension of which *known* is known.

    What it does not name is sent as it is; where that cannot be said, it stays a PATCH.
    """
    auto_upgrade = step.auto_upgrade or known.auto_upgrade
    version = step.version or known.version
    is_pinned = auto_upgrade is AutoUpgrade.NONE
    if step.verb is not Verb.PATCH or auto_upgrade is None or (is_pinned and not version):
        return step
    return dataclasses.replace(
        step,
        verb=Verb.PUT,
        version=version if is_pinned else None,
        auto_upgrade=auto_upgrade,
        release_train=step.release_train or known.release_train,
        settings=step.settings or {},
        why=f"{step.why}; put again, all of it",
    )


def _extension(target: Target, known: Facts) -> Extension | None:
    """Return an extension of which exactly *known* is so, to tell differences from."""
    if not known.is_present:
        return None
    return Extension(
        name=target.extension_name,
        extension_type="",
        version=known.version,
        current_version=known.current_version,
        auto_upgrade=known.auto_upgrade or AutoUpgrade.NONE,
        release_train=known.release_train or "",
        provisioning_state=ProvisioningState.SUCCEEDED,
        settings=known.settings,
        protected_keys=known.protected_keys,
    )
