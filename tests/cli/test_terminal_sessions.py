"""Somebody at a terminal: the question before a run, the view during it, colour and width."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig import commands, terminals
from tests.rig.commands import Shell
from tests.rig.terminals import Terminal

PIN = commands.plan("pin")
QUESTION = "Only 'yes' is taken: "


@contextlib.contextmanager
def terminal(
    shell: Shell, *args: str | Path, columns: int = 80, **extra: str
) -> Iterator[Terminal]:
    found = Terminal(shell, *args, columns=columns, **extra)
    try:
        yield found
    finally:
        found.close()


def _runs(shell: Shell) -> list[str]:
    return shell("runs", "-o", "name").must(0).stdout.splitlines()


def test_yes_begins_the_run(shell: Shell) -> None:
    with terminal(shell, "run", PIN, "--run-id", "r1") as term:
        term.wait_for(QUESTION)
        assert "Change 12 clusters, as run r1?" in terminals.plain(term.text)
        term.type("yes\n")
        term.end().must(0)

    assert _runs(shell) == ["r1"]
    assert "(prompt)" in shell("log", "r1").must(0).stdout


@pytest.mark.parametrize("answer", ["no\n", "y\n", "YES\n", "\n", "\x04"])
def test_anything_else_begins_nothing(shell: Shell, answer: str) -> None:
    with terminal(shell, "run", PIN, "--run-id", "r1") as term:
        term.wait_for(QUESTION)
        term.type(answer)
        ended = term.end().must(3)

    assert "nothing was changed" in terminals.plain(ended.stdout)
    assert _runs(shell) == []


def test_ctrl_c_at_the_question_begins_nothing(shell: Shell) -> None:
    with terminal(shell, "run", PIN, "--run-id", "r1") as term:
        term.wait_for(QUESTION)
        term.type("\x03")
        term.end().must(-signal.SIGINT)  # 130, as a shell has it

    assert _runs(shell) == []


@pytest.mark.parametrize("columns", [80, 200])
def test_the_live_view_fits_the_terminal(lively: Shell, columns: int) -> None:
    with terminal(lively, "run", PIN, "--yes", "--run-id", "r1", columns=columns) as term:
        ended = term.end().must(0)

    lines = terminals.lines(ended.stdout)
    assert [line for line in lines if len(line) > columns] == []
    # What the bars show by colour is there as numbers and words too.
    text = terminals.plain(ended.stdout)
    for said in ("3 in flight", "4/11", "NotStarted", "Succeeded", "run Succeeded"):
        assert said in text
    assert terminals.has_colour(ended.stdout)


@pytest.fixture(scope="module")
def bad_night(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A shell in which a run met some of everything, to look at only."""
    shell = Shell(root=tmp_path_factory.mktemp("night"), world=commands.world("stormy"))
    shell("run", PIN, "--yes", "--run-id", "r1").must(1)
    return shell


@pytest.mark.parametrize("columns", [80, 200])
@pytest.mark.parametrize(
    "args",
    [("plan", PIN), ("discover", PIN), ("status", "r1"), ("runs",)],
    ids=lambda args: args[0],
)
def test_tables_fit_the_terminal(
    bad_night: Shell, columns: int, args: tuple[str | Path, ...]
) -> None:
    with terminal(bad_night, *args, columns=columns) as term:
        ended = term.end().must(0)

    assert [line for line in terminals.lines(ended.stdout) if len(line) > columns] == []


def test_no_color_leaves_bold_at_most(shell: Shell) -> None:
    with terminal(shell, "plan", PIN, NO_COLOR="1") as term:
        planned = term.end().must(0)
    with terminal(shell, "run", PIN, "--yes", "--run-id", "r1", NO_COLOR="1") as term:
        ran = term.end().must(0)

    assert terminals.colours(planned.stdout + ran.stdout) <= {"0", "1"}


def test_a_terminal_that_goes_away_leaves_the_run_to_the_next_runner(lively: Shell) -> None:
    with terminal(lively, "run", commands.plan("patient"), "--yes", "--run-id", "r1") as term:
        term.wait_for("wave rest  opened")
        term.hang_up()
        assert term.process.wait(15) == 6

    lively("run", "--run-id", "r1").must(0)


def test_without_a_terminal_there_are_no_escape_codes(shell: Shell) -> None:
    ended = shell("run", PIN, "--yes", "--run-id", "r1").must(0)
    assert not terminals.has_escapes(ended.stdout + ended.stderr)

    for args in (("plan", PIN), ("status", "r1"), ("runs",), ("log", "r1"), ("watch", "r1")):
        ended = shell(*args).must(0)
        assert not terminals.has_escapes(ended.stdout + ended.stderr)
