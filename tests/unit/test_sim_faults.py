from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter

import pytest

from fleet.errors import (
    ConflictError,
    FleetError,
    LostAnswerError,
    ThrottledError,
    TransientError,
)
from fleet.model.cluster import (
    AutoUpgrade,
    ClusterId,
    Connectivity,
    Extension,
    ProvisioningState,
)
from fleet.model.plan import Verb
from fleet.sim import faults, messages, stock, worldfile
from fleet.sim.calls import Body, Call
from fleet.sim.courses import PATIENCE
from fleet.sim.faults import Answer, Fate
from fleet.sim.recipe import Faults, Recipe, Span, Special
from fleet.sim.world import World

EPOCH = stock.EPOCH
FIRST = ClusterId(
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-here"
    "/providers/Microsoft.Kubernetes/connectedClusters/store-0001-a"
)
ALWAYS = 1_000_000
PIN = Call(
    at=EPOCH,
    cluster_id=FIRST,
    name="osm",
    verb=Verb.PATCH,
    body=Body(
        extension_type="Microsoft.openservicemesh",
        namespace=None,
        version="1.2.6",
        auto_upgrade=AutoUpgrade.NONE,
        release_train="stable",
        settings=None,
        protected=None,
    ),
    correlation_id="session",
    client_request_id="request",
)


def recipe(rules: Faults) -> Recipe:
    osm = dataclasses.replace(stock.OSM, installed={"1.1.1": 1}, auto_upgrade_ppm=0, failed_ppm=0)
    return dataclasses.replace(
        worldfile.default_recipe(),
        cluster_count=4,
        locations={"here": 1},
        offline_ppm=0,
        extensions=(osm,),
        operation_s=Span(low=60, high=60),
        faults=rules,
    )


def test_answers_occur_at_the_asked_rates() -> None:
    rules = Faults(
        throttled_ppm=50_000,
        transient_error_ppm=40_000,
        reset_before_ppm=30_000,
        reset_after_ppm=20_000,
        conflict_ppm=60_000,
    )
    counts = Counter(faults.answer(rules, 1, "cluster", n) for n in range(20_000))

    asked = {
        Answer.THROTTLED: 1000,
        Answer.TRANSIENT: 800,
        Answer.RESET_BEFORE: 600,
        Answer.RESET_AFTER: 400,
        Answer.CONFLICT: 600,
        Answer.LATE_CONFLICT: 600,
        Answer.OK: 16_000,
    }
    assert {one: round(counts[one] / count, 1) for one, count in asked.items()} == pytest.approx(
        dict.fromkeys(asked, 1.0), abs=0.15
    )


def test_fates_occur_at_the_asked_rates() -> None:
    rules = Faults(
        operation_fails_ppm=100_000,
        stuck_operation_ppm=50_000,
        silent_failure_ppm=50_000,
        offline_midway_ppm=50_000,
    )
    counts = Counter(faults.fate(rules, 1, "cluster", n) for n in range(20_000))

    asked = {
        Fate.FAILS: 2000,
        Fate.STUCK: 1000,
        Fate.FAILS_SILENTLY: 1000,
        Fate.AGENT_LOST: 1000,
        Fate.SUCCEEDS: 15_000,
    }
    assert {one: counts[one] / count for one, count in asked.items()} == pytest.approx(
        dict.fromkeys(asked, 1.0), abs=0.15
    )


def test_reads_meet_only_what_reads_can_meet() -> None:
    rules = Faults(reset_before_ppm=500_000, conflict_ppm=500_000)

    assert {faults.read_answer(rules, 1, n) for n in range(1000)} == {Answer.OK}


@pytest.mark.parametrize(
    ("rules", "kind", "status", "retry_after_s"),
    [
        pytest.param(
            Faults(throttled_ppm=ALWAYS, retry_after_s=17), ThrottledError, 429, 17.0, id="429"
        ),
        pytest.param(Faults(transient_error_ppm=ALWAYS), TransientError, 503, None, id="503"),
        pytest.param(
            Faults(reset_before_ppm=ALWAYS), LostAnswerError, None, None, id="reset before"
        ),
    ],
)
def test_a_request_that_does_not_arrive_changes_nothing(
    rules: Faults, kind: type[FleetError], status: int | None, retry_after_s: float | None
) -> None:
    one = World(recipe(rules))
    error = one.hear(PIN).error

    assert error is not None
    assert (type(error), error.status, error.retry_after_s, error.correlation_id) == (
        kind,
        status,
        retry_after_s,
        "session",
    )
    assert one.effects == ()
    assert _at(one, 3600).version == "1.1.1"


def test_a_reset_after_the_effect_looks_like_one_before_it() -> None:
    one = World(recipe(Faults(reset_after_ppm=ALWAYS)))
    heard = one.hear(PIN)

    assert isinstance(heard.error, LostAnswerError)
    assert heard.operation is None
    assert len(one.effects) == 1
    assert _at(one, 3600).version == "1.2.6"


def test_a_conflict_comes_at_once_or_as_the_operations_end() -> None:
    one = World(recipe(Faults(conflict_ppm=ALWAYS)))
    heard = [one.hear(PIN) for _ in range(20)]

    refused = [type(each.error) for each in heard if each.error]
    ended = [
        one.operation(each.operation.url, EPOCH + dt.timedelta(seconds=3)).is_conflict
        for each in heard
        if each.operation
    ]
    assert set(refused) == {ConflictError}
    assert set(ended) == {True}
    assert len(refused) + len(ended) == 20
    assert one.effects == ()


def test_a_failed_operation_says_what_helm_said_in_both_places() -> None:
    one = World(recipe(Faults(operation_fails_ppm=ALWAYS)))
    heard = one.hear(PIN)

    assert heard.operation is not None
    status = one.operation(heard.operation.url, EPOCH + dt.timedelta(seconds=60))
    found = _at(one, 60)
    assert (status.status, status.has_succeeded, status.is_conflict) == ("Failed", False, False)
    assert found.provisioning_state is ProvisioningState.FAILED
    assert status.error == found.error
    assert status.error in messages.FAILURES


def test_a_silent_failure_shows_only_on_the_extension() -> None:
    one = World(recipe(Faults(silent_failure_ppm=ALWAYS)))
    heard = one.hear(PIN)

    assert heard.operation is not None
    status = one.operation(heard.operation.url, EPOCH + dt.timedelta(seconds=60))
    assert (status.status, status.has_succeeded) == ("Succeeded", True)
    assert _at(one, 60).provisioning_state is ProvisioningState.FAILED


def test_a_stuck_operation_never_ends() -> None:
    one = World(recipe(Faults(stuck_operation_ppm=ALWAYS)))
    heard = one.hear(PIN)

    later = EPOCH + dt.timedelta(days=365)
    assert heard.operation is not None
    assert not one.operation(heard.operation.url, later).is_terminal
    assert _at(one, 365 * 86_400).provisioning_state is ProvisioningState.UPDATING
    blocked = one.hear(dataclasses.replace(PIN, at=later))
    assert blocked.operation is not None
    assert blocked.operation.is_conflict


def test_an_agent_that_is_lost_midway_is_given_up_after_two_days() -> None:
    one = World(recipe(Faults(offline_midway_ppm=ALWAYS)))
    heard = one.hear(PIN)

    seen = [
        (one.cluster(FIRST, EPOCH + after).connectivity, _state(one, after))
        for after in (
            dt.timedelta(seconds=29),
            dt.timedelta(seconds=31),
            PATIENCE - dt.timedelta(seconds=1),
            PATIENCE,
        )
    ]
    assert seen == [
        (Connectivity.CONNECTED, ProvisioningState.UPDATING),
        (Connectivity.OFFLINE, ProvisioningState.UPDATING),
        (Connectivity.OFFLINE, ProvisioningState.UPDATING),
        (Connectivity.OFFLINE, ProvisioningState.FAILED),
    ]
    assert heard.operation is not None
    assert one.operation(heard.operation.url, EPOCH + PATIENCE).error == messages.AGENT_SILENT


def test_a_late_read_lags_behind_the_operation() -> None:
    rules = Faults(late_read_ppm=ALWAYS, late_read_s=Span(low=20, high=20))
    one = World(recipe(rules))
    heard = one.hear(PIN)

    assert heard.operation is not None
    assert one.operation(heard.operation.url, EPOCH + dt.timedelta(seconds=60)).has_succeeded
    assert [_state(one, dt.timedelta(seconds=after_s)) for after_s in (60, 79, 80)] == [
        ProvisioningState.UPDATING,
        ProvisioningState.UPDATING,
        ProvisioningState.SUCCEEDED,
    ]


def test_one_cluster_can_be_the_only_one_that_fails() -> None:
    special = Special(cluster="store-0001-a", faults=Faults(operation_fails_ppm=ALWAYS))
    one = World(dataclasses.replace(recipe(Faults()), specials=(special,)))
    for cluster in one.clusters(EPOCH):
        one.hear(dataclasses.replace(PIN, cluster_id=cluster.id))

    states = {
        cluster.name: cluster.extensions[0].provisioning_state.value
        for cluster in one.clusters(EPOCH + dt.timedelta(minutes=2))
    }
    assert states == {
        "store-0001-a": "Failed",
        "store-0001-b": "Succeeded",
        "store-0002-a": "Succeeded",
        "store-0002-b": "Succeeded",
    }


def test_a_retry_draws_anew() -> None:
    one = World(recipe(Faults(throttled_ppm=500_000)))
    errors = [
        one.hear(dataclasses.replace(PIN, at=EPOCH + dt.timedelta(hours=n))).error is None
        for n in range(20)
    ]

    assert set(errors) == {True, False}


def _at(one: World, after_s: int) -> Extension:
    found = one.extension(FIRST, "osm", EPOCH + dt.timedelta(seconds=after_s))
    assert found is not None
    return found


def _state(one: World, after: dt.timedelta) -> ProvisioningState:
    return _at(one, int(after.total_seconds())).provisioning_state
