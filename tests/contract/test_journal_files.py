"""What lies on the disk: modes, group commits, erasure, copies, and files that are not ours."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from fleet.core import chain
from fleet.errors import HeldError, InputError, JournalError
from fleet.journal import filelock, schema
from fleet.journal.sqlite import SqliteStore, read_copy
from fleet.model.events import Actor, StepFailed, TargetStarted
from fleet.ports import Batch, OperationKey, Request

AT = dt.datetime(2026, 1, 10, 2, tzinfo=dt.UTC)
ANN = Actor(name="ann", host="hosta", pid=1)
SECRET = "correct-horse-battery"  # noqa: S105
KEY = OperationKey(target=3, step=0)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "fleet"


@pytest.fixture
def store(root: Path) -> SqliteStore:
    return SqliteStore(root)


def one(target: int = 1) -> Batch:
    return Batch(events=[TargetStarted(at=AT, target=target)])


async def make(store: SqliteStore, count: int = 3) -> None:
    async with store.hold("r", actor=ANN, create=True) as journal:
        for target in range(count):
            await journal.append(one(target))


def journal_file(root: Path) -> Path:
    return root / "runs" / "r" / "journal.db"


def files(root: Path) -> Mapping[str, bytes]:
    return {path.name: path.read_bytes() for path in (root / "runs" / "r").iterdir()}


def modes(root: Path) -> Mapping[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in (root, *root.rglob("*"))}


async def test_nobody_else_can_look(store: SqliteStore, root: Path) -> None:
    async with store.hold("r", actor=ANN, create=True) as journal:
        await journal.append(one())
        found = modes(root)

    assert found == {
        "fleet": 0o700,
        "runs": 0o700,
        "r": 0o700,
        "lock": 0o600,
        "journal.db": 0o600,
        "journal.db-wal": 0o600,
        "journal.db-shm": 0o600,
    }


async def test_leaves_one_file_and_the_lock_behind(store: SqliteStore, root: Path) -> None:
    await make(store)

    assert sorted(files(root)) == ["journal.db", "lock"]


async def test_commits_survive_a_power_cut_and_what_is_erased_is_overwritten(
    store: SqliteStore,
) -> None:
    async with store.hold("r", actor=ANN, create=True) as journal:
        settings = {
            name: journal._db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "secure_delete", "application_id")
        }

    assert settings == {
        "journal_mode": "wal",
        "synchronous": 2,
        "secure_delete": 1,
        "application_id": int.from_bytes(b"flet", "big"),
    }


async def test_appends_of_one_turn_share_a_commit_and_keep_their_order(store: SqliteStore) -> None:
    async with store.hold("r", actor=ANN, create=True) as journal:
        statements: list[str] = []
        journal._db.set_trace_callback(statements.append)
        async with asyncio.TaskGroup() as group:
            for target in range(100):
                group.create_task(journal.append(one(target)))

        assert statements.count("COMMIT;") == 1
        assert [event for _, event in journal.events()] == [one(n).events[0] for n in range(100)]


async def test_appends_that_come_during_a_commit_share_the_next(store: SqliteStore) -> None:
    """However many writers, each one's own order holds, and commits stay few."""
    order: list[tuple[int, int]] = []
    async with store.hold("r", actor=ANN, create=True) as journal:
        commits: list[str] = []
        journal._db.set_trace_callback(commits.append)

        async def write(who: int) -> None:
            for n in range(10):
                await journal.append(one(100 * who + n))
                order.append((who, n))

        async with asyncio.TaskGroup() as group:
            for who in range(20):
                group.create_task(write(who))
        targets = [event.target for _, event in journal.events()]  # type: ignore[union-attr]

    assert commits.count("COMMIT;") <= 20
    assert sorted(targets) == [100 * who + n for who in range(20) for n in range(10)]
    for who in range(20):
        assert [n for one_of, n in order if one_of == who] == list(range(10))
        assert [t for t in targets if t // 100 == who] == [100 * who + n for n in range(10)]


async def test_a_caller_goes_on_only_when_another_process_could_read_its_rows(
    store: SqliteStore,
) -> None:
    async with store.hold("r", actor=ANN, create=True) as journal:
        reader = store.read("r")
        for target in range(5):
            await journal.append(one(target))
            assert len(list(reader.records())) == target + 1
        reader.close()


async def test_a_cancelled_caller_holds_nobody_up(store: SqliteStore) -> None:
    async with store.hold("r", actor=ANN, create=True) as journal:
        async with asyncio.TaskGroup() as group:
            impatient = group.create_task(journal.append(one(1)))
            group.create_task(journal.append(one(2)))
            await asyncio.sleep(0)
            impatient.cancel()
        await journal.append(one(3))

        assert chain.verify(r.triple for r in journal.records()).count == 3


async def test_leaving_waits_for_what_is_being_written(store: SqliteStore) -> None:
    async with asyncio.TaskGroup() as group, store.hold("r", actor=ANN, create=True) as journal:
        tasks = [group.create_task(journal.append(one(n))) for n in range(50)]
        await asyncio.sleep(0)

    assert all(task.done() for task in tasks)
    assert len(list(store.read("r").records())) == 50


async def test_no_file_ever_holds_a_secret_and_a_dropped_url_leaves_no_trace(
    store: SqliteStore, root: Path
) -> None:
    url = "https://management.example/operations/1?s=c2lnbmF0dXJl"
    bad = "the value correct-horse-battery was refused"
    async with store.hold("r", actor=ANN, secrets=[SECRET], create=True) as journal:
        asked = Request(id="1", kind="stop", actor=ANN, reason="token=abcdefgh", at=AT)
        store.ask("r", asked)
        event = TargetStarted(at=AT, target=1)
        await journal.append(Batch(events=[event], keep={KEY: url}))
        await journal.append(
            Batch(events=[StepFailed(at=AT, target=1, step=0, code="x", message=bad)])
        )
        during = b"".join(files(root).values())
        await journal.append(Batch(events=[], drop=[KEY]))
    after = b"".join(files(root).values())

    assert b"the value *** was refused" in during
    for secret in (SECRET.encode(), b"abcdefgh"):
        assert secret not in during
        assert secret not in after
    assert url.encode() in during
    assert url.encode() not in after


# --- files that are not ours, or not whole -----------------------------------------------


def test_a_folder_without_a_journal_is_no_run(store: SqliteStore, root: Path) -> None:
    """A run whose creation was cut short can be made again."""
    (root / "runs" / "r").mkdir(parents=True)
    (root / "runs" / "r" / "journal.new").write_bytes(b"half")
    assert store.runs() == ()
    with pytest.raises(InputError):
        store.read("r")

    asyncio.run(make(store))
    assert store.runs() == ("r",)


async def test_a_run_copied_without_its_lock_is_a_run(store: SqliteStore, root: Path) -> None:
    await make(store)
    (root / "runs" / "r" / "lock").unlink()

    assert store.runs() == ("r",)
    reader = store.read("r")
    assert reader.holder() is None
    reader.close()


async def test_says_that_a_folder_cannot_be_looked_at(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / ("x" * 300))

    for act in (store.runs, lambda: store.read("r")):
        with pytest.raises(JournalError, match="cannot be looked for: file name too long"):
            act()


async def test_says_that_a_file_stands_where_the_folder_should(tmp_path: Path) -> None:
    (tmp_path / "fleet").write_text("a file")

    with pytest.raises(JournalError, match="cannot be opened: not a directory"):
        async with SqliteStore(tmp_path / "fleet").hold("r", actor=ANN, create=True):
            pass


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"", "is an empty file", id="nothing"),
        pytest.param(b"garbage" * 1000, "not an SQLite database", id="garbage"),
        pytest.param(None, "not a journal of fleet", id="another program's database"),
    ],
)
async def test_says_that_a_file_is_no_journal(
    store: SqliteStore, root: Path, content: bytes | None, said: str
) -> None:
    await make(store)
    path = journal_file(root)
    path.unlink()
    if content is None:
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE t (x)")
        database.close()
    else:
        path.write_bytes(content)
    before = path.read_bytes()

    for act in (store.read, lambda run_id: store.ask(run_id, request())):
        with pytest.raises(JournalError, match=said):
            act("r")
    with pytest.raises(JournalError, match=said):
        async with store.hold("r", actor=ANN):
            pass
    assert path.read_bytes() == before


def request() -> Request:
    return Request(id="1", kind="stop", actor=ANN, reason="", at=AT)


async def test_a_truncated_file_is_called_damaged(store: SqliteStore, root: Path) -> None:
    await make(store, 500)
    path = journal_file(root)
    os.truncate(path, path.stat().st_size // 2)

    with pytest.raises(JournalError, match="damaged") as caught:
        list(store.read("r").records())
    assert caught.value.hint == "Keep the file as evidence, and restore a backup of it."


# --- tampering: the reader hands on what lies there, and the chain finds it --------------


def tamper(path: Path, *statements: str) -> None:
    with sqlite3.connect(path) as database:
        for name in ("records_are_never_changed", "records_are_never_deleted"):
            database.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            database.execute(statement)
    database.close()


@pytest.mark.parametrize(
    ("statements", "broken_at", "count"),
    [
        pytest.param((), None, 5, id="untouched"),
        pytest.param(("UPDATE records SET body = x'7b7d' WHERE seq = 3",), 3, 2, id="altered"),
        pytest.param(("UPDATE records SET link = zeroblob(32) WHERE seq = 1",), 1, 0, id="link"),
        pytest.param(("DELETE FROM records WHERE seq = 2",), 2, 1, id="one taken out"),
        pytest.param(("DELETE FROM records WHERE seq = 1",), 1, 0, id="the first taken out"),
        pytest.param(("DELETE FROM records WHERE seq > 3",), None, 3, id="cut: a valid prefix"),
        pytest.param(
            (
                "UPDATE records SET seq = -1 WHERE seq = 2",
                "UPDATE records SET seq = 2 WHERE seq = 3",
                "UPDATE records SET seq = 3 WHERE seq = -1",
            ),
            2,
            1,
            id="two changed places",
        ),
        pytest.param(
            ("INSERT INTO records SELECT 0, body, link FROM records WHERE seq = 1",),
            1,
            0,
            id="one put in front",
        ),
        pytest.param(
            ("INSERT INTO records SELECT 6, body, link FROM records WHERE seq = 5",),
            6,
            5,
            id="one put behind",
        ),
    ],
)
async def test_the_chain_finds_what_was_tampered_with(
    store: SqliteStore,
    root: Path,
    statements: tuple[str, ...],
    broken_at: int | None,
    count: int,
) -> None:
    await make(store, 5)
    tamper(journal_file(root), *statements)

    reader = store.read("r")
    verdict = chain.verify(record.triple for record in reader.records())
    reader.close()
    assert (verdict.broken_at, verdict.count) == (broken_at, count)


async def test_hands_on_values_of_the_wrong_type_as_bytes(store: SqliteStore, root: Path) -> None:
    await make(store, 2)
    tamper(
        journal_file(root),
        "PRAGMA ignore_check_constraints = ON",
        "UPDATE records SET body = 'text' WHERE seq = 2",
    )

    reader = store.read("r")
    assert [record.body for record in reader.records(after=1)] == [b"text"]
    assert chain.verify(record.triple for record in reader.records()).broken_at == 2
    with pytest.raises(JournalError, match="record 2 is not one that fleet wrote"):
        list(reader.events())
    reader.close()


async def test_a_flipped_bit_in_the_file_is_found(store: SqliteStore, root: Path) -> None:
    await make(store, 5)
    path = journal_file(root)
    content = bytearray(path.read_bytes())
    content[content.index(b'"target":2') + 9] ^= 1
    path.write_bytes(content)

    reader = store.read("r")
    verdict = chain.verify(record.triple for record in reader.records())
    reader.close()
    assert (verdict.broken_at, verdict.problem) == (3, "record 3 does not match its hash")


async def test_records_can_be_neither_changed_nor_deleted_by_accident(
    store: SqliteStore, root: Path
) -> None:
    await make(store)
    with sqlite3.connect(journal_file(root)) as database:
        for statement in ("UPDATE records SET seq = 9 WHERE seq = 1", "DELETE FROM records"):
            with pytest.raises(sqlite3.IntegrityError, match="a journal record is never"):
                database.execute(statement)
    database.close()


async def test_a_record_of_a_newer_release_is_named(store: SqliteStore, root: Path) -> None:
    await make(store)
    body = b'{"epoch":1,"kind":"wave.folded","seq":4,"v":1}'
    with sqlite3.connect(journal_file(root)) as database:
        (head,) = database.execute("SELECT link FROM records WHERE seq = 3").fetchone()
        row = (4, body, chain.link(head, body))
        database.execute("INSERT INTO records VALUES (?, ?, ?)", row)
    database.close()

    reader = store.read("r")
    with pytest.raises(JournalError, match=r"record 4 \(wave.folded version 1\).*newer release"):
        list(reader.events())
    assert chain.verify(record.triple for record in reader.records()).count == 4
    reader.close()


# --- releases ----------------------------------------------------------------------------

NEXT = {
    **schema.STEPS,
    4: "ALTER TABLE requests ADD COLUMN note TEXT;\nPRAGMA user_version = 4;",
    5: "CREATE TABLE more (x);\nPRAGMA user_version = 5;",
}


def version(root: Path) -> int:
    with sqlite3.connect(journal_file(root)) as database:
        (number,) = database.execute("PRAGMA user_version").fetchone()
    database.close()
    return int(number)


async def test_the_holder_lifts_an_older_schema_and_keeps_what_is_there(
    store: SqliteStore, root: Path
) -> None:
    await make(store)
    store.ask("r", request())
    newer = SqliteStore(root, steps=NEXT)
    reader = newer.read("r")  # a look changes nothing
    reader.close()
    assert version(root) == 3

    async with newer.hold("r", actor=ANN) as journal:
        await journal.append(one())
        assert [seq for seq, _ in journal.events()] == [1, 2, 3, 4]
        assert journal.requests() == (request(),)
    assert version(root) == 5


async def test_a_migration_that_fails_changes_nothing(store: SqliteStore, root: Path) -> None:
    await make(store)
    broken = {**NEXT, 5: "CREATE TABLE records (x);\nPRAGMA user_version = 5;"}
    with pytest.raises(JournalError, match="cannot be opened"):
        async with SqliteStore(root, steps=broken).hold("r", actor=ANN):
            pass

    assert version(root) == 3
    async with store.hold("r", actor=ANN) as journal:
        assert journal.epoch == 2


async def test_refuses_the_file_of_a_newer_release_and_leaves_it_alone(
    store: SqliteStore, root: Path
) -> None:
    async with SqliteStore(root, steps=NEXT).hold("r", actor=ANN, create=True):
        pass
    before = journal_file(root).read_bytes()

    for act in (store.read, lambda run_id: store.ask(run_id, request())):
        with pytest.raises(JournalError, match=r"newer release.*schema 5.*left as it is"):
            act("r")
    with pytest.raises(JournalError, match="newer release"):
        async with store.hold("r", actor=ANN):
            pass
    assert journal_file(root).read_bytes() == before


# --- disks -------------------------------------------------------------------------------


@pytest.fixture
def read_only(root: Path) -> Iterator[None]:
    """A mount that stops root, too, from writing; used after the files are there."""
    yield
    subprocess.run(["umount", str(root)], check=False, capture_output=True)


def freeze(root: Path) -> None:
    try:
        for options in ("bind", "remount,bind,ro"):
            subprocess.run(
                ["mount", "-o", options, str(root), str(root)], check=True, capture_output=True
            )
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a read-only mount cannot be made here: {error}")


@pytest.mark.usefixtures("read_only")
async def test_a_read_only_disk_can_be_read_and_not_written(
    store: SqliteStore, root: Path, tmp_path: Path
) -> None:
    await make(store)
    freeze(root)

    reader = store.read("r")
    assert chain.verify(record.triple for record in reader.records()).count == 3
    assert reader.holder() is None
    reader.close()
    store.backup("r", tmp_path / "copy.db")
    with pytest.raises(JournalError, match="read-only") as held:
        async with store.hold("r", actor=ANN):
            pass
    with pytest.raises(JournalError, match="cannot be opened: read-only file system"):
        async with store.hold("new", actor=ANN, create=True):
            pass
    with pytest.raises(JournalError, match="cannot be written"):
        store.ask("r", request())
    assert "journal.db" in held.value.message


@pytest.mark.usefixtures("read_only")
async def test_a_read_only_disk_can_be_read_after_a_crash(
    store: SqliteStore, root: Path, tmp_path: Path
) -> None:
    """What a killed runner left in its WAL is read, though nothing can be folded."""
    async with store.hold("r", actor=ANN, create=True) as journal:
        await journal.append(one())
        shutil.copytree(root, tmp_path / "crashed")
    shutil.rmtree(root)
    (tmp_path / "crashed").rename(root)
    freeze(root)

    reader = store.read("r")
    assert len(list(reader.records())) == 1
    reader.close()


@pytest.mark.usefixtures("read_only")
async def test_a_read_only_disk_with_half_a_crash_is_refused(
    store: SqliteStore, root: Path, tmp_path: Path
) -> None:
    """Without its index the WAL cannot be read there, and to leave it out would be a lie."""
    async with store.hold("r", actor=ANN, create=True) as journal:
        await journal.append(one())
        shutil.copytree(root, tmp_path / "crashed")
    shutil.rmtree(root)
    (tmp_path / "crashed").rename(root)
    (root / "runs" / "r" / "journal.db-shm").unlink()
    freeze(root)

    with pytest.raises(JournalError, match="cannot be read"):
        store.read("r")


async def test_a_journal_kept_locked_fails_and_names_the_way_out(
    root: Path, store: SqliteStore
) -> None:
    hasty = SqliteStore(root, busy_s=0.01)
    await make(store)
    async with hasty.hold("r", actor=ANN) as journal:
        other = sqlite3.connect(journal_file(root), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalError, match="another process kept it locked") as first:
            await journal.append(one())
        with pytest.raises(JournalError, match="cannot be written: another process"):
            hasty.ask("r", request())
        other.execute("ROLLBACK")
        other.close()
        with pytest.raises(JournalError) as second:
            await journal.append(one())

    assert second.value is first.value
    assert first.value.hint == (
        "Mend that; nothing was lost: what is in flight is looked up when the run is taken over "
        "with: fleet run --run-id r"
    )
    assert isinstance(first.value.__cause__, sqlite3.OperationalError)


async def test_a_failed_commit_fails_all_that_wait_for_it(root: Path, store: SqliteStore) -> None:
    await make(store)
    async with SqliteStore(root, busy_s=0.01).hold("r", actor=ANN) as journal:
        other = sqlite3.connect(journal_file(root), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        tasks = [asyncio.ensure_future(journal.append(one(n))) for n in range(5)]
        await asyncio.sleep(0)
        late = asyncio.ensure_future(journal.append(one(5)))  # waits for the next commit
        await asyncio.wait([*tasks, late])
        other.close()

    errors = [task.exception() for task in [*tasks, late]]
    assert {type(error) for error in errors} == {JournalError}
    assert len(list(store.read("r").records())) == 3


async def test_a_held_run_can_still_be_told_apart_when_its_lease_is_not_written_yet(
    store: SqliteStore, root: Path
) -> None:
    (root / "runs" / "r").mkdir(parents=True)
    lock = filelock.take(root / "runs" / "r" / "lock")
    assert lock is not None
    with pytest.raises(HeldError, match="run r is being made by another process"):
        async with store.hold("r", actor=ANN, create=True):
            pass
    lock.release()


async def test_refuses_a_network_disk_but_for_a_look_at_an_archive(
    store: SqliteStore, root: Path, tmp_path: Path
) -> None:
    await make(store)
    mountinfo = tmp_path / "mountinfo"
    mountinfo.write_text(f"1 0 8:1 / / rw - ext4 x rw\n2 1 0:9 / {root} rw - nfs4 y rw\n")
    store = SqliteStore(root, mountinfo=mountinfo)

    said = f"a journal cannot live at {root / 'runs' / 'r'}, on a nfs4 file system: its locks"
    with pytest.raises(JournalError, match=said):
        async with store.hold("r", actor=ANN):
            pass
    with pytest.raises(JournalError, match=said):
        store.ask("r", request())
    reader = store.read("r")
    assert len(list(reader.records())) == 3
    reader.close()
    (root / "runs" / "r" / "journal.db-wal").write_bytes(b"x")
    with pytest.raises(JournalError, match=said):
        store.read("r")


def test_says_that_a_copy_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file"):
        read_copy(tmp_path / "none.db")
