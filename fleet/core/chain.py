"""Canonical bytes and the hash chain over them, as arithmetic.

What is hashed is what is stored: a verifier reads bytes, never re-encodes.
Canonical means sorted keys, no spaces, UTF-8; :mod:`fleet.model.codec` lets no
float in. Storing and reading is the journal's business (:mod:`fleet.journal`).

Shapes:  a link is ``sha256(previous link + stored bytes)``, 32 bytes; the first follows
         :data:`GENESIS`.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable
from typing import Any

import orjson

from fleet.model.plan import Digest

GENESIS = bytes(32)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What checking a chain found."""

    count: int
    """How many records fit."""
    head: bytes
    """The link after the last record that fits."""
    broken_at: int | None = None
    """The position (from 1) of the first record that does not fit."""
    problem: str | None = None


def canonical(value: Any) -> bytes:
    """Return the one encoding of *value*.

    >>> canonical({"b": 1, "a": [True, None]})
    b'{"a":[true,null],"b":1}'
    """
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def digest(value: Any) -> Digest:
    """Return the digest that names *value*."""
    return digest_of([canonical(value)])


def digest_of(parts: Iterable[bytes]) -> Digest:
    """Return the digest that names a value, of which *parts* are the canonical bytes in turn."""
    found = hashlib.sha256()
    for part in parts:
        found.update(part)
    return Digest("sha256:" + found.hexdigest())


def link(previous: bytes, body: bytes) -> bytes:
    """Return the link that follows *previous* over *body*."""
    return hashlib.sha256(previous + body).digest()


def verify(records: Iterable[tuple[int, bytes, bytes]]) -> Verdict:
    """Check ``(position, body, link)`` records, in the order they are stored in."""
    head, count = GENESIS, 0
    for position, body, stored in records:
        if position != count + 1:
            problem = f"record {count + 1} is missing: record {position} stands in its place"
            return Verdict(count=count, head=head, broken_at=count + 1, problem=problem)
        if link(head, body) != stored:
            problem = f"record {position} does not match its hash"
            return Verdict(count=count, head=head, broken_at=position, problem=problem)
        head, count = stored, position
    return Verdict(count=count, head=head)
