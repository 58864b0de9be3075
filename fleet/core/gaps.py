"""What is missing between an extension as it is and as it shall be.

How a gap is closed, in which writes, is :mod:`fleet.core.steps`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from fleet.core import facts
from fleet.core.catalogue import Catalogue
from fleet.core.wish import Wish
from fleet.model import versions
from fleet.model.cluster import AutoUpgrade, Extension
from fleet.model.desired import Desired, SettingsMode
from fleet.model.versions import Version


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """What is missing between an extension and a wish; everything empty: nothing."""

    hops: tuple[Version, ...] = ()
    is_older: bool = False
    """Whether the wished version is older than the installed one."""
    has_pin: bool = False
    """Whether the pin must be written although the version is there."""
    auto_upgrade: AutoUpgrade | None = None
    train: str | None = None
    settings: Mapping[str, str] | None = None
    has_protected: bool = False

    @property
    def is_closed(self) -> bool:
        """Whether nothing is missing."""
        return self == Gap()


def gap(desired: Desired, found: Extension, wished: Wish, offer: Catalogue) -> Gap | str:
    """Return what is missing, or why it cannot be closed."""
    hops = _hops(desired, found, wished, offer)
    if isinstance(hops, str):
        return hops
    is_off = found.auto_upgrade is AutoUpgrade.NONE
    flag = wished.auto_upgrade
    train = desired.release_train
    return Gap(
        hops=hops,
        is_older=bool(hops) and _is_older(found, wished, offer),
        has_pin=wished.version is not None and not hops and not is_off,
        auto_upgrade=flag if not hops and flag not in (None, found.auto_upgrade) else None,
        train=train if train and train.lower() != found.release_train.lower() else None,
        settings=_settings_gap(desired, found, wished),
        has_protected=bool(set(desired.protected) - set(found.protected_keys)),
    )


def _hops(
    desired: Desired, found: Extension, wished: Wish, offer: Catalogue
) -> tuple[Version, ...] | str:
    wanted, installed = wished.version, found.installed_version
    if wanted is None:
        return ()
    if installed is None:
        return (wanted,)
    current = versions.parse_or_none(installed)
    if current is None or (facts.is_failed(found) and not offer.has(current)):
        # Source: pinned to a version that does not exist, an extension ends Failed and shows that
        # version as current; nothing of it was ever installed.
        return (wanted,)
    step = offer.compare(wanted, current)
    if step < 0:
        return _down(desired, current, wanted)
    if step == 0 or not desired.profile.has_sequential_minors or desired.allow_skip_minor:
        return (wanted,) if step else ()
    hops = offer.hops(current, wanted)
    if hops is None:
        return (
            f"from {installed} to {wanted.text} skips a minor that is not offered: "
            "set allowSkipMinor: true"
        )
    return hops


def _down(desired: Desired, current: Version, wanted: Version) -> tuple[Version, ...] | str:
    if not desired.profile.may_downgrade:
        return f"{desired.profile.name} cannot go back from {current.text} to {wanted.text}"
    if not desired.allow_downgrade:
        return f"would go back from {current.text} to {wanted.text}: set allowDowngrade: true"
    return (wanted,)


def _is_older(found: Extension, wished: Wish, offer: Catalogue) -> bool:
    current = versions.parse_or_none(found.installed_version or "")
    if wished.version is None or current is None:
        return False
    return offer.compare(wished.version, current) < 0


def _settings_gap(desired: Desired, found: Extension, wished: Wish) -> Mapping[str, str] | None:
    if desired.settings_mode is SettingsMode.EXACT:
        return wished.settings if dict(found.settings) != dict(wished.settings) else None
    missing = {k: v for k, v in wished.settings.items() if found.settings.get(k) != v}
    return missing or None
