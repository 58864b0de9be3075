"""What is known of the settings of extensions, as data: a TOML file for each profile with any.

A file lists the settings that a chart takes, with kind, range, default and the versions that have
them; and recipes, which are settings under a name. An extension without a file is not judged. What
the keys of a file mean stands at the top of ``osm.toml``.

Errors:  :exc:`~fleet.errors.InvariantError` for a packaged file that does not fit.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import importlib.resources
import tomllib
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, ValidationError

from fleet.errors import InvariantError
from fleet.model.advice import Advice, Drift, Passage, Seed
from fleet.spec.charts import keys
from fleet.spec.charts.keys import Key
from fleet.spec.explanation import FileModel

_SUFFIX = ".toml"


class Kind(enum.StrEnum):
    """What the value of a setting is to the chart, whose settings are all text to the service."""

    BOOLEAN = "boolean"
    NUMBER = "number"
    TEXT = "text"
    CPU = "cpu"
    """An amount of CPU, such as 500m; text for the chart."""
    MEMORY = "memory"
    """An amount of memory, such as 128M; text for the chart."""
    PORT = "port"
    CIDR = "cidr"
    """A range of addresses, such as 10.0.0.0/8."""
    LIST = "list"
    MAP = "map"
    """Keys of one's own."""
    ANY = "any"
    """A value, or keys below it: not judged."""


class _SettingFile(FileModel):
    kind: Annotated[Kind, Field(strict=False)]
    item: Annotated[Kind, Field(strict=False)] | None = None
    choices: list[str] | None = None
    low: int | None = None
    high: int | None = None
    default: str | None = None
    usual: str | None = None
    since: str | None = None
    before: str | None = None
    seeds: str | None = None
    is_secret: bool = False


class _MovedFile(FileModel):
    old: str
    new: str
    since: str | None = None


class _OrderedFile(FileModel):
    low: str
    high: str


class _DriftFile(FileModel):
    setting: str
    since: str
    before: str
    after: str
    field: str


class _PassageFile(FileModel):
    text: str
    since: str | None = None


class _RecipeFile(FileModel):
    about: str
    settings: dict[str, str]
    needs: list[str] = Field(default_factory=list)


class _ChartFile(FileModel):
    oldest: str
    newest: str
    seeded: str = ""
    closed: list[str]
    partial: list[str] = Field(default_factory=list)
    moved: list[_MovedFile] = Field(default_factory=list)
    ordered: list[_OrderedFile] = Field(default_factory=list)
    drifts: list[_DriftFile] = Field(default_factory=list)
    passages: list[_PassageFile] = Field(default_factory=list)
    recipes: dict[str, _RecipeFile] = Field(default_factory=dict)
    settings: dict[str, dict[str, _SettingFile]]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting that a chart takes."""

    path: Key
    kind: Kind
    item: Kind | None = None
    """What a list holds."""
    choices: tuple[str, ...] = ()
    low: int | None = None
    high: int | None = None
    default: str | None = None
    """Of the newest chart, as text."""
    usual: str | None = None
    """A value that gives the setting away where its key is missing."""
    since: str | None = None
    before: str | None = None
    """The first version that has it no more."""
    seeds: str | None = None
    is_secret: bool = False

    @property
    def key(self) -> str:
        """How it is written."""
        return keys.written(self.path)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A key, or all that begin with one, that has another name."""

    old: Key
    new: Key
    since: str | None
    """The first version that reads the new name; ``None``: the old one was never read."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Settings that go together, under a name."""

    about: str
    settings: Mapping[str, str]
    needs: tuple[str, ...]
    """Settings that the plan file has to give itself."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """The settings of one extension."""

    oldest: str
    """The first version of which they are known."""
    newest: str
    seeded: str
    """What fields of seeds are fields of."""
    settings: Mapping[Key, Setting]
    groups: Mapping[Key, tuple[str, ...]]
    """``{path that is no setting: what may stand below it}``."""
    closed: frozenset[Key]
    partial: frozenset[Key]
    moved: tuple[Moved, ...]
    ordered: tuple[tuple[Key, Key], ...]
    """Pairs of which the first may not be more than the second."""
    drifts: tuple[Drift, ...]
    passages: tuple[Passage, ...]
    recipes: Mapping[str, Recipe]

    def advice(self) -> Advice:
        """Return what to tell of settings that will not do what they seem to."""
        some = [(one.key, one.seeds) for one in self.settings.values()]
        seeds = tuple(Seed(setting=key, field=field) for key, field in some if field)
        return Advice(seeds=seeds, seeded=self.seeded, drifts=self.drifts, passages=self.passages)


@functools.cache
def load(profile: str) -> Chart | None:
    """Return what is known of a profile's settings; ``None``: nothing."""
    file = importlib.resources.files(__name__).joinpath(profile + _SUFFIX)
    return from_toml(file.read_text("utf-8"), name=profile) if file.is_file() else None


def from_toml(text: str, *, name: str) -> Chart:
    """Return the chart that a file describes."""
    try:
        return _chart(_ChartFile.model_validate(tomllib.loads(text)))
    except (ValidationError, ValueError) as error:
        message = f"the settings of {name} do not fit: {error}"
        raise InvariantError(message) from error


def _chart(file: _ChartFile) -> Chart:
    settings = {
        one.path: one
        for group, members in file.settings.items()
        for key, member in members.items()
        for one in [_setting((*_path(group), key), member)]
    }
    return Chart(
        oldest=file.oldest,
        newest=file.newest,
        seeded=file.seeded,
        settings=settings,
        groups=_groups(settings),
        closed=frozenset(map(_path, file.closed)),
        partial=frozenset(map(_path, file.partial)),
        moved=tuple(
            Moved(old=_path(one.old), new=_path(one.new), since=one.since) for one in file.moved
        ),
        ordered=tuple((_path(one.low), _path(one.high)) for one in file.ordered),
        drifts=tuple(Drift(**one.model_dump()) for one in file.drifts),
        passages=tuple(Passage(**one.model_dump()) for one in file.passages),
        recipes={
            recipe: Recipe(about=one.about, settings=one.settings, needs=tuple(one.needs))
            for recipe, one in file.recipes.items()
        },
    )


def _setting(path: Key, file: _SettingFile) -> Setting:
    fields = {field: getattr(file, field) for field in _SettingFile.model_fields}
    return Setting(path=path, **{**fields, "choices": tuple(file.choices or ())})


def _groups(settings: Mapping[Key, Setting]) -> dict[Key, tuple[str, ...]]:
    found: dict[Key, dict[str, None]] = {}
    for path in settings:
        for n in range(len(path)):
            found.setdefault(path[:n], {})[str(path[n])] = None
    return {path: tuple(names) for path, names in found.items()}


def _path(text: str) -> Key:
    return keys.parse(text) if text else ()
