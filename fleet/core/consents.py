"""Who agreed to a wave, and whether that is enough: early counts, long ago does not."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from fleet.core.state import RunState
from fleet.model.approvals import ApprovalRule
from fleet.model.events import Actor, ApprovalGiven
from fleet.model.gates import Moment


def given(
    state: RunState, wave: int, rule: ApprovalRule, *, now: dt.datetime
) -> tuple[ApprovalGiven, ...]:
    """Return the approvals that count for *rule* at *now*: one of each person."""
    found: list[ApprovalGiven] = []
    for one in state.approvals.get((wave, rule.when), ()):
        is_fresh = one.at <= now < one.at + rule.life
        is_known = any(one.actor.is_same_person(other.actor) for other in found)
        if is_fresh and not is_known and not barred(state, rule, one.actor):
            found.append(one)
    return tuple(found)


def barred(state: RunState, rule: ApprovalRule, actor: Actor) -> str:
    """Return why *actor* does not count for *rule*; empty: they do."""
    if rule.by and actor.called.lower() not in {name.lower() for name in rule.by}:
        return f"{actor.called} is not among those who may: {', '.join(rule.by)}"
    author = state.header.actor if state.header else None
    if rule.not_author and author is not None and actor.is_same_person(author):
        return f"{actor.called} began the run: somebody else has to agree"
    return ""


def content(state: RunState, wave: int) -> int:
    """Return which content of a wave somebody agrees to: how often it changed so far."""
    return state.amendments.get(wave, 0)


def missing(
    state: RunState, wave: int, when: Moment, *, now: dt.datetime
) -> Iterator[tuple[ApprovalRule, int]]:
    """Yield each rule that is not satisfied, with how many people it lacks."""
    if state.waves[wave].is_back:
        return
    for rule in state.waves[wave].planned.approvals:
        if rule.when is when and (lack := rule.quorum - len(given(state, wave, rule, now=now))) > 0:
            yield rule, lack


def expiries(state: RunState, wave: int) -> Iterator[dt.datetime]:
    """Yield when approvals that were given for *wave* stop to count."""
    for rule in state.waves[wave].planned.approvals:
        for one in state.approvals.get((wave, rule.when), ()):
            yield one.at + rule.life
