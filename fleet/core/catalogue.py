"""Which versions a release train offers, and the way from one to another.

Order is the profile's, never that of the list: the service returns versions
unsorted and mixes prereleases in.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

from fleet.model import versions
from fleet.model.cluster import VersionLimits
from fleet.model.desired import Profile
from fleet.model.versions import Version


@dataclasses.dataclass(frozen=True, slots=True)
class Catalogue:
    """The versions of one train, oldest first."""

    train: str
    profile: Profile
    offered: tuple[Version, ...]
    """Empty where nothing is known; then nothing can be checked either. Empty and with a location:
    that one offers none."""
    limits: Mapping[str, VersionLimits] = dataclasses.field(default_factory=dict)
    """Where a version does not run, by its text; what is not in here, runs everywhere."""
    location: str = ""
    """Whose list it is; empty: that of every location that is asked for."""
    releases: tuple[Version, ...] = dataclasses.field(init=False, compare=False, repr=False)
    """Those of :attr:`offered` that are no prereleases: every cluster is judged by them."""

    def __post_init__(self) -> None:
        """Tell releases from prereleases."""
        order = self.profile.version_order
        found = tuple(v for v in self.offered if not versions.is_prerelease(v, order=order))
        object.__setattr__(self, "releases", found)

    @property
    def title(self) -> str:
        """The train, and the location where that matters."""
        return f"{self.train} in {self.location}" if self.location else self.train

    def has(self, version: Version) -> bool:
        """Whether *version* is offered; also true where nothing is known."""
        is_unknown = not self.offered and not self.location
        return is_unknown or self.find(version) is not None

    def find(self, version: Version) -> Version | None:
        """Return *version* as the service spells it: people write ``v1.2`` for ``1.2.0``."""
        return next(
            (
                one
                for one in self.offered
                # Whole keys are compared only of those that can be the same.
                if one.release == version.release and self.compare(one, version) == 0
            ),
            None,
        )

    def latest(self) -> Version | None:
        """Return the newest version that is no prerelease."""
        return next(reversed(self.releases), None)

    def supported_lines(self) -> frozenset[tuple[int, int]] | None:
        """Return the minors that the publisher supports; ``None`` where that is not known."""
        count = self.profile.supported_minor_count
        lines = sorted({version.minor_line for version in self.releases})
        return frozenset(lines[-count:]) if count and lines else None

    def compare(self, one: Version, other: Version) -> int:
        """Return a negative number, zero or a positive one, as *one* is older, same or newer."""
        order = self.profile.version_order
        left, right = versions.key(one, order=order), versions.key(other, order=order)
        return (left > right) - (left < right)

    def hops(self, start: Version, end: Version) -> tuple[Version, ...] | None:
        """Return the versions to take in turn from *start* to *end*, *end* included.

        Every minor in between is taken once, at its newest patch. ``None``: a
        minor in between is not offered, so there is no such way.
        """
        first, last = start.minor_line, end.minor_line
        between = {
            version.minor_line: version
            for version in self.releases
            if first < version.minor_line < last
        }
        # NB: how many minors a major had is known only inside one major.
        needed = (
            {(first[0], n) for n in range(first[1] + 1, last[1])} if first[0] == last[0] else ()
        )
        if any(line not in between for line in needed):
            return None
        return (*(between[line] for line in sorted(between)), end)


def of_train(
    train: str,
    offered: Iterable[str],
    *,
    profile: Profile,
    limits: Mapping[str, VersionLimits] | None = None,
) -> Catalogue:
    """Build the catalogue of *train*; the profile's own list serves where none was offered."""
    texts = tuple(offered) or profile.catalogue
    ordered = versions.ascending(texts, order=profile.version_order)
    return Catalogue(train=train, profile=profile, offered=tuple(ordered), limits=limits or {})


def of_location(found: Catalogue, location: str, offered: Iterable[str] | None) -> Catalogue:
    """Return *found* as it is in a location that offers something else.

    Args:
        found: What all locations offer.
        location: Which one.
        offered: What it offers; ``None``: nothing is known, and the profile's list serves.
    """
    if offered is None:
        return of_train(found.train, (), profile=found.profile, limits=found.limits)
    ordered = versions.ascending(tuple(offered), order=found.profile.version_order)
    return dataclasses.replace(found, offered=tuple(ordered), location=location)
