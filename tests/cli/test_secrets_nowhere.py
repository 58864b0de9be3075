"""A protected setting's value: searched for in every file and every stream, in every spelling."""

from __future__ import annotations

import base64
import urllib.parse
from pathlib import Path

import pytest

from tests.rig import commands
from tests.rig.commands import Shell, living

CANARY = "c4nary/+hunter2&Zx=%9q"


def _with_a_token(name: str) -> str:
    text = commands.plan(name).read_text()
    return text.replace(
        "1.2.6}", "1.2.6, protectedSettings: {gateway.token: {fromEnv: OSM_TOKEN}}}"
    )


PLAN = _with_a_token("pin")
PATIENT = _with_a_token("patient")

LEAKY = """
import os
from fleet.cli.app import main
from fleet.errors import OperationFailedError
from fleet.sim.ports import SimulatedAzure

secret = os.environ["OSM_TOKEN"]
real = SimulatedAzure.write

async def write(self, ref, what, ids):
    if ref.cluster_id.endswith("store-0003-a"):
        raise OperationFailedError(f"The request was not accepted: {what.protected} {secret}.")
    if ref.cluster_id.endswith("store-0004-a") and "bug" in os.environ.get("PLANTED", ""):
        raise ValueError(f"cannot encode {secret}")
    return await real(self, ref, what, ids)

SimulatedAzure.write = write
main()
"""
"""A service that quotes what it was sent, and a bug that does."""


def _spellings() -> tuple[bytes, ...]:
    raw = CANARY.encode()
    texts = {
        CANARY,
        urllib.parse.quote(CANARY),
        urllib.parse.quote(CANARY, safe=""),
        *(base64.b64encode(bytes(n) + raw).decode()[4:-4] for n in range(3)),
    }
    return tuple(text.encode() for text in texts)


def _leaks(root: Path) -> list[str]:
    """Return the files under *root*, what was said included, that hold the value."""
    files = [path for path in root.rglob("*") if path.is_file()]
    assert len(files) > 3
    return [
        str(path.relative_to(root))
        for path in files
        if any(one in path.read_bytes() for one in _spellings())
    ]


@pytest.mark.parametrize(
    ("log_format", "planted"), [("text", "bug"), ("json", ""), ("json", "bug")]
)
def test_the_value_is_in_no_file_and_no_stream(
    stormy: Shell, log_format: str, planted: str
) -> None:
    commands.written(stormy.root / "plan.yaml", PLAN)
    shell = stormy.with_(
        OSM_TOKEN=CANARY, FLEET_LOG_LEVEL="debug", FLEET_LOG_FORMAT=log_format, PLANTED=planted
    )
    entry = ("-c", LEAKY)

    shell("plan", "plan.yaml", "--out", "saved.json", entry=entry)
    ran = shell("run", "saved.json", "--yes", "--run-id", "r1", entry=entry)

    assert ran.status == (70 if planted else 1)
    assert "***" in ran.stderr
    assert "***" in ran.stdout
    # Forgotten again: what looks at the run later knows no secrets to keep back.
    looking = stormy.with_(FLEET_LOG_LEVEL="debug", FLEET_LOG_FORMAT=log_format)
    forms = ("table", "json", "yaml", "csv", "md")
    looked = looking.many(
        *(("status", "r1", "-o", form) for form in forms),
        *(("show", "saved.json", "-o", form) for form in forms),
        ("log", "r1"),
        ("log", "r1", "--json"),
        ("runs",),
        ("verify", "r1"),
    )
    assert {ended.must(0).status for ended in looked} == {0}
    assert _leaks(stormy.root) == []


def test_a_journal_that_is_still_open_holds_it_nowhere_either(lively: Shell) -> None:
    commands.written(lively.root / "plan.yaml", PATIENT)
    shell = lively.with_(OSM_TOKEN=CANARY)

    with living(shell, "run", "plan.yaml", "--yes", "--run-id", "r1") as runner:
        runner.wait_for("wave rest  opened")
        runner.process.kill()
        runner.process.wait()

    assert (lively.state_dir / "runs" / "r1" / "journal.db-wal").stat().st_size > 0
    assert _leaks(lively.root) == []
    shell("run", "--run-id", "r1").must(0)
    assert _leaks(lively.root) == []


@pytest.mark.parametrize("value", [None, ""])
def test_a_variable_that_is_not_set_is_bad_input_and_named(shell: Shell, value: str | None) -> None:
    plan = commands.written(shell.root / "plan.yaml", PLAN)
    told = shell if value is None else shell.with_(OSM_TOKEN=value)

    ended = told("run", plan, "--yes", "--run-id", "r1").must(2)

    assert "OSM_TOKEN" in ended.stderr
    assert shell("runs", "-o", "name").must(0).stdout == ""
    shell("plan", plan).must(0)  # a plan needs no secrets


def test_a_takeover_needs_the_variable_too(lively: Shell) -> None:
    commands.written(lively.root / "plan.yaml", PATIENT)
    shell = lively.with_(OSM_TOKEN=CANARY)
    with living(shell, "run", "plan.yaml", "--yes", "--run-id", "r1") as runner:
        runner.wait_for("wave rest  opened")
        runner.process.kill()
        runner.process.wait()

    assert "OSM_TOKEN" in lively("run", "--run-id", "r1").must(2).stderr
    shell("run", "--run-id", "r1").must(0)


def test_a_value_that_also_stands_in_plain_is_refused_without_quoting_it(shell: Shell) -> None:
    plan = commands.written(
        shell.root / "plan.yaml",
        PLAN.replace("1.2.6,", f"1.2.6, settings: {{osm.osm.meshName: '{CANARY}'}},"),
    )
    told = shell.with_(OSM_TOKEN=CANARY)

    for args in (("plan", plan), ("run", plan, "--yes")):
        ended = told(*args).must(3)
        assert CANARY not in ended.stdout + ended.stderr
        assert "protected setting" in ended.stderr


def test_a_saved_plan_that_holds_the_value_in_plain_is_refused_before_it_is_shown(
    shell: Shell,
) -> None:
    plan = commands.written(
        shell.root / "plan.yaml",
        PLAN.replace("1.2.6,", f"1.2.6, settings: {{osm.osm.meshName: '{CANARY}'}},"),
    )
    shell("plan", plan, "--out", "saved.json").must(0)  # nobody knows yet that it is a secret

    ended = shell.with_(OSM_TOKEN=CANARY)("run", "saved.json", "--yes").must(3)

    assert CANARY not in ended.stdout + ended.stderr
    assert shell("runs", "-o", "name").must(0).stdout == ""


def test_files_are_for_their_owner_only(shell: Shell) -> None:
    shell("run", commands.plan("pin"), "--yes", "--run-id", "r1").must(0)

    found = {path: path.stat().st_mode & 0o777 for path in shell.state_dir.rglob("*")}
    assert {mode for path, mode in found.items() if path.is_file()} == {0o600}
    assert {mode for path, mode in found.items() if path.is_dir()} == {0o700}
    assert shell.state_dir.stat().st_mode & 0o777 == 0o700
