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

_UID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_WHOLE = re.compile(r'(Invalid value: ")[\[{].*', re.DOTALL)
"""An object that is told whole, and what the decoder has against it."""
_IS = " is invalid: "
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
        listed = _of_list(answer.body)
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


def _of_list(body: Any) -> Mapping[str, Any]:
    """Return what is said of a list as a whole."""
    return body["metadata"] if isinstance(body, dict) and "items" in body else {}


def plain(body: Any, *, is_about: bool = False) -> Any:
    """Return *body* without identities, moments and versions; that there is a page more is kept."""
    if isinstance(body, str):
        return _WHOLE.sub(r"\1...", _UID.sub("...", body))
    if isinstance(body, list):
        return [plain(one) for one in body]
    if not isinstance(body, dict):
        return body
    kept: dict[str, Any] = {}
    for key, value in body.items():
        if is_about and key in _NUMBERED:
            if value:
                kept[key] = "..."
        elif not (is_about and key in _OWN):
            kept[key] = plain(value, is_about=key in ("metadata", "details"))
    return _in_order(kept)


def _in_order(body: dict[str, Any]) -> dict[str, Any]:
    """Return a refusal with its causes in order, each once: servers tell them as they come."""
    details = body.get("details") or {}
    causes = details.get("causes", ()) if body.get("kind") == "Status" else ()
    by_text = {f"{one['field']}: {one['message']}": one for one in causes if "field" in one}
    if not by_text:
        return body
    texts = sorted(by_text)
    told = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    message = f"{body['message'].partition(_IS)[0]}{_IS}{told}"
    in_order = [by_text[text] for text in texts]
    return {**body, "message": message, "details": {**details, "causes": in_order}}
