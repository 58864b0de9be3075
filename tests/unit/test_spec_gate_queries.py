"""The KQL of the canned gates, executed on series that were made by hand.

``prev`` is all that the translation does not know: its line is taken out of the query and worked
out by the database, over the same order. Everything else is the text that is sent.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import duckdb_kql
import pytest
from hypothesis import given, settings, strategies as st

from fleet.spec import gates
from tests.rig.fleets import T0

MINUTE = dt.timedelta(minutes=1)
COLUMNS = ("TimeGenerated", "Name", "Namespace", "Val", "Tags", "_ResourceId")
PREV = re.compile(
    r"InsightsMetrics\n(.*?)\| sort by Series asc, TimeGenerated asc\n"
    r"\| extend Before = prev\(Val\), SeriesBefore = prev\(Series\)\n",
    re.DOTALL,
)
BY_PREV = (
    "SELECT *, lag(Val) OVER w AS Before, lag(Series) OVER w AS SeriesBefore FROM ({}) "
    "WINDOW w AS (ORDER BY Series, TimeGenerated)"
)
RATE, LATENCY = "osm-request-success-rate", "osm-request-latency-p90"
BOOKSTORE = "bookstore/bookstore-v1|14001"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A counter of one sidecar, scraped once a minute; the last scrape was a minute ago."""

    values: Sequence[float]
    name: str = "envoy_cluster_upstream_rq_xx"
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    cluster: str = "store-1"
    pod: str = "bookbuyer-1"
    to: str = BOOKSTORE
    began: int | None = None
    """Minutes before now, of the first scrape."""

    def rows(self) -> Iterator[tuple[object, ...]]:
        first = len(self.values) if self.began is None else self.began
        labels = {"pod_name": self.pod, "envoy_cluster_name": self.to, **self.labels}
        path = "/subscriptions/s/resourcegroups/r/providers/microsoft.kubernetes/connectedclusters"
        for n, value in enumerate(self.values):
            at = T0 - (first - n) * MINUTE
            tags = json.dumps(labels, sort_keys=True)
            place = f"{path}/{self.cluster}"
            yield at.replace(tzinfo=None), self.name, "container.azm.ms.osm", value, tags, place


def rq(code_class: str, *values: float, **keys: object) -> Series:
    return Series(values=values, labels={"envoy_response_code_class": code_class}, **keys)  # type: ignore[arg-type]


def bucket(bound: str, *values: float, **keys: object) -> Series:
    name = "envoy_cluster_upstream_rq_time_bucket"
    return Series(values=values, name=name, labels={"le": bound}, **keys)  # type: ignore[arg-type]


class Workspace:
    """A Log Analytics workspace, as far as the gates ask it."""

    def __init__(self) -> None:
        self._database = duckdb_kql.connect()
        self._database.execute("SET threads = 1")

    def close(self) -> None:
        self._database.close()

    def asked(
        self, name: str, series: Iterable[Series], clusters: str = "'store-1', 'STORE-2'"
    ) -> list[float]:
        """Return what a gate's query is answered: the column of the result."""
        text = gates.keys(name, "logAnalytics")["query"].replace("${clusters}", clusters)
        found = PREV.search(text)
        assert found is not None
        self._collect(row for one in series for row in one.rows())
        until = _sql(f"InsightsMetrics\n{found[1]}", ())
        self._run(f"CREATE OR REPLACE TABLE Staged AS {BY_PREV.format(until)}")
        staged = [row[0] for row in self._run("DESCRIBE Staged")]
        rest = _sql(f"{text[: found.start()]}Staged\n{text[found.end() :]}", staged)
        return [row[0] for row in self._run(rest)]

    def _collect(self, rows: Iterable[tuple[object, ...]]) -> None:
        columns = "TimeGenerated TIMESTAMP, Name VARCHAR, Namespace VARCHAR, Val DOUBLE"
        columns += ", Tags VARCHAR, _ResourceId VARCHAR"
        self._run(f"CREATE OR REPLACE TABLE InsightsMetrics ({columns})")
        for row in rows:
            self._database.execute("INSERT INTO InsightsMetrics VALUES (?, ?, ?, ?, ?, ?)", row)

    def _run(self, sql: str) -> list[tuple[Any, ...]]:
        return self._database.execute(sql).fetchall()


@pytest.fixture(scope="module")
def workspace() -> Iterator[Workspace]:
    made = Workspace()
    yield made
    made.close()


def _sql(text: str, staged: Sequence[str]) -> str:
    schema = {"InsightsMetrics": list(COLUMNS), "Staged": list(staged)}
    found = duckdb_kql.to_sql(text, schema=schema, allow_write=False, query_now=T0)
    made = str(found)
    for key, value in dict(found.parameters).items():
        made = made.replace(f"${key}", f"TIMESTAMP '{value:%Y-%m-%d %H:%M:%S}'")
    return made


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        pytest.param([], [], id="nothing is collected"),
        pytest.param([rq("2", 100)], [], id="one scrape says nothing"),
        pytest.param([rq("2", 100, 100, 100), rq("5", 7, 7, 7)], [], id="no requests"),
        pytest.param([rq("2", 100, 200)], [1.0], id="no failures, and no series of them"),
        pytest.param([rq("2", 100, 190), rq("5", 7, 17)], [0.9], id="one in ten"),
        pytest.param([rq("5", 0, 10)], [0.0], id="all of them"),
        pytest.param(
            [rq("2", 100, 140), rq("3", 0, 30), rq("4", 0, 20), rq("5", 0, 10)],
            [0.9],
            id="what the caller did wrong is no failure",
        ),
        pytest.param(
            [rq("2", 900, 990, 5, 35), rq("5", 50, 60, 0, 5)],
            # 90, then 5 and 30 after the restart; of failures 10, then 0 and 5.
            [1 - 15 / 140],
            id="a sidecar that was restarted",
        ),
        pytest.param(
            [rq("2", 1000, 10, pod="a"), rq("2", 0, 90, pod="b"), rq("5", 80, 0, pod="a")],
            [1.0],
            id="each counter for itself",
        ),
        pytest.param(
            [rq("2", 0, 80), rq("5", 0, 20, cluster="Store-2")], [0.8], id="several clusters"
        ),
        pytest.param(
            [rq("2", 0, 80), rq("5", 0, 20, cluster="store-11")], [1.0], id="other clusters"
        ),
        pytest.param(
            [
                rq("2", 0, 80),
                rq("2", 0, 900, to="envoy-metrics-cluster"),
                rq("5", 0, 900, to="osm-controller"),
                rq("5", 0, 20, to="bookstore/bookstore-v1|14001|local"),
            ],
            [0.8],
            id="what the proxy does for itself is left out",
        ),
        pytest.param(
            [rq("5", 0, 50, 100, began=60), rq("2", 0, 10)], [1.0], id="what was long ago is over"
        ),
        pytest.param([bucket("5", 0, 10)], [], id="other metrics"),
    ],
)
def test_the_share_of_requests_that_did_well(
    series: list[Series], expected: list[float], workspace: Workspace
) -> None:
    assert workspace.asked(RATE, series) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        pytest.param([], [], id="nothing is collected"),
        pytest.param([bucket("25", 9, 9), bucket("+Inf", 9, 9)], [], id="no requests"),
        pytest.param(
            [bucket("5", 0, 50), bucket("25", 0, 90), bucket("+Inf", 0, 100)], [25.0], id="just"
        ),
        pytest.param(
            [bucket("5", 0, 50), bucket("25", 0, 89), bucket("100", 0, 99), bucket("+Inf", 0, 100)],
            [100.0],
            id="just not",
        ),
        pytest.param(
            [bucket("25", 0, 10), bucket("+Inf", 0, 100)], [math.inf], id="beyond all bounds"
        ),
        pytest.param(
            [bucket("5", 500, 590, 0), bucket("25", 500, 600, 10), bucket("+Inf", 500, 600, 10)],
            # 90 of 110 within 5 ms: 10 of them after the restart took longer.
            [25.0],
            id="a sidecar that was restarted",
        ),
        pytest.param(
            [
                bucket("5", 0, 95),
                bucket("+Inf", 0, 100),
                bucket("5", 0, 0, pod="b"),
                bucket("+Inf", 0, 10, pod="b"),
            ],
            [math.inf],
            id="all sidecars together",
        ),
    ],
)
def test_how_long_nine_of_ten_requests_take(
    series: list[Series], expected: list[float], workspace: Workspace
) -> None:
    assert workspace.asked(LATENCY, series) == expected


COUNTER = st.lists(st.integers(0, 50), min_size=1, max_size=8)
"""A counter's values: where one is less than that before it, the sidecar began anew."""


def grown(values: Sequence[int]) -> int:
    """Return the growth of a counter, as a person would add it up."""
    total = 0
    for before, value in itertools.pairwise(values):
        total += value if value < before else value - before
    return total


@settings(max_examples=10, deadline=None)
@given(well=st.lists(COUNTER, max_size=3), badly=st.lists(COUNTER, max_size=3))
def test_growth_is_added_up_over_restarts(
    well: list[list[int]], badly: list[list[int]], workspace: Workspace
) -> None:
    series = [rq("2", *one, pod=f"w{n}") for n, one in enumerate(well)]
    series += [rq("5", *one, pod=f"b{n}") for n, one in enumerate(badly)]

    good, bad = sum(map(grown, well)), sum(map(grown, badly))
    expected = [1 - bad / (good + bad)] if good + bad else []
    assert workspace.asked(RATE, series) == pytest.approx(expected)
