"""What a plan is told of a product's settings: those that will not do what they seem to.

One line for each kind of surprise, with how many clusters it is about.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fleet.core.works.meshfields import GROUPS
from fleet.model import versions
from fleet.model.advice import Advice, Drift, Passage, Seed
from fleet.model.desired import Presence, Rollout
from fleet.model.inside import WorkKind
from fleet.model.plan import Action, Target
from fleet.model.versions import VersionOrder

_SETTINGS = "settings."


def warnings(rollout: Rollout, targets: Sequence[Target]) -> tuple[str, ...]:
    """Return what to know of *rollout*'s settings on the clusters that it changes."""
    advice, order = rollout.advice, rollout.desired.profile.version_order
    changing = [target for target in targets if target.action.is_change]
    unset = [one for one in advice.drifts if one.setting not in rollout.desired.settings]
    if rollout.desired.presence is Presence.ABSENT:
        return ()
    return (
        *_unheard(advice, changing, rollout),
        *(line for one in unset for line in _kept(one, changing, order)),
        *(line for one in advice.passages for line in _passed(one, changing, order)),
    )


def notice(rollout: Rollout) -> str | None:
    """Return what is to be known of the extension; nothing, to whoever removes it."""
    is_wanted = rollout.desired.presence is Presence.PRESENT
    return rollout.desired.profile.notice if is_wanted else None


def _unheard(advice: Advice, targets: Sequence[Target], rollout: Rollout) -> Iterator[str]:
    """Yield the settings that change where the extension is installed, and do nothing there."""
    if any(work.kind is WorkKind.MESH_CONFIG for work in rollout.inside.works):
        return  # whoever says how the fields shall be has seen to it
    changed = [_changed(target) for target in targets if target.from_version is not None]
    meant = [seed for seed in advice.seeds if any(seed.setting in one for one in changed)]
    if meant:
        names = {seed.setting for seed in meant}
        count = sum(not names.isdisjoint(one) for one in changed)
        told = ", ".join(f"{seed.setting} ({seed.field})" for seed in meant)
        yield (
            f"read at the first install only, so {_clusters(count)} with the extension "
            f"will not heed it: {told}; change the field of {advice.seeded} there instead, "
            f"by extension.meshConfig: {_patch(meant, rollout)}"
        )


def _patch(seeds: Sequence[Seed], rollout: Rollout) -> str:
    """Return the fields with the values that were meant, as a plan file writes them."""
    tree: dict[str, Any] = {}
    for seed in seeds:
        path = seed.field.removeprefix("spec.")
        *groups, field = path.split(".")
        part = tree
        for group in groups:
            part = part.setdefault(group, {})
        part[field] = _meant(path, seed, rollout)
    return _written(tree)


def _meant(path: str, seed: Seed, rollout: Rollout) -> str:
    if path in GROUPS:
        return "{...}"
    # NB: a list is several settings; which values it has, stands in the plan file already.
    return rollout.desired.settings.get(seed.setting, "...")


def _written(tree: Any) -> str:
    if isinstance(tree, str):
        return tree
    return f"{{{', '.join(f'{name}: {_written(part)}' for name, part in tree.items())}}}"


def _changed(target: Target) -> frozenset[str]:
    """Return the settings that a target's steps change, a list by its own name."""
    paths = (one.path for one in target.diff if one.path.startswith(_SETTINGS))
    return frozenset(path.removeprefix(_SETTINGS).split("[", 1)[0] for path in paths)


def _kept(drift: Drift, targets: Sequence[Target], order: VersionOrder) -> Iterator[str]:
    """Yield where an upgrade keeps an older default, and what a fresh install has instead."""
    since = versions.key(versions.parse(drift.since), order=order)

    def is_since(text: str | None) -> bool:
        version = versions.parse_or_none(text or "")
        return version is not None and versions.key(version, order=order) >= since

    newer = [one for one in targets if is_since(one.to_version)]
    kept = sum(one.from_version is not None and not is_since(one.from_version) for one in newer)
    fresh = sum(one.from_version is None for one in newer)
    if kept:
        anew = f"{_clusters(fresh)} installed anew" if fresh else "a fresh install"
        yield (
            f"{drift.setting} is not set, and its default is another since {drift.since}: "
            f"{_clusters(kept)} upgraded from before keep {drift.before} ({drift.field}), "
            f"{anew} will have {drift.after}"
        )


def _passed(passage: Passage, targets: Sequence[Target], order: VersionOrder) -> Iterator[str]:
    """Yield what upgrades do on their way, and on how many clusters."""
    count = sum(_passes(passage, one, order) for one in targets)
    if count:
        yield f"{_clusters(count)} upgraded: {passage.text}"


def _passes(passage: Passage, target: Target, order: VersionOrder) -> bool:
    before = versions.parse_or_none(target.from_version or "")
    after = versions.parse_or_none(target.to_version or "")
    if target.action is not Action.UPGRADE or before is None or after is None:
        return False
    if passage.since is None:
        return True
    since = versions.key(versions.parse(passage.since), order=order)
    return versions.key(before, order=order) < since <= versions.key(after, order=order)


def _clusters(count: int) -> str:
    return "1 cluster" if count == 1 else f"{count} clusters"
