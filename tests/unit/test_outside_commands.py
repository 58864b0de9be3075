"""Commands of the user's own: what they get, what is read of them, and that they end."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

import pytest

from fleet.errors import FleetError, InputError, RemoteError
from fleet.model.gates import Reading
from fleet.outside import commands
from fleet.outside.commands import Commands


async def ran(script: str, *args: str, pointer: str = "") -> Reading:
    return await Commands().reading((sys.executable, "-I", "-c", script, *args), pointer)


async def told(script: str) -> str:
    with pytest.raises(RemoteError) as caught:
        await ran(script)
    return caught.value.message.removeprefix(f"the command {sys.executable}: ")


@pytest.mark.parametrize(
    ("printed", "pointer", "expected"),
    [
        ("0.25\\n", "", Reading(values=("0.25",))),
        (" NaN ", "", Reading(values=("NaN",))),
        ("[1, 2.5]", "", Reading(values=("1", "2.5"))),
        ('{"a": {"b": 3}}', "/a/b", Reading(values=("3",))),
        ("7", "/a", Reading(detail="there is nothing at /a")),
        ("", "", Reading(detail="it printed nothing")),
    ],
)
async def test_what_is_printed_is_a_number_or_json(
    printed: str, pointer: str, expected: Reading
) -> None:
    assert await ran(f"print('''{printed}''', end='')", pointer=pointer) == expected


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("print('well')", "it printed neither a number nor JSON"),
        ("print('[' * 5000)", "it printed neither a number nor JSON"),
        (
            "print('{\"a\": 1}')",
            "the answer has an object where a number is needed",
        ),
        ("print(1); raise SystemExit(3)", "it ended with status 3"),
        (
            "import sys; sys.stderr.write('first\\nlast: password=hunter2\\n\\n'); sys.exit(1)",
            "it ended with status 1: last: password=***",
        ),
        ("import os; os.kill(os.getpid(), 11)", "it was ended by SIGSEGV"),
        ("print('9' * 2_000_000)", "it printed more than 1 MB"),
        ("while True: print('9' * 100_000)", "it printed more than 1 MB"),
    ],
)
async def test_a_command_that_fails_says_how(script: str, expected: str) -> None:
    assert await told(script) == expected


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ((), "the command is empty"),
        (("",), "the command is empty"),
        (("no-such-program-here",), "the command no-such-program-here cannot be run: No such file"),
        (("/",), "the command / cannot be run: Permission denied"),
        (("echo", "a\0b"), "the command echo cannot be run: an argument cannot be passed"),
        (("echo", "a" * 200_000), "the command echo cannot be run: Argument list too long"),
    ],
    ids=["none", "empty", "absent", "folder", "null", "long"],
)
async def test_what_cannot_be_run_says_why(argv: tuple[str, ...], expected: str) -> None:
    with pytest.raises(InputError) as caught:
        await Commands().reading(argv, "")

    assert caught.value.message.startswith(expected)


async def test_no_shell_reads_the_arguments() -> None:
    script = "import sys; print([len(one) for one in sys.argv[1:]])"

    assert await ran(script, "$HOME", "a b", "`id`", ";ls") == Reading(values=("5", "3", "4", "3"))


async def test_next_to_nothing_of_our_environment_is_handed_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AZURE_CLIENT_SECRET", "FLEET_X", "AWS_PROFILE", "HTTPS_PROXY", "TZ"):
        monkeypatch.setenv(name, "hunter2")
    given = commands.environment(os.environ)

    assert set(given) <= {"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ"}
    assert given["TZ"] == "hunter2"
    script = "import os; print(sum('hunter2' in one for one in os.environ.values()))"
    assert await ran(script) == Reading(values=("1",))


async def test_nothing_can_be_read_from_us() -> None:
    assert await ran("import sys; print(len(sys.stdin.read()))") == Reading(values=("0",))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # NB: one that was ended and that nobody has asked for is no process any more.
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


def _wait_until_gone(pid: int) -> None:
    ends_at = time.monotonic() + 5
    while _is_alive(pid):
        assert time.monotonic() < ends_at, f"{pid} is still there"
        time.sleep(0.01)


CHILD = """
import subprocess, sys, time
child = subprocess.Popen(["sleep", "600"])
open(sys.argv[1], "w").write(str(child.pid))
"""


def _written(path: Path) -> int:
    return int(path.read_text()) if path.exists() and path.read_text() else 0


async def _until_written(path: Path) -> int:
    async with asyncio.timeout(10):
        while not (found := _written(path)):  # noqa: ASYNC110 - another process writes
            await asyncio.sleep(0.01)
    return found


async def test_a_child_that_is_left_behind_ends_with_the_command(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    found = await ran(f"{CHILD}\nprint(5)", str(path))

    assert found == Reading(values=("5",))
    _wait_until_gone(int(path.read_text()))


async def test_whoever_gives_up_ends_the_command_and_its_children(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    script = f"{CHILD}\nimport os; open(sys.argv[2], 'w').write(str(os.getpid())); time.sleep(600)"
    asking = asyncio.ensure_future(ran(script, str(path), str(tmp_path / "own")))
    child, own = await _until_written(path), await _until_written(tmp_path / "own")
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking

    _wait_until_gone(child)
    _wait_until_gone(own)


async def test_whoever_leaves_the_group_is_not_waited_for(tmp_path: Path) -> None:
    script = """
import subprocess, sys
child = subprocess.Popen(["sleep", "600"], start_new_session=True)
open(sys.argv[1], "w").write(str(child.pid))
print(5)
"""
    path = tmp_path / "pid"
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await ran(script, str(path))

    os.kill(int(path.read_text()), 9)


async def test_only_some_run_at_a_time(tmp_path: Path) -> None:
    """Each says how many it saw running; it waits until as many as may have come."""
    script = """
import os, sys, time
folder, most = sys.argv[1], int(sys.argv[2])
mine = os.path.join(folder, str(os.getpid()))
open(mine, "w").close()
seen, ends_at = 0, time.monotonic() + 10
while seen < most and time.monotonic() < ends_at:
    seen = max(seen, len(os.listdir(folder)))
    time.sleep(0.01)
time.sleep(0.05)
seen = max(seen, len(os.listdir(folder)))
os.remove(mine)
print(seen)
"""
    shared = Commands()
    argv = (sys.executable, "-I", "-c", script, str(tmp_path), str(commands.AT_A_TIME))
    async with asyncio.TaskGroup() as tasks:
        asked = [
            tasks.create_task(shared.reading(argv, ""), name=f"command {n}")
            for n in range(2 * commands.AT_A_TIME)
        ]

    seen = {one.result().values for one in asked}
    assert seen == {(str(commands.AT_A_TIME),)}


async def test_each_error_is_one_of_ours() -> None:
    with pytest.raises(FleetError):
        await ran("raise SystemExit(9)")
