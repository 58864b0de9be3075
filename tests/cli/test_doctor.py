"""The examination: what a person is told before anything is planned."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig import commands, serving
from tests.rig.commands import Shell

PLAN = commands.PLANS / "osm-upgrade.yaml"


@pytest.fixture
def bare(tmp_path: Path) -> Shell:
    """A shell that names no world."""
    return Shell(root=tmp_path)


@pytest.fixture
def endpoint(bare: Shell) -> Iterator[str]:
    living, ready = serving.started(bare, "--clusters", "6", "--subscriptions", "2")
    yield ready["endpoint"]
    living.send(signal.SIGTERM)
    living.end().must(0)


def test_a_sound_place_passes_every_check(bare: Shell, endpoint: str) -> None:
    ended = bare("doctor", PLAN, "--endpoint", endpoint, "--json").must(0)

    verdicts = {one["name"]: one["verdict"] for one in ended.json}
    assert set(verdicts.values()) == {"ok"}
    assert {"plan file", "journal", "credential", "endpoint", "clock", "resource graph"} <= set(
        verdicts
    )
    assert ended.stderr == ""


def test_people_read_a_table_and_what_to_do_below_it(bare: Shell) -> None:
    # Bound, and nobody listens: a port that is free would soon be somebody else's.
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        ended = bare("doctor", PLAN, "--endpoint", url).must(4)

    lines = ended.stdout.splitlines()
    assert lines[0].split() == ["CHECK", "VERDICT", "DETAIL"]
    assert [line.split()[0] for line in lines[2:4]] == ["plan", "journal"]
    assert "endpoint" in ended.stdout
    assert "fail" in ended.stdout
    assert "endpoint: Check the endpoint" in ended.stdout


def test_a_state_directory_that_cannot_hold_a_journal_fails(bare: Shell, endpoint: str) -> None:
    (bare.root / "file").write_text("")

    ended = bare(
        "--state-dir", bare.root / "file" / "runs", "doctor", PLAN, "--endpoint", endpoint, "--json"
    ).must(5)

    [failed] = [one for one in ended.json if one["verdict"] == "fail"]
    assert (failed["name"], "cannot be written to" in failed["detail"]) == ("journal", True)
    assert failed["hint"].startswith("Name another folder")


def test_a_world_file_needs_no_azure(shell: Shell) -> None:
    ended = shell("doctor", PLAN, "-o", "name").must(0)

    assert ended.stdout == ""


def test_a_plan_file_that_cannot_be_read_ends_the_examination(bare: Shell) -> None:
    bad = commands.written(bare.root / "bad.yaml", "kind: Rollout\n")

    assert bare("doctor", bad).must(2).stdout == ""
