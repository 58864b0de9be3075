"""Events to the bytes that are stored, and back; redacted on the way in.

Redaction must not break what the record is for. So it keeps away from what fleet
makes itself (moments, digests, ids, words of an enumeration), and from what a
takeover acts on (the plan, where it is carried out, and as whom): a plan that
was changed on its way to the disk would be carried out changed. Where a known
secret stands in that part, nothing is stored and the run is refused.

Errors:  :exc:`~fleet.errors.RefusedError` as above; :exc:`~fleet.errors.JournalError` for bytes
         that are no record.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import json
import types
import typing
from collections.abc import Mapping
from typing import Any

import orjson

from fleet.core import chain
from fleet.errors import JournalError, RefusedError
from fleet.model import codec, records
from fleet.model.events import Event
from fleet.model.plan import Digest, RunId
from fleet.model.redaction import Redactor

_MADE_BY_FLEET = frozenset(
    {"correlation_id", "client_request_id", "mark", "operation_sha256", "request_id"}
)
_ACTED_ON = frozenset(
    {
        "plan",
        "planned",
        "targets",
        "members",
        "joined",
        "groups",
        "gate",
        "endpoint",
        "cloud",
        "tenant",
        "principals",
        "api_version",
    }
)
_EXACT_TYPES = (dt.datetime, dt.timedelta, enum.Enum, int)
_ENVELOPE = frozenset({"kind", "v", "seq", "epoch"})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How the fields of an event are treated, by their JSON names."""

    kept: frozenset[str]
    """Never redacted."""
    acted_on: frozenset[str]
    """Those of :attr:`kept` that may hold no known secret."""
    is_free: bool
    """Whether there is any other field."""


def encode(event: Event, *, seq: int, epoch: int, redactor: Redactor) -> bytes:
    """Return what is stored for *event*."""
    record = records.to_record(event, seq=seq, epoch=epoch)
    body = _canonical(record)
    look = SHAPES[event.kind]
    if look.acted_on and redactor.knows(body):
        _refuse_secrets({key: record[key] for key in look.acted_on}, event, redactor)
    return redactor.encoded(body, keep=look.kept) if look.is_free else body


def decode(body: bytes, *, seq: int) -> Event:
    """Read what :func:`encode` made, in this release or an earlier one."""
    try:
        record = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _foreign(seq) from error
    if not isinstance(record, dict):
        raise _foreign(seq)
    return records.from_record(record)


def _canonical(record: records.Fields) -> bytes:
    try:
        return chain.canonical(record)
    except TypeError:
        # Half of a surrogate pair, from a broken argument or answer, is no text to JSON; one odd
        # letter in a message must not stop a run.
        text = json.dumps(record, ensure_ascii=False)
        readable = text.encode("utf-8", "replace").decode()
        if readable == text:
            raise
        return chain.canonical(json.loads(readable))


def _shape(cls: Any) -> Shape:
    """Return how the fields of *cls* are treated."""
    hints = typing.get_type_hints(cls)
    fields = {one.name: hints[one.name] for one in dataclasses.fields(cls)}
    acted_on = {name for name in fields if name in _ACTED_ON}
    made = {name for name, hint in fields.items() if name in _MADE_BY_FLEET or _is_exact(hint)}
    names = {name: codec.json_name(name, hint) for name, hint in fields.items()}
    return Shape(
        kept=_ENVELOPE | {names[name] for name in acted_on | made},
        acted_on=frozenset(names[name] for name in acted_on),
        is_free=len(acted_on | made) < len(fields),
    )


def _is_exact(hint: object) -> bool:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return all(_is_exact(one) for one in args)
    if origin is tuple:
        return _is_exact(args[0])
    if hint in (Digest, RunId, types.NoneType):
        return True
    return isinstance(hint, type) and issubclass(hint, _EXACT_TYPES)


def _foreign(seq: int) -> JournalError:
    message = f"record {seq} is not one that fleet wrote"
    return JournalError(message, hint="`fleet verify` says how far the journal can be trusted.")


def _refuse_secrets(part: dict[str, object], event: Event, redactor: Redactor) -> None:
    place = redactor.found(part)
    if place is None:
        return
    message = (
        f"the value of a protected setting also stands in plain in the plan, at {place} "
        f"({event.kind}): it would be stored, and is not"
    )
    hint = "Take it out of the plain settings; if it is no secret, out of the protected ones."
    raise RefusedError(message, hint=hint)


SHAPES: Mapping[str, Shape] = {kind: _shape(cls) for kind, cls in records.KINDS.items()}
"""``{kind: shape}``."""
