"""Any address that answers with JSON: a number in it, or a list of numbers."""

from __future__ import annotations

from http import HTTPStatus

from fleet.errors import RemoteError
from fleet.model.gates import Reading
from fleet.outside import readings
from fleet.outside.fetching import Question, Reply

WHAT = "the HTTP probe"
_REDIRECTS = range(300, 400)


def question(url: str) -> Question:
    """Return what is sent."""
    return Question(url=url, what=WHAT)


def reading(reply: Reply, pointer: str) -> Reading:
    """Return the number at *pointer*."""
    if reply.status in _REDIRECTS:
        message = f"{reply.who}: the answer was {reply.status}, a redirect, which is not followed"
        raise RemoteError(message, status=reply.status)
    if reply.status == HTTPStatus.NO_CONTENT:
        return Reading()
    if reply.status != HTTPStatus.OK:
        raise RemoteError(f"{reply.who}: the answer was {reply.status}", status=reply.status)
    return readings.of_json(reply.json(), pointer, who=reply.who)
