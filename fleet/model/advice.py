"""What is known of a product that makes a change other than it looks: data, no judgement."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """A setting that an extension reads when it is first installed, and never again."""

    setting: str
    field: str
    """What holds instead from then on."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """A setting whose default changed between versions, and that an upgrade leaves as it was."""

    setting: str
    since: str
    """The first version with the new default."""
    before: str
    after: str
    field: str
    """Where a cluster keeps it."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What has to be there on a cluster for a setting to work."""

    setting: str
    value: str
    """With any other it asks for nothing."""
    api: str
    """What the chart makes then, and of which API version."""
    gone_in: str
    """The first version of Kubernetes without it."""
    until: str
    """The last version of the extension that is known to need it."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """What an upgrade does on its way that is to be expected."""

    text: str
    since: str | None = None
    """The version whose coming does it; ``None``: every upgrade."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What to tell of one plan file's settings."""

    seeds: tuple[Seed, ...] = ()
    seeded: str = ""
    """What the fields of seeds and drifts are fields of."""
    drifts: tuple[Drift, ...] = ()
    passages: tuple[Passage, ...] = ()
