"""Microsoft's own command line, run as its users run it, with nothing of this machine in it.

It lives in a virtual environment of its own, which ``make test-clients`` makes; where that is
absent, tests that need it fail.

Shapes:  one :class:`CommandLine` a folder: its settings, its extensions, whom it trusts.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import re
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.rig.background import in_a_thread

_INSTALLED = Path(__file__).parents[2] / ".venv-clients"
_REQUIREMENTS = Path(__file__).parents[1] / "clients" / "requirements.txt"
_LIMIT_S = 100
# Source: https://learn.microsoft.com/cli/azure/azure-cli-configuration
_QUIET = {
    "AZURE_CORE_COLLECT_TELEMETRY": "no",
    "AZURE_CORE_INSTANCE_DISCOVERY": "no",
    "AZURE_CORE_NO_COLOR": "yes",
    "AZURE_CORE_SURVEY_MESSAGE": "no",
    "AZURE_AUTO_UPGRADE_ENABLE": "no",
    "AZURE_EXTENSION_USE_DYNAMIC_INSTALL": "no",
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a command ended with."""

    status: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """What it printed; ``None`` where that is nothing."""
        return json.loads(self.stdout) if self.stdout.strip() else None

    def header(self, name: str) -> str:
        """Return a header of the last answer; the command must have been told ``--verbose``."""
        start = f"'{name}': '"
        lines = [line.partition(start)[2] for line in self.stderr.splitlines() if start in line]
        assert lines, f"no header {name}:\n{self.stderr}"
        return lines[-1].rstrip("'")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CommandLine:
    """The command line, and what it knows."""

    folder: Path
    ca_file: Path
    """The only authority that it trusts."""
    trap: Trap

    def __call__(self, *args: str) -> Said:
        """Run a command that must succeed."""
        said = self.ended(*args)
        assert said.status == 0, f"az {' '.join(args)}: exit {said.status}\n{said.stderr}"
        return said

    def ended(self, *args: str) -> Said:
        """Run a command to its end, whatever that is."""
        done = subprocess.run(
            [str(_installed("bin/az")), *args],
            env=self._environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
            check=False,
        )
        return Said(status=done.returncode, stdout=done.stdout, stderr=done.stderr)

    def rest(self, method: str, url: str, body: Any = None) -> Said:
        """Run ``az rest``, which must succeed."""
        sent = [] if body is None else ["--body", json.dumps(body)]
        return self("rest", "--verbose", "--method", method, "--url", url, *sent)

    @property
    def _environment(self) -> Mapping[str, str]:
        away = f"http://127.0.0.1:{self.trap.port}"
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "AZURE_CONFIG_DIR": str(self.folder / "settings"),
            "AZURE_EXTENSION_DIR": str(self.folder / "extensions"),
            "REQUESTS_CA_BUNDLE": str(self.ca_file),
            "HTTP_PROXY": away,
            "HTTPS_PROXY": away,
            "NO_PROXY": "127.0.0.1",
            **_QUIET,
        }


def settled(folder: Path) -> None:
    """Let the command line believe that it has looked for a newer one of itself already."""
    # NB: no setting keeps the first command from that; what it remembers of it does.
    (pinned,) = re.findall(r"^azure-cli==(.+)$", _REQUIREMENTS.read_text(), re.MULTILINE)
    settings = folder / "settings"
    settings.mkdir()
    seen = {"versions": {"core": {"local": pinned}}}
    (settings / "versionCheck.json").write_text(json.dumps(seen))


def wheel(name: str) -> Path:
    """Return the wheel of an extension of the command line."""
    (found,) = _installed("wheels").glob(f"{name}-*.whl")
    return found


def _installed(path: str) -> Path:
    found = _INSTALLED / path
    if not found.exists():
        pytest.fail(f"the Azure CLI is not here ({found}): run make test-clients")
    return found


# --- whoever else is spoken to --------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Trap:
    """A proxy that leads nowhere, and remembers where it was to lead."""

    port: int
    asked: list[str]


@contextlib.contextmanager
def trap() -> Iterator[Trap]:
    """Open a trap."""
    with in_a_thread(_trap) as found:
        yield found


@contextlib.asynccontextmanager
async def _trap() -> AsyncIterator[Trap]:
    asked: list[str] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readline()).decode("latin-1").strip())
        writer.close()

    server = await asyncio.start_server(note, "127.0.0.1", 0)
    async with server:
        yield Trap(port=server.sockets[0].getsockname()[1], asked=asked)
