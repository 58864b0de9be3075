"""A disk that takes no more: what was promised is there, and the run can be taken over."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.core import chain
from fleet.errors import JournalError
from fleet.journal.sqlite import SqliteStore
from fleet.journal.writer import SqliteJournal
from fleet.model.events import Actor, StepFailed
from fleet.ports import Batch

AT = dt.datetime(2026, 1, 10, 2, tzinfo=dt.UTC)
ANN = Actor(name="ann", host="hosta", pid=1)

UNTIL_FULL = """
    import asyncio, resource, sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[2])
    import test_journal_full_disks as this

    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

    async def main():
        async with this.SqliteStore(Path(sys.argv[1])).hold("r", actor=this.ANN, create=True) as j:
            count, error = await this.append_until_it_fails(j)
            print(count)
            print(error.message)

    asyncio.run(main())
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    try:
        mount(disk, "size=700k")
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a small tmpfs cannot be mounted here: {error}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def mount(disk: Path, options: str) -> None:
    command = ["mount", "-t", "tmpfs", "-o", options, "none", str(disk)]
    subprocess.run(command, check=True, capture_output=True)


def run_until_full(root: Path) -> str:
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", textwrap.dedent(UNTIL_FULL), str(root), here]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


async def append_until_it_fails(journal: SqliteJournal) -> tuple[int, JournalError]:
    """Return how many batches of two were promised, and what ended it."""
    event = StepFailed(at=AT, target=1, step=0, code="x", message="m" * 3000)
    for count in range(1000):
        try:
            await journal.append(Batch(events=[event, event]))
        except JournalError as error:
            return count, error
    raise AssertionError


async def test_a_full_disk_breaks_no_promise(small_disk: Path) -> None:
    store = SqliteStore(small_disk)
    async with store.hold("r", actor=ANN, create=True) as journal:
        promised, error = await append_until_it_fails(journal)
        with pytest.raises(JournalError) as again:
            await journal.append(Batch(events=[]))
    mount(small_disk, "remount,size=8m")

    assert promised > 0
    assert again.value is error
    assert "the journal of run r cannot be written: the disk is full" in error.message
    assert str(small_disk / "runs" / "r" / "journal.db") in error.message
    assert error.hint is not None
    assert "fleet run --run-id r" in error.hint
    async with store.hold("r", actor=ANN) as journal:
        verdict = chain.verify(record.triple for record in journal.records())
        assert (verdict.broken_at, verdict.count) == (None, 2 * promised)
        await journal.append(Batch(events=[]))


async def test_no_run_is_made_on_a_full_disk(small_disk: Path) -> None:
    store = SqliteStore(small_disk)
    (small_disk / "filler").write_bytes(bytes(650_000))
    with pytest.raises(JournalError, match=r"cannot be opened: .*(full|refused)"):
        async with store.hold("r", actor=ANN, create=True):
            pass
    assert store.runs() == ()
    (small_disk / "filler").unlink()

    async with store.hold("r", actor=ANN, create=True) as journal:
        assert journal.epoch == 1


async def test_a_file_that_may_not_grow_breaks_no_promise(tmp_path: Path) -> None:
    """RLIMIT_FSIZE, as a shell's ulimit sets it: the kernel answers EFBIG."""
    promised, message = run_until_full(tmp_path).splitlines()

    assert message.startswith("the journal of run r cannot be written: the disk refused a ")
    async with SqliteStore(tmp_path).hold("r", actor=ANN) as journal:
        verdict = chain.verify(record.triple for record in journal.records())
    assert (verdict.broken_at, verdict.count) == (None, 2 * int(promised))
