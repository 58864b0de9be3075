"""One command, one call, one outcome event.

The performer knows ports, not vendors, and decides nothing: what an answer
means is judged by :mod:`fleet.core.proof`, what an error asks for by
:mod:`fleet.core.pacing`. A write is sent once; trying again is a decision, and
is written down first.

Here is the only catch-all: a bug that hits one target becomes that target's
``step.unknown`` and cancels nobody else's request.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
from collections.abc import Mapping

from fleet import log
from fleet.core import again, facts, pacing, proof
from fleet.core.proof import Proof, Reading
from fleet.engine import calls, inspection, requests
from fleet.engine.clock import Clock
from fleet.engine.following import Following
from fleet.engine.insidework import InsideWork
from fleet.engine.inspection import Inspection
from fleet.engine.outcomes import Outbox, Outcome
from fleet.engine.replies import Replies
from fleet.engine.wavework import WaveWork
from fleet.errors import (
    AuthError,
    ClusterError,
    LostClusterError,
    RemoteError,
    WrongClusterError,
)
from fleet.model import events as e
from fleet.model.cluster import Extension
from fleet.model.commands import (
    Check,
    Command,
    Follow,
    Look,
    Measure,
    Prove,
    Send,
    Survey,
    Watch,
    WaveCommand,
)
from fleet.model.plan import Target
from fleet.model.statuses import Finding, HoldReason
from fleet.ports import Clusters, OperationKey, RequestIds, Service


class Performer:
    """Carries commands out, and leaves what they came to in the outbox."""

    def __init__(  # noqa: PLR0913 - whom it works with, each by its name
        self,
        *,
        header: e.RunCreated,
        targets: list[Target],
        service: Service,
        clock: Clock,
        outbox: Outbox,
        urls: Mapping[OperationKey, str],
        vault: Mapping[str, str],
        wave_work: WaveWork,
        clusters: Clusters,
    ) -> None:
        self._run_id = header.run_id
        self._head = header.plan
        self._targets = targets
        self._service = service
        self._clock = clock
        self._outbox = outbox
        self._vault = vault
        self._replies = Replies(header.run_id, clock)
        self._inside = InsideWork(
            clusters,
            replies=self._replies,
            clock=clock,
            patience=header.plan.limits.progress_deadline,
        )
        self._inspection = Inspection(header.plan, clusters)
        self._wave = wave_work
        self._found: dict[int, Extension | None] = {}
        self._following = Following(
            service,
            urls=urls,
            clock=clock,
            outbox=outbox,
            replies=self._replies,
            heed=self._heed,
            bug=self._bug,
        )
        self.refusal: AuthError | None = None
        """The service accepts nobody's token any more: nothing can be done from here."""
        self._calls: set[asyncio.Task[None] | None] = set()

    @property
    def call_count(self) -> int:
        """Calls that have not been answered yet; what the poller does is not counted."""
        return len(self._calls)

    def perform(self, command: Command | WaveCommand, tasks: asyncio.TaskGroup) -> None:
        """Start *command*; its outcome comes by the outbox."""
        if isinstance(command, Follow):
            self._following.follow(command)
            return
        if isinstance(command, Survey | Measure | Look):
            self._calls.add(tasks.create_task(self._work(command)))
            return
        self._following.forget(command.target)
        self._outbox.withdraw(command.target)
        self._calls.add(tasks.create_task(self._perform(command)))

    async def poll(self, tasks: asyncio.TaskGroup) -> None:
        """Follow operations until cancelled."""
        await self._following.run(tasks)

    def abandon(self) -> None:
        """Stop waiting for answers: whoever runs the run next looks up what became of them."""
        for call in self._calls:
            if call is not None:
                call.cancel()

    async def _perform(self, command: Check | Send | Prove | Watch) -> None:
        try:
            outcome = await self._call(command)
        except Exception as error:  # noqa: BLE001 - the one catch-all, see the module's docstring
            outcome = self._bug(command, error)
        finally:
            self._calls.discard(asyncio.current_task())
        self._outbox.put(outcome)

    async def _call(self, command: Check | Send | Prove | Watch) -> Outcome:
        match command:
            case Check():
                return await self._check(command)
            case Send():
                return await self._send(command)
            case Prove():
                return await self._prove(command)
            case Watch():
                return await self._watch(command)

    async def _work(self, command: WaveCommand) -> None:
        try:
            event = await self._wave.done(command)
        finally:
            self._calls.discard(asyncio.current_task())
        self._outbox.put(Outcome(event=event))

    def _bug(self, command: Command, error: Exception) -> Outcome:
        log.logger().error(log.Event.BUG_CAUGHT, target=command.target, exc_info=error)
        return self._replies.unknown(command, f"{type(error).__name__}: {error}")

    # --- the GET before ------------------------------------------------------------------

    async def _check(self, command: Check) -> Outcome:
        target = self._targets[command.target]
        try:
            if command.asks_connectivity and not command.is_in_doubt:
                ids = self._replies.ids(command, "connectivity")
                cluster = await calls.limited(self._service.cluster(target.cluster_id, ids))
                if not cluster.is_reachable:
                    detail = f"not connected ({cluster.connectivity})"
                    return self._checked(command, Finding.UNREACHABLE, None, detail)
            if target.steps[command.step].work is not None:
                return await self._inside.check(command, target)
            found = await self._get(command)
        except LostClusterError as error:
            if command.is_in_doubt:
                return self._not_seen(command, error)
            return self._checked(command, Finding.CLUSTER_MISSING, None, error.message)
        except RemoteError as error:
            return self._read_failed(command, error)
        self._found[command.target] = found
        reading = Reading(found=found, mark_before=command.mark_before)
        # What a failure of ours left is no drift.
        as_is = dataclasses.replace(target, is_unsure=True) if command.is_again else target
        judged = proof.check(as_is, command.step, reading, is_in_doubt=command.is_in_doubt)
        if judged.finding is Finding.BUSY:
            # It does not wait longer each time: operations take minutes, and this one may be ours.
            wait = self._replies.backoff(command, count=0, first=pacing.CONFLICT_WAIT)
            return self._replies.held(command, HoldReason.BUSY, wait, "F320", judged.detail)
        if judged.finding is Finding.DRIFTED and command.may_replan:
            return await self._replanned(command, found, judged.detail)
        return await self._kept(command, judged.finding, found, judged.detail)

    async def _kept(
        self, command: Check, finding: Finding, found: Extension | None, detail: str
    ) -> Outcome:
        """Return what was found, with a copy of what the first write must preserve."""
        target = self._targets[command.target]
        own = [n for n, step in enumerate(target.steps) if step.is_own]
        is_first = own[:1] == [command.step] and not command.is_in_doubt
        if finding is not Finding.PROCEED or found is None or not is_first:
            return self._checked(command, finding, found, detail)
        try:
            snapshot = await self._inspection.snapshot(target)
        except WrongClusterError as error:
            return self._replies.failed(command, error.code, error.message)
        except ClusterError as error:
            wait = self._replies.backoff(command)
            return self._replies.held(
                command, HoldReason.TRANSIENT, wait, error.code, error.message
            )
        return self._checked(command, finding, found, detail, snapshot=snapshot)

    async def _replanned(self, command: Check, found: Extension | None, detail: str) -> Outcome:
        """Work out anew what a target needs that has changed since it was planned."""
        target = self._targets[command.target]
        try:
            cluster = await calls.limited(
                self._service.cluster(target.cluster_id, self._replies.ids(command, "replan"))
            )
        except LostClusterError as error:
            return self._checked(command, Finding.CLUSTER_MISSING, None, error.message)
        except RemoteError as error:
            return self._read_failed(command, error)
        event = e.TargetReplanned(
            at=self._clock.now(),
            target=command.target,
            step=command.step,
            plan=again.judged(self._head, target, cluster, found),
            detail=detail,
        )
        return Outcome(event=event)

    def _checked(
        self,
        command: Check,
        finding: Finding,
        found: Extension | None,
        detail: str,
        *,
        snapshot: str | None = None,
    ) -> Outcome:
        return self._replies.checked(
            command,
            finding,
            mark=facts.mark(found),
            detail=detail,
            evidence=proof.evidence(found),
            snapshot=snapshot,
        )

    # --- the write -----------------------------------------------------------------------

    async def _send(self, command: Send) -> Outcome:
        target = self._targets[command.target]
        if target.steps[command.step].work is not None:
            return await self._inside.send(command, target)
        write = requests.write_of(
            target.steps[command.step],
            target,
            self._head,
            found=self._found.pop(command.target),
            vault=self._vault,
        )
        ids = RequestIds(
            correlation_id=command.correlation_id, client_request_id=command.client_request_id
        )
        try:
            ref = requests.ref_of(target, command.step)
            accepted = await calls.limited(self._service.write(ref, write, ids))
        except RemoteError as error:
            return self._write_failed(command, error)
        url = accepted.operation_url
        if url is not None:
            self._following.remember(command, url)
        return self._replies.accepted(
            command,
            operation_sha256=hashlib.sha256(url.encode()).hexdigest() if url else None,
            mark=facts.mark(accepted.extension) if accepted.extension else None,
            keep=url,
        )

    def _write_failed(self, command: Send, error: RemoteError) -> Outcome:
        self._heed(error)
        match pacing.after_write(
            error, count=command.attempt - 1, jitter_ppm=self._replies.jitter(command)
        ):
            case pacing.Hold(reason=reason, wait=wait):
                return self._replies.held(command, reason, wait, error.code, error.message)
            case pacing.Lost():
                return self._replies.lost(command, error.code, error.message)
            case pacing.Fail():
                return self._replies.failed(command, error.code, error.message)

    # --- the GET after -------------------------------------------------------------------

    async def _prove(self, command: Prove) -> Outcome:
        target = self._targets[command.target]
        if target.steps[command.step].work is not None:
            return await self._inside.prove(command, target)
        try:
            found = await self._get(command)
        except RemoteError as error:
            return self._not_seen(command, error)
        reading = Reading(
            found=found, mark_before=command.mark_before, mark_accepted=command.mark_accepted
        )
        verdict, detail = proof.prove(target, command.step, reading, error=command.error)
        match verdict:
            case Proof.PROVED:
                return self._replies.proved(command, proof.evidence(found))
            case Proof.FAILED:
                return self._replies.failed(command, "F360", detail)
            case Proof.NOT_YET:
                wait = self._replies.backoff(command)
                return self._replies.held(command, HoldReason.NOT_YET, wait, "F331", detail)

    # --- a target that must stay well ------------------------------------------------------

    async def _watch(self, command: Watch) -> Outcome:
        try:
            found = await self._get(command)
        except RemoteError as error:
            return self._not_seen(command, error)
        if found is not None and not found.provisioning_state.is_terminal:
            wait = self._replies.backoff(command, count=0, first=pacing.CONFLICT_WAIT)
            detail = f"it is {found.provisioning_state}"
            return self._replies.held(command, HoldReason.BUSY, wait, "F320", detail)
        if fault := proof.relapse(self._targets[command.target], found):
            message = f"it was as planned, and is not any more: {fault}"
            return self._replies.failed(command, "F360", message)
        results = await self._inspection.results(
            self._targets[command.target],
            found,
            snapshot=command.snapshot,
            now=self._clock.now(),
        )
        age = self._clock.now() - (command.since or self._clock.now())
        if bar := inspection.bar(results, age=age):
            wait = self._replies.backoff(command)
            return self._replies.held(command, HoldReason.NOT_YET, wait, "F380", bar)
        return self._replies.observed(command, results)

    # --- what they share -----------------------------------------------------------------

    async def _get(self, command: Check | Prove | Watch) -> Extension | None:
        target = self._targets[command.target]
        ids = self._replies.ids(command, type(command).__name__)
        # What must stay well is the target's own extension, whatever its last step was.
        ref = requests.ref_of(target, None if isinstance(command, Watch) else command.step)
        return await calls.limited(self._service.get(ref, ids))

    def _not_seen(self, command: Check | Prove | Watch, error: RemoteError) -> Outcome:
        """Look again later: a write is out, and what became of it is not known."""
        self._heed(error)
        hold = pacing.after_look(
            error, count=command.held_count, jitter_ppm=self._replies.jitter(command)
        )
        is_own = hold.reason in (HoldReason.THROTTLED, HoldReason.IDENTITY)
        is_proof = isinstance(command, Prove) and not is_own
        reason = HoldReason.NOT_YET if is_proof else hold.reason
        return self._replies.held(command, reason, hold.wait, error.code, error.message)

    def _read_failed(self, command: Check, error: RemoteError) -> Outcome:
        if command.is_in_doubt:
            return self._not_seen(command, error)
        self._heed(error)
        disposition = pacing.after_read(
            error, count=command.held_count, jitter_ppm=self._replies.jitter(command)
        )
        if isinstance(disposition, pacing.Fail):
            return self._replies.failed(command, error.code, error.message)
        reason, wait = disposition.reason, disposition.wait
        return self._replies.held(command, reason, wait, error.code, error.message)

    def _heed(self, error: RemoteError) -> None:
        """Note an error that every other target will meet as well."""
        if isinstance(error, AuthError) and self.refusal is None:
            self.refusal = error
            self._outbox.ring()
