"""What must hold of a run that was told, and what of two that are one run, differently told."""

from __future__ import annotations

import collections
import contextlib
from collections.abc import Iterator, Mapping

from fleet.core import chain
from fleet.core.state import RunState
from fleet.model import events as e
from tests.rig import fleets
from tests.rig.cases import Case
from tests.rig.deaths import Story
from tests.rig.judgements import JudgedBooks

_NO_HISTORY = ("agenda", "timers", "stalls", "room", "is_surveying", "measuring", "is_looking")


@contextlib.contextmanager
def naming(scenario: str, seed: int) -> Iterator[None]:
    """Let whatever goes wrong say how to see exactly that again."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"again:  make simulate SCENARIO={scenario} SEED={seed}")
        raise


def require_lawful(case: Case, story: Story) -> None:
    """Require of one run what must hold of any: its journal, its books, its answers."""
    found = chain.verify(one.triple for one in story.records)
    assert (found.problem, found.count) == (None, len(story.events))
    assert isinstance(story.events[-1], e.RunFinished)
    books = JudgedBooks(plan=story.played.plan)
    for event in story.events:
        books.note(event)
    assert set(story.played.asked) <= set(story.answers), "somebody was not answered"
    assert len(story.answers) == sum(
        hasattr(one, "request_id") and one.request_id is not None for one in story.events
    ), "somebody was answered twice"
    for secret in case.vault.values():
        assert not any(secret.encode() in one.body for one in story.records)
    if story.played.living is not None:
        assert _history(story.played.living) == _history(story.state)
    _require_single(story)


def _require_single(story: Story) -> None:
    """Require that no write took effect twice, but where the run itself tried again."""
    tried = collections.Counter(
        story.state.targets[one.target].cluster_id.lower()
        for one in story.events
        if isinstance(one, e.TargetRetried)
    )
    for effect, count in collections.Counter(story.effects).items():
        assert count <= 1 + tried[effect[0].lower()], f"{effect} took effect {count} times"


def require_alike(whole: Story, story: Story) -> None:
    """Require that *story* ended where *whole* did, and did the same on its way."""
    assert story.state.status == whole.state.status
    assert story.results == whole.results
    assert story.held == whole.held
    assert collections.Counter(story.effects) == collections.Counter(whole.effects)


def _history(state: RunState) -> Mapping[str, object]:
    return {k: v for k, v in fleets.snapshot(state).items() if k not in _NO_HISTORY}
