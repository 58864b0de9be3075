"""How an operation will go: what it ends in, and what a GET shows until then and afterwards.

Which course a write takes is drawn from its lot, unless the script has one for it.
"""

from __future__ import annotations

import dataclasses
import datetime as dt

from fleet.core import draws
from fleet.errors import InvariantError
from fleet.model import codec
from fleet.model.cluster import Extension, ProvisioningState
from fleet.model.plan import Verb
from fleet.sim import extension, faults, messages
from fleet.sim.calls import Call
from fleet.sim.extension import Outlook
from fleet.sim.faults import Fate
from fleet.sim.landscape import Landscape
from fleet.sim.operations import Relapse
from fleet.sim.recipe import Span
from fleet.sim.repertoire import Fault
from fleet.sim.script import Rule
from fleet.sim.writes import Write

# Source: documented: an operation whose agents stay silent is given up after 48 hours.
PATIENCE = dt.timedelta(hours=48)
_REFUSAL_S = Span(low=20, high=40)
"""How long the service takes to find that a version does not exist."""
_LATE = dt.timedelta(seconds=30)
_RELAPSES_AFTER = dt.timedelta(minutes=10)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How an operation will go."""

    ends_at: dt.datetime | None
    settled: Extension | None
    error: str | None = None
    """What the operation says; what the extension says is in :attr:`settled`."""
    delay: dt.timedelta = dt.timedelta(0)
    """From the end until a GET shows it."""
    relapses_after: dt.timedelta | None = None
    """From then until the extension fails by itself; ``None``: it does not."""
    relapse_error: str = ""

    @property
    def shown_at(self) -> dt.datetime | None:
        """When a GET shows the end; ``None``: never."""
        return None if self.ends_at is None else self.ends_at + self.delay

    @property
    def relapse(self) -> Relapse | None:
        """What becomes of the extension after that."""
        if self.relapses_after is None or self.shown_at is None or self.settled is None:
            return None
        failed = extension.failed(self.settled, self.relapse_error)
        return Relapse(at=self.shown_at + self.relapses_after, extension=failed)


def failing(meanwhile: Extension, error: str, ends_at: dt.datetime) -> Course:
    """Return a failure that both the operation and the extension tell of."""
    return Course(ends_at=ends_at, settled=extension.failed(meanwhile, error), error=error)


def reverted(found: Extension | None, ends_at: dt.datetime) -> Course:
    """Return a success after which somebody else has put back what was *found*."""
    if found is not None:
        found = dataclasses.replace(
            found,
            provisioning_state=ProvisioningState.SUCCEEDED,
            modified_at=codec.utc_text(ends_at),
            error=None,
        )
    return Course(ends_at=ends_at, settled=found)


def meanwhile(call: Call, found: Extension | None, aim: Outlook) -> Extension:
    """Return the extension as a GET shows it while the operation runs."""
    shown = aim.extension or found
    if shown is None:
        message = "an operation needs something to work on"
        raise InvariantError(message)
    state = ProvisioningState.UPDATING if found else ProvisioningState.CREATING
    return dataclasses.replace(
        shown,
        provisioning_state=ProvisioningState.DELETING if call.verb is Verb.DELETE else state,
        modified_at=codec.utc_text(call.at),
        error=None,
    )


def drawn(
    write: Write,
    meanwhile: Extension,
    aim: Outlook,
    *,
    found: Extension | None,
    landscape: Landscape,
    seed: int,
) -> Course:
    """Return the course that *write* takes.

    Args:
        write: That the service took.
        meanwhile: What a GET shows until the end.
        aim: What the extension is to become.
        found: What was there before.
        landscape: Where it happens; agents may be lost there.
        seed: Of every draw.
    """
    at = write.call.at
    if aim.problem is not None:
        wait_s = _REFUSAL_S.drawn(seed, "refusal", *write.lot)
        return failing(meanwhile, aim.problem, at + dt.timedelta(seconds=wait_s))
    begins_at = landscape.reached_at(write.number, at)
    if begins_at is None or begins_at > at + PATIENCE:
        return failing(meanwhile, messages.AGENT_SILENT, at + PATIENCE)
    lasts = dt.timedelta(seconds=write.operation_s.drawn(seed, "lasts", *write.lot))
    ends_at = begins_at + lasts
    match faults.scripted_fate(write.rule) or faults.fate(write.faults, seed, *write.lot):
        case Fate.SUCCEEDS:
            return _succeeding(write, aim, ends_at, seed=seed)
        case Fate.REVERTED:
            return reverted(found, ends_at)
        case Fate.FAILS:
            return failing(meanwhile, _text(write, seed), ends_at)
        case Fate.FAILS_SILENTLY:
            settled = extension.failed(meanwhile, _text(write, seed))
            return Course(ends_at=ends_at, settled=settled)
        case Fate.STUCK:
            return Course(ends_at=None, settled=meanwhile)
        case Fate.AGENT_LOST:
            away = write.rule.duration if write.rule else None
            lost_at = begins_at + lasts / 2
            landscape.lose(write.number, lost_at, until=None if away is None else lost_at + away)
            return _interrupted(write, meanwhile, aim, ends_at=ends_at, away=away)


def _interrupted(
    write: Write,
    meanwhile: Extension,
    aim: Outlook,
    *,
    ends_at: dt.datetime,
    away: dt.timedelta | None,
) -> Course:
    if away is None:
        return failing(meanwhile, messages.AGENT_SILENT, write.call.at + PATIENCE)
    return Course(ends_at=ends_at + away, settled=aim.extension)


def _succeeding(write: Write, aim: Outlook, ends_at: dt.datetime, *, seed: int) -> Course:
    return Course(
        ends_at=ends_at,
        settled=aim.extension,
        delay=_delay(write, seed),
        relapses_after=_relapses_after(write.rule),
        relapse_error=_text(write, seed),
    )


def _text(write: Write, seed: int) -> str:
    """Return what is said of a failure."""
    said = write.rule.message if write.rule else None
    return said or draws.pick(messages.FAILURES, seed, "failure", *write.lot)


def _delay(write: Write, seed: int) -> dt.timedelta:
    if write.rule is not None and write.rule.fault is Fault.LATE_READ:
        return write.rule.duration or _LATE
    rules = write.faults
    if not draws.chance(rules.late_read_ppm, seed, "late", *write.lot):
        return dt.timedelta(0)
    return dt.timedelta(seconds=rules.late_read_s.drawn(seed, "delay", *write.lot))


def _relapses_after(rule: Rule | None) -> dt.timedelta | None:
    if rule is None or rule.fault is not Fault.RELAPSE:
        return None
    return _RELAPSES_AFTER if rule.duration is None else rule.duration
