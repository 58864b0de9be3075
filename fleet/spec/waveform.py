"""What a plan file may say of a selector and of a wave.

What must hold between keys is in :mod:`fleet.spec.waverules`.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Discriminator, Field, StrictBool, Tag

from fleet.spec import flaws
from fleet.spec.amounts import Concurrency, Factor, Failures, Share, Sizes, list_or_one
from fleet.spec.explanation import FileModel, refusal
from fleet.spec.gateform import ApprovalFile, Observations
from fleet.spec.moments import Moment
from fleet.spec.values import Deadline, Distribution, Duration, Location, Name, Text

_SOME = Field(min_length=1)


def _substitute(value: Any) -> Any:
    if isinstance(value, str | int | dict) and not isinstance(value, bool):
        message = f"expected true, false or a list of clusters, found {flaws.kind_of(value)}"
        raise refusal(message, "true: the next in order stand in")
    return value


Substitute = Annotated[
    Annotated[StrictBool, Tag("<one>")] | Annotated[Annotated[list[Text], _SOME], Tag("<list>")],
    Discriminator(list_or_one),
    BeforeValidator(_substitute),
]


class MatchFile(FileModel):
    """A selector: every key that is given must hold; each is a list of alternatives."""

    tags: Annotated[dict[Text, Annotated[list[str], _SOME]], _SOME] | None = None
    """Azure tags of the cluster: for each name, the values that are meant."""
    locations: Annotated[list[Location], _SOME] | None = None
    """Azure regions, such as westeurope."""
    distributions: Annotated[list[Distribution], _SOME] | None = None
    """Kubernetes distributions as Arc names them, such as openshift or rancher_rke."""
    names: Annotated[list[Text], _SOME] | None = None
    """Patterns over the cluster's name; * stands for any text, ? for one character."""


class RampUpFile(FileModel):
    """How the waves grow. Percentages are of what the whole wave takes."""

    start: Annotated[Share, Field(alias="from", title="from")] = 1
    """The size of the first."""
    factor: Factor = 2
    """By how much each is larger than the one before; 1: all are alike."""
    most: Annotated[Share | None, Field(alias="max", title="max")] = None
    """No wave is larger than this."""


class WaveFile(FileModel):
    """One wave, or several: it has exactly one of size, match and targets."""

    name: Name
    """What it is called in plans, logs and commands."""
    size: Sizes | None = None
    """How many: a number, a percentage of all that need a change, or rest. A list: waves."""
    match: MatchFile | None = None
    """Those among the targets that this selects."""
    targets: Annotated[list[Text], _SOME] | None = None
    """Cluster names or ids, in the order in which they are changed."""
    ramp_up: RampUpFile | None = None
    """Cuts the wave into several that grow, such as 1, 2, 4, until nobody is left."""
    required: bool = False
    """Whether clusters that match or targets name must be there: without any, no plan is made."""
    substitute: Substitute | None = None
    """Who stands in for canaries that need no change: true: the next in order. Or a list."""
    max_concurrency: Concurrency | None = None
    """How many of this wave may be in flight at once: a number, or a percentage of the wave."""
    max_failures: Failures | None = None
    """How many of this wave may fail; one more stops the run."""
    soak_time: Duration | None = None
    """How long to wait after the wave's last success before the next wave opens."""
    timeout: Deadline | None = None
    """From the wave's opening to the end of its last target."""
    not_before: Moment | None = None
    """It does not open earlier: a time with its offset, or a Z."""
    calendars: Annotated[list[Name], _SOME] | None = None
    """Calendars of the file that bind this wave; each has level: wave."""
    min_success_time: Duration | None = None
    """How long a target must stay well after its proof; it keeps its slot meanwhile."""
    min_observations: Observations | None = None
    """How often all must have been found well before the soak ends, or a target's time."""
    observe_every: Deadline | None = None
    """Between two looks at all during the soak: a tenth of it where nothing is said, 1m to 10m."""
    before_gates: list[Name] | None = None
    """Gates that must pass before it opens, in place of those of the file; [] for none."""
    soak_gates: list[Name] | None = None
    """Gates that are measured while it soaks, in place of those of the file; [] for none."""
    after_gates: list[Name] | None = None
    """Gates that must pass once its targets have ended, in place of those of the file."""
    approvals: list[ApprovalFile] | None = None
    """Who must have agreed before it opens, or closes, in place of those of the file."""
