"""From an answer that is no success to an error of ours.

What an error asks for (wait, look it up, give up) is decided by its class, in
:mod:`fleet.core.pacing`; here each answer only gets the class that is true.

Source:  Azure/azure-resource-manager-rpc: 408, 429 and 5xx may pass; ARM waits 60 s for the
         provider and then says 504, so a write may have taken effect.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from http import HTTPStatus

from fleet.azure.answers import Answer, Problem, problem_of, retry_after_s
from fleet.azure.requests import Request
from fleet.errors import (
    ConflictError,
    DeniedError,
    LostAnswerError,
    RemoteError,
    ThrottledError,
    TransientError,
    UnexpectedPayloadError,
)

# Source: ARM refuses with these before a provider is asked.
_NO_CONFLICT = frozenset({"missingsubscriptionregistration", "scopelocked"})
_HINTS = {
    "missingsubscriptionregistration": (
        "Register it: az provider register --namespace Microsoft.KubernetesConfiguration."
    ),
    "scopelocked": "A lock stands in the way: whoever set it can remove it.",
    "invalidapiversionparameter": "This endpoint does not offer the api-version that fleet speaks.",
}
_CONFLICT_WORDS = ("conflicting operation in progress", "another operation is in progress")
_NO_ABSENCE = frozenset(
    {"invalidresourcetype", "noregisteredproviderfound", "invalidresourcenamespace"}
)


def refusal(answer: Answer, request: Request, *, now: dt.datetime) -> RemoteError:
    """Return the error that *answer* stands for."""
    problem = problem_of(answer)
    said = problem.text or answer.shape
    error = _class(answer.status, problem, is_write=request.is_write)
    message = f"{request.what}: {_words(error, answer.status)}: {said}"
    return error(
        message,
        hint=_hint(error, problem),
        status=answer.status,
        retry_after_s=retry_after_s(answer, now=now),
        correlation_id=answer.correlation_id or request.ids.correlation_id,
    )


def is_conflict(problem: Problem) -> bool:
    """Whether an operation failed only because another one was in progress."""
    text = problem.message.lower()
    return problem.code.lower() == "conflict" or any(words in text for words in _CONFLICT_WORDS)


def is_extension_missing(answer: Answer) -> bool:
    """Whether a 404 was made by the extensions' provider: the cluster is there."""
    # Source: both 404s carry the code ResourceNotFound; only ARM's has the header.
    is_made_by_arm = answer.headers.get("x-ms-failure-cause", "").lower() == "gateway"
    found = problem_of(answer)
    return not is_made_by_arm and found.message.lower().startswith("extension instance")


def is_cluster_missing(answer: Answer) -> bool:
    """Whether a 404 says that a cluster, its group or its subscription is gone.

    NB: a page of some gateway, or a type that is not known, says nothing of the kind.
    """
    code = problem_of(answer).code.lower()
    return bool(code) and code not in _NO_ABSENCE and not is_extension_missing(answer)


_BY_STATUS: Mapping[int, type[RemoteError]] = {
    HTTPStatus.TOO_MANY_REQUESTS: ThrottledError,
    HTTPStatus.FORBIDDEN: DeniedError,
    HTTPStatus.SERVICE_UNAVAILABLE: TransientError,
}


def _class(status: int, problem: Problem, *, is_write: bool) -> type[RemoteError]:
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT:
        return LostAnswerError if is_write else TransientError
    if is_conflict(problem) or (status == HTTPStatus.CONFLICT and _is_passing(problem)):
        return ConflictError
    if status < HTTPStatus.BAD_REQUEST:
        # Azure redirects nobody: something in between does.
        return UnexpectedPayloadError
    return RemoteError


def _is_passing(problem: Problem) -> bool:
    code = problem.code.lower()
    return code not in _NO_CONFLICT and (
        not code or is_conflict(problem) or "conflict" in code or "inprogress" in code
    )


def _words(error: type[RemoteError], status: int) -> str:
    if error is ThrottledError:
        return "the service asks for fewer requests"
    if error is DeniedError:
        return "not allowed"
    if error is ConflictError:
        return "another operation is in progress"
    if error is LostAnswerError:
        return f"whether it took effect is unknown, the answer was {status}"
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return f"the answer was {status}, and redirects are not followed"
    return f"the answer was {status}"


def _hint(error: type[RemoteError], problem: Problem) -> str | None:
    if error is DeniedError:
        return "Whoever grants access can assign a role that allows this."
    return _HINTS.get(problem.code.lower())
