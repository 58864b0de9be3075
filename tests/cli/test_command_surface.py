from __future__ import annotations

import re

import pytest

from tests.rig import commands
from tests.rig.commands import Shell

COMMANDS = (
    "validate",
    "schema",
    "discover",
    "plan",
    "show",
    "check",
    "profiles",
    "doctor",
    "run",
    "retry",
    "rollback",
    "pause",
    "resume",
    "stop",
    "skip",
    "approve",
    "override",
    "explain",
    "status",
    "watch",
    "log",
    "runs",
    "verify",
    "sim",
    "locks",
)

_OPTION = re.compile(r"^  (?:-\w, )?(--[\w-]+)(?: <[^>]*>| [A-Z][A-Z:]*)?(.*)$")


def _undescribed(text: str) -> list[str]:
    """Return the options of a help text that say nothing about themselves."""
    lines = text.splitlines()
    found = []
    for number, line in enumerate(lines):
        match = _OPTION.match(line)
        if match is None:
            continue
        below = lines[number + 1] if number + 1 < len(lines) else ""
        is_told = match[2].strip() or below.startswith(" " * 20)
        if not is_told:
            found.append(match[1])
    return found


def test_shows_all_commands_with_what_they_do_when_asked_for_nothing(shell: Shell) -> None:
    ended = shell().must(2)

    section = ended.stderr.split("Commands:\n")[1]
    told = {line.split()[0]: line.split(maxsplit=1)[1] for line in section.splitlines()}
    assert set(told) == set(COMMANDS)
    assert not _undescribed(ended.stderr)


def test_help_and_version_are_data(shell: Shell) -> None:
    helped = shell("--help").must(0)
    version = shell("--version").must(0)

    assert (helped.stderr, version.stderr) == ("", "")
    assert helped.stdout.startswith("Usage: fleet")
    assert re.fullmatch(r"fleet \d+\.\d+\S*\n", version.stdout)


def test_every_command_and_every_option_has_help(shell: Shell) -> None:
    for ended in shell.many(*((command, "--help") for command in COMMANDS)):
        ended.must(0)
        assert ended.stdout.split("\n\n")[1].strip(), ended.args
        assert (_undescribed(ended.stdout), ended.stderr) == ([], ""), ended.args


NONSENSE: tuple[tuple[str, ...], ...] = (
    ("--bogus",),
    ("nonsense",),
    ("run", "--bogus"),
    ("validate",),
    ("runs", "-o", "xml"),
    ("log", "x", "-o", "csv"),
    ("schema", "--kind", "world"),
    ("--log-level", "loud", "runs"),
    ("--log-format", "xml", "runs"),
    ("run",),
    ("run", "--run-id", "../a", "x.yaml"),
    ("status", "../../etc"),
    ("status", "unknown"),
    ("verify", "unknown"),
    ("pause", "unknown"),
    ("validate", "missing.yaml"),
    ("show", "missing.json"),
    ("plan", "."),
)


def test_what_nobody_can_mean_exits_with_2_and_says_so_on_stderr(shell: Shell) -> None:
    for ended in shell.many(*NONSENSE):
        ended.must(2)
        assert ended.stdout == "", ended.args
        assert len(ended.stderr) > 20, ended.args
    shell("run", "--bogus").must(2)


def test_a_cloud_that_does_not_exist_is_answered_with_those_that_do(shell: Shell) -> None:
    nowhere = Shell(root=shell.root)

    ended = nowhere("plan", commands.plan("pin"), "--cloud", "AzureMoon").must(2)

    assert "'AzureMoon'" in ended.stderr
    assert "AzureCloud, AzureUSGovernment, AzureChinaCloud" in ended.stderr


def test_a_world_and_an_endpoint_exclude_each_other(shell: Shell) -> None:
    ended = shell("plan", commands.plan("pin"), "--endpoint", "http://127.0.0.1:9").must(2)

    assert "FLEET_WORLD" in ended.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("", "empty", id="empty"),
        pytest.param("apiVersion: fleet/v1\nkind: World\nclusterz: 3\n", "clusters", id="misspelt"),
        pytest.param("kind: [", "world.yaml:1:8", id="not YAML"),
    ],
)
def test_a_bad_world_file_is_bad_input(shell: Shell, text: str, said: str) -> None:
    world = commands.written(shell.root / "world.yaml", text)

    ended = shell("discover", commands.plan("pin"), "--world", world).must(2)

    assert said in ended.stderr


def test_options_come_from_the_environment_too_but_never_consent(shell: Shell) -> None:
    told = shell.with_(FLEET_OUTPUT="json", FLEET_YES="1", FLEET_RUN_YES="true")

    assert told("runs").must(0).json == []
    refused = told("run", commands.plan("pin")).must(3)
    assert "--yes" in refused.stderr


@pytest.mark.parametrize("columns", ["abc", "0", "9" * 30])
def test_nonsense_in_columns_does_no_harm(shell: Shell, columns: str) -> None:
    shell.with_(COLUMNS=columns)("plan", commands.plan("pin")).must(0)
