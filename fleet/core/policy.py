"""One cluster's verdict: what it needs, or why nothing can or may be done to it.

Pure judgement over what discovery returned; spreading the verdicts over waves
is :mod:`fleet.core.planner`'s business. A verdict of *blocked* names whose move
it is. Nothing is ever written to a system extension, or to one that its manager
lets users read only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from fleet.core import (
    catalogue,
    chain,
    facts,
    fitness,
    gaps,
    holds,
    needs,
    required,
    steps,
    unread,
    wayback,
)
from fleet.core.catalogue import Catalogue
from fleet.core.gaps import Gap
from fleet.core.wish import DEFAULT_TRAIN, LATEST, Wish, train_of, wish
from fleet.model import codec, versions
from fleet.model.cluster import AutoUpgrade, Cluster, Extension, nothing
from fleet.model.desired import Desired, Presence, SettingsMode
from fleet.model.plan import Action, Change, Rollback, Step, Target, Verb
from fleet.model.scope import Unreachable

_ARC = "connectedclusters"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Verdict:
    action: Action
    reason: str
    steps: tuple[Step, ...] = ()
    to_version: str | None = None
    owned: Mapping[str, str] = dataclasses.field(default_factory=nothing)


def judge(
    cluster: Cluster,
    desired: Desired,
    *,
    catalogues: Mapping[str, Catalogue],
    unreachable: Unreachable,
) -> Target:
    """Return what *cluster* needs; its wave is still open.

    Args:
        cluster: As discovered.
        desired: What the plan file asks for.
        catalogues: ``{release train, lower case: versions}``, with every train that is in use.
        unreachable: What becomes of a cluster that is not connected.
    """
    found, trouble = instance(cluster, desired)
    verdict = (
        _Verdict(action=Action.BLOCKED, reason=trouble)
        if trouble
        else _with_required(cluster, desired, _needed(cluster, desired, found, catalogues))
    )
    if verdict.action is not Action.NO_CHANGE and holds.is_held(cluster):
        verdict = _Verdict(action=Action.SKIP, reason=holds.reason(verdict.action))
    if verdict.action.is_change and not cluster.is_reachable and unreachable is Unreachable.SKIP:
        reason = f"not connected ({cluster.connectivity}); would {verdict.action}"
        verdict = _Verdict(action=Action.SKIP, reason=reason)
    return _target(cluster, desired, found, verdict, catalogues)


def _needed(
    cluster: Cluster,
    desired: Desired,
    found: Extension | None,
    catalogues: Mapping[str, Catalogue],
) -> _Verdict:
    if desired.presence is Presence.ABSENT:
        return _absent(found)
    offer = catalogues[train_of(desired, found).lower()]
    wished = wish(desired, cluster, found, offer)
    verdict = _present(cluster, desired, found, wished, offer)
    return dataclasses.replace(verdict, owned=wished.settings)


def _with_required(cluster: Cluster, desired: Desired, verdict: _Verdict) -> _Verdict:
    """Return *verdict* with what has to be installed first; what is as wished may lack that too."""
    if verdict.action in (Action.SKIP, Action.BLOCKED) or not desired.requires:
        return verdict
    lack = required.lack(cluster, desired)
    # What needs nothing is not blocked, and waits for nobody.
    if not (verdict.action.is_change or lack.is_lacking):
        return verdict
    if lack.trouble:
        return _Verdict(action=Action.BLOCKED, reason=lack.trouble)
    if not lack.steps:
        return verdict
    reasons = [verdict.reason] if verdict.action.is_change else []
    return dataclasses.replace(
        verdict,
        action=verdict.action if verdict.action.is_change else Action.RECONFIGURE,
        reason="; ".join((*reasons, *(step.why for step in lack.steps))),
        steps=(*lack.steps, *verdict.steps),
    )


def instance(cluster: Cluster, desired: Desired) -> tuple[Extension | None, str]:
    """Return the instance that is meant, or why none can be touched."""
    if unreadable := unread.trouble(cluster, desired):
        return None, unreadable
    wanted = desired.profile.extension_type.lower()
    same = [one for one in cluster.extensions if one.extension_type.lower() == wanted]
    named = [one for one in same if one.name.lower() == desired.name.lower()]
    if not named and desired.profile.has_one_instance:
        named = same
    if len(named) > 1 or (desired.profile.has_one_instance and len(same) > 1):
        names = ", ".join(sorted(one.name for one in same))
        return None, f"several instances ({names}), and there may be one: remove the others"
    found = named[0] if named else None
    if found is None and any(
        one.name.lower() == desired.name.lower() for one in cluster.extensions
    ):
        return None, f"an extension of another type is named {desired.name}"
    return found, facts.barred(found) if found else ""


def _absent(found: Extension | None) -> _Verdict:
    if found is None:
        return _Verdict(action=Action.NO_CHANGE, reason="not installed")
    step = Step(verb=Verb.DELETE, why="shall be absent")
    return _Verdict(action=Action.UNINSTALL, reason="installed, and shall be absent", steps=(step,))


def _present(
    cluster: Cluster, desired: Desired, found: Extension | None, wished: Wish, offer: Catalogue
) -> _Verdict:
    if desired.version == LATEST and wished.version is None:
        reason = f"no version is offered in release train {offer.title}"
        return _Verdict(action=Action.BLOCKED, reason=reason)
    if found is None:
        verdict = _fresh(desired, wished)
    elif facts.is_failed(found):
        verdict = _again(desired, found, wished, offer)
    else:
        verdict = _moved(desired, found, wished, offer)
    # What needs nothing is not blocked, whatever it stands on.
    blocked = _blocked(cluster, desired, wished, offer) if verdict.action.is_change else ""
    blocked = blocked or fitness.unfit(cluster, found, verdict.steps, offer)
    blocked = blocked or needs.unmet(cluster, found, verdict.steps, offer)
    return _Verdict(action=Action.BLOCKED, reason=blocked) if blocked else verdict


def _fresh(desired: Desired, wished: Wish) -> _Verdict:
    if wished.version is None and wished.auto_upgrade is None:
        reason = "not installed, and the plan file names neither version nor autoUpgrade"
        return _Verdict(action=Action.SKIP, reason=reason)
    if wished.version is None and wished.auto_upgrade is AutoUpgrade.NONE:
        reason = "not installed, and autoUpgrade: none needs a version"
        return _Verdict(action=Action.BLOCKED, reason=reason)
    step = steps.install_step(desired, wished)
    return _Verdict(
        action=Action.INSTALL, reason="not installed", steps=(step,), to_version=step.version
    )


def _again(desired: Desired, found: Extension, wished: Wish, offer: Catalogue) -> _Verdict:
    """Repair a failed extension: a PATCH that changes nothing is a no-op to the service."""
    lost = _protected_lost(desired, found)
    if lost:
        return _Verdict(action=Action.BLOCKED, reason=lost)
    # NB: a failed one may not go where a sound one may not: back, or past a minor.
    gap = gaps.gap(desired, found, wished, offer)
    if isinstance(gap, str):
        return _Verdict(action=Action.BLOCKED, reason=gap)
    planned = steps.repair_steps(gap, desired, wished, found)
    reason = f"the last operation ended {found.provisioning_state}"
    to_version = planned[-1].version or found.installed_version
    return _Verdict(action=Action.INSTALL, reason=reason, steps=planned, to_version=to_version)


def _moved(desired: Desired, found: Extension, wished: Wish, offer: Catalogue) -> _Verdict:
    gap = gaps.gap(desired, found, wished, offer)
    if isinstance(gap, str):
        return _Verdict(action=Action.BLOCKED, reason=gap)
    to_version = wished.version.text if wished.version else found.installed_version
    if gap.is_closed:
        return _Verdict(action=Action.NO_CHANGE, reason="as wished", to_version=to_version)
    lost = _protected_lost(desired, found) if _sends_protected(desired, gap) else ""
    if lost:
        return _Verdict(action=Action.BLOCKED, reason=lost)
    planned = steps.steps_of(gap, desired, wished, found)
    return _Verdict(
        action=steps.action_of(gap),
        reason="; ".join(step.why for step in planned),
        steps=planned,
        to_version=to_version,
    )


def _blocked(cluster: Cluster, desired: Desired, wished: Wish, offer: Catalogue) -> str:
    profile, distribution = desired.profile, cluster.distribution.lower()
    if profile.cluster_types and _ARC not in profile.cluster_types:
        return f"{profile.name} is for {' and '.join(profile.cluster_types)}, not for Arc clusters"
    if profile.distributions and distribution not in profile.distributions:
        return f"{profile.name} does not support the distribution {distribution or '(unknown)'}"
    return _version_blocked(desired, wished, offer) if desired.version else ""


def _version_blocked(desired: Desired, wished: Wish, offer: Catalogue) -> str:
    version = wished.version
    if version is None:
        return ""
    if not offer.has(version):
        newest = offer.latest()
        instead = f"; the newest is {newest.text}" if newest else ""
        return f"version {version.text} is not offered in release train {offer.title}{instead}"
    lines = offer.supported_lines()
    is_asked_for = versions.is_prerelease(version, order=desired.profile.version_order)
    if lines and version.minor_line not in lines and not is_asked_for:
        names = " and ".join(f"{major}.{minor}" for major, minor in sorted(lines))
        return f"version {version.text} is out of support: {desired.profile.name} supports {names}"
    return ""


def _sends_protected(desired: Desired, gap: Gap) -> bool:
    """Whether a write will carry, or by a full PUT replace, the protected map."""
    is_exact = desired.settings_mode is SettingsMode.EXACT
    return gap.has_protected or (is_exact and gap.settings is not None)


def _protected_lost(desired: Desired, found: Extension) -> str:
    """Say which protected settings a write would delete; the service cannot return their values."""
    lost = sorted(set(found.protected_keys) - set(desired.protected))
    if not lost:
        return ""
    return f"writing it would delete the protected settings {', '.join(lost)}: name them all"


def _target(
    cluster: Cluster,
    desired: Desired,
    found: Extension | None,
    verdict: _Verdict,
    catalogues: Mapping[str, Catalogue],
) -> Target:
    found_facts = facts.facts_of(found, verdict.steps, owned=verdict.owned)
    diff: tuple[Change, ...] = steps.diff_of(verdict.steps, found)
    way: Rollback | None = None
    if verdict.action.is_change:
        way = _wayback(cluster, desired, found, verdict, catalogues)
    return Target(
        cluster_id=cluster.id,
        cluster_name=cluster.name,
        subscription=cluster.subscription,
        location=cluster.location,
        extension_name=found.name if found else desired.name,
        action=verdict.action,
        reason=_with_notes(verdict, cluster, found),
        wave=None,
        from_version=found.installed_version if found else None,
        to_version=verdict.to_version,
        steps=verdict.steps,
        owned=verdict.owned if verdict.action.is_change else nothing(),
        diff=diff,
        rollback=way,
        facts=found_facts,
        facts_digest=chain.digest(codec.to_json(found_facts)),
    )


def _wayback(
    cluster: Cluster,
    desired: Desired,
    found: Extension | None,
    verdict: _Verdict,
    catalogues: Mapping[str, Catalogue],
) -> Rollback:
    profile, train = desired.profile, found.release_train if found else DEFAULT_TRAIN
    own = steps.own(verdict.steps)
    if not own:
        return required.nothing_else(verdict.steps)
    offer = catalogues.get(train.lower()) or catalogue.of_train(train, (), profile=profile)
    way = wayback.wayback(
        verdict.action,
        own,
        found,
        offer=offer,
        needed=profile.distribution_settings.get(cluster.distribution.lower(), {}),
    )
    return required.left_there(way, verdict.steps)


def _with_notes(verdict: _Verdict, cluster: Cluster, found: Extension | None) -> str:
    notes = [verdict.reason]
    if verdict.action.is_change:
        if found and not found.provisioning_state.is_terminal:
            notes.append(f"an operation is in progress ({found.provisioning_state}): waits for it")
        if not cluster.is_reachable:
            notes.append(f"not connected ({cluster.connectivity}): tried last")
    return "; ".join(notes)
