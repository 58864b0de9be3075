"""The way to Azure, by command: a company's proxy, a private CA, clouds by name, IPv6.

The clouds' own names are used: the proxy takes every tunnel to a simulated Azure of this machine,
which has a certificate for all of them. Nothing leaves.
"""

from __future__ import annotations

import contextlib
import dataclasses
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from fleet.engine import clock
from fleet.sim.server import serving as simulator
from fleet.sim.server.serving import Served
from tests.rig import commands, serving
from tests.rig.background import in_a_thread
from tests.rig.commands import Shell
from tests.rig.serving import CALM, TENANT
from tests.rig.tunnelling import tunnelling

PLAN = commands.PLANS / "osm-upgrade.yaml"
PASSWORD = "pass-word-of-the-proxy"  # noqa: S105 - that it is not shown is what is tested
NAMES = (
    *("management.azure.com", "login.microsoftonline.com"),
    *("management.usgovcloudapi.net", "login.microsoftonline.us"),
    *("management.chinacloudapi.cn", "login.chinacloudapi.cn"),
    *("arm.stack.example", "login.stack.example"),
)
PRINCIPAL = {
    "AZURE_TENANT_ID": TENANT,
    "AZURE_CLIENT_ID": "00000000-0000-4000-8000-00000000000a",
    "AZURE_CLIENT_SECRET": "any",
    "FLEET_CREDENTIAL": "env",
}


@pytest.fixture(scope="module")
def azure() -> Iterator[Served]:
    """A simulated Azure whose time is ours, under the names of all clouds."""
    with in_a_thread(_azure) as served:
        yield served


@contextlib.asynccontextmanager
async def _azure() -> AsyncIterator[Served]:
    recipe = dataclasses.replace(CALM, epoch=clock.wall())
    time = clock.scaled(recipe.epoch, 1)
    async with simulator.serving(
        recipe, clock=time, scale=Fraction(1), has_tls=True, names=NAMES
    ) as served:
        yield served


def port_of(azure: Served) -> int:
    return int(azure.endpoint.rpartition(":")[2])


def shell(root: Path, azure: Served, **extra: str | Path) -> Shell:
    """A shell of somebody with a service principal, behind a proxy with a CA of its own."""
    return Shell(root=root, extra={**PRINCIPAL, "SSL_CERT_FILE": str(azure.ca_file), **extra})


STACK = ("--endpoint", "https://arm.stack.example")
CLOUDS: dict[tuple[str, ...], tuple[str, str]] = {
    (): ("https://management.azure.com (AzureCloud)", "login.microsoftonline.com"),
    ("--cloud", "usgov"): (
        "https://management.usgovcloudapi.net (AzureUSGovernment)",
        "login.microsoftonline.us",
    ),
    ("--cloud", "china"): (
        "https://management.chinacloudapi.cn (AzureChinaCloud)",
        "login.chinacloudapi.cn",
    ),
    (*STACK, "--audience", "https://arm.stack.example"): (
        "https://arm.stack.example (custom)",
        "login.stack.example",
    ),
    (*STACK, "--cloud", "china", "--audience", "https://management.chinacloudapi.cn"): (
        "https://arm.stack.example (AzureChinaCloud)",
        "login.chinacloudapi.cn",
    ),
}


def test_every_cloud_is_reached_through_the_proxy_and_its_tokens_too(
    azure: Served, tmp_path: Path
) -> None:
    told = [("doctor", str(PLAN), "--json", *flags) for flags in CLOUDS]
    with tunnelling(port_of(azure), login=f"user:{PASSWORD}") as proxy:
        there = shell(
            tmp_path,
            azure,
            HTTPS_PROXY=proxy.url,
            AZURE_AUTHORITY_HOST="https://login.stack.example",
        )
        ended = [one.must(0) for one in there.many(*told)]

    for one, (endpoint, authority) in zip(ended, CLOUDS.values(), strict=True):
        details = {check["name"]: check["detail"] for check in one.json}
        assert {check["verdict"] for check in one.json} == {"ok"}
        assert details["endpoint"] == f"{endpoint} answers over TLS"
        assert details["token endpoint"] == f"https://{authority} answers over TLS"
        assert PASSWORD not in one.stdout + one.stderr
    assert proxy.hosts == {f"{name}:443" for name in NAMES}
    assert proxy.refused == []


def test_a_plan_is_made_through_the_proxy_that_we_are_told_of_first(
    azure: Served, tmp_path: Path
) -> None:
    with tunnelling(port_of(azure)) as proxy:
        there = shell(tmp_path, azure, HTTPS_PROXY="http://127.0.0.1:9", FLEET_PROXY=proxy.url)
        ended = there("plan", PLAN, "--json").must(0)

    assert ended.json["kind"] == "Plan"
    assert proxy.hosts == {f"{host}:443" for host in NAMES[0:2]}


def test_a_private_authority_is_trusted_by_the_variable_of_the_azure_cli(
    azure: Served, tmp_path: Path
) -> None:
    with tunnelling(port_of(azure)) as proxy:
        trusting = Shell(
            root=tmp_path,
            extra={
                **PRINCIPAL,
                "FLEET_PROXY": proxy.url,
                "REQUESTS_CA_BUNDLE": azure.ca_file or "",
            },
        )
        good = trusting("doctor", PLAN, "--json").must(0)
        bad = trusting.with_(REQUESTS_CA_BUNDLE="")("doctor", PLAN, "--json").must(4)

    failed = {one["name"]: one["detail"] for one in bad.json if one["verdict"] == "fail"}
    assert {one["verdict"] for one in good.json} == {"ok"}
    assert "TLS failed" in failed["endpoint"]
    assert "TLS failed" in failed["credential"]


def test_a_proxy_that_wants_another_password_is_told_without_the_one_it_got(
    azure: Served, tmp_path: Path
) -> None:
    with tunnelling(port_of(azure), login="user:right") as proxy:
        wrong = proxy.url.replace("right", PASSWORD)
        ended = shell(tmp_path, azure, HTTPS_PROXY=wrong)("doctor", PLAN, "--json").must(4)

    failed = {one["name"]: one["detail"] for one in ended.json if one["verdict"] == "fail"}
    assert "the proxy wants another user and password (407)" in failed["endpoint"]
    assert proxy.asked == []
    assert PASSWORD not in ended.stdout + ended.stderr
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in kept if PASSWORD.encode() in path.read_bytes()] == []


def test_a_way_that_is_none_is_bad_input(tmp_path: Path) -> None:
    flags = {
        ("--proxy", f"socks5://me:{PASSWORD}@proxy.example:1080"): "of the kind socks5",
        ("--proxy", f"http://me:{PASSWORD}@:99999999"): "--proxy is no URL of a proxy",
        ("--connect-timeout", "0"): "--connect-timeout",
        ("--read-timeout", "1000"): "--read-timeout",
        ("--max-connections", "-1"): "--max-connections",
    }
    ended = Shell(root=tmp_path).many(*[("plan", PLAN, *pair) for pair in flags])

    for one, said in zip(ended, flags.values(), strict=True):
        assert said in one.must(2).stderr
        assert PASSWORD not in one.stdout + one.stderr


# --- IPv6 --------------------------------------------------------------------------------


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
@pytest.mark.parametrize("flags", [(), ("--tls",)], ids=["plain", "TLS"])
def test_an_endpoint_by_ipv6_is_as_good_as_another(flags: tuple[str, ...], tmp_path: Path) -> None:
    site = Shell(root=tmp_path)
    process, document = serving.started(
        site,
        *("--host", "::1", "--world", str(commands.world("lively")), "--time-scale", "600"),
        *("--clusters", "3", "--subscriptions", "1"),
        *flags,
    )
    try:
        endpoint = document["endpoint"]
        plan = commands.plan("patient")
        trust = {"FLEET_CA_FILE": document["caFile"]} if document["caFile"] else {}
        there = site.with_(FLEET_ENDPOINT=endpoint, HTTP_PROXY="http://127.0.0.1:9", **trust)
        if flags:
            ended = there("doctor", plan, "--json").must(0)
        else:
            ended = there("run", plan, "--yes", "--run-id", "r1", "--json").must(0)
    finally:
        process.send(signal.SIGTERM)
        process.end().must(0)

    scheme = "https" if flags else "http"
    assert endpoint.startswith(f"{scheme}://[::1]:")
    if flags:
        assert {one["verdict"] for one in ended.json} == {"ok"}
    else:
        assert set(ended.json["counts"]) == {"Succeeded"}
