"""Settings judged by what is known of a chart, before anything is sent.

A key that the chart has not, or has under another name, or not in the version
that is pinned; a value of another kind or out of its range. Where no version is
pinned, only what is wrong in every version that can come is wrong. What is
known: :mod:`fleet.spec.charts`.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from fleet.model import versions
from fleet.model.desired import Profile
from fleet.model.versions import Version, VersionKey
from fleet.spec import charts, profiles, settingvalues
from fleet.spec.charts import Chart, Kind, Moved, Setting, keys
from fleet.spec.charts.keys import Key
from fleet.spec.flaws import Flaw, Path, quoted
from fleet.spec.settingvalues import Complaint
from fleet.spec.values import LATEST

# In a chart of which not all is known, a word that is no nearer may be a key of its own.
_SLIP = 0.8
_SAME = 0.75
_LONGEST = 128
_NAMED = 3


def check(
    extension: Mapping[str, Any],
    settings: Mapping[str, Any],
    path: Path,
    *,
    beside: Mapping[str, str] | None = None,
) -> Iterator[Flaw]:
    """Yield what is wrong with settings of an extension of which a chart is known.

    Args:
        extension: That part of a plan file, of any shape.
        settings: ``{key: value}``; what is no text is passed over.
        path: Where they stand.
        beside: Other settings that hold with them.
    """
    judge = _judge(extension)
    if judge is None:
        return
    texts = {key: one for key, one in settings.items() if isinstance(one, str) and _is_key(key)}
    for key, value in texts.items():
        found = judge.complaint(key, value)
        if found:
            yield Flaw(path=(*path, key), message=found[0], hint=found[1], is_about_key=True)
    known = judge.settled(texts)
    for key, found in (*judge.unordered(known, judge.settled(beside or {})), *judge.gaps(known)):
        yield Flaw(path=(*path, key), message=found[0], hint=found[1], is_about_key=True)


def meant(extension: Mapping[str, Any], value: object) -> str | None:
    """Return the hint for a setting without a key: the one that usually has this value."""
    chart, _ = known_of(extension)
    for one in chart.settings.values() if chart and value else ():
        if one.usual == value:
            return f"did you mean {quoted(one.key)}?"
    return None


def known_of(extension: Mapping[str, Any]) -> tuple[Chart | None, Profile | None]:
    """Return what is known of the extension that a plan file means, however it names it."""
    name, kind = extension.get("profile"), extension.get("extensionType")
    if isinstance(name, str) and name in profiles.names():
        return charts.load(name), profiles.load(name)
    profile = profiles.for_type(kind) if isinstance(kind, str) and name is None else None
    return (charts.load(profile.name), profile) if profile else (None, None)


def _is_key(key: object) -> bool:
    return isinstance(key, str) and bool(key) and key == key.strip()


def _judge(extension: Mapping[str, Any]) -> _Judge | None:
    chart, profile = known_of(extension)
    if chart is None or profile is None:
        return None
    return _Judge(chart, profile, _coming(extension.get("version"), profile))


def _coming(wished: object, profile: Profile) -> tuple[Version, ...]:
    """Return the versions that a cluster can have: the pinned one, or those that are supported."""
    order = profile.version_order
    known = versions.ascending(profile.catalogue, order=order)
    if isinstance(wished, str) and wished != LATEST:
        pinned = versions.parse_or_none(wished)
        return (pinned,) if pinned else tuple(known)
    if wished == LATEST:
        return tuple(known[-1:])
    lines = sorted({one.minor_line for one in known})[-(profile.supported_minor_count or 0) :]
    return tuple(one for one in known if one.minor_line in lines)


@dataclasses.dataclass(frozen=True, slots=True)
class _Judge:
    chart: Chart
    profile: Profile
    coming: tuple[Version, ...]

    def complaint(self, key: str, value: str) -> Complaint | None:
        try:
            path = keys.parse(key)
        except ValueError as error:
            return f"this is not a key: {error}", r"a dot within a name is written \."
        for moved in self.chart.moved:
            if found := self._moved(moved, path):
                return found
        if self._all_before(self.chart.oldest):
            return None
        setting, rest = self._found(path)
        if setting is None:
            return self._unknown(path)
        return self._untimely(setting) or _misplaced(setting, rest, value)

    def settled(self, settings: Mapping[str, str]) -> dict[Key, tuple[str, str]]:
        """Return ``{path: (key, value)}`` of what can be read, by today's names."""
        found = {}
        for key, value in settings.items():
            try:
                path = self._renamed(keys.parse(key))
            except ValueError:
                continue
            found[path] = key, value
        return found

    def unordered(
        self, known: Mapping[Key, tuple[str, str]], beside: Mapping[Key, tuple[str, str]]
    ) -> Iterator[tuple[str, Complaint]]:
        for low, high in self.chart.ordered:
            where = known.get(low) or known.get(high)
            less, more = (self._value(one, {**beside, **known}) for one in (low, high))
            if where is None or less is None or more is None or less <= more:
                continue
            missing = next((one for one in (low, high) if one not in {**beside, **known}), None)
            hint = f"set {keys.written(missing)} too" if missing else None
            least, most = (
                f"{one[-1]} ({number}{', its default' if one == missing else ''})"
                for one, number in ((low, less), (high, more))
            )
            yield where[0], (f"{least} is more than {most}", hint)

    def gaps(self, known: Mapping[Key, tuple[str, str]]) -> Iterator[tuple[str, Complaint]]:
        """Yield items of lists without those before them: the chart would get an empty one."""
        for path, (key, _) in known.items():
            setting, rest = self._found(path)
            if setting is None or setting.kind is not Kind.LIST or not rest or rest[0] == 0:
                continue
            index = rest[0]
            before = (*setting.path, index - 1) if isinstance(index, int) else ()
            if before and not any(other[: len(before)] == before for other in known):
                yield key, (f"the list has no item before it: {keys.written(before)}", None)

    def _value(self, path: Key, known: Mapping[Key, tuple[str, str]]) -> int | None:
        setting = self.chart.settings[path]
        text = known[path][1] if path in known else setting.default or ""
        return int(text) if settingvalues.complaint(setting, text) is None else None

    def _renamed(self, path: Key) -> Key:
        for one in self.chart.moved:
            if one.since and path[: len(one.old)] == one.old:
                return (*one.new, *path[len(one.old) :])
        return path

    def _moved(self, moved: Moved, path: Key) -> Complaint | None:
        if path[: len(moved.old)] == moved.old:
            new = (*moved.new, *path[len(moved.old) :])
            if moved.since is None:
                return "the chart does not read this key", f"did you mean {_shown(new)}?"
            if not any(self._is_before(one, moved.since) for one in self.coming):
                is_known = self._found(new)[0] is not None
                hint = f"write {_shown(new)}" if is_known else (self._unknown(new) or ("", ""))[1]
                return f"the chart ignores this key since version {moved.since}", hint
        elif moved.since and path[: len(moved.new)] == moved.new and self._all_before(moved.since):
            old = (*moved.old, *path[len(moved.new) :])
            message = f"the chart ignores this key before version {moved.since}"
            return message, f"write {_shown(old)}"
        return None

    def _found(self, path: Key) -> tuple[Setting | None, Key]:
        path = self._renamed(path)
        for n in range(1, len(path) + 1):
            if setting := self.chart.settings.get(path[:n]):
                return setting, path[n:]
        return None, ()

    def _unknown(self, path: Key) -> Complaint | None:
        path = self._renamed(path)
        n = next((n for n in range(1, len(path) + 1) if path[:n] not in self.chart.groups), 0)
        if not n:
            below = ", ".join(self.chart.groups[path][:4])
            return "this is a group of settings, and no setting", f"name one below it: {below}, ..."
        parent = path[: n - 1]
        if parent in self.chart.partial or self._is_beyond():
            near = self._slip(path, n, cutoff=_SLIP)
            return ("the chart has no such setting", _question(near)) if near else None
        what = "refuses" if parent in self.chart.closed else "would ignore"
        hint = _question(self._slip(path, n)) or self._alike(path)
        return f"the chart has no such setting, and {what} it", hint

    def _slip(self, path: Key, n: int, *, cutoff: float = 0.6) -> Key | None:
        """Return *path* with its first unknown name corrected, as far as that leads anywhere."""
        by_lower = {one.lower(): one for one in self.chart.groups[path[: n - 1]]}
        word = str(path[n - 1]).lower()
        for near in difflib.get_close_matches(word[:_LONGEST], by_lower, n=1, cutoff=cutoff):
            better = (*path[: n - 1], by_lower[near], *path[n:])
            if self._found(better)[0] or better in self.chart.groups:
                return better
            if len(better) > n and better[:n] in self.chart.groups:
                return self._slip(better, n + 1, cutoff=cutoff)
        return None

    def _alike(self, path: Key) -> str | None:
        """Return the hint that names what ends alike, or else is written alike."""
        every = {one.key.lower(): one for one in self.chart.settings.values()}
        last = str(path[-1]).lower()
        ends = [
            one.key
            for one in every.values()
            if str(one.path[-1]).lower() == last and one.kind is not Kind.ANY
        ]
        if ends:
            some = ", ".join(ends[:_NAMED])
            return f"did you mean {quoted(some)}?" if len(ends) == 1 else f"such as {some}"
        text = keys.written(path).lower()[:_LONGEST]
        near = difflib.get_close_matches(text, every, n=1, cutoff=_SAME)
        return _question(every[near[0]].path) if near else None

    def _untimely(self, setting: Setting) -> Complaint | None:
        since, before = setting.since, setting.before
        if since and self._all_before(since):
            return f"the chart has this setting since version {since} only", self._pinned()
        if before and not any(self._is_before(one, before) for one in self.coming):
            return f"the chart has this setting no more since version {before}", self._pinned()
        return None

    def _pinned(self) -> str:
        return f"version is {self.coming[0].text}" if len(self.coming) == 1 else "remove it"

    def _is_beyond(self) -> bool:
        newest = versions.parse(self.chart.newest)
        return all(self._rank(one) > self._rank(newest) for one in self.coming)

    def _all_before(self, version: str) -> bool:
        return all(self._is_before(one, version) for one in self.coming)

    def _is_before(self, one: Version, other: str) -> bool:
        return self._rank(one) < self._rank(versions.parse(other))

    def _rank(self, version: Version) -> VersionKey:
        return versions.key(version, order=self.profile.version_order)


def _misplaced(setting: Setting, rest: Key, value: str) -> Complaint | None:
    """Return what is wrong with a value at *rest* below a setting that is known."""
    if setting.is_secret and value:
        return "a secret may not stand in a file", "write it under protectedSettings"
    if setting.kind in (Kind.MAP, Kind.ANY):
        is_bare = setting.kind is Kind.MAP and not rest
        hint = f"write one key for each, such as {keys.written((*setting.path, 'NAME'))}"
        return ("this has keys below it, and no value", hint) if is_bare else None
    if setting.kind is Kind.LIST:
        return _listed(setting, rest, value)
    if rest:
        return "there is nothing below this setting", f"did you mean {quoted(setting.key)}?"
    return settingvalues.complaint(setting, value)


def _listed(setting: Setting, rest: Key, value: str) -> Complaint | None:
    if not rest or not isinstance(rest[0], int):
        # Source: Azure-Samples/kubernetes-offer-samples: the service takes no list in braces.
        some = keys.items(value) or (value,)
        each = [f"{setting.key}[{n}]: {quoted(one)}" for n, one in enumerate(some[:3])]
        return "this is a list, and each item has a key of its own", "write " + ", ".join(each)
    if setting.item is Kind.MAP:
        return None
    if rest[1:]:
        return "there is nothing below an item of this list", None
    return settingvalues.complaint(setting, value, kind=setting.item)


def _question(near: Key | None) -> str | None:
    return f"did you mean {_shown(near)}?" if near else None


def _shown(path: Key) -> str:
    return quoted(keys.written(path))
