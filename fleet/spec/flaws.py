"""What is wrong with a file, and how it is put into words.

A flaw knows where in the data it is, not yet in which file or line:
:mod:`fleet.spec.document` adds those.

NB: below ``protectedSettings`` no value is ever put into words, and no key
below a setting's own: a secret that was pasted into the wrong place may have
become any of them.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Iterable
from typing import Any

Path = tuple[str | int, ...]
"""Keys and list indices, from the top of the file."""
Position = tuple[int, int]
"""Line and column, both from 1."""

PROTECTED = "protectedSettings"
HEADERS = "headers"
"""Of a request: their names are no secret, where they are names."""
NOTIFY, SECRET = "notify", "secret"

# Beyond this a word is no slip of the fingers, and comparing it costs time.
_LONGEST_WORD = 64
_LONGEST_QUOTE = 80
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]{1,80}")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """One thing that is wrong."""

    path: Path
    message: str
    hint: str | None = None
    is_about_key: bool = False
    """Whether the key is wrong, rather than the value that it has."""
    is_absence: bool = False
    """Whether a key is missing: no news where a key beside it is unknown, being misspelt."""
    position: Position | None = None
    """Where, if *path* does not lead there."""


def dotted(path: Path) -> str:
    """Return *path* as text.

    >>> dotted(("spec", "waves", 2, "size")), dotted(("settings", "osm.osm.x"))
    ('spec.waves[2].size', 'settings["osm.osm.x"]')
    """
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN_KEY.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f"[{quoted(part)}]"
    return text


def quoted(text: str) -> str:
    r"""Return *text* in quotes: on one line, not too long, and harmless to a terminal.

    >>> print(quoted("a\x1b[31m"))
    "a\x1b[31m"
    """
    cut = text if len(text) <= _LONGEST_QUOTE else text[: _LONGEST_QUOTE - 3] + "..."
    return '"' + "".join(c if c.isprintable() else ascii(c)[1:-1] for c in cut) + '"'


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the one of *known* that was probably meant.

    >>> nearest("verison", ["version", "state"]), nearest("kql", ["version"])
    ('version', None)
    """
    if len(word) > _LONGEST_WORD:
        return None
    by_lower = {one.lower(): one for one in known}
    found = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None


def suggestion(word: str, known: Iterable[str]) -> str | None:
    """Return the hint for a *word* that is none of *known*: the nearest, else all of them."""
    choices = list(known)
    near = nearest(word, choices)
    if near is not None:
        return f"did you mean {quoted(near)}?"
    return "one of: " + ", ".join(choices) if choices else None


def kind_of(value: object) -> str:
    """Return what a value is called in a message.

    >>> kind_of(True), kind_of([])
    ('true or false', 'a list')
    """
    return _KINDS.get(type(value), "something else")


def below(data: Any, *path: str | int) -> Any:
    """Return what stands at *path*; ``None`` where the data has another shape."""
    for part in path:
        if isinstance(part, str) and isinstance(data, dict):
            data = data.get(part)
        elif isinstance(part, int) and isinstance(data, list) and part < len(data):
            data = data[part]
        else:
            return None
    return data


def excluded(section: Path, key: str, *, by: str) -> Flaw:
    """Return the flaw of a *key* that cannot stand beside another."""
    message = f"{key} and {by} exclude each other"
    return Flaw(path=(*section, key), message=message, hint="remove one", is_about_key=True)


def without_secrets(path: Path, data: object = None) -> Path:
    """Cut *path* before anything that may be part of a secret.

    A setting's own name stays, if *data* shows that it was given a value.
    """
    if HEADERS in path:
        return _without_values(path)
    if NOTIFY in path and SECRET in path:
        return path[: path.index(SECRET) + 1]
    if PROTECTED not in path:
        return path
    end = path.index(PROTECTED) + 1
    is_named = len(path) > end and below(data, *path[: end + 1]) is not None
    return path[: end + 1] if is_named and isinstance(path[end], str) else path[:end]


def _without_values(path: Path) -> Path:
    start = path.index(HEADERS) + 1
    known = [part for part in path[start:] if isinstance(part, str) and _PLAIN_KEY.fullmatch(part)]
    if len(known) < len(path[start:]):
        return path[:start]
    return path if path[start + 1 :] in ((), ("fromEnv",)) else path[: start + 1]


_KINDS = {
    str: "text",
    int: "a number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "a mapping",
    type(None): "nothing",
}
