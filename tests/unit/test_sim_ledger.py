from __future__ import annotations

import dataclasses
import datetime as dt
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.errors import InputError, TransientError
from fleet.model.cluster import AutoUpgrade, ClusterId
from fleet.model.plan import Verb
from fleet.ports import ExtensionRef, RequestIds, Write
from fleet.sim import calls, stock
from fleet.sim.calls import Call, Edit
from fleet.sim.ledger import Anchor, Ledger

ANCHOR = Anchor(
    version=1, epoch=stock.EPOCH, wall=dt.datetime(2026, 5, 1, 12, 30, 0, 5, tzinfo=dt.UTC)
)
CANARY = "hunter2-canary"


def call(order: int = 1) -> Call:
    write = Write(
        verb=Verb.PUT,
        extension_type="Microsoft.openservicemesh",
        namespace="arc-osm-system",
        location="westeurope",
        version="1.2.6",
        auto_upgrade=AutoUpgrade.NONE,
        release_train="stable",
        settings={"a": "ü\n"},
        protected={"token": CANARY},
    )
    return calls.call(
        ExtensionRef(cluster_id=ClusterId("/x/store-0001-a"), name="osm"),
        write,
        RequestIds(correlation_id="session", client_request_id=f"request-{order}"),
        at=stock.EPOCH + dt.timedelta(microseconds=order),
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "world.jsonl"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    one = Ledger(path, anchor=ANCHOR)
    yield one
    one.close()


def append(ledger: Ledger, *orders: int) -> None:
    for order in orders:
        with ledger.alone():
            ledger.news()
            ledger.append(call(order))


def read(path: Path) -> list[Call | Edit]:
    one = Ledger(path, anchor=ANCHOR)
    try:
        return one.news()
    finally:
        one.close()


def test_what_was_heard_is_read_back(ledger: Ledger, path: Path) -> None:
    append(ledger, 1, 2)

    assert read(path) == [call(1), call(2)]


def test_whoever_appends_has_no_news_of_it(ledger: Ledger) -> None:
    append(ledger, 1)

    assert ledger.news() == []


def test_the_first_to_come_sets_the_clock_for_all(ledger: Ledger, path: Path) -> None:
    later = dataclasses.replace(ANCHOR, wall=ANCHOR.wall + dt.timedelta(hours=1))
    other = Ledger(path, anchor=later)
    other.close()

    assert (ledger.anchor, other.anchor) == (ANCHOR, ANCHOR)


def test_two_that_share_a_file_hear_each_other(ledger: Ledger, path: Path) -> None:
    other = Ledger(path, anchor=ANCHOR)
    append(ledger, 1)
    append(other, 2)
    heard = ledger.news()
    other.close()

    assert heard == [call(2)]
    assert read(path) == [call(1), call(2)]


def test_protected_values_never_reach_the_file(ledger: Ledger, path: Path) -> None:
    append(ledger, 1)

    content = path.read_text()
    assert CANARY not in content
    assert calls.protected_mark("token", CANARY) in content


def test_only_its_owner_may_read_it(ledger: Ledger, path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("cut_bytes", [1, 20, 300])
def test_a_torn_last_line_was_never_written(ledger: Ledger, path: Path, cut_bytes: int) -> None:
    append(ledger, 1, 2)
    os.truncate(path, path.stat().st_size - cut_bytes)
    after = Ledger(path, anchor=ANCHOR)
    append(after, 3)
    after.close()

    assert read(path) == [call(1), call(3)]


def test_a_torn_first_line_begins_the_world_again(path: Path) -> None:
    path.write_text('{"epoch":"2026-0')
    one = Ledger(path, anchor=ANCHOR)
    one.close()

    assert one.anchor == ANCHOR
    assert path.read_text().count("\n") == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param("not json\n", "line 1: ", id="no JSON"),
        pytest.param("[]\n", "line 1: ", id="another shape"),
        pytest.param(
            '{"epoch":"2026-01-10T02:00:00.000000Z","version":2,'
            '"wall":"2026-01-10T02:00:00.000000Z"}\n',
            "it is of version 2",
            id="a newer release",
        ),
    ],
)
def test_a_file_that_is_not_ours_is_refused(path: Path, content: str, reason: str) -> None:
    path.write_text(content)

    with pytest.raises(InputError, match=reason) as caught:
        Ledger(path, anchor=ANCHOR)

    assert caught.value.hint == "Remove the file to let the world begin anew."


def test_a_broken_line_is_named(ledger: Ledger, path: Path) -> None:
    append(ledger, 1)
    with path.open("a") as file:
        file.write("{}\n")

    with pytest.raises(InputError, match=r"line 3: \$\.at is missing"):
        read(path)


def test_a_file_that_shrinks_in_use_is_refused(ledger: Ledger, path: Path) -> None:
    append(ledger, 1)
    os.truncate(path, 10)

    with pytest.raises(InputError, match="cut while in use"):
        ledger.news()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing/world\.jsonl, cannot be used: No such file"):
        Ledger(tmp_path / "missing" / "world.jsonl", anchor=ANCHOR)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_write_that_cannot_be_remembered_has_not_happened(ledger: Ledger) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    kept = os.dup(ledger._file)
    os.dup2(full, ledger._file)
    try:
        with pytest.raises(TransientError, match="No space left on device"):
            ledger.append(call(1))
    finally:
        os.dup2(kept, ledger._file)
        os.close(full)
        os.close(kept)

    assert ledger.news() == []
