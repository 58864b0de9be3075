"""Runners that die, and runners that race: real processes, and their twins in memory."""

from __future__ import annotations

import asyncio
import datetime as dt
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from fleet.core import chain
from fleet.errors import FencedError
from fleet.journal.memory import MemoryStore
from fleet.journal.sqlite import SqliteStore
from fleet.model.events import Actor, TargetStarted
from fleet.ports import Batch

AT = dt.datetime(2026, 1, 10, 2, tzinfo=dt.UTC)
ANN = Actor(name="ann", host="hosta", pid=1)
BOB = Actor(name="bob", host="hostb", pid=2)

HOLD = """
    import asyncio, datetime as dt, os, sys
    from pathlib import Path
    from fleet.errors import FleetError
    from fleet.journal.sqlite import SqliteStore
    from fleet.model.events import Actor, TargetStarted
    from fleet.ports import Batch

    AT = dt.datetime(2026, 1, 10, 2, tzinfo=dt.UTC)

    async def main():
        store = SqliteStore(Path(sys.argv[1]))
        me = Actor(name="child", host="here", pid=os.getpid())
        print("ready", flush=True)
        sys.stdin.readline()
        try:
            async with store.hold("r", actor=me, create=sys.argv[2] == "create") as journal:
                print(f"held {journal.epoch}", flush=True)
                target = 0
                while sys.argv[3] == "append":
                    await journal.append(Batch(events=[TargetStarted(at=AT, target=target)] * 3))
                    print(target, flush=True)
                    target += 1
                sys.stdin.readline()
        except FleetError as error:
            print(f"{type(error).__name__} {error}", flush=True)

    asyncio.run(main())
"""


def child(root: Path, *, make: bool, then: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent(HOLD),
            str(root),
            "create" if make else "take",
            then,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert line(process) == "ready"
    return process


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def end(process: subprocess.Popen[str]) -> int:
    process.communicate("\n", timeout=30)
    return process.returncode


async def test_a_killed_runner_is_taken_over_at_once_with_all_it_was_promised(
    tmp_path: Path,
) -> None:
    process = child(tmp_path, make=True, then="append")
    go(process)
    promised = [line(process) for _ in range(20)][-1]
    process.send_signal(signal.SIGKILL)
    rest = process.communicate(timeout=30)[0].split()
    promised = rest[-1] if rest else promised

    async with SqliteStore(tmp_path).hold("r", actor=BOB) as journal:
        events = [event for _, event in journal.events()]
        verdict = chain.verify(record.triple for record in journal.records())
        assert journal.epoch == 2
        await journal.append(Batch(events=[TargetStarted(at=AT, target=0)]))

    # Batches of three are there whole or not at all; one more than was promised may be.
    assert len(events) % 3 == 0
    assert len(events) // 3 - (int(promised) + 1) in (0, 1)
    assert verdict.broken_at is None


@pytest.mark.parametrize("make", [True, False], ids=["making it", "taking it over"])
async def test_of_two_processes_that_race_for_a_run_one_wins(tmp_path: Path, make: bool) -> None:
    if not make:
        async with SqliteStore(tmp_path).hold("r", actor=ANN, create=True):
            pass
    processes = [child(tmp_path, make=make, then="wait") for _ in range(2)]
    for process in processes:
        go(process)

    answers = [line(process) for process in processes]
    codes = [end(process) for process in processes]

    winner, loser = sorted(answers, key=lambda answer: not answer.startswith("held"))
    assert winner == f"held {1 if make else 2}"
    assert loser.startswith(("HeldError run r is held by ", "HeldError run r is being made by"))
    assert codes == [0, 0]


async def test_a_look_does_not_keep_a_runner_out(tmp_path: Path) -> None:
    """A look takes a shared lock for an instant; a runner that meets it tries again."""
    store = SqliteStore(tmp_path)
    async with store.hold("r", actor=ANN, create=True):
        pass
    reader, epoch = store.read("r"), 0

    async def look() -> None:
        for _ in range(200):
            reader.holder()
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.to_thread(lambda: asyncio.run(look())))
        for _ in range(20):
            async with store.hold("r", actor=BOB) as journal:
                assert reader.holder() == BOB
                epoch = journal.epoch
            await asyncio.sleep(0)
    reader.close()
    assert epoch == 21


async def test_in_memory_a_killed_runner_writes_nothing_more_and_is_taken_over() -> None:
    store = MemoryStore()
    async with store.hold("r", actor=ANN, create=True) as dead:
        await dead.append(Batch(events=[TargetStarted(at=AT, target=1)]))
        store.kill("r")
        with pytest.raises(FencedError):
            await dead.append(Batch(events=[TargetStarted(at=AT, target=2)]))

        async with store.hold("r", actor=BOB) as journal:
            await journal.append(Batch(events=[TargetStarted(at=AT, target=3)]))
            assert store.read("r").holder() == BOB
            assert (journal.epoch, [e.target for _, e in journal.events()]) == (2, [1, 3])  # type: ignore[union-attr]
        assert store.read("r").holder() is None


async def test_in_memory_the_end_of_a_killed_runner_does_not_free_the_run_of_the_next() -> None:
    store = MemoryStore()
    old = store.hold("r", actor=ANN, create=True)
    await old.__aenter__()
    store.kill("r")
    async with store.hold("r", actor=BOB):
        await old.__aexit__(None, None, None)

        assert store.read("r").holder() == BOB
