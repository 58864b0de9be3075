from __future__ import annotations

from typing import Any

import pytest

from fleet.core import facts
from fleet.model.cluster import AutoUpgrade, ProvisioningState
from fleet.model.plan import Facts, Step, Verb
from tests.rig.fleets import PIN, extension

OWNER = Step(verb=Verb.PATCH, settings={"a": "1"})
FOUND = extension(
    "1.1.1", settings={"a": "0", "b": "2"}, protected_keys=("t", "c"), modified_at="yesterday"
)


def test_nothing_there_is_a_fact() -> None:
    assert facts.facts_of(None, (PIN,), owned={}) == Facts(is_present=False)


def test_facts_hold_what_a_decision_used_and_nothing_else() -> None:
    assert facts.facts_of(FOUND, (OWNER, PIN), owned={"a": "1"}) == Facts(
        is_present=True,
        version="1.1.1",
        current_version="1.1.1",
        auto_upgrade=AutoUpgrade.NONE,
        release_train="stable",
        settings={"a": "0"},
        protected_keys=("c", "t"),
    )


def test_a_full_write_rests_on_the_whole_map() -> None:
    exact = Step(verb=Verb.PUT, settings={"a": "1"}, is_exact=True)

    assert facts.facts_of(FOUND, (exact,), owned={"a": "1"}).settings == {"a": "0", "b": "2"}


@pytest.mark.parametrize(
    ("state", "is_failed"),
    [("Failed", True), ("Canceled", True), ("Succeeded", False), ("Updating", False)],
)
def test_which_states_are_failures(state: str, is_failed: bool) -> None:
    assert facts.is_failed(extension(provisioning_state=ProvisioningState(state))) is is_failed


@pytest.mark.parametrize(
    "changes",
    [
        {"provisioning_state": ProvisioningState.UPDATING},
        {"modified_at": "later"},
        {"settings": {"a": "1"}},
        {"error": "no"},
        {"is_system": True},
    ],
)
def test_a_mark_tells_any_two_readings_apart(changes: dict[str, Any]) -> None:
    assert facts.mark(extension(**changes)) != facts.mark(extension())


def test_a_mark_is_the_same_for_the_same_reading() -> None:
    assert facts.mark(extension(settings={"a": "1", "b": "2"})) == facts.mark(
        extension(settings={"b": "2", "a": "1"})
    )
    assert facts.mark(None) == "absent"
