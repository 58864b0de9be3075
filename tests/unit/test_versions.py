from __future__ import annotations

import itertools

import pytest

from fleet.model import versions
from fleet.model.versions import Version, VersionOrder

REVISION, SEMVER = VersionOrder.REVISION, VersionOrder.SEMVER


@pytest.mark.parametrize(
    ("order", "ascending"),
    [
        pytest.param(
            REVISION,
            ["0.9.2", "1.0.0-beta-1", "1.0.0-rc.4", "1.0.0", "1.0.0-1", "1.0.0-2", "1.0.1"],
            id="a bare number after the dash is a revision",
        ),
        pytest.param(REVISION, ["1.1.1-9", "1.1.1-10", "1.2.0"], id="revisions are numbers"),
        pytest.param(
            SEMVER,
            ["1.0.0-1", "1.0.0-2", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-beta", "1.0.0"],
            id="a bare number after the dash is a prerelease",
        ),
        pytest.param(SEMVER, ["1.9.0", "1.10.0", "2.0.0"], id="numbers, not text"),
        pytest.param(SEMVER, ["1.2", "1.2.0.1", "1.2.1"], id="two to four numbers"),
    ],
)
def test_order(order: VersionOrder, ascending: list[str]) -> None:
    for one, other in itertools.combinations(map(versions.parse, ascending), 2):
        assert versions.key(one, order=order) < versions.key(other, order=order)


def test_a_list_is_sorted_and_what_is_no_version_left_out() -> None:
    found = versions.ascending(["1.2.6", "latest", "", "1.0.0-1", "1.0.0"], order=REVISION)

    assert [one.text for one in found] == ["1.0.0", "1.0.0-1", "1.2.6"]


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("1.2.6", Version(text="1.2.6", release=(1, 2, 6), suffix="")),
        ("v1.29", Version(text="v1.29", release=(1, 29, 0), suffix="")),
        (" 1.0.0-1 ", Version(text="1.0.0-1", release=(1, 0, 0), suffix="1")),
        ("1.2.6+build.7", Version(text="1.2.6+build.7", release=(1, 2, 6), suffix="")),
        ("1.2.3.4-rc.1", Version(text="1.2.3.4-rc.1", release=(1, 2, 3, 4), suffix="rc.1")),
    ],
)
def test_reads(text: str, version: Version) -> None:
    assert versions.parse(text) == version


@pytest.mark.parametrize("text", ["", "1", "latest", "1.2.", "1.2.6-", "1.2.6 beta", "1.2.3.4.5"])
def test_refuses_what_is_no_version(text: str) -> None:
    with pytest.raises(ValueError, match="is not a version such as"):
        versions.parse(text)
    assert versions.parse_or_none(text) is None


@pytest.mark.parametrize(
    ("text", "order", "is_prerelease"),
    [
        ("1.0.0", SEMVER, False),
        ("1.0.0-1", SEMVER, True),
        ("1.0.0-1", REVISION, False),
        ("1.0.0-beta-1", REVISION, True),
    ],
)
def test_prerelease(text: str, order: VersionOrder, is_prerelease: bool) -> None:
    assert versions.is_prerelease(versions.parse(text), order=order) is is_prerelease
