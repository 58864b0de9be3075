"""Real credentials, as far as they go without Entra ID: choice, failure, and what is told of it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.identity import CredentialUnavailableError

from fleet.azure import clouds, entra
from fleet.azure.credentials import Kind, hint_of
from fleet.azure.entra import EntraIssuer
from fleet.errors import AuthError, RemoteError, ThrottledError, TransientError
from fleet.net.network import Network

PLACE = clouds.place(cloud="china", endpoint=None, audience=None)
SECRET = "client-secret-and-token"  # noqa: S105 - that it is not shown is what is tested


class Credential:
    """Gives a token or raises."""

    def __init__(self, outcome: AccessToken | Exception | None) -> None:
        self.outcome = outcome
        self.scopes: list[str] = []

    async def get_token(self, *scopes: str, **_options: Any) -> AccessToken:
        self.scopes += scopes
        if self.outcome is None:
            await asyncio.sleep(3600)
        if isinstance(self.outcome, AccessToken):
            return self.outcome
        assert isinstance(self.outcome, Exception)
        raise self.outcome

    async def close(self) -> None:
        """Nothing is held."""

    async def __aenter__(self) -> Any:
        return self

    async def __aexit__(self, *_details: object) -> None:
        """Nothing is held."""


def issuer(outcome: AccessToken | Exception | None) -> tuple[EntraIssuer, Credential]:
    credential = Credential(outcome)
    return EntraIssuer(credential, kind=Kind.CLI, scope="https://x/.default"), credential


def http_error(cls: type[HttpResponseError], status: int) -> HttpResponseError:
    error = cls(message=SECRET)
    error.status_code = status
    return error


async def test_a_token_is_asked_for_by_its_scope_and_keeps_its_end() -> None:
    made, credential = issuer(AccessToken("text", 1_800_000_000))
    token = await made.fetch()

    assert (token.text, token.expires_at.timestamp()) == ("text", 1_800_000_000)
    assert credential.scopes == ["https://x/.default"]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (CredentialUnavailableError(message=SECRET), AuthError),
        (ClientAuthenticationError(message=SECRET), AuthError),
        (http_error(ClientAuthenticationError, 401), AuthError),
        (http_error(ClientAuthenticationError, 400), AuthError),
        (http_error(ClientAuthenticationError, 429), ThrottledError),
        (http_error(ClientAuthenticationError, 503), TransientError),
        (http_error(HttpResponseError, 500), TransientError),
        (ServiceRequestError(SECRET), TransientError),
        (ServiceResponseError(SECRET), TransientError),
        (ValueError(SECRET), AuthError),
        (FileNotFoundError(SECRET), AuthError),
    ],
)
async def test_a_credential_that_fails_is_told_by_kind_and_without_what_it_was_given(
    error: Exception, expected: type[RemoteError]
) -> None:
    made, _ = issuer(error)
    with pytest.raises(RemoteError) as caught:
        await made.fetch()

    assert type(caught.value) is expected
    assert SECRET not in f"{caught.value.message} {caught.value.hint}"
    assert caught.value.__cause__ is None
    assert expected is not AuthError or caught.value.hint == hint_of(Kind.CLI)


async def test_a_credential_that_hangs_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entra, "_LIMIT_S", 0.01)
    made, _ = issuer(None)
    with pytest.raises(AuthError, match="no token within"):
        await made.fetch()


async def test_a_missing_azure_cli_says_how_to_log_in(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    async with entra.issuer(PLACE, kind=Kind.CLI, network=Network()) as made:
        with pytest.raises(AuthError) as caught:
            await made.fetch()

    assert caught.value.message == (
        "the credential cli: the Azure CLI is not installed, or not on the PATH"
    )
    assert str(caught.value.hint).startswith("Install it and log in with: az login.")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("kind", [Kind.ENV, Kind.WORKLOAD])
async def test_a_credential_whose_variables_are_missing_says_which(kind: Kind) -> None:
    with pytest.raises(AuthError) as caught:
        async with entra.issuer(PLACE, kind=kind, network=Network()) as made:
            await made.fetch()

    assert "AZURE_TENANT_ID" in str(caught.value.hint)


@pytest.mark.parametrize("kind", [Kind.DEFAULT, Kind.MANAGED])
async def test_other_credentials_can_be_opened_and_closed(kind: Kind) -> None:
    begun = time.monotonic()
    async with entra.issuer(PLACE, kind=kind, network=Network()):
        pass

    assert time.monotonic() - begun < 5


async def test_a_service_principal_asks_the_authority_of_its_cloud(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A proxy that hangs up sees whom the credential wanted to speak to."""
    wanted: list[bytes] = []

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wanted.append(await reader.readline())
        writer.close()

    for name in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"):
        monkeypatch.setenv(name, SECRET)
    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as proxy:
        port = proxy.sockets[0].getsockname()[1]
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        async with entra.issuer(PLACE, kind=Kind.ENV, network=Network()) as made:
            with pytest.raises(TransientError) as caught:
                await made.fetch()
        await asyncio.sleep(0.01)

    assert {one.split()[1] for one in wanted} == {b"login.chinacloudapi.cn:443"}
    assert SECRET not in caught.value.message
