"""What somebody agrees to who approves of a wave: which targets, by whose rules, and who has.

Whether an approval counts is said in :mod:`fleet.core.consents`, and what becomes of one in
:mod:`fleet.core.assents`.

Errors:  :exc:`~fleet.errors.InputError` for a wave that there is not,
         :exc:`~fleet.errors.RefusedError` where nobody need agree.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator, Sequence

from fleet.core import consents
from fleet.core.state import RunState
from fleet.errors import InputError, RefusedError
from fleet.model.approvals import ApprovalRule
from fleet.model.events import Actor, ApprovalGiven
from fleet.model.gates import Moment
from fleet.model.plan import Target
from fleet.model.statuses import WaveStatus


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One rule, and how far it is met."""

    rule: ApprovalRule
    given: tuple[ApprovalGiven, ...]
    """Those that count now, one of each person."""
    barred: str
    """Why whoever asks does not count for it; empty: they do."""

    @property
    def lack(self) -> int:
        """How many people have yet to agree."""
        return max(self.rule.quorum - len(self.given), 0)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Appeal:
    """A wave that somebody is asked to agree to."""

    wave: int
    name: str
    when: Moment
    needs: tuple[Need, ...]
    targets: tuple[Target, ...]
    """Before it: those that wait in it; after it: all that were in it."""
    refusal: str
    """Why whoever asks need not try; empty: their word counts."""
    content: int = 0
    """How often what the wave does changed since the plan was made."""

    @property
    def subject(self) -> str:
        """What a request for it is about."""
        return f"{self.name}:{self.when}#{self.content}"


def appeal(
    state: RunState,
    actor: Actor,
    now: dt.datetime,
    *,
    wave: str | None = None,
    when: Moment | None = None,
) -> Appeal:
    """Return what *actor* is asked to agree to.

    Args:
        state: The run.
        actor: Who asks.
        now: When.
        wave: Its name; ``None``: the one that the run waits for, else the next that needs it.
        when: Before or after it; ``None``: whichever is needed first.
    """
    number, moment = _place(state, now, wave, when)
    planned = state.waves[number].planned
    needs = tuple(
        Need(
            rule=rule,
            given=consents.given(state, number, rule, now=now),
            barred=consents.barred(state, rule, actor),
        )
        for rule in planned.approvals
        if rule.when is moment
    )
    return Appeal(
        wave=number,
        name=planned.name,
        when=moment,
        needs=needs,
        refusal=_refusal(needs, actor),
        content=consents.content(state, number),
        targets=tuple(state.targets[target] for target in _members(state, number, moment)),
    )


def _refusal(needs: Sequence[Need], actor: Actor) -> str:
    barred = [one.barred for one in needs if one.barred]
    if len(barred) == len(needs):
        return barred[0]
    if any(other.actor.is_same_person(actor) for one in needs for other in one.given):
        return f"{actor.called} has approved it already"
    return ""


def _place(
    state: RunState, now: dt.datetime, name: str | None, when: Moment | None
) -> tuple[int, Moment]:
    found = [*_asked(state, name, when)]
    for number, moment in found:
        if any(consents.missing(state, number, moment, now=now)):
            return number, moment
    if found:
        named = state.waves[found[0][0]].planned.name
        message = f"wave {named} has all approvals that it needs"
        raise RefusedError(message)
    what = f"wave {name} needs no approval" if name else "no wave needs an approval any more"
    raise RefusedError(f"{what}{f' {when} it' if name and when else ''}")


def _asked(state: RunState, name: str | None, when: Moment | None) -> Iterator[tuple[int, Moment]]:
    """Yield the waves and moments that may be meant and have rules, in the order they come."""
    if name is not None and not any(one.planned.name == name for one in state.waves):
        names = ", ".join(one.planned.name for one in state.waves)
        raise InputError(f"no wave is called {name}", hint=f"There are {names}.")
    for number in range(state.current, len(state.waves)):
        wave = state.waves[number]
        moments = [Moment.BEFORE, Moment.AFTER]
        if wave.status is not WaveStatus.NOT_STARTED:
            moments.remove(Moment.BEFORE)
        for moment in moments:
            is_meant = name in (None, wave.planned.name) and when in (None, moment)
            if is_meant and _has_rule(wave.planned.approvals, moment) and not wave.is_back:
                yield number, moment


def _has_rule(rules: Sequence[ApprovalRule], moment: Moment) -> bool:
    return any(one.when is moment for one in rules)


def _members(state: RunState, number: int, moment: Moment) -> Iterator[int]:
    wave = state.waves[number]
    if moment is Moment.BEFORE:
        yield from wave.line.waiting()
        return
    for target, planned in enumerate(state.targets):
        if planned.wave == wave.planned.name and planned.action.is_change:
            yield target
