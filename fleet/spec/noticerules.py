"""What must hold between the keys of those who are told of a run.

As in :mod:`fleet.spec.rules`, anything may have any shape here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fleet.spec import flaws
from fleet.spec.flaws import Flaw, Path, quoted

WAYS = ("webhook", "command")
MOST = 20
"""Subscribers of one run."""


def check(path: Path, subscribers: list[Any]) -> Iterator[Flaw]:
    """Yield every broken rule."""
    if len(subscribers) > MOST:
        yield Flaw(path=path, message=f"more than {MOST} are told", hint="let one tell the others")
    for n, one in enumerate(subscribers):
        if isinstance(one, dict):
            yield from _way((*path, n), one)
    yield from _names(path, subscribers)


def default_name(way: str, number: int) -> str:
    """Return what a subscriber is called that has no name.

    >>> default_name("webhook", 0)
    'webhook-1'
    """
    return f"{way}-{number + 1}"


def _way(path: Path, one: dict[str, Any]) -> Iterator[Flaw]:
    if not any(way in one for way in WAYS):
        hint = "add webhook (an address, or {fromEnv: NAME}) or command (a list)"
        yield Flaw(path=path, message="how it is told is not said", hint=hint, is_absence=True)
    if all(way in one for way in WAYS):
        yield flaws.excluded(path, "command", by="webhook")
    elif "secret" in one and "command" in one:
        message, hint = "a command is sent nothing that is signed", "remove it"
        yield Flaw(path=(*path, "secret"), message=message, hint=hint, is_about_key=True)


def _names(path: Path, subscribers: list[Any]) -> Iterator[Flaw]:
    seen: dict[str, int] = {}
    for n, one in enumerate(subscribers):
        name = _name(n, one) if isinstance(one, dict) else None
        if not isinstance(name, str):
            continue
        first = seen.setdefault(name, n)
        if first != n:
            message = f"two are called {quoted(name)}"
            yield Flaw(path=(*path, n), message=message, hint=f"the first is {path[-1]}[{first}]")


def _name(number: int, one: dict[str, Any]) -> Any:
    way = next((way for way in WAYS if way in one), WAYS[0])
    return one.get("name", default_name(way, number))
