from __future__ import annotations

import dataclasses
import datetime as dt
import enum
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from fleet.model import codec


class Colour(enum.StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Leaf:
    name: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tree:
    leaf_count: int
    is_old: bool
    planted_at: dt.datetime
    life_span: dt.timedelta
    colour: Colour
    from_version: str | None
    best: Leaf | None = None
    leaves: tuple[Leaf, ...] = ()
    notes: Mapping[str, str] = dataclasses.field(default_factory=dict)


TREE = Tree(
    leaf_count=2,
    is_old=True,
    planted_at=dt.datetime(2026, 1, 10, 3, tzinfo=dt.timezone(dt.timedelta(hours=1))),
    life_span=dt.timedelta(minutes=2),
    colour=Colour.RED,
    from_version=None,
    leaves=(Leaf(name="a"),),
    notes={"some_key": "v"},
)
JSON: dict[str, Any] = {
    "leafCount": 2,
    "isOld": True,
    "plantedAt": "2026-01-10T02:00:00.000000Z",
    "lifeSpanSeconds": 120,
    "colour": "red",
    "from": None,
    "best": None,
    "leaves": [{"name": "a"}],
    "notes": {"some_key": "v"},
}


def test_each_of_several_is_written_as_it_would_be_alone_and_common_parts_once() -> None:
    leaves, best = (Leaf(name="a"), Leaf(name="b")), Leaf(name="c")
    trees = [
        dataclasses.replace(TREE, leaf_count=n, leaves=leaves, best=best if n % 2 else None)
        for n in range(4)
    ]

    found = list(codec.each_to_json(Tree, trees))

    assert found == [codec.to_json(one) for one in trees]
    assert found[0]["leaves"] is found[3]["leaves"]


def test_parts_that_are_gone_by_then_are_not_taken_for_others() -> None:
    """An id is given again as soon as nobody has its object."""

    def trees() -> Iterator[Tree]:
        for n in range(100):
            yield dataclasses.replace(TREE, leaves=(Leaf(name=f"{n}"),), best=Leaf(name=f"{n}"))

    found = list(codec.each_to_json(Tree, trees()))

    assert found == [codec.to_json(one) for one in trees()]


def test_writes_camel_case_seconds_utc_and_nulls_and_leaves_keys_of_maps_alone() -> None:
    assert codec.to_json(TREE) == JSON


def test_reads_what_it_wrote() -> None:
    assert codec.from_json(Tree, JSON) == TREE


def test_what_has_a_default_may_be_missing() -> None:
    short = {key: value for key, value in JSON.items() if key not in ("best", "leaves", "notes")}

    assert codec.from_json(Tree, short) == dataclasses.replace(TREE, leaves=(), notes={})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"leafCount": "2"}, "$.leafCount: expected a number, found text"),
        ({"leafCount": True}, "$.leafCount: expected a number, found true or false"),
        ({"leafCount": 2.5}, "$.leafCount: expected a number, found a fraction"),
        ({"isOld": 1}, "$.isOld: expected true or false, found a number"),
        ({"colour": "green"}, "$.colour: expected one of red, blue, found text"),
        ({"plantedAt": 5}, "$.plantedAt: expected text, found a number"),
        (
            {"plantedAt": "9999-12-31T23:59:59-23:00"},
            "$.plantedAt: expected a moment such as 2026-01-10T02:00:00Z, found text",
        ),
        ({"lifeSpanSeconds": 10**18}, "$.lifeSpanSeconds: no span of time is that long"),
        ({"lifeSpanSeconds": None}, "$.lifeSpanSeconds: expected a number, found null"),
        ({"leaves": {}}, "$.leaves: expected a list, found an object"),
        ({"leaves": [{"name": 1}]}, "$.leaves[0].name: expected text, found a number"),
        ({"best": "oak"}, "$.best: expected an object, found text"),
        ({"notes": {"a": 1}}, "$.notes.a: expected text, found a number"),
        ({"colour": None}, "$.colour: expected one of red, blue, found null"),
        ({"bark": 1}, "$: unknown key 'bark'"),
    ],
)
def test_says_where_what_was_expected(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        codec.from_json(Tree, {**JSON, **changes})

    assert str(caught.value) == message


def test_says_what_is_missing() -> None:
    with pytest.raises(ValueError, match=r"\$\.colour is missing"):
        codec.from_json(Tree, {key: value for key, value in JSON.items() if key != "colour"})


def test_a_float_has_no_place() -> None:
    @dataclasses.dataclass
    class Loose:
        share: float

    with pytest.raises(TypeError, match="no canonical form"):
        codec.to_json(Loose(share=0.5))
