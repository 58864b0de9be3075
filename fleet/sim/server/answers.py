"""Answers, and errors in the words of whoever makes them: Resource Manager, or a provider.

Source:  recorded bodies; where none was recorded, reports of users.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson

from fleet.errors import (
    ConflictError,
    DeniedError,
    LostClusterError,
    RemoteError,
    ThrottledError,
    TransientError,
)
from fleet.model.cluster import nothing

JSON = "application/json; charset=utf-8"
BY_GATEWAY = {"x-ms-failure-cause": "gateway"}
"""Tells Resource Manager's own errors from those of a provider."""

_MISSING_RESOURCE_HELP = "For more details please go to https://aka.ms/ARMResourceNotFoundFix"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes back, but for the headers that every answer has."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = dataclasses.field(default_factory=nothing)


class RefusalError(RemoteError):
    """The server answers with an error."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"answered with status {answer.status}", status=answer.status)
        self.answer = answer


def found(document: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Return *document* as an answer."""
    return Answer(status=status, body=orjson.dumps(document), headers=headers or nothing())


def failed(
    status: int,
    code: str,
    message: str,
    *,
    details: Sequence[Mapping[str, Any]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Return an error."""
    error: dict[str, Any] = {"code": code, "message": message}
    if details is not None:
        error["details"] = details
    return found({"error": error}, status=status, headers=headers)


def by_gateway(
    status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None
) -> Answer:
    """Return an error of Resource Manager's own."""
    return failed(status, code, message, headers={**BY_GATEWAY, **(headers or {})})


def by_provider(
    status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None
) -> Answer:
    """Return an error of the provider of extensions, which has one key more."""
    error = {"code": code, "message": message, "additionalInfo": []}
    return found({"error": error}, status=status, headers=headers)


def refusal(status: int, code: str, message: str) -> RefusalError:
    """Return an error of Resource Manager's, to be raised."""
    return RefusalError(by_gateway(status, code, message))


def of_error(error: RemoteError) -> Answer:
    """Return what an error of the world is on the wire."""
    match error:
        case RefusalError():
            return error.answer
        case ThrottledError():
            wait_s = math.ceil(error.retry_after_s or 0)
            return _provided(429, "TooManyRequests", error, headers={"Retry-After": f"{wait_s}"})
        case ConflictError():
            return _provided(409, "UpdateFailed", error)
        case DeniedError():
            return _provided(403, "Forbidden", error)
        case TransientError():
            return _provided(error.status or 503, "ServiceUnavailable", error)
        case LostClusterError():
            message = f"{error.message} {_MISSING_RESOURCE_HELP}"
            return by_gateway(404, "ResourceNotFound", message)
        case _:
            code = "ResourceNotFound" if error.status == HTTPStatus.NOT_FOUND else "BadRequest"
            return _provided(error.status or 500, code, error)


def _provided(
    status: int, code: str, error: RemoteError, *, headers: Mapping[str, str] | None = None
) -> Answer:
    return by_provider(status, code, error.message, headers=headers)
