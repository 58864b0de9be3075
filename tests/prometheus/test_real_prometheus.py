"""A Prometheus nobody here wrote, over series made by hand: what our probe reads of it.

The gates that come with this package are asked too: their numbers are worked out here by hand, and
a sidecar that was restarted must not change them.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import fleet
from fleet.model.gates import Probe, ProbeKind, Reading
from fleet.net.network import Network
from fleet.outside.probes import OutsideProbes
from fleet.ports import About
from tests.rig import promserver
from tests.rig.measuring import ABOUT, OSM, Sickbay
from tests.rig.promserver import Series, counter

GATES = Path(fleet.__file__).parent / "spec" / "gates"
COUNT = 40
"""Growths: ten minutes."""
RESTARTED = (25, 33)
"""Both in the last five minutes."""
RATES = {"2": 97.0, "3": 1.0, "4": 1.0, "5": 1.0}
"""Requests between two samples, by class of answer: one of a hundred fails."""
BUCKETS = {"10": 50.0, "25": 80.0, "50": 95.0, "+Inf": 100.0}
P90 = 25 + (50 - 25) * (90 - 80) / (95 - 80)
"""The rank 90 lies in the bucket from 25 to 50, which holds the ranks 80 to 95."""
IN_MESH = "bookstore/bookbuyer"


def requests(
    cluster: str, rates: dict[str, float], *, resets: tuple[int, ...] = ()
) -> list[Series]:
    return [
        Series(
            name="envoy_cluster_upstream_rq_xx",
            labels={
                "cluster": cluster,
                "envoy_cluster_name": IN_MESH,
                "envoy_response_code_class": kind,
            },
            values=counter([rate] * COUNT, resets=resets),
        )
        for kind, rate in rates.items()
    ]


def times(cluster: str, buckets: dict[str, float], *, resets: tuple[int, ...] = ()) -> list[Series]:
    return [
        Series(
            name="envoy_cluster_upstream_rq_time_bucket",
            labels={"cluster": cluster, "envoy_cluster_name": IN_MESH, "le": bound},
            values=counter([rate] * COUNT, resets=resets),
        )
        for bound, rate in buckets.items()
    ]


SERIES = [
    *requests("store-1", RATES),
    *requests("store.2", RATES, resets=RESTARTED),
    # Not of the wave: what goes wrong there is not counted, nor where a dot is any sign.
    *requests("store-9", {"2": 1.0, "5": 99.0}),
    *requests("storex2", {"2": 1.0, "5": 99.0}),
    *times("store-1", BUCKETS),
    *times("store.2", BUCKETS, resets=RESTARTED),
    *times("store-9", {"10": 0.0, "25": 0.0, "50": 0.0, "+Inf": 100.0}),
    Series(name="level", labels={"of": "a b&c=d+e%20"}, values=[1.0, 2.0, 3.0]),
    Series(name="level", labels={"of": "other"}, values=[7.0]),
]


@pytest.fixture(scope="module", name="url")
def _url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with promserver.serving(tmp_path_factory.mktemp("prometheus"), SERIES) as url:
        yield url


async def measured(url: str, query: str, about: About = ABOUT) -> Reading:
    probes = OutsideProbes(health=Sickbay(), extension_type=OSM, network=Network())
    return await probes.measure(Probe(kind=ProbeKind.PROMETHEUS, url=url, query=query), about)


async def number(url: str, query: str, about: About = ABOUT) -> float:
    found = await measured(url, query, about)
    assert found.error == ""
    (value,) = found.values
    return float(value)


def canned(name: str) -> str:
    path = GATES / f"{name}.yaml"
    if not path.exists():
        pytest.skip(f"there is no gate {name} in this package")
    document: Any = YAML(typ="safe").load(path.read_text())
    query: str = document["prometheus"]["query"]
    return query


# --- what is read ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("1.25", ("1.25",)),
        ("vector(0.1)", ("0.1",)),
        ('"7"', ("7",)),
        ("1e3", ("1000",)),
        ("vector(1) / 0", ("Infinity",)),
        ("-vector(1) / 0", ("-Infinity",)),
        ("0 / 0", ("NaN",)),
        ("no_such_series", ()),
        ("sort(level)", ("3", "7")),
        ('level{of="a b&c=d+e%20"}', ("3",)),
        ('level{of=~"other|${clusters}"}', ("7",)),
        ('level{of="other"}[1m]', ("7",)),
        ('max_over_time(level{of!="other"}[${window}])', ("3",)),
    ],
)
async def test_every_type_of_answer_is_read(
    url: str, query: str, expected: tuple[str, ...]
) -> None:
    assert await measured(url, query) == Reading(values=expected)


async def test_a_query_that_is_none_is_an_error_in_the_server_s_words(url: str) -> None:
    found = await measured(url, "sum(level")

    assert found.error.startswith(f"Prometheus at {url}: the answer was 400: bad_data: ")
    assert "unclosed left parenthesis" in found.error


async def test_text_is_no_number(url: str) -> None:
    found = await measured(url, '"well"')

    assert found.error.endswith("the answer has 4 characters of text where a number is needed")


async def test_the_names_of_two_thousand_clusters_fit(url: str) -> None:
    many = [f"cluster-of-a-shop-in-some-town-{n:04}" for n in range(1998)]
    about = dataclasses.replace(ABOUT, clusters=[*ABOUT.clusters, *many])
    query = 'count(count by (cluster) (envoy_cluster_upstream_rq_xx{cluster=~"${clusters}"}))'

    assert await number(url, query, about) == 2


async def test_a_server_that_takes_too_long_is_told_so(url: str) -> None:
    probes = OutsideProbes(health=Sickbay(), extension_type=OSM, network=Network())
    slow = "sum_over_time((sum(level))[300d:1s])"
    limit = dt.timedelta(seconds=0.05)
    probe = Probe(kind=ProbeKind.PROMETHEUS, url=url, query=slow, timeout=limit)
    found = await probes.measure(probe, ABOUT)

    assert "no answer within 0.05 s" in found.error or "timed out" in found.error


# --- the gates that come with this package -----------------------------------------------------


async def test_the_series_have_resets_that_a_difference_would_stumble_over(url: str) -> None:
    series = "envoy_cluster_upstream_rq_xx"
    growth = f'sum({series}{{cluster="%s"}} - {series} offset 4m)'

    assert await number(url, growth % "store-1") == pytest.approx(1600, rel=0.1)
    assert await number(url, growth % "store.2") < 0


async def test_the_share_of_requests_that_succeed_is_what_it_is_by_hand(url: str) -> None:
    query = canned("osm-request-success-rate")

    assert await number(url, query) == pytest.approx(0.99, abs=1e-9)
    for clusters, expected in ((("store.2",), 0.99), (("store-9",), 0.01)):
        about = dataclasses.replace(ABOUT, clusters=clusters)
        assert await number(url, query, about) == pytest.approx(expected, abs=1e-9)


async def test_the_time_that_nine_of_ten_requests_take_is_what_it_is_by_hand(url: str) -> None:
    query = canned("osm-request-latency-p90")

    assert await number(url, query) == pytest.approx(P90, abs=1e-6)
    restarted = dataclasses.replace(ABOUT, clusters=("store.2",))
    assert await number(url, query, restarted) == pytest.approx(P90, abs=1e-6)


@pytest.mark.parametrize("name", ["osm-request-success-rate", "osm-request-latency-p90"])
async def test_without_requests_there_is_no_data(url: str, name: str) -> None:
    nobody = dataclasses.replace(ABOUT, clusters=("nobody",))
    found = await measured(url, canned(name), nobody)

    assert found.error == ""
    assert found.values in ((), ("NaN",))
