"""Disks that take no more, or nothing at all: small ones of their own, and limits on file sizes.

NB: mounting is for root. Where it is not allowed the test is skipped with the reason; not in CI,
    where everything is run.
"""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

_CHUNK = 4096


def mount(*args: str | Path) -> None:
    """Mount something, or skip the test."""
    try:
        subprocess.run(["mount", *map(str, args)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"nothing can be mounted here: {error}")


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Let *folder* take nothing for a while."""
    mount("--bind", folder, folder)
    try:
        mount("-o", "remount,ro,bind", folder)
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@contextlib.contextmanager
def small(folder: Path, size: str) -> Iterator[None]:
    """Make *folder* a disk of its own, of that *size*, for a while."""
    folder.mkdir()
    mount("-t", "tmpfs", "-o", f"size={size}", "none", folder)
    try:
        yield
    finally:
        # A process that was killed a moment ago may still have a file open.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def grow(folder: Path, size: str) -> None:
    """Give the small disk at *folder* more room."""
    mount("-o", f"remount,size={size}", folder)


def fill(folder: Path) -> Path:
    """Fill the disk at *folder* to the last page, again too; return what takes the room."""
    filler = folder / "filler"
    with contextlib.suppress(OSError), filler.open("ab", buffering=0) as found:
        while found.write(bytes(_CHUNK)) == _CHUNK:
            pass
    return filler


def limit_files(pid: int, size_bytes: int) -> None:
    """Let no file of a living process grow beyond that, as ``ulimit -f`` does from the start."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size_bytes, size_bytes))
