"""What people read, as it was when somebody last looked at it and found it good.

A change on purpose changes the files in ``tests/data/cli/golden``: read the new text first.
"""

from __future__ import annotations

import getpass
import socket

import pytest

from tests.rig import commands
from tests.rig.commands import Shell

GOLDEN = commands.DATA / "golden"
PIN = commands.plan("pin")
STORES = commands.PLANS / "osm-stores-one-at-a-time.yaml"
"""Caps by label, a strict budget, retries, an automatic way back."""


@pytest.fixture(scope="module")
def bad_night(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A shell in which a run met some of everything."""
    shell = Shell(root=tmp_path_factory.mktemp("golden"), world=commands.world("stormy"))
    shell("plan", commands.PLANS / "osm-upgrade.yaml", "--out", "saved.json").must(0)
    shell("run", PIN, "--yes", "--run-id", "r1").must(1)
    held = commands.world("held")
    shell("plan", STORES, "--world", held, "--out", "stores.json").must(0)
    return shell


@pytest.mark.parametrize("columns", ["80", "200"])
@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("plan", ("show", "saved.json")),
        ("stores", ("show", "stores.json")),
        ("status", ("status", "r1", "--failed")),
    ],
)
def test_reads_well(bad_night: Shell, name: str, args: tuple[str, ...], columns: str) -> None:
    expected = (GOLDEN / f"{name}-{columns}.txt").read_text()

    said = bad_night.with_(COLUMNS=columns)(*args).must(0).stdout

    # Who began it is whoever runs this test, wherever that is.
    me = f"{getpass.getuser()}@{socket.gethostname()}"
    assert said.replace(me, "user@host") == expected
