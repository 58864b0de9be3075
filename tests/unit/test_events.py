from __future__ import annotations

from typing import Any

import orjson
import pytest

from fleet.core import chain
from fleet.errors import JournalError
from fleet.model import events as e, records
from fleet.model.statuses import Result, RunStatus
from tests.rig.fleets import T0, opening, plan, wave
from tests.rig.samples import event

HEADER, LISTED, *_ = opening(plan([wave(2)], steps=2))
EVERY: list[Any] = [
    HEADER,
    LISTED,
    *(event(cls) for cls in records.KINDS.values() if cls not in (e.RunCreated, e.TargetsListed)),
]


@pytest.mark.parametrize("one", EVERY, ids=lambda one: one.kind)
def test_what_is_stored_is_read_back(one: e.Event) -> None:
    record = records.to_record(one, seq=7, epoch=2)
    body = chain.canonical(record)

    assert records.from_record(orjson.loads(body)) == one
    assert {key: record[key] for key in ("kind", "v", "seq", "epoch", "at")} == {
        "kind": one.kind,
        "v": one.v,
        "seq": 7,
        "epoch": 2,
        "at": "2026-01-10T02:00:00.000000Z",
    }


def test_kinds_are_unique_and_all_are_here() -> None:
    assert len(EVERY) == len(records.KINDS) == 52


STARTED = records.to_record(event(e.TargetStarted), seq=7, epoch=1)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        pytest.param({"v": 2}, r"record 7 .* by a newer release", id="a newer version"),
        pytest.param({"kind": "wave.danced"}, r"record 7 .* by a newer release", id="a new kind"),
        pytest.param({"kind": None}, "newer release", id="no kind"),
        pytest.param({"kind": ["a"]}, "newer release", id="a kind that is a list"),
        pytest.param({"v": 0}, "no version that can be read", id="version zero"),
        pytest.param({"v": "1"}, "no version that can be read", id="version as text"),
        pytest.param({"v": True}, "no version that can be read", id="version as truth"),
        pytest.param({"v": None}, "no version that can be read", id="version null"),
        pytest.param({"target": "0"}, r"record 7 \(target.started\) cannot be read", id="a type"),
        pytest.param({"extra": 1}, "unknown key 'extra'", id="an unknown key"),
        pytest.param({"at": "yesterday"}, "expected a moment", id="no moment"),
        pytest.param({"at": "2026-01-10T02:00:00"}, "offset from UTC", id="a moment without zone"),
        pytest.param({"at": "0001-01-01T00:00:00+23:59"}, "expected a moment", id="before time"),
    ],
)
def test_what_cannot_be_read_is_a_journal_error(changes: dict[str, Any], match: str) -> None:
    with pytest.raises(JournalError, match=match):
        records.from_record({**STARTED, **changes})


@pytest.mark.parametrize("key", ["seq", "epoch", "kind", "v"])
def test_a_record_without_its_frame_is_a_journal_error(key: str) -> None:
    with pytest.raises(JournalError, match=f"lacks '{key}'"):
        records.from_record({name: value for name, value in STARTED.items() if name != key})


@pytest.mark.parametrize("record", [[], "x", 5, None])
def test_a_record_that_is_no_object_is_a_journal_error(record: Any) -> None:
    with pytest.raises(JournalError, match="is not an object"):
        records.from_record(record)


def test_reading_does_not_change_the_record() -> None:
    before = dict(STARTED)

    records.from_record(STARTED)

    assert before == STARTED


def test_an_old_version_is_lifted_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(e.TargetStarted, "v", 3)
    upcasts: Any = {
        ("target.started", 1): lambda fields: {**fields, "index": fields["target"]},
        ("target.started", 2): lambda fields: {"at": fields["at"], "target": fields["index"] + 1},
    }

    assert records.from_record(STARTED, upcasts=upcasts) == event(e.TargetStarted, target=1)
    with pytest.raises(JournalError, match="record 7"):
        records.from_record(STARTED, upcasts={})


@pytest.mark.parametrize(
    ("v", "missing"), [(1, ("discoveredAt", "apiVersion")), (2, ("apiVersion",))]
)
def test_a_header_of_an_earlier_release_is_completed_with_what_was_so_then(
    v: int, missing: tuple[str, ...]
) -> None:
    stored = {**records.to_record(HEADER, seq=1, epoch=1), "v": v}
    old = {name: value for name, value in stored.items() if name not in missing}

    found = records.from_record(old)

    assert isinstance(found, e.RunCreated)
    assert found.api_version == "2023-05-01"
    assert found.discovered_at == (None if "discoveredAt" in missing else T0)


def test_which_results_count_against_a_budget() -> None:
    assert [one for one in Result if one.is_failure] == [Result.FAILED, Result.TIMED_OUT]


def test_which_statuses_nothing_can_follow() -> None:
    assert {one for one in RunStatus if one.is_terminal} == {
        RunStatus.STOPPED,
        RunStatus.SUCCEEDED,
        RunStatus.SUCCEEDED_WITH_FAILURES,
        RunStatus.FAILED,
        RunStatus.ROLLED_BACK,
    }


def test_the_moment_is_stored_to_the_microsecond() -> None:
    moment = T0.replace(microsecond=1)

    assert records.to_record(event(e.RunPaused, at=moment), seq=1, epoch=1)["at"].endswith(
        ":00.000001Z"
    )
