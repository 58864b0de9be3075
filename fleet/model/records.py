"""Events as stored objects, and back: of this release and of earlier ones.

Shapes:  one JSON object ``{"at", "epoch", "kind", "seq", "v", ...fields}`` each.
Errors:  :exc:`~fleet.errors.JournalError` for a record of a newer release or none of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, get_args

from fleet.errors import JournalError
from fleet.model import codec
from fleet.model.events import Event

KINDS: Mapping[str, type[Any]] = {cls.kind: cls for cls in get_args(Event)}
"""``{kind: class}`` of every event that this release writes."""

Fields = dict[str, Any]
Upcast = Callable[[Fields], Fields]
UPCASTS: Mapping[tuple[str, int], Upcast] = {
    ("run.created", 1): lambda fields: {**fields, "discoveredAt": None},
    # Nothing else was ever spoken before.
    ("run.created", 2): lambda fields: {**fields, "apiVersion": "2023-05-01"},
    ("wave.breached", 1): lambda fields: {**fields, "label": ""},
}
"""``{(kind, v): fields of v -> fields of v + 1}``; applied until the current ``v`` is reached."""


def to_record(event: Event, *, seq: int, epoch: int) -> Fields:
    """Return the JSON object that is stored for *event*."""
    record = codec.to_json(event)
    record.update(kind=event.kind, v=event.v, seq=seq, epoch=epoch)
    return record


def from_record(record: Fields, *, upcasts: Mapping[tuple[str, int], Upcast] = UPCASTS) -> Event:
    """Read a stored object, of this release or an earlier one."""
    if not isinstance(record, dict):
        message = "a journal record is not an object"
        raise JournalError(message)
    fields = dict(record)
    try:
        seq, kind, v = fields.pop("seq"), fields.pop("kind"), fields.pop("v")
        fields.pop("epoch")
    except KeyError as error:
        message = f"a journal record lacks {error}"
        raise JournalError(message) from None
    cls = KINDS.get(kind) if isinstance(kind, str) else None
    if not isinstance(v, int) or isinstance(v, bool) or v < 1:
        message = f"record {seq} has no version that can be read"
        raise JournalError(message)
    if cls is None or v > cls.v:
        message = f"record {seq} ({kind} version {v}) was written by a newer release of fleet"
        raise JournalError(message, hint="Read it with the release named in its first record.")
    try:
        for step in range(v, cls.v):
            fields = upcasts[kind, step](fields)
        event: Event = codec.from_json(cls, fields)
    except (KeyError, ValueError) as error:
        message = f"record {seq} ({kind}) cannot be read: {error}"
        raise JournalError(message) from error
    return event
