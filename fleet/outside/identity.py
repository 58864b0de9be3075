"""Our identity at Azure, as far as probes need it: tokens for logs and metrics, and rows.

What is behind it is wired by the command line; nothing here knows Azure.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

Rows = Callable[[str, Sequence[str]], Awaitable[Sequence[Mapping[str, Any]]]]
"""Returns the rows of a query of Resource Graph over some subscriptions."""


class Bearer(Protocol):
    """Whoever gives tokens."""

    async def __call__(self, audience: str, *, refused: str = "") -> str:
        """Return a token; another one than *refused*."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who we are, where logs and metrics are, and whom tokens for them are meant for."""

    token: Bearer
    rows: Rows
    logs_url: str = ""
    """Of Log Analytics: scheme, host and port; empty: of this cloud it is not known."""
    logs_audience: str = ""
    metrics_audience: str = ""
    is_metrics: Callable[[str], bool] = lambda _url: False
    """Whether a URL is a managed Prometheus of this cloud: no other gets a token."""
