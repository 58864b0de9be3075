"""From a stored journal to the state it adds up to, checked link by link on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import orjson

from fleet import zones
from fleet.core import chain, fold
from fleet.core.state import RunState
from fleet.errors import IllegalTransitionError, JournalError, TamperedError
from fleet.model import events, records
from fleet.ports import JournalReader

_HINT = "Compare it with a copy; `fleet verify` says where it breaks."


class Tail:
    """A state that follows a journal: fold what is new, as often as asked."""

    def __init__(self, reader: JournalReader) -> None:
        self.state = RunState(zones=zones.zone)
        self._reader = reader
        self._seq = 0
        self._head = chain.GENESIS

    @property
    def count(self) -> int:
        """Records folded so far."""
        return self._seq

    @property
    def head(self) -> bytes:
        """The link after the last of them."""
        return self._head

    def catch_up(self) -> Iterator[events.Event]:
        """Fold what is new, and yield each event after it was folded.

        Raises:
            TamperedError: A record does not match its hash, or is missing.
            JournalError: The records make no sense, though the hashes are right.
        """
        for record in self._reader.records(after=self._seq):
            if record.seq != self._seq + 1 or chain.link(self._head, record.body) != record.link:
                message = (
                    f"the journal is not what was written: record {self._seq + 1} does not fit"
                )
                raise TamperedError(message, hint=_HINT)
            event = _event(record.body, record.seq)
            try:
                fold.apply(self.state, event)
            except IllegalTransitionError as error:
                message = f"record {record.seq} cannot follow the ones before it: {error.message}"
                raise JournalError(message, hint=_HINT) from error
            self._seq, self._head = record.seq, record.link
            yield event


def load(
    reader: JournalReader, *, heed: Callable[[events.Event], None] = lambda _event: None
) -> RunState:
    """Return the state that the whole journal adds up to.

    Args:
        reader: The journal.
        heed: Is shown each event on the way.
    """
    tail = Tail(reader)
    for event in tail.catch_up():
        heed(event)
    return tail.state


def _event(body: bytes, seq: int) -> events.Event:
    try:
        return records.from_record(orjson.loads(body))
    except orjson.JSONDecodeError as error:
        message = f"record {seq} is not JSON"
        raise TamperedError(message, hint=_HINT) from error
