"""Which way a request goes: proxies and whom they are not for, authorities, connections."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fleet.azure import clouds, transport
from fleet.azure.requests import Request
from fleet.errors import FleetError, InputError, TransientError
from fleet.net import network
from fleet.net.network import Network
from tests.rig.scripted import IDS, speaking
from tests.rig.tunnelling import tunnelling
from tests.unit.test_azure_transport import MISSING, REF

ARM = "https://management.azure.com"
PROXY = "http://proxy.example:3128/"
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def _no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("variables", "url", "expected"),
    [
        ({}, ARM, None),
        ({"HTTPS_PROXY": "http://proxy.example:3128"}, ARM, PROXY),
        ({"https_proxy": "http://proxy.example:3128", "HTTPS_PROXY": "http://x:1"}, ARM, PROXY),
        ({"HTTPS_PROXY": "proxy.example:3128"}, ARM, PROXY),
        ({"ALL_PROXY": "http://proxy.example:3128"}, ARM, PROXY),
        ({"HTTP_PROXY": "http://proxy.example:3128"}, ARM, None),
        ({"HTTP_PROXY": "http://proxy.example:3128"}, "http://arm.example", PROXY),
        ({"HTTPS_PROXY": ""}, ARM, None),
        ({"HTTPS_PROXY": "http://[::1]:3128"}, ARM, "http://[::1]:3128/"),
    ],
)
def test_the_usual_variables_name_the_proxy(
    variables: dict[str, str], url: str, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = Network().proxy_for(url)

    assert (found and str(found)) == expected


@pytest.mark.parametrize(
    ("excused", "url", "is_excused"),
    [
        ("management.azure.com", ARM, True),
        (".azure.com", ARM, True),
        ("azure.com", ARM, True),
        ("*.azure.com", ARM, True),
        ("MANAGEMENT.azure.com", ARM, True),
        ("ure.com", ARM, False),
        ("x.example, .azure.com", ARM, True),
        ("management.azure.com:443", ARM, True),
        ("management.azure.com:8443", ARM, False),
        ("*", ARM, True),
        ("", ARM, False),
        (",", ARM, False),
        (".", ARM, False),
        ("10.0.0.0/8", "https://10.1.2.3", True),
        ("10.0.0.0/8", "https://11.1.2.3", False),
        ("10.0.0.0/8", "https://management.azure.com", False),
        ("10.1.2.3", "https://10.1.2.3:8443", True),
        ("10.1.2.3:8443", "https://10.1.2.3:8443", True),
        ("fd00::/8", "https://[fd00::5]", True),
        ("[fd00::5]:8443", "https://[fd00::5]:8443", True),
        ("[fd00::5]:8443", "https://[fd00::5]", False),
        ("fd00::5", "https://[fd00::6]", False),
        ("", "http://127.0.0.1:8080", True),
        ("", "http://[::1]:8080", True),
        ("", "http://localhost:8080", True),
        ("", "http://169.254.169.254/metadata/identity", True),
    ],
)
def test_some_hosts_are_excused_from_the_proxy(
    excused: str, url: str, is_excused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", excused)

    assert (Network(proxy=PROXY).proxy_for(url) is None) is is_excused


@pytest.mark.parametrize(
    "proxy",
    ["socks5://me:hidden@proxy.example:1080", "http://me:hidden@", "http://me:hidden@x:99999999"],
)
def test_a_proxy_that_cannot_be_used_is_refused_without_its_password(
    proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError) as flag:
        Network(proxy=proxy)
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(InputError) as variable:
        Network().proxy_for(ARM)

    assert "hidden" not in f"{flag.value} {variable.value}"
    assert variable.value.message.startswith("HTTPS_PROXY ")


def test_a_proxy_is_shown_and_told_of_without_its_password() -> None:
    found = Network(proxy="http://me:hidden@proxy.example:3128").proxy_for(ARM)

    assert found is not None
    assert network.shown(found) == "http://proxy.example:3128"
    assert "hidden" not in repr(Network(proxy="http://me:hidden@proxy.example:3128"))


async def test_a_host_that_is_excused_is_asked_without_the_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = clouds.place(cloud=None, endpoint="https://arm.invalid", audience="x")
    request = Request(method="GET", url=f"{place.url}/x", what="a test")
    said = []
    with tunnelling(9) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        for excused in (".invalid", ""):
            monkeypatch.setenv("NO_PROXY", excused)
            async with transport.session(place, network=Network()) as opened:
                with pytest.raises(TransientError) as caught:
                    await transport.exchange(opened, request, {})
            said.append(("cannot be resolved" in caught.value.message, proxy.hosts))

    assert said == [(True, set()), (False, {"arm.invalid:443"})]


# --- whom to trust -----------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"])
async def test_authorities_that_a_variable_names_must_be_there(
    variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    missing = tmp_path / "missing.pem"
    monkeypatch.setenv(variable, str(missing))
    place = clouds.place(cloud=None, endpoint=None, audience=None)
    with pytest.raises(InputError, match=r"missing\.pem"):
        async with transport.session(place, network=Network()):
            pass


def test_a_flag_goes_before_the_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/theirs.pem")

    assert list(Network().authorities()) == [Path("/theirs.pem")]
    assert list(Network(ca_file=Path("/ours.pem")).authorities()) == [Path("/ours.pem")]


# --- how many connections ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("connections", "least", "most"), [(0, 12, 24), (3, 3, 3)], ids=["no limit", "three"]
)
async def test_no_more_connections_are_open_than_are_allowed(
    connections: int, least: int, most: int
) -> None:
    async with speaking(network=Network(connections=connections)) as line:
        line.server.on("GET", "/extensions/osm", MISSING)
        line.server.lasts_s = 0.02
        await line.azure.identity()
        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(line.azure.get(REF, IDS)) for _ in range(24)]

        assert {one.result() for one in asked} == {None}
        assert least <= line.server.most_open <= most


async def test_waiting_for_a_connection_takes_none_of_a_call_s_time() -> None:
    """Ten calls of a tenth of a second, one after another, within a limit of three tenths each."""
    async with speaking(network=Network(connections=1, call_limit_s=0.3)) as line:
        line.server.on("GET", "/extensions/osm", MISSING)
        await line.azure.identity()
        line.server.lasts_s = 0.1
        errors: list[FleetError] = []

        async def one() -> None:
            try:
                await line.azure.get(REF, IDS)
            except FleetError as error:
                errors.append(error)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(10):
                tasks.create_task(one())

    assert errors == []
