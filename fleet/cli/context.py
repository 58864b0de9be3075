"""What every command may need: where runs are kept, who is asking, and how to say things."""

from __future__ import annotations

import dataclasses
import os
import pwd
import socket
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console

from fleet.engine import clock
from fleet.errors import InputError
from fleet.journal.sqlite import SqliteStore
from fleet.model.events import Actor
from fleet.model.redaction import Redactor
from fleet.ui import output


class Discretion:
    """Takes secrets out of what is said: what looks like one, and those this process was given."""

    def __init__(self) -> None:
        self._known: frozenset[str] = frozenset()
        self._redactor = Redactor()

    def learn(self, secrets: Iterable[str]) -> None:
        """Keep *secrets* back from now on, beside those that are known."""
        self._known |= frozenset(secrets)
        self._redactor = Redactor(self._known)

    def text(self, text: str) -> str:
        """Return *text* without secrets."""
        return self._redactor.text(text)


DISCRETION = Discretion()
"""One for the process, as its streams are: what an error quotes is known to nobody before."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Set once, before the command."""

    state_dir: Path

    @property
    def store(self) -> SqliteStore:
        """All runs of this state directory."""
        if self.state_dir.exists() and not self.state_dir.is_dir():
            message = f"the state directory {self.state_dir} is no directory"
            raise InputError(message, hint="Name another: --state-dir, or FLEET_STATE_DIR.")
        return SqliteStore(self.state_dir, now=clock.wall)


def default_state_dir() -> Path:
    """Return where runs are kept unless told: the XDG state directory."""
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "fleet"


def actor(identity: str = "") -> Actor:
    """Return who is asking: the operating system's user, and *identity* to Azure where known."""
    return Actor(name=_user(), host=socket.gethostname(), pid=os.getpid(), identity=identity)


def errors() -> Console:
    """Return the console on stderr: progress, questions and errors."""
    return output.console(output.errors())


def tzdata_version() -> str:
    """Return the version of the zone data in use."""
    from importlib import metadata  # noqa: PLC0415 - a run's header alone has it

    return metadata.version("tzdata")


def _user() -> str:
    # NB: by the kernel's word: who people are is counted, and anybody can set LOGNAME.
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user without a name
        return f"uid-{os.getuid()}"
