"""What people read, as it was when somebody last looked at it and found it good.

A change on purpose changes the files in ``tests/data/cli/golden``: read the new text first.
"""

from __future__ import annotations

import os
import pwd
import socket

import pytest

from tests.rig import commands
from tests.rig.commands import Shell

GOLDEN = commands.DATA / "golden"
PIN = commands.plan("pin")
AGREED = commands.plan("agreed")
"""A freeze, and two people who must agree."""
STORES = commands.PLANS / "osm-stores-one-at-a-time.yaml"
"""Caps by label, a strict budget, retries, an automatic way back."""


WIDTHS = ("80", "200")
ANSWERS = {
    "agreed-status": ("status", "r1"),
    "agreed-approve": ("approve", "r1", "--show-only"),
    "agreed-explain": ("explain", "r1", "store-0003-b"),
}


@pytest.fixture(scope="module")
def decided_by(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What is read of a run that waited for a freeze to end, and waits for two people."""
    shell = Shell(root=tmp_path_factory.mktemp("waiting"), world=commands.world("calm"))
    found = {f"agreed-plan-{width}": shell.with_(COLUMNS=width)("plan", AGREED) for width in WIDTHS}
    shell("run", AGREED, "--yes", "--run-id", "r1").must(6)
    for width in WIDTHS:
        said = shell.with_(COLUMNS=width).many(*ANSWERS.values())
        found |= {f"{name}-{width}": one for name, one in zip(ANSWERS, said, strict=True)}
    return {name: _nobody(one.must(0).stdout) for name, one in found.items()}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["agreed-plan", *ANSWERS])
def test_what_people_decide_by_reads_well(
    decided_by: dict[str, str], name: str, width: str
) -> None:
    assert decided_by[f"{name}-{width}"] == (GOLDEN / f"{name}-{width}.txt").read_text()


def _nobody(text: str) -> str:
    """Take out whoever runs this test, wherever that is."""
    me = pwd.getpwuid(os.getuid()).pw_name
    text = text.replace(f"{me}@{socket.gethostname()}", "user@host")
    return text.replace(f"{me} began", "user began")


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

    assert _nobody(bad_night.with_(COLUMNS=columns)(*args).must(0).stdout) == expected
