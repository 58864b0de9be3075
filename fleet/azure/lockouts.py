"""Why there is no token: every way of having no credential, as data.

What a credential or Entra says is recognised by a few of its words or by
Entra's number, and told in ours: theirs may quote what they were given.

Source:  messages of azure-identity 1.27 and of the Azure CLI; Entra's numbers and their meanings
         from its reference of AADSTS error codes.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from fleet.azure.credentials import Kind, hint_of

_NUMBER = re.compile(r"AADSTS(\d{4,8})\b")
_AGAIN = "Log in again: az logout, then az login."
_POLICY = "Log in again with: az login. A job is better off with --credential env or managed."


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Lockout:
    """Why, and what to do."""

    why: str
    hint: str
    is_passing: bool = False
    """Whether it may pass by itself."""


_BY_WORDS: Mapping[str, Lockout] = {
    "azure cli not found on path": Lockout(
        why="the Azure CLI is not installed, or not on the PATH",
        hint="Install it and log in with: az login. Or name another: --credential env, managed.",
    ),
    "please run 'az login'": Lockout(
        why="nobody is logged in to the Azure CLI", hint="Log in with: az login."
    ),
    "timed out waiting for azure cli": Lockout(
        why="the Azure CLI gave no answer in time",
        hint="Does this come back, and how soon: az account get-access-token?",
        is_passing=True,
    ),
    "doesn't support claims challenges": Lockout(
        why="the service asks for a token with other claims, which the Azure CLI does not ask for",
        hint=_AGAIN,
    ),
    "environment variables are not fully configured": Lockout(
        why="no service principal is named in AZURE_* variables",
        hint=(
            "Set AZURE_TENANT_ID, AZURE_CLIENT_ID, and AZURE_CLIENT_SECRET or "
            "AZURE_CLIENT_CERTIFICATE_PATH."
        ),
    ),
    "workload options are not fully": Lockout(
        why="no federated token is named in AZURE_* variables",
        hint="Set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_FEDERATED_TOKEN_FILE.",
    ),
    "no response from the imds endpoint": Lockout(
        why="this machine has no managed identity: its metadata service gives no answer",
        hint="Elsewhere than in Azure, name another: --credential env, workload or cli.",
    ),
    "no managed identity endpoint found": Lockout(
        why="this machine has no managed identity",
        hint="Elsewhere than in Azure, name another: --credential env, workload or cli.",
    ),
    # NB: the SDK says the second where no identity was named, too.
    **dict.fromkeys(
        ("no identity has been assigned", "requested identity has not been assigned"),
        Lockout(
            why="the managed identity (or the one that AZURE_CLIENT_ID names) is not assigned here",
            hint="Assign it to this machine; where there are several, name it in AZURE_CLIENT_ID.",
        ),
    ),
}

_SECRET = "Make a new secret for the application, and set AZURE_CLIENT_SECRET to its value."  # noqa: S105
_BY_NUMBER: Mapping[int, Lockout] = {
    7000222: Lockout(why="the client secret has expired", hint=_SECRET),
    7000215: Lockout(
        why="the client secret is wrong",
        hint="AZURE_CLIENT_SECRET takes the secret's value, and not its id.",
    ),
    7000218: Lockout(why="a secret or certificate is missing", hint=_SECRET),
    7000229: Lockout(
        why="the application has no service principal in this tenant",
        hint="Create it there: az ad sp create --id APPLICATION.",
    ),
    7000112: Lockout(
        why="the application is disabled in this tenant",
        hint="Whoever administers the tenant can enable it.",
    ),
    700016: Lockout(
        why="the tenant does not know the application",
        hint="Check AZURE_CLIENT_ID and AZURE_TENANT_ID: do they belong together?",
    ),
    700027: Lockout(
        why="the certificate is not one of the application's, or has expired",
        hint="Check AZURE_CLIENT_CERTIFICATE_PATH against the application's certificates.",
    ),
    700024: Lockout(
        why="the federated token or the certificate's proof is not valid at this time",
        hint="Check this machine's clock, and that the file is renewed.",
    ),
    70021: Lockout(
        why="the application trusts no federated token of this issuer and subject",
        hint="Add a federated credential to it, with issuer, subject and audience as in the token.",
    ),
    700211: Lockout(
        why="the application trusts no federated token of this issuer",
        hint="Add a federated credential to it, with the cluster's issuer.",
    ),
    700213: Lockout(
        why="the application trusts no federated token of this subject",
        hint="Add a federated credential to it, with the service account as its subject.",
    ),
    90002: Lockout(
        why="there is no such tenant in this cloud",
        hint="Check AZURE_TENANT_ID, and --cloud for the sovereign ones.",
    ),
    900023: Lockout(why="the tenant's name is not one", hint="Check AZURE_TENANT_ID."),
    500011: Lockout(
        why="the tenant does not know whom the token is for",
        hint="Check --audience, and --cloud.",
    ),
    90038: Lockout(
        why="the tenant is in another cloud", hint="Name it: --cloud AzureUSGovernment, ..."
    ),
    50076: Lockout(why="the tenant asks for a second factor", hint=_POLICY),
    50079: Lockout(why="a second factor must be set up first", hint=_POLICY),
    50158: Lockout(why="another check of the tenant's was not passed", hint=_POLICY),
    50078: Lockout(why="the second factor was given too long ago", hint=_POLICY),
    53000: Lockout(why="a policy wants a managed device, and this is none", hint=_POLICY),
    53001: Lockout(why="a policy wants a joined device, and this is none", hint=_POLICY),
    53003: Lockout(
        why="a conditional access policy gives no token here",
        hint="Whoever set the policy up can tell why: by place, device or risk.",
    ),
    530003: Lockout(why="a policy wants a managed device, and this is none", hint=_POLICY),
    50173: Lockout(why="the login was revoked", hint=_AGAIN),
    70043: Lockout(why="the login has expired, by a policy", hint=_AGAIN),
    70044: Lockout(why="the login has expired, by a policy", hint=_AGAIN),
    700082: Lockout(why="the login has expired: it was not used for long", hint=_AGAIN),
    70008: Lockout(why="the login has expired: it was not used for long", hint=_AGAIN),
    50057: Lockout(
        why="the account is disabled", hint="Whoever administers the tenant can enable it."
    ),
    50126: Lockout(why="the user name or the password is wrong", hint=_AGAIN),
    50034: Lockout(
        why="the tenant does not know the user", hint="Name it: az login --tenant TENANT."
    ),
    50020: Lockout(why="the user is of another tenant", hint="Name it: az login --tenant TENANT."),
    65001: Lockout(
        why="the application was not consented to",
        hint="Whoever administers the tenant can consent to it.",
    ),
    90033: Lockout(why="Entra ID is busy", hint="Try again in a while.", is_passing=True),
    90055: Lockout(why="Entra ID is busy", hint="Try again in a while.", is_passing=True),
}

_NEEDED: Mapping[Kind, Sequence[tuple[str, ...]]] = {
    Kind.ENV: (
        ("AZURE_TENANT_ID",),
        ("AZURE_CLIENT_ID",),
        ("AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH"),
    ),
    Kind.WORKLOAD: (
        ("AZURE_TENANT_ID",),
        ("AZURE_CLIENT_ID",),
        ("AZURE_FEDERATED_TOKEN_FILE",),
    ),
}
_FILES: Mapping[Kind, str] = {
    Kind.ENV: "AZURE_CLIENT_CERTIFICATE_PATH",
    Kind.WORKLOAD: "AZURE_FEDERATED_TOKEN_FILE",
}


def told(said: str) -> Sequence[Lockout]:
    """Return what *said* means; Entra's number goes before words, and several words together."""
    number = _NUMBER.search(said)
    if number is not None:
        known = _BY_NUMBER.get(int(number[1]))
        return (known or _unknown(number[1]),)
    text = said.lower()
    return tuple(lockout for words, lockout in _BY_WORDS.items() if words in text)


def unset(kind: Kind, variables: Mapping[str, str]) -> Lockout | None:
    """Return what *kind* lacks among the environment's *variables*; ``None``: nothing."""
    missing = [
        " or ".join(names)
        for names in _NEEDED.get(kind, ())
        if not any(variables.get(name) for name in names)
    ]
    if missing:
        why = f"not set: {', '.join(missing)}"
        return Lockout(why=why, hint=hint_of(kind))
    return _unreadable(variables.get(_FILES.get(kind, "")), _FILES.get(kind, ""))


def _unreadable(file: str | None, variable: str) -> Lockout | None:
    if not file:
        return None
    try:
        with Path(file).open("rb"):
            return None
    except OSError as error:
        why = f"the file that {variable} names cannot be read: {error.strerror}"
        return Lockout(why=why, hint=f"Check {variable}: {file}")


def _unknown(number: str) -> Lockout:
    return Lockout(
        why=f"Entra ID gives no token: AADSTS{number}",
        hint=f"https://login.microsoftonline.com/error?code={number} says what it means.",
    )
