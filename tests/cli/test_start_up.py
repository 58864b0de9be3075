"""What a quick command loads: people wait for it each time, and so does each test of one."""

from __future__ import annotations

import pytest

from fleet.cli import lineup
from tests.rig import commands
from tests.rig.commands import Shell

_SCRIPT = """
import sys
from fleet.cli.app import main

try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print("loaded", *sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
print("ours", *sorted(name for name in sys.modules if name.startswith("fleet.")), file=sys.stderr)
"""
_HEAVY = {
    "aiohttp",
    "azure",
    "msal",
    "duckdb",
    "trustme",
    "ruamel",
    "structlog",
    "dateutil",
    "cronsim",
    "kubernetes_asyncio",
    "yaml",
}


def _loaded(shell: Shell, *args: str) -> tuple[set[str], set[str]]:
    """Return the packages that a command loaded, and which modules of ours."""
    # NB: a hook before it keeps it from being forked from a process that has loaded all already.
    ended = shell(*args, before=lambda: None, entry=("-c", _SCRIPT))
    *_, packages, ours = ended.must(0).stderr.splitlines()
    return set(packages.split()[1:]), set(ours.split()[1:])


def test_the_version_is_told_without_any_command(shell: Shell) -> None:
    packages, ours = _loaded(shell, "--version")

    assert packages.isdisjoint({*_HEAVY, "pydantic"})
    assert {f"fleet.cli.{module}" for module in lineup.MODULES.values()}.isdisjoint(ours)


def test_looking_at_a_run_loads_nothing_that_plans_or_runs_one(shell: Shell) -> None:
    shell("run", commands.plan("pin"), "--yes", "--run-id", "r1").must(0)

    for args in (("status", "r1"), ("log", "r1"), ("verify", "r1"), ("runs",)):
        packages, ours = _loaded(shell, *args)

        assert packages.isdisjoint(_HEAVY), args
        assert "fleet.cli.inspecting" in ours
        assert ours.isdisjoint(
            {
                "fleet.azure.service",
                "fleet.cli.planning",
                "fleet.cli.running",
                "fleet.engine.runner",
                "fleet.sim",
                "fleet.spec.document",
            }
        ), args


def test_a_plan_for_azure_needs_no_simulator(shell: Shell) -> None:
    _, ours = _loaded(shell, "plan", "--help")

    assert "fleet.cli.planning" in ours
    assert "fleet.sim" not in ours


@pytest.mark.parametrize("module", sorted(set(lineup.MODULES.values())))
def test_the_lineup_names_every_command_of_a_module(module: str) -> None:
    named = [command for command, of in lineup.MODULES.items() if of == module]

    assert list(lineup.commands_of(module)) == named
