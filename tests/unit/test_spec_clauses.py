from __future__ import annotations

import pytest
from hypothesis import given, strategies as st
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from fleet.spec.clauses import LONGEST, Clause

READER: TypeAdapter[str] = TypeAdapter(Clause)
TABLES = ("resources", "resourcecontainers", "insightsresources", "policyresources", "TABLE")


def refused(clause: object) -> tuple[str, str]:
    """Return what is said of a clause, and the way out."""
    with pytest.raises(ValidationError) as caught:
        READER.validate_python(clause)
    context = caught.value.errors()[0]["ctx"]
    return context["message"], context["hint"]


@pytest.mark.parametrize(
    "clause",
    [
        "| where tags.tier =~ 'store'",
        "|where name=='a'",
        "| where name in~ ('a', \"b\") and tags['x'] == 'y'\n| where location !in ('eastus')",
        "| where not(tags has 'a;b//c|d') or isempty(tags.owner)",
        "| where properties.connectivityStatus == 'Connected' and properties.kind != ''",
        "| where todatetime(properties.lastConnectivityTime) > ago(1d)",
        "| where subscriptionId == guid(74be27de-1e4e-49d9-b579-fe0b331d3642)",
        "| where name has_any (dynamic(['a', {\"b\": true}]))",
        "| where toint(tags.row) between (1 .. 5)",
        "| where name matches regex @'^a\\d+''$'",
        "| where tags.a == 'it\\'s'",
    ],
)
def test_a_clause_that_only_narrows_is_kept_to_the_letter(clause: str) -> None:
    assert READER.validate_python(f" {clause}\n") == clause


@pytest.mark.parametrize(
    ("clause", "said", "hint"),
    [
        ("where name == 'a'", "a clause begins with |", "such as"),
        (7, "expected text, found a number", "quote it"),
        ("| where", "where says nothing (character 8)", "such as"),
        ("| where | where name == 'a'", "where says nothing (character 9)", "such as"),
        ("| project id", '"project" may not stand there: only where may (character 3)', "such as"),
        ("| 'where'", "\"'where'\" may not stand there: only where may (character 3)", "such as"),
        ("| where Tags.x == 1", '"Tags" is no column of a cluster (character 9)', '"tags"?'),
        (
            "| where name == 'a'\n| where tier == 'b'",
            '"tier" is no column of a cluster (line 2, character 9)',
            "one of: extendedLocation, id",
        ),
        (
            "| where id in (resourcecontainers)",
            '"resourcecontainers" is no column of a cluster (character 16)',
            "one of",
        ),
        (
            "| where id in (name | project id)",
            "a query may not stand in brackets (character 21)",
            "compare with values",
        ),
        (
            "| where id in (table('x'))",
            '"table" may not stand there: it reads another table (character 16)',
            "such as",
        ),
        (
            "| where 1 between (0 .. toscalar(id))",
            '"toscalar" may not stand there: it reads another table (character 25)',
            "such as",
        ),
        (
            "| where ['resources'] == 1",
            '"[" may not stand there (character 9)',
            "dynamic([...])",
        ),
        ("| where name == 'a'; resources", '";" may not stand there (character 20)', "such as"),
        ("| where name == 'a' // b", "a comment may not stand there (character 21)", "the file"),
        ("| where name == 'a", "a text is never closed (character 17)", ""),
        ("| where name == ```a```", '"`" may not stand there (character 17)', ""),
        ("| where (name == 'a'", '"(" is never closed (character 21)', ""),
        ("| where name == 'a')", '")" closes nothing (character 20)', ""),
        ("| where (name == 'a']", '"]" closes nothing (character 21)', ""),
        ("| where " + "1 or " * LONGEST, f"a clause has at most {LONGEST} characters", ""),
    ],
)
def test_anything_else_is_refused_with_its_place(clause: object, said: str, hint: str) -> None:
    message, way_out = refused(clause)

    assert message == said
    assert hint in way_out


PIECES = st.sampled_from(
    [*"()[]{}|'\"@\\;., \n1", "//", "..", "==", "where", "in", "has", "dynamic", "name", *TABLES]
)


@given(st.lists(PIECES, max_size=20))
def test_whatever_is_let_through_names_no_table_and_ends_nothing(pieces: list[str]) -> None:
    clause = "| where " + "".join(pieces)
    try:
        kept = READER.validate_python(clause)
    except (ValidationError, PydanticCustomError):
        return

    bare = outside_of_texts(kept)
    assert ";" not in bare
    assert "//" not in bare
    assert all(part.split()[:1] == ["where"] for part in bare.split("|")[1:])
    assert not any(f"({table})" in bare for table in TABLES)


def outside_of_texts(clause: str) -> str:
    """Read string literals a second way: character by character."""
    bare, quote, is_verbatim, n = "", "", False, 0
    while n < len(clause):
        one = clause[n]
        if not quote:
            quote = one if one in "'\"" else ""
            is_verbatim = bool(quote) and clause[n - 1] == "@"
            bare += "" if quote else one
        elif one == "\\" and not is_verbatim:
            n += 1
        elif one == quote:
            is_doubled = is_verbatim and clause[n + 1 : n + 2] == quote
            n += is_doubled
            quote = quote if is_doubled else ""
        n += 1
    return bare
