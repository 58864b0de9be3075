"""What is sent to an API server, and what it answers.

Errors:  :exc:`Unanswered` where no answer came.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is sent."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: Any = None
    kind: str = "application/json"
    """The body's content type."""
    what: str
    """For messages: ``get of deployments``."""

    @property
    def is_write(self) -> bool:
        """Whether it may change something."""
        return self.method != "GET"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What was answered, read to its end."""

    status: int
    headers: Mapping[str, str]
    data: Any = dataclasses.field(repr=False)
    """Its JSON, without the objects of a list that were read as they came; ``None``: it is none."""
    head: bytes = dataclasses.field(repr=False)
    """How it begins."""
    size: int


class Unanswered(Exception):  # noqa: N818 - caught at once, and worded for people
    """There was no answer."""

    def __init__(self, why: str, *, hint: str | None = None, may_pass: bool = True) -> None:
        super().__init__(why)
        self.why = why
        self.hint = hint
        self.may_pass = may_pass
        """Whether another try may help."""
