"""A page of Resource Graph's rows, and whether it holds all that was asked for.

Errors:  :exc:`UnexpectedPayloadError` for what is no page; :exc:`RemoteError` for one that leaves
         subscriptions out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import NoReturn

from fleet.azure.answers import Answer, Object
from fleet.azure.questions import WHAT
from fleet.errors import RemoteError, UnexpectedPayloadError

_LIMIT_HIT = "x-ms-tenant-subscription-limit-hit"
_PARTIAL = "not every subscription was searched: there are more than one search covers"
_PARTIAL_HINT = "Name the subscriptions in the plan file, or say targets.allowPartialScopes: true."


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some rows, and what leads on."""

    rows: Sequence[Object]
    total: int
    """Rows of all pages, as of this one."""
    token: str | None
    is_truncated: bool


def page_of(answer: Answer) -> Page:
    """Read a page."""
    body = answer.object(what=WHAT)
    rows, total, token = body.get("data"), body.get("totalRecords"), body.get("$skipToken")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        _refuse("data", answer)
    # NB: without a count, nobody would notice that what leads on is missing.
    if not isinstance(total, int) or isinstance(total, bool) or total < 0:
        _refuse("totalRecords", answer)
    if not isinstance(token, str | None):
        _refuse("$skipToken", answer)
    return Page(
        rows=rows,
        total=total,
        token=token or None,
        is_truncated=_is_truncated(body.get("resultTruncated"), answer),
    )


def _is_truncated(value: object, answer: Answer) -> bool:
    if value is None or isinstance(value, bool):
        return bool(value)
    # Source: a string, not a boolean, in every recording.
    found = {"true": True, "false": False}.get(value.lower()) if isinstance(value, str) else None
    if found is None:
        _refuse("resultTruncated", answer)
    return found


def _refuse(field: str, answer: Answer) -> NoReturn:
    message = f"{WHAT}: {field} is missing or cannot be read"
    raise UnexpectedPayloadError(message, correlation_id=answer.correlation_id)


def id_of(row: Object) -> str:
    """Return what tells a row from others."""
    found = row.get("id")
    if not isinstance(found, str):
        message = f"{WHAT}: a row has no id"
        raise UnexpectedPayloadError(message)
    return found.lower()


def require_whole(answer: Answer, excuse: Callable[[str], None] | None) -> None:
    """Refuse an answer for which not everything was searched, or tell *excuse*."""
    if answer.headers.get(_LIMIT_HIT, "").strip().lower() != "true":
        return
    if excuse is None:
        raise RemoteError(f"{WHAT}: {_PARTIAL}", hint=_PARTIAL_HINT)
    excuse(_PARTIAL)


def cut_off(count: int, total: int) -> str:
    """Say that a list ends before its end."""
    return f"the list is cut off after {count} of {total}"
