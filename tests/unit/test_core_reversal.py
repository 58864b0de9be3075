"""From a planned target to the one that takes it back."""

from __future__ import annotations

import dataclasses
from typing import Any

from fleet.core import catalogue, chain, reversal, steps
from fleet.core.wayback import wayback
from fleet.model import codec
from fleet.model.cluster import AutoUpgrade, Extension
from fleet.model.plan import Action, Change, Facts, Rollback, Step, Target, Verb
from tests.rig.fleets import OFFERED, PIN, PLAIN, absent_target, automatic, extension, target

NONE, COMPATIBLE = AutoUpgrade.NONE, AutoUpgrade.COMPATIBLE
SET = Step(verb=Verb.PATCH, settings={"a": "1"}, why="settings")


def planned(action: Action, *forward: Step, found: Extension | None, **changes: Any) -> Target:
    """A target with its way back, as the planner makes one."""
    offer = catalogue.of_train("stable", OFFERED, profile=PLAIN)
    way = wayback(action, forward, found, offer=offer, needed={})
    made: dict[str, Any] = {"steps": forward, "action": action, "rollback": way, "groups": (0, 2)}
    if found is None:
        owned = {k: v for one in forward for k, v in (one.settings or {}).items()}
        return absent_target(**made, owned=owned, from_version=None, **changes)
    diff = steps.diff_of(forward, found)
    return target(found=found, diff=diff, **made, **changes)


def test_an_upgrade_goes_back_to_what_it_was_and_is_checked_against_what_it_became() -> None:
    forward = planned(Action.UPGRADE, SET, PIN, found=extension(settings={"a": "0", "b": "2"}))

    back = reversal.reversed_target(forward, is_sure=True)

    known = Facts(
        is_present=True,
        version="1.2.6",
        current_version="1.2.6",
        auto_upgrade=NONE,
        release_train="stable",
        settings={"a": "1"},
    )
    assert forward.rollback is not None
    assert back == dataclasses.replace(
        forward,
        action=Action.DOWNGRADE,
        reason="takes back upgrade: restore version 1.1.1, 1 settings",
        from_version="1.2.6",
        to_version="1.1.1",
        steps=forward.rollback.steps,
        owned={"a": "0"},
        diff=(
            Change(path="version", before="1.2.6", after="1.1.1"),
            Change(path="settings.a", before="1", after="0"),
        ),
        rollback=Rollback(is_possible=True, note="upgrade again", steps=(SET, PIN)),
        facts=known,
        facts_digest=chain.digest(codec.to_json(known)),
    )
    assert back.groups == (0, 2)


def test_back_and_back_again_is_forward() -> None:
    forward = planned(Action.UPGRADE, SET, PIN, found=extension(settings={"a": "0"}))

    back = reversal.reversed_target(forward, is_sure=True)
    again = reversal.reversed_target(back, is_sure=True) if back else None

    assert again is not None
    assert (again.action, again.steps) == (forward.action, forward.steps)
    assert (again.diff, again.facts) == (forward.diff, forward.facts)


def test_an_install_is_taken_away_and_its_settings_are_watched() -> None:
    put = Step(verb=Verb.PUT, auto_upgrade=COMPATIBLE, release_train="stable", settings={"a": "1"})

    back = reversal.reversed_target(
        planned(Action.INSTALL, put, found=None, to_version=None), is_sure=True
    )

    assert back is not None
    assert (back.action, [one.verb for one in back.steps]) == (Action.UNINSTALL, [Verb.DELETE])
    assert back.owned == back.facts.settings == {"a": "1"}
    assert back.facts.is_version_open


def test_an_uninstall_is_put_back() -> None:
    delete = Step(verb=Verb.DELETE)

    back = reversal.reversed_target(
        planned(Action.UNINSTALL, delete, found=extension(settings={"b": "2"})), is_sure=True
    )

    assert back is not None
    assert (back.action, back.facts) == (Action.INSTALL, Facts(is_present=False))
    assert (back.from_version, back.to_version, back.owned) == (None, "1.1.1", {"b": "2"})


def test_an_exact_way_back_knows_every_setting_that_must_be_there() -> None:
    forward = planned(Action.RECONFIGURE, SET, found=extension(settings={"b": "2"}))

    back = reversal.reversed_target(forward, is_sure=True)

    assert back is not None
    assert back.facts.settings == {"a": "1", "b": "2"}
    assert (back.owned, back.steps[0].is_exact) == ({"b": "2"}, True)


def test_where_it_stands_is_not_known_the_last_write_is_a_put() -> None:
    forward = planned(Action.UPGRADE, PIN, found=extension())
    hidden = planned(Action.UPGRADE, PIN, found=extension(protected_keys=("token",)))

    back = reversal.reversed_target(forward, is_sure=False)
    shy = reversal.reversed_target(hidden, is_sure=False)

    assert back is not None
    assert back.is_unsure
    assert [(one.verb, one.version, one.settings) for one in back.steps] == [
        (Verb.PUT, "1.1.1", {})
    ]
    assert back.rollback == Rollback(
        is_possible=False, note="irreversible: what it is now is not known"
    )
    assert shy is not None
    assert shy.steps[0].verb is Verb.PATCH  # a PUT would delete the token


def test_settings_of_an_automatic_one_are_put_back_without_a_version() -> None:
    forward = planned(Action.RECONFIGURE, SET, found=automatic(settings={"a": "0"}))

    back = reversal.reversed_target(forward, is_sure=False)

    assert back is not None
    (put,) = back.steps
    assert (put.verb, put.version, put.auto_upgrade) == (Verb.PUT, None, COMPATIBLE)
    assert (put.settings, put.is_exact) == ({"a": "0"}, False)


def test_a_part_of_a_change_goes_back_and_says_so() -> None:
    forward = planned(Action.UPGRADE, SET, PIN, found=extension(None, settings={"a": "0"}))

    back = reversal.reversed_target(forward, is_sure=True)

    assert back is not None
    assert reversal.is_partial(back)
    assert back.action is Action.RECONFIGURE
    assert back.rollback == Rollback(
        is_possible=False, note="irreversible: only a part of it is taken back"
    )


def test_without_a_way_back_there_is_no_target() -> None:
    stuck = planned(Action.UPGRADE, PIN, found=extension(None))
    old = target(rollback=Rollback(is_possible=True, note="restore version 1.1.1"))

    assert reversal.reversed_target(stuck, is_sure=True) is None
    assert reversal.reversed_target(old, is_sure=True) is None
    assert reversal.irreversible_note(stuck).startswith("irreversible: the earlier version")
    assert reversal.irreversible_note(old).startswith("irreversible: its plan was made by a")
