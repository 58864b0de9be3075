from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence

import pytest
from hypothesis import given, strategies as st

from fleet.core import placeholders
from fleet.core.placeholders import Dialect
from fleet.errors import InputError

names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", fullmatch=True)


def filled(
    text: str,
    *,
    dialect: Dialect = Dialect.PROMQL,
    clusters: Sequence[str] = ("store-1", "store.2"),
    wave: str = "canary",
    seconds: float = 300,
) -> str:
    return placeholders.filled(
        text,
        dialect=dialect,
        clusters=clusters,
        wave=wave,
        window=dt.timedelta(seconds=seconds),
    )


@pytest.mark.parametrize(
    ("dialect", "text", "expected"),
    [
        (Dialect.PROMQL, 'up{c=~"${clusters}"}', 'up{c=~"store-1|store[.]2"}'),
        (Dialect.KQL, "T | where c in (${clusters})", "T | where c in ('store-1', 'store.2')"),
        (Dialect.PLAIN, "--only=${clusters}", "--only=store-1,store.2"),
        (
            Dialect.PROMQL,
            "rate(x[${window}]) # ${wave} $ {x} $wave",
            "rate(x[300s]) # canary $ {x} $wave",
        ),
        (Dialect.PLAIN, "", ""),
    ],
)
def test_each_dialect_reads_what_is_meant(dialect: Dialect, text: str, expected: str) -> None:
    assert filled(text, dialect=dialect) == expected


@pytest.mark.parametrize(("seconds", "expected"), [(0, "1s"), (0.4, "1s"), (90.2, "90s")])
def test_a_window_is_at_least_a_second(seconds: float, expected: str) -> None:
    assert filled("${window}", seconds=seconds) == expected


@given(ours=st.lists(names, min_size=1, unique=True), other=names)
def test_the_alternation_of_promql_fits_the_names_and_no_other(ours: list[str], other: str) -> None:
    pattern = filled("${clusters}", clusters=ours)

    assert '"' not in pattern
    assert "\\" not in pattern
    for name in (*ours, other):
        assert bool(re.fullmatch(pattern, name)) == (name in ours)


@given(ours=st.lists(names, min_size=1, unique=True))
def test_the_list_of_kql_holds_the_names(ours: list[str]) -> None:
    text = filled("${clusters}", clusters=ours, dialect=Dialect.KQL)

    assert re.findall(r"'([^']*)'", text) == ours


@pytest.mark.parametrize("dialect", Dialect)
@given(name=st.text(min_size=1).filter(lambda one: not re.fullmatch(r"[A-Za-z0-9_.-]{1,260}", one)))
def test_a_name_that_a_parser_could_misread_is_put_nowhere(dialect: Dialect, name: str) -> None:
    with pytest.raises(InputError, match=r"the cluster's name .* cannot be put into a query"):
        filled("${clusters}", clusters=["a", name], dialect=dialect)


@pytest.mark.parametrize(
    ("text", "given_", "message"),
    [
        (
            "${clusters}",
            {"clusters": ()},
            r"\$\{clusters\} stands for nothing: there are no clusters",
        ),
        (
            "${clusters}",
            {"clusters": ["c"] * 2001},
            r"\$\{clusters\} stands for 2001 names, and at most 2000 fit",
        ),
        ("${clustres}", {}, r"nothing is known of \$\{clustres\}"),
        ("${}", {}, r"nothing is known of \$\{\}"),
        ("${wave}", {"wave": 'a" or "'}, "the wave's name 'a\" or \"' cannot be put into a query"),
    ],
)
def test_what_cannot_be_filled_in_is_an_error(
    text: str, given_: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        filled(text, **given_)  # type: ignore[arg-type]


def test_as_many_names_as_fit_are_put_in_and_a_query_without_them_has_no_limit() -> None:
    many = [f"store-{number}" for number in range(2001)]

    assert filled("${clusters}", clusters=many[:2000]).count("|") == 1999
    assert filled("sum(up)", clusters=many) == "sum(up)"
