"""What somebody reads before they agree to a wave: what it does, at what risk, and how ready it is.

Shapes:  lines for people; one document, whose keys are part of what is published.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fleet.core.appeals import Appeal, Need
from fleet.core.forecast import Forecast
from fleet.core.readiness import Offer, Readiness
from fleet.core.state import RunState
from fleet.model import codec
from fleet.model.events import Actor, ApprovalGiven
from fleet.model.gates import Moment
from fleet.model.plan import Action, Target, Wave
from fleet.ui import forecastview, moments, people
from fleet.ui.spans import span_text

_SHOWN = 6
_DIGEST_SHOWN = len("sha256:") + 12


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """All that an approver is shown."""

    state: RunState
    appeal: Appeal
    actor: Actor
    note: str
    """Why Azure does not say who they are; empty: it does."""
    readiness: Readiness | None
    unknown: str
    """Why nothing is known of how ready the wave is."""
    forecasts: Mapping[int, Forecast]

    @property
    def wave(self) -> Wave:
        """The wave that it is about."""
        return self.state.waves[self.appeal.wave].planned


def lines(case: Case) -> Iterator[str]:
    """Yield what to read before the question."""
    header, appeal = case.state.header, case.appeal
    plan = case.state.plan
    change = f", change {plan.change}" if plan.change else ""
    run_id, digest = (header.run_id, header.plan_digest) if header else ("", "")
    yield f"{run_id} ({plan.name}{change}), plan {digest[:_DIGEST_SHOWN]}"
    yield f"approve {appeal.when} wave {appeal.name}: {_counts(appeal.targets)}"
    yield from (f"    {text}" for text in _versions(appeal.targets))
    yield _risk(case.wave)
    yield f"rollback: {_ways_back(appeal.targets)}"
    if appeal.when is Moment.AFTER:
        yield f"so far: {_so_far(case)}"
    for need in appeal.needs:
        yield from _need(need)
    yield f"you are {people.named(case.actor)}{f': {case.note}' if case.note else ''}"
    yield from (f"expected: {forecastview.line(one)}" for one in case.forecasts.values())
    yield from _ready(case)


def document(case: Case, given: ApprovalGiven | None) -> dict[str, Any]:
    """Return it all as JSON values."""
    state, appeal = case.state, case.appeal
    header = state.header
    return {
        "apiVersion": "fleet/v1",
        "kind": "Approval",
        "runId": header.run_id if header else None,
        "name": state.plan.name,
        "change": state.plan.change,
        "planDigest": header.plan_digest if header else None,
        "wave": appeal.name,
        "when": appeal.when.value,
        "needs": [_need_document(one) for one in appeal.needs],
        "approver": {**people.document(case.actor), "note": case.note},
        "refusal": appeal.refusal or None,
        "isGiven": given is not None,
        "targets": _targets(appeal.targets),
        "maxFailures": case.wave.max_failures,
        "worstCaseFailures": case.wave.worst_case_failures,
        "atOnce": case.wave.effective_concurrency,
        "forecast": [
            {"wave": one.wave, **forecastview.document(one)} for one in case.forecasts.values()
        ],
        "readiness": _readiness(case),
    }


# --- what the wave does ------------------------------------------------------------------


def _counts(targets: Sequence[Target]) -> str:
    counts = Counter(target.action for target in targets)
    told = ", ".join(f"{counts[action]} {action}" for action in Action if counts[action])
    return f"{len(targets)} clusters: {told}" if told else "no clusters"


def _versions(targets: Sequence[Target]) -> Iterator[str]:
    for (action, before, after), count in _moves(targets).most_common():
        yield f"{count} {action} {before or '(none)'} -> {after or '(none)'}"


def _moves(targets: Sequence[Target]) -> Counter[tuple[Action, str | None, str | None]]:
    return Counter((one.action, one.from_version, one.to_version) for one in targets)


def _risk(wave: Wave) -> str:
    return (
        f"worst case: {wave.worst_case_failures} of {wave.target_count} fail; "
        f"{wave.max_failures} failures allowed, {wave.effective_concurrency} at once"
    )


def _ways_back(targets: Sequence[Target]) -> str:
    whole, part, none = _sorted_ways(targets)
    told = f"{len(whole) + len(part)} of {len(targets)} can be taken back"
    told += f", {len(part)} of them in part" if part else ""
    return f"{told}; irreversible: {_names(none)}" if none else told


def _sorted_ways(targets: Sequence[Target]) -> tuple[list[str], list[str], list[str]]:
    whole: list[str] = []
    part: list[str] = []
    none: list[str] = []
    for one in targets:
        way = one.rollback
        is_stuck = way is None or way.is_one_way
        found = none if is_stuck else part if way and way.is_partial else whole
        found.append(one.cluster_name)
    return whole, part, none


def _so_far(case: Case) -> str:
    wave = case.state.waves[case.appeal.wave]
    return f"{wave.status}: {wave.done_count} of {wave.target_count} done, {wave.failures} failed"


def _targets(targets: Sequence[Target]) -> dict[str, Any]:
    whole, part, none = _sorted_ways(targets)
    counts = Counter(target.action for target in targets)
    return {
        "count": len(targets),
        "actions": {str(action): counts[action] for action in Action if counts[action]},
        "versions": [
            {"action": str(action), "from": before, "to": after, "count": count}
            for (action, before, after), count in _moves(targets).most_common()
        ],
        "rollback": {"whole": len(whole), "inPart": len(part), "irreversible": none},
    }


# --- who agrees --------------------------------------------------------------------------


def _need(need: Need) -> Iterator[str]:
    rule = need.rule
    who = f" of {', '.join(rule.by)}" if rule.by else ""
    author = ", not whoever began the run" if rule.not_author else ""
    yield (
        f"approvals: {len(need.given)} of {rule.quorum}{who}{author}; "
        f"each holds for {span_text(rule.life)}"
    )
    for one in need.given:
        comment = f": {one.reason}" if one.reason else ""
        until = moments.text(one.at + rule.life)
        yield f"    {people.named(one.actor)} at {moments.text(one.at)}, until {until}{comment}"
    if need.barred:
        yield f"    {need.barred}"


def _need_document(need: Need) -> dict[str, Any]:
    return {
        **codec.to_json(need.rule),
        "given": [
            {
                **people.document(one.actor),
                "at": codec.utc_text(one.at),
                "expiresAt": codec.utc_text(one.at + need.rule.life),
                "comment": one.reason,
            }
            for one in need.given
        ],
        "lacking": need.lack,
        "barred": need.barred or None,
    }


# --- how ready it is ---------------------------------------------------------------------


def _ready(case: Case) -> Iterator[str]:
    found = case.readiness
    if found is None:
        yield f"clusters connected now: not known: {case.unknown}"
        yield f"versions offered now: not known: {case.unknown}"
        return
    yield f"clusters connected now: {found.connected_count} of {found.target_count}"
    if found.unconnected:
        yield f"    not connected: {_names(found.unconnected)}"
    if found.missing:
        yield f"    not there, or not to be seen: {_names(found.missing)}"
    yield from _offers(found)


def _offers(found: Readiness) -> Iterator[str]:
    """Yield a line for each version, locations that answer alike together."""
    alike: dict[tuple[str, str, bool | None], list[Offer]] = {}
    for one in found.offers:
        alike.setdefault((one.version, one.train, one.is_offered), []).append(one)
    for (version, train, is_offered), some in alike.items():
        count = sum(one.target_count for one in some)
        places = ", ".join(one.location for one in some)
        said = {True: "yes", False: "NO", None: f"not known{_why(train, found.warnings)}"}
        what = f"{version} of train {train} in {places}, for {count}"
        yield f"offered now: {what}: {said[is_offered]}"


def _why(train: str, warnings: Sequence[str]) -> str:
    told = next((text for text in warnings if f"release train {train}" in text), "")
    return f": {told or 'the service does not tell'}"


def _readiness(case: Case) -> dict[str, Any]:
    found = case.readiness
    if found is None:
        return {"isKnown": False, "reason": case.unknown}
    return {"isKnown": True, "reason": None, **codec.to_json(found)}


def _names(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
