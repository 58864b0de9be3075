from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from fleet.azure.checks import Check, Verdict
from fleet.azure.diagnosis import examine
from fleet.model.scope import Scope
from tests.rig.scripted import TOKEN_PATH, Got, Line, Say, failure, jwt, speaking, token

DATE = "Sat, 10 Jan 2026 02:00:00 GMT"
BOTH = Scope(subscriptions=("s1", "s2"))


PROVIDER = "providers/Microsoft.KubernetesConfiguration"


def provider(state: str = "Registered", *versions: str) -> Say:
    kinds = [
        {"resourceType": "fluxConfigurations", "apiVersions": ["1"]},
        {"resourceType": "Extensions", "apiVersions": list(versions or ("2023-05-01",))},
    ]
    return Say(
        body={"registrationState": state, "resourceTypes": kinds},
        headers={"x-ms-ratelimit-remaining-subscription-reads": "249"},
    )


def counts(**clusters: int) -> Say:
    rows = [{"subscriptionId": name, "clusters": count} for name, count in clusters.items()]
    return Say(
        body={"data": rows, "totalRecords": len(rows), "resultTruncated": "false"},
        headers={"x-ms-user-quota-remaining": "14", "x-ms-user-quota-resets-after": "00:00:05"},
    )


def sound(line: Line) -> None:
    line.server.on("GET", "/metadata/endpoints", Say(body={}, headers={"Date": DATE}))
    line.server.on("POST", "Microsoft.ResourceGraph", counts(s1=7, s2=1))
    line.server.on("GET", "/providers/Microsoft.KubernetesConfiguration?", provider())
    line.server.on("GET", "/providers/Microsoft.Authorization/permissions?", allowed("*"))


def allowed(*actions: str) -> Say:
    return Say(body={"value": [{"actions": list(actions), "notActions": []}]})


def verdicts(checks: tuple[Check, ...]) -> dict[str, Verdict]:
    return {one.name: one.verdict for one in checks}


async def test_a_sound_connection_is_told_piece_by_piece() -> None:
    async with speaking() as line:
        sound(line)
        checks = await examine(line.azure, BOTH)
        url = line.server.url

    assert checks == (
        Check(
            name="credential",
            verdict=Verdict.OK,
            detail=(
                "simulator: principal principal-1 of tenant tenant-1, "
                "token good until 2026-01-10 03:00:00 UTC"
            ),
        ),
        Check(name="endpoint", verdict=Verdict.OK, detail=f"{url} (simulated) answers without TLS"),
        Check(name="clock", verdict=Verdict.OK, detail="the same as the service's"),
        Check(
            name="resource graph, s1",
            verdict=Verdict.OK,
            detail="7 connected clusters can be read",
        ),
        Check(
            name="resource graph, s2",
            verdict=Verdict.OK,
            detail="1 connected clusters can be read",
        ),
        Check(
            name="permissions, s1",
            verdict=Verdict.OK,
            detail="all that this plan needs is allowed",
        ),
        Check(
            name="permissions, s2",
            verdict=Verdict.OK,
            detail="all that this plan needs is allowed",
        ),
        Check(
            name="provider, s1",
            verdict=Verdict.OK,
            detail="registered; extensions are spoken in 2023-05-01",
        ),
        Check(
            name="provider, s2",
            verdict=Verdict.OK,
            detail="registered; extensions are spoken in 2023-05-01",
        ),
        Check(
            name="quotas",
            verdict=Verdict.OK,
            detail=(
                "ratelimit-remaining-subscription-reads 249, user-quota-remaining 14, "
                "user-quota-resets-after 00:00:05"
            ),
        ),
    )


async def test_one_failure_hides_no_other() -> None:
    async with speaking() as line:
        line.server.on("POST", TOKEN_PATH, failure(400, "invalid_client"))
        line.server.on("GET", "/metadata/endpoints", Say(headers={"Date": DATE}))
        checks = await examine(line.azure, BOTH)

    assert verdicts(checks) == {
        "credential": Verdict.FAIL,
        "endpoint": Verdict.OK,
        "clock": Verdict.OK,
        "resource graph": Verdict.FAIL,
        "permissions, s1": Verdict.FAIL,
        "permissions, s2": Verdict.FAIL,
        "provider, s1": Verdict.FAIL,
        "provider, s2": Verdict.FAIL,
        "quotas": Verdict.OK,
    }
    assert all(one.hint for one in checks if one.verdict is Verdict.FAIL)


async def test_a_token_that_is_refused_once_and_a_page_of_a_proxy_are_no_findings() -> None:
    page = Say(body=b"<html>Sign in</html>", headers={"Content-Type": "text/html"})
    texts = [jwt(tid="tenant-1", oid="principal-1", iat=n) for n in range(2)]

    async with speaking() as line:
        sound(line)
        calm = await examine(line.azure, BOTH)
    async with speaking() as line:
        sound(line)
        line.server.on("POST", TOKEN_PATH, [token(one) for one in texts])
        refused = failure(401, "ExpiredAuthenticationToken")
        line.server.on("POST", "Microsoft.ResourceGraph", [refused, page, counts(s1=7, s2=1)])
        line.server.on("GET", "/permissions?", [page, allowed("*")])
        line.server.on("GET", f"/{PROVIDER}?", [page, provider()])
        met = await examine(line.azure, BOTH)

    assert verdicts(met) == verdicts(calm)
    assert [one for one in met if one.verdict is not Verdict.OK] == []


async def test_an_endpoint_that_cannot_be_reached_fails_everything_and_breaks_nothing() -> None:
    async with speaking(url="http://127.0.0.1:9") as line:
        found = verdicts(await examine(line.azure, BOTH))

    assert {name for name, verdict in found.items() if verdict is Verdict.FAIL} == {
        "credential",
        "endpoint",
        "resource graph",
        "permissions, s1",
        "permissions, s2",
        "provider, s1",
        "provider, s2",
    }


async def test_a_subscription_without_readable_clusters_is_a_warning() -> None:
    async with speaking() as line:
        sound(line)
        line.server.on("POST", "Microsoft.ResourceGraph", counts(S1=7))
        checks = await examine(line.azure, BOTH)

        assert len(line.server.sent("POST")) == 1, "one query for all subscriptions"
    assert verdicts(checks)["resource graph, s1"] is Verdict.OK
    assert verdicts(checks)["resource graph, s2"] is Verdict.WARN


async def test_a_scope_of_the_whole_tenant_looks_at_the_subscriptions_that_were_found() -> None:
    async with speaking() as line:
        sound(line)
        found = verdicts(await examine(line.azure, Scope()))
        line.server.on("POST", "Microsoft.ResourceGraph", counts())
        nothing = verdicts(await examine(line.azure, Scope()))

    assert [name for name in found if name.startswith("provider")] == [
        "provider, s1",
        "provider, s2",
    ]
    assert found["resource graph"] is Verdict.OK
    assert nothing["resource graph"] is Verdict.WARN


async def test_a_provider_that_is_not_registered_fails_with_the_command_to_type() -> None:
    async with speaking() as line:
        sound(line)
        line.server.on("GET", "/subscriptions/s1/providers/", provider("NotRegistered"))
        line.server.on("GET", "/subscriptions/s2/providers/", provider("Registered", "2030-01-01"))
        checks: dict[str, Any] = {one.name: one for one in await examine(line.azure, BOTH)}

    assert checks["provider, s1"] == Check(
        name="provider, s1",
        verdict=Verdict.FAIL,
        detail="Microsoft.KubernetesConfiguration is NotRegistered",
        hint="az provider register --namespace Microsoft.KubernetesConfiguration --subscription s1",
    )
    assert checks["provider, s2"].verdict is Verdict.WARN
    assert "2030-01-01" in checks["provider, s2"].detail


async def test_a_clock_that_is_far_off_and_a_token_that_ends_soon_are_warnings() -> None:
    async with speaking() as line:
        sound(line)
        line.server.on("POST", TOKEN_PATH, token(lasts_s=200))
        line.clock.moment += dt.timedelta(seconds=61)
        checks = {one.name: one for one in await examine(line.azure, BOTH)}

    assert checks["clock"].verdict is Verdict.WARN
    assert checks["clock"].detail == "61 s ahead of the service's"
    assert checks["credential"].verdict is Verdict.WARN


async def test_a_quota_that_is_used_up_is_a_warning() -> None:
    async with speaking() as line:
        sound(line)
        headers = {"x-ms-ratelimit-remaining-subscription-reads": "0"}
        line.server.on("GET", "/metadata/endpoints", Say(status=500, headers=headers))
        line.server.on("GET", "/providers/Microsoft.KubernetesConfiguration?", Say(body={}))
        found = verdicts(await examine(line.azure, BOTH))

    assert (found["quotas"], found["endpoint"]) == (Verdict.WARN, Verdict.WARN)


@pytest.mark.parametrize("count", [None, "many", [], {"a": 1}, 1.5, -1, 0])
async def test_clusters_that_cannot_be_counted_are_none_that_can_be_read(count: Any) -> None:
    async with speaking() as line:
        sound(line)
        line.server.on("POST", "Microsoft.ResourceGraph", counts(s1=count, s2=1))
        checks = await examine(line.azure, BOTH)

    assert verdicts(checks)["resource graph, s1"] is Verdict.WARN
    assert verdicts(checks)["resource graph, s2"] is Verdict.OK


async def test_a_count_that_is_cut_off_is_told() -> None:
    """As where more than a thousand subscriptions have clusters."""
    async with speaking() as line:
        sound(line)
        body = {"data": [{"subscriptionId": "s1", "clusters": 1}], "totalRecords": 1200}
        line.server.on(
            "POST", "Microsoft.ResourceGraph", Say(body={**body, "resultTruncated": "true"})
        )
        checks = await examine(line.azure, BOTH)

    graph = next(one for one in checks if one.name == "resource graph")
    assert graph.verdict is Verdict.FAIL
    assert "cut off after 1 of 1200" in graph.detail


async def test_a_subscription_that_is_no_name_is_asked_about_no_further() -> None:
    async with speaking() as line:
        sound(line)
        rows = [{"subscriptionId": odd, "clusters": 1} for odd in ("s1", 7, None, ["x"], "a/b?c")]
        body = {"data": rows, "totalRecords": len(rows), "resultTruncated": "false"}
        line.server.on("POST", "Microsoft.ResourceGraph", Say(body=body))
        checks = await examine(line.azure, Scope())

    assert [one.name for one in checks if one.name.startswith("provider")] == ["provider, s1"]


@pytest.mark.parametrize("state", [None, 7, [], {"a": 1}, "Pondering " * 1000])
async def test_a_registration_that_cannot_be_read_is_none(state: Any) -> None:
    async with speaking() as line:
        sound(line)
        line.server.on("GET", "/providers/Microsoft.KubernetesConfiguration?", provider(state))
        checks = await examine(line.azure, BOTH)

    found = next(one for one in checks if one.name == "provider, s1")
    assert found.verdict is Verdict.FAIL
    assert len(found.detail) < 120


# --- several principals ------------------------------------------------------------------

PAIR = ("simulator:blue", "simulator:green")


def people(*oids: str, tenants: tuple[str, ...] = ("t", "t")) -> list[Say]:
    return [token(jwt(tid=tid, oid=oid)) for tid, oid in zip(tenants, oids, strict=True)]


async def test_every_principal_is_examined_as_itself_and_shared_things_once() -> None:
    async with speaking(credentials=PAIR) as line:
        sound(line)
        line.server.on("POST", TOKEN_PATH, people("1", "2"))
        found = verdicts(await examine(line.azure, BOTH))
        queries = line.server.sent("POST", "Microsoft.ResourceGraph")
        asked = line.server.sent("GET", "/permissions")

    assert set(found.values()) == {Verdict.OK}
    assert list(found) == [
        "credential, simulator:blue",
        "credential, simulator:green",
        "endpoint",
        "clock",
        "resource graph, s1, simulator:blue",
        "resource graph, s2, simulator:blue",
        "permissions, s1, simulator:blue",
        "permissions, s2, simulator:blue",
        "resource graph, s1, simulator:green",
        "resource graph, s2, simulator:green",
        "permissions, s1, simulator:green",
        "permissions, s2, simulator:green",
        "provider, s1",
        "provider, s2",
        "quotas, simulator:blue",
        "quotas, simulator:green",
    ]
    for sent, count in ((queries, 2), (asked, 4)):
        bearers = [one.headers["authorization"] for one in sent]
        assert (len(bearers), len(set(bearers))) == (count, 2)
        assert bearers.count(bearers[0]) == count // 2


async def test_a_principal_that_may_less_than_the_others_is_found() -> None:
    def grants(got: Got) -> Say:
        return allowed("*") if jwt(tid="t", oid="1") in got.headers["authorization"] else allowed()

    async with speaking(credentials=PAIR) as line:
        sound(line)
        line.server.on("POST", TOKEN_PATH, people("1", "2"))
        line.server.on("GET", "/providers/Microsoft.Authorization/permissions?", grants)
        found = verdicts(await examine(line.azure, Scope(subscriptions=("s1",))))

    assert found["permissions, s1, simulator:blue"] is Verdict.OK
    assert found["permissions, s1, simulator:green"] is Verdict.FAIL


async def test_a_principal_without_a_token_does_not_hide_what_the_others_see() -> None:
    async with speaking(credentials=PAIR) as line:
        sound(line)
        refused = failure(401, "invalid_client")
        line.server.on("POST", TOKEN_PATH, [refused, *people("2", tenants=("t",))])
        checks = {one.name: one for one in await examine(line.azure, Scope(subscriptions=("s1",)))}

    assert {name for name, one in checks.items() if one.verdict is Verdict.FAIL} == {
        "credential, simulator:blue",
        "resource graph, simulator:blue",
        "permissions, s1, simulator:blue",
    }
    assert checks["permissions, s1, simulator:blue"] == Check(
        name="permissions, s1, simulator:blue",
        verdict=Verdict.FAIL,
        detail="not looked at: there is no token",
        hint="See what is said of the credential.",
    )
    assert checks["provider, s1"].verdict is Verdict.OK


async def test_two_names_of_one_principal_and_principals_of_two_tenants_are_told() -> None:
    hints = []
    for said in (people("1", "1"), people("1", "2", tenants=("t", "u"))):
        async with speaking(credentials=PAIR) as line:
            sound(line)
            line.server.on("POST", TOKEN_PATH, said)
            found = {one.name: one for one in await examine(line.azure, BOTH)}
        green = found["credential, simulator:green"]
        hints.append((green.verdict, green.hint))

    assert hints == [
        (Verdict.WARN, "It is the same as simulator:blue, and adds nothing."),
        (Verdict.FAIL, "Name credentials of one tenant."),
    ]
