"""What looks are given to judge by, and what one of them comes to."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from fleet.model import versions
from fleet.model.cluster import ClusterId, Extension, nothing
from fleet.model.inside import CheckRule, Verdict
from fleet.model.objects import Seen, Want
from fleet.model.versions import Version, VersionOrder

_SHOWN = 3


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A cluster that is looked at, and what is known of it beforehand."""

    cluster_id: ClusterId
    cluster_name: str
    extension: Extension | None
    """As Azure says now; ``None``: Azure knows none."""
    release: str
    """The extension's name, which is that of its Helm release too."""
    namespace: str | None
    """What it is released into; ``None``: not known."""
    version: str | None = None
    """What shall be installed; ``None``: any will do."""
    version_order: VersionOrder = VersionOrder.SEMVER
    settings: Mapping[str, str] = dataclasses.field(default_factory=nothing)
    """Those that the plan file sets."""
    mesh_wish: str | None = None
    """A JSON merge patch of the MeshConfig's ``spec`` that the plan file wants to be so."""
    mesh_before: str | None = None
    """The MeshConfig's ``spec`` as it was before the change, as JSON; ``None``: nobody looked."""
    meshed: tuple[str, ...] = ()
    """Namespaces that the plan file wants in the mesh."""
    now: dt.datetime | None = None
    """By whose clock certificates expire, in UTC; ``None``: they are not asked for their time."""

    @property
    def running(self) -> Version | None:
        """The version that is there, else the one that shall be; ``None``: not known."""
        found = self.extension.installed_version if self.extension else None
        return versions.parse_or_none(found or self.version or "")

    def is_before(self, since: str) -> bool:
        """Whether a version older than *since* is there; never, where either is not known."""
        bound, running = versions.parse_or_none(since), self.running
        if bound is None or running is None:
            return False
        here, there = (versions.key(one, order=self.version_order) for one in (running, bound))
        return here < there


class Finding(NamedTuple):
    """What a look came to."""

    verdict: Verdict
    detail: str = ""
    evidence: Mapping[str, str] = nothing()


Wanting = Callable[[CheckRule, Subject, Seen], Iterator[Want]]
Judging = Callable[[CheckRule, Subject, Sequence[Sequence[Any]]], Finding]


class Look(NamedTuple):
    """A way to look at a cluster."""

    judge: Judging
    """Given what was seen of each want, in their order and their shapes."""
    wants: Wanting | None = None
    """What is to be read, given what was read already; ``None``: nothing of the cluster's own."""
    required: tuple[str, ...] = ()
    """Keys of a rule's ``given`` that it cannot do without."""
    optional: tuple[str, ...] = ()
    has_own_keys: bool = False
    """Whether all other keys are names that mean something to it."""
    is_placed: bool = True
    """Whether it looks into a namespace, which has to be known."""
    is_partial: bool = False
    """Whether a failure shows even where something else could not be read."""


def passed(**evidence: object) -> Finding:
    """Return that all is well."""
    return Finding(Verdict.PASSED, evidence=_texts(evidence))


def failed(detail: str, **evidence: object) -> Finding:
    """Return what is wrong."""
    return Finding(Verdict.FAILED, detail, _texts(evidence))


def not_applicable(detail: str) -> Finding:
    """Return why there is nothing to look at, by right."""
    return Finding(Verdict.NOT_APPLICABLE, detail)


def unknown(detail: str, **evidence: object) -> Finding:
    """Return why nobody knows."""
    return Finding(Verdict.UNKNOWN, detail, _texts(evidence))


def place(rule: CheckRule, subject: Subject) -> str:
    """Return the namespace that a rule is about; empty: not known."""
    return rule.given.get("namespace") or subject.namespace or ""


def words(rule: CheckRule, key: str) -> tuple[str, ...]:
    """Return the words that a rule gives under *key*."""
    return tuple(rule.given.get(key, "").split())


def count(rule: CheckRule, key: str, default: int) -> int:
    """Return the number that a rule gives under *key*."""
    text = rule.given.get(key, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < len("1" * 10) else default


def some(names: Iterable[str]) -> str:
    """Return names in a sentence, the first few of many.

    >>> some("abcde")
    'a, b, c and 2 more'
    """
    listed = list(names)
    more = len(listed) - _SHOWN
    return ", ".join(listed[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def first(seen: Sequence[Sequence[Any]], number: int = 0) -> Any:
    """Return the one object of a want that names one; ``None``: it is not there."""
    return next(iter(seen[number]), None)


def named(seen: Sequence[Any], name: str) -> Any:
    """Return the one of that name; ``None``: it is not there."""
    return next((one for one in seen if one.name == name), None)


def _texts(evidence: Mapping[str, object]) -> Mapping[str, str]:
    return {key: str(one) for key, one in evidence.items()}
