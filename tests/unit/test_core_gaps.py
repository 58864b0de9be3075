from __future__ import annotations

from typing import Any

import pytest

from fleet.core import catalogue, gaps, wish
from fleet.core.gaps import Gap
from fleet.model.cluster import AutoUpgrade, Extension
from fleet.model.desired import Desired, SettingsMode
from fleet.model.versions import parse
from tests.rig.fleets import OFFERED, automatic, cluster, extension
from tests.rig.rollouts import AUTO, MESH, desired

OFFER = catalogue.of_train("stable", OFFERED, profile=MESH)


def missing(asked: Desired, found: Extension) -> Gap | str:
    return gaps.gap(asked, found, wish.wish(asked, cluster(), found, OFFER), OFFER)


@pytest.mark.parametrize(
    ("asked", "found", "gap"),
    [
        pytest.param(desired(), extension("1.2.6"), Gap(), id="nothing"),
        pytest.param(desired(), extension("1.2.3"), Gap(hops=(parse("1.2.6"),)), id="a version"),
        pytest.param(desired(), extension(None), Gap(hops=(parse("1.2.6"),)), id="none shown"),
        pytest.param(desired(), extension("odd"), Gap(hops=(parse("1.2.6"),)), id="an odd one"),
        pytest.param(
            desired(),
            automatic("1.2.6"),
            Gap(has_pin=True, auto_upgrade=AutoUpgrade.NONE),
            id="a pin",
        ),
        pytest.param(
            AUTO, extension("1.2.3"), Gap(auto_upgrade=AutoUpgrade.COMPATIBLE), id="a flag"
        ),
        pytest.param(
            desired(release_train="STABLE"), extension("1.2.6"), Gap(), id="train, other case"
        ),
        pytest.param(
            desired(release_train="preview"), extension("1.2.6"), Gap(train="preview"), id="train"
        ),
        pytest.param(
            desired(settings={"a": "1"}),
            extension("1.2.6", settings={"a": "1", "b": "2"}),
            Gap(),
            id="owned keys only",
        ),
        pytest.param(
            desired(settings={"a": "1", "b": "2"}),
            extension("1.2.6", settings={"a": "0", "b": "2"}),
            Gap(settings={"a": "1"}),
            id="owned keys that differ",
        ),
        pytest.param(
            desired(settings_mode=SettingsMode.EXACT),
            extension("1.2.6", settings={"b": "2"}),
            Gap(settings={}),
            id="exactly none",
        ),
        pytest.param(
            desired(settings={"a": ""}),
            extension("1.2.6"),
            Gap(settings={"a": ""}),
            id="an empty value is a value",
        ),
    ],
)
def test_what_is_missing(asked: Desired, found: Extension, gap: Gap) -> None:
    assert missing(asked, found) == gap


@pytest.mark.parametrize("found", [extension("1.2.6"), automatic("1.2.6")])
def test_only_an_empty_gap_is_closed(found: Extension) -> None:
    gap: Any = missing(desired(), found)

    assert gap.is_closed is (found.auto_upgrade is AutoUpgrade.NONE)
