"""A throwaway authority, and a certificate of its for this machine."""

from __future__ import annotations

import contextlib
import os
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path

import trustme

_NAMES = ("localhost", "127.0.0.1", "::1")


@contextlib.contextmanager
def throwaway(*names: str) -> Iterator[tuple[ssl.SSLContext, Path]]:
    """Yield what a server needs, and the file that clients trust it by, while it is needed."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*dict.fromkeys((*_NAMES, *names))).configure_cert(context)
    # mkstemp makes files that nobody else may read.
    number, name = tempfile.mkstemp(prefix="fleet-sim-", suffix=".pem")
    path = Path(name)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(authority.cert_pem.bytes())
        yield context, path
    finally:
        path.unlink(missing_ok=True)
