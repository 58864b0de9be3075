"""Shells: a directory of its own, a world, and the real command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rig import commands
from tests.rig.commands import Shell


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """12 clusters, no trouble, and no time passes: a whole run in well under a second."""
    return Shell(root=tmp_path, world=commands.world("calm"))


@pytest.fixture
def stormy(tmp_path: Path) -> Shell:
    """40 clusters and some of everything that goes wrong, on virtual time."""
    return Shell(root=tmp_path, world=commands.world("stormy"))


@pytest.fixture
def lively(tmp_path: Path) -> Shell:
    """The 12 calm clusters at 600 seconds a second: a run lasts about three seconds."""
    return Shell(root=tmp_path, world=commands.world("lively"))
