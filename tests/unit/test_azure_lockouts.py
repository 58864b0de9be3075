"""Every way of having no credential, as the SDK, the Azure CLI and Entra really say it."""

from __future__ import annotations

import base64
import os
import re
import ssl
from pathlib import Path

import pytest
import trustme
from azure.identity import CredentialUnavailableError

from fleet.azure import clouds, entra, lockouts
from fleet.azure.credentials import Kind
from fleet.errors import AuthError, RemoteError, TransientError
from fleet.net.network import Network
from tests.rig.commands import written
from tests.rig.scripted import Say, serving

PUBLIC = clouds.place(cloud=None, endpoint=None, audience=None)
TENANT = "11111111-2222-4333-8444-555555555555"
SECRET = "the-secret-that-nobody-sees"  # noqa: S105 - that it is not shown is what is tested
PRINCIPAL = {
    "AZURE_TENANT_ID": TENANT,
    "AZURE_CLIENT_ID": "00000000-0000-4000-8000-00000000000a",
    "AZURE_CLIENT_SECRET": SECRET,
}
# Source: Entra's own words, which quote what they were sent.
TRACE = (
    "Trace ID: 0b4b1d8e-0000-0000-0000-000000000000 Correlation ID: "
    "5d1e7c1a-0000-0000-0000-000000000000 Timestamp: 2026-01-10 02:00:00Z"
)
SAID = {
    7000215: (
        401,
        "invalid_client",
        (
            "Invalid client secret provided. Ensure the secret being sent is the client "
            f"secret value, not the client secret ID, for a secret added to app '{SECRET}'."
        ),
        "the client secret is wrong",
    ),
    7000222: (
        401,
        "invalid_client",
        (
            "The provided client secret keys for app '00000000-0000-4000-8000-00000000000a' are "
            "expired."
        ),
        "the client secret has expired",
    ),
    90002: (
        400,
        "invalid_request",
        (
            f"Tenant '{TENANT}' not found. Check to make sure you have the correct tenant ID and "
            "are signing into the correct cloud."
        ),
        "there is no such tenant in this cloud",
    ),
    700016: (
        400,
        "unauthorized_client",
        (
            "Application with identifier '00000000-0000-4000-8000-00000000000a' was not found in "
            "the directory 'Contoso'."
        ),
        "the tenant does not know the application",
    ),
    53003: (
        400,
        "access_denied",
        (
            "Access has been blocked by Conditional Access policies. The access policy does not "
            "allow token issuance."
        ),
        "a conditional access policy gives no token here",
    ),
    50076: (
        400,
        "interaction_required",
        (
            "Due to a configuration change made by your administrator, or because you moved to a "
            "new location, you must use multi-factor authentication to access."
        ),
        "the tenant asks for a second factor",
    ),
    7000112: (
        401,
        "unauthorized_client",
        "Application '00000000-0000-4000-8000-00000000000a'(fleet) is disabled.",
        "the application is disabled in this tenant",
    ),
    99999: (400, "invalid_request", "Something new.", "Entra ID gives no token: AADSTS99999"),
}


async def told(kind: Kind, network: Network | None = None) -> RemoteError:
    """Return what somebody is told who asks for a token."""
    with pytest.raises(RemoteError) as caught:
        async with entra.issuer(PUBLIC_ANYWHERE, kind=kind, network=network or Network()) as made:
            await made.fetch()
    error = caught.value
    assert SECRET not in f"{error.message} {error.hint}"
    assert error.hint
    return error


PUBLIC_ANYWHERE = clouds.place(cloud=None, endpoint="https://127.0.0.1:1", audience=PUBLIC.url)
"""Without an authority of its own: the variables name it."""


def set_all(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


# --- what Entra says ---------------------------------------------------------------------


@pytest.mark.parametrize("number", SAID)
async def test_entra_s_refusals_are_told_in_words_with_what_to_do(
    number: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    status, code, description, expected = SAID[number]
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    body = {
        "error": code,
        "error_description": f"AADSTS{number}: {description} {TRACE}",
        "error_codes": [number],
    }
    async with serving(tls=context) as server:
        server.on("POST", "/oauth2/v2.0/token", Say(status=status, body=body))
        set_all(monkeypatch, {**PRINCIPAL, "AZURE_AUTHORITY_HOST": server.url})
        error = await told(Kind.ENV, Network(ca_file=tmp_path / "ca.pem"))

    assert type(error) is AuthError
    assert error.message == f"the credential env: {expected}"
    assert error.status == status


def test_every_number_of_the_table_has_words_and_a_next_step() -> None:
    for number, one in lockouts._BY_NUMBER.items():
        assert lockouts.told(f"Authentication failed: AADSTS{number}: x") == (one,)
    for words, one in lockouts._BY_WORDS.items():
        assert one in lockouts.told(f"Failed. {words.title()} (x)")
    for one in (*lockouts._BY_NUMBER.values(), *lockouts._BY_WORDS.values()):
        assert re.fullmatch(r"[^.]+", one.why)
        assert one.hint.endswith((".", "?", "..."))
    assert lockouts.told("nothing that is known") == ()


# --- what the Azure CLI says -------------------------------------------------------------


def az(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, status: int) -> None:
    """Put an Azure CLI on the PATH that says that on stderr."""
    script = written(
        tmp_path / "bin" / "az", f"#!/bin/sh\ncat >&2 <<'X'\n{said}\nX\nexit {status}\n"
    )
    script.chmod(0o700)
    monkeypatch.setenv("PATH", f"{script.parent}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            "ERROR: Please run 'az login' to setup account.",
            "nobody is logged in to the Azure CLI",
        ),
        (
            (
                "ERROR: AADSTS700082: The refresh token has expired due to inactivity. The token "
                "was issued on 2025-01-01 and was inactive for 90.00:00:00.\nInteractive "
                "authentication is needed. Please run:\naz login"
            ),
            "the login has expired: it was not used for long",
        ),
        (
            (
                "ERROR: AADSTS50076: Due to a configuration change made by your administrator, you "
                "must use multi-factor authentication.\nTo re-authenticate, please run:\naz login"
            ),
            "the tenant asks for a second factor",
        ),
        (
            (
                "ERROR: AADSTS50173: The provided grant has expired due to it being revoked, a "
                "fresh auth token is needed."
            ),
            "the login was revoked",
        ),
    ],
)
async def test_the_azure_cli_s_refusals_are_told(
    said: str, expected: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    az(tmp_path, monkeypatch, said, 1)
    error = await told(Kind.CLI)

    assert type(error) is AuthError
    assert error.message == f"the credential cli: {expected}"
    assert "az login" in str(error.hint)


async def test_claims_that_the_azure_cli_cannot_ask_for_are_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    az(tmp_path, monkeypatch, "", 0)
    async with entra.issuer(PUBLIC, kind=Kind.CLI, network=Network()) as made:
        with pytest.raises(AuthError, match="a token with other claims") as caught:
            await made.fetch('{"access_token": {}}')

    encoded = base64.b64encode(b'{"access_token": {}}').decode()
    assert caught.value.hint == (
        f"Log in again: az login --claims-challenge {encoded} --scope {PUBLIC.url}/.default"
    )


def test_an_azure_cli_that_hangs_may_pass() -> None:
    said = CredentialUnavailableError(message="Timed out waiting for Azure CLI")
    error = entra.translated(said, Kind.CLI)

    assert type(error) is TransientError
    assert error.message == "the credential cli: the Azure CLI gave no answer in time"


# --- what is missing here ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "variables", "expected"),
    [
        (
            Kind.ENV,
            {},
            (
                "not set: AZURE_TENANT_ID, AZURE_CLIENT_ID, "
                "AZURE_CLIENT_SECRET or AZURE_CLIENT_CERTIFICATE_PATH"
            ),
        ),
        (
            Kind.ENV,
            {"AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": "x"},
            "not set: AZURE_CLIENT_SECRET or AZURE_CLIENT_CERTIFICATE_PATH",
        ),
        (Kind.ENV, {**PRINCIPAL, "AZURE_CLIENT_SECRET": ""}, None),
        (
            Kind.ENV,
            {
                "AZURE_TENANT_ID": TENANT,
                "AZURE_CLIENT_ID": "x",
                "AZURE_CLIENT_CERTIFICATE_PATH": "/nowhere/x.pem",
            },
            (
                "the file that AZURE_CLIENT_CERTIFICATE_PATH names cannot be read: "
                "No such file or directory"
            ),
        ),
        (
            Kind.WORKLOAD,
            {"AZURE_TENANT_ID": TENANT},
            "not set: AZURE_CLIENT_ID, AZURE_FEDERATED_TOKEN_FILE",
        ),
        (
            Kind.WORKLOAD,
            {
                "AZURE_TENANT_ID": TENANT,
                "AZURE_CLIENT_ID": "x",
                "AZURE_FEDERATED_TOKEN_FILE": "/nowhere/token",
            },
            (
                "the file that AZURE_FEDERATED_TOKEN_FILE names cannot be read: "
                "No such file or directory"
            ),
        ),
    ],
)
async def test_what_is_not_set_is_named(
    kind: Kind,
    variables: dict[str, str],
    expected: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_all(monkeypatch, variables)
    error = await told(kind)

    wanted = expected or "not set: AZURE_CLIENT_SECRET or AZURE_CLIENT_CERTIFICATE_PATH"
    assert error.message == f"the credential {kind}: {wanted}"


@pytest.mark.parametrize("client", [None, "c"])
async def test_a_machine_without_that_identity_is_told_and_asked_for_it(
    client: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if client:
        monkeypatch.setenv("AZURE_CLIENT_ID", client)
    body = {"error": "invalid_request", "error_description": "Identity not found"}
    async with serving() as machine:
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", machine.url)
        machine.on("GET", "/metadata/identity", Say(status=400, body=body))
        error = await told(Kind.MANAGED)
        asked = machine.sent("GET", "/metadata/identity")

    assert error.message == (
        "the credential managed: the managed identity (or the one that AZURE_CLIENT_ID names) is "
        "not assigned here"
    )
    assert asked
    assert all((f"client_id={client}" in one.path) is bool(client) for one in asked)


async def test_a_machine_that_is_not_azure_s_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9")
    error = await told(Kind.MANAGED)

    assert type(error) is AuthError
    assert error.message == (
        "the credential managed: this machine has no managed identity: its metadata service gives "
        "no answer"
    )


async def test_where_nothing_works_all_of_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("HOME", "/nowhere")
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9")
    error = await told(Kind.DEFAULT)

    assert type(error) is AuthError
    for why in (
        "no service principal is named in AZURE_* variables",
        "this machine has no managed identity",
        "the Azure CLI is not installed, or not on the PATH",
    ):
        assert why in error.message
    assert str(error.hint).startswith("Log in with: az login.")
