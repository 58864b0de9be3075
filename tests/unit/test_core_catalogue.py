from __future__ import annotations

import dataclasses

import pytest

from fleet.core import catalogue
from fleet.core.catalogue import Catalogue
from fleet.model.versions import parse
from tests.rig.fleets import OFFERED, PLAIN
from tests.rig.rollouts import MESH


def of(*offered: str) -> Catalogue:
    return catalogue.of_train("stable", offered, profile=MESH)


def test_the_latest_is_no_prerelease_and_not_the_last_of_the_list() -> None:
    assert of(*OFFERED).latest() == parse("1.2.6")


def test_the_latest_may_be_a_revision() -> None:
    assert of("1.0.0-1", "1.0.0").latest() == parse("1.0.0-1")


def test_nothing_offered_means_nothing_known() -> None:
    empty = of()

    assert empty.latest() is None
    assert empty.has(parse("7.7.7"))
    assert empty.supported_lines() is None


def test_the_profile_knows_versions_where_the_service_offers_none() -> None:
    profile = dataclasses.replace(MESH, catalogue=("1.2.3",))

    assert catalogue.of_train("stable", (), profile=profile).latest() == parse("1.2.3")
    assert catalogue.of_train("stable", ("1.2.6",), profile=profile).latest() == parse("1.2.6")


def test_a_version_is_found_as_the_service_spells_it() -> None:
    offer = of("1.2.0", "1.2.6")

    assert offer.find(parse("v1.2")) == parse("1.2.0")
    assert offer.find(parse("1.2.5")) is None
    assert not offer.has(parse("1.2.5"))


def test_the_most_recent_minors_are_supported_prereleases_not_counted() -> None:
    assert of(*OFFERED).supported_lines() == frozenset({(1, 1), (1, 2)})


def test_support_is_unknown_where_the_profile_says_nothing() -> None:
    assert catalogue.of_train("stable", OFFERED, profile=PLAIN).supported_lines() is None


@pytest.mark.parametrize(
    ("start", "end", "hops"),
    [
        pytest.param("1.2.3", "1.2.6", ["1.2.6"], id="within a minor"),
        pytest.param("1.1.1", "1.2.6", ["1.2.6"], id="the next minor"),
        pytest.param("1.0.0", "1.2.3", ["1.1.1-1", "1.2.3"], id="by the newest patch in between"),
        pytest.param("0.9.2", "1.1.1", ["1.0.0-1", "1.1.1"], id="across a major"),
        pytest.param("1.0.0", "1.3.0-beta-1", ["1.1.1-1", "1.2.6", "1.3.0-beta-1"], id="to beta"),
    ],
)
def test_every_minor_is_taken_in_turn(start: str, end: str, hops: list[str]) -> None:
    taken = of(*OFFERED).hops(parse(start), parse(end))

    assert [one.text for one in taken or ()] == hops


def test_a_minor_that_is_not_offered_cannot_be_taken() -> None:
    assert of("1.0.0", "1.2.6").hops(parse("1.0.0"), parse("1.2.6")) is None
