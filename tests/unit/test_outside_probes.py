"""Who is asked how, under whose name, and what is said where that fails."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import gzip
import json
import ssl
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import trustme

from fleet.errors import TransientError
from fleet.model.cluster import ClusterId
from fleet.model.gates import Probe, ProbeKind, Reading
from fleet.net.network import Network
from fleet.outside.probes import OutsideProbes
from fleet.ports import Unwell
from tests.rig import loopback, scripted
from tests.rig.measuring import ABOUT, HEADER, OSM, TOKEN, Sickbay, Stand, standing
from tests.rig.scripted import Say

QUERY = "/api/v1/query"
LOGS = "/v1/workspaces/"
WORKSPACE = "00000000-0000-0000-0000-00000000000a"
WELL = Say(body={"status": "success", "data": {"resultType": "scalar", "result": [1, "0.999"]}})
TABLE = Say(
    body={
        "tables": [
            {"name": "PrimaryResult", "columns": [{"name": "n", "type": "long"}], "rows": [[7]]}
        ]
    }
)


def bare(**fields: Any) -> OutsideProbes:
    """Probes without an identity."""
    given = {"health": Sickbay(), "extension_type": OSM, "network": Network(), **fields}
    return OutsideProbes(**given)


# --- what is sent ----------------------------------------------------------------------------


async def test_promql_is_filled_in_and_sent_to_the_letter() -> None:
    query = 'sum(rate(x{c=~"${clusters}",w!="a+b&c=d%20"}[${window}])) > 1'
    async with standing() as stand:
        stand.server.on("GET", QUERY, WELL)
        found = await stand.measure(stand.prometheus(query=query))
        (got,) = stand.server.got

    sent = parse_qs(urlsplit(got.path).query, strict_parsing=True)
    expected = 'sum(rate(x{c=~"store-1|store[.]2",w!="a+b&c=d%20"}[300s])) > 1'
    assert found == Reading(values=("0.999",))
    assert sent == {"query": [expected], "timeout": ["30000ms"]}
    assert "authorization" not in got.headers
    assert got.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("", "/api/v1/query?"),
        ("/", "/api/v1/query?"),
        ("/tenants/a/", "/tenants/a/api/v1/query?"),
        ("/x/api/v1/query", "/x/api/v1/query?"),
        ("/p?dedup=true", "/p/api/v1/query?dedup=true&"),
    ],
)
async def test_a_server_may_live_below_a_path(url: str, path: str) -> None:
    async with standing() as stand:
        stand.server.on("GET", QUERY, WELL)
        await stand.measure(stand.prometheus(url=f"{stand.server.url}{url}"))
        (got,) = stand.server.got

    assert got.path.startswith(f"{path}query=up")


async def test_a_query_that_no_url_can_hold_is_posted() -> None:
    about = dataclasses.replace(ABOUT, clusters=[f"store-{n}" for n in range(2000)])
    async with standing() as stand:
        stand.server.on("POST", QUERY, WELL)
        probe = stand.prometheus(query='up{c=~"${clusters}"}')
        found = await stand.measure(probe, about)
        (got,) = stand.server.got

    assert found == Reading(values=("0.999",))
    assert got.headers["content-type"] == "application/x-www-form-urlencoded"
    form = parse_qs(got.body.decode(), strict_parsing=True)
    assert form["query"][0].startswith('up{c=~"store-0|store-1|')


async def test_a_query_about_too_many_clusters_says_so_and_asks_nobody() -> None:
    about = dataclasses.replace(ABOUT, clusters=["c"] * 2001)
    async with standing() as stand:
        found = await stand.measure(stand.prometheus(query="${clusters}"), about)
        assert stand.server.got == []

    assert found == Reading(
        error="${clusters} stands for 2001 names, and at most 2000 fit. "
        "Select by a label instead, or make the waves smaller."
    )


async def test_kql_goes_to_the_workspace_with_a_token_of_that_audience() -> None:
    probe = Probe(
        kind=ProbeKind.LOG_ANALYTICS,
        workspace=WORKSPACE,
        query="T | where c in (${clusters}) and TimeGenerated > ago(${window}) | count",
        timeout=dt.timedelta(seconds=20),
    )
    async with standing() as stand:
        stand.server.on("POST", LOGS, TABLE)
        found = await stand.measure(probe)
        (got,) = stand.server.got

    assert found == Reading(values=("7",))
    assert got.path == f"/v1/workspaces/{WORKSPACE}/query"
    assert got.json == {
        "query": "T | where c in ('store-1', 'store.2') and TimeGenerated > ago(300s) | count"
    }
    assert (got.headers["authorization"], got.headers["prefer"]) == (f"Bearer {TOKEN}", "wait=20")
    assert stand.wallet.asked == [("https://logs.example", "")]


async def test_a_workspace_is_one_segment_of_the_path_whatever_it_is() -> None:
    probe = Probe(kind=ProbeKind.LOG_ANALYTICS, workspace="../../x?y#z", query="T")
    async with standing() as stand:
        stand.server.on("POST", LOGS, TABLE)
        await stand.measure(probe)
        (got,) = stand.server.got

    assert got.path == "/v1/workspaces/..%2F..%2Fx%3Fy%23z/query"


async def test_managed_prometheus_is_sent_a_token_and_another_where_one_ended_early() -> None:
    answers = [Say(status=401, body={"error": {"code": "Expired"}}), WELL]
    async with standing() as stand:
        stand.server.on("GET", QUERY, answers)
        found = await stand.measure(stand.prometheus(is_azure=True))
        sent = [one.headers["authorization"] for one in stand.server.got]

    assert found == Reading(values=("0.999",))
    assert stand.wallet.asked == [
        ("https://metrics.example", ""),
        ("https://metrics.example", TOKEN),
    ]
    assert sent == [f"Bearer {TOKEN}", f"Bearer {TOKEN[:-1]}2"]


async def test_a_token_that_is_refused_twice_is_an_error() -> None:
    async with standing() as stand:
        stand.server.on("GET", QUERY, Say(status=401, body={"error": {"message": "Go away."}}))
        found = await stand.measure(stand.prometheus(is_azure=True))

    assert len(stand.server.got) == 2
    assert found.error.endswith("the answer was 401: Go away.")


@pytest.mark.parametrize(
    "url",
    [
        "http://metrics.prometheus.monitor.azure.com",
        "https://evil.example/.prometheus.monitor.azure.com",
        "https://user@x.prometheus.monitor.azure.com",
    ],
)
async def test_a_token_goes_nowhere_else(url: str) -> None:
    async with standing() as stand:
        found = await stand.measure(stand.prometheus(is_azure=True, url=url))

    assert "no token goes elsewhere" in found.error
    assert stand.wallet.asked == []


@pytest.mark.parametrize(
    "probe",
    [
        Probe(kind=ProbeKind.PROMETHEUS, url="https://x.example", query="up", is_azure=True),
        Probe(kind=ProbeKind.LOG_ANALYTICS, workspace="w", query="T"),
        Probe(kind=ProbeKind.RESOURCE_GRAPH, query="resources | count"),
    ],
    ids=lambda one: one.kind,
)
async def test_without_an_identity_nothing_of_azure_is_asked(probe: Probe) -> None:
    found = await bare().measure(probe, ABOUT)

    assert found.error.endswith("there is no identity at Azure to ask it with")


async def test_in_a_cloud_whose_logs_nobody_knows_nobody_is_asked() -> None:
    async with standing(logs_url="") as stand:
        found = await stand.measure(Probe(kind=ProbeKind.LOG_ANALYTICS, workspace="w", query="T"))

    assert found == Reading(
        error="Log Analytics: where it is in this cloud is not known. Name the cloud: --cloud."
    )


async def test_headers_come_from_variables_and_are_in_no_message() -> None:
    secrets = {"PROM_AUTH": f"Bearer {HEADER}"}
    told = Say(status=403, body={"status": "error", "error": f"Bearer {HEADER} may not"})
    async with standing(secrets=secrets) as stand:
        stand.server.on("GET", QUERY, told)
        probe = stand.prometheus(headers={"Authorization": "PROM_AUTH"})
        found = await stand.measure(probe)
        (got,) = stand.server.got

    assert got.headers["authorization"] == f"Bearer {HEADER}"
    assert found.error.endswith("the answer was 403: *** may not")


async def test_a_variable_that_is_not_set_is_named_and_nobody_is_asked() -> None:
    async with standing() as stand:
        found = await stand.measure(stand.http(headers={"X-Key": "NOT_THERE"}))
        assert stand.server.got == []

    assert found.error.endswith("a header is to come from NOT_THERE, which is not set")


async def test_a_header_is_not_sent_where_others_can_read_it() -> None:
    probe = Probe(kind=ProbeKind.HTTP, url="http://shop.example/x", headers={"X-Key": "KEY"})
    found = await bare(secrets={"KEY": HEADER}).measure(probe, ABOUT)

    assert found == Reading(
        error="the HTTP probe at http://shop.example: not asked, headers would be readable on "
        "their way. Use https."
    )


@pytest.mark.parametrize("value", ["a\r\nX-Other: b", "a\x00b"])
async def test_a_header_that_cannot_be_sent_is_an_error_without_it(value: str) -> None:
    async with standing(secrets={"KEY": f"{HEADER}{value}"}) as stand:
        stand.server.on("GET", "/health", Say(body=1))
        found = await stand.measure(stand.http(headers={"X-Key": "KEY"}))

    assert found.error
    assert "hunter2" not in found.error


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://alice:hunter2@127.0.0.1:9/x", "its address holds a user name or a password"),
        ("ftp://127.0.0.1/x", "no http or https URL"),
        ("127.0.0.1:9090", "no http or https URL"),
        ("http://[", "is no URL"),
        ("http://x:99999/", "is no URL"),
        ("", "no http or https URL"),
        ("file:///etc/passwd", "no http or https URL"),
    ],
)
@pytest.mark.parametrize("kind", [ProbeKind.HTTP, ProbeKind.PROMETHEUS])
async def test_an_address_that_cannot_be_asked_is_an_error_that_does_not_show_it(
    url: str, says: str, kind: ProbeKind
) -> None:
    found = await bare().measure(Probe(kind=kind, url=url, query="up"), ABOUT)

    assert says in found.error
    assert "hunter2" not in found.error
    assert "alice" not in found.error


# --- what may come back ----------------------------------------------------------------------


async def test_a_redirect_is_not_followed_and_where_to_is_not_shown() -> None:
    async with standing(secrets={"KEY": HEADER}) as stand:
        there = Say(status=302, headers={"Location": f"{stand.server.url}/stolen?s=hunter2"})
        stand.server.on("GET", "/health", there)
        found = await stand.measure(stand.http(headers={"X-Key": "KEY"}))

    assert [one.path for one in stand.server.got] == ["/health"]
    assert found.error.endswith("the answer was 302, a redirect, which is not followed")


BOMB = gzip.compress(b"1" * 50_000_000)
AnyProbe = Callable[[Stand], Probe]
ASKED: Mapping[str, AnyProbe] = {
    "prometheus": lambda stand: stand.prometheus(),
    "managed prometheus": lambda stand: stand.prometheus(is_azure=True),
    "log analytics": lambda _: Probe(kind=ProbeKind.LOG_ANALYTICS, workspace="w", query="T"),
    "http": lambda stand: stand.http(),
}


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize(
    ("say", "says"),
    [
        pytest.param(Say(), "is empty, not JSON", id="nothing"),
        pytest.param(Say(body=b"<html>Log in</html>"), "is an HTML page, not JSON", id="a page"),
        pytest.param(Say(body=b"\xff\xfe{"), "3 bytes that cannot be read", id="garbage"),
        pytest.param(Say(body=b'{"a": NaN}'), "10 bytes that cannot be read", id="NaN"),
        pytest.param(Say(body=b"[" * 100_000), "that cannot be read", id="deep"),
        pytest.param(Say(body=b" " * 5_000_001), "longer than 5 MB", id="long"),
        pytest.param(
            Say(body=BOMB, headers={"Content-Encoding": "gzip"}), "longer than 5 MB", id="a bomb"
        ),
        pytest.param(
            Say(body=gzip.compress(b"[1]" * 999)[:20], headers={"Content-Encoding": "gzip"}),
            "the answer was cut off",
            id="half of a gzip",
        ),
        pytest.param(
            Say(body=b"no gzip", headers={"Content-Encoding": "gzip"}),
            "cannot be unpacked",
            id="no gzip",
        ),
        pytest.param(
            Say(body=b"1", headers={"Content-Encoding": "br"}), "packed as br", id="packed"
        ),
        pytest.param(Say(status=503, body=b"down"), "the answer was 503", id="an error"),
        pytest.param(Say(status=302), "the answer was 302", id="a redirect"),
        pytest.param(Say(hangs_up=True), "the connection broke", id="hung up"),
        pytest.param(Say(body={"x": 1}, breaks_off=True), "the connection broke", id="cut off"),
    ],
)
async def test_an_answer_that_is_none_is_an_error(name: str, say: Say, says: str) -> None:
    async with standing() as stand:
        for method in ("GET", "POST"):
            stand.server.on(method, "/", say)
        found = await stand.measure(ASKED[name](stand))

    assert says in found.error, found
    assert found.values == ()
    assert len(found.error) <= 500
    assert TOKEN not in found.error


async def test_a_packed_answer_that_is_not_too_long_is_read() -> None:
    body = gzip.compress(json.dumps({"v": 3}).encode())
    async with standing() as stand:
        stand.server.on("GET", "/health", Say(body=body, headers={"Content-Encoding": "gzip"}))

        assert await stand.measure(stand.http(pointer="/v")) == Reading(values=("3",))


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("say", [Say(stalls=True), Say(drips=True)], ids=["silent", "dripping"])
def test_an_answer_that_does_not_come_in_time_is_an_error(name: str, say: Say) -> None:
    async def main() -> Reading:
        async with standing() as stand:
            for method in ("GET", "POST"):
                stand.server.on(method, "/", say)
            return await stand.measure(ASKED[name](stand))

    found = loopback.run(main())

    assert found.error.endswith("no answer within 30 s")
    assert found.values == ()


async def test_nobody_at_the_port_is_an_error() -> None:
    async with scripted.serving() as server:
        url = server.url
    found = await bare().measure(Probe(kind=ProbeKind.HTTP, url=f"{url}/secret"), ABOUT)

    assert found.error.startswith(f"the HTTP probe at {url}: no connection: ")
    assert "secret" not in found.error


async def test_a_server_that_nobody_vouches_for_is_an_error_and_a_ca_file_helps(
    tmp_path: Path,
) -> None:
    ca, ca_file = trustme.CA(), tmp_path / "ca.pem"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    ca.cert_pem.write_to_path(str(ca_file))
    async with scripted.serving(tls=context) as server:
        server.on("GET", "/x", Say(body=5))
        probe = Probe(kind=ProbeKind.HTTP, url=f"{server.url}/x")
        refused = await bare().measure(probe, ABOUT)
        found = await bare(network=Network(ca_file=ca_file)).measure(probe, ABOUT)
        await asyncio.sleep(0)

    assert "TLS failed" in refused.error
    assert refused.error.endswith("Is the CA a private one? Name its file: --ca-file.")
    assert found == Reading(values=("5",))


async def test_the_way_there_is_the_network_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    async with scripted.serving() as proxy:
        proxy.on("GET", "far.example", Say(body=5))
        probes = bare(network=Network(proxy=proxy.url.replace("http://", "http://u:hunter2@")))
        found = await probes.measure(Probe(kind=ProbeKind.HTTP, url="http://far.example/x"), ABOUT)

    assert found == Reading(values=("5",))
    assert [one.path for one in proxy.got] == ["http://far.example/x"]


# --- the others ------------------------------------------------------------------------------


async def test_resource_graph_is_asked_by_the_client_that_is_given() -> None:
    asked: list[tuple[str, Sequence[str]]] = []

    async def rows(query: str, subscriptions: Sequence[str]) -> Sequence[Mapping[str, Any]]:
        asked.append((query, subscriptions))
        return [{"Value": 2, "name": "x"}, {"Value": None, "name": "y"}, {"Value": 0.5}, {}]

    about = dataclasses.replace(ABOUT, subscriptions=["s1", "s1", "s2"])
    async with standing(rows=rows) as stand:
        probe = Probe(
            kind=ProbeKind.RESOURCE_GRAPH, query="resources | where name in (${clusters})"
        )
        found = await stand.measure(probe, about)

    assert asked == [("resources | where name in ('store-1', 'store.2')", ["s1", "s2"])]
    assert found == Reading(values=("2", "0.5"))


@pytest.mark.parametrize(
    ("subscriptions", "says"),
    [
        ([], "there is no subscription to ask about"),
        ([f"s{n}" for n in range(1001)], "1000 subscriptions at most, and these are 1001"),
    ],
    ids=["none", "many"],
)
async def test_resource_graph_is_asked_about_no_more_and_no_less(
    subscriptions: list[str], says: str
) -> None:
    async with standing() as stand:
        probe = Probe(kind=ProbeKind.RESOURCE_GRAPH, query="resources | count")
        about = dataclasses.replace(ABOUT, subscriptions=subscriptions)

        assert says in (await stand.measure(probe, about)).error


async def test_the_extensions_of_the_wave_are_counted() -> None:
    health = Sickbay(
        Unwell(cluster_id=ClusterId("/clusters/store-1"), state="Failed"),
        Unwell(cluster_id=ClusterId("/clusters/other"), state="Failed"),
    )
    async with standing(health=health) as stand:
        found = await stand.measure(Probe(kind=ProbeKind.EXTENSION))

    assert found == Reading(values=("0.5",), detail="1 of 2 are well: store-1 Failed")
    assert health.asked == [(OSM, ("s1", "s2"))]


async def test_a_service_that_cannot_tell_is_an_error() -> None:
    health = Sickbay(error=TransientError("asking Resource Graph: no connection"))
    async with standing(health=health) as stand:
        found = await stand.measure(Probe(kind=ProbeKind.EXTENSION))

    assert found == Reading(error="asking Resource Graph: no connection")


async def test_a_command_is_filled_in() -> None:
    script = "import sys, json; print(json.dumps({'v': [len(sys.argv[1])], 'a': sys.argv[1:]}))"
    probe = Probe(
        kind=ProbeKind.COMMAND,
        argv=(sys.executable, "-c", script, "${wave} ${clusters}", "$HOME;ls"),
        pointer="/v",
    )

    assert await bare().measure(probe, ABOUT) == Reading(
        values=(str(len("canary store-1,store.2")),)
    )


def test_a_command_that_takes_too_long_is_ended() -> None:
    async def main() -> Reading:
        probe = Probe(
            kind=ProbeKind.COMMAND, argv=("sleep", "600"), timeout=dt.timedelta(seconds=0.2)
        )
        return await bare().measure(probe, ABOUT)

    assert asyncio.run(main()) == Reading(error="the command sleep: no answer within 0.2 s")
