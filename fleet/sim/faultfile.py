"""Faults files: what goes wrong, when and how often, as people write it down; and ready-made ones.

A rule says ``fault``, and all else has a default: by it every request that the fault is about
meets it. What there is to name: :mod:`fleet.sim.repertoire`. A profile is a faults file that comes
with this package.

Errors:  :exc:`~fleet.errors.InputError` for a file that cannot be used, with every problem in it.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from fleet.errors import InputError
from fleet.sim import messages
from fleet.sim.breakfile import BreakPart
from fleet.sim.quantities import WHOLE_PPM, Count, Share
from fleet.sim.repertoire import REPERTOIRE, Asked, Fault, Level
from fleet.sim.script import Counted, Rule, Script
from fleet.spec import document, flaws
from fleet.spec.explanation import FileModel
from fleet.spec.flaws import Flaw, quoted

_PROFILES = Path(__file__).parent / "profiles"
_SUFFIX = ".yaml"
_OF_SOME = frozenset().union(*(one.options for one in REPERTOIRE.values()))
_OF_CLOCKS = frozenset({"fault", "afterSeconds", "seconds"})
_WRITES = frozenset({"PUT", "PATCH", "DELETE"})

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Pattern = Annotated[str, Field(min_length=1)]


class RulePart(FileModel):
    """One of ``rules:``."""

    fault: Annotated[Fault, Field(strict=False)]
    on: Annotated[list[Annotated[Asked, Field(strict=False)]], Field(min_length=1)] | None = None
    methods: Annotated[list[Method], Field(min_length=1)] | None = None
    cluster: Pattern | None = None
    """A name, or a pattern with ``*``; so are the next two."""
    subscription: Pattern | None = None
    name: Pattern | None = None
    """Of the extension's instance."""
    first: Count = 1
    """Of those that fit: the first that meets it,"""
    last: Count | None = None
    """the last,"""
    every: Count = 1
    """and each so-manieth between them."""
    share: Share = WHOLE_PPM
    """Of those, by lot."""
    counted_by: Annotated[Counted, Field(strict=False)] = Counted.ALL
    after_seconds: Annotated[int, Field(ge=0)] | None = None
    """In the world's time, since the first request; of writes, since the first write."""
    until_seconds: Count | None = None
    seconds: int | None = None
    retry_after_seconds: Annotated[int, Field(ge=0)] | None = None
    status: Annotated[int, Field(ge=200, le=599)] | None = None
    message: str | None = None
    rows: Annotated[int, Field(ge=2)] | None = None

    def rule(self) -> Rule:
        """Return it as the script has it."""
        most = {} if self.last is None else {"last": self.last}
        return Rule(
            fault=self.fault,
            on=frozenset(self.on or ()),
            methods=frozenset(self.methods or ()),
            cluster=self.cluster,
            subscription=self.subscription,
            name=self.name,
            first=self.first,
            every=self.every,
            share_ppm=self.share,
            counted=self.counted_by,
            after=_span(self.after_seconds),
            until=_span(self.until_seconds),
            seconds=self.seconds,
            retry_after_s=self.retry_after_seconds,
            status=self.status,
            message=None if self.message is None else messages.NAMED[self.message],
            rows=self.rows,
            **most,
        )


def _span(seconds: int | None) -> dt.timedelta | None:
    return None if seconds is None else dt.timedelta(seconds=seconds)


class FaultFile(FileModel):
    """A whole faults file."""

    api_version: Literal["fleet/v1"]
    kind: Literal["Faults"]
    description: str = ""
    seed: int | None = None
    """What shares are drawn from; left out: the world's."""
    rules: list[RulePart] = Field(default_factory=list)
    breaks: list[BreakPart] = Field(default_factory=list)
    """What is broken inside clusters, beside what the world file says."""

    @classmethod
    def cross_check(cls, data: Any) -> Iterator[Flaw]:
        """Yield what is wrong between the keys of a rule."""
        rules = data.get("rules")
        for place, rule in enumerate(rules if isinstance(rules, list) else ()):
            name = rule.get("fault") if isinstance(rule, dict) else None
            if isinstance(name, str) and name in list(Fault):
                yield from _flaws(("rules", place), Fault(name), rule)

    def script(self) -> Script:
        """Return it as values."""
        return Script(
            seed=self.seed,
            rules=tuple(one.rule() for one in self.rules),
            broken=tuple(one.broken() for one in self.breaks),
        )


def _flaws(path: flaws.Path, fault: Fault, rule: dict[str, Any]) -> Iterator[Flaw]:
    entry = REPERTOIRE[fault]
    foreign = set(rule) & (_OF_SOME - entry.options)
    if entry.level is Level.CLOCK:
        foreign |= set(rule) & (_known() - _OF_CLOCKS)
    for key in sorted(foreign):
        yield Flaw(path=(*path, key), message=f"{fault} takes no {key}", is_about_key=True)
    yield from _wrong_kinds(path, fault, rule)
    if entry.level is Level.CLOCK and "seconds" not in rule:
        yield Flaw(path=path, message=f"{fault} needs seconds: how far, and below zero back")
    elif entry.level is not Level.CLOCK and _is_below_zero(rule.get("seconds")):
        yield Flaw(path=(*path, "seconds"), message="must be at least 0")
    yield from _wrong_order(path, rule)
    said = rule.get("message")
    if isinstance(said, str) and "message" in entry.options and said not in messages.NAMED:
        hint = flaws.suggestion(said, messages.NAMED)
        message = f"no recorded message is called {quoted(said)}"
        yield Flaw(path=(*path, "message"), message=message, hint=hint)


def _wrong_kinds(path: flaws.Path, fault: Fault, rule: dict[str, Any]) -> Iterator[Flaw]:
    """Yield kinds of requests, and methods, that a fault can never meet."""
    entry, on, methods = REPERTOIRE[fault], rule.get("on"), rule.get("methods")
    if entry.level is Level.CLOCK:
        return
    is_anywhere = entry.level is Level.REQUEST and fault is not Fault.DUPLICATE_ROWS
    for place, kind in enumerate(on if isinstance(on, list) else ()):
        if kind in list(Asked) and not is_anywhere and kind not in entry.about:
            about = ", ".join(sorted(entry.about))
            message = f"{fault} is about {about}, not {kind}"
            yield Flaw(path=(*path, "on", place), message=message)
    for place, method in enumerate(methods if isinstance(methods, list) else ()):
        if entry.level is Level.WRITE and method in ("GET", "POST"):
            message = f"{fault} is about writes: {', '.join(sorted(_WRITES))}"
            yield Flaw(path=(*path, "methods", place), message=message)


def _wrong_order(path: flaws.Path, rule: dict[str, Any]) -> Iterator[Flaw]:
    """Yield ranges that end before they begin."""
    for low, high in (("first", "last"), ("afterSeconds", "untilSeconds")):
        begin, end = rule.get(low), rule.get(high)
        least = 1 if low == "first" else 0
        if isinstance(end, int) and isinstance(begin, int | None) and (begin or least) > end:
            message = f"{high} ({end}) is before {low} ({begin})"
            yield Flaw(path=(*path, high), message=message)


def _is_below_zero(value: Any) -> bool:
    return isinstance(value, int) and value < 0


@functools.cache
def _known() -> frozenset[str]:
    return frozenset(field.alias or name for name, field in RulePart.model_fields.items())


# --- files and profiles ------------------------------------------------------------------


@functools.cache
def profiles() -> tuple[str, ...]:
    """Return the names of all profiles, sorted."""
    return tuple(sorted(path.name.removesuffix(_SUFFIX) for path in _PROFILES.glob(f"*{_SUFFIX}")))


def read(path: Path) -> FaultFile:
    """Return a faults file, checked."""
    return document.validate(document.read(path), FaultFile)


def profile(name: str) -> FaultFile:
    """Return a profile, which must be one."""
    return read(_PROFILES / f"{name}{_SUFFIX}")


def text_of(name: str) -> str:
    """Return a profile as its file says it; :exc:`InputError` with the nearest for none."""
    if name not in profiles():
        message = f"no profile of faults is called {quoted(name)}"
        raise InputError(message, hint=flaws.suggestion(name, profiles()))
    return (_PROFILES / f"{name}{_SUFFIX}").read_text("utf-8")


def named(text: str) -> FaultFile:
    """Return what is meant by a profile's name or by the name of a file."""
    if text in profiles():
        return profile(text)
    path = Path(text)
    if path.suffix or path.exists():
        return read(path)
    message = f"{quoted(text)} is neither a profile of faults nor a file"
    raise InputError(message, hint=flaws.suggestion(text, profiles()))
