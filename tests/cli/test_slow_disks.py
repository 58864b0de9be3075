"""The state directory on a disk where each commit takes a fifth of a second."""

from __future__ import annotations

import json

from tests.rig import commands
from tests.rig.commands import Shell

SLOW = (
    "import contextlib, time\n"
    "from fleet.journal import connections\n"
    "prompt = connections.transaction\n"
    "@contextlib.contextmanager\n"
    "def slow(connection):\n"
    "    with prompt(connection):\n"
    "        yield\n"
    "        time.sleep(0.2)\n"
    "connections.transaction = slow\n"
    "from fleet.cli.app import main\n"
    "main()\n"
)


def test_a_run_on_a_slow_disk_ends_as_any_other_and_is_steered_meanwhile(lively: Shell) -> None:
    text = commands.plan("patient").read_text()
    # The soak keeps the run where it can be asked something, however slow the machine is.
    plan = commands.written(
        lively.root / "slow.yaml", text.replace("canary, size: 1", "canary, size: 1, soakTime: 30m")
    )
    runner = lively.start("run", plan, "--yes", "--run-id", "r1", "--json", entry=("-c", SLOW))
    try:
        runner.wait_for("wave canary  opened")
        paused = lively("pause", "r1", "--reason", "a slow disk", entry=("-c", SLOW))
        resumed = lively("resume", "r1", entry=("-c", SLOW))
        ended = runner.end().must(0)
    finally:
        runner.process.kill()
        runner.process.wait()

    paused.must(0)
    resumed.must(0)
    assert "a slow disk" in paused.stderr
    assert ended.json["counts"] == {"Succeeded": 12}
    log = [json.loads(line) for line in lively("log", "r1", "--json").must(0).stdout.splitlines()]
    assert [one["kind"] for one in log if "requestId" in one] == ["run.pausing", "run.resumed"]
    assert lively("verify", "r1", "--json").must(0).json["isComplete"]
    assert lively("locks", "list", "--json").must(0).json == []
