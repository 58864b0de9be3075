"""The way back of each action: the writes that do it, and what they cannot do."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest

from fleet.core import catalogue
from fleet.core.wayback import wayback
from fleet.model.cluster import AutoUpgrade, Extension, ProvisioningState
from fleet.model.desired import Profile
from fleet.model.plan import Action, Rollback, Step, Verb
from tests.rig.fleets import OFFERED, PIN, PLAIN, automatic, extension
from tests.rig.rollouts import MESH

PATCH, PUT, NONE = Verb.PATCH, Verb.PUT, AutoUpgrade.NONE
COMPATIBLE = AutoUpgrade.COMPATIBLE
DELETE = Step(verb=Verb.DELETE)
SECRET = Step(verb=PATCH, protected={"token": "TOKEN"})
AUTO = Step(verb=PATCH, auto_upgrade=COMPATIBLE)
SET = Step(verb=PATCH, settings={"a": "1", "b": "2"})
HIDDEN = extension(protected_keys=("token",))
WAS_SET = extension(settings={"a": "0", "b": "0", "c": "3"})
STEPWISE = dataclasses.replace(PLAIN, name="stepwise", has_sequential_minors=True)
BACK = "back to what it was"
BACK_BY_PUT = "back to what it was: only a full PUT removes what was added"


def way(
    action: Action,
    *steps: Step,
    found: Extension | None,
    profile: Profile = PLAIN,
    offered: tuple[str, ...] = OFFERED,
    needed: Mapping[str, str] | None = None,
) -> Rollback:
    offer = catalogue.of_train("stable", offered, profile=profile)
    return wayback(action, steps, found, offer=offer, needed=needed or {})


def pinned(version: str, **changes: Any) -> Step:
    defaults: dict[str, Any] = {"auto_upgrade": NONE, "release_train": "Stable", "why": BACK}
    return Step(verb=changes.pop("verb", PATCH), version=version, **(defaults | changes))


@pytest.mark.parametrize(
    ("action", "forward", "found", "note", "steps"),
    [
        pytest.param(
            Action.INSTALL,
            PIN,
            None,
            "uninstall it",
            (Step(verb=Verb.DELETE, why="was not installed"),),
            id="install",
        ),
        pytest.param(
            Action.UPGRADE,
            PIN,
            extension(),
            "restore version 1.1.1",
            (pinned("1.1.1"),),
            id="upgrade",
        ),
        pytest.param(
            Action.UPGRADE,
            PIN,
            automatic(),
            "restore version 1.1.1, auto-upgrade off (or the service would upgrade it again)",
            (pinned("1.1.1"),),
            id="upgrade of one that was automatic",
        ),
        pytest.param(
            Action.DOWNGRADE,
            dataclasses.replace(PIN, version="1.0.0"),
            automatic(),
            "restore version 1.1.1, auto-upgrade compatible",
            (
                pinned("1.1.1"),
                Step(verb=PATCH, auto_upgrade=COMPATIBLE, why="auto-upgrade compatible, as it was"),
            ),
            id="downgrade of one that was automatic",
        ),
        pytest.param(
            Action.PIN,
            dataclasses.replace(PIN, version="1.1.1"),
            automatic(),
            "restore auto-upgrade compatible",
            (Step(verb=PATCH, auto_upgrade=COMPATIBLE, release_train="Stable", why=BACK),),
            id="pin",
        ),
        pytest.param(
            Action.RECONFIGURE,
            SET,
            WAS_SET,
            "restore 2 settings",
            (Step(verb=PATCH, settings={"a": "0", "b": "0"}, why=BACK),),
            id="settings that were there",
        ),
        pytest.param(
            Action.RECONFIGURE,
            SET,
            extension(settings={"a": "0", "c": "3"}),
            "restore 2 settings",
            (
                pinned(
                    "1.1.1",
                    verb=PUT,
                    settings={"a": "0", "c": "3"},
                    is_exact=True,
                    why=BACK_BY_PUT,
                ),
            ),
            id="a setting that was not there",
        ),
        pytest.param(
            Action.RECONFIGURE,
            Step(verb=PUT, version="1.1.1", settings={"a": "1"}, is_exact=True),
            extension(settings={"a": "0", "c": "3"}),
            "restore 2 settings",
            (Step(verb=PATCH, settings={"a": "0", "c": "3"}, why=BACK),),
            id="settings that were removed",
        ),
        pytest.param(
            Action.RECONFIGURE,
            Step(verb=PATCH, release_train="preview"),
            extension(),
            "restore release train Stable",
            (Step(verb=PATCH, release_train="Stable", why=BACK),),
            id="release train",
        ),
        pytest.param(
            Action.RECONFIGURE,
            SECRET,
            extension(settings={"a": "0"}),
            "restore no protected settings",
            (
                pinned(
                    "1.1.1",
                    verb=PUT,
                    settings={"a": "0"},
                    is_exact=True,
                    protected={},
                    why=BACK_BY_PUT,
                ),
            ),
            id="the first protected settings",
        ),
        pytest.param(
            Action.ENABLE_AUTO_UPGRADE,
            AUTO,
            extension(),
            "restore auto-upgrade none (unless another version was taken meanwhile)",
            (pinned("1.1.1"),),
            id="auto-upgrade",
        ),
        pytest.param(
            Action.UNINSTALL,
            DELETE,
            extension(settings={"a": "1"}, namespace="mesh"),
            "install 1.1.1 with the same 1 settings",
            (
                pinned(
                    "1.1.1", verb=PUT, settings={"a": "1"}, namespace="mesh", why="was installed"
                ),
            ),
            id="uninstall",
        ),
        pytest.param(
            Action.UNINSTALL,
            DELETE,
            automatic(),
            "install 1.1.1 with the same 0 settings",
            (
                pinned("1.1.1", verb=PUT, settings={}, why="was installed"),
                Step(verb=PATCH, auto_upgrade=COMPATIBLE, why="auto-upgrade compatible, as it was"),
            ),
            id="uninstall of one that was automatic",
        ),
    ],
)
def test_a_way_back(
    action: Action, forward: Step, found: Extension | None, note: str, steps: tuple[Step, ...]
) -> None:
    assert way(action, forward, found=found) == Rollback(is_possible=True, note=note, steps=steps)


def test_minors_are_taken_back_one_after_another() -> None:
    forward = [pinned("1.1.1-1"), pinned("1.2.6")]

    back = way(Action.UPGRADE, *forward, found=extension("1.0.0-1"), profile=STEPWISE)

    assert [step.version for step in back.steps] == ["1.1.1-1", "1.0.0-1"]
    assert back.is_possible


def test_minors_that_were_skipped_back_are_taken_forward_one_after_another() -> None:
    one = extension("1.2.6")

    back = way(Action.DOWNGRADE, pinned("1.0.0"), found=one, profile=STEPWISE)
    stuck = way(
        Action.DOWNGRADE,
        pinned("1.0.0"),
        found=one,
        profile=STEPWISE,
        offered=("1.0.0", "1.2.6"),
    )

    assert [step.version for step in back.steps] == ["1.1.1", "1.2.6"]
    assert stuck == Rollback(
        is_possible=False,
        note="irreversible: a minor between 1.0.0 and 1.2.6 is not offered",
    )


@pytest.mark.parametrize(
    ("action", "forward", "found", "note"),
    [
        pytest.param(
            Action.UPGRADE, PIN, extension(), "mesh cannot go back to 1.1.1", id="it cannot go back"
        ),
        pytest.param(
            Action.DOWNGRADE,
            dataclasses.replace(PIN, version="1.0.0"),
            extension("1.2.5"),
            "1.2.5 is not offered any more in release train stable",
            id="not offered any more",
        ),
        pytest.param(
            Action.ENABLE_AUTO_UPGRADE,
            AUTO,
            extension("1.2.5"),
            "1.2.5 is not offered any more in release train stable",
            id="a pin to what is not offered any more",
        ),
        pytest.param(
            Action.UNINSTALL,
            DELETE,
            extension("1.2.5"),
            "1.2.5 is not offered any more in release train stable",
            id="uninstalled, and not offered any more",
        ),
        pytest.param(
            Action.RECONFIGURE,
            SECRET,
            HIDDEN,
            "the earlier protected values cannot be read back",
            id="protected values replaced",
        ),
        pytest.param(
            Action.UNINSTALL,
            DELETE,
            HIDDEN,
            "the values of the protected settings token cannot be read back",
            id="protected values deleted",
        ),
        pytest.param(
            Action.RECONFIGURE,
            SET,
            HIDDEN,
            "a, b stay: only a PUT removes a key, and it deletes protected settings",
            id="added beside protected settings",
        ),
        pytest.param(
            Action.INSTALL,
            PIN,
            extension(provisioning_state=ProvisioningState.FAILED),
            "the earlier state was a failure",
            id="repair",
        ),
        pytest.param(
            Action.UNINSTALL,
            DELETE,
            extension(provisioning_state=ProvisioningState.FAILED),
            "the earlier state was a failure",
            id="a failed one uninstalled",
        ),
        pytest.param(
            Action.UPGRADE, PIN, extension(None), "the earlier version was not shown", id="unknown"
        ),
    ],
)
def test_no_way_back(action: Action, forward: Step, found: Extension, note: str) -> None:
    assert way(action, forward, found=found, profile=MESH) == Rollback(
        is_possible=False, note=f"irreversible: {note}"
    )


@pytest.mark.parametrize(
    ("action", "forward", "found", "note", "steps"),
    [
        pytest.param(
            Action.UPGRADE,
            (SET, PIN),
            WAS_SET,
            "partial: restore 2 settings; but mesh cannot go back to 1.1.1",
            (Step(verb=PATCH, settings={"a": "0", "b": "0"}, why=BACK),),
            id="settings without the version",
        ),
        pytest.param(
            Action.UPGRADE,
            (PIN,),
            automatic(),
            "partial: restore auto-upgrade compatible; but mesh cannot go back to 1.1.1",
            (Step(verb=PATCH, auto_upgrade=COMPATIBLE, release_train="Stable", why=BACK),),
            id="the flag without the version",
        ),
        pytest.param(
            Action.UPGRADE,
            (SET, PIN),
            extension(),
            "partial: restore 2 settings; but mesh cannot go back to 1.1.1",
            (pinned("1.2.6", verb=PUT, settings={}, is_exact=True, why=BACK_BY_PUT),),
            id="added settings are removed at the new version",
        ),
        pytest.param(
            Action.RECONFIGURE,
            (SET,),
            extension(settings={"a": "0"}, protected_keys=("token",)),
            "partial: restore 1 settings; but "
            "b stay: only a PUT removes a key, and it deletes protected settings",
            (Step(verb=PATCH, settings={"a": "0"}, why=BACK),),
            id="changed settings without the added ones",
        ),
        pytest.param(
            Action.UNINSTALL,
            (DELETE,),
            automatic("1.2.5"),
            "partial: install a newer version with the same 0 settings; "
            "but 1.2.5 is not offered any more in release train stable",
            (
                Step(
                    verb=PUT,
                    auto_upgrade=COMPATIBLE,
                    release_train="Stable",
                    settings={},
                    why="was installed",
                ),
            ),
            id="installed again at whatever is offered",
        ),
    ],
)
def test_a_part_of_the_way_back(
    action: Action,
    forward: tuple[Step, ...],
    found: Extension,
    note: str,
    steps: tuple[Step, ...],
) -> None:
    expected = Rollback(is_possible=False, note=note, steps=steps)

    assert way(action, *forward, found=found, profile=MESH) == expected
    assert expected.is_partial


def test_what_a_distribution_always_needs_is_never_taken_away() -> None:
    found = way(Action.RECONFIGURE, SET, found=extension(), needed={"a": "1"})

    assert found.note == "partial: restore 1 settings; but a stays: this distribution needs it"
    assert found.steps[0].settings == {"a": "1"}
    assert way(Action.UNINSTALL, DELETE, found=extension(), needed={"a": "1"}).steps[
        0
    ].settings == {"a": "1"}


def test_where_nothing_is_known_of_what_is_offered_the_version_counts_as_offered() -> None:
    assert way(Action.UPGRADE, PIN, found=extension("1.2.5"), offered=()).is_possible
