"""Nodes that an extension can run on, as far as anybody saw them."""

from __future__ import annotations

import pytest

from fleet.core import platforms
from fleet.spec import profiles

OSM = profiles.load("osm")


@pytest.mark.parametrize(
    ("profile", "nodes"),
    [
        ("osm", ()),
        ("osm", ("linux/amd64",)),
        ("osm", ("linux/arm64", "Linux/AMD64")),
        ("flux", ("linux/arm64",)),
        ("dapr", ("windows/amd64",)),
    ],
)
def test_one_node_is_enough_and_what_nobody_knows_passes(
    profile: str, nodes: tuple[str, ...]
) -> None:
    assert platforms.unmet(profiles.load(profile), nodes) == ""


def test_without_any_it_is_said_whose_move_it_is() -> None:
    assert platforms.unmet(OSM, ("windows/amd64", "linux/arm64", "linux/arm64")) == (
        "osm needs a linux/amd64 node, and this cluster has linux/arm64 and windows/amd64 nodes "
        "only: add such a node, or leave the cluster out"
    )
