"""Following what the service works on: reads of operations, until each has ended.

The poller says when to read; what a read comes to is here. An operation whose URL did not survive,
and one that cannot be read, has ended as far as anybody can tell: the extension has the last word.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Mapping, MutableMapping

from fleet.core import pacing
from fleet.engine import calls
from fleet.engine.clock import Clock
from fleet.engine.outcomes import Outbox, Outcome
from fleet.engine.poller import Followed, Poller
from fleet.engine.replies import Replies
from fleet.errors import LostClusterError, RemoteError
from fleet.model import events as e
from fleet.model.commands import Command, Follow
from fleet.model.statuses import HoldReason
from fleet.ports import Extensions, OperationKey, OperationStatus


class Following:
    """Follows the operations of one run."""

    def __init__(
        self,
        service: Extensions,
        *,
        urls: Mapping[OperationKey, str],
        clock: Clock,
        outbox: Outbox,
        replies: Replies,
        heed: Callable[[RemoteError], None],
        bug: Callable[[Command, Exception], Outcome],
    ) -> None:
        self._service = service
        self._urls: MutableMapping[OperationKey, str] = dict(urls)
        self._clock = clock
        self._outbox = outbox
        self._replies = replies
        self._heed = heed
        """Is told of errors that every other target will meet as well."""
        self._bug = bug
        self._poller = Poller(clock, self._read_operation)

    def remember(self, command: Command, url: str) -> None:
        """Know where the operation of *command* is read; the URL is signed, so a secret."""
        self._urls[_key(command)] = url

    def follow(self, command: Follow) -> None:
        """Read the operation from now on, until it has ended."""
        if _key(command) not in self._urls:
            # The URL did not survive; the extension itself tells what became of the operation.
            self._outbox.put(self._ended(Followed(command=command), "unknown", error=None))
            return
        self._poller.follow(Followed(command=command))

    def forget(self, target: int) -> None:
        """Read it no more."""
        self._poller.forget(target)

    async def run(self, tasks: asyncio.TaskGroup) -> None:
        """Read what is due until cancelled."""
        await self._poller.run(tasks)

    async def _read_operation(self, followed: Followed) -> None:
        command = followed.command
        try:
            outcome = await self._read(followed)
        except Exception as error:  # noqa: BLE001 - a bug that hits one target harms nobody else
            outcome = self._bug(command, error)
        if outcome is not None and self._poller.is_followed(followed):
            self._poller.forget(command.target)
            self._outbox.put(outcome)

    async def _read(self, followed: Followed) -> Outcome | None:
        command = followed.command
        followed.poll_count += 1
        try:
            status = await calls.limited(
                self._service.operation(
                    self._urls[_key(command)], self._replies.ids(command, "poll")
                )
            )
        except LostClusterError as error:
            return self._ended(followed, "lost", error=error.message)
        except RemoteError as error:
            return self._poll_failed(followed, error)
        if not status.is_terminal:
            wait_s = status.retry_after_s
            wait = dt.timedelta(seconds=wait_s) if wait_s is not None else None
            followed.hold_count = 0
            self._poller.saw(followed, has_ended=False)
            self._again(followed, wait)
            return None
        return self._operation_over(followed, status)

    def _operation_over(self, followed: Followed, status: OperationStatus) -> Outcome:
        if status.is_conflict:
            command = followed.command
            wait = self._replies.backoff(command, first=pacing.CONFLICT_WAIT)
            message = status.error or "another operation was in progress"
            held = self._replies.held(command, HoldReason.CONFLICT, wait, "F320", message)
            return Outcome(event=held.event, drops=True)
        if self._poller.is_followed(followed):
            self._poller.saw(followed, has_ended=True)
        return self._ended(followed, status.status, error=status.error)

    def _poll_failed(self, followed: Followed, error: RemoteError) -> Outcome | None:
        self._heed(error)
        count, jitter = followed.hold_count, self._replies.jitter(followed.command)
        disposition = pacing.after_read(error, count=count, jitter_ppm=jitter)
        if isinstance(disposition, pacing.Hold):
            followed.hold_count += 1
            self._again(followed, disposition.wait)
            return None
        return self._ended(followed, "unreadable", error=None)

    def _again(self, followed: Followed, wait: dt.timedelta | None) -> None:
        if self._poller.is_followed(followed):
            self._poller.follow(followed, wait=wait)

    def _ended(self, followed: Followed, status: str, *, error: str | None) -> Outcome:
        event = e.OperationEnded(
            at=self._clock.now(),
            target=followed.command.target,
            step=followed.command.step,
            status=status,
            error=error,
            poll_count=followed.poll_count,
        )
        return Outcome(event=event, drops=True)


def _key(command: Command) -> OperationKey:
    return OperationKey(target=command.target, step=command.step)
