"""What every journal store does: one suite, each backend."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from fleet.core import chain
from fleet.errors import FencedError, HeldError, InputError, JournalError, RefusedError
from fleet.journal.memory import MemoryStore
from fleet.journal.sqlite import SqliteStore, read_copy
from fleet.journal.writer import SqliteJournal
from fleet.model.cluster import ClusterId
from fleet.model.events import (
    Actor,
    Event,
    RequestRefused,
    RunPausing,
    StepFailed,
    TargetsListed,
    TargetStarted,
)
from fleet.model.plan import Action, Digest, Facts, Step, Target, Verb
from fleet.ports import Batch, Journal, JournalReader, JournalStore, OperationKey, Request

AT = dt.datetime(2026, 1, 10, 2, tzinfo=dt.UTC)
ANN = Actor(name="ann", host="hosta", pid=1)
BOB = Actor(name="bob", host="hostb", pid=2)
SECRET = "correct-horse-battery"  # noqa: S105
KEY = OperationKey(target=3, step=0)
URL = "https://management.example/operations/1?t=1&c=MII&s=sig&h=hash"


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqliteStore | MemoryStore]:
    if request.param == "file":
        yield SqliteStore(tmp_path / "fleet", now=lambda: AT)
    else:
        yield MemoryStore(now=lambda: AT)


def started(target: int) -> TargetStarted:
    return TargetStarted(at=AT, target=target)


def failed(message: str) -> StepFailed:
    return StepFailed(at=AT, target=0, step=0, code="x", message=message)


def batch(*events: Event) -> Batch:
    return Batch(events=events)


def ask(request_id: str, *, reason: str = "too loud") -> Request:
    return Request(id=request_id, kind="pause", actor=BOB, reason=reason, at=AT)


def stored(reader: JournalReader) -> Sequence[Event]:
    return [event for _, event in reader.events()]


def verdict(reader: JournalReader) -> chain.Verdict:
    return chain.verify(record.triple for record in reader.records())


def test_stores_and_journals_are_what_the_ports_ask_for(store: SqliteStore | MemoryStore) -> None:
    """Checked by mypy, too."""
    as_port: JournalStore = store

    async def hold() -> Journal:
        async with store.hold("r", actor=ANN, create=True) as journal:
            return journal

    assert asyncio.run(hold()).epoch == 1
    assert as_port.runs() == ("r",)


async def test_gives_back_the_events_in_the_order_they_were_appended(
    store: SqliteStore | MemoryStore,
) -> None:
    async with store.hold("r", actor=ANN, create=True) as journal:
        await journal.append(batch(started(1), started(2)))
        await journal.append(batch(failed("no")))
        mine = list(journal.events())

    assert mine == [(1, started(1)), (2, started(2)), (3, failed("no"))]
    assert stored(store.read("r")) == [started(1), started(2), failed("no")]


async def test_reads_from_a_position_on(store: SqliteStore | MemoryStore) -> None:
    async with store.hold("r", actor=ANN, create=True) as journal:
        await journal.append(batch(*map(started, range(5))))

        assert [event for _, event in journal.events(after=3)] == [started(3), started(4)]


async def test_the_last_record_is_read_without_those_before_it(
    store: SqliteStore | MemoryStore,
) -> None:
    async with store.hold("r", actor=ANN, create=True) as journal:
        assert store.read("r").last() is None
        await journal.append(batch(*map(started, range(5))))

    assert store.read("r").last() == list(store.read("r").records())[-1]


async def test_streams_more_than_a_page(store: SqliteStore | MemoryStore) -> None:
    async with store.hold("r", actor=ANN, create=True) as journal:
        await journal.append(batch(*map(started, range(1234))))

        assert [seq for seq, _ in journal.events()] == list(range(1, 1235))


async def test_reads_what_is_appended_while_reading(store: SqliteStore | MemoryStore) -> None:
    async with store.hold("r", actor=ANN, create=True) as journal:
        await journal.append(batch(*map(started, range(500))))
        reading = store.read("r").events()
        first = next(reading)
        await journal.append(batch(started(500)))

        assert first == (1, started(0))
        assert [seq for seq, _ in reading][-1] == 501


async def test_the_chain_fits_and_its_head_is_the_last_link(
    store: SqliteStore | MemoryStore,
) -> None:
    for epoch in (1, 2):
        async with store.hold("r", actor=ANN, create=epoch == 1) as journal:
            await journal.append(batch(started(epoch), started(epoch)))

    links = [record.link for record in store.read("r").records()]
    assert verdict(store.read("r")) == chain.Verdict(count=4, head=links[-1])


async def test_each_record_names_its_place_and_epoch(store: SqliteStore | MemoryStore) -> None:
    async with store.hold("r", actor=ANN, create=True) as journal:
        await journal.append(batch(started(7)))

    (record,) = store.read("r").records()
    assert record.body == (
        b'{"at":"2026-01-10T02:00:00.000000Z","epoch":1,"kind":"target.started",'
        b'"seq":1,"target":7,"v":1}'
    )


async def test_each_holding_has_the_next_epoch(store: SqliteStore | MemoryStore) -> None:
    epochs: list[int] = []
    for actor in (ANN, BOB, ANN):
        async with store.hold("r", actor=actor, create=not epochs) as journal:
            epochs.append(journal.epoch)

    assert epochs == [1, 2, 3]


async def test_a_second_holder_is_told_who_the_first_one_is(
    store: SqliteStore | MemoryStore,
) -> None:
    async with store.hold("r", actor=ANN, create=True) as journal:
        with pytest.raises(HeldError) as caught:
            async with store.hold("r", actor=BOB):
                pass
        await journal.append(batch(started(1)))  # and the first one goes on

    assert caught.value.message == (
        "run r is held by ann on hosta (pid 1) since 2026-01-10T02:00:00.000000Z"
    )
    assert caught.value.hint is not None


async def test_names_the_holder_only_while_there_is_one(store: SqliteStore | MemoryStore) -> None:
    async with store.hold("r", actor=ANN, create=True) as journal:
        assert (journal.holder(), store.read("r").holder()) == (ANN, ANN)

    assert store.read("r").holder() is None


async def test_a_run_is_free_again_after_its_holder_fell_over(
    store: SqliteStore | MemoryStore,
) -> None:
    async def fall_over() -> None:
        async with store.hold("r", actor=ANN, create=True) as journal:
            await journal.append(batch(started(1)))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fall_over()

    async with store.hold("r", actor=BOB) as journal:
        assert stored(journal) == [started(1)]


async def test_nothing_is_appended_after_the_holding_is_over(
    store: SqliteStore | MemoryStore,
) -> None:
    async with store.hold("r", actor=ANN, create=True) as journal:
        pass

    with pytest.raises(FencedError):
        await journal.append(batch(started(1)))


async def test_what_cannot_be_encoded_harms_no_other_batch(
    store: SqliteStore | MemoryStore,
) -> None:
    async with store.hold("r", actor=ANN, create=True) as journal:
        with pytest.raises(TypeError):
            await journal.append(batch(started(1), started(2**70)))
        await journal.append(batch(started(2)))

        assert list(journal.events()) == [(1, started(2))]


async def test_text_that_is_no_unicode_is_stored_as_well_as_it_can_be(
    store: SqliteStore | MemoryStore,
) -> None:
    async with store.hold("r", actor=ANN, create=True) as journal:
        await journal.append(batch(failed("caf\udce9")))

        assert stored(journal) == [failed("caf?")]


async def test_makes_a_run_only_once(store: SqliteStore | MemoryStore) -> None:
    async with store.hold("r", actor=ANN, create=True):
        pass

    with pytest.raises(InputError, match="there is a run r already"):
        async with store.hold("r", actor=ANN, create=True):
            pass


async def test_a_run_that_somebody_has_just_made_is_theirs(
    store: SqliteStore | MemoryStore,
) -> None:
    async with store.hold("r", actor=ANN, create=True):
        with pytest.raises(HeldError, match="run r is held by ann on hosta"):
            async with store.hold("r", actor=BOB, create=True):
                pass


async def test_names_runs_that_may_have_been_meant(store: SqliteStore | MemoryStore) -> None:
    async with store.hold("osm-1.2.6", actor=ANN, create=True):
        pass

    for act in (store.read, lambda run_id: store.ask(run_id, ask("1"))):
        with pytest.raises(InputError) as caught:
            act("osm-1.2.5")
        assert caught.value.message == "there is no run osm-1.2.5"
        assert caught.value.hint == "Did you mean osm-1.2.6?"
    with pytest.raises(InputError):
        async with store.hold("osm-1.2.5", actor=ANN):
            pass


@pytest.mark.parametrize("run_id", ["", ".", "..", ".x", "a/b", "a b", "ä", "x" * 101, "a\n"])
async def test_refuses_what_cannot_be_a_run_id(
    store: SqliteStore | MemoryStore, run_id: str
) -> None:
    with pytest.raises(InputError, match="cannot be a run id"):
        async with store.hold(run_id, actor=ANN, create=True):
            pass
    with pytest.raises(InputError, match="cannot be a run id"):
        store.read(run_id)


async def test_lists_runs_newest_first(store: SqliteStore | MemoryStore) -> None:
    assert store.runs() == ()
    for run_id in ("b", "a", "c"):
        async with store.hold(run_id, actor=ANN, create=True):
            pass

    assert store.runs() == ("c", "a", "b")


# --- operations --------------------------------------------------------------------------


async def test_remembers_operation_urls_until_they_are_dropped(
    store: SqliteStore | MemoryStore,
) -> None:
    other = dataclasses.replace(KEY, target=4)
    async with store.hold("r", actor=ANN, create=True) as journal:
        await journal.append(Batch(events=[started(3)], keep={KEY: "old", other: "b"}))
        await journal.append(Batch(events=[], keep={KEY: URL}))
        await journal.append(Batch(events=[], drop=[other]))

    async with store.hold("r", actor=ANN) as journal:
        assert journal.operations() == {KEY: URL}
        assert all(b"https" not in record.body for record in journal.records())


async def test_a_signed_url_of_4_kb_is_remembered_to_the_letter(
    store: SqliteStore | MemoryStore,
) -> None:
    long = URL + "&c=" + "A%2Bb%2f" * 500 + "&s=a+b%20c~!*'();:@$,&h=%E4%BD%A0&empty=&x"
    async with store.hold("r", actor=ANN, create=True) as journal:
        await journal.append(Batch(events=[started(3)], keep={KEY: long}))

    async with store.hold("r", actor=ANN) as journal:
        assert len(long) > 4000
        assert journal.operations() == {KEY: long}


# --- requests ----------------------------------------------------------------------------


async def test_remembers_how_far_each_subscriber_was_told(
    store: SqliteStore | MemoryStore,
) -> None:
    async with store.hold("r", actor=ANN, create=True) as journal:
        before = journal.told()
        await journal.append(batch(*map(started, range(5))))
        await journal.append(Batch(events=(), told={"ops": 4, "chat": 2}))
        await journal.append(Batch(events=(started(9),), told={"chat": 6}))
        count = len(list(journal.records()))

    assert before == {}
    assert count == 6
    async with store.hold("r", actor=BOB) as journal:
        assert journal.told() == {"ops": 4, "chat": 6}
    assert store.read("r").told() == {"ops": 4, "chat": 6}


async def test_nobody_is_told_backwards(store: SqliteStore | MemoryStore) -> None:
    async with store.hold("r", actor=ANN, create=True) as journal:
        await journal.append(batch(*map(started, range(5))))
        await journal.append(Batch(events=(), told={"ops": 4}))
        await journal.append(Batch(events=(), told={"ops": 3}))

        assert journal.told() == {"ops": 4}


async def test_who_lost_the_run_tells_nobody_any_more(store: SqliteStore | MemoryStore) -> None:
    async with store.hold("r", actor=ANN, create=True) as journal:
        await journal.append(batch(started(1)))
        bump_epoch(journal)

        with pytest.raises(FencedError):
            await journal.append(Batch(events=(), told={"ops": 1}))


async def test_a_request_is_there_until_an_event_answers_it(
    store: SqliteStore | MemoryStore,
) -> None:
    pausing = RunPausing(at=AT, actor=BOB, reason="too loud", request_id="1")
    refused = RequestRefused(at=AT, actor=BOB, asked="pause", reason="done", request_id="2")
    async with store.hold("r", actor=ANN, create=True) as journal:
        for one in ("1", "2", "3"):
            store.ask("r", ask(one))
        before = journal.requests()
        await journal.append(batch(pausing, refused))

        assert before == (ask("1"), ask("2"), ask("3"))
        assert journal.requests() == (ask("3"),)


async def test_the_same_request_twice_is_one(store: SqliteStore | MemoryStore) -> None:
    async with store.hold("r", actor=ANN, create=True) as journal:
        store.ask("r", ask("1"))
        store.ask("r", ask("1", reason="still too loud"))
        assert journal.requests() == (ask("1"),)
        await journal.append(batch(RunPausing(at=AT, actor=BOB, reason="", request_id="1")))
        store.ask("r", ask("1"))

        assert journal.requests() == ()


async def test_a_request_waits_for_the_next_runner(store: SqliteStore | MemoryStore) -> None:
    async with store.hold("r", actor=ANN, create=True):
        pass
    store.ask("r", ask("1"))

    async with store.hold("r", actor=BOB) as journal:
        assert journal.has_news()
        assert journal.requests() == (ask("1"),)


async def test_has_news_only_after_somebody_else_wrote(store: SqliteStore | MemoryStore) -> None:
    async with store.hold("r", actor=ANN, create=True) as journal:
        journal.requests()
        quiet = journal.has_news()
        await journal.append(batch(started(1)))
        own = journal.has_news()
        store.ask("r", ask("1"))
        asked = journal.has_news()
        journal.requests()

        assert (quiet, own, asked, journal.has_news()) == (False, False, True, False)


async def test_has_news_when_the_request_came_between_two_commits(
    store: SqliteStore | MemoryStore,
) -> None:
    async with store.hold("r", actor=ANN, create=True) as journal:
        journal.requests()
        store.ask("r", ask("1"))
        await journal.append(batch(started(1)))

        assert journal.has_news()


# --- secrets -----------------------------------------------------------------------------


async def test_secrets_are_replaced_in_what_is_stored(store: SqliteStore | MemoryStore) -> None:
    async with store.hold("r", actor=ANN, secrets=[SECRET], create=True) as journal:
        await journal.append(batch(failed(f"helm: {SECRET} is wrong; Bearer abc123def456")))

        assert stored(journal) == [failed("helm: *** is wrong; Bearer ***")]
        assert verdict(journal).broken_at is None


async def test_a_request_s_reason_keeps_no_token(store: SqliteStore | MemoryStore) -> None:
    async with store.hold("r", actor=ANN, create=True) as journal:
        store.ask("r", ask("1", reason="password=hunter22"))

        assert journal.requests() == (ask("1", reason="password=***"),)


async def test_a_plan_with_a_secret_in_plain_is_refused_and_not_stored(
    store: SqliteStore | MemoryStore,
) -> None:
    """Stored as ``***``, the plan would be carried out as ``***`` by whoever takes over."""
    listed = TargetsListed(at=AT, first=0, targets=(target({"db.password": SECRET}),))
    async with store.hold("r", actor=ANN, secrets=[SECRET], create=True) as journal:
        with pytest.raises(RefusedError, match=r"targets\[0\].steps\[0\].settings.db.password"):
            await journal.append(batch(listed))

        assert stored(journal) == []


async def test_a_plan_is_stored_to_the_letter(store: SqliteStore | MemoryStore) -> None:
    """Also where a setting is called a password, and one holds a short protected value."""
    listed = TargetsListed(
        at=AT, first=0, targets=(target({"db.passwordSecretName": "vault", "on": "true ab"}),)
    )
    async with store.hold("r", actor=ANN, secrets=["ab", "true"], create=True) as journal:
        await journal.append(batch(listed))

        assert stored(journal) == [listed]


def target(settings: dict[str, str]) -> Target:
    return Target(
        cluster_id=ClusterId("/subscriptions/1"),
        cluster_name="c",
        subscription="1",
        location="westeurope",
        extension_name="osm",
        action=Action.RECONFIGURE,
        reason="r",
        wave="w",
        from_version=None,
        to_version=None,
        steps=(Step(verb=Verb.PATCH, settings=settings, protected={"db.password": "DB_PASSWORD"}),),
        facts=Facts(is_present=True),
        facts_digest=Digest("sha256:0"),
    )


# --- copies ------------------------------------------------------------------------------


async def test_a_backup_of_a_live_run_holds_what_is_durable(
    store: SqliteStore | MemoryStore, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.db"
    async with store.hold("r", actor=ANN, create=True) as journal:
        await journal.append(batch(started(1)))
        store.backup("r", copy)
        await journal.append(batch(started(2)))

    reader = read_copy(copy)
    assert stored(reader) == [started(1)]
    assert verdict(reader).count == 1
    assert reader.holder() is None
    reader.close()
    assert copy.stat().st_mode & 0o777 == 0o600


async def test_a_backup_overwrites_nothing(
    store: SqliteStore | MemoryStore, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.db"
    copy.write_text("mine")
    async with store.hold("r", actor=ANN, create=True):
        with pytest.raises(InputError, match="is there already"):
            store.backup("r", copy)

    assert copy.read_text() == "mine"


# --- closing -----------------------------------------------------------------------------


async def test_closing_tells_those_whose_turn_has_not_come(
    store: SqliteStore | MemoryStore,
) -> None:
    async with store.hold("r", actor=ANN, create=True) as journal:
        await journal.append(batch(started(1)))
        late = asyncio.ensure_future(journal.append(batch(started(2))))
        journal.close()
        with pytest.raises(FencedError, match="is over"):
            await late

    assert stored(store.read("r")) == [started(1)]
    async with store.hold("r", actor=BOB) as journal:
        assert journal.epoch == 2


# --- a runner that was taken over --------------------------------------------------------


async def test_the_epoch_fences_where_the_lock_was_lost(store: SqliteStore | MemoryStore) -> None:
    async with store.hold("r", actor=ANN, create=True) as journal:
        await journal.append(batch(started(1)))
        bump_epoch(journal)
        with pytest.raises(FencedError, match="was taken over"):
            await journal.append(Batch(events=[started(2)], keep={KEY: URL}))

        assert (stored(journal), journal.operations()) == ([started(1)], {})


async def test_a_journal_that_failed_stays_failed(store: SqliteStore | MemoryStore) -> None:
    async with store.hold("r", actor=ANN, create=True) as journal:
        bump_epoch(journal)
        with pytest.raises(JournalError) as first:
            await journal.append(batch(started(1)))
        bump_epoch(journal, by=-1)
        with pytest.raises(JournalError) as second:
            await journal.append(batch(started(2)))

        assert second.value is first.value
        assert stored(journal) == []


async def test_notices_records_that_somebody_else_added(store: SqliteStore | MemoryStore) -> None:
    async with store.hold("r", actor=ANN, create=True) as journal:
        journal._db.execute("INSERT INTO records VALUES (1, x'00', zeroblob(32))")
        with pytest.raises(JournalError, match="changed by somebody else, at record 1"):
            await journal.append(batch(started(1)))


def bump_epoch(journal: SqliteJournal, by: int = 1) -> None:
    journal._db.execute("UPDATE lease SET epoch = epoch + ?", (by,))
