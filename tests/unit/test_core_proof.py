"""What a reading proves, one row each: most of them prove nothing."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from fleet.core import facts, proof
from fleet.core.proof import Check, Proof, Reading
from fleet.model.cluster import AutoUpgrade, Extension, ProvisioningState
from fleet.model.plan import Action, Step, Target, Verb
from fleet.model.statuses import Finding
from tests.rig.fleets import PIN, absent_target, automatic, extension, target

BEFORE = extension("1.1.1", release_train="stable")
PLANNED = extension("1.2.6", release_train="stable")
CREATING = ProvisioningState.CREATING
UPDATING = ProvisioningState.UPDATING
FAILED = ProvisioningState.FAILED
DELETE = Step(verb=Verb.DELETE)
CONFIGURE = Step(verb=Verb.PATCH, settings={"a": "1"})
SECRET = Step(verb=Verb.PATCH, protected={"token": "TOKEN"})
PROCEED = Check(finding=Finding.PROCEED)


def a(found: Extension, state: ProvisioningState, **changes: Any) -> Extension:
    return dataclasses.replace(found, provisioning_state=state, **changes)


def proved(
    found: Extension | None,
    *,
    step: Step = PIN,
    error: str | None = None,
    before: Extension | None = BEFORE,
    accepted: Extension | None = None,
) -> tuple[Proof, str]:
    reading = Reading(
        found=found,
        mark_before=facts.mark(before),
        mark_accepted=facts.mark(accepted) if accepted else None,
    )
    return proof.prove(target(steps=(step,)), 0, reading, error=error)


def test_succeeded_and_all_as_planned_is_proof() -> None:
    assert proved(PLANNED) == (Proof.PROVED, "as planned")


@pytest.mark.parametrize(
    ("found", "why"),
    [
        pytest.param(a(PLANNED, CREATING), "it is still Creating", id="version while creating"),
        pytest.param(a(PLANNED, UPDATING), "it is still Updating", id="version while updating"),
        pytest.param(
            a(PLANNED, ProvisioningState.UNKNOWN), "it is still Unknown", id="unknown state"
        ),
        pytest.param(BEFORE, "the reading is not newer than the write", id="older than the write"),
        pytest.param(None, "it is not there yet", id="not there"),
        pytest.param(
            extension("1.2.3", release_train="stable"),
            "it shows version 1.2.3, not 1.2.6",
            id="succeeded at something else",
        ),
        pytest.param(
            automatic("1.2.6", release_train="stable"),
            "auto-upgrade is compatible, not none",
            id="flag not off",
        ),
        pytest.param(
            extension("1.2.6", release_train="preview"),
            "the release train is preview, not stable",
            id="other train",
        ),
        pytest.param(
            extension("1.2.6", current_version=None),
            "it shows version None, not 1.2.6",
            id="pinned, and nothing installed shown",
        ),
    ],
)
def test_no_proof_yet_and_a_failure_where_the_operation_failed(
    found: Extension | None, why: str
) -> None:
    assert proved(found) == (Proof.NOT_YET, why)
    is_open = found is not None and not found.provisioning_state.is_terminal
    expected = (Proof.NOT_YET, why) if is_open else (Proof.FAILED, "helm said no")
    assert proved(found, error="helm said no") == expected


def test_the_version_of_a_failed_extension_proves_nothing() -> None:
    assert proved(a(PLANNED, FAILED, error="crash")) == (Proof.FAILED, "crash")
    assert proved(a(PLANNED, FAILED), error="helm") == (Proof.FAILED, "helm")
    assert proved(a(PLANNED, ProvisioningState.CANCELED)) == (Proof.FAILED, "it is Canceled")


def test_the_extension_has_the_last_word_over_its_operation() -> None:
    assert proved(PLANNED, error="lost track") == (Proof.PROVED, "as planned")


def test_a_write_that_changed_nothing_is_proved_by_its_own_answer() -> None:
    assert proved(PLANNED, before=PLANNED)[0] is Proof.NOT_YET
    assert proved(PLANNED, before=PLANNED, accepted=PLANNED)[0] is Proof.PROVED


def test_an_uninstall_is_proved_by_absence() -> None:
    gone = (Proof.PROVED, "the service knows no such extension any more")

    assert proved(None, step=DELETE) == gone
    assert proved(None, step=DELETE, error="lost track") == gone
    assert proved(a(BEFORE, ProvisioningState.DELETING), step=DELETE)[0] is Proof.NOT_YET
    assert proved(BEFORE, step=DELETE, error="a finalizer") == (Proof.FAILED, "a finalizer")
    assert proved(a(BEFORE, FAILED, error="no"), step=DELETE) == (Proof.FAILED, "no")


def test_owned_settings_are_proved_and_others_are_not_looked_at() -> None:
    found = extension("1.1.1", settings={"a": "1", "b": "2"})

    assert proved(found, step=CONFIGURE)[0] is Proof.PROVED
    assert proved(dataclasses.replace(found, settings={"a": "0"}), step=CONFIGURE) == (
        Proof.NOT_YET,
        "settings differ: a",
    )


def test_exact_settings_are_proved_by_the_whole_map() -> None:
    exact = Step(verb=Verb.PUT, settings={"a": "1"}, is_exact=True)
    found = extension("1.2.6", settings={"a": "1", "b": "2"})

    assert proved(found, step=exact) == (Proof.NOT_YET, "settings differ: b")


def test_a_protected_setting_is_proved_by_its_name() -> None:
    there = extension("1.1.1", protected_keys=("token",))

    assert proved(there, step=SECRET)[0] is Proof.PROVED
    assert proved(extension("1.1.1", settings={"x": "y"}), step=SECRET) == (
        Proof.NOT_YET,
        "protected settings are not there: token",
    )


def test_evidence_shows_no_setting() -> None:
    found = extension("1.1.1", settings={"password": "hunter2"}, protected_keys=("token",))

    assert proof.evidence(found) == {
        "provisioningState": "Succeeded",
        "version": "1.1.1",
        "currentVersion": "1.1.1",
        "autoUpgrade": "none",
        "releaseTrain": "Stable",
    }
    assert proof.evidence(None) == {"extension": "missing"}


# --- before a write ----------------------------------------------------------------------


def checked(found: Extension | None, one: Target | None = None, step: int = 0) -> Check:
    return proof.check(one or target(found=BEFORE), step, Reading(found=found), is_in_doubt=False)


def test_as_planned_may_be_written() -> None:
    assert checked(BEFORE) == Check(finding=Finding.PROCEED)
    assert checked(None, absent_target()) == Check(finding=Finding.PROCEED)


def test_what_a_write_does_not_rest_on_may_change() -> None:
    assert checked(dataclasses.replace(BEFORE, modified_at="x", settings={"other": "1"})) == Check(
        finding=Finding.PROCEED
    )


def test_what_is_done_is_not_written() -> None:
    assert checked(PLANNED) == Check(finding=Finding.DONE, detail="it is so already")
    assert checked(None, target(steps=(DELETE,))).finding is Finding.DONE


@pytest.mark.parametrize("state", [CREATING, UPDATING, ProvisioningState.DELETING])
def test_an_operation_of_somebody_else_is_waited_for(state: ProvisioningState) -> None:
    for is_in_doubt in (False, True):
        found = proof.check(target(), 0, Reading(found=a(PLANNED, state)), is_in_doubt=is_in_doubt)
        assert found == Check(finding=Finding.BUSY, detail=f"it is {state}")


@pytest.mark.parametrize(
    ("found", "detail"),
    [
        pytest.param(
            extension("1.2.3"),
            "version was 1.1.1, is 1.2.3; current version was 1.1.1, is 1.2.3",
            id="version",
        ),
        pytest.param(
            automatic("1.1.1", version="1.1.1"),
            "auto upgrade was none, is compatible",
            id="flag",
        ),
        pytest.param(a(BEFORE, FAILED), "is failed was False, is True", id="failed meanwhile"),
    ],
)
def test_what_changed_since_the_plan_is_drift(found: Extension, detail: str) -> None:
    assert checked(found) == Check(finding=Finding.DRIFTED, detail=detail)


def test_what_appeared_or_vanished_since_the_plan_is_drift() -> None:
    assert checked(None).finding is Finding.DRIFTED
    assert checked(BEFORE, absent_target()).finding is Finding.DRIFTED


def test_drift_of_a_setting_names_the_key_and_no_value() -> None:
    before = extension("1.1.1", settings={"a": "secret-0"})
    one = target(steps=(CONFIGURE,), found=before)

    assert checked(extension("1.1.1", settings={"a": "secret-2"}), one) == Check(
        finding=Finding.DRIFTED, detail="settings.a changed"
    )


def test_a_later_step_expects_what_the_earlier_ones_brought_about() -> None:
    one = target(steps=(CONFIGURE, PIN), found=BEFORE)
    between = dataclasses.replace(BEFORE, settings={"a": "1"})

    assert checked(between, one, step=1).finding is Finding.PROCEED
    assert checked(BEFORE, one, step=1) == Check(
        finding=Finding.DRIFTED, detail="settings.a changed"
    )


def test_a_full_write_is_expected_to_have_removed_the_rest() -> None:
    before = dataclasses.replace(BEFORE, settings={"a": "0", "b": "2"})
    exact = Step(
        verb=Verb.PUT,
        version="1.1.1",
        auto_upgrade=AutoUpgrade.NONE,
        settings={"a": "1"},
        is_exact=True,
    )
    one = target(steps=(exact, PIN), found=before)

    assert checked(dataclasses.replace(BEFORE, settings={"a": "1"}), one, step=1).finding is (
        Finding.PROCEED
    )


MANAGED = [
    pytest.param({"is_system": True}, "a system extension: the service manages it", id="system"),
    pytest.param({"is_read_only": True}, "its manager lets users read only", id="read only"),
]


@pytest.mark.parametrize(("since", "detail"), MANAGED)
def test_what_only_its_manager_may_write_to_is_drift_and_never_written(
    since: dict[str, Any], detail: str
) -> None:
    now = dataclasses.replace(BEFORE, **since)
    reading = Reading(found=now, mark_before=facts.mark(now))

    assert checked(now) == Check(finding=Finding.DRIFTED, detail=detail)
    # The write before it did nothing, so it would go out again.
    assert proof.check(target(found=BEFORE), 0, reading, is_in_doubt=True) == Check(
        finding=Finding.DRIFTED, detail=detail
    )


@pytest.mark.parametrize(("since", "detail"), MANAGED)
def test_what_is_done_needs_no_write_whoever_manages_it(since: dict[str, Any], detail: str) -> None:
    assert checked(dataclasses.replace(PLANNED, **since)).finding is Finding.DONE
    changed = checked(dataclasses.replace(extension("1.2.3"), **since))
    assert changed.finding is Finding.DRIFTED
    assert detail not in changed.detail


# --- instead of an answer that was lost --------------------------------------------------


@pytest.mark.parametrize(
    ("found", "finding", "detail"),
    [
        pytest.param(BEFORE, Finding.PROCEED, "the write took no effect", id="no effect"),
        pytest.param(PLANNED, Finding.DONE, "the write took effect", id="effect"),
        pytest.param(a(PLANNED, FAILED, error="crash"), Finding.FAILED, "crash", id="failed"),
        pytest.param(
            dataclasses.replace(BEFORE, modified_at="now"), Finding.PROCEED, "", id="others' change"
        ),
    ],
)
def test_a_lost_answer_is_looked_up(found: Extension, finding: Finding, detail: str) -> None:
    reading = Reading(found=found, mark_before=facts.mark(BEFORE))

    looked_up = proof.check(target(found=BEFORE), 0, reading, is_in_doubt=True)

    assert looked_up == Check(finding=finding, detail=detail)


def test_a_lost_answer_and_something_else_there_is_drift() -> None:
    reading = Reading(found=extension("1.2.3"), mark_before=facts.mark(BEFORE))

    assert proof.check(target(), 0, reading, is_in_doubt=True).finding is Finding.DRIFTED


def test_a_lost_answer_to_a_repair_that_is_still_failed_as_before_may_be_sent_again() -> None:
    before = a(BEFORE, FAILED)
    reading = Reading(found=before, mark_before=facts.mark(before))

    again = proof.check(target(found=before), 0, reading, is_in_doubt=True)

    assert again.finding is Finding.PROCEED


def test_a_lost_answer_to_an_uninstall_is_told_by_absence() -> None:
    reading = Reading(found=None, mark_before=facts.mark(BEFORE))

    assert proof.check(target(steps=(DELETE,)), 0, reading, is_in_doubt=True) == Check(
        finding=Finding.DONE, detail="the write took effect"
    )


# --- after a change that failed on its way -----------------------------------------------

V1 = Step(verb=Verb.PATCH, version="1.1.1", auto_upgrade=AutoUpgrade.NONE)
V0 = Step(verb=Verb.PATCH, version="1.0.0", auto_upgrade=AutoUpgrade.NONE)
UNSURE = target(steps=(V1, V0), found=extension("1.2.6"), is_unsure=True, action=Action.DOWNGRADE)
PAST = Check(finding=Finding.DONE, detail="it is past this step already")


@pytest.mark.parametrize(
    ("found", "step", "expected"),
    [
        pytest.param(extension("1.2.6"), 0, PROCEED, id="where it was planned to be"),
        pytest.param(a(extension("1.2.6"), FAILED), 0, PROCEED, id="failed there"),
        pytest.param(extension("1.3.0"), 0, PROCEED, id="anywhere else: no drift"),
        pytest.param(extension("1.1.1"), 0, "it is so already", id="on its way"),
        pytest.param(a(extension("1.1.1"), FAILED), 0, PAST, id="failed on its way"),
        pytest.param(extension("1.0.0"), 0, PAST, id="it never left"),
        pytest.param(a(extension("1.0.0"), FAILED), 0, PAST, id="failed before it left"),
        pytest.param(a(extension("1.0.0"), FAILED), 1, PROCEED, id="to be put again"),
        pytest.param(a(extension("1.0.0"), UPDATING), 0, "busy", id="still at work"),
        pytest.param(
            None,
            0,
            Check(finding=Finding.DRIFTED, detail="it is not there any more"),
            id="gone",
        ),
    ],
)
def test_what_a_failure_left_is_written_to_wherever_it_stands(
    found: Extension | None, step: int, expected: Check | str
) -> None:
    known = {
        "busy": Check(finding=Finding.BUSY, detail="it is Updating"),
        "it is so already": Check(finding=Finding.DONE, detail="it is so already"),
    }
    wanted = known[expected] if isinstance(expected, str) else expected

    assert checked(found, UNSURE, step) == wanted


def test_going_on_does_not_pass_over_a_version_that_failed() -> None:
    forward = target(
        steps=(V1, PIN), found=extension("1.0.0"), is_unsure=True, action=Action.UPGRADE
    )

    assert checked(a(extension("1.1.1"), FAILED), forward).finding is Finding.PROCEED
    assert checked(extension("1.2.6", release_train="stable"), forward) == PAST


def test_a_put_of_what_a_failure_left_deletes_no_protected_setting() -> None:
    put = Step(verb=Verb.PUT, version="1.2.6", auto_upgrade=AutoUpgrade.NONE, settings={})
    one = target(steps=(put,), found=BEFORE, is_unsure=True)

    assert checked(extension("1.1.1", protected_keys=("token",)), one) == Check(
        finding=Finding.DRIFTED, detail="a PUT would delete the protected settings token"
    )
    assert checked(extension("1.1.1"), one) == PROCEED


def test_a_version_that_the_service_chose_is_no_drift() -> None:
    known = dataclasses.replace(
        facts.facts_of(automatic("1.1.1"), (DELETE,), owned={}),
        current_version=None,
        is_version_open=True,
    )
    one = target(steps=(DELETE,), facts=known)

    assert checked(automatic("1.2.6"), one) == PROCEED
    assert checked(extension("1.2.6"), one).finding is Finding.DRIFTED


def test_an_exact_write_is_proved_by_the_protected_settings_that_are_gone() -> None:
    exact = Step(verb=Verb.PUT, settings={}, is_exact=True, protected={})

    assert proved(extension("1.2.6", protected_keys=("token",)), step=exact) == (
        Proof.NOT_YET,
        "protected settings are still there: token",
    )
    assert proved(extension("1.2.6"), step=exact)[0] is Proof.PROVED
