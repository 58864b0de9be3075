"""Commentary for people and machines; the journal is the truth, and this may be lost.

Every line is an event of :class:`Event` and values under keys with units.
Secrets are scrubbed here too, by the same rules as in the journal, because an
error's text may quote what the service said.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import logging
import sys
from collections.abc import Callable, MutableMapping
from typing import Any, TextIO

Scrub = Callable[[str], str]


class Event(enum.StrEnum):
    """Everything that is ever logged, as ``noun.verb``."""

    RUN_LEFT = "run.left"
    BUG_CAUGHT = "bug.caught"
    OUTCOME_DROPPED = "outcome.dropped"
    NOTICE_RETRIED = "notice.retried"
    NOTICE_MISSED = "notice.missed"
    NOTICES_LEFT = "notices.left"


@dataclasses.dataclass(slots=True)
class _Setup:
    """How lines are to be written."""

    configure: Callable[[], None] | None = None
    """``None`` once it was done."""


_SETUP = _Setup()


def configure(*, level: str, is_json: bool, scrub: Scrub, stream: TextIO | None = None) -> None:
    """Send log lines to *stream* (stderr), from *level* up, as text or as JSON objects."""
    out = stream or sys.stderr
    _SETUP.configure = functools.partial(_configure, level, is_json, scrub, out)


def logger() -> Any:
    """Return the logger; what is bound to the context is on every line."""
    # Most commands log nothing, and need not wait until it is loaded.
    import structlog  # noqa: PLC0415

    if _SETUP.configure is not None:
        _SETUP.configure()
        _SETUP.configure = None
    return structlog.get_logger()


def _configure(level: str, is_json: bool, scrub: Scrub, out: TextIO) -> None:
    import structlog  # noqa: PLC0415

    render = (
        structlog.processors.JSONRenderer()
        if is_json
        else structlog.dev.ConsoleRenderer(colors=out.isatty(), pad_event_to=18)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _scrubber(scrub),
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )


def _scrubber(scrub: Scrub) -> Callable[..., MutableMapping[str, Any]]:
    def processor(
        _logger: object, _method: str, line: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        return {
            key: scrub(value) if isinstance(value, str) else value for key, value in line.items()
        }

    return processor
