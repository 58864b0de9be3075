"""What a world has heard, on disk: it survives the process, and several may share it.

An append-only file: one line for each write, after a first line that ties the
world's time to the wall's. A world is what its recipe and these lines make
(:mod:`fleet.sim.world`), so whoever reads on to the end sees the same one.
Protected values never get here; :mod:`fleet.sim.calls` leaves them out.

Shapes:  JSON objects, one a line; a last line without its end was never written.
Errors:  :exc:`~fleet.errors.InputError` for a file that is not ours to read;
         :exc:`~fleet.errors.TransientError` where a write cannot be remembered: it has not
         happened then.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import orjson

from fleet.core import chain
from fleet.errors import InputError, TransientError
from fleet.model import codec
from fleet.sim.calls import Call, Edit

T = TypeVar("T")

VERSION = 1


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """The first line: when this world began, on both clocks."""

    version: int
    epoch: dt.datetime
    wall: dt.datetime
    """When somebody first looked at it."""


class Ledger:
    """The file, open, read up to where this process has got."""

    def __init__(self, path: Path, *, anchor: Anchor) -> None:
        """Open the file, or begin it with *anchor*."""
        self._path = path
        self._read_bytes = 0
        self._line_count = 0
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        try:
            self._file = os.open(path, flags, 0o600)
        except OSError as error:
            raise self._unusable(error.strerror or "it cannot be opened") from None
        try:
            self.anchor = self._anchored(anchor)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes from appending: what is read is then the whole past."""
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def news(self) -> list[Call | Edit]:
        """Return what was appended since the last look, by whomever."""
        return [self._decoded(line, _kind(line)) for line in self._lines()]

    def append(self, one: Call | Edit) -> None:
        """Remember a call or an edit. To be used :meth:`alone`, with all news read."""
        self._write(codec.to_json(one))

    def _anchored(self, anchor: Anchor) -> Anchor:
        with self.alone():
            line = next(self._lines(limit=1), None)
            if line is None:
                self._write(codec.to_json(anchor))
                return anchor
        found = self._decoded(line, Anchor)
        if found.version != VERSION:
            raise self._unusable(f"it is of version {found.version}, and this is {VERSION}")
        return found

    def _lines(self, *, limit: int | None = None) -> Iterator[bytes]:
        """Yield whole lines that were not read yet."""
        size = os.fstat(self._file).st_size
        if size < self._read_bytes:
            reason = "it was cut while in use"
            raise self._unusable(reason)
        if size == self._read_bytes:
            return
        for line in self._unread(size).splitlines(keepends=True)[:limit]:
            if line.endswith(b"\n"):
                self._read_bytes += len(line)
                self._line_count += 1
                yield line

    def _unread(self, size: int) -> bytes:
        parts, at = [], self._read_bytes
        while at < size and (part := os.pread(self._file, size - at, at)):
            parts.append(part)
            at += len(part)
        return b"".join(parts)

    def _write(self, content: dict[str, Any]) -> None:
        line = chain.canonical(content) + b"\n"
        # A writer that was killed within a line leaves its beginning: it goes, or ours would be
        # glued to it.
        self._cut_back()
        try:
            written = os.write(self._file, line)
        except OSError as error:
            raise self._full(error.strerror) from None
        if written < len(line):
            self._cut_back()
            reason = "no space is left"
            raise self._full(reason)
        self._read_bytes += len(line)
        self._line_count += 1

    def _cut_back(self) -> None:
        if os.fstat(self._file).st_size > self._read_bytes:
            os.ftruncate(self._file, self._read_bytes)

    def _decoded(self, line: bytes, cls: type[T]) -> T:
        try:
            return codec.from_json(cls, orjson.loads(line))
        except ValueError as error:
            raise self._unusable(f"line {self._line_count}: {error}") from None

    def _unusable(self, reason: str) -> InputError:
        message = f"The memory of the simulated world, {self._path}, cannot be used: {reason}."
        return InputError(message, hint="Remove the file to let the world begin anew.")

    def _full(self, reason: str | None) -> TransientError:
        message = f"The simulated world cannot remember a write in {self._path}: {reason}."
        return TransientError(message, status=507, hint="Make room on that disk.")


def _kind(line: bytes) -> type[Call | Edit]:
    # NB: an object within an edit is text, whose quotes are escaped; settings may be called so.
    return Edit if b'"plural":' in line and b'"correlationId":' not in line else Call
