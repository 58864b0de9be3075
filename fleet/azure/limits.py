"""Where a version of an extension does not run, as the service's catalogue says it.

What cannot be read limits nothing, and is told by :func:`unreadable`: a version
may not be held back by words that nobody here understands.

Source:  extensionTypes/versions of 2023-05-01-preview: ``unsupportedKubernetesVersions`` by kind of
         cluster, each a list or null; names of kinds were seen in several casings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fleet.azure.answers import Object, line
from fleet.model import versions
from fleet.model.cluster import UnsupportedKubernetes, VersionLimits

_OUR_KIND = "connectedcluster"
_LONGEST = 64
_RIDDLE = UnsupportedKubernetes(distributions=(), ranges=("something that is no text",))
"""Excluded, and what cannot be told: no range, so :func:`unreadable` warns of it."""


def limits_of(properties: Object) -> VersionLimits:
    """Return what the properties of a version say of where it does not run."""
    fields = _lowered(properties)
    by_kind = fields.get("unsupportedkubernetesversions")
    known = by_kind is None or isinstance(by_kind, dict)
    return VersionLimits(
        unsupported=tuple(_unsupported(_lowered(by_kind).get(_OUR_KIND) if known else by_kind)),
        cluster_types=_texts(fields.get("supportedclustertypes"), is_lower=True),
    )


def together(several: Iterable[VersionLimits]) -> VersionLimits:
    """Return what holds where all of *several* hold."""
    several = tuple(several)
    told = [set(one.cluster_types) for one in several if one.cluster_types]
    return VersionLimits(
        unsupported=tuple(dict.fromkeys(found for one in several for found in one.unsupported)),
        cluster_types=tuple(sorted(set.intersection(*told))) if told else (),
    )


def only_limited(offer: Mapping[str, VersionLimits]) -> Mapping[str, VersionLimits]:
    """Return the versions of *offer* that have any limits."""
    return {version: limits for version, limits in offer.items() if limits != VersionLimits()}


def unreadable(offer: Mapping[str, VersionLimits]) -> Iterable[str]:
    """Yield a warning for every version of which a range cannot be read."""
    for version, limits in offer.items():
        texts = {text for one in limits.unsupported for text in one.ranges}
        strange = sorted(text for text in texts if not versions.is_range(text))
        if strange:
            yield (
                f"version {version}: the service excludes Kubernetes versions in words that cannot "
                f"be read ({', '.join(map(repr, strange))}): they are not looked at"
            )


def _unsupported(value: object) -> Iterable[UnsupportedKubernetes]:
    if not isinstance(value, list | None):
        yield _RIDDLE
    for one in value if isinstance(value, list) else ():
        fields = _lowered(one)
        told = fields.get("unsupportedversions")
        ranges = _texts(told)
        if not fields or not isinstance(told, list | None) or len(ranges) < len(told or ()):
            yield _RIDDLE
        if ranges:
            distributions = _texts(fields.get("distributions"), is_lower=True)
            yield UnsupportedKubernetes(distributions=distributions, ranges=ranges)


def _texts(value: object, *, is_lower: bool = False) -> tuple[str, ...]:
    found = [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
    short = [one if len(one) <= _LONGEST else line(one, longest=_LONGEST) for one in found]
    return tuple(one.lower() if is_lower else one for one in short)


def _lowered(value: object) -> Mapping[str, object]:
    return {key.lower(): one for key, one in value.items()} if isinstance(value, dict) else {}
