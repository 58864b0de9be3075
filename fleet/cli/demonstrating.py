"""``fleet sim demo``: a rollout from beginning to end, against a simulated Azure over HTTP.

Every command is a process of its own, as a person would start it, and is shown
as one would type it.
"""

from __future__ import annotations

import contextlib
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from fleet.errors import InputError, RemoteError

_RUN_ID = "demo"
_STOP_LIMIT_S = 10

_FLEET = [sys.executable, "-m", "fleet"]
_MEANT = {
    0: "every cluster is as planned",
    1: "the run finished, and some clusters failed: the tables above name them and say why",
    6: "the run is paused: `fleet resume` and `fleet run --run-id` carry it on",
    7: "the run was stopped",
}


def demo(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The plan file to carry out.")
    ] = Path("plans/osm-upgrade.yaml"),
    world: Annotated[
        Path,
        typer.Option("--world", envvar="FLEET_WORLD", metavar="FILE", help="The simulated fleet."),
    ] = Path("plans/worlds/demo.yaml"),
) -> None:
    """Start a simulated Azure, roll a plan out over it, check the journal, and clean up."""
    _require([file, world])
    folder = Path(tempfile.mkdtemp(prefix="fleet-demo-"))
    with _served(world) as served:
        endpoint = served["endpoint"]
        _say(
            f"A simulated Azure is up at {endpoint}: {served['clusters']} clusters, "
            f"{len(served['subscriptions'])} subscriptions, and {served['timeScale']} of its "
            "seconds pass in one of ours."
        )
        order = ["run", str(file), "--endpoint", endpoint, "--run-id", _RUN_ID, "--yes"]
        status = _shown(order, folder)
        _say(f"The rollout's own exit code is {status}: {_MEANT.get(status, 'see above')}.")
        verified = _shown(["verify", _RUN_ID], folder)
    _say_what_next(folder, file, world)
    # A rollout that tells of a failing cluster has done what it is for.
    raise typer.Exit(verified or (0 if status in _MEANT else status))


def _require(files: list[Path]) -> None:
    for one in files:
        if not one.is_file():
            message = f"there is no file {one}"
            hint = "Stand in a checkout of fleet, or name a plan file and --world."
            raise InputError(message, hint=hint)


@contextlib.contextmanager
def _served(world: Path) -> Iterator[dict[str, Any]]:
    """Serve *world* for a while, on any free port; yields what the server says of itself."""
    order = [*_FLEET, "sim", "serve", "--world", str(world), "--port", "0", "--json"]
    # NB: a session of its own: a Ctrl-C is for the rollout, and must not take its Azure away.
    with subprocess.Popen(order, stdout=subprocess.PIPE, start_new_session=True) as server:  # noqa: S603
        try:
            yield _announced(server)
        finally:
            server.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(timeout=_STOP_LIMIT_S)
            server.kill()


def _announced(server: subprocess.Popen[bytes]) -> dict[str, Any]:
    line = server.stdout.readline() if server.stdout else b""
    if not line:
        message = "the simulated Azure did not start"
        raise RemoteError(message, hint="It says why above.")
    found: dict[str, Any] = orjson.loads(line)
    return found


def _shown(order: list[str], folder: Path) -> int:
    """Run a command in front of the reader, and return its exit code."""
    _say(f"$ {shlex.join(['fleet', '--state-dir', str(folder), *order])}")
    command = [*_FLEET, "--state-dir", str(folder), *order]
    with subprocess.Popen(command) as process:  # noqa: S603
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue  # it went to the rollout as well, which pauses and says so


def _say_what_next(folder: Path, file: Path, world: Path) -> None:
    at = f"fleet --state-dir {folder}"
    _say(
        "What to try next (. .venv/bin/activate first):\n"
        f"  {at} status {_RUN_ID}\n"
        f"  {at} log {_RUN_ID}\n"
        f"  fleet sim serve --world {world}\n"
        f"  fleet plan {file} --endpoint http://127.0.0.1:PORT\n"
        "and the README's tour, which kills a rollout and takes it over."
    )


def _say(text: str) -> None:
    sys.stdout.write(f"\n{text}\n")
    sys.stdout.flush()
