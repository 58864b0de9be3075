"""What a cluster needs, and why: one row of facts and wishes, one verdict."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from fleet.core import catalogue, policy
from fleet.model.cluster import AutoUpgrade, Cluster, Connectivity, Extension, ProvisioningState
from fleet.model.desired import Desired, SettingsMode
from fleet.model.plan import Action, Step, Target, Verb
from fleet.model.scope import Unreachable
from tests.rig.fleets import OFFERED, PLAIN, automatic, cluster, extension
from tests.rig.rollouts import AUTO, MESH, UNINSTALL, desired

FREE = dataclasses.replace(MESH, may_downgrade=True)
"""The mesh, if it could go back."""


def judged(
    wish: Desired,
    *found: Extension,
    where: Cluster | None = None,
    offered: tuple[str, ...] = OFFERED,
    unreachable: Unreachable = Unreachable.DEFER,
) -> Target:
    trains = ("stable", "preview")
    catalogues = {
        train: catalogue.of_train(train, offered if train == "stable" else (), profile=wish.profile)
        for train in trains
    }
    place = dataclasses.replace(where or cluster(), extensions=found)
    return policy.judge(place, wish, catalogues=catalogues, unreachable=unreachable)


def patch(version: str, why: str = "version", **changes: Any) -> Step:
    return Step(
        verb=Verb.PATCH,
        version=version,
        auto_upgrade=AutoUpgrade.NONE,
        release_train="Stable",
        why=why,
        **changes,
    )


ONE_BY_ONE = "version, hop {} of {}: one minor after another"


@pytest.mark.parametrize(
    ("wish", "found", "action", "steps"),
    [
        pytest.param(
            desired(),
            None,
            Action.INSTALL,
            (
                Step(
                    verb=Verb.PUT,
                    version="1.2.6",
                    auto_upgrade=AutoUpgrade.NONE,
                    release_train="stable",
                    settings={},
                    why="not installed",
                ),
            ),
            id="install",
        ),
        pytest.param(
            AUTO,
            None,
            Action.INSTALL,
            (
                Step(
                    verb=Verb.PUT,
                    auto_upgrade=AutoUpgrade.COMPATIBLE,
                    release_train="stable",
                    settings={},
                    why="not installed",
                ),
            ),
            id="install and let the service choose",
        ),
        pytest.param(desired(), extension("1.2.6"), Action.NO_CHANGE, (), id="as wished"),
        pytest.param(
            desired(), extension("1.2.3"), Action.UPGRADE, (patch("1.2.6"),), id="upgrade a patch"
        ),
        pytest.param(
            desired(),
            automatic("1.2.6"),
            Action.PIN,
            (patch("1.2.6", "pin the version, auto-upgrade off"),),
            id="pin while auto-upgrade is on, in one write",
        ),
        pytest.param(
            desired(),
            automatic("1.2.3"),
            Action.UPGRADE,
            (patch("1.2.6"),),
            id="upgrade and pin while auto-upgrade is on, in one write",
        ),
        pytest.param(
            desired(),
            extension("1.0.0"),
            Action.UPGRADE,
            (patch("1.1.1-1", ONE_BY_ONE.format(1, 2)), patch("1.2.6", ONE_BY_ONE.format(2, 2))),
            id="minors one after another",
        ),
        pytest.param(
            desired(allow_skip_minor=True),
            extension("1.0.0"),
            Action.UPGRADE,
            (patch("1.2.6"),),
            id="a minor skipped where the file allows it",
        ),
        pytest.param(
            desired(settings={"a": "1"}),
            extension("1.2.3", settings={"a": "0", "b": "2"}),
            Action.UPGRADE,
            (
                Step(verb=Verb.PATCH, settings={"a": "1"}, why="settings before the version"),
                patch("1.2.6"),
            ),
            id="settings before the version",
        ),
        pytest.param(
            desired(settings={"a": "1"}),
            automatic("1.2.6"),
            Action.PIN,
            (patch("1.2.6", "pin the version, auto-upgrade off, settings", settings={"a": "1"}),),
            id="a pin takes the settings along",
        ),
        pytest.param(
            desired(settings={"a": "1"}),
            extension("1.2.6", settings={"a": "0", "b": "2"}),
            Action.RECONFIGURE,
            (Step(verb=Verb.PATCH, settings={"a": "1"}, why="settings"),),
            id="reconfigure",
        ),
        pytest.param(
            desired(protected={"token": "TOKEN"}),
            extension("1.2.6"),
            Action.RECONFIGURE,
            (Step(verb=Verb.PATCH, protected={"token": "TOKEN"}, why="protected settings"),),
            id="a protected setting that is not there yet",
        ),
        pytest.param(
            desired(release_train="preview", version=None),
            extension("1.2.6"),
            Action.RECONFIGURE,
            (Step(verb=Verb.PATCH, release_train="preview", why="release train"),),
            id="another train",
        ),
        pytest.param(
            AUTO,
            extension("1.2.3"),
            Action.ENABLE_AUTO_UPGRADE,
            (
                Step(
                    verb=Verb.PATCH,
                    auto_upgrade=AutoUpgrade.COMPATIBLE,
                    why="auto-upgrade compatible",
                ),
            ),
            id="enable auto-upgrade",
        ),
        pytest.param(AUTO, automatic(), Action.NO_CHANGE, (), id="auto-upgrade is on"),
        pytest.param(
            desired(version=None, auto_upgrade=AutoUpgrade.NONE),
            automatic("1.2.3"),
            Action.PIN,
            (patch("1.2.3", "pin the version, auto-upgrade off"),),
            id="auto-upgrade off means: stay where you are",
        ),
        pytest.param(
            desired(version="latest"),
            extension("1.2.3"),
            Action.UPGRADE,
            (patch("1.2.6"),),
            id="latest is the newest that is no prerelease",
        ),
        pytest.param(
            desired(version="v1.2.6"), extension("1.2.6"), Action.NO_CHANGE, (), id="v1.2.6"
        ),
        pytest.param(
            desired(version="v1.2.6"),
            extension("1.2.3"),
            Action.UPGRADE,
            (patch("1.2.6"),),
            id="a version is sent as the service spells it",
        ),
        pytest.param(
            desired(profile=FREE, version="1.1.1", allow_downgrade=True),
            extension("1.2.6"),
            Action.DOWNGRADE,
            (patch("1.1.1"),),
            id="downgrade where the file allows it",
        ),
        pytest.param(
            desired(version="1.1.1-1"),
            extension("1.1.1"),
            Action.UPGRADE,
            (patch("1.1.1-1"),),
            id="a revision is newer than what it revises",
        ),
        pytest.param(
            UNINSTALL,
            extension(),
            Action.UNINSTALL,
            (Step(verb=Verb.DELETE, why="shall be absent"),),
            id="uninstall",
        ),
        pytest.param(UNINSTALL, None, Action.NO_CHANGE, (), id="absent already"),
    ],
)
def test_what_it_needs(
    wish: Desired, found: Extension | None, action: Action, steps: tuple[Step, ...]
) -> None:
    target = judged(wish, *([found] if found else []))

    assert (target.action, target.steps) == (action, steps)


SYSTEM = extension(is_system=True)
READ_ONLY = extension(is_read_only=True)
GUARDED = extension("1.2.6", protected_keys=("cert", "token"))


@pytest.mark.parametrize(
    ("wish", "found", "reason"),
    [
        pytest.param(
            desired(version="1.1.1"),
            [extension("1.2.6")],
            "mesh cannot go back from 1.2.6 to 1.1.1",
            id="it cannot go back",
        ),
        pytest.param(
            desired(profile=FREE, version="1.1.1"),
            [extension("1.2.6")],
            "would go back from 1.2.6 to 1.1.1: set allowDowngrade: true",
            id="the file does not allow it to go back",
        ),
        pytest.param(
            desired(version="1.2.5"),
            [],
            "version 1.2.5 is not offered in release train stable; the newest is 1.2.6",
            id="not offered",
        ),
        pytest.param(
            desired(version="1.0.0"),
            [],
            "version 1.0.0 is out of support: mesh supports 1.1 and 1.2",
            id="out of support",
        ),
        pytest.param(
            desired(version="1.0.0-1"),
            [],
            "version 1.0.0-1 is out of support: mesh supports 1.1 and 1.2",
            id="a revision of what is out of support",
        ),
        pytest.param(
            desired(version="latest", release_train="preview"),
            [],
            "no version is offered in release train preview",
            id="latest of nothing",
        ),
        pytest.param(
            desired(),
            [extension(), extension(name="osm-2")],
            "several instances (osm, osm-2), and there may be one: remove the others",
            id="two instances",
        ),
        pytest.param(
            desired(profile=PLAIN, name="osm"),
            [extension()],
            "an extension of another type is named osm",
            id="its name is taken",
        ),
        pytest.param(
            desired(), [SYSTEM], "a system extension: the service manages it", id="system"
        ),
        pytest.param(
            UNINSTALL, [SYSTEM], "a system extension: the service manages it", id="system, absent"
        ),
        pytest.param(desired(), [READ_ONLY], "its manager lets users read only", id="read only"),
        pytest.param(
            desired(protected={"token": "TOKEN", "key": "KEY"}),
            [GUARDED],
            "writing it would delete the protected settings cert: name them all",
            id="protected settings lost by naming some",
        ),
        pytest.param(
            desired(settings_mode=SettingsMode.EXACT, settings={"a": "1"}),
            [GUARDED],
            "writing it would delete the protected settings cert, token: name them all",
            id="protected settings lost by a full write",
        ),
        pytest.param(
            desired(),
            [dataclasses.replace(GUARDED, provisioning_state=ProvisioningState.FAILED)],
            "writing it would delete the protected settings cert, token: name them all",
            id="protected settings lost by a repair",
        ),
        pytest.param(
            desired(version=None, auto_upgrade=AutoUpgrade.NONE),
            [],
            "not installed, and autoUpgrade: none needs a version",
            id="auto-upgrade off without a version",
        ),
        pytest.param(
            desired(profile=dataclasses.replace(MESH, distributions=("openshift",))),
            [],
            "mesh does not support the distribution rancher_rke",
            id="distribution",
        ),
    ],
)
def test_why_nothing_can_be_done(wish: Desired, found: list[Extension], reason: str) -> None:
    target = judged(wish, *found)

    assert (target.action, target.reason, target.steps) == (Action.BLOCKED, reason, ())


def test_a_minor_in_between_that_is_not_offered_blocks() -> None:
    target = judged(desired(), extension("1.0.0"), offered=("1.0.0", "1.2.6"))

    assert (target.action, target.reason) == (
        Action.BLOCKED,
        "from 1.0.0 to 1.2.6 skips a minor that is not offered: set allowSkipMinor: true",
    )


def test_nothing_asked_and_nothing_there_is_skipped() -> None:
    target = judged(desired(version=None, settings={"a": "1"}))

    assert target.action is Action.SKIP
    assert target.reason == "not installed, and the plan file names neither version nor autoUpgrade"


def test_the_one_instance_is_found_under_any_name() -> None:
    assert judged(desired(), extension(name="mesh-of-theirs")).extension_name == "mesh-of-theirs"


def test_a_setting_that_a_distribution_needs_is_added_there_only() -> None:
    profile = dataclasses.replace(MESH, distribution_settings={"openshift": {"init": "true"}})
    wish = desired(profile=profile, settings={"a": "1"})

    there = judged(wish, where=cluster(distribution="OpenShift"))
    elsewhere = judged(wish)

    assert there.steps[0].settings == {"init": "true", "a": "1"}
    assert elsewhere.steps[0].settings == {"a": "1"}


def test_a_setting_that_is_there_already_is_not_sent_again() -> None:
    profile = dataclasses.replace(MESH, distribution_settings={"openshift": {"init": "true"}})
    found = extension("1.2.3", settings={"init": "true"})

    target = judged(desired(profile=profile), found, where=cluster(distribution="openshift"))

    assert [step.settings for step in target.steps] == [None]


# --- a failed extension ------------------------------------------------------------------


def failed(installed: str = "1.2.3", **changes: Any) -> Extension:
    return extension(installed, provisioning_state=ProvisioningState.FAILED, **changes)


def test_a_failed_extension_is_put_again_although_nothing_differs() -> None:
    target = judged(desired(), failed("1.2.6"))

    assert target.action is Action.INSTALL
    assert [(step.verb, step.version) for step in target.steps] == [(Verb.PUT, "1.2.6")]
    assert target.reason == "the last operation ended Failed"


def test_a_failed_extension_keeps_its_pin_where_the_file_names_no_version() -> None:
    (step,) = judged(desired(version=None, settings={"a": "1"}), failed()).steps

    assert (step.verb, step.version, step.auto_upgrade) == (Verb.PUT, "1.2.3", AutoUpgrade.NONE)


def test_a_failed_extension_goes_back_no_more_than_a_sound_one() -> None:
    target = judged(desired(version="1.1.1"), failed("1.2.6"))

    assert target.action is Action.BLOCKED
    assert target.reason == "mesh cannot go back from 1.2.6 to 1.1.1"


def test_a_failed_extension_takes_its_minors_one_after_another() -> None:
    target = judged(desired(settings={"a": "1"}), failed("1.0.0"))

    assert [(step.verb, step.version) for step in target.steps] == [
        (Verb.PUT, "1.1.1-1"),
        (Verb.PATCH, "1.2.6"),
    ]
    assert target.to_version == "1.2.6"


# --- exact settings ----------------------------------------------------------------------

EXACT: dict[str, Any] = {"settings_mode": SettingsMode.EXACT, "settings": {"a": "1"}}
EXTRA = {"a": "1", "b": "2"}


def test_exact_settings_remove_the_others_by_a_full_write_and_change_nothing_else() -> None:
    (step,) = judged(desired(**EXACT), extension("1.2.6", settings=EXTRA)).steps

    assert step == Step(
        verb=Verb.PUT,
        version="1.2.6",
        auto_upgrade=AutoUpgrade.NONE,
        release_train="Stable",
        settings={"a": "1"},
        is_exact=True,
        why="settings, exactly these: only a full PUT removes a key",
    )


def test_exact_settings_as_they_are_need_nothing() -> None:
    target = judged(desired(**EXACT), extension("1.2.6", settings={"a": "1"}))

    assert target.action is Action.NO_CHANGE


def test_exact_settings_come_before_the_version() -> None:
    target = judged(desired(**EXACT), extension("1.2.3", settings=EXTRA))

    assert [(step.verb, step.version) for step in target.steps] == [
        (Verb.PUT, "1.2.3"),
        (Verb.PATCH, "1.2.6"),
    ]


def test_exact_settings_do_not_forget_the_flag() -> None:
    wish = desired(version=None, auto_upgrade=AutoUpgrade.COMPATIBLE, **EXACT)

    target = judged(wish, extension("1.2.6", settings=EXTRA))

    assert [(step.verb, step.auto_upgrade) for step in target.steps] == [
        (Verb.PUT, AutoUpgrade.NONE),
        (Verb.PATCH, AutoUpgrade.COMPATIBLE),
    ]
    assert target.action is Action.ENABLE_AUTO_UPGRADE


def test_exact_settings_do_not_forget_the_release_train() -> None:
    wish = desired(version=None, release_train="preview", **EXACT)

    target = judged(wish, extension("1.2.6", settings=EXTRA))

    assert [step.release_train for step in target.steps] == ["Stable", "preview"]


def test_a_full_write_sends_every_protected_setting() -> None:
    """A PUT without them would delete them, and nobody would see it."""
    wish = desired(protected={"token": "TOKEN"}, **EXACT)

    (step,) = judged(wish, extension("1.2.6", settings=EXTRA, protected_keys=("token",))).steps

    assert step.protected == {"token": "TOKEN"}


def test_a_full_write_brings_a_protected_setting_that_was_not_there() -> None:
    (step,) = judged(
        desired(protected={"token": "TOKEN"}, **EXACT), extension("1.2.6", settings=EXTRA)
    ).steps

    assert step.protected == {"token": "TOKEN"}


# --- clusters that are not connected -----------------------------------------------------

OFFLINE = cluster(connectivity=Connectivity.OFFLINE)


@pytest.mark.parametrize("how", [Unreachable.DEFER, Unreachable.FAIL])
def test_a_cluster_that_is_not_connected_is_tried_last(how: Unreachable) -> None:
    target = judged(desired(), extension("1.2.3"), where=OFFLINE, unreachable=how)

    assert target.action is Action.UPGRADE
    assert target.reason == "version; not connected (Offline): tried last"


def test_a_cluster_that_is_not_connected_is_skipped_where_the_file_says_so() -> None:
    target = judged(desired(), extension("1.2.3"), where=OFFLINE, unreachable=Unreachable.SKIP)

    assert (target.action, target.steps, target.rollback) == (Action.SKIP, (), None)
    assert target.reason == "not connected (Offline); would upgrade"


def test_a_cluster_that_is_not_connected_and_needs_nothing_is_no_trouble() -> None:
    target = judged(desired(), extension("1.2.6"), where=OFFLINE, unreachable=Unreachable.SKIP)

    assert target.action is Action.NO_CHANGE


def test_an_operation_in_progress_is_waited_for() -> None:
    found = extension("1.2.3", provisioning_state=ProvisioningState.UPDATING)

    assert "an operation is in progress (Updating): waits for it" in judged(desired(), found).reason


def test_what_needs_nothing_is_not_blocked_whatever_it_stands_on() -> None:
    only_openshift = dataclasses.replace(MESH, distributions=("openshift",))

    target = judged(desired(profile=only_openshift), extension("1.2.6"))

    assert (target.action, target.reason) == (Action.NO_CHANGE, "as wished")


def test_a_pin_to_a_version_that_never_existed_can_be_mended() -> None:
    """Such an extension is Failed, and shows the version as current: nothing of it is there."""
    broken = extension("1.2.99", provisioning_state=ProvisioningState.FAILED)

    target = judged(desired(), broken)

    assert target.action is Action.INSTALL
    assert [(step.verb, step.version) for step in target.steps] == [(Verb.PUT, "1.2.6")]


def test_latest_never_means_back() -> None:
    target = judged(desired(version="latest"), extension("1.3.0-beta-1"))

    assert target.action is Action.NO_CHANGE


def test_a_protected_setting_that_is_there_is_not_sent_again() -> None:
    guarded = extension("1.1.1", protected_keys=("cert", "token"))

    target = judged(desired(protected={"token": "TOKEN"}), guarded)

    assert target.action is Action.UPGRADE
    assert [step.protected for step in target.steps] == [None]
