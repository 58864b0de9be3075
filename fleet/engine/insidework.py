"""Steps inside clusters: looked at, sent and proved like those that go to Azure.

What a step brings about is a state, so a look says what is left of it, sending
sends what is left, and whatever ended the process meanwhile, the next look says
what is left then. An answer that was lost needs no other care.

Errors:  none: each becomes an outcome.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from fleet.core import chain, pacing, works
from fleet.engine import visiting
from fleet.engine.clock import Clock
from fleet.engine.editing import carried_out
from fleet.engine.gathering import gathered
from fleet.engine.outcomes import Outcome
from fleet.engine.replies import Replies
from fleet.errors import ClusterError, WrongClusterError
from fleet.model.commands import Check, Prove, Send
from fleet.model.inside import Work, WorkKind
from fleet.model.objects import Seen
from fleet.model.plan import Target
from fleet.model.statuses import Finding, HoldReason
from fleet.ports import Clusters

_ROLLING = dt.timedelta(seconds=10)
"""Between two looks at workloads that are being restarted."""


class InsideWork:
    """Carries out the steps of a run that go to clusters' own APIs."""

    def __init__(
        self, clusters: Clusters, *, replies: Replies, clock: Clock, patience: dt.timedelta
    ) -> None:
        self._clusters = clusters
        self._replies = replies
        self._clock = clock
        self._patience = patience
        """How long one step may take to send, where it goes about it little by little."""

    async def check(self, command: Check, target: Target) -> Outcome:
        """Look what is left to do."""
        work = _work(target, command.step)
        try:
            seen = await self._seen(target, work)
        except ClusterError as error:
            return self._unseen(command, error)
        if bar := works.blocked(work, seen):
            # It may be on its way: an extension that was just installed makes its objects itself.
            return self._not_yet(command, bar)
        token = self._token(command)
        left, changes = works.edits(work, seen, token=token), works.changes(work, seen)
        if not left and (pending := works.pending(work, seen, token=token)):
            return self._not_yet(command, pending)
        finding = Finding.PROCEED if left else Finding.DONE
        return self._replies.checked(
            command,
            finding,
            mark=chain.digest([list(change) for change in changes]),
            detail="" if left else "it is so already",
            evidence={path: _shown(before) for path, before, _ in changes},
        )

    async def send(self, command: Send, target: Target) -> Outcome:
        """Send what is left, little by little where the work says so."""
        work, until = _work(target, command.step), self._clock.now() + self._patience
        try:
            while await self._is_more(command, target, work) and self._clock.now() < until:
                await self._clock.sleep(_ROLLING)
        except ClusterError as error:
            return self._not_sent(command, error)
        return self._replies.accepted(command, operation_sha256=None, mark=None, keep=None)

    async def prove(self, command: Prove, target: Target) -> Outcome:
        """Read it back."""
        work = _work(target, command.step)
        try:
            seen = await self._seen(target, work)
        except WrongClusterError as error:
            return self._replies.failed(command, error.code, error.message)
        except ClusterError as error:
            return self._not_yet(command, error.message)
        left = works.changes(work, seen)
        pending = works.pending(work, seen, token=self._token(command))
        if missing := works.blocked(work, seen) or pending or _left(left):
            return self._not_yet(command, missing)
        return self._replies.proved(command, {"inside": work.kind.value})

    async def _is_more(self, command: Send, target: Target, work: Work) -> bool:
        """Send what may be sent now, and tell whether some of it must wait for that."""
        async with visiting.visit(self._clusters, target.cluster_id) as (api, *_):
            seen = await gathered(api, works.wants(work))
            token = command.correlation_id
            left = works.edits(work, seen, token=token)
            await carried_out(api, left)
            is_gradual = work.kind is WorkKind.RESTART
            return is_gradual and bool(left or works.pending(work, seen, token=token))

    async def _seen(self, target: Target, work: Work) -> Seen:
        async with visiting.visit(self._clusters, target.cluster_id) as (api, *_):
            return await gathered(api, works.wants(work))

    def _token(self, command: Check | Prove) -> str:
        """Return what marks the restarts of one step: the same in every attempt at it."""
        return self._replies.ids(command, "restart").correlation_id

    def _unseen(self, command: Check, error: ClusterError) -> Outcome:
        if isinstance(error, WrongClusterError):
            # It does not pass by itself: somebody has to say where the right one is.
            return self._replies.failed(command, error.code, error.message)
        wait = self._replies.backoff(command)
        return self._replies.held(command, HoldReason.TRANSIENT, wait, error.code, error.message)

    def _not_sent(self, command: Send, error: ClusterError) -> Outcome:
        if isinstance(error, WrongClusterError):
            return self._replies.failed(command, error.code, error.message)
        if error.status is None:
            return self._replies.lost(command, error.code, error.message)
        if error.status in _PASSING or error.status >= _SERVER:
            wait = pacing.backoff(command.attempt, jitter_ppm=self._replies.jitter(command))
            return self._replies.held(
                command, HoldReason.TRANSIENT, wait, error.code, error.message
            )
        return self._replies.failed(command, error.code, error.message)

    def _not_yet(self, command: Check | Prove, why: str) -> Outcome:
        wait = self._replies.backoff(command)
        return self._replies.held(command, HoldReason.NOT_YET, wait, "F331", why)


_PASSING = (404, 409, 429)
"""Not there any more, changed meanwhile, too many requests: what is left is worked out anew."""
_SERVER = 500


def _work(target: Target, step: int) -> Work:
    work = target.steps[step].work
    if work is None:
        message = f"step {step + 1} of {target.cluster_name} is not one inside a cluster"
        raise ValueError(message)
    return work


def _left(changes: Sequence[tuple[str, str | None, str | None]]) -> str:
    paths = [path for path, _, _ in changes]
    return f"not as planned yet: {', '.join(paths)}" if paths else ""


def _shown(before: str | None) -> str:
    return "(absent)" if before is None else before
