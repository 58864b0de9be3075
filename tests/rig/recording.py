"""Everything that simulated servers hear and say while tests run, kept for the validator.

Servers of a process of tests are recorded from :func:`begin` on; those that are processes of their
own begin by ``site/sitecustomize.py``. Where the environment does not say ``EXCHANGES``, nothing is
kept; tokens, and what is said to get one, never are.

Shapes:  a folder with a file for each process, one exchange a line, as JSON.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from fleet.sim.server import routes
from fleet.sim.server.answers import Answer
from fleet.sim.server.application import Application
from fleet.sim.server.asks import Ask

VARIABLE = "EXCHANGES"
SITE = Path(__file__).parent / "site"
_KEPT = frozenset({"content-type", "user-agent"})
"""Of a request's headers."""

Sending = Callable[[Any, Ask, Answer, Mapping[str, str]], web.Response]


def begin() -> None:
    """Keep what servers of this process hear and say from now on."""
    folder = os.environ.get(VARIABLE)
    if folder is not None:
        # NB: what faults make of an answer on its way is not what the service says.
        kept: Any = keeping(Application._sent, Path(folder))
        Application._sent = kept  # type: ignore[method-assign]


def keeping(sending: Sending, folder: Path) -> Sending:
    """Return *sending* that writes down what it sends."""
    folder.mkdir(parents=True, exist_ok=True)

    @functools.wraps(sending)
    def sent(self: Any, ask: Ask, answer: Answer, headers: Mapping[str, str]) -> web.Response:
        response = sending(self, ask, answer, headers)
        found = routes.find(ask.path)
        if found is None or found[0].kind not in routes.OPEN:
            _append(folder / f"{os.getpid()}.jsonl", _line(ask, response))
        return response

    return sent


def _line(ask: Ask, response: web.Response) -> bytes:
    said = response.body if isinstance(response.body, bytes) else b""
    document = {
        "method": ask.method,
        "url": ask.target,
        "headers": {str(k): v for k, v in ask.headers.items() if k.lower() in _KEPT},
        "sent": ask.body.decode("utf-8", "replace"),
        "status": response.status,
        "answered": {str(k): v for k, v in response.headers.items()},
        "said": said.decode("utf-8", "replace"),
    }
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)


def _append(file: Path, line: bytes) -> None:
    # A line is one write to the end, so that threads do not write into each other's.
    number = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(number, line)
    finally:
        os.close(number)
