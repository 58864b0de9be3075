from __future__ import annotations

import dataclasses
import datetime as dt

from fleet.sim import worldfile
from fleet.sim.recipe import Casing, Rate, Recipe, Wire
from fleet.sim.server.limits import Bucket
from fleet.sim.worldfile import WorldFile
from tests.rig.serving import CALM, CLUSTERS, EXTENSIONS, Caller, Heard, Stage, staged

NARROW: Recipe = dataclasses.replace(
    CALM,
    wire=Wire(
        reads=Rate(burst=3, per_second=1),
        writes=Rate(burst=2, per_second=1),
        deletes=Rate(burst=1, per_second=1),
    ),
)
NOW = CALM.epoch


def after(seconds: float) -> dt.datetime:
    return NOW + dt.timedelta(seconds=seconds)


def test_a_bucket_gives_its_burst_and_then_what_comes_back() -> None:
    bucket = Bucket(Rate(burst=2, per_second=4), now=NOW)

    assert [bucket.wait_s(NOW), bucket.take(), bucket.wait_s(NOW), bucket.take()] == [0, 1, 0, 0]
    assert bucket.wait_s(NOW) == 1
    assert bucket.wait_s(after(1)) == 0
    # Four came back in that second, and two are all it holds.
    assert bucket.take() == 1


def test_asking_early_begins_the_wait_anew() -> None:
    bucket = Bucket(Rate(burst=1, per_second=1), now=NOW)
    bucket.take()

    waits = [bucket.wait_s(after(seconds)) for seconds in (0, 0.5, 1.4, 2.3, 3.3)]

    assert waits == [1, 1, 1, 1, 0]


def test_a_world_file_says_what_only_the_wire_has() -> None:
    written = {
        "apiVersion": "fleet/v1",
        "kind": "World",
        "arm": {"writes": {"burst": 5, "perSecond": 2}},
        "tokenSeconds": 60,
        "graphCasing": "camel",
        "graphLagSeconds": 90,
    }

    assert WorldFile.model_validate(written).recipe().wire == Wire(
        writes=Rate(burst=5, per_second=2),
        token_s=60,
        graph_casing=Casing.CAMEL,
        graph_lag_s=90,
    )
    assert worldfile.default_recipe().wire == Wire(
        reads=Rate(burst=250, per_second=25),
        writes=Rate(burst=200, per_second=10),
        deletes=Rate(burst=200, per_second=10),
        token_s=3600,
        graph_casing=Casing.PASCAL,
        graph_lag_s=0,
    )


async def read(stage: Stage, caller: Caller | None = None, number: int = 0) -> Heard:
    return await (caller or stage.caller).get(stage.cluster(number), api_version=CLUSTERS)


async def test_reads_of_one_subscription_run_out_and_come_back() -> None:
    async with staged(NARROW) as stage:
        heard = [await read(stage) for _ in range(4)]
        elsewhere = await read(stage, number=2)
        stage.wait(seconds=1)
        later = await read(stage)

    left = [one.headers.get("x-ms-ratelimit-remaining-subscription-reads") for one in heard]
    assert ([one.status for one in heard], left) == ([200, 200, 200, 429], ["2", "1", "0", None])
    assert (elsewhere.status, later.status) == (200, 200)
    assert heard[0].headers["x-ms-ratelimit-remaining-subscription-global-reads"] == "44"
    refused = heard[3]
    assert refused.headers["Retry-After"] == "1"
    assert refused.headers["x-ms-failure-cause"] == "gateway"
    assert refused.json["error"]["code"] == "SubscriptionRequestsThrottled"
    assert refused.json["error"]["message"].startswith("Number of 'read' requests for subscription")


async def test_principals_and_kinds_have_buckets_of_their_own() -> None:
    async with staged(NARROW) as stage:
        for _ in range(3):
            await read(stage)
        other = await stage.stranger.log_in("another")
        theirs = await read(stage, other)
        deletion = [
            await stage.caller.send("DELETE", stage.extension(0, name=name), api_version=EXTENSIONS)
            for name in ("a", "b")
        ]
        patched = await stage.caller.send(
            "PATCH", stage.extension(), body={"properties": {}}, api_version=EXTENSIONS
        )

    assert theirs.status == 200
    assert theirs.headers["x-ms-ratelimit-remaining-subscription-global-reads"] == "41"
    assert [one.status for one in deletion] == [204, 429]
    assert deletion[0].headers["x-ms-ratelimit-remaining-subscription-deletes"] == "0"
    assert patched.headers["x-ms-ratelimit-remaining-subscription-writes"] == "1"


async def test_what_belongs_to_no_subscription_is_the_tenant_s() -> None:
    async with staged(NARROW) as stage:
        heard = [
            await stage.caller.get("/subscriptions", api_version="2022-12-01") for _ in range(4)
        ]

    assert heard[0].headers["x-ms-ratelimit-remaining-tenant-reads"] == "2"
    assert (heard[3].status, heard[3].json["error"]["code"]) == (429, "TenantRequestsThrottled")


async def test_fifteen_queries_are_the_quota_of_five_seconds() -> None:
    async with staged() as stage:
        heard = [await stage.caller.ask("resources | count") for _ in range(16)]
        other = await (await stage.stranger.log_in("another")).ask("resources | count")
        stage.wait(seconds=2)
        early = await stage.caller.ask("resources | count")
        stage.wait(seconds=3)
        later = await stage.caller.ask("resources | count")

    assert [one.status for one in heard] == [200] * 15 + [429]
    left = [one.headers["x-ms-user-quota-remaining"] for one in heard]
    assert left == [str(count) for count in range(14, -1, -1)] + ["0"]
    assert heard[0].headers["x-ms-user-quota-resets-after"] == "00:00:05"
    assert heard[0].headers["x-ms-ratelimit-remaining-tenant-resource-requests"] == "14"
    assert heard[15].json["error"]["code"] == "RateLimiting"
    assert "Retry-After" not in heard[15].headers
    assert other.status == 200
    assert (early.status, early.headers["x-ms-user-quota-resets-after"]) == (429, "00:00:03")
    assert (later.status, later.headers["x-ms-user-quota-remaining"]) == (200, "14")
