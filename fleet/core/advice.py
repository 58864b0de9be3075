"""What a plan is told of a product's settings: those that will not do what they seem to.

One line for each kind of surprise, with how many clusters it is about.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fleet.model import versions
from fleet.model.advice import Advice, Drift
from fleet.model.desired import Presence, Rollout
from fleet.model.plan import Target
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
        *_unheard(advice, changing),
        *(line for one in unset for line in _kept(one, changing, order)),
    )


def notice(rollout: Rollout) -> str | None:
    """Return what is to be known of the extension; nothing, to whoever removes it."""
    is_wanted = rollout.desired.presence is Presence.PRESENT
    return rollout.desired.profile.notice if is_wanted else None


def _unheard(advice: Advice, targets: Sequence[Target]) -> Iterator[str]:
    """Yield the settings that change where the extension is installed, and do nothing there."""
    changed = [_changed(target) for target in targets if target.from_version is not None]
    meant = [seed for seed in advice.seeds if any(seed.setting in one for one in changed)]
    if meant:
        names = {seed.setting for seed in meant}
        count = sum(not names.isdisjoint(one) for one in changed)
        told = ", ".join(f"{seed.setting} ({seed.field})" for seed in meant)
        yield (
            f"read at the first install only, so {_clusters(count)} with the extension "
            f"will not heed it: {told}; change the field of {advice.seeded} there instead"
        )


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


def _clusters(count: int) -> str:
    return "1 cluster" if count == 1 else f"{count} clusters"
