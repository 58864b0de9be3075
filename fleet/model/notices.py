"""Who is told of what: subscribers of a run, as the plan has them."""

from __future__ import annotations

import dataclasses
import enum

from fleet.model.codec import SPARSE


class Topic(enum.StrEnum):
    """What somebody may want to be told of."""

    RUN = "run"
    WAVE = "wave"
    GATE = "gate"
    BREACH = "breach"
    APPROVAL = "approval"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Subscriber:
    """A webhook, or a command. Either :attr:`url`, :attr:`url_from` or :attr:`argv`."""

    name: str
    on: tuple[Topic, ...]
    """Of these; all where the plan file says nothing."""
    url: str = dataclasses.field(default="", metadata=SPARSE)
    url_from: str = dataclasses.field(default="", metadata=SPARSE)
    """The environment variable that holds the address, where that is a secret."""
    signed_with: str = dataclasses.field(default="", metadata=SPARSE)
    """The environment variable that holds the key of the HMAC; empty: unsigned."""
    argv: tuple[str, ...] = dataclasses.field(default=(), metadata=SPARSE)
    """A command, started without a shell; the event is its standard input."""
