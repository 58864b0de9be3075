"""How far an extension has got inside a cluster: from what was asked of it, and the moment.

An installation comes up in parts, an upgrade replaces one pod by the next, and
an uninstallation goes on for some minutes after Azure has forgotten about it.

Units:   shares of a stage are in thousandths, 1000 where nothing is going on.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
from collections.abc import Mapping, Sequence
from typing import Any

from fleet.core import draws
from fleet.model.cluster import Extension, ProvisioningState, nothing
from fleet.model.plan import Verb
from fleet.sim.operations import Instance
from fleet.sim.world import Life

WHOLE = 1000
BEGUN = 200
"""When pods are made, and replaced."""
_BEFORE = dt.timedelta(days=90)
"""How long before the world's beginning what is there then was installed."""
_USUAL_S = 240
"""What an operation that never ends would have taken."""
_STUCK = 600
"""How far what does not go well gets."""
_LINGERS_S = (120, 540)
# Source: documented: the parts of an uninstalled mesh may take ten minutes to go.


class Going(enum.Enum):
    """What is going on."""

    ABSENT = enum.auto()
    ARRIVING = enum.auto()
    CHANGING = enum.auto()
    THERE = enum.auto()
    LEAVING = enum.auto()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """An extension inside a cluster, at a moment."""

    going: Going = Going.ABSENT
    share: int = WHOLE
    since: dt.datetime
    """When what is going on began; of what is there: when it ended."""
    until: dt.datetime | None = None
    """When it ends; ``None``: it does not, or nothing goes on."""
    version: str | None = None
    """What runs or arrives; while leaving, what ran."""
    previous: str | None = None
    """While changing, what ran before; else what the last change replaced."""
    settings: Mapping[str, str] = dataclasses.field(default_factory=nothing)
    first: Extension | None = None
    """As the present installation began, or the last: the mesh's configuration was made then."""
    born_at: dt.datetime | None = None
    """When it began. What an uninstallation leaves behind is what it was."""
    revision: int = 0
    """Of its Helm release."""
    highest: str | None = None
    """The last version that was ever there: definitions stay."""
    appeared_at: dt.datetime | None = None
    """When the namespace was made; ``None``: never."""
    ran: tuple[tuple[dt.datetime, str | None], ...] = ()
    """Since when which version's pods were there, in order; ``None``: none."""
    name: str = ""
    extension_type: str = ""
    namespace: str = ""

    @property
    def is_there(self) -> bool:
        """Whether any of it runs."""
        return self.going in (Going.THERE, Going.CHANGING, Going.ARRIVING)

    def has(self, share: int) -> bool:
        """Tell whether what arrives at *share* of an installation is there (still)."""
        match self.going:
            case Going.ABSENT:
                return False
            case Going.ARRIVING:
                return self.share >= share
            case Going.LEAVING:
                return False
            case Going.THERE | Going.CHANGING:
                return True

    def at(self, share: int) -> dt.datetime:
        """Return the moment at which the stage got to *share*."""
        if self.until is None and self.share >= WHOLE:
            return self.since
        lasts = dt.timedelta(seconds=_USUAL_S) if self.until is None else self.until - self.since
        return self.since + lasts * share / WHOLE

    def version_at(self, moment: dt.datetime) -> str | None:
        """Return the version that was at work at a moment."""
        found = None
        for since, version in self.ran:
            if since <= moment:
                found = version
        return found


def of(lives: Sequence[Life], *, epoch: dt.datetime, now: dt.datetime, seed: int) -> Stage:
    """Return how far an extension has got at *now*."""
    stage = Stage(since=epoch - _BEFORE)
    for instance, found in lives:
        stage = _after(_ended(stage), instance, found, epoch=epoch, now=now, seed=seed)
    return stage


def are_over(lives: Sequence[Life], *, now: dt.datetime) -> bool:
    """Tell whether all that was asked of an extension has been over for long, linger as it may."""
    operations = [instance.operation for instance, _ in lives if instance.operation is not None]
    longest = dt.timedelta(seconds=_LINGERS_S[1])
    return all(one.ends_at is not None and one.ends_at + longest < now for one in operations)


def _ended(stage: Stage) -> Stage:
    """Return a stage whose end is overtaken by the next write."""
    match stage.going:
        case Going.CHANGING | Going.ARRIVING:
            return dataclasses.replace(stage, going=Going.THERE, share=WHOLE, until=None)
        case Going.LEAVING:
            return dataclasses.replace(stage, going=Going.ABSENT, share=WHOLE, version=None)
        case Going.ABSENT | Going.THERE:
            return stage


def _after(
    stage: Stage,
    instance: Instance,
    found: Extension | None,
    *,
    epoch: dt.datetime,
    now: dt.datetime,
    seed: int,
) -> Stage:
    operation = instance.operation
    if operation is None:
        # NB: a forced delete is Azure's alone: nobody tells the cluster.
        if instance.settled is None:
            return stage
        begun = _there(stage, instance.settled, epoch - _BEFORE, revision=1)
        return _upgraded(begun, instance.settled, found)
    if instance.settled is None or operation.verb is Verb.DELETE:
        return _leaving(stage, instance, now=now, seed=seed)
    aim = instance.meanwhile or instance.settled
    if aim.version is None and aim.current_version is None:
        return stage
    has_failed = instance.settled.provisioning_state is ProvisioningState.FAILED
    begun = stage if stage.version else dataclasses.replace(stage, first=aim)
    is_at_work = aim.provisioning_state is not ProvisioningState.CREATING
    if stage.version is None and operation.verb is Verb.PATCH and is_at_work:
        # Somebody was at work on it when the world began.
        begun = _there(stage, aim, epoch - _BEFORE, revision=1)
    if not operation.has_ended(now):
        stuck = has_failed or operation.ends_at is None
        return _going(begun, aim, operation.at, operation.ends_at, now=now, is_stuck=stuck)
    if has_failed:
        # Source: a release that does not come up is taken back as a whole.
        return _taken_back(begun, stage, operation.at, operation.ends_at or now)
    return _settled(begun, found or instance.settled, instance, now=now)


def _settled(begun: Stage, found: Extension, instance: Instance, *, now: dt.datetime) -> Stage:
    operation = instance.operation
    ended_at = (operation and operation.ends_at) or now
    settled = instance.settled or found
    began_at = operation.at if operation else ended_at
    stage = _there(begun, settled, ended_at, revision=begun.revision + 1, began_at=began_at)
    return _upgraded(stage, settled, found)


def _upgraded(stage: Stage, settled: Extension, found: Extension | None) -> Stage:
    """Return a stage after the service's own upgrade, where there was one."""
    if found is None or found.current_version == settled.current_version or not found.modified_at:
        return stage
    upgraded_at = dt.datetime.fromisoformat(found.modified_at)
    return _there(stage, found, upgraded_at, revision=stage.revision + 1)


def _there(
    stage: Stage,
    found: Extension,
    at: dt.datetime,
    *,
    revision: int,
    began_at: dt.datetime | None = None,
) -> Stage:
    version = found.installed_version
    is_new = stage.version is None
    began_at = began_at or at
    return dataclasses.replace(
        stage,
        going=Going.THERE,
        share=WHOLE,
        since=at,
        until=None,
        previous=stage.previous if stage.version == version else stage.version,
        version=version,
        settings=found.settings,
        first=found if is_new else stage.first,
        born_at=began_at if is_new else stage.born_at,
        revision=revision,
        highest=_higher(stage.highest, version),
        appeared_at=stage.appeared_at or began_at,
        ran=_ran(stage, began_at + (at - began_at) * BEGUN / WHOLE, version),
        **_named(found),
    )


def _ran(
    stage: Stage, at: dt.datetime, version: str | None
) -> tuple[tuple[dt.datetime, str | None], ...]:
    is_same = bool(stage.ran) and stage.ran[-1][1] == version
    return stage.ran if is_same else (*stage.ran, (at, version))


def _going(
    stage: Stage,
    aim: Extension,
    at: dt.datetime,
    ends_at: dt.datetime | None,
    *,
    now: dt.datetime,
    is_stuck: bool,
) -> Stage:
    lasts = dt.timedelta(seconds=_USUAL_S) if ends_at is None else max(ends_at - at, _SECOND)
    share = min(int((now - at) / lasts * WHOLE), _STUCK if is_stuck else WHOLE - 1)
    is_new = stage.version is None
    return dataclasses.replace(
        stage,
        going=Going.ARRIVING if is_new else Going.CHANGING,
        share=share,
        since=at,
        until=ends_at,
        previous=stage.version or stage.previous,
        version=aim.installed_version,
        settings=aim.settings,
        first=aim if is_new else stage.first,
        born_at=at if is_new else stage.born_at,
        revision=stage.revision + 1,
        highest=_higher(stage.highest, aim.installed_version),
        appeared_at=stage.appeared_at or at,
        **_named(aim),
    )


_SECOND = dt.timedelta(seconds=1)


def _taken_back(begun: Stage, before: Stage, at: dt.datetime, ended_at: dt.datetime) -> Stage:
    if before.version is not None:
        return dataclasses.replace(before, since=ended_at, revision=before.revision + 2)
    return dataclasses.replace(
        before,
        going=Going.ABSENT,
        since=ended_at,
        appeared_at=before.appeared_at or at,
        previous=before.previous or (begun.first.installed_version if begun.first else None),
        highest=before.highest or (begun.first.installed_version if begun.first else None),
        **({} if begun.first is None else _named(begun.first)),
    )


def _leaving(stage: Stage, instance: Instance, *, now: dt.datetime, seed: int) -> Stage:
    operation = instance.operation
    if operation is None or stage.version is None:
        return stage
    if operation.ends_at is None or (operation.has_ended(now) and operation.error is not None):
        return stage
    lot = ("lingers", operation.cluster_id.lower(), operation.name.lower(), operation.id)
    lingers = dt.timedelta(seconds=draws.between(*_LINGERS_S, seed, *lot))
    gone_at = operation.ends_at + (lingers if operation.error is None else dt.timedelta(0))
    if operation.error is not None:
        return stage
    ran = (*stage.ran, (operation.at + (gone_at - operation.at) * 3 / 10, None))
    if gone_at <= now:
        return dataclasses.replace(
            stage,
            going=Going.ABSENT,
            since=gone_at,
            version=None,
            previous=stage.version,
            revision=0,
            ran=ran,
        )
    share = int((now - operation.at) / (gone_at - operation.at) * WHOLE)
    return dataclasses.replace(
        stage, going=Going.LEAVING, share=share, since=operation.at, until=gone_at, ran=ran
    )


def _named(found: Extension) -> dict[str, Any]:
    return {
        "name": found.name,
        "extension_type": found.extension_type,
        "namespace": found.namespace or "default",
    }


def _higher(one: str | None, other: str | None) -> str | None:
    # NB: versions only grow here, but for writes that a person would have to insist on.
    return other or one
