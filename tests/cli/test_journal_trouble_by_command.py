"""What goes wrong with the journal, as somebody at the command line meets it, and what is left."""

from __future__ import annotations

import contextlib
import resource
import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.rig import commands, disks
from tests.rig.commands import Ended, Shell, living

PIN = commands.plan("pin")
PATIENT = commands.plan("patient")
LOOKING: tuple[tuple[str, ...], ...] = (
    ("status", "r1"),
    ("log", "r1"),
    ("verify", "r1"),
    ("runs",),
)


def _journal(shell: Shell) -> Path:
    return shell.state_dir / "runs" / "r1" / "journal.db"


def _run(shell: Shell) -> Ended:
    return shell("run", PIN, "--yes", "--run-id", "r1")


def _killed(lively: Shell) -> None:
    with living(lively, "run", PATIENT, "--yes", "--run-id", "r1") as process:
        process.wait_for("wave rest  opened")
        process.process.kill()


def test_a_finished_run_can_be_audited_where_nothing_can_be_written(shell: Shell) -> None:
    _run(shell).must(0)
    expected = shell.many(*LOOKING)

    with disks.read_only(shell.state_dir):
        found = shell.many(*LOOKING)

    assert [one.must(0) for one in found] == expected


def test_a_run_that_was_killed_is_refused_on_a_read_only_disk_and_goes_on_afterwards(
    lively: Shell,
) -> None:
    _killed(lively)

    with disks.read_only(lively.state_dir):
        for wanted in (("run", "--run-id", "r1"), ("pause", "r1")):
            ended = lively(*wanted)
            assert ended.status in (2, 5), ended
            ended.must(ended.status)
            assert "read-only" in ended.stderr.lower()
        for args in LOOKING:
            looked = lively(*args)
            looked.must(looked.status if looked.status == 5 else 0)

    lively("run", "--run-id", "r1").must(0)
    lively("verify", "r1").must(0)


def test_nothing_is_begun_on_a_read_only_disk(shell: Shell) -> None:
    shell.state_dir.mkdir()
    with disks.read_only(shell.state_dir):
        ended = _run(shell)
        assert ended.status in (2, 5), ended
        ended.must(ended.status)
        assert "read-only" in ended.stderr.lower()

    _run(shell).must(0)


@pytest.mark.parametrize("size", ["200k", "240k", "280k"])
def test_a_full_disk_ends_the_runner_and_the_run_goes_on_when_there_is_room(
    shell: Shell, size: str
) -> None:
    with disks.small(shell.state_dir, size):
        full = _run(shell).must(5)
        assert "full" in full.stderr or "refused" in full.stderr
        disks.grow(shell.state_dir, "8m")

        # Perhaps it was full before anything was begun: then the file names the plan.
        assert _run(shell).must(0).stdout.startswith("r1 (pin): Succeeded: 12 Succeeded")
        shell("verify", "r1").must(0)


@pytest.mark.parametrize("limit", [70_000, 120_000, 160_000])
def test_a_limit_on_file_sizes_ends_the_runner_and_the_run_goes_on_without(
    shell: Shell, limit: int
) -> None:
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    small = shell("run", PIN, "--yes", "--run-id", "r1", before=limited).must(5)

    assert "the disk refused a read or a write" in small.stderr
    assert _run(shell).must(0).stdout.startswith("r1 (pin): Succeeded: 12 Succeeded")
    shell("verify", "r1").must(0)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"garbage" * 5000, "not an SQLite database", id="garbage"),
        pytest.param(b"", "", id="empty"),
        pytest.param(b"SQLite format 3\0", "", id="half a header"),
    ],
)
def test_a_file_that_is_no_journal_is_a_journal_error(
    shell: Shell, content: bytes, said: str
) -> None:
    _journal(shell).parent.mkdir(parents=True)
    _journal(shell).write_bytes(content)

    for args in (("status", "r1"), ("verify", "r1"), ("log", "r1"), ("run", "--run-id", "r1")):
        assert said in shell(*args).must(5).stderr
    assert shell("runs", "--json").must(0).json[0]["status"] == "Unreadable"
    assert _journal(shell).read_bytes() == content


def test_a_journal_that_was_cut_is_a_journal_error(shell: Shell) -> None:
    _run(shell).must(0)
    whole = _journal(shell).read_bytes()
    _journal(shell).write_bytes(whole[: len(whole) // 2])

    for args in (("status", "r1"), ("verify", "r1"), ("run", "--run-id", "r1"), ("pause", "r1")):
        assert "error F4" in shell(*args).must(5).stderr
    _journal(shell).write_bytes(whole)
    shell("verify", "r1").must(0)


def _tampered(shell: Shell, statement: str, *values: object) -> None:
    with contextlib.closing(sqlite3.connect(_journal(shell))) as found, found:
        names = found.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        for name, _ in names.fetchall():
            found.execute(f"DROP TRIGGER {name}")
        found.execute(statement, values)


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param(
            "UPDATE records SET body = CAST(replace(CAST(body AS TEXT), 'a', 'b') AS BLOB)"
            " WHERE seq = 60",
            id="a letter",
        ),
        pytest.param("DELETE FROM records WHERE seq = 60", id="a record"),
        pytest.param("UPDATE records SET link = zeroblob(32) WHERE seq = 60", id="a link"),
    ],
)
def test_a_journal_that_was_altered_is_told_with_its_place(shell: Shell, statement: str) -> None:
    _run(shell).must(0)
    _tampered(shell, statement)

    for args in (("verify", "r1"), ("status", "r1"), ("log", "r1"), ("run", "--run-id", "r1")):
        ended = shell(*args).must(5)
        assert "error F420" in ended.stderr
        assert "6" in ended.stderr


def test_an_anchor_proves_that_nothing_was_cut(shell: Shell) -> None:
    _run(shell).must(0)
    found = shell("verify", "r1", "--json").must(0).json
    anchor = f"{found['count']}:{found['head']}"
    shell("verify", "r1", "--anchor", anchor).must(0)

    _tampered(shell, "DELETE FROM records WHERE seq > 90")

    assert "prefix of 90 events" in shell("verify", "r1").must(0).stdout
    assert "cut or rewritten" in shell("verify", "r1", "--anchor", anchor).must(5).stderr
    for bad in ("nonsense", "12", ":", "1:00", f"0:{found['head']}", anchor[:-1]):
        assert "no anchor" in shell("verify", "r1", "--anchor", bad).must(2).stderr


def test_a_journal_of_a_newer_release_is_left_alone(shell: Shell) -> None:
    _run(shell).must(0)
    with contextlib.closing(sqlite3.connect(_journal(shell))) as found:
        found.execute("PRAGMA user_version = 999")

    for args in (("status", "r1"), ("verify", "r1"), ("run", "--run-id", "r1"), ("pause", "r1")):
        assert "newer" in shell(*args).must(5).stderr
    assert shell("runs", "--json").must(0).json[0]["status"] == "Unreadable"


def test_a_network_file_system_is_refused_with_the_reason(shell: Shell) -> None:
    script = (
        "import pathlib\n"
        "from fleet.journal import filesystem\n"
        "fake = pathlib.Path('mountinfo')\n"
        f"line = '2 1 0:9 / {shell.state_dir} rw - nfs4 y rw'\n"
        "fake.write_text('1 0 0:1 / / rw - ext4 x rw\\n' + line)\n"
        "real = filesystem._kind\n"
        "filesystem._kind = lambda path, mountinfo: real(path, fake)\n"
        "from fleet.cli.app import main\n"
        "main()\n"
    )

    ended = shell("run", PIN, "--yes", "--run-id", "r1", entry=("-c", script)).must(5)

    assert "nfs4" in ended.stderr
    assert "local disk" in ended.stderr
    assert not _journal(shell).exists()


def test_a_state_directory_that_is_a_file_is_said(shell: Shell) -> None:
    shell.state_dir.write_text("")

    for args in (("runs",), ("status", "r1"), ("run", PIN, "--yes")):
        assert "is no directory" in shell(*args).must(2).stderr


def test_a_run_folder_can_be_carried_to_another_place_when_nobody_runs_it(
    shell: Shell, tmp_path: Path
) -> None:
    _run(shell).must(0)
    shutil.copytree(shell.state_dir, tmp_path / "copy")

    elsewhere = shell.with_(FLEET_STATE_DIR=tmp_path / "copy")

    assert elsewhere("verify", "r1").must(0).stdout == shell("verify", "r1").must(0).stdout
