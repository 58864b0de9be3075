from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from fleet.model.gates import ProbeKind
from fleet.sim import opening
from fleet.sim.metricsfile import MetricPart, MetricsPart, TurnPart
from fleet.sim.recipe import Metric, Turn
from fleet.spec.problems import SpecError

PAGE = Path(__file__).parents[2] / "docs" / "simulator.md"
WORLD = "apiVersion: fleet/v1\nkind: World\n"


def span(seconds: int) -> dt.timedelta:
    return dt.timedelta(seconds=seconds)


def test_the_page_s_example_is_a_part_of_a_world_file(tmp_path: Path) -> None:
    _, example, *_ = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    path = tmp_path / "world.yaml"
    path.write_text(WORLD + example)

    assert opening.read_recipe(path).metrics == (
        Metric(
            kind=ProbeKind.PROMETHEUS,
            contains="osm_request",
            turns=(
                Turn(values=("0.999",)),
                Turn(after=span(1200), values=("0.91", "NaN")),
                Turn(after=span(1800)),
                Turn(after=span(2400), error="query timed out", takes=span(40)),
            ),
        ),
        Metric(kind=ProbeKind.LOG_ANALYTICS, turns=(Turn(values=("3",)),)),
    )


def test_the_page_tells_every_key() -> None:
    section = PAGE.read_text().partition("## What is measured")[2].partition("\n## ")[0]
    told = set(re.findall(r"`([a-zA-Z]+)`", section))
    keys = {
        field.alias or name
        for model in (MetricsPart, MetricPart, TurnPart)
        for name, field in model.model_fields.items()
    }

    assert keys <= told


@pytest.mark.parametrize(
    ("written", "line", "says"),
    [
        ("metrics: {prometheus: [{values: []}]}", 3, "may not be empty"),
        ("metrics: {prometheus: [{values: [{value: no}]}]}", 3, "a number is needed"),
        ("metrics: {prometheus: [{values: [{value: true}]}]}", 3, ""),
        (
            "metrics: {prometheus: [{values: [{value: 1, error: x}]}]}",
            3,
            "give one of value, values and error",
        ),
        (
            "metrics:\n  http:\n    - values: [{afterSeconds: 5}, {afterSeconds: 5}]",
            5,
            "afterSeconds must grow from each to the next",
        ),
        ("metrics: {promtheus: []}", 3, "unknown key"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(
    tmp_path: Path, written: str, line: int, says: str
) -> None:
    path = tmp_path / "world.yaml"
    path.write_text(f"{WORLD}{written}\n")

    with pytest.raises(SpecError) as caught:
        opening.read_recipe(path)

    problem = caught.value.problems[0]
    assert problem.line == line
    assert says in problem.message


@pytest.mark.parametrize("value", [None, [1], {"a": 1}, "9" * 41, "Inf 1"])
def test_what_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises(ValidationError):
        TurnPart.model_validate({"values": [value]})
