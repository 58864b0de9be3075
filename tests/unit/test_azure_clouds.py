from __future__ import annotations

import base64
import subprocess
import sys

import pytest

from fleet.azure.clouds import Place, place
from fleet.azure.credentials import Identity, Kind, identity_of, kind_at
from fleet.errors import FleetError, InputError, RefusedError
from tests.rig.scripted import jwt

PUBLIC = Place(
    url="https://management.azure.com",
    cloud="AzureCloud",
    audience="https://management.azure.com",
    authority="login.microsoftonline.com",
)
GOVERNMENT = Place(
    url="https://management.usgovcloudapi.net",
    cloud="AzureUSGovernment",
    audience="https://management.core.usgovcloudapi.net",
    authority="login.microsoftonline.us",
)
CHINA = Place(
    url="https://management.chinacloudapi.cn",
    cloud="AzureChinaCloud",
    audience="https://management.chinacloudapi.cn",
    authority="login.chinacloudapi.cn",
)


@pytest.mark.parametrize(
    ("cloud", "expected"),
    [
        (None, PUBLIC),
        ("AzureCloud", PUBLIC),
        ("azureusgovernment", GOVERNMENT),
        ("AZURECHINACLOUD", CHINA),
        ("public", PUBLIC),
        ("usgovernment", GOVERNMENT),
        ("china", CHINA),
    ],
)
def test_clouds_are_known_by_several_names_in_any_case(cloud: str | None, expected: Place) -> None:
    assert place(cloud=cloud, endpoint=None, audience=None) == expected


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("https://management.azure.com", PUBLIC),
        ("https://Management.Azure.com:443/", PUBLIC),
        ("https://management.usgovcloudapi.net/", GOVERNMENT),
    ],
)
def test_an_endpoint_at_a_known_host_is_that_cloud(endpoint: str, expected: Place) -> None:
    assert place(cloud=None, endpoint=endpoint, audience=None) == expected


@pytest.mark.parametrize(
    "endpoint",
    ["http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]:8080", "https://127.9.9.9"],
)
def test_an_endpoint_on_this_machine_is_simulated_and_may_be_plain(endpoint: str) -> None:
    found = place(cloud=None, endpoint=endpoint + "/", audience=None)

    assert found == Place(url=endpoint, cloud="simulated", audience=None, authority=None)
    assert found.is_loopback
    assert found.is_plain is endpoint.startswith("http:")
    assert kind_at(found, None) is Kind.SIMULATOR


def test_another_endpoint_needs_an_audience_and_takes_the_authority_of_its_cloud() -> None:
    url = "https://arm.stack.example:8443"
    found = place(cloud="china", endpoint=url, audience="https://arm.stack.example/.default")

    assert found == Place(
        url=url,
        cloud="AzureChinaCloud",
        audience="https://arm.stack.example",
        authority="login.chinacloudapi.cn",
    )
    assert not found.is_loopback
    assert kind_at(found, None) is Kind.DEFAULT


@pytest.mark.parametrize(
    ("endpoint", "error"),
    [
        ("https://arm.example", RefusedError),
        ("http://arm.example", RefusedError),
        ("http://management.azure.com", RefusedError),
        ("https://management.azure.com:8443", RefusedError),
        ("https://127.0.0.1.example", RefusedError),
        ("http://127.1", RefusedError),
        ("ftp://127.0.0.1", InputError),
        ("127.0.0.1:8080", InputError),
        ("http://", InputError),
        ("http://me:secret@127.0.0.1", InputError),
        ("http://127.0.0.1/subscriptions", InputError),
        ("http://127.0.0.1/?", InputError),
        ("http://127.0.0.1?api-version=1", InputError),
        ("http://127.0.0.1#x", InputError),
        ("http://127.0.0.1:99999", InputError),
        ("http://127.0.0.1:0", InputError),
        ("http://[::1", InputError),
    ],
)
def test_an_endpoint_that_cannot_or_may_not_be_used_is_refused_with_a_hint(
    endpoint: str, error: type[FleetError]
) -> None:
    with pytest.raises(error) as caught:
        place(cloud=None, endpoint=endpoint, audience=None)

    assert type(caught.value) is error
    assert caught.value.hint
    assert "secret" not in str(caught.value)


def test_a_cloud_and_an_endpoint_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(InputError, match="AzureCloud, not to AzureChinaCloud"):
        place(cloud="china", endpoint="https://management.azure.com", audience=None)


def test_a_cloud_that_nobody_knows_is_refused_with_those_that_are() -> None:
    with pytest.raises(InputError) as caught:
        place(cloud="AzureGermanCloud", endpoint=None, audience=None)

    assert caught.value.hint == "There are AzureCloud, AzureUSGovernment, AzureChinaCloud."


@pytest.mark.parametrize("audience", ["https://a b", " ", "/"])
def test_an_audience_that_is_none_is_refused(audience: str) -> None:
    with pytest.raises(InputError, match="audience"):
        place(cloud=None, endpoint=None, audience=audience)


@pytest.mark.parametrize(
    ("url", "is_there"),
    [
        ("https://management.azure.com/x?a=%2F", True),
        ("HTTPS://MANAGEMENT.AZURE.COM:443/x", True),
        ("http://management.azure.com/x", False),
        ("https://management.azure.com:444/x", False),
        ("https://management.azure.com.evil.example/x", False),
        ("https://management.azure.com@evil.example/x", False),
        ("https://me@management.azure.com/x", False),
        ("https://evil.example\\@management.azure.com/x", False),
        ("https://evil.example/\n@management.azure.com", False),
        ("//management.azure.com/x", False),
        ("/subscriptions", False),
        ("", False),
        ("https://management.azure.com:x/", False),
    ],
)
def test_only_the_same_scheme_host_and_port_may_see_a_token(url: str, is_there: bool) -> None:
    assert PUBLIC.is_at(url) is is_there


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.SIMULATOR])
def test_a_real_token_never_goes_to_plain_http_or_where_no_audience_was_named(kind: Kind) -> None:
    plain = place(cloud=None, endpoint="http://127.0.0.1:1", audience="https://named.example")
    unnamed = place(cloud=None, endpoint="https://127.0.0.1:1", audience=None)
    named = place(cloud=None, endpoint="https://127.0.0.1:1", audience="https://named.example")

    with pytest.raises(RefusedError, match="not encrypted"):
        kind_at(plain, kind)
    with pytest.raises(RefusedError, match="audience"):
        kind_at(unnamed, kind)
    assert kind_at(named, kind) is kind


def test_the_simulators_credential_goes_nowhere_but_to_this_machine() -> None:
    with pytest.raises(RefusedError, match="simulator"):
        kind_at(PUBLIC, Kind.SIMULATOR)


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        (jwt(tid="t", oid="o", appid="a"), Identity(tenant="t", principal="o")),
        (jwt(tid="t", appid="a"), Identity(tenant="t", principal="a")),
        (jwt(), Identity(tenant="unknown", principal="unknown")),
        ("opaque", Identity(tenant="unknown", principal="unknown")),
        ("a.!!!.c", Identity(tenant="unknown", principal="unknown")),
        (
            f"a.{base64.urlsafe_b64encode(b'[1]').decode()}.c",
            Identity(tenant="unknown", principal="unknown"),
        ),
    ],
)
def test_an_identity_is_read_from_the_tokens_claims(token: str, expected: Identity) -> None:
    assert identity_of(token) == expected


@pytest.mark.parametrize(
    ("token", "name"),
    [
        pytest.param(jwt(appid="cli", upn="ada@x.example", scp="s", oid="o"), "ada@x.example"),
        pytest.param(jwt(appid="cli", unique_name="x#bo@y.example"), "x#bo@y.example"),
        pytest.param(jwt(azp="cli", preferred_username="ada@x.example"), "ada@x.example"),
        pytest.param(jwt(azp="cli", email="ada@x.example", upn="a b"), "ada@x.example"),
        pytest.param(jwt(appid="cli", oid="o", scp="s"), "o", id="never the client's id"),
        pytest.param(jwt(appid="cli", oid="o", idtyp="user"), "o", id="of a user without a name"),
        pytest.param(jwt(appid="cli", oid="o", upn=7), "o", id="a name that is no text"),
        pytest.param(jwt(appid="app", oid="o", idtyp="app"), "app"),
        pytest.param(jwt(azp="app", oid="o"), "app"),
        pytest.param(jwt(oid="o", tid="t"), "o"),
        pytest.param(jwt(appid="app", idtyp="app", upn="ada@x.example"), "app", id="boasts"),
        pytest.param(jwt(upn="ada\n@x.example", scp="s"), "unknown", id="two lines"),
        pytest.param("opaque", "unknown", id="no JWT"),
        pytest.param("a.b.c", "unknown", id="not base64"),
    ],
)
def test_a_person_or_an_application_is_called_as_the_tokens_claims_have_it(
    token: str, name: str
) -> None:
    assert identity_of(token).name == name


def test_a_user_who_is_renamed_stays_the_same() -> None:
    before, after = (jwt(tid="t", oid="o", upn=f"{one}@x.example") for one in ("ada", "countess"))

    assert identity_of(before) == identity_of(after)


def test_the_names_that_the_command_line_offers_load_no_sdk() -> None:
    code = (
        "import sys, fleet.azure.clouds, fleet.azure.credentials\n"
        "print([name for name in ('azure', 'aiohttp', 'tenacity') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("endpoint", "audience", "url", "is_loopback"),
    [
        ("http://[::1]:8080/", None, "http://[::1]:8080", True),
        ("http://[0:0:0:0:0:0:0:1]:8080", None, "http://[::1]:8080", True),
        ("https://[FD00::5]:8443", "https://arm.example", "https://[fd00::5]:8443", False),
    ],
)
def test_an_endpoint_by_ipv6_is_read_as_any_other(
    endpoint: str, audience: str | None, url: str, is_loopback: bool
) -> None:
    found = place(cloud=None, endpoint=endpoint, audience=audience)

    assert (found.url, found.is_loopback) == (url, is_loopback)
    assert found.is_at(f"{url}/subscriptions/x?api-version=1")
    assert not found.is_at("http://127.0.0.1:8080/subscriptions/x")


def test_an_ipv6_endpoint_elsewhere_is_never_plain() -> None:
    with pytest.raises(RefusedError, match="not encrypted"):
        place(cloud=None, endpoint="http://[fd00::5]:8080", audience="https://arm.example")


def test_the_short_name_of_the_government_s_cloud_is_known() -> None:
    assert place(cloud="usgov", endpoint=None, audience=None) == GOVERNMENT
