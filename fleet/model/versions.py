"""Versions of extensions, agents and Kubernetes, and the orders they come in.

Two products, two orders: in semantic versioning ``1.0.0-1`` is a prerelease
and comes before ``1.0.0``; Arc publishes Open Service Mesh's ``1.0.0-1`` as a
*revision*, after it. The order is a fact about the product, so it is an
argument, and lives in the extension's profile.

Errors:  :exc:`ValueError` for text that is no version.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import re
from collections.abc import Iterable

_PATTERN = re.compile(r"v?(\d+(?:\.\d+){1,3})(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?")
_BOUND = r"v?(\d+(?:\.\d+){0,3})"
_RANGE = re.compile(rf"(>=|<=|>|<|=)?\s*{_BOUND}|{_BOUND}\s*\.\.\s*{_BOUND}")
_RANK_PRERELEASE, _RANK_RELEASE, _RANK_REVISION = 0, 1, 2

VersionKey = tuple[tuple[int, ...], int, tuple[tuple[int, int, str], ...]]
"""What versions are sorted by: release, rank of the suffix, the suffix's parts."""


class VersionOrder(enum.StrEnum):
    """How a product reads a numeric suffix."""

    SEMVER = "semver"
    """``1.0.0-1`` comes before ``1.0.0``."""
    REVISION = "revision"
    """``1.0.0-1`` comes after ``1.0.0``; ``1.0.0-beta-1`` still before it."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version, as text and as numbers."""

    text: str
    release: tuple[int, ...]
    """At least three numbers; ``1.29`` reads as ``(1, 29, 0)``."""
    suffix: str

    @property
    def minor_line(self) -> tuple[int, int]:
        """Major and minor, the unit that support and skew are counted in."""
        return self.release[0], self.release[1]


@functools.cache
def parse(text: str) -> Version:
    """Read a version.

    >>> parse("1.2.6-beta-1").suffix
    'beta-1'
    """
    match = _PATTERN.fullmatch(text.strip())
    if match is None:
        message = f"{text!r} is not a version such as 1.2.6"
        raise ValueError(message)
    numbers = tuple(int(part) for part in match[1].split("."))
    release = numbers + (0,) * (3 - len(numbers))
    return Version(text=text.strip(), release=release, suffix=match[2] or "")


def parse_or_none(text: str) -> Version | None:
    """Read a version that a service reported; ``None`` where it is none."""
    return parse(text) if _PATTERN.fullmatch(text.strip()) else None


def key(version: Version, *, order: VersionOrder) -> VersionKey:
    """Return what *version* sorts by under *order*.

    >>> ordered = sorted(map(parse, ["1.0.0-1", "1.0.0", "1.0.0-rc.4"]),
    ...                  key=lambda v: key(v, order=VersionOrder.REVISION))
    >>> [v.text for v in ordered]
    ['1.0.0-rc.4', '1.0.0', '1.0.0-1']
    """
    if not version.suffix:
        return version.release, _RANK_RELEASE, ()
    rank = _RANK_REVISION if _is_revision(version, order) else _RANK_PRERELEASE
    parts = re.split(r"[.-]", version.suffix)
    return version.release, rank, tuple(_part(part) for part in parts)


def is_prerelease(version: Version, *, order: VersionOrder) -> bool:
    """Tell whether *version* is one that nobody gets without asking for it."""
    return bool(version.suffix) and not _is_revision(version, order)


def ascending(texts: Iterable[str], *, order: VersionOrder) -> list[Version]:
    """Return the versions among *texts*, oldest first; what is no version is left out."""
    found = {text: parse(text) for text in texts if _PATTERN.fullmatch(text.strip())}
    return sorted(found.values(), key=lambda version: key(version, order=order))


def is_range(text: str) -> bool:
    """Tell whether *text* is a range as the service writes one.

    >>> [is_range(text) for text in (">1.22", "1.18..1.21", "<1.20", "1.19.3", "~1.2")]
    [True, True, True, True, False]
    """
    return _RANGE.fullmatch(text.strip()) is not None


def is_in_range(version: Version, text: str) -> bool:
    """Tell whether *version* is in a range; never, where *text* is none.

    A bound counts as far as it is written: 1.22.5 is not above 1.22, it is a 1.22.

    >>> [is_in_range(parse("1.21.9"), text) for text in (">1.21", "1.18..1.21", "<1.21", "1.21")]
    [False, True, False, True]
    """
    match = _RANGE.fullmatch(text.strip())
    if match is None:
        return False
    sign, bound, low, high = match.groups()
    if bound is None:
        return _compared(version, low) >= 0 and _compared(version, high) <= 0
    compared = _compared(version, bound)
    return {">": compared > 0, "<": compared < 0, ">=": compared >= 0, "<=": compared <= 0}.get(
        sign or "", compared == 0
    )


def _compared(version: Version, bound: str) -> int:
    parts = tuple(int(part) for part in bound.split("."))
    own = (*version.release, 0)[: len(parts)]
    return (own > parts) - (own < parts)


def _is_revision(version: Version, order: VersionOrder) -> bool:
    return order is VersionOrder.REVISION and version.suffix.isdigit()


def _part(text: str) -> tuple[int, int, str]:
    # Source: semver.org section 11: numeric identifiers come before alphanumeric ones.
    return (0, int(text), "") if text.isdigit() else (1, 0, text)
