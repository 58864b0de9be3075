"""What the simulated Azure says for Prometheus and for Log Analytics, to the letter."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import pytest

from fleet.model.gates import ProbeKind
from fleet.sim.faultfile import FaultFile
from fleet.sim.recipe import Metric, Turn
from tests.rig.serving import CALM, Caller, staged

PROMETHEUS = "/api/v1/query"
LOGS = "/v1/workspaces/00000000-0000-0000-0000-00000000000a/query"
VALUES = ("0.999", "17", "NaN", "Infinity", "-Infinity")
RECIPE = dataclasses.replace(
    CALM,
    metrics=(
        Metric(kind=ProbeKind.PROMETHEUS, contains="rate(", turns=(Turn(values=VALUES),)),
        Metric(kind=ProbeKind.PROMETHEUS, contains="bad", turns=(Turn(error="too much"),)),
        Metric(kind=ProbeKind.PROMETHEUS, contains="late", turns=(Turn(after=dt.timedelta(1)),)),
        Metric(kind=ProbeKind.LOG_ANALYTICS, contains="Rate", turns=(Turn(values=VALUES),)),
        Metric(kind=ProbeKind.LOG_ANALYTICS, contains="Bad", turns=(Turn(error="No table."),)),
    ),
)


async def posted(caller: Caller, query: str) -> Any:
    return await caller.send("POST", LOGS, body={"query": query})


async def test_prometheus_answers_anybody_by_get_and_by_post() -> None:
    async with staged(RECIPE) as stage:
        got = await stage.stranger.get(PROMETHEUS, query="sum(rate(x[1m]))")
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        sent = await stage.stranger.send(
            "POST", PROMETHEUS, body=b"query=sum(rate(x%5B1m%5D))", headers=form
        )

    stamp = CALM.epoch.timestamp()
    spelled = ("0.999", "17", "NaN", "+Inf", "-Inf")
    expected = {
        "status": "success",
        "data": {
            "resultType": "vector",
            "result": [
                {"metric": {"series": str(number)}, "value": [stamp, value]}
                for number, value in enumerate(spelled)
            ],
        },
    }
    assert got.json == sent.json == expected
    assert (got.status, sent.status) == (200, 200)


@pytest.mark.parametrize("query", ["up", "late"])
async def test_what_no_script_knows_has_no_data(query: str) -> None:
    async with staged(RECIPE) as stage:
        metrics = await stage.stranger.get(PROMETHEUS, query=query)
        logs = await posted(stage.caller, query)

    assert metrics.json["data"] == {"resultType": "vector", "result": []}
    assert logs.json["tables"][0]["rows"] == []


async def test_errors_are_worded_as_each_of_them_does() -> None:
    async with staged(RECIPE) as stage:
        none = await stage.stranger.get(PROMETHEUS)
        bad = await stage.stranger.get(PROMETHEUS, query="bad")
        logs = [await posted(stage.caller, query) for query in ("Bad", "")]

    assert (none.status, none.json["errorType"]) == (400, "bad_data")
    assert (bad.status, bad.json) == (
        422,
        {"status": "error", "errorType": "execution", "error": "too much"},
    )
    assert [one.status for one in logs] == [400, 400]
    assert logs[0].json["error"]["innererror"] == {"code": "SemanticError", "message": "No table."}


async def test_logs_are_a_table_of_one_column() -> None:
    async with staged(RECIPE) as stage:
        sent = await posted(stage.caller, "Rate | summarize x")
        got = await stage.caller.get(LOGS, query="Rate")

    expected = {
        "tables": [
            {
                "name": "PrimaryResult",
                "columns": [{"name": "value", "type": "real"}],
                "rows": [[0.999], [17], ["NaN"], ["Infinity"], ["-Infinity"]],
            }
        ]
    }
    assert sent.json == got.json == expected


async def test_logs_want_a_token_and_prometheus_a_good_one_or_none() -> None:
    async with staged(RECIPE) as stage:
        forger = dataclasses.replace(stage.stranger, token="eyJmb3JnZWQifQ.x.y")  # noqa: S106
        answers = [
            await posted(stage.stranger, "Rate"),
            await posted(forger, "Rate"),
            await forger.get(PROMETHEUS, query="up"),
            await stage.caller.get(PROMETHEUS, query="up"),
        ]

    assert [one.status for one in answers] == [401, 401, 401, 200]


async def test_a_fault_of_metrics_is_met_there_and_nowhere_else() -> None:
    rule = {"fault": "unavailable", "on": ["metrics"]}
    written = {"apiVersion": "fleet/v1", "kind": "Faults", "rules": [rule]}
    script = FaultFile.model_validate(written).script()
    async with staged(dataclasses.replace(RECIPE, script=script)) as stage:
        answers = [
            await stage.stranger.get(PROMETHEUS, query="up"),
            await posted(stage.caller, "Rate"),
        ]

    assert [one.status for one in answers] == [503, 200]
