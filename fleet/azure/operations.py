"""One read of an operation, understood.

Errors:  :exc:`UnexpectedPayloadError` for a status that is no word.
Source:  RPC v1.0, async-api-reference: only Succeeded, Failed and Canceled end an operation, any
         other text is still in progress, and an absent status in a 200 is Succeeded.
"""

from __future__ import annotations

import datetime as dt
from http import HTTPStatus

from fleet.azure.answers import Answer, Object, Problem, line, problem_in, retry_after_s
from fleet.azure.refusals import is_conflict
from fleet.errors import UnexpectedPayloadError
from fleet.ports import OperationStatus

_SUCCEEDED = "Succeeded"
_ENDS = {"succeeded": _SUCCEEDED, "failed": "Failed", "canceled": "Canceled"}
_RUNNING = "InProgress"
_LONGEST_ERROR = 1200
_LONGEST_STATUS = 60


def status_of(answer: Answer, *, what: str, now: dt.datetime) -> OperationStatus:
    """Return what *answer* says of an operation.

    Args:
        answer: To a GET of the operation.
        what: What was asked, for messages.
        now: The moment, for waits that are given as a date.
    """
    is_empty = not answer.body.strip()
    body = {} if is_empty and answer.status != HTTPStatus.OK else answer.object(what=what)
    status = _status(answer, body, what)
    end = _ENDS.get(status.lower())
    problem = problem_in(body.get("error")) if end not in (None, _SUCCEEDED) else Problem()
    return OperationStatus(
        status=end or line(status, longest=_LONGEST_STATUS),
        is_terminal=end is not None,
        has_succeeded=end == _SUCCEEDED,
        error=_text(problem),
        is_conflict=is_conflict(problem),
        retry_after_s=retry_after_s(answer, now=now),
    )


def _status(answer: Answer, body: Object, what: str) -> str:
    if "status" not in body and not body.get("error"):
        return _RUNNING if answer.status == HTTPStatus.ACCEPTED else _SUCCEEDED
    status = body.get("status")
    if not isinstance(status, str) or not status:
        # NB: not the absence that the contract takes for success.
        message = f"{what}: status is missing or cannot be read"
        raise UnexpectedPayloadError(message, correlation_id=answer.correlation_id)
    return status


def _text(problem: Problem) -> str | None:
    text = ": ".join(part for part in (problem.code, problem.message) if part)
    return line(text, longest=_LONGEST_ERROR) or None
