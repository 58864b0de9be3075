"""Each fault of a write, as a script has it: what the operation says, the extension, the world."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import Any

import pytest

from fleet.core import causes
from fleet.errors import ConflictError
from fleet.model.cluster import AutoUpgrade, ClusterId, Connectivity, Extension, ProvisioningState
from fleet.model.plan import Verb
from fleet.sim import messages, rivals, stock
from fleet.sim.calls import Body, Call
from fleet.sim.faultfile import FaultFile
from fleet.sim.recipe import ABSENT, Faults, Recipe, Special
from fleet.sim.world import World
from fleet.sim.writes import Heard
from tests.rig.serving import CALM

FIRST, SECOND = (next(iter(World(CALM).clusters(CALM.epoch, [number]))).id for number in (0, 1))
MINUTE = dt.timedelta(minutes=1)


def scripted(*rules: Mapping[str, Any], **changes: Any) -> Recipe:
    written = {"apiVersion": "fleet/v1", "kind": "Faults", "rules": list(rules)}
    script = FaultFile.model_validate(written).script()
    return dataclasses.replace(CALM, script=script, **changes)


def pin(
    *,
    verb: Verb = Verb.PATCH,
    cluster: ClusterId = FIRST,
    after: dt.timedelta = dt.timedelta(0),
    version: str = "1.2.6",
) -> Call:
    body = Body(
        extension_type=stock.OSM.extension_type,
        namespace=None,
        version=None if verb is Verb.DELETE else version,
        auto_upgrade=None if verb is Verb.DELETE else AutoUpgrade.NONE,
        release_train=None,
        settings=None,
        protected=None,
    )
    return Call(
        at=CALM.epoch + after,
        cluster_id=cluster,
        name="osm",
        verb=verb,
        body=body,
        correlation_id="ours",
        client_request_id=f"request {after}",
    )


def shown(world: World, after: dt.timedelta, cluster: ClusterId = FIRST) -> Extension | None:
    return world.extension(cluster, "osm", CALM.epoch + after)


def state(
    world: World, after: dt.timedelta, cluster: ClusterId = FIRST
) -> tuple[ProvisioningState, str | None]:
    found = shown(world, after, cluster)
    assert found is not None
    return found.provisioning_state, found.current_version


def said(world: World, heard: Heard, after: dt.timedelta) -> tuple[str, str | None]:
    assert heard.operation is not None
    status = world.operation(heard.operation.url, CALM.epoch + after)
    return status.status, status.error


def test_a_conflict_is_a_refusal_or_the_end_of_an_operation() -> None:
    world = World(scripted({"fault": "conflict", "last": 1}, {"fault": "lateConflict", "last": 2}))
    at_once, late, well = (world.hear(pin(after=n * MINUTE)) for n in range(3))

    assert isinstance(at_once.error, ConflictError)
    assert said(world, late, 2 * MINUTE) == ("Failed", messages.CONFLICT)
    assert said(world, well, 4 * MINUTE) == ("Succeeded", None)
    assert len(world.effects) == 1


def test_a_rival_is_heard_first_and_ours_meets_their_operation() -> None:
    world = World(scripted({"fault": "competingWriter", "last": 1}))
    ours = world.hear(pin())
    theirs, refused = world.hearings
    found = shown(world, 2 * MINUTE)

    assert theirs.call.caller == rivals.identity(CALM.seed)
    assert [one.call.correlation_id == "ours" for one in (theirs, refused)] == [False, True]
    assert said(world, ours, MINUTE) == ("Failed", messages.CONFLICT)
    assert [effect.call for effect in world.effects] == [theirs.call]
    assert found is not None
    assert (found.current_version, dict(found.settings)) == (
        "1.1.1",
        {"osm.a": "1", rivals.MARK: "somebody else"},
    )


def test_a_rival_installs_what_is_missing_and_leaves_a_removal_of_nothing_alone() -> None:
    special = Special(cluster=FIRST.rpartition("/")[2], installed={"osm": ABSENT})
    recipe = scripted({"fault": "competingWriter"}, specials=(special,))
    removed, installed = World(recipe), World(recipe)
    removed.hear(pin(verb=Verb.DELETE))
    installed.hear(pin(verb=Verb.PUT))
    found = shown(installed, 2 * MINUTE)

    assert len(removed.hearings) == 1
    assert found is not None
    assert (found.current_version, found.auto_upgrade) == ("1.2.6", AutoUpgrade.COMPATIBLE)


@pytest.mark.parametrize("verb", [Verb.PATCH, Verb.DELETE])
def test_what_was_reverted_is_there_as_before_after_a_success(verb: Verb) -> None:
    world = World(scripted({"fault": "reverted"}))
    before = shown(world, dt.timedelta(0))
    heard = world.hear(pin(verb=verb))
    after = shown(world, 2 * MINUTE)

    assert said(world, heard, 2 * MINUTE) == ("Succeeded", None)
    assert before is not None
    assert after == dataclasses.replace(before, modified_at="2026-01-10T02:01:00.000000Z")


def test_an_install_that_was_reverted_is_gone() -> None:
    special = Special(cluster=FIRST.rpartition("/")[2], installed={"osm": ABSENT})
    world = World(scripted({"fault": "reverted"}, specials=(special,)))
    heard = world.hear(pin(verb=Verb.PUT))

    assert said(world, heard, 2 * MINUTE) == ("Succeeded", None)
    assert shown(world, 2 * MINUTE) is None


@pytest.mark.parametrize("name", messages.NAMED)
@pytest.mark.parametrize(
    ("fault", "status"), [("operationFails", "Failed"), ("silentFailure", "Succeeded")]
)
def test_a_failure_says_the_message_that_is_named(fault: str, status: str, name: str) -> None:
    world = World(scripted({"fault": fault, "message": name}))
    heard = world.hear(pin())
    found = shown(world, 2 * MINUTE)

    text = messages.NAMED[name]
    assert said(world, heard, 2 * MINUTE) == (status, text if status == "Failed" else None)
    assert found is not None
    assert (found.provisioning_state, found.error) == (ProvisioningState.FAILED, text)


@pytest.mark.parametrize("name", messages.NAMED)
def test_what_is_recorded_is_known_to_whoever_reads_it(name: str) -> None:
    assert causes.cause_of(messages.NAMED[name]) is not None


def test_a_message_is_drawn_where_none_is_named() -> None:
    world = World(scripted({"fault": "operationFails"}))
    heard = world.hear(pin())

    assert said(world, heard, 2 * MINUTE)[1] in messages.FAILURES


def test_a_stuck_operation_never_ends_and_the_next_cluster_s_does() -> None:
    world = World(scripted({"fault": "stuckOperation", "last": 1}))
    stuck, well = world.hear(pin()), world.hear(pin(cluster=SECOND))
    later = dt.timedelta(days=30)

    assert said(world, stuck, later) == ("Updating", None)
    assert state(world, later)[0] is ProvisioningState.UPDATING
    assert said(world, well, MINUTE) == ("Succeeded", None)


def test_agents_are_away_for_a_while_and_the_operation_goes_on_then() -> None:
    world = World(scripted({"fault": "offlineMidway", "seconds": 600}))
    heard = world.hear(pin())

    def connectivity(seconds: int) -> Connectivity:
        at = CALM.epoch + dt.timedelta(seconds=seconds)
        return world.cluster(FIRST, at).connectivity

    # The operation takes a minute, and they are away from half a minute on.
    assert [connectivity(at) for at in (29, 30, 629, 630)] == [
        *(Connectivity.CONNECTED, Connectivity.OFFLINE, Connectivity.OFFLINE),
        Connectivity.CONNECTED,
    ]
    assert said(world, heard, dt.timedelta(seconds=659)) == ("Updating", None)
    assert said(world, heard, dt.timedelta(seconds=660)) == ("Succeeded", None)
    assert state(world, dt.timedelta(seconds=660)) == (ProvisioningState.SUCCEEDED, "1.2.6")


def test_a_write_to_agents_that_are_away_waits_for_them() -> None:
    world = World(scripted({"fault": "offlineMidway", "seconds": 600, "last": 1}))
    first = world.hear(pin(verb=Verb.DELETE))
    world.hear(pin(verb=Verb.DELETE, after=dt.timedelta(seconds=300)))
    other = dataclasses.replace(pin(verb=Verb.PUT, after=dt.timedelta(seconds=300)), name="other")
    meanwhile = world.hear(other)

    assert said(world, first, 12 * MINUTE) == ("Succeeded", None)
    assert said(world, meanwhile, dt.timedelta(seconds=689)) == ("Creating", None)
    assert said(world, meanwhile, dt.timedelta(seconds=690)) == ("Succeeded", None)


def test_agents_that_are_lost_for_good_are_given_up_after_two_days() -> None:
    world = World(scripted({"fault": "offlineMidway"}))
    heard = world.hear(pin())

    assert said(world, heard, dt.timedelta(hours=47)) == ("Updating", None)
    assert said(world, heard, dt.timedelta(hours=48)) == ("Failed", messages.AGENT_SILENT)


@pytest.mark.parametrize(("more", "seconds"), [({"seconds": 45}, 45), ({}, 30)])
def test_a_late_read_comes_so_much_later(more: Mapping[str, Any], seconds: int) -> None:
    world = World(scripted({"fault": "lateRead", **more}))
    heard = world.hear(pin())
    shown_after = MINUTE + dt.timedelta(seconds=seconds)

    assert said(world, heard, MINUTE) == ("Succeeded", None)
    just_before = shown_after - dt.timedelta(seconds=1)
    assert state(world, just_before)[0] is ProvisioningState.UPDATING
    assert state(world, shown_after) == (ProvisioningState.SUCCEEDED, "1.2.6")


@pytest.mark.parametrize(
    ("more", "seconds"), [({"seconds": 45}, 45), ({}, 600), ({"seconds": 0}, 0)]
)
def test_a_relapse_fails_by_itself_after_it_was_seen_to_succeed(
    more: Mapping[str, Any], seconds: int
) -> None:
    world = World(scripted({"fault": "relapse", "message": "podsNotReady", **more}))
    heard = world.hear(pin())
    fails_after = MINUTE + dt.timedelta(seconds=seconds)

    for moment in (MINUTE, fails_after, dt.timedelta(days=9)):
        assert said(world, heard, moment) == ("Succeeded", None)
    if seconds:
        just_before = fails_after - dt.timedelta(seconds=1)
        assert state(world, just_before) == (ProvisioningState.SUCCEEDED, "1.2.6")
    assert state(world, fails_after) == (ProvisioningState.FAILED, "1.2.6")
    relapsed = shown(world, fails_after)
    assert relapsed is not None
    assert relapsed.error == messages.NAMED["podsNotReady"]


def test_a_write_heals_a_relapse_and_one_before_it_keeps_it_from_coming() -> None:
    day = dt.timedelta(days=1)
    rule = {"fault": "relapse", "seconds": 600, "last": 2}
    for again_after in (dt.timedelta(seconds=300), dt.timedelta(hours=1)):
        world = World(scripted(rule))
        world.hear(pin())
        world.hear(pin(cluster=SECOND))
        world.hear(pin(version="1.2.3", after=again_after))

        assert state(world, day)[0] is ProvisioningState.SUCCEEDED
        assert state(world, day, cluster=SECOND)[0] is ProvisioningState.FAILED


def test_what_was_removed_does_not_relapse() -> None:
    world = World(scripted({"fault": "relapse"}))
    world.hear(pin(verb=Verb.DELETE))

    assert shown(world, dt.timedelta(days=1)) is None


def test_the_script_goes_before_the_lots_and_leaves_other_writes_to_them() -> None:
    lots = Faults(stuck_operation_ppm=1_000_000)
    world = World(scripted({"fault": "lateRead", "seconds": 0, "last": 1}, faults=lots))
    scripted_, drawn = world.hear(pin()), world.hear(pin(cluster=SECOND))

    assert said(world, scripted_, MINUTE) == ("Succeeded", None)
    assert said(world, drawn, MINUTE) == ("Updating", None)


def test_times_of_a_script_are_counted_from_the_first_write() -> None:
    rule = {"fault": "conflict", "afterSeconds": 60, "untilSeconds": 120}
    world = World(scripted(rule))
    day = dt.timedelta(days=1)
    heard = [world.hear(pin(after=day + n * MINUTE, cluster=SECOND)) for n in range(3)]

    assert [one.error is None for one in heard] == [True, False, True]


def test_the_same_calls_meet_the_same_script_again() -> None:
    recipe = scripted(
        {"fault": "competingWriter", "share": "40%"},
        {"fault": "operationFails", "share": "40%"},
        {"fault": "offlineMidway", "share": "70%", "seconds": 60},
    )
    calls = [
        pin(cluster=(FIRST, SECOND)[n % 2], after=n * MINUTE, verb=list(Verb)[n % 3])
        for n in range(30)
    ]
    one, other = World(recipe), World(recipe)
    one.replay(calls)
    other.replay(calls)

    later = recipe.epoch + dt.timedelta(hours=3)
    assert [heard.call for heard in one.hearings] == [heard.call for heard in other.hearings]
    assert one.effects == other.effects
    assert list(one.clusters(later)) == list(other.clusters(later))
    assert one.tally.met_counts == other.tally.met_counts
    assert len(one.tally.met_counts) == 3
