"""The world: what every write makes of the fleet, and what came of all of them.

A world is its recipe and the writes it has heard, in order, with their
moments. Nothing else: reading changes nothing, and hearing the same calls
again gives the same world (:mod:`fleet.sim.ledger` relies on it). It knows no
clock; who speaks to it says when (:mod:`fleet.sim.ports`).

Errors:  reads raise what the service would answer. What a write is answered with, good or bad, is
         a value (:class:`~fleet.sim.writes.Heard`): a replay must not stumble over an old refusal.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from fleet.core import draws
from fleet.errors import DeniedError, RemoteError
from fleet.model.cluster import (
    Cluster,
    ClusterId,
    Extension,
    VersionLimits,
)
from fleet.model.plan import Verb
from fleet.ports import OperationStatus
from fleet.sim import courses, extension, faults, messages, operations, rivals
from fleet.sim.calls import Call, Edit
from fleet.sim.census import kind_of
from fleet.sim.extension import Outlook
from fleet.sim.faults import Answer
from fleet.sim.landscape import Landscape
from fleet.sim.operations import Instance, Operation
from fleet.sim.recipe import Faults, Recipe, Span, Special
from fleet.sim.repertoire import Asked, Fault, Level
from fleet.sim.script import Case, Tally
from fleet.sim.writes import Effect, Heard, Hearing, Write

_CONFLICT_S = Span(low=1, high=3)
_AT_ONCE = dt.timedelta(0)
_NO_FAULTS = Faults()


Life = tuple[Instance, Extension | None]
"""A part of an extension's life, and the extension at its end."""


class World:
    """A simulated fleet with its history."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.last_at = recipe.epoch
        """The moment of the last call; no later call may be earlier."""
        self._begun_at = recipe.epoch
        """The moment of the first call."""
        self._landscape = Landscape(recipe)
        self.tally = Tally(recipe.script, Level.WRITE, seed=recipe.seed)
        """What the script's rules about writes have counted."""
        self._operations: dict[str, Operation] = {}
        self._orders: Counter[tuple[str, str]] = Counter()
        self._marks: dict[tuple[int, str], Mapping[str, str]] = {}
        self._effects: list[Effect] = []
        self._hearings: list[Hearing] = []
        self._edits: dict[str, list[Edit]] = {}
        self.interiors: dict[str, Any] = {}
        """``{cluster's id: its inside}`` of those looked into, for :mod:`fleet.sim.inside`."""
        self.recent: OrderedDict[str, Any] = OrderedDict()
        """Those of them that were looked into last, in order."""

    # --- reading ---------------------------------------------------------------------

    @property
    def effects(self) -> tuple[Effect, ...]:
        """The writes that were taken, in order."""
        return tuple(self._effects)

    @property
    def hearings(self) -> tuple[Hearing, ...]:
        """The writes that reached the service, refused ones too, in order."""
        return tuple(self._hearings)

    def since_begun(self, now: dt.datetime) -> dt.timedelta:
        """Return how long ago the first write was heard; nothing where none was."""
        return max(now - self._begun_at, _AT_ONCE) if self._orders else _AT_ONCE

    @property
    def change_count(self) -> int:
        """How many writes were taken."""
        return len(self._effects)

    def clusters(self, now: dt.datetime, numbers: Iterable[int] | None = None) -> Iterator[Cluster]:
        """Yield the clusters as they are at *now*: every one, or those with these *numbers*."""
        for number in range(len(self._landscape)) if numbers is None else numbers:
            if self._landscape.is_there(number, now):
                yield self._landscape.cluster(number, now)

    def cluster_id(self, number: int, now: dt.datetime) -> ClusterId | None:
        """Return the id of the cluster with a number; ``None`` where it is not there any more."""
        is_there = self._landscape.is_there(number, now)
        return self._landscape.cluster_id(number) if is_there else None

    def cased(self, cluster_id: ClusterId) -> ClusterId:
        """Return a cluster's id as the service spells it; as it came where there is none."""
        return self._landscape.cased(cluster_id)

    def cluster(self, cluster_id: ClusterId, now: dt.datetime) -> Cluster:
        """Return one cluster as it is at *now*."""
        return self._landscape.cluster(self._landscape.number(cluster_id, now), now)

    def extension(self, cluster_id: ClusterId, name: str, now: dt.datetime) -> Extension | None:
        """Return an extension as a GET at *now* shows it; ``None`` where it is not there."""
        return self._landscape.shown(self._landscape.number(cluster_id, now), name, now)

    def operation(self, url: str, now: dt.datetime) -> OperationStatus:
        """Return what a read of an operation shows; status 404 for a URL that is nobody's."""
        found = self._operations.get(operations.operation_id(url) or "")
        # The signature counts too: a URL that was cut short leads nowhere.
        if found is None or found.url != url:
            message = "The operation was not found."
            raise RemoteError(message, status=404)
        return found.status(now)

    def versions(self, extension_type: str) -> Mapping[str, tuple[str, ...]]:
        """Return what each release train offers of a type."""
        kind = kind_of(self.recipe, extension_type)
        return {} if kind is None else dict(kind.versions)

    def version_limits(self, extension_type: str) -> Mapping[str, Mapping[str, VersionLimits]]:
        """Return where versions of a type do not run, for each release train that has such."""
        kind = kind_of(self.recipe, extension_type)
        if kind is None or not kind.unsupported:
            return {}
        limits = {one: VersionLimits(unsupported=told) for one, told in kind.unsupported.items()}
        return {
            train: found
            for train, offered in kind.versions.items()
            if (found := {version: limits[version] for version in offered if version in limits})
        }

    def lives(self, cluster_id: ClusterId, now: dt.datetime) -> Mapping[str, tuple[Life, ...]]:
        """Return ``{name, lower case: its life}`` of all extensions there ever were on a cluster.

        Each part of a life is an instance, with what it was when the next began (or is at *now*).
        """
        number = self._landscape.number(cluster_id, now)
        found: dict[str, tuple[Life, ...]] = {}
        for name, parts in self._landscape.histories(number).items():
            ends = [*(_begun_at(one) for one in parts[1:]), now]
            found[name] = tuple(
                (one, self._landscape.upgraded(number, one, min(end, now)))
                for one, end in zip(parts, ends, strict=True)
                if _begun_at(one) <= now
            )
        return found

    def turn(self, cluster_id: ClusterId) -> int:
        """Return how often writes have changed a cluster."""
        return self._landscape.turn(self._landscape.number(cluster_id, self.recipe.epoch))

    def is_still(self, cluster_id: ClusterId) -> bool:
        """Tell whether time alone changes nothing of a cluster, but for its operations' ends."""
        return self._landscape.is_still(self._landscape.number(cluster_id, self.recipe.epoch))

    def special(self, cluster_id: ClusterId, now: dt.datetime) -> Special | None:
        """Return what the world file says of this very cluster."""
        return self._landscape.special(self._landscape.number(cluster_id, now))

    def protected_marks(self, cluster_id: ClusterId, name: str) -> Mapping[str, str]:
        """Return ``{setting: mark}`` of the protected settings that were last taken."""
        number = self._landscape.number(cluster_id, self.last_at)
        return dict(self._marks.get((number, name.lower()), {}))

    def faults_at(self, cluster_id: ClusterId, now: dt.datetime) -> Faults:
        """Return what goes wrong with a cluster, and how often."""
        if not self.recipe.specials:
            return self.recipe.faults
        special = self._landscape.special(self._landscape.number(cluster_id, now))
        return (special and special.faults) or self.recipe.faults

    def settled_at(self, *, within: dt.timedelta) -> dt.datetime:
        """Return when the last operation that takes no longer than *within* has ended."""
        latest_lag = self.recipe.faults.late_read_s.high
        ends = (
            one.ends_at + dt.timedelta(seconds=latest_lag)
            for one in self._operations.values()
            if one.ends_at is not None and one.ends_at - one.at <= within
        )
        return max(ends, default=self.recipe.epoch)

    # --- hearing ---------------------------------------------------------------------

    def replay(self, calls: Iterable[Call | Edit]) -> None:
        """Hear what was heard before; nobody waits for the answers."""
        for one in calls:
            if isinstance(one, Edit):
                self.take(one)
            else:
                self.hear(one)

    def take(self, edit: Edit) -> None:
        """Take what was changed inside a cluster."""
        self.last_at = max(self.last_at, edit.at)
        self._edits.setdefault(edit.cluster_id.lower(), []).append(edit)

    def edits(self, cluster_id: ClusterId) -> Sequence[Edit]:
        """Return what was changed inside a cluster, in order."""
        return self._edits.get(cluster_id.lower(), ())

    def hear(self, call: Call) -> Heard:
        """Take a write, and answer it."""
        self.last_at = max(self.last_at, call.at)
        if not self._orders:
            self._begun_at = call.at
        try:
            write = self._met(self._write(call))
            answer = faults.scripted_answer(write.rule) or faults.answer(
                write.faults, self.recipe.seed, *write.lot
            )
            lost = faults.error_of(answer, write.faults, correlation_id=call.correlation_id)
            if answer is Answer.RESET_BEFORE:
                return Heard(error=lost)
            if lost is not None and answer is not Answer.RESET_AFTER:
                return self._noted(call, Heard(error=lost))
            heard = self._taken(write, has_rival=answer is Answer.LATE_CONFLICT)
        except RemoteError as refusal:
            refusal.correlation_id = call.correlation_id
            return self._noted(call, Heard(error=refusal))
        self._noted(call, heard)
        return heard if lost is None else Heard(error=lost)

    def _noted(self, call: Call, heard: Heard) -> Heard:
        self._hearings.append(Hearing(call=call, heard=heard))
        return heard

    def _write(self, call: Call) -> Write:
        number = self._landscape.number(call.cluster_id, call.at)
        special = self._landscape.special(number)
        key = call.cluster_id.lower(), call.name.lower()
        self._orders[key] += 1
        return Write(
            call=call,
            number=number,
            faults=(special and special.faults) or self.recipe.faults,
            operation_s=(special and special.operation_s) or self.recipe.operation_s,
            order=self._orders[key],
        )

    def _met(self, write: Write) -> Write:
        """Return *write* with what the script has for it; a rival is heard before it."""
        call = write.call
        rule = self.tally.met(
            Case(
                asked=Asked.EXTENSION,
                method=call.verb.value.upper(),
                at=call.at - self._begun_at,
                lot=write.lot,
                cluster=call.cluster_id.rpartition("/")[2],
                subscription=call.cluster_id.split("/")[2],
                name=call.name,
            )
        )
        if rule is not None and rule.fault is Fault.COMPETING_WRITER:
            self._hear_rival(write)
        return dataclasses.replace(write, rule=rule)

    def _hear_rival(self, write: Write) -> None:
        found = self._landscape.underneath(write.number, write.call.name, write.call.at)
        if found is None and write.call.verb is Verb.DELETE:
            return
        call = rivals.call(write.call, found, seed=self.recipe.seed, lot=write.lot)
        theirs = dataclasses.replace(write, call=call, faults=_NO_FAULTS, order=-write.order)
        try:
            self._noted(call, self._taken(theirs, has_rival=False))
        except RemoteError as refusal:
            self._noted(call, Heard(error=refusal))

    def _taken(self, write: Write, *, has_rival: bool) -> Heard:
        call, recipe = write.call, self.recipe
        found = self._landscape.underneath(write.number, call.name, call.at)
        if found is not None and found.is_read_only:
            raise DeniedError(messages.read_only(call.name), status=403)
        kind = kind_of(recipe, found.extension_type if found else call.body.extension_type)
        aim = extension.outlook(call, found, kind=kind, patch_settings=recipe.patch_settings)
        if call.is_forced and found is not None:
            return self._removed(write, found)
        if has_rival or self._landscape.is_busy(write.number, call.name, call.at):
            return self._crossed(write)
        self._effects.append(Effect(call=call, order=write.order, is_change=aim.is_change))
        if not aim.is_change:
            return Heard(extension=found)
        self._keep_marks(write)
        return self._started(write, found, aim)

    def _removed(self, write: Write, found: Extension) -> Heard:
        """Forget an extension at once, whatever goes on with it."""
        # Source: recorded: a forced DELETE answers 200, and the next list does not show it.
        call = write.call
        self._effects.append(Effect(call=call, order=write.order, is_change=True))
        self._landscape.put(write.number, call.name, Instance(settled=None, since=call.at))
        return Heard(extension=found)

    def _crossed(self, write: Write) -> Heard:
        """Accept a write whose operation will find another one in its way."""
        wait_s = _CONFLICT_S.drawn(self.recipe.seed, "conflict", *write.lot)
        ends_at = write.call.at + dt.timedelta(seconds=wait_s)
        operation = self._operation(write, ends_at=ends_at, error=messages.CONFLICT, crossed=True)
        return Heard(operation=operation)

    def _started(self, write: Write, found: Extension | None, aim: Outlook) -> Heard:
        call = write.call
        meanwhile = courses.meanwhile(call, found, aim)
        course = courses.drawn(
            write, meanwhile, aim, found=found, landscape=self._landscape, seed=self.recipe.seed
        )
        operation = self._operation(write, ends_at=course.ends_at, error=course.error)
        instance = Instance(
            settled=course.settled,
            operation=operation,
            meanwhile=meanwhile,
            shown_at=course.shown_at,
            since=course.shown_at or call.at,
            relapse=course.relapse,
        )
        self._landscape.put(write.number, call.name, instance)
        return Heard(
            operation=operation,
            extension=None if call.verb is Verb.DELETE else meanwhile,
        )

    def _operation(
        self,
        write: Write,
        *,
        ends_at: dt.datetime | None,
        error: str | None,
        crossed: bool = False,
    ) -> Operation:
        operation = Operation(
            id=draws.guid(self.recipe.seed, "operation", *write.lot),
            cluster_id=write.call.cluster_id,
            name=write.call.name,
            verb=write.call.verb,
            at=write.call.at,
            ends_at=ends_at,
            error=error,
            is_conflict=crossed,
        )
        self._operations[operation.id] = operation
        return operation

    def _keep_marks(self, write: Write) -> None:
        protected = write.call.body.protected
        if protected is not None or write.call.verb is not Verb.PATCH:
            self._marks[write.number, write.call.name.lower()] = protected or {}


def _begun_at(instance: Instance) -> dt.datetime:
    return instance.since if instance.operation is None else instance.operation.at
