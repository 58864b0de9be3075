"""What a plan file may say of who is told of a run.

What must hold between keys is in :mod:`fleet.spec.noticerules`.

NB: neither an address nor a key is ever put into words.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Discriminator, Field, StringConstraints, Tag

from fleet.core import addresses
from fleet.model.notices import Topic
from fleet.model.redaction import Redactor
from fleet.spec import flaws
from fleet.spec.explanation import FileModel, refusal
from fleet.spec.values import Name, Text, Variable

# NB: strict mode takes no text for an enum; these fields read it by its value.
_BY_VALUE = Field(strict=False)
_SOME = Field(min_length=1)
_FROM_ENV = "fromEnv"
_KEPT = "a plan is kept as it is, for years"


def _address(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if wrong := addresses.flaw(value):
        hint = "such as https://hooks.example/fleet; or {fromEnv: NAME}, where it is a secret"
        raise refusal(f"the address of a webhook will not do: {wrong}", hint)
    if _is_telling(value):
        message = f"this address looks as if a secret were in it, and {_KEPT}"
        raise refusal(message, "write {fromEnv: NAME}, with the variable that holds the address")
    return value


def _argument(value: Any) -> Any:
    if isinstance(value, str) and _is_telling(value):
        message = f"this looks as if a secret were in it, and {_KEPT}"
        raise refusal(message, "let the command read it from its environment, or from a file")
    return value


def words(value: Any) -> Any:
    """Refuse a command that is written as one text."""
    if isinstance(value, str):
        # NB: not quoted: what is one text here may have a secret in it.
        message = "expected a list, found text"
        raise refusal(message, "write its words one by one, such as [notify-send, hello]")
    return value


def _is_telling(text: str) -> bool:
    return Redactor().text(text) != text


def _kind_of_webhook(value: Any) -> str:
    return "<address>" if isinstance(value, str) else "<variable>"


def _address_or_variable(value: Any) -> Any:
    if value is not None and not isinstance(value, str | dict):
        message = f"expected an address, found {flaws.kind_of(value)}"
        raise refusal(message, "write https://... , or {fromEnv: NAME}")
    return value


def _only_from_env(value: Any) -> Any:
    """Refuse a key that stands in the file before any other rule could quote it."""
    if value is not None and (not isinstance(value, dict) or value.keys() != {_FROM_ENV}):
        message = "a key is never written into a file"
        hint = "write {fromEnv: NAME}, with the name of the environment variable that holds it"
        raise refusal(message, hint)
    return value


class FromEnvFile(FileModel):
    """Where something secret comes from."""

    from_env: Variable
    """The environment variable that holds it while the rollout runs."""


Address = Annotated[
    str,
    StringConstraints(max_length=addresses.LONGEST),
    BeforeValidator(_address),
    Field(json_schema_extra={"format": "uri", "pattern": "^https?://[^@#\\s]+$"}),
]
WebhookOrVariable = Annotated[
    Annotated[Address, Tag("<address>")] | Annotated[FromEnvFile, Tag("<variable>")],
    Discriminator(_kind_of_webhook),
    BeforeValidator(_address_or_variable),
]
Argument = Annotated[Text, BeforeValidator(_argument)]


class NotifyFile(FileModel):
    """Who is told of what: a webhook or a command."""

    name: Name | None = None
    """What it is called where it is spoken of; webhook-1 or command-1 where nothing is said."""
    webhook: WebhookOrVariable | None = None
    """Where to send events (CloudEvents 1.0): https, or http on this machine."""
    secret: Annotated[FromEnvFile, BeforeValidator(_only_from_env)] | None = None
    """The key that signs what a webhook is sent: whsec_ and base64, as Standard Webhooks has it."""
    command: Annotated[list[Argument], _SOME, BeforeValidator(words)] | None = None
    """A command and its arguments, started without a shell; the event is its standard input."""
    on: Annotated[list[Annotated[Topic, _BY_VALUE]], _SOME] | None = None
    """What of: run, wave, gate, breach and approval where nothing is said."""
