"""Other extensions that a plan requires: who gets them first, and that nobody else touches them."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings, strategies as st

from fleet.core import again, children, facts, planner, proof, required, reversal, saved
from fleet.core.proof import Check, Proof, Reading
from fleet.engine import requests
from fleet.model.cluster import (
    AutoUpgrade,
    Cluster,
    Extension,
    ProvisioningState,
    UnreadExtension,
)
from fleet.model.desired import OnDrift, Profile, Requirement
from fleet.model.inside import AccessKind, ClusterAccess, Inside, Outlook, Work, WorkKind
from fleet.model.plan import Action, OtherExtension, Plan, Rollback, Step, Target, Verb
from fleet.model.statuses import Finding
from fleet.ports import ExtensionRef
from fleet.spec import schemas
from tests.rig import fleets, rollouts
from tests.rig.fleets import cluster, extension

LOGS = Profile(
    name="logs",
    extension_type="Contoso.Logs",
    instance_name="logs",
    namespace="logs-system",
    has_one_instance=True,
    distributions=("rancher_rke", "openshift"),
    distribution_settings={"openshift": {"scc": "true"}},
)
AGENT = Profile(
    name="generic", extension_type="Contoso.Agent", instance_name="agent", namespace=None
)
NEEDS_LOGS = Requirement(
    profile=LOGS,
    name="logs",
    namespace="logs-system",
    settings={"level": "info"},
    protected={"key": "LOGS_KEY"},
)
NEEDS_AGENT = Requirement(profile=AGENT, name="agent", namespace="agents", version="3.2.0")
BOTH = (NEEDS_AGENT, NEEDS_LOGS)
OF_LOGS = OtherExtension(name="logs", extension_type="Contoso.Logs", namespace="logs-system")
OF_AGENT = OtherExtension(name="agent", extension_type="Contoso.Agent", namespace="agents")
PUT_LOGS = Step(
    verb=Verb.PUT,
    auto_upgrade=AutoUpgrade.COMPATIBLE,
    release_train="stable",
    settings={"level": "info"},
    protected={"key": "LOGS_KEY"},
    why="required first: logs is not installed",
    other=OF_LOGS,
)
PUT_AGENT = Step(
    verb=Verb.PUT,
    version="3.2.0",
    auto_upgrade=AutoUpgrade.NONE,
    release_train="stable",
    settings={},
    why="required first: agent is not installed",
    other=OF_AGENT,
)
CREATING, FAILED = ProvisioningState.CREATING, ProvisioningState.FAILED
DELETING = ProvisioningState.DELETING


def logs(state: ProvisioningState = ProvisioningState.SUCCEEDED, **changes: Any) -> Extension:
    given = {"name": "logs", "extension_type": "contoso.logs", "provisioning_state": state}
    return extension("0.1.0", **given | {"settings": {"level": "debug"}} | changes)


def agent(state: ProvisioningState = ProvisioningState.SUCCEEDED, **changes: Any) -> Extension:
    given = {"name": "agent", "extension_type": "contoso.agent", "provisioning_state": state}
    return extension("9.9.9", **given | changes)


def planned(*places: Cluster, requires: tuple[Requirement, ...] = BOTH, **wish: Any) -> Plan:
    asked = rollouts.rollout(wish=rollouts.desired(requires=requires, **wish))
    return planner.plan(asked, fleets.inventory(places))


def judged(*found: Extension, where: Cluster | None = None, **wish: Any) -> Target:
    place = dataclasses.replace(where or cluster(), extensions=found)
    return planned(place, **wish).targets[0]


# --- what is planned -------------------------------------------------------------------------


def test_what_is_missing_comes_first_in_the_order_of_the_plan_file() -> None:
    found = judged()

    own = judged(requires=())
    assert (found.action, found.steps) == (Action.INSTALL, (PUT_AGENT, PUT_LOGS, *own.steps))
    assert found.reason == (
        "not installed; required first: agent is not installed; "
        "required first: logs is not installed"
    )
    assert found.rollback == Rollback(
        is_possible=True,
        note="uninstall it; agent and logs stay",
        steps=(Step(verb=Verb.DELETE, why="was not installed"),),
    )
    assert (found.diff, found.facts, found.to_version) == (own.diff, own.facts, own.to_version)


def test_what_is_there_is_left_alone_whatever_it_is_like() -> None:
    found = judged(extension("1.1.1"), logs(), agent(protected_keys=("secret",), is_system=True))

    assert found == judged(extension("1.1.1"), requires=())


def test_a_target_that_is_as_wished_and_lacks_one_is_reconfigured() -> None:
    found = judged(extension("1.2.6"), agent())

    assert (found.action, found.steps) == (Action.RECONFIGURE, (PUT_LOGS,))
    assert found.reason == "required first: logs is not installed"
    assert (found.diff, found.from_version, found.to_version) == ((), "1.2.6", "1.2.6")
    note = "irreversible: logs stays, and nothing else changes"
    assert found.rollback == Rollback(is_possible=False, note=note)
    assert found.facts_digest == judged(extension("1.2.6"), requires=()).facts_digest


@pytest.mark.parametrize(
    ("found", "action", "step"),
    [
        pytest.param(
            (extension("1.1.1"), logs(CREATING)),
            Action.UPGRADE,
            dataclasses.replace(PUT_LOGS, why="required first: logs is Creating: waits for it"),
            id="coming, and something else to do",
        ),
        pytest.param((extension("1.2.6"), logs(CREATING)), Action.NO_CHANGE, None, id="coming"),
        pytest.param(
            (extension("1.2.6"), logs(DELETING)),
            Action.RECONFIGURE,
            dataclasses.replace(PUT_LOGS, why="required first: logs is Deleting: waits for it"),
            id="going",
        ),
        pytest.param(
            (logs(CREATING, name="old-logs"),),
            Action.INSTALL,
            dataclasses.replace(
                PUT_LOGS,
                why="required first: logs is Creating: waits for it",
                other=dataclasses.replace(OF_LOGS, name="old-logs"),
            ),
            id="coming, under another name",
        ),
        pytest.param(
            (extension("1.2.6"), logs(FAILED)), Action.NO_CHANGE, None, id="failed, nothing to do"
        ),
        pytest.param(
            (extension("1.1.1"), logs(name="old-logs")),
            Action.UPGRADE,
            None,
            id="there under another name",
        ),
    ],
)
def test_what_is_being_changed_is_waited_for(
    found: tuple[Extension, ...], action: Action, step: Step | None
) -> None:
    target = judged(*found, requires=(NEEDS_LOGS,))

    assert target.action is action
    assert [one for one in target.steps if one.other] == ([step] if step else [])


WHOSE = "whoever owns it has to mend or remove it; a plan of its own puts it again"


@pytest.mark.parametrize(
    ("place", "why"),
    [
        pytest.param(
            cluster("c", logs(FAILED, error="no space")),
            f"required first: logs is Failed (no space): {WHOSE}",
            id="failed",
        ),
        pytest.param(
            cluster("c", logs(extension_type="contoso.other")),
            "required first: an extension of another type is named logs: "
            "name it otherwise, or remove that one",
            id="another type of that name",
        ),
        pytest.param(
            cluster(
                "c", unread=(UnreadExtension(name=None, extension_type="contoso.logs", why="x"),)
            ),
            "required first: what Azure says of logs cannot be read: x",
            id="unreadable",
        ),
        pytest.param(
            cluster("c", distribution="k3s"),
            "required first: logs does not support the distribution k3s: leave the cluster out",
            id="another distribution",
        ),
    ],
)
def test_a_target_is_blocked_with_the_sentence_whose_move_it_is(place: Cluster, why: str) -> None:
    (target,) = planned(place, requires=(NEEDS_LOGS,)).targets

    assert (target.action, target.reason, target.steps) == (Action.BLOCKED, why, ())


def test_what_a_distribution_needs_goes_with_the_install() -> None:
    target = judged(where=cluster(distribution="openshift"), requires=(NEEDS_LOGS,))

    assert target.steps[0].settings == {"scc": "true", "level": "info"}


STATES = st.sampled_from(ProvisioningState)
THERE = st.lists(
    st.builds(logs, STATES, name=st.sampled_from(["logs", "old-logs"])) | st.builds(agent, STATES),
    max_size=2,
    unique_by=lambda one: one.extension_type,
)
OWN = st.sampled_from([None, extension("1.1.1"), extension("1.2.6"), extension("1.2.6")])


@settings(max_examples=80, deadline=None)
@given(own=OWN, others=THERE, requires=st.permutations(BOTH))
def test_required_steps_come_first_in_order_and_the_targets_own_are_as_without_them(
    own: Extension | None, others: list[Extension], requires: list[Requirement]
) -> None:
    """And none is for what is there and settled."""
    found = [one for one in (own, *others) if one is not None]
    target, alone = judged(*found, requires=tuple(requires)), judged(*found, requires=())

    if target.action is Action.BLOCKED:
        assert any(facts.is_failed(one) for one in others)
        return
    names = [step.other.name for step in target.steps if step.other]
    settled = {one.name for one in others if one.provisioning_state.is_terminal}
    order = [one.profile.extension_type for one in requires]
    first = [step.other.extension_type for step in target.steps if step.other]
    assert target.steps[len(names) :] == alone.steps
    assert first == sorted(first, key=order.index)
    assert settled.isdisjoint(names)
    assert (target.facts_digest, target.diff) == (alone.facts_digest, alone.diff)
    if alone.action.is_change:
        assert target.action is alone.action


# --- while a run goes on ---------------------------------------------------------------------

TARGET = fleets.target(steps=(PUT_LOGS, fleets.PIN))


@settings(max_examples=50, deadline=None)
@given(
    found=st.none()
    | st.builds(logs, STATES, extension_type=st.sampled_from(["contoso.logs", "x"])),
    is_in_doubt=st.booleans(),
    is_unsure=st.booleans(),
)
def test_what_is_there_is_never_written_to(
    found: Extension | None, is_in_doubt: bool, is_unsure: bool
) -> None:
    target = dataclasses.replace(TARGET, is_unsure=is_unsure)

    checked = proof.check(target, 0, Reading(found=found), is_in_doubt=is_in_doubt)

    assert (checked.finding is Finding.PROCEED) is (found is None)


@pytest.mark.parametrize(
    ("found", "check"),
    [
        (logs(), Check(finding=Finding.DONE, detail="logs is there already, and left alone")),
        (logs(CREATING), Check(finding=Finding.BUSY, detail="logs is Creating")),
        (
            logs(FAILED),
            Check(finding=Finding.FAILED, detail=f"required first: logs is Failed: {WHOSE}"),
        ),
        (None, Check(finding=Finding.PROCEED)),
    ],
)
def test_a_look_before_the_write(found: Extension | None, check: Check) -> None:
    assert proof.check(TARGET, 0, Reading(found=found), is_in_doubt=False) == check


@pytest.mark.parametrize(
    ("found", "before", "verdict"),
    [
        pytest.param(logs(), None, (Proof.PROVED, "as planned"), id="there"),
        pytest.param(
            logs(CREATING), None, (Proof.NOT_YET, "it is still Creating"), id="on its way"
        ),
        pytest.param(
            logs(),
            logs(),
            (Proof.NOT_YET, "the reading is not newer than the write"),
            id="read before the write",
        ),
        pytest.param(
            logs(FAILED, error="no space"),
            None,
            (Proof.FAILED, f"logs is Failed (no space): {WHOSE}"),
            id="failed",
        ),
        pytest.param(None, None, (Proof.NOT_YET, "it is not there yet"), id="not there"),
    ],
)
def test_proof_is_succeeded_and_newer_in_whatever_version(
    found: Extension | None, before: Extension | None, verdict: tuple[Proof, str]
) -> None:
    reading = Reading(found=found, mark_before=facts.mark(before))

    assert proof.prove(TARGET, 0, reading, error=None) == verdict


def test_what_is_required_is_no_part_of_what_the_targets_own_is_expected_to_be() -> None:
    own = extension("1.1.1", settings={})
    known = proof.expected(TARGET, 1)

    assert known == TARGET.facts
    checked = proof.check(TARGET, 1, Reading(found=own), is_in_doubt=False)
    assert checked.finding is Finding.PROCEED


def test_a_target_that_only_installs_others_relapses_with_its_own_extension() -> None:
    target = fleets.target(steps=(PUT_LOGS,), action=Action.RECONFIGURE)

    assert proof.relapse(target, extension("1.2.6")) == ""
    assert proof.relapse(target, None) == "it is not there any more"
    broken = extension("1.2.6", provisioning_state=FAILED, error="no space")
    assert proof.relapse(target, broken) == "no space"


def test_the_way_back_touches_the_targets_own_alone() -> None:
    forward = dataclasses.replace(judged(extension("1.2.3")), wave="w0")
    back = reversal.reversed_target(judged(), is_sure=True)

    assert back is not None
    assert [(one.verb, one.other) for one in back.steps] == [(Verb.DELETE, None)]
    assert back.reason == "takes back install: uninstall it; agent and logs stay"
    assert forward.rollback is not None
    assert "agent and logs stay" in forward.rollback.note
    assert reversal.reversed_target(judged(extension("1.2.6")), is_sure=True) is None


def test_a_retry_sends_nobody_elses_secrets_with_the_targets_own() -> None:
    """A PATCH becomes a PUT there, which sends every protected value: of its own extension."""
    target = fleets.target(steps=(PUT_LOGS, fleets.PIN))

    step = children._again(fleets.PIN, target, target.facts)

    assert (step.verb, step.protected) == (Verb.PUT, None)
    assert children._again(PUT_LOGS, target, target.facts) is PUT_LOGS


def test_a_target_that_is_planned_anew_does_not_ask_for_it_again() -> None:
    plan = planned(cluster("c", extension("1.1.1")), on_drift=OnDrift.REPLAN)
    (target,) = plan.targets

    anew = again.judged(plan.head, target, cluster("c"), extension("1.2.3"))

    assert [step.other for step in anew.steps] == [None]
    assert anew.rollback is not None
    assert anew.rollback.note.endswith("agent and logs stay")
    joined = again.judged(plan.head, target, cluster("c"), extension("1.2.6"))
    assert joined.action is Action.NO_CHANGE


# --- what is sent ----------------------------------------------------------------------------


def test_reads_and_writes_go_to_the_other_extension() -> None:
    plan = planned(cluster("c"))
    (target,) = plan.targets
    place = target.cluster_id

    refs = [requests.ref_of(target, n) for n in range(3)]
    write = requests.write_of(
        target.steps[1], target, plan.head, found=None, vault={"LOGS_KEY": "s3cret"}
    )

    names = ["agent", "logs", "osm"]
    assert refs == [ExtensionRef(cluster_id=place, name=name) for name in names]
    assert requests.ref_of(target) == refs[2]
    assert (write.extension_type, write.namespace) == ("Contoso.Logs", "logs-system")
    assert (write.settings, write.protected) == ({"level": "info"}, {"key": "s3cret"})


def test_secrets_of_what_may_be_installed_later_are_asked_for_at_once() -> None:
    plan = planned(cluster("c", extension("1.1.1"), logs(), agent()), on_drift=OnDrift.REPLAN)

    assert requests.variables(plan.head, plan.targets) == {"LOGS_KEY"}


def test_a_plan_with_requirements_fits_its_schema_and_is_read_again() -> None:
    plan = planned(cluster("c"), on_drift=OnDrift.REPLAN)
    document = json.loads(json.dumps(saved.document(plan)))

    jsonschema.Draft202012Validator(schemas.plan_schema()).validate(document)
    assert saved.plan_of(document) == plan


def test_what_nothing_requires_lacks_nothing() -> None:
    assert required.lack(cluster(), rollouts.UNINSTALL) == required.Lack()


def test_what_is_required_comes_before_work_inside_which_comes_back_without_it() -> None:
    place = cluster("c", extension("1.2.6"))
    asked = rollouts.rollout(wish=rollouts.desired(requires=(NEEDS_LOGS,)))
    spaces, back = (
        Work(kind=WorkKind.NAMESPACES, add=("shop",)),
        Work(kind=WorkKind.NAMESPACES, remove=("shop",)),
    )
    inside = Inside(access=ClusterAccess(kind=AccessKind.KUBECONFIG), works=(spaces,))
    outlook = Outlook(
        is_seen=True, changes={"namespaces": (("shop", None, "in"),)}, undo={"namespaces": back}
    )

    made = planner.plan(
        dataclasses.replace(asked, inside=inside),
        fleets.inventory([place]),
        outlooks={place.id: outlook},
    )

    (target,) = made.targets
    assert target.steps[0] == PUT_LOGS
    assert [step.work for step in target.steps] == [None, spaces]
    assert target.rollback is not None
    assert [step.work for step in target.rollback.steps] == [back]
    assert target.rollback.note == "logs stays; inside as it was: namespaces"
    assert proof.relapse(target, extension("1.2.6")) == ""
