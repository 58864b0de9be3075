"""Turns by themselves on virtual time, and the client that takes them, against a server by hand."""

from __future__ import annotations

import asyncio
import collections
import urllib.parse
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from fractions import Fraction

import pytest

from fleet.azure import clouds
from fleet.azure.answers import Answer
from fleet.azure.credentials import Credential, Kind, named
from fleet.azure.pace import Pace
from fleet.azure.requests import Request
from fleet.azure.service import connected
from fleet.cli.options import Where
from fleet.engine import calls, clock, virtual
from fleet.errors import AuthError, InputError, RefusedError, ThrottledError, TransientError
from fleet.model.cluster import ClusterId
from fleet.model.plan import Verb
from fleet.model.traces import Trace
from fleet.net.network import Network
from fleet.ports import ExtensionRef
from tests.rig.fleets import seconds
from tests.rig.scripted import (
    IDS,
    TOKEN_PATH,
    Got,
    Line,
    Say,
    SkippingClock,
    failure,
    jwt,
    serving,
    token,
)

BLUE, GREEN = "simulator:blue", "simulator:green"
ONE = (BLUE,)
READS = "x-ms-ratelimit-remaining-subscription-reads"
WRITES = "x-ms-ratelimit-remaining-subscription-writes"
ALL_READS = "x-ms-ratelimit-remaining-subscription-global-reads"
START = virtual.START_AT


def request(method: str = "GET", *, subscription: str | None = "s-1", path: str = "") -> Request:
    of = f"/subscriptions/{subscription}" if subscription else ""
    return Request(
        method=method, url=f"https://a.example{of}{path}/x?api-version=1", what="asking", ids=IDS
    )


def answer(status: int = 200, /, **headers: str | int) -> Answer:
    """An answer; underscores in headers' names are hyphens."""
    found = {name.replace("_", "-"): str(value) for name, value in headers.items()}
    return Answer(status=status, headers=found, body=b"")


def left(count: int, header: str = READS, **more: str) -> Answer:
    return answer(**{header: count}, **more)


async def asked(
    pace: Pace, one: Request, said: Answer | None = None, *, among: Sequence[str] = ONE
) -> tuple[float, str]:
    """Send a request in its turn; return when it went, in seconds, and as whom."""
    with pace.turn(one, among=among) as turn:
        await turn.comes()
        went_s = (pace.clock.now() - START).total_seconds()
        if said is not None:
            turn.heard(said)
    return went_s, turn.principal


async def together(calls: Sequence[Coroutine[None, None, tuple[float, str]]]) -> list[float]:
    """Make all *calls* at once; return when each went."""
    async with asyncio.TaskGroup() as tasks:
        started = [tasks.create_task(one) for one in calls]
    return [one.result()[0] for one in started]


def on_virtual_time(play: Callable[[Pace], Coroutine[None, None, list[float]]]) -> list[float]:
    """Return the moments that *play* returns, in tenths of milliseconds at the finest."""

    async def begin() -> list[float]:
        return [round(one, 4) for one in await play(Pace(virtual.clock()))]

    return virtual.run(begin())


# --- turns -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "at_once", "gap_s"),
    [
        ("GET", 225, 0.04),
        ("HEAD", 225, 0.04),
        ("PUT", 190, 0.1),
        ("PATCH", 190, 0.1),
        ("POST", 190, 0.1),
        ("DELETE", 190, 0.1),
    ],
)
def test_the_documented_burst_goes_out_at_once_and_the_rest_one_by_one(
    method: str, at_once: int, gap_s: float
) -> None:
    """All but what is spared."""

    async def play(pace: Pace) -> list[float]:
        return await together([asked(pace, request(method)) for _ in range(300)])

    later = [round(gap_s * number, 4) for number in range(1, 301 - at_once)]
    assert on_virtual_time(play) == [0.0] * at_once + later


def test_other_subscriptions_and_kinds_do_not_stand_in_the_way() -> None:
    async def play(pace: Pace) -> list[float]:
        others = [
            *(request() for _ in range(225)),
            *(request(subscription="S-1") for _ in range(1)),
            *(request("PATCH") for _ in range(190)),
            *(request("DELETE") for _ in range(190)),
            *(request(subscription="s-2") for _ in range(225)),
            *(request(subscription=None) for _ in range(225)),
        ]
        return await together([asked(pace, one) for one in others])

    went = on_virtual_time(play)

    assert [number for number, one in enumerate(went) if one] == [225]


def test_queries_have_a_quota_of_their_own() -> None:
    async def play(pace: Pace) -> list[float]:
        graph = "/providers/Microsoft.ResourceGraph"
        one = request("POST", subscription=None, path=graph)
        return await together([asked(pace, one) for _ in range(40)])

    assert on_virtual_time(play) == [0.0] * 15 + [5.0] * 15 + [10.0] * 10


def test_a_refused_query_closes_the_quota_of_its_principal() -> None:
    async def play(pace: Pace) -> list[float]:
        query = request("POST", subscription=None, path="/providers/Microsoft.ResourceGraph")
        await asked(pace, query, answer(429, x_ms_user_quota_resets_after="00:03:00"))
        wait_s = await put_off(pace, query)
        return [wait_s, (await asked(pace, query, among=(BLUE, GREEN)))[0]]

    assert on_virtual_time(play) == [180.0, 0.0]


def test_whoever_gives_up_waiting_leaves_the_place_to_the_next() -> None:
    async def play(pace: Pace) -> list[float]:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(190):
                tasks.create_task(asked(pace, request("PUT")))
            await asyncio.sleep(0)
            waiting = [tasks.create_task(asked(pace, request("PUT"))) for _ in range(3)]
            await asyncio.sleep(0)
            waiting[1].cancel()
            await asyncio.sleep(0)
            last = tasks.create_task(asked(pace, request("PUT")))
        return [(await one)[0] for one in (waiting[0], waiting[2], last)]

    # The third was told 0.3 s before the second left, and the last one comes after it.
    assert on_virtual_time(play) == [0.1, 0.3, 0.3]


async def put_off(pace: Pace, one: Request) -> float:
    """Send a request whose turn is too far away; return how long it is told to wait."""
    with pytest.raises(ThrottledError, match="not sent") as caught:
        await asked(pace, one)
    assert caught.value.correlation_id == IDS.correlation_id
    return caught.value.retry_after_s or 0


def test_a_turn_that_is_far_away_is_told_and_takes_no_place() -> None:
    async def play(pace: Pace) -> list[float]:
        await asked(pace, request("PUT"), answer(429, retry_after=300))
        wait_s = await put_off(pace, request("PUT"))
        went_s, _ = await asked(pace, request("DELETE"))
        await pace.clock.sleep(seconds(wait_s))
        return [wait_s, went_s, (await asked(pace, request("PUT")))[0]]

    # 300 s as was asked for, and then what is spared and one more, at ten a second.
    assert on_virtual_time(play) == [301.1, 0.0, 301.1]


def test_a_turn_that_moves_out_of_reach_while_it_is_waited_for_is_told() -> None:
    async def play(pace: Pace) -> list[float]:
        with pace.turn(request(), among=ONE) as slow:
            await slow.comes()
            await asked(pace, request(), answer(429, retry_after=100))
            async with asyncio.TaskGroup() as tasks:
                waiting = tasks.create_task(put_off(pace, request()))
                await pace.clock.sleep(seconds(50))
                slow.heard(answer(429, retry_after=200))
        return [await waiting, (pace.clock.now() - START).total_seconds()]

    # It slept until the moment it was told first, 101.04 s, and 250 s is what was said since.
    assert on_virtual_time(play) == [150.0, 101.04]


def test_waiting_ends_long_before_a_call_would_count_as_lost() -> None:
    """Where the clock is slow, too: a simulator may say so."""

    async def play(_: Pace) -> list[float]:
        pace = Pace(clock.scaled(START, Fraction(1, 3)))
        await asked(pace, request(), answer(429, retry_after=100))
        loop = asyncio.get_running_loop()
        return [await put_off(pace, request()), loop.time()]

    # 50 of the clock's seconds are over by then.
    assert on_virtual_time(play) == [51.04, 150.0]
    assert 150 + Where().request_timeout < calls.CALL_LIMIT_S


# --- what answers say --------------------------------------------------------------------


def test_a_larger_tier_is_used_as_soon_as_it_is_known() -> None:
    async def play(pace: Pace) -> list[float]:
        await asked(pace, request("PUT"), left(799, WRITES))
        return await together([asked(pace, request("PUT")) for _ in range(800)])

    assert on_virtual_time(play).count(0.0) == 789


@pytest.mark.parametrize(
    "said", [left(5, READS), left(0, READS), left(3, ALL_READS), left(0, ALL_READS)]
)
def test_what_others_have_used_up_is_waited_for(said: Answer) -> None:
    """Whether they used our own bucket, or the one that all share."""

    async def play(pace: Pace) -> list[float]:
        await asked(pace, request(), said)
        return [(await asked(pace, request()))[0]]

    assert on_virtual_time(play)[0] > 0.8


@pytest.mark.parametrize(
    "header",
    ["x-ms-ratelimit-remaining-tenant-reads", "x-ms-ratelimit-remaining-tenant-global-reads"],
)
def test_what_belongs_to_no_subscription_has_the_tenants_buckets(header: str) -> None:
    async def play(pace: Pace) -> list[float]:
        of_tenant = request(subscription=None)
        await asked(pace, of_tenant, left(0, header))
        other_s = (await asked(pace, request()))[0]
        return [other_s, (await asked(pace, of_tenant))[0]]

    other_s, waited_s = on_virtual_time(play)

    assert other_s == 0
    assert waited_s > 0.8


@pytest.mark.parametrize("said", ["", "many", "-1", "1e9", "9" * 12])
def test_a_header_that_cannot_be_read_says_nothing(said: str) -> None:
    async def play(pace: Pace) -> list[float]:
        await asked(pace, request(), answer(**{READS: said, "x-ms-user-quota-remaining": said}))
        return await together([asked(pace, request()) for _ in range(225)])

    assert on_virtual_time(play) == [0.0] * 224 + [0.04]


def test_a_refusal_closes_the_bucket_for_all_that_wait_and_lets_them_go_one_by_one() -> None:
    async def play(pace: Pace) -> list[float]:
        await asked(pace, request("PATCH"), answer(429, retry_after=17))
        return await together([asked(pace, request("PATCH")) for _ in range(3)])

    assert on_virtual_time(play) == [18.1, 18.2, 18.3]


def test_a_refusal_that_names_no_time_leaves_the_bucket_empty() -> None:
    async def play(pace: Pace) -> list[float]:
        await asked(pace, request(), answer(429))
        return [(await asked(pace, request()))[0]]

    assert on_virtual_time(play) == [1.04]


def test_a_request_without_an_answer_is_under_way_no_longer() -> None:
    """Else what is left would be taken for less, for ever."""

    async def play(pace: Pace) -> list[float]:
        for _ in range(100):
            await asked(pace, request())
        await asked(pace, request(), left(126))
        return await together([asked(pace, request()) for _ in range(102)])

    assert on_virtual_time(play) == [0.0] * 101 + [0.04]


# --- regions -----------------------------------------------------------------------------

WEST = {"x-ms-operation-identifier": "tenantId=t,objectId=o/westeurope/5a7f"}
NORTH = {"x-ms-routing-request-id": "NORTHEUROPE:20260110T020000Z:5a7f"}


@pytest.mark.parametrize("region", [WEST, NORTH])
def test_what_was_counted_before_any_region_was_known_was_counted_there(
    region: Mapping[str, str],
) -> None:
    async def play(pace: Pace) -> list[float]:
        for _ in range(224):
            await asked(pace, request())
        await asked(pace, request(), answer(**region))
        return [(await asked(pace, request()))[0]]

    assert on_virtual_time(play) == [0.04]


def test_regions_have_buckets_of_their_own_and_the_last_one_is_assumed() -> None:
    async def play(pace: Pace) -> list[float]:
        await asked(pace, request(), left(0, **WEST))
        wait_s = (await asked(pace, request(), left(249, **NORTH)))[0]
        north_s = (await asked(pace, request(), left(0, **WEST)))[0]
        return [wait_s, north_s, (await asked(pace, request()))[0]]

    # In the west nothing is left; what went for the west was answered in the north, and is full.
    assert on_virtual_time(play) == [1.04, 1.04, 2.08]


def test_a_request_that_another_region_answered_is_counted_there() -> None:
    async def play(pace: Pace) -> list[float]:
        await asked(pace, request(), answer(**WEST))
        for _ in range(100):
            await asked(pace, request(), answer(**NORTH))
            await asked(pace, request(), answer(**WEST))
        await asked(pace, request(), answer(**NORTH))
        north = await together([asked(pace, request(), answer(**NORTH)) for _ in range(125)])
        return [*north[:1], *north[-2:]]

    # 101 were counted in the north: of the 225 that may go at once, 124 are left.
    assert on_virtual_time(play) == [0.0, 0.0, 0.04]


# --- several principals ------------------------------------------------------------------


def test_principals_are_used_evenly_whatever_their_tier() -> None:
    async def play(pace: Pace) -> list[float]:
        used: collections.Counter[str] = collections.Counter()
        for number in range(60):
            said = left(799 - number // 2)
            _, principal = await asked(pace, request(), said, among=(BLUE, GREEN))
            used[principal] += 1
            await pace.clock.sleep(seconds(number))
        return [float(used[BLUE]), float(used[GREEN])]

    assert on_virtual_time(play) == [30.0, 30.0]


def test_two_principals_send_twice_as_much_at_once() -> None:
    async def play(pace: Pace) -> list[float]:
        calls = [asked(pace, request("PUT"), among=(BLUE, GREEN)) for _ in range(400)]
        return await together(calls)

    later = [number / 10 for number in range(1, 11) for _ in (BLUE, GREEN)]
    assert on_virtual_time(play) == [0.0] * 380 + later


def test_whoever_has_least_is_spared() -> None:
    async def play(pace: Pace) -> list[float]:
        both = (BLUE, GREEN)
        _, first = await asked(pace, request(), answer(429, retry_after=60), among=both)
        went = [await asked(pace, request(), among=both) for _ in range(225)]
        assert {principal for _, principal in went} == {*both} - {first}
        return [went[-1][0]]

    assert on_virtual_time(play) == [0.0]


# --- what an earlier process sent --------------------------------------------------------


def trace(verb: Verb | None, age_s: float, *, until_s: float | None = None) -> Trace:
    return Trace(
        subscription="S-1",
        verb=verb,
        at=START - seconds(age_s),
        throttled_until=None if until_s is None else START + seconds(until_s),
    )


def test_what_an_earlier_process_sent_counts() -> None:
    async def play(pace: Pace) -> list[float]:
        pace.remember([trace(Verb.PATCH, 4)] * 100 + [trace(Verb.PUT, 9)] * 100, among=ONE)
        went = [asked(pace, request("PUT"), answer(**WEST)) for _ in range(91)]
        return (await together(went))[-2:]

    # 200 were sent, and 50 + 40 came back since; ten are spared.
    assert on_virtual_time(play) == [1.0, 1.1]


def test_it_counts_for_each_principal_that_may_have_sent_it() -> None:
    async def play(pace: Pace) -> list[float]:
        pace.remember([trace(Verb.DELETE, 0)] * 190, among=(BLUE, GREEN))
        calls = [asked(pace, request("DELETE"), among=(BLUE, GREEN)) for _ in range(2)]
        return await together(calls)

    assert on_virtual_time(play) == [0.1, 0.1]


@pytest.mark.parametrize(
    ("verb", "expected"),
    [(None, [31.04, 0.0, 0.0]), (Verb.PATCH, [0.0, 31.1, 0.0]), (Verb.DELETE, [0.0, 0.0, 31.1])],
)
def test_what_an_earlier_process_was_told_to_wait_is_waited(
    verb: Verb | None, expected: list[float]
) -> None:
    async def play(pace: Pace) -> list[float]:
        pace.remember([trace(verb, 5, until_s=30)], among=ONE)
        return await together([asked(pace, request(one)) for one in ("GET", "PUT", "DELETE")])

    assert on_virtual_time(play) == expected


# --- the client --------------------------------------------------------------------------

SUBSCRIPTION = "00000000-0000-4000-8000-000000000007"
EXTENSION = ExtensionRef(
    cluster_id=ClusterId(
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-1/providers/Microsoft.Kubernetes"
        "/connectedClusters/store-1"
    ),
    name="osm",
)
MISSING = failure(404, "ResourceNotFound", "Extension instance with name 'osm' not found.")


def client_of(got: Got) -> str:
    """Return who asked for a token, or whom the token names that a request carries."""
    if TOKEN_PATH in got.path:
        return urllib.parse.parse_qs(got.body.decode())["client_id"][0]
    return got.headers["authorization"].removeprefix("Bearer ")


@asynccontextmanager
async def speaking_as(*credentials: str) -> AsyncIterator[Line]:
    """Serve, and connect a client with *credentials*; each client's token is its own."""
    skipping = SkippingClock()
    async with serving() as server:
        server.on("POST", TOKEN_PATH, lambda got: token(jwt(tid="t", oid=client_of(got))))
        server.on("GET", "/extensions/", MISSING)
        place = clouds.place(cloud=None, endpoint=server.url, audience=None)
        async with connected(
            place, clock=skipping, credentials=named(credentials), network=Network(call_limit_s=5)
        ) as azure:
            yield Line(server=server, azure=azure, clock=skipping)


async def test_requests_wait_for_what_the_answers_before_said() -> None:
    async with speaking_as() as line:
        said = failure(
            404, "ResourceNotFound", "Extension instance 'osm' not found.", **{READS: "20"}
        )
        line.server.on("GET", "/extensions/", [said, MISSING])
        for _ in range(3):
            await line.azure.get(EXTENSION, IDS)

    # 25 are spared: 6 are missing, at 25 a second, and then one more.
    assert line.clock.slept_s == [0.24, 0.04]


async def test_a_throttled_read_holds_back_all_reads_of_its_principal_and_no_other() -> None:
    async with speaking_as(BLUE, GREEN) as line:
        line.server.on(
            "GET", "/extensions/", [failure(429, "Throttled", retry_after="30"), MISSING]
        )
        with pytest.raises(ThrottledError):
            await line.azure.get(EXTENSION, IDS)
        for _ in range(225):
            await line.azure.get(EXTENSION, IDS)
        at_once = list(line.clock.slept_s)
        await line.azure.get(EXTENSION, IDS)

        by = collections.Counter(client_of(one) for one in line.server.sent("GET"))
        assert (at_once, line.clock.slept_s, sorted(by.values())) == ([], [0.04], [1, 226])


async def test_two_principals_share_the_requests() -> None:
    async with speaking_as(BLUE, GREEN) as line:
        for _ in range(40):
            await line.azure.get(EXTENSION, IDS)

        by = collections.Counter(client_of(one) for one in line.server.sent("GET"))
        assert list(by.values()) == [20, 20]


async def test_two_principals_share_the_queries() -> None:
    async with speaking_as(BLUE, GREEN) as line:
        empty = {"data": [], "totalRecords": 0, "count": 0, "resultTruncated": "false"}
        line.server.on("POST", "ResourceGraph", Say(body=empty))
        for _ in range(30):
            await line.azure.graph.table("resources", subscriptions=["s"])

        by = collections.Counter(client_of(one) for one in line.server.sent("POST"))
        assert (list(by.values()), line.clock.slept_s) == ([15, 15], [])


async def test_a_principal_whose_token_is_refused_for_good_ends_it_for_all() -> None:
    async with speaking_as(BLUE, GREEN) as line:
        await line.azure.identities()
        await line.azure.get(EXTENSION, IDS)
        line.server.on("GET", "/extensions/", failure(401, "InvalidAuthenticationToken"))

        # Each is dropped once, and then the same comes again.
        for error in (TransientError, TransientError, AuthError):
            with pytest.raises(error):
                await line.azure.get(EXTENSION, IDS)


async def test_a_broken_read_is_under_way_no_longer() -> None:
    async with speaking_as() as line:
        line.server.on("GET", "/extensions/", [Say(breaks_off=True), MISSING])
        with pytest.raises(TransientError):
            await line.azure.get(EXTENSION, IDS)
        full = failure(
            404, "ResourceNotFound", "Extension instance 'osm' not found.", **{READS: "26"}
        )
        line.server.on("GET", "/extensions/", [full, MISSING])
        for _ in range(2):
            await line.azure.get(EXTENSION, IDS)

    assert line.clock.slept_s == []


# --- who we are --------------------------------------------------------------------------


async def test_everybody_we_are_is_told_in_order_and_once() -> None:
    async with speaking_as("simulator:a", "simulator:b", "simulator", "simulator:a") as line:
        identities = await line.azure.identities()

        asked_for = {client_of(one) for one in line.server.sent("POST", TOKEN_PATH)}
        assert [one.principal for one in identities] == sorted(asked_for)
        assert len(asked_for) == 3


async def test_two_credentials_of_one_principal_are_used_as_one() -> None:
    async with speaking_as(BLUE, GREEN) as line:
        line.server.on(
            "POST", TOKEN_PATH, lambda got: token(jwt(tid="t", oid="o", n=client_of(got)))
        )
        identities = await line.azure.identities()
        for _ in range(10):
            await line.azure.get(EXTENSION, IDS)

        assert [one.principal for one in identities] == ["o"]
        assert len({client_of(one) for one in line.server.sent("GET")}) == 1


async def test_those_whose_tokens_cannot_be_read_may_be_different_ones() -> None:
    async with speaking_as(BLUE, GREEN) as line:
        line.server.on("POST", TOKEN_PATH, lambda got: token(f"no-jwt-{client_of(got)}"))
        identities = await line.azure.identities()
        for _ in range(10):
            await line.azure.get(EXTENSION, IDS)

        assert [one.principal for one in identities] == ["unknown"]
        assert len({client_of(one) for one in line.server.sent("GET")}) == 2


async def test_credentials_of_two_tenants_are_refused() -> None:
    async with speaking_as(BLUE, GREEN) as line:
        line.server.on("POST", TOKEN_PATH, lambda got: token(jwt(tid=client_of(got), oid="o")))
        with pytest.raises(RefusedError, match="simulator:blue and simulator:green belong"):
            await line.azure.identities()


def test_credentials_are_named_one_by_one_or_together() -> None:
    assert named(["env, managed", "simulator:blue", "ENV", ""]) == (
        Credential(kind=Kind.ENV),
        Credential(kind=Kind.MANAGED),
        Credential(kind=Kind.SIMULATOR, name="blue"),
    )


@pytest.mark.parametrize("text", ["nobody", "env:blue", "simulator:", "simulator:a b", "env;cli"])
def test_a_credential_that_is_none_is_refused_with_what_there_is(text: str) -> None:
    with pytest.raises(InputError) as caught:
        named([text])

    assert (repr(text) in caught.value.message, bool(caught.value.hint)) == (True, True)
