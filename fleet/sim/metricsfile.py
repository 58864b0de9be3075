"""``metrics:`` of a world file: what probes are answered there, over the world's time."""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from fleet.model.gates import ProbeKind
from fleet.sim.recipe import Metric, Turn
from fleet.spec import explanation
from fleet.spec.explanation import FileModel

_LONGEST = 40


def _number(value: object) -> object:
    """Return a number as decimal text."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return value
    text = str(value)
    try:
        number = Decimal(text)
    except decimal.InvalidOperation:
        number = None
    if number is None or len(text) > _LONGEST:
        message = "a number is needed, or NaN, Infinity or -Infinity"
        raise explanation.refusal(message)
    return str(number)


def _in_order(turns: list[TurnPart]) -> list[TurnPart]:
    moments = [one.after_seconds for one in turns]
    if moments != sorted(set(moments)):
        message = "afterSeconds must grow from each to the next"
        raise explanation.refusal(message)
    return turns


Number = Annotated[str, BeforeValidator(_number)]


class TurnPart(FileModel):
    """One of a metric's ``values:``; without ``value``, ``values`` and ``error`` there is no data.

    It holds until the next one begins.
    """

    after_seconds: Annotated[int, Field(ge=0)] = 0
    """In the world's time, since the first write; before that, none has passed."""
    value: Number | None = None
    values: list[Number] | None = None
    """Of several series or rows."""
    error: Annotated[str, Field(min_length=1)] | None = None
    """What the answerer says instead."""
    takes_seconds: Annotated[int, Field(ge=0)] = 0
    """In the world's time: how late the answer comes."""

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        said = [one for one in (self.value, self.values, self.error) if one is not None]
        if len(said) > 1:
            message = "give one of value, values and error"
            raise explanation.refusal(message)
        return self

    def turn(self) -> Turn:
        """Return it as the recipe has it."""
        single = () if self.value is None else (self.value,)
        return Turn(
            after=dt.timedelta(seconds=self.after_seconds),
            values=tuple(self.values or single),
            error=self.error or "",
            takes=dt.timedelta(seconds=self.takes_seconds),
        )


class MetricPart(FileModel):
    """One answer of a provider's."""

    contains: str = ""
    """What the query holds (of HTTP the address, of a command its words); left out: any."""
    values: Annotated[list[TurnPart], Field(min_length=1), AfterValidator(_in_order)]


class MetricsPart(FileModel):
    """``metrics:``, by the provider that is asked; of those that fit, the first answers."""

    prometheus: list[MetricPart] = Field(default_factory=list)
    log_analytics: list[MetricPart] = Field(default_factory=list)
    http: list[MetricPart] = Field(default_factory=list)
    """With the next two: met without HTTP only (``fleet run --world``)."""
    command: list[MetricPart] = Field(default_factory=list)
    resource_graph: list[MetricPart] = Field(default_factory=list)

    def metrics(self) -> tuple[Metric, ...]:
        """Return them as the recipe has them."""
        return tuple(self._metrics())

    def _metrics(self) -> Iterator[Metric]:
        parts = {
            ProbeKind.PROMETHEUS: self.prometheus,
            ProbeKind.LOG_ANALYTICS: self.log_analytics,
            ProbeKind.HTTP: self.http,
            ProbeKind.COMMAND: self.command,
            ProbeKind.RESOURCE_GRAPH: self.resource_graph,
        }
        for kind, metrics in parts.items():
            for one in metrics:
                turns = tuple(each.turn() for each in one.values)
                yield Metric(kind=kind, contains=one.contains, turns=turns)
