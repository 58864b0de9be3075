"""What a query leaves open, filled in: ``${clusters}``, ``${wave}`` and ``${window}``.

Names are put where somebody else's parser reads them, so only names that no
parser can misread are put there at all: who has others gets an error, and never
a query that means something else.

Errors:  :exc:`~fleet.errors.InputError` for what cannot be filled in.
Source:  names of connected clusters are letters, digits, ``-``, ``_`` and ``.``.
"""

from __future__ import annotations

import datetime as dt
import enum
import re
from collections.abc import Sequence

from fleet.errors import InputError

MOST_CLUSTERS = 2000
"""Names in one query: servers have limits, and parsers of regular expressions do."""

_PLACE = re.compile(r"\$\{([^}]*)\}")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,260}")
_WAVE = re.compile(r"[A-Za-z0-9_. /-]{1,260}")
_KNOWN = ("clusters", "wave", "window")


class Dialect(enum.Enum):
    """Who will read it."""

    PROMQL = "promql"
    """``=~"${clusters}"``: an alternation, its dots as dots."""
    KQL = "kql"
    """``in (${clusters})``: literals with commas between them."""
    PLAIN = "plain"
    """An argument of a command, or a part of a URL: names with commas between them."""


def names_clusters(text: str) -> bool:
    """Tell whether *text* wants the names of clusters."""
    return "${clusters}" in text


def filled(
    text: str, *, dialect: Dialect, clusters: Sequence[str], wave: str, window: dt.timedelta
) -> str:
    """Return *text* with everything in its place.

    Args:
        text: A query, or a part of a command or URL.
        dialect: Who will read it.
        clusters: Names, in order.
        wave: The wave's name.
        window: Since when it is of interest.
    """

    def found(match: re.Match[str]) -> str:
        match match[1]:
            case "clusters":
                return _clusters(clusters, dialect)
            case "wave":
                return _fit(_WAVE, wave, what="wave")
            case "window":
                return f"{max(round(window.total_seconds()), 1)}s"
            case _:
                message = f"nothing is known of {match[0][:80]}"
                known = ", ".join(f"${{{one}}}" for one in _KNOWN)
                raise InputError(message, hint=f"There are {known}.")

    return _PLACE.sub(found, text)


def _clusters(names: Sequence[str], dialect: Dialect) -> str:
    if not names:
        # NB: `=~""` would mean series without the label, and `in ()` is no KQL.
        message = "${clusters} stands for nothing: there are no clusters"
        raise InputError(message)
    if len(names) > MOST_CLUSTERS:
        message = f"${{clusters}} stands for {len(names)} names, and at most {MOST_CLUSTERS} fit"
        raise InputError(message, hint="Select by a label instead, or make the waves smaller.")
    fit = [_fit(_NAME, name, what="cluster") for name in names]
    match dialect:
        case Dialect.PROMQL:
            # NB: a class, not a backslash: those count double between PromQL's quotes.
            return "|".join(name.replace(".", "[.]") for name in fit)
        case Dialect.KQL:
            return ", ".join(f"'{name}'" for name in fit)
        case Dialect.PLAIN:
            return ",".join(fit)


def _fit(pattern: re.Pattern[str], name: str, *, what: str) -> str:
    if pattern.fullmatch(name):
        return name
    shown = "".join(char if char.isprintable() else "?" for char in name[:80])
    message = f"the {what}'s name {shown!r} cannot be put into a query"
    raise InputError(message)
