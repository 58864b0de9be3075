"""A command that is told: started without a shell, and ended with all that it started."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import structlog.testing

from fleet.errors import RemoteError, TransientError
from fleet.outside import cloudevents
from fleet.outside.deliveries import Delivery
from fleet.outside.messengers import TRIES, Command
from tests.rig import commands, loopback
from tests.rig.receiving import Waits, notice

PATH = {"PATH": os.environ["PATH"]}


def command(*argv: str | Path, limit_s: float = 20, **environment: str) -> Command:
    words = tuple(str(one) for one in argv)
    return Command(name="pager", argv=words, environment=PATH | environment, limit_s=limit_s)


def shell(script: str, **changes: Any) -> Command:
    return command("sh", "-c", script, **changes)


async def failure(told: Command) -> RemoteError:
    with pytest.raises(RemoteError) as caught:
        await told.send(notice())
    return caught.value


async def test_the_event_is_its_standard_input(tmp_path: Path) -> None:
    await shell(f"cat > {tmp_path}/got").send(notice())

    assert (tmp_path / "got").read_bytes() == cloudevents.encoded(notice())


async def test_a_large_event_arrives_whole(tmp_path: Path) -> None:
    large = notice(reason="x" * 1_000_000)

    await shell(f"sleep 0.1; cat > {tmp_path}/got").send(large)

    assert (tmp_path / "got").read_bytes() == cloudevents.encoded(large)


async def test_who_does_not_want_to_read_need_not(tmp_path: Path) -> None:
    await command("true").send(notice(reason="x" * 1_000_000))


async def test_nothing_is_expanded_and_the_environment_is_what_was_given(tmp_path: Path) -> None:
    script = "import os, sys; open(sys.argv[1], 'w').write(repr((sys.argv[2:], dict(os.environ))))"

    told = command(sys.executable, "-c", script, tmp_path / "got", "$HOME; `id` *", FOO="bar")
    await told.send(notice())

    words, environment = eval((tmp_path / "got").read_text())  # noqa: S307 - our own words
    assert words == ["$HOME; `id` *"]
    assert environment.items() >= {"FOO": "bar"}.items()
    assert "HOME" not in environment


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("exit 3", "pager exited 3"),
        ("echo hello; exit 1", "pager exited 1"),
        ("echo 'no  such\nlist' >&2; exit 1", "pager exited 1: no such list"),
        ("echo 'password=hunter2hunter2' >&2; exit 1", "pager exited 1: password=***"),
        ("kill -9 $$", "pager was ended by signal 9"),
        ("printf '\\377\\033[31m' >&2; exit 1", "pager exited 1: \ufffd [31m"),
    ],
)
async def test_says_how_it_failed_in_a_few_words(script: str, words: str) -> None:
    error = await failure(shell(script))

    assert isinstance(error, TransientError)
    assert error.message == words


async def test_of_what_it_prints_little_is_kept() -> None:
    error = await failure(shell("yes hello | head -c 3000000 >&2; exit 1"))

    assert error.message.startswith("pager exited 1: hello hello")
    assert len(error.message) < 350


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("/no/such/program",), "pager cannot be started: No such file or directory"),
        (("/etc/passwd",), "pager cannot be started: Permission denied"),
        (("echo", "a\0b"), "pager cannot be started: its words hold a zero byte"),
    ],
)
async def test_what_cannot_be_started_is_not_tried_again(words: tuple[str, ...], told: str) -> None:
    error = await failure(command(*words))

    assert type(error) is RemoteError
    assert error.message == told


async def test_who_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    told = shell(f"sleep 300 & echo $! > {tmp_path}/pid; echo; wait", limit_s=0.4)

    began_s = time.monotonic()
    error = await failure(told)

    assert error.message == "pager took longer than 0.4 s"
    assert time.monotonic() - began_s < 10
    commands.until(lambda: not _lives(tmp_path / "pid"), what="the end of its child", limit_s=5)


async def test_who_never_stops_talking_is_ended_too() -> None:
    error = await failure(shell("yes >&2", limit_s=0.4))

    assert error.message == "pager took longer than 0.4 s"


async def test_whom_it_leaves_behind_is_not_waited_for(tmp_path: Path) -> None:
    began_s = time.monotonic()
    await shell(f"sleep 300 & echo $! > {tmp_path}/pid").send(notice())

    assert time.monotonic() - began_s < 10
    os.kill(int((tmp_path / "pid").read_text()), 9)


async def test_who_is_not_waited_for_any_more_is_ended(tmp_path: Path) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.5):
            await shell(f"echo $$ > {tmp_path}/pid; sleep 300").send(notice())

    commands.until(lambda: not _lives(tmp_path / "pid"), what="its end", limit_s=5)


def test_no_virtual_time_passes_while_it_works() -> None:
    async def work() -> float:
        began_s = asyncio.get_running_loop().time()
        await shell("sleep 0.2").send(notice())
        return asyncio.get_running_loop().time() - began_s

    assert loopback.run(work()) == 0


def test_a_command_that_fails_is_told_again_a_few_times(tmp_path: Path) -> None:
    waits = Waits()

    async def work() -> None:
        told = shell(f"cat >> {tmp_path}/got; echo >> {tmp_path}/got; exit 1")
        with structlog.testing.capture_logs(), pytest.raises(TransientError):
            await Delivery(once=told.send, tries=TRIES).bring(notice(), waits)

    loopback.run(work())

    lines = (tmp_path / "got").read_text().splitlines()
    assert [json.loads(one)["id"] for one in lines] == ["osm-1.2.6/7"] * 3
    assert waits.found == [(1, False), (2, False)]


def _lives(file: Path) -> bool:
    pid = int(file.read_text())
    stat = Path(f"/proc/{pid}/stat")
    with contextlib.suppress(OSError):
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    return False
