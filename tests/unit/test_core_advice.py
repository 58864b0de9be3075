"""Settings that will not do what they seem to, and clusters that lack what they need."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from fleet.core import planner
from fleet.model.advice import Advice
from fleet.model.cluster import AutoUpgrade, Cluster
from fleet.model.desired import Presence, SettingsMode
from fleet.model.plan import Action, Plan, Target
from fleet.spec import charts, nodes, profiles
from tests.rig import fleets, rollouts
from tests.rig.fleets import automatic, cluster, extension

CHART = charts.load("osm")
assert CHART is not None
WHOLE = CHART.advice()
# What upgrades do on their way has its own tests.
ADVICE = dataclasses.replace(WHOLE, passages=())
# What is not proved inside clusters is told by others.
OSM = dataclasses.replace(profiles.load("osm"), checks=())
SCALES = "osm.osm.osmController.autoScale.enable"
BUDGET = "osm.osm.injector.enablePodDisruptionBudget"
EGRESS = "osm.osm.enableEgress"


def planned(*clusters: Cluster, advice: Advice = ADVICE, **wishes: Any) -> Plan:
    wish = rollouts.desired(profile=OSM, **wishes)
    # One at a time: what is said of concurrency is not the matter here.
    made = rollouts.rollout(spread=rollouts.strategy(max_concurrency=1), wish=wish)
    return planner.plan(dataclasses.replace(made, advice=advice), fleets.inventory(clusters))


def verdict(kubernetes: str | None, *found: Any, **wishes: Any) -> Target:
    return planned(cluster("c", *found, kubernetes_version=kubernetes), **wishes).targets[0]


# --- what a cluster must have ------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "kubernetes", "action"),
    [
        (SCALES, "1.25.16", Action.INSTALL),
        (SCALES, "1.26.0", Action.BLOCKED),
        (SCALES, "v1.29.3+k3s1", Action.BLOCKED),
        (SCALES, None, Action.INSTALL),
        (BUDGET, "1.24.17", Action.INSTALL),
        (BUDGET, "1.25.0", Action.BLOCKED),
    ],
)
def test_a_setting_that_needs_what_kubernetes_removed_is_blocked(
    setting: str, kubernetes: str | None, action: Action
) -> None:
    assert verdict(kubernetes, settings={setting: "true"}).action is action


def test_the_reason_names_the_setting_what_it_makes_and_the_way_out() -> None:
    assert verdict("1.29.1", settings={SCALES: "True"}).reason == (
        f"{SCALES} makes a HorizontalPodAutoscaler of autoscaling/v2beta2, which Kubernetes 1.26 "
        'removed, and this cluster has 1.29.1: set it to "false", or leave the cluster out'
    )


@pytest.mark.parametrize(
    ("theirs", "wishes", "action"),
    [
        pytest.param({SCALES: "true"}, {}, Action.BLOCKED, id="somebody else's setting stays"),
        pytest.param(
            {SCALES: "true"}, {"settings": {SCALES: "false"}}, Action.UPGRADE, id="switched off"
        ),
        pytest.param(
            {SCALES: "true"},
            {"settings": {EGRESS: "true"}, "settings_mode": SettingsMode.EXACT},
            Action.UPGRADE,
            id="removed",
        ),
        pytest.param({SCALES: "false"}, {}, Action.UPGRADE, id="off"),
    ],
)
def test_an_upgrade_is_judged_by_all_settings_that_hold_after_it(
    theirs: dict[str, str], wishes: dict[str, Any], action: Action
) -> None:
    assert verdict("1.29.1", extension("1.1.1", settings=theirs), **wishes).action is action


def test_what_renders_nothing_anew_is_not_blocked() -> None:
    there = automatic("1.2.6", settings={SCALES: "true"})

    assert verdict("1.29.1", there, version="1.2.6").action is Action.PIN
    assert verdict("1.29.1", extension("1.2.6", settings={SCALES: "true"})).action is (
        Action.NO_CHANGE
    )


def test_a_version_that_nobody_knows_yet_is_not_blocked() -> None:
    found = fleets.inventory([cluster("c")], versions=["1.2.6", "1.3.0"])
    wish = rollouts.desired(profile=OSM, version="1.3.0", settings={SCALES: "true"})

    (target,) = planner.plan(rollouts.rollout(wish=wish), found).targets

    assert target.action is Action.INSTALL


def test_where_the_service_chooses_the_newest_version_is_judged() -> None:
    wishes = {"version": None, "auto_upgrade": AutoUpgrade.COMPATIBLE}

    assert verdict("1.29.1", settings={SCALES: "true"}, **wishes).action is Action.BLOCKED


# --- what is read at the first install only ----------------------------------------------


def test_settings_that_installed_clusters_will_not_heed_are_told_once() -> None:
    port = "osm.osm.outboundPortExclusionList[0]"
    wish = {EGRESS: "false", port: "6379", "osm.osm.injector.webhookTimeoutSeconds": "30"}

    plan = planned(
        cluster("a", extension("1.2.6")),
        cluster("b", extension("1.2.6", settings={EGRESS: "true"})),
        cluster("new"),
        settings=wish,
    )

    (told,) = plan.head.warnings
    assert told == (
        "read at the first install only, so 2 clusters with the extension will not heed it: "
        "osm.osm.enableEgress (spec.traffic.enableEgress), osm.osm.outboundPortExclusionList "
        "(spec.traffic.outboundPortExclusionList); "
        "change the field of MeshConfig osm-mesh-config there instead, by extension.meshConfig: "
        "{traffic: {enableEgress: false, outboundPortExclusionList: ...}}"
    )


def test_fields_below_a_group_are_told_as_a_plan_file_takes_them() -> None:
    tracing = {"enable": "true", "address": "jaeger.here"}
    wish = {f"osm.osm.tracing.{field}": value for field, value in tracing.items()}

    plan = planned(
        cluster("a", extension("1.2.6")), settings={**wish, "osm.contour.enabled": "true"}
    )

    (told,) = plan.head.warnings
    patch = told.partition("extension.meshConfig: ")[2]
    assert nodes.read(patch).data == {
        "observability": {"tracing": {"enable": True, "address": "jaeger.here"}},
        "certificate": {"ingressGateway": {"...": None}},
    }


@pytest.mark.parametrize(
    "clusters",
    [
        pytest.param((cluster("new"),), id="a first install heeds it"),
        pytest.param((cluster("a", extension("1.2.6", settings={EGRESS: "false"})),), id="as is"),
    ],
)
def test_settings_that_are_heeded_or_unchanged_are_not_told(clusters: tuple[Cluster, ...]) -> None:
    assert planned(*clusters, settings={EGRESS: "false"}).head.warnings == ()


# --- defaults that drift -----------------------------------------------------------------


def test_an_old_default_that_upgrades_keep_is_told_beside_the_new_one() -> None:
    plan = planned(
        cluster("a", extension("1.1.1-1")), cluster("b", extension("1.2.3")), cluster("new")
    )

    (told,) = plan.head.warnings
    assert told == (
        "osm.osm.enableEgress is not set, and its default is another since 1.2.3: 1 cluster "
        "upgraded from before keep false (spec.traffic.enableEgress), 1 cluster installed anew "
        "will have true"
    )


@pytest.mark.parametrize(
    ("clusters", "wishes"),
    [
        pytest.param((cluster("b", extension("1.2.3")),), {}, id="after the change"),
        pytest.param((cluster("new"),), {}, id="fresh"),
        pytest.param((cluster("a", extension("1.0.0")),), {"version": "1.1.1"}, id="before it"),
        pytest.param(
            (cluster("a", extension("1.2.3")),), {"presence": Presence.ABSENT}, id="removed"
        ),
    ],
)
def test_a_default_that_nothing_crosses_is_not_told(
    clusters: tuple[Cluster, ...], wishes: dict[str, Any]
) -> None:
    if wishes.get("presence"):
        wishes = {**wishes, "version": None}

    assert planned(*clusters, **wishes).head.warnings == ()


# --- retirement --------------------------------------------------------------------------


def test_the_notice_of_a_profile_is_told_once_and_not_to_who_removes_it() -> None:
    some = fleets.stores(3, extension("1.2.3"))

    assert planned(*some).head.notice == OSM.notice
    assert planned(*some, presence=Presence.ABSENT, version=None).head.notice is None


def test_without_advice_and_notice_a_plan_is_what_it_was() -> None:
    made = rollouts.rollout(spread=rollouts.strategy(max_concurrency=1))

    head = planner.plan(made, fleets.inventory(fleets.stores(2))).head

    assert (head.notice, head.warnings) == (None, ())


# --- what upgrades do on their way ---------------------------------------------------------

DOWN, STORED, ROOTS = (one.text for one in WHOLE.passages)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("1.2.3", "1.2.6", [DOWN]),
        ("1.1.1", "1.2.6", [DOWN, ROOTS]),
        ("1.0.0", "1.1.1", [DOWN, STORED]),
        ("1.2.6", "1.2.6", []),
        (None, "1.2.6", []),
    ],
)
def test_an_upgrade_tells_what_it_does_on_its_way(
    before: str | None, after: str, told: list[str]
) -> None:
    there = [extension(before)] if before else []
    advice = dataclasses.replace(WHOLE, drifts=())
    assert planned(cluster("a", *there), advice=advice, version=after).head.warnings == tuple(
        f"1 cluster upgraded: {one}" for one in told
    )
