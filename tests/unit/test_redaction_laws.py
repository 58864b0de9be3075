"""What holds whatever the secrets are: none survives, and the record can still be read."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json

import orjson
import pytest
from hypothesis import assume, example, given, strategies as st

from fleet.core import chain
from fleet.journal import records
from fleet.model import codec, events, records as stored
from fleet.model.events import (
    Event,
    OperationEnded,
    RequestRefused,
    RunCreated,
    StepAccepted,
    StepChecked,
    StepFailed,
    StepHeld,
    StepIntended,
    StepProved,
    TargetsListed,
)
from fleet.model.plan import Verb
from fleet.model.redaction import NOT_SECRET, Redactor
from fleet.model.statuses import Finding, HoldReason

AT = dt.datetime(2026, 1, 10, 2, 3, 4, 567890, tzinfo=dt.UTC)
ANN = events.Actor(name="ann", host="hosta", pid=1)

anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
# No asterisk: beside a mark it could spell another secret, which then is none of ours.
secrets = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="*"), min_size=4, max_size=30
).filter(lambda text: len(text.strip()) >= 4 and text.strip().lower() not in NOT_SECRET)


@st.composite
def texts_with(draw: st.DrawFn, secret: str) -> str:
    spelled = draw(st.sampled_from([secret, json.dumps(secret), secret + secret]))
    return draw(anything) + spelled + draw(anything)


@given(secret=secrets, others=st.lists(secrets, max_size=3), data=st.data())
@example(secret='a\\b"c\n', others=[], data=None).via("signs that JSON escapes")  # noqa: S106
def test_no_secret_survives_in_a_text(
    secret: str, others: list[str], data: st.DataObject | None
) -> None:
    text = data.draw(texts_with(secret)) if data else f"x{secret}{json.dumps(secret)}"

    clean = Redactor([secret, *others]).text(text)

    assert secret not in clean
    assert json.dumps(secret)[1:-1] not in clean


@given(secret=secrets, data=st.data())
def test_no_secret_survives_in_an_event_and_the_event_can_be_read(
    secret: str, data: st.DataObject
) -> None:
    text = data.draw(texts_with(secret))
    said: list[Event] = [
        StepFailed(at=AT, target=1, step=0, code=text, message=text),
        StepProved(at=AT, target=1, step=0, evidence={text: "1", "b": text}),
        OperationEnded(at=AT, target=1, step=0, status=text, error=text, poll_count=1),
        RequestRefused(at=AT, actor=ANN, asked=text, reason=text, request_id="1"),
    ]
    event = data.draw(st.sampled_from(said))
    # Short ones also stand, by chance, in what is never redacted: moments, kinds, numbers.
    clean_part = records.encode(event, seq=1, epoch=1, redactor=Redactor())
    envelope = orjson.loads(clean_part)
    kept = records.SHAPES[event.kind].kept
    assume(not any(secret in str(envelope[key]) for key in kept))
    assume(all(secret not in name for name in envelope))

    body = records.encode(event, seq=1, epoch=1, redactor=Redactor([secret]))

    for value in strings(orjson.loads(body)):
        assert secret not in value
    assert type(records.decode(body, seq=1)) is type(event)
    assert chain.canonical(orjson.loads(body)) == body


def strings(value: object) -> list[str]:
    match value:
        case str():
            return [value]
        case dict():
            return [*value, *(one for inner in value.values() for one in strings(inner))]
        case list():
            return [one for inner in value for one in strings(inner)]
        case _:
            return []


@pytest.mark.parametrize(
    "secret", ["2026", "01-10T02", "step.held", "throttled", "abab", "1111-2222", "patch"]
)
def test_what_fleet_makes_itself_is_never_changed(secret: str) -> None:
    """A moment, a digest or a word that lost its middle could not be read by a takeover."""
    mark = "ab" * 32
    made: list[Event] = [
        StepHeld(
            at=AT, target=1, step=0, reason=HoldReason.THROTTLED, until=AT, code="", message=""
        ),
        StepChecked(at=AT, target=1, step=0, finding=Finding.BUSY, mark=mark),
        StepAccepted(at=AT, target=1, step=0, attempt=1, operation_sha256=mark, mark=mark),
        StepIntended(
            at=AT,
            target=1,
            step=0,
            attempt=1,
            verb=Verb.PATCH,
            correlation_id="1111-2222",
            client_request_id="1111-2222",
        ),
    ]
    redactor = Redactor([secret])

    for event in made:
        body = records.encode(event, seq=2026, epoch=1, redactor=redactor)
        assert records.decode(body, seq=2026) == event


def test_every_field_of_every_event_is_either_made_by_fleet_or_redacted() -> None:
    """A new field turns up here: decide whether people or services fill it."""
    free = {
        cls.kind: sorted(
            field.name
            for field in dataclasses.fields(cls)
            if codec.json_name(field.name) not in records.SHAPES[cls.kind].kept
        )
        for cls in stored.KINDS.values()
    }

    assert {kind: names for kind, names in free.items() if names} == {
        "run.created": ["actor", "plan_text", "release", "tzdata_version"],
        "run.started": ["actor", "consent"],
        "run.taken": ["actor", "release"],
        "run.pausing": ["actor", "reason"],
        "run.resumed": ["actor", "reason"],
        "run.stopping": ["actor", "reason"],
        "run.requestRefused": ["actor", "asked", "reason"],
        "run.finished": ["counts", "reason"],
        "run.rollingBack": ["reason"],
        "run.surveyed": ["problem"],
        "wave.breached": ["label", "level"],
        "wave.skipped": ["actor", "reason"],
        "wave.soakSkipped": ["actor", "reason"],
        "target.replanned": ["detail"],
        "target.retried": ["detail"],
        "target.skipped": ["actor", "reason"],
        "step.checked": ["detail", "evidence", "snapshot"],
        "step.lost": ["code", "message"],
        "step.held": ["code", "message"],
        "operation.ended": ["error", "status"],
        "step.proved": ["evidence"],
        "step.failed": ["code", "message"],
        "step.unknown": ["message"],
        "target.observed": ["checks"],
        "target.putOff": ["detail"],
        "target.finished": ["detail"],
        "target.returned": ["detail"],
        "run.waiting": ["detail"],
        "window.overridden": ["actor", "reason"],
        "approval.given": ["actor", "reason"],
        "gate.measured": ["detail", "values"],
        "gate.ended": ["detail"],
        "gate.skipped": ["actor", "reason"],
        "wave.observed": ["detail"],
    }


def test_what_a_takeover_acts_on_is_stored_to_the_letter_or_not_at_all() -> None:
    assert records.SHAPES[TargetsListed.kind].acted_on == {"targets"}
    assert records.SHAPES[RunCreated.kind].acted_on == {
        "plan",
        "endpoint",
        "cloud",
        "tenant",
        "principals",
        "apiVersion",
    }


@given(
    value=st.dictionaries(anything, st.one_of(anything, st.lists(anything), st.integers(0, 9))),
    secret=secrets,
)
def test_what_comes_back_is_canonical(value: dict[str, object], secret: str) -> None:
    """So that a redacted record is encoded as every other one is."""
    body = chain.canonical({**value, "message": f"{secret}\x7f\u2028\x1f/"})
    clean = Redactor([secret]).encoded(body)

    assert chain.canonical(orjson.loads(clean)) == clean
