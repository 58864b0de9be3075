"""Tells subscribers of a run what they asked for, while it goes on and without it waiting for them.

Each subscriber has a courier, which reads the journal by itself: what is durable and no earlier, in
order, and as it is kept, that is without secrets. So a subscriber that is down for a day costs no
memory, and what a process could not tell, or what others wrote while nobody ran the run, the next
one tells. How far each was told stands beside the journal, written after it was told: after a crash
the last notice may come twice, under one id.

Nothing that goes wrong here touches the run.

Units:   seconds of the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from http import HTTPStatus

import orjson

from fleet import log
from fleet.core import notices
from fleet.core.notices import Account, Notice
from fleet.core.state import RunState
from fleet.errors import FleetError, JournalError, RemoteError
from fleet.model import records
from fleet.model.events import Event
from fleet.model.notices import Subscriber
from fleet.ports import Batch, Journal, JournalReader, Messenger, StoredRecord

FLUSH_S = 10.0
"""How long the end of a process may wait for those who were not told yet."""
_STRETCH = 200
"""Records that are read before others have their turn."""
_LARGE_BYTES = 50_000
"""A record that is as long as a stretch of others."""


@dataclasses.dataclass(slots=True, kw_only=True)
class _Courier:
    """Who goes to one subscriber, and how far they came."""

    subscriber: Subscriber
    messenger: Messenger
    account: Account
    told: int
    """Up to which record."""
    read: int = 0
    """Up to which record."""
    missed: str = ""
    """The first that was not taken."""
    missed_count: int = 0
    trouble: str = ""
    """Why the last that was not taken was not, or why nobody goes any more."""
    is_over: bool = False
    is_idle: bool = False
    """Whether all was told that there was."""
    news: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)
    """Set while there may be something to read."""

    @property
    def is_done(self) -> bool:
        """Whether all was told that there is."""
        return self.is_idle and not self.news.is_set()

    def shortfalls(self) -> Iterator[str]:
        """Yield in words what its subscriber was not told."""
        name, why = self.subscriber.name, f": {self.trouble}" if self.trouble else ""
        if self.missed_count:
            more = f", and {self.missed_count - 1} more" if self.missed_count > 1 else ""
            yield f'{name} was not told "{self.missed}"{more}{why}'
        if not self.is_done:
            yield f"{name} was not told everything{'' if self.missed_count else why}"


class Notifier:
    """Tells what happens to one run."""

    def __init__(
        self,
        journal: Journal,
        state: RunState,
        messengers: Mapping[str, Messenger],
        *,
        flush_s: float = FLUSH_S,
    ) -> None:
        """Begin where the last process stopped.

        Args:
            journal: Of the run, held by this process.
            state: What it adds up to; it may go on meanwhile.
            messengers: ``{subscriber's name: the way to it}``; who has none is not told.
            flush_s: How long the end may wait.
        """
        self._journal, self._state = journal, state
        self._flush_s = flush_s
        told = journal.told() if messengers else {}
        self._couriers = [
            _Courier(
                subscriber=one,
                messenger=messengers[one.name],
                account=Account(state),
                told=told.get(one.name, 0),
            )
            for one in state.plan.notify
            if one.name in messengers
        ]
        self._is_ending = asyncio.Event()
        self._moved = asyncio.Event()
        """Set whenever a courier came further."""

    def observe(self, events: Sequence[Event], _state: RunState) -> None:
        """Take note that *events* are durable now; cheap, and never fails."""
        if any(event.kind in notices.KINDS for event in events):
            for courier in self._couriers:
                courier.news.set()

    @contextlib.asynccontextmanager
    async def telling(self) -> AsyncIterator[None]:
        """Tell for as long as the block lasts, and at its end for a while what is left.

        Where the block ends because the journal cannot be used, or was taken over, nothing more
        is told: the next process does that.
        """
        failure: BaseException | None = None
        async with asyncio.TaskGroup() as tasks:
            going = [
                tasks.create_task(self._go(one), name=f"courier {one.subscriber.name}")
                for one in self._couriers
            ]
            try:
                yield
            except asyncio.CancelledError:
                raise
            except BaseException as error:  # noqa: BLE001 - raised again below, as it came
                failure = error
            if failure is None or _leaves_the_journal(failure):
                await self._flush()
            for task in going:
                task.cancel()
        if failure is not None:
            raise failure

    def shortfalls(self) -> list[str]:
        """Return in words who was not told what; empty: everybody was told everything."""
        return [line for one in self._couriers for line in one.shortfalls()]

    # --- one subscriber ---

    async def _go(self, courier: _Courier) -> None:
        """Tell one subscriber everything, for as long as there may be anything to tell."""
        try:
            while await self._tell_all(courier):
                await courier.news.wait()
                courier.is_idle = False
        except FleetError as error:  # the journal is not ours any more, or cannot be read
            courier.trouble = error.message
        except Exception as error:  # noqa: BLE001 - a bug here must not end the run
            courier.trouble = f"a bug in fleet ({type(error).__name__})"
            log.logger().error(
                log.Event.BUG_CAUGHT, subscriber=courier.subscriber.name, exc_info=True
            )
        finally:
            courier.is_over = True
            self._moved.set()

    async def _tell_all(self, courier: _Courier) -> bool:
        """Tell what there is by now; return whether more is wanted."""
        courier.news.clear()
        while notice := await self._next(courier):
            await self._bring(courier, notice)
            if courier.is_over:
                return False
        courier.is_idle = True
        self._moved.set()
        return True

    async def _next(self, courier: _Courier) -> Notice | None:
        """Return what is to be told next; ``None`` where nothing is left.

        Of what was read nothing is held while it is told, which may take hours.
        """
        for record in self._journal.records(after=courier.read):
            courier.read = record.seq
            notice = _notice(courier.account, record)
            if notice and record.seq > courier.told and notice.topic in courier.subscriber.on:
                return notice
            if record.seq % _STRETCH == 0 or len(record.body) > _LARGE_BYTES:
                await asyncio.sleep(0)
        return None

    async def _bring(self, courier: _Courier, notice: Notice) -> None:
        """Tell one thing; what is not taken in the time there is, is left out."""
        try:
            await courier.messenger.bring(notice, self._pause)
        except RemoteError as error:
            courier.is_over = error.status == HTTPStatus.GONE
            courier.missed = courier.missed or notice.title
            courier.missed_count += 1
            courier.trouble = error.message
            _log_miss(courier, notice)
            if courier.is_over:
                return
        courier.told = notice.sequence
        await self._remember([courier])

    async def _remember(self, couriers: Sequence[_Courier]) -> None:
        told = {one.subscriber.name: one.told for one in couriers}
        if told:
            await self._journal.append(Batch(events=(), told=told))

    async def _pause(self, seconds: float, *, is_asked_for: bool) -> None:
        """Wait between two tries; a process that ends tries once more at once, unless told not to.

        From then on it waits as before: for as long as the end may take.
        """
        if is_asked_for or self._is_ending.is_set():
            await asyncio.sleep(seconds)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._is_ending.wait()

    # --- the end ---

    async def _flush(self) -> None:
        """Wait until everybody was told, but not for long."""
        self._is_ending.set()
        for courier in self._couriers:
            courier.news.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._flush_s):
                while not all(one.is_over or one.is_done for one in self._couriers):
                    self._moved.clear()
                    await self._moved.wait()
        await self._settle()
        if lines := self.shortfalls():
            log.logger().warning(log.Event.NOTICES_LEFT, shortfalls="; ".join(lines))

    async def _settle(self) -> None:
        """Remember who was told everything, so that nobody has to look again."""
        done = [one for one in self._couriers if one.is_done and not one.is_over]
        for courier in done:
            courier.told = courier.read
        try:
            await self._remember(done)
        except JournalError:
            return  # then somebody looks again, and nothing is left to tell
        except Exception:  # noqa: BLE001 - a bug here must not end the run
            log.logger().error(log.Event.BUG_CAUGHT, exc_info=True)


def has_rest(reader: JournalReader, state: RunState) -> bool:
    """Tell whether anybody was perhaps not told everything of a run that is over."""
    if not state.plan.notify:
        return False
    told = reader.told()
    least = min(told.get(one.name, 0) for one in state.plan.notify)
    return any(_kind(record.body) in notices.KINDS for record in reader.records(after=least))


def _leaves_the_journal(failure: BaseException) -> bool:
    return isinstance(failure, FleetError) and not isinstance(failure, JournalError)


def _notice(account: Account, stored: StoredRecord) -> Notice | None:
    record = orjson.loads(stored.body)
    if record["kind"] not in notices.KINDS:
        return None
    return account.read(stored.seq, records.from_record(record))


def _kind(body: bytes) -> str:
    return str(orjson.loads(body)["kind"])


def _log_miss(courier: _Courier, notice: Notice) -> None:
    log.logger().warning(
        log.Event.NOTICE_MISSED,
        subscriber=courier.subscriber.name,
        notice=notice.id,
        kind=notice.kind,
        reason=courier.trouble,
    )
