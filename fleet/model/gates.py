"""Gates: what is measured before, during and after a wave, and what follows from it.

Values only: how measurements add up to a verdict is in :mod:`fleet.core.gates`, how a condition
reads in :mod:`fleet.core.conditions`.

Source:  names and defaults of the algebra are those of Argo Rollouts' analysis.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
from collections.abc import Mapping

from fleet.model.cluster import nothing
from fleet.model.codec import SPARSE


class Verdict(enum.StrEnum):
    """What a measurement, or a gate as a whole, came to."""

    PASS = "Pass"  # noqa: S105 - a verdict
    FAIL = "Fail"
    INCONCLUSIVE = "Inconclusive"
    NO_DATA = "NoData"
    """There was an answer, and nothing in it."""
    ERROR = "Error"
    """Nothing could be measured."""


class OnVerdict(enum.StrEnum):
    """What a gate that does not pass leads to."""

    STOP = "stop"
    PAUSE = "pause"
    ROLLBACK = "rollback"
    CONTINUE = "continue"


class Moment(enum.StrEnum):
    """When in a wave's life a gate is measured, or an approval needed."""

    BEFORE = "before"
    SOAK = "soak"
    AFTER = "after"


class ProbeKind(enum.StrEnum):
    """Who is asked."""

    PROMETHEUS = "prometheus"
    LOG_ANALYTICS = "logAnalytics"
    HTTP = "http"
    COMMAND = "command"
    RESOURCE_GRAPH = "resourceGraph"
    EXTENSION = "extension"
    """The extension's own state over the wave: the value is the share that is as planned."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A question with a number for an answer. No secret is in it, only where one comes from."""

    kind: ProbeKind
    url: str = dataclasses.field(default="", metadata=SPARSE)
    """Of a Prometheus server, or the whole address of an HTTP probe."""
    query: str = dataclasses.field(default="", metadata=SPARSE)
    """PromQL or KQL; ``${clusters}``, ``${wave}`` and ``${window}`` are filled in."""
    workspace: str = dataclasses.field(default="", metadata=SPARSE)
    """Of Log Analytics: its customer id."""
    pointer: str = dataclasses.field(default="", metadata=SPARSE)
    """Of an HTTP or command probe: a JSON Pointer to the value; empty: the whole answer."""
    argv: tuple[str, ...] = dataclasses.field(default=(), metadata=SPARSE)
    headers: Mapping[str, str] = dataclasses.field(default_factory=nothing)
    """``{header: environment variable that holds its value}``."""
    is_azure: bool = dataclasses.field(default=False, metadata=SPARSE)
    """Whether the answerer wants a token of Azure: managed Prometheus, for one."""
    timeout: dt.timedelta = dt.timedelta(seconds=30)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A probe, how often it is asked, and what must be true of its answers."""

    name: str
    probe: Probe
    success: str = dataclasses.field(default="", metadata=SPARSE)
    """A condition over ``value``, ``baseline`` and so on; with neither this nor
    :attr:`failure` any answer passes."""
    failure: str = dataclasses.field(default="", metadata=SPARSE)
    interval: dt.timedelta | None = None
    """Between measurements; ``None``: one is made."""
    count: int | None = None
    """How many; ``None``: one without an interval, else as long as it is asked."""
    initial_delay: dt.timedelta = dt.timedelta(0)
    failure_limit: int = 0
    """More failed measurements than this fail the gate; -1: no number does."""
    inconclusive_limit: int = 0
    consecutive_error_limit: int = 4
    consecutive_success_limit: int = 0
    """So many passed in a row pass the gate at once; 0: off."""
    is_dry_run: bool = dataclasses.field(default=False, metadata=SPARSE)
    """Whether it is only measured and told: whatever it comes to, the run goes on."""
    on_fail: OnVerdict = OnVerdict.STOP
    on_inconclusive: OnVerdict = OnVerdict.PAUSE
    on_no_data: OnVerdict = OnVerdict.PAUSE
    on_error: OnVerdict = OnVerdict.PAUSE
    baseline: str | None = dataclasses.field(default=None, metadata=SPARSE)
    """What it measured when the plan was made, as a decimal; ``None``: it was not asked, or
    nothing was known: then a condition that names it is inconclusive."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a probe answered."""

    values: tuple[str, ...] = ()
    """Decimals, ``NaN`` and ``Infinity`` among them; empty: there was an answer, and no data."""
    error: str = ""
    """Why there was no answer; empty: there was one."""
    detail: str = ""
    """What a person should know beside the number; bounded, and without secrets."""
