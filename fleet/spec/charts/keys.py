r"""The keys of settings as paths, and lists in values: the notation of ``helm --set``.

``a.b[0].c`` is a path of names and indices; a dot that belongs to a name has a
backslash before it: ``podLabels.app\.kubernetes\.io/name``.

Errors:  :exc:`ValueError` for text that is no path.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

Key = tuple[str | int, ...]
"""Names, and indices of lists."""

# Source: helm.sh/docs/intro/using_helm, "The format and limitations of --set".
_SPECIAL = re.compile(r"[\\.\[\],={}]")
_STEP = re.compile(
    r"(?P<dot>^|\.)(?P<name>(?:[^\\.\[\]]|\\.)+)|(?<!^)\[(?P<index>[0-9]{1,9})\]", re.DOTALL
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_ITEM = r"(?:[^\\,{}]|\\.)*"
_LIST = re.compile(rf"\{{{_ITEM}(?:,{_ITEM})*\}}", re.DOTALL)


def parse(text: str) -> Key:
    r"""Return the path that *text* writes.

    >>> parse(r"osm.list[0].app\.io/name")
    ('osm', 'list', 0, 'app.io/name')
    """
    path: list[str | int] = []
    at = 0
    while at < len(text) or not path:
        match = _STEP.match(text, at)
        if match is None:
            message = f"a name or an index is missing after {text[:at]!r}"
            raise ValueError(message)
        name, index = match["name"], match["index"]
        path.append(int(index) if name is None else _ESCAPED.sub(r"\1", name))
        at = match.end()
    return tuple(path)


def written(path: Iterable[str | int]) -> str:
    r"""Return *path* as a key.

    >>> written(("osm", "list", 0, "app.io/name"))
    'osm.list[0].app\\.io/name'
    """
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + _SPECIAL.sub(r"\\\g<0>", part)
    return text


def items(value: str) -> tuple[str, ...] | None:
    """Return what a list in braces holds; ``None``: *value* is none.

    >>> items("{a,b}"), items("a,b")
    (('a', 'b'), None)
    """
    if not _LIST.fullmatch(value):
        return None
    inner = re.findall(rf"({_ITEM}),", value[1:-1] + ",", re.DOTALL) if value != "{}" else []
    return tuple(_ESCAPED.sub(r"\1", one) for one in inner)


def braced(some: Iterable[str]) -> str:
    r"""Return a list in braces.

    >>> print(braced(["a", "b,c"]))
    {a,b\,c}
    """
    return "{" + ",".join(re.sub(r"[\\,{}]", r"\\\g<0>", one) for one in some) + "}"
