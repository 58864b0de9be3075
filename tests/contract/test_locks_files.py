"""The file of locks: how it is made, who may read it, and what is said where it cannot be used."""

from __future__ import annotations

import datetime as dt
import sqlite3
import stat
import threading
from pathlib import Path

import pytest

from fleet.errors import JournalError
from fleet.journal import filelock, layout, locks
from fleet.journal.locks import SqliteLocks
from fleet.model.cluster import ClusterId
from fleet.model.events import Actor
from fleet.ports import LockKey, Taking

AT = dt.datetime(2026, 1, 10, 2, tzinfo=dt.UTC)
LEASE = dt.timedelta(minutes=15)
ANN = Actor(name="ann", host="hosta", pid=1)
KEY = LockKey(endpoint="e", cluster_id=ClusterId("c"), extension="x")


def take(held: SqliteLocks, run: str, *, now: dt.datetime = AT) -> Taking:
    return held.take(run, actor=ANN, keys=[KEY], now=now, lease=LEASE)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_is_for_its_owner_only_and_so_is_the_folder(tmp_path: Path) -> None:
    root = tmp_path / "a" / "state"
    with locks.opened(root) as held:
        take(held, "r1")
        modes = {path.name: mode(path) for path in root.iterdir()}

    assert modes == dict.fromkeys(("locks.sqlite", "locks.sqlite-shm", "locks.sqlite-wal"), 0o600)
    assert (mode(root), mode(root.parent)) == (0o700, 0o700)


def test_outlives_its_processes(tmp_path: Path) -> None:
    with locks.opened(tmp_path) as held:
        take(held, "r1")

    with locks.opened(tmp_path) as held:
        assert take(held, "r2").conflicts


def test_two_connections_see_what_the_other_took(tmp_path: Path) -> None:
    with locks.opened(tmp_path) as one, locks.opened(tmp_path) as other:
        take(one, "r1")

        assert take(other, "r2").conflicts


def test_of_many_that_make_it_at_once_one_gets_the_lock(tmp_path: Path) -> None:
    """Each finds a finished file, and one and the same."""
    found: list[tuple[Taking, ...]] = []
    line = threading.Barrier(6)

    def race(number: int) -> None:
        line.wait()
        with locks.opened(tmp_path / "state") as held:
            found.append((take(held, f"r{number}"),))

    threads = [threading.Thread(target=race, args=(number,)) for number in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert len(found) == 6
    assert sum(not taking.conflicts for (taking,) in found) == 1
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["locks.sqlite"]


def test_a_runners_file_lock_says_that_it_is_alive(tmp_path: Path) -> None:
    place = layout.folder(tmp_path, "r1")
    place.make()
    lock = filelock.take(place.lock)
    assert lock is not None
    with locks.opened(tmp_path) as held:
        take(held, "r1")

        assert take(held, "r2", now=AT + 2 * LEASE).conflicts[0].holder.is_alive
        lock.release()
        assert take(held, "r2", now=AT + 2 * LEASE).taken_over


def test_a_network_disk_is_refused(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"1 0 0:1 / {tmp_path.resolve()} rw - nfs4 server:/x rw\n")

    with pytest.raises(JournalError, match="nfs4"), locks.opened(tmp_path, mountinfo=mounts):
        pass

    assert not locks.are_under(tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"", "is something else", id="empty"),
        pytest.param(b"not a database, and long enough to be looked at" * 30, "NOTADB", id="text"),
    ],
)
def test_what_is_no_file_of_locks_is_left_as_it_is(
    tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "locks.sqlite"
    path.write_bytes(content)

    with pytest.raises(JournalError, match=said) as caught, locks.opened(tmp_path):
        pass

    assert str(path) in caught.value.message
    assert caught.value.hint
    assert path.read_bytes() == content


def test_a_file_of_a_newer_release_is_left_as_it_is(tmp_path: Path) -> None:
    with locks.opened(tmp_path):
        pass
    with sqlite3.connect(tmp_path / "locks.sqlite") as file:
        file.execute("PRAGMA user_version = 7")
    file.close()

    with pytest.raises(JournalError, match="newer release"), locks.opened(tmp_path):
        pass


def test_a_file_that_stays_locked_is_said_to_be(tmp_path: Path) -> None:
    with locks.opened(tmp_path, busy_s=0.05) as held:
        other = sqlite3.connect(tmp_path / "locks.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(JournalError, match="locked for too long"):
            take(held, "r1")

        other.execute("ROLLBACK")
        other.close()
        assert take(held, "r1") == Taking()


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(JournalError, match="not a directory"), locks.opened(tmp_path / "file"):
        pass
