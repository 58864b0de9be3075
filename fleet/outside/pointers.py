"""JSON Pointers: a place in a JSON value.

Source:  RFC 6901.
"""

from __future__ import annotations

import re
from typing import Any

from fleet.errors import InputError

_INDEX = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)
_WRONG = re.compile(r"~(?![01])")


class Absent:
    """What a pointer leads to where nothing is."""


ABSENT = Absent()


def found(value: Any, pointer: str) -> Any:
    """Return what *pointer* leads to in *value*; :data:`ABSENT` where nothing is there.

    >>> found({"a/b": [1, {"~": 2}]}, "/a~1b/1/~0")
    2
    """
    for part in parts(pointer):
        match value:
            case dict() if part in value:
                value = value[part]
            case list() if _INDEX.fullmatch(part) and int(part) < len(value):
                value = value[int(part)]
            case _:
                return ABSENT
    return value


def parts(pointer: str) -> tuple[str, ...]:
    """Return the steps of *pointer*; none for the whole value."""
    if not pointer:
        return ()
    if not pointer.startswith("/") or _WRONG.search(pointer):
        message = f"{pointer[:80]!r} is no JSON Pointer"
        raise InputError(message, hint="It looks like /data/0/value; ~0 is a ~, and ~1 a /.")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/"))
