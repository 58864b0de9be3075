from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.rig import commands
from tests.rig.commands import Shell

PIN = commands.plan("pin")


Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A shell in which a plan was saved, to look at only."""
    shell = Shell(root=tmp_path_factory.mktemp("saved"), world=commands.world("calm"))
    shell("plan", PIN, "--out", "saved.json").must(0)
    return shell


def _changed(shell: Shell, change: Change) -> Path:
    document = json.loads((shell.root / "saved.json").read_text())
    change(document)
    return commands.written(shell.root / "changed.json", json.dumps(document))


def test_the_detailed_exit_status_tells_changes_from_none(shell: Shell) -> None:
    shell("plan", PIN, "--detailed-exitcode").must(10)
    shell("plan", PIN).must(0)
    shell("run", PIN, "--yes").must(0)

    shell("plan", PIN, "--detailed-exitcode").must(0)


def test_a_saved_plan_is_shown_and_run_under_the_digest_it_was_printed_with(shell: Shell) -> None:
    printed = shell("plan", PIN, "--json", "--out", "saved.json").must(0).json

    shown = shell("show", "saved.json", "--json").must(0).json
    ran = shell("run", "saved.json", "--yes", "--run-id", "r1", "--json").must(0).json

    assert {printed["digest"], shown["digest"], ran["planDigest"]} == {printed["digest"]}
    assert (shell.root / "saved.json").stat().st_mode & 0o777 == 0o600


def test_planning_a_saved_plan_shows_it_as_it_was_saved(saved: Shell) -> None:
    again = saved("plan", "saved.json", "--json").must(0).stdout

    assert again == (saved.root / "saved.json").read_text()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda d: d["targets"][0].update(to="9.9.9"), id="a version"),
        pytest.param(lambda d: d["targets"].pop(), id="a target less"),
        pytest.param(lambda d: d["limits"].update(maxFailures=11), id="the budget"),
        pytest.param(lambda d: d["waves"][0].update(maxConcurrency=50), id="the concurrency"),
        pytest.param(lambda d: d["waves"][0]["targets"].pop(), id="a wave's list"),
        pytest.param(lambda d: d["waves"].reverse(), id="the order of waves"),
        pytest.param(lambda d: d.pop("waves"), id="no waves"),
        pytest.param(lambda d: d["targets"][0].pop("steps"), id="no steps"),
        pytest.param(lambda d: d.update(name="innocent"), id="the name"),
        pytest.param(lambda d: d.update(digest="sha256:" + "0" * 64), id="the digest"),
    ],
)
def test_a_plan_that_was_changed_after_it_was_made_is_refused_as_tampered(
    saved: Shell, change: Change
) -> None:
    changed = _changed(saved, change)

    ended = saved("run", changed, "--yes", "--run-id", "never").must(5)

    assert "was changed after it was made" in ended.stderr
    assert not (saved.state_dir / "runs").exists()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda d: d.update(targets="all"), id="no list"),
        pytest.param(lambda d: d["targets"].append(None), id="null"),
        pytest.param(lambda d: d.update(limits={}), id="no limits"),
        pytest.param(lambda d: d.update(apiVersion="fleet/v9"), id="another release's"),
    ],
)
def test_a_plan_that_is_none_is_bad_input(saved: Shell, change: Change) -> None:
    changed = _changed(saved, change)

    assert saved("show", changed).must(2).stderr.startswith("error F100")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"{}", b'{"kind": "Plan"}', b"\xff\xfe{}", b"[]", b"kind: Plan\n"]
)
def test_what_is_no_plan_at_all_is_bad_input(shell: Shell, content: bytes) -> None:
    (shell.root / "saved.json").write_bytes(content)

    assert shell("run", "saved.json", "--yes").must(2).stdout == ""


@pytest.mark.parametrize(
    ("on_drift", "status", "exit_status"),
    [pytest.param("fail", "Drifted", 1, id="fail"), pytest.param("skip", "Skipped", 0, id="skip")],
)
def test_targets_that_moved_since_the_plan_was_saved_go_their_own_way(
    shell: Shell, on_drift: str, status: str, exit_status: int
) -> None:
    text = PIN.read_text().replace("version: 1.2.6", f"version: 1.2.6, onDrift: {on_drift}")
    late = commands.written(shell.root / "late.yaml", text)
    somewhere_else = text.replace("1.2.6", "1.2.3").replace(
        "tenant: true", "tenant: true, match: {names: [store-0002-b, store-0003-a]}"
    )
    early = commands.written(shell.root / "early.yaml", somewhere_else)
    shell("plan", late, "--out", "saved.json").must(0)
    shell("run", early, "--yes").must(0)

    ended = shell("run", "saved.json", "--yes", "--run-id", "late", "--json").must(exit_status)

    found = {one["clusterName"]: one["status"] for one in ended.json["targets"]}
    assert {name for name, one in found.items() if one == status} == {
        "store-0002-b",
        "store-0003-a",
    }
    assert set(found.values()) == {status, "Succeeded"}


def test_a_plan_is_saved_whole_or_not_at_all(shell: Shell) -> None:
    assert "cannot be saved" in shell("plan", PIN, "--out", "no/such/folder.json").must(2).stderr

    (shell.root / "folder").mkdir()
    assert "cannot be saved" in shell("plan", PIN, "--out", "folder").must(2).stderr
    assert sorted(one.name for one in shell.root.glob("[!.]*")) == ["folder", "state"]
    assert list(shell.root.glob(".folder*")) == []


def test_a_run_is_taken_over_with_its_own_plan_only(shell: Shell) -> None:
    shell("run", PIN, "--yes", "--run-id", "r1").must(0)
    other = commands.written(shell.root / "other.yaml", PIN.read_text().replace("CHG1", "CHG2"))

    shell("run", PIN, "--yes", "--run-id", "r1").must(0)
    ended = shell("run", other, "--yes", "--run-id", "r1").must(3)

    assert "began with another plan" in ended.stderr


def test_a_run_is_taken_over_in_its_own_world_only(shell: Shell) -> None:
    living = shell("run", PIN, "--yes", "--run-id", "r1", "--world", commands.world("calm"))
    living.must(0)
    text = commands.world("calm").read_text()
    other = commands.written(shell.root / "other.yaml", text.replace("seed: 7", "seed: 8"))

    shell("run", "--run-id", "r1").must(0)
    ended = shell("run", "--run-id", "r1", "--world", other)

    # It is over: nothing is asked of any world, and its end is told.
    assert ended.must(0).stdout.startswith("r1 (pin): Succeeded")
