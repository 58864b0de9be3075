"""Query texts, by Microsoft's own parser and binder of Kusto's language."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from fleet.sim.server import tables
from tests.rig import queries
from tests.rig.node import Node
from tests.rig.serving import Stage, staged

CONSTRUCTS: Mapping[str, str] = {
    "counting": "resources | summarize count() by location",
    "sums": (
        "resources | summarize sum(toint(properties.totalNodeCount)), "
        "avg(toint(properties.totalNodeCount)), countif(location == 'x')"
    ),
    "sets": "resources | summarize c = count(), dcount(location), make_set(name) by what = type",
    "casts": (
        "resources | project toint(properties.totalNodeCount), b = isnotempty(name), "
        "t = todatetime(properties.lastConnectivityTime), r = todouble(1)"
    ),
    "paths": "resources | project tags.env, tags['ring'], tostring(properties.distribution), id",
    "the count of all": "resources | count",
    "distinct": "resources | distinct location",
    "a join on names": (
        "resources | join kind=leftouter (kubernetesconfigurationresources "
        "| project id, name, x = properties.Version) on name"
    ),
    "parts": "resources | project split(id, '/')[2], b = split(id, '/'), strlen(id), now()",
    "expanding": "resources | mv-expand s = dynamic([1, 2]) | project id, s, t = tolower(id)",
    "the first ones": "resources | project-away properties | top 3 by name asc",
}
_TYPES = {
    "string": "string",
    "dynamic": "object",
    "long": "integer",
    "int": "integer",
    "real": "number",
    "bool": "boolean",
    "datetime": "datetime",
}
"""Resource Graph's words for Kusto's types."""


def judged(node: Node, text: str) -> Any:
    return node.ask("query", text=text, tables=queries.TABLES)


def errors(node: Node, text: str) -> list[tuple[str, int]]:
    """Return codes and places of what cannot be understood."""
    return [
        (one["code"], one["at"])
        for one in judged(node, text)["complaints"]
        if one["severity"] == "Error"
    ]


def unnamed(columns: str) -> list[str]:
    """Return the columns whose type the binder does not know."""
    return [one for one in columns.strip("()").split(", ") if one.endswith(": unknown")]


@pytest.mark.parametrize(
    ("name", "text"), list(queries.ours()), ids=[name for name, _ in queries.ours()]
)
def test_a_query_of_ours_is_understood_to_its_last_column(name: str, text: str, node: Node) -> None:
    found = judged(node, text)

    assert found["complaints"] == []
    assert found["columns"]
    assert unnamed(found["columns"]) == []


def test_the_official_samples_are_understood(node: Node) -> None:
    found = {name: errors(node, text) for name, text in queries.samples()}

    assert len(found) == 5
    assert not any(found.values()), found


def test_what_the_notes_recommend_is_understood(node: Node) -> None:
    found = {name: errors(node, text) for name, text in queries.noted()}

    assert not any(found.values()), found


@pytest.mark.parametrize(
    ("text", "code", "at"),
    [
        ("resources | project id, nmae", "KS142", 24),
        ("resourcess | project id", "KS204", 0),
        ("resources | projct id", "KS176", 12),
        ("resources | where name === 'x'", "KS006", 25),
        ("resources | extend x = to_lower(id)", "KS211", 23),
        ("resources | where name has 'x' and (id == ''", "KS005", 44),
        (
            "resources | join kind=leftouter (kubernetesconfigurationresources) on idd",
            "KS142",
            70,
        ),
        ("kubernetesconfigurationresources | project id | extend x = properties", "KS142", 59),
    ],
)
def test_what_is_misspelt_is_found_where_it_stands(
    text: str, code: str, at: int, node: Node
) -> None:
    assert (code, at) in errors(node, text)


# --- what the simulator makes of them -------------------------------------------------------


def _is_served(text: str) -> bool:
    words = {word.lower() for word in re.findall(r"\w+", text)}
    return words & {name.lower() for name in queries.TABLES} <= set(tables.TABLES)


def _columns(columns: str) -> list[tuple[str, str]]:
    """Return names and types of columns as Resource Graph writes them."""
    pairs = (one.rpartition(": ") for one in columns.strip("()").split(", "))
    return [(name.removeprefix("['").removesuffix("']"), _TYPES[kind]) for name, _, kind in pairs]


async def _answered(stage: Stage, text: str) -> Any:
    stage.wait(seconds=6)
    heard = await stage.caller.ask(text, options={"resultFormat": "table"})
    return [(one["name"], one["type"]) for one in heard.json["data"]["columns"]]


async def test_the_simulator_names_and_types_columns_as_kusto_does(node: Node) -> None:
    texts = dict([*queries.ours(), *queries.noted(), *CONSTRUCTS.items()])
    served = {name: text for name, text in texts.items() if _is_served(text)}
    async with staged() as stage:
        found = {name: await _answered(stage, text) for name, text in served.items()}

    expected = {name: _columns(judged(node, text)["columns"]) for name, text in served.items()}
    assert found == expected
    assert set(CONSTRUCTS) <= set(served)


async def test_the_simulator_answers_the_official_samples_with_kusto_s_columns(node: Node) -> None:
    texts = dict(queries.samples())
    async with staged() as stage:
        found = {name: await _answered(stage, text) for name, text in texts.items()}

    assert found == {name: _columns(judged(node, text)["columns"]) for name, text in texts.items()}
