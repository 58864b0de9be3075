"""Public holidays of countries and their parts, as dates with their names.

What the package `holidays` knows: the days that are public holidays everywhere in the country, or
in the part of it that is named, substitutes for those that fall on a Sunday included. Names are
in the country's own language, on whichever machine.

Errors:  those of :func:`fleet.spec.explanation.refusal`.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING

from fleet.spec import flaws
from fleet.spec.explanation import refusal
from fleet.spec.flaws import quoted

if TYPE_CHECKING:
    from holidays import HolidayBase

YEARS = 3
"""How many years are looked up: that of the plan, and those after it."""


def country(name: str) -> str:
    """Return *name* if it is the code of a country whose holidays are known."""
    if name not in _countries():
        near = name.upper() if name.upper() in _countries() else None
        hint = f"did you mean {quoted(near)}?" if near else "its ISO 3166 code, such as DE"
        raise refusal(f"no public holidays of {quoted(name)} are known", hint)
    return name


def subdivision_flaw(name: str, *, of: str) -> tuple[str, str | None] | None:
    """Return what is wrong with a part of a country, and the hint; ``None``: nothing."""
    known = _countries().get(of)
    if known is None or name in known:
        return None
    if not known:
        return f"no parts of {of} are known", "remove it"
    aliases: Mapping[str, str] = _class_of(of).subdivisions_aliases
    near = aliases.get(name) or next((one for one in known if one.lower() == name.lower()), None)
    hint = f"did you mean {quoted(near)}?" if near else flaws.suggestion(name, known)
    return f"{of} has no part {quoted(name)}", hint


def dates(country: str, subdivision: str | None, *, first_year: int) -> Mapping[str, list[dt.date]]:
    """Return ``{name: dates}`` of :data:`YEARS` years, both in order.

    Empty where nothing is known of one of these years: then nothing is said of the others either.
    """
    years = range(first_year, first_year + YEARS)
    kind = _class_of(country)
    if years[0] < kind.start_year or years[-1] > kind.end_year:
        return {}
    found = kind(subdiv=subdivision, years=years, language=kind.default_language, expand=False)
    # NB: a holiday whose substitute falls into the next year belongs to that year.
    inside = sorted((day, name) for day, name in found.items() if day.year in years)
    if {day.year for day, _ in inside} != set(years):
        return {}
    by_name: dict[str, list[dt.date]] = {}
    for day, name in inside:
        by_name.setdefault(name, []).append(day)
    return by_name


@functools.cache
def _countries() -> Mapping[str, tuple[str, ...]]:
    """Return ``{code: its parts}``."""
    import holidays  # noqa: PLC0415 - most plan files name none

    found = holidays.list_supported_countries(include_aliases=False)
    return {code: tuple(parts) for code, parts in found.items() if len(code) == _CODE_LENGTH}


def _class_of(country: str) -> type[HolidayBase]:
    import holidays  # noqa: PLC0415 - most plan files name none

    kind: type[HolidayBase] = getattr(holidays, country)
    return kind


# Source: ISO 3166-1 alpha-2; the package has names of three letters for the same countries.
_CODE_LENGTH = 2
