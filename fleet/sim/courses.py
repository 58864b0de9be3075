"""How an operation will go: what it ends in, and what a GET shows until then and afterwards.

Values and arithmetic on them; which course a write takes is drawn in :mod:`fleet.sim.world`.
"""

from __future__ import annotations

import dataclasses
import datetime as dt

from fleet.errors import InvariantError
from fleet.model import codec
from fleet.model.cluster import Extension, ProvisioningState
from fleet.model.plan import Verb
from fleet.sim import extension
from fleet.sim.calls import Call
from fleet.sim.extension import Outlook
from fleet.sim.operations import Relapse


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
