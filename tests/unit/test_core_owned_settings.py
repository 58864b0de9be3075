"""Settings that the plan file owns are watched and proved, whether or not a step writes them."""

from __future__ import annotations

import dataclasses

import pytest

from fleet.core import facts, proof
from fleet.core.proof import Proof, Reading
from fleet.model.cluster import Extension
from fleet.model.plan import Step, Target, Verb
from fleet.model.statuses import Finding
from tests.rig.fleets import PIN, extension, target

OWNED = {"a": "1"}
BEFORE = extension("1.1.1", settings={"a": "1", "theirs": "x"}, modified_at="t0")


def upgrade(*steps: Step) -> Target:
    known = facts.facts_of(BEFORE, steps or (PIN,), owned=OWNED)
    return target(steps=steps or (PIN,), found=BEFORE, owned=OWNED, facts=known)


def after(**changes: object) -> Extension:
    upgraded = extension("1.2.6", settings={"a": "1", "theirs": "y"}, modified_at="t1")
    return dataclasses.replace(upgraded, **changes)  # type: ignore[arg-type]


def test_an_owned_setting_that_was_changed_meanwhile_is_drift() -> None:
    meddled = dataclasses.replace(BEFORE, settings={"a": "2", "theirs": "x"}, modified_at="t9")

    found = proof.check(upgrade(), 0, Reading(found=meddled), is_in_doubt=False)

    assert (found.finding, found.detail) == (Finding.DRIFTED, "settings.a changed")


def test_settings_of_others_may_change_meanwhile() -> None:
    meddled = dataclasses.replace(BEFORE, settings={"a": "1", "theirs": "z"}, modified_at="t9")

    found = proof.check(upgrade(), 0, Reading(found=meddled), is_in_doubt=False)

    assert found.finding is Finding.PROCEED


@pytest.mark.parametrize(
    ("now", "verdict"),
    [
        pytest.param(after(), Proof.PROVED, id="as they shall be"),
        pytest.param(after(settings={"a": "2"}), Proof.NOT_YET, id="another value"),
        pytest.param(after(settings={}), Proof.NOT_YET, id="gone"),
    ],
)
def test_an_upgrade_is_proved_with_its_owned_settings(now: Extension, verdict: Proof) -> None:
    reading = Reading(found=now, mark_before=facts.mark(BEFORE))

    assert proof.prove(upgrade(), 0, reading, error=None)[0] is verdict


def test_settings_that_a_later_step_writes_are_not_asked_of_an_earlier_one() -> None:
    owner = Step(verb=Verb.PATCH, settings=OWNED)
    two = dataclasses.replace(upgrade(), steps=(PIN, owner))
    reading = Reading(found=after(settings={}), mark_before=facts.mark(BEFORE))

    assert proof.prove(two, 0, reading, error=None)[0] is Proof.PROVED
    assert proof.prove(two, 1, reading, error=None)[0] is Proof.NOT_YET
