"""Holding a conversation with the API of a cluster, and keeping what was said.

Shapes:  an :class:`Answer` for each request, by its name, without what differs from server to
         server by right: identities, moments, versions.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tests.rig.serving import Caller, Heard
from tests.rig.talks import TALK, Request

_REMEMBERED = ("continue", "resourceVersion")
"""Of a list's metadata."""
_OWN = frozenset({"uid", "creationTimestamp", "deletionTimestamp", "managedFields", "selfLink"})
_NUMBERED = frozenset({"resourceVersion", "continue"})


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    content: str
    """The type of it, without parameters."""
    body: Any
    """JSON, or text; a watch: its events."""


async def held(
    callers: Mapping[str, Caller], requests: Iterable[Request] = TALK
) -> dict[str, Answer]:
    """Send the requests, and return the answers.

    Args:
        callers: Who speaks, by :attr:`Request.who`.
        requests: The conversation, or a part of it.
    """
    answers: dict[str, Answer] = {}
    known: dict[str, str] = {}
    for one in requests:
        heard = await _sent(callers[one.who], one, known)
        answer = _answer(heard)
        listed = _metadata(answer.body)
        known |= {key: listed[key] for key in _REMEMBERED if listed.get(key)}
        answers[one.name] = dataclasses.replace(answer, body=plain(answer.body))
    return answers


async def _sent(caller: Caller, one: Request, known: Mapping[str, str]) -> Heard:
    path = re.sub(r"<(\w+)>", lambda found: known[found[1]], one.path)
    body = one.body.encode() if isinstance(one.body, str) else one.body
    headers = {"Content-Type": one.content} if body is not None else {}
    return await caller.send(one.method, path, body=body, headers=headers)


def _answer(heard: Heard) -> Answer:
    content = heard.headers.get("Content-Type", "").partition(";")[0]
    text = heard.body.decode()
    body: Any = text
    if content == "application/json":
        documents = list(_documents(text))
        body = documents[0] if len(documents) == 1 else documents
    return Answer(status=heard.status, content=content, body=body)


def _documents(text: str) -> Iterator[Any]:
    """Yield what one after another is JSON: one document, or the events of a watch."""
    decoder, rest = json.JSONDecoder(), text.strip()
    while rest:
        found, end = decoder.raw_decode(rest)
        rest = rest[end:].lstrip()
        yield found


def _metadata(body: Any) -> Mapping[str, Any]:
    found = body.get("metadata") if isinstance(body, dict) else None
    return found if isinstance(found, dict) else {}


def plain(body: Any, *, is_about: bool = False) -> Any:
    """Return *body* without identities, moments and versions; that there is a page more is kept."""
    if isinstance(body, list):
        return [plain(one) for one in body]
    if not isinstance(body, dict):
        return body
    kept: dict[str, Any] = {}
    for key, value in body.items():
        if is_about and key in _OWN:
            continue
        if is_about and key in _NUMBERED:
            kept[key] = "..." if value else value
        else:
            kept[key] = plain(value, is_about=key in ("metadata", "details"))
    return kept
