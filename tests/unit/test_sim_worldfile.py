from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from pydantic_core import PydanticCustomError

from fleet.model.cluster import Connectivity, ProvisioningState, UnsupportedKubernetes
from fleet.model.gates import ProbeKind
from fleet.sim import opening, quantities, stock, worldfile
from fleet.sim.recipe import (
    DefinitionKind,
    ExtensionRecipe,
    Faults,
    Metric,
    PatchSettings,
    Permissions,
    Policy,
    Recipe,
    Span,
    Special,
    Turn,
    Wire,
)
from fleet.spec.problems import SpecError

WORLDS = Path(__file__).parents[1] / "data" / "worlds"
PLANS = Path(__file__).parents[2] / "plans" / "worlds"


def test_an_empty_world_file_is_an_interesting_world() -> None:
    assert worldfile.default_recipe() == Recipe(
        seed=1,
        epoch=dt.datetime(2026, 1, 10, 2, tzinfo=dt.UTC),
        time_scale=60,
        cluster_count=200,
        subscription_count=2,
        locations=stock.LOCATIONS,
        distributions=stock.DISTRIBUTIONS,
        kubernetes_versions=stock.KUBERNETES_VERSIONS,
        agent_versions=stock.AGENT_VERSIONS,
        offline_ppm=20_000,
        offline_s=None,
        patch_settings=PatchSettings.MERGE,
        auto_upgrade_after_s=None,
        extensions=(stock.OSM, stock.FLUX),
        operation_s=Span(low=90, high=300),
        call_ms=Span(low=40, high=250),
        faults=Faults(),
    )


def test_every_key_of_a_world_file_arrives() -> None:
    assert opening.read_recipe(WORLDS / "everything.yaml") == Recipe(
        seed=42,
        epoch=dt.datetime(2026, 2, 28, 23, tzinfo=dt.UTC),
        time_scale=None,
        cluster_count=8,
        subscription_count=3,
        locations={"westeurope": 1},
        distributions={"k3s": 1},
        kubernetes_versions={"1.31.4": 1},
        agent_versions={"1.28.0": 1},
        offline_ppm=125_000,
        offline_s=Span(low=60, high=120),
        patch_settings=PatchSettings.REPLACE,
        auto_upgrade_after_s=Span(low=3600, high=7200),
        extensions=(
            ExtensionRecipe(
                extension_type="microsoft.openservicemesh",
                name="osm",
                namespace="arc-osm-system",
                versions=stock.OSM.versions,
                installed={"1.1.1": 1},
                auto_upgrade_ppm=0,
                failed_ppm=0,
                distribution_settings=stock.OSM.distribution_settings,
            ),
            ExtensionRecipe(
                extension_type="Contoso.Till",
                name="till",
                namespace="till-system",
                versions={"stable": ("3.1.0", "3.2.0"), "preview": ("4.0.0",)},
                installed={"absent": 1, "3.1.0": 1},
                settings={"mode": "quiet"},
                distribution_settings={"k3s": {"mode": "loud"}},
                protected_keys=("token",),
                unsupported={
                    "3.2.0": (
                        UnsupportedKubernetes(distributions=(), ranges=(">1.31",)),
                        UnsupportedKubernetes(
                            distributions=("k3s",), ranges=("1.18..1.21", "<1.10")
                        ),
                    )
                },
            ),
        ),
        operation_s=Span(low=100, high=200),
        call_ms=Span(low=10, high=20),
        faults=Faults(
            operation_fails_ppm=10_000, late_read_ppm=2_500, late_read_s=Span(low=1, high=2)
        ),
        specials=(
            Special(
                cluster="store-0002-a",
                distribution="openshift",
                kubernetes_version="1.29.9",
                connectivity=Connectivity.OFFLINE,
                tags={"tier": "gold"},
                installed={"till": "absent", "osm": "1.0.0"},
                auto_upgrade=True,
                provisioning_state=ProvisioningState.FAILED,
                settings={"a": "b"},
                is_read_only=True,
                removed_after=dt.timedelta(minutes=1),
                faults=Faults(stuck_operation_ppm=1_000_000),
                operation_s=Span(low=1, high=1),
            ),
        ),
        policies=(
            Policy(
                name="deploy-till",
                extension_type="Contoso.Till",
                display_name="Tills everywhere",
                scope="/subscriptions/00000000-0000-0000-0000-000000000001",
                not_scopes=(
                    (
                        "/subscriptions/00000000-0000-0000-0000-000000000001"
                        "/resourceGroups/rg-westeurope"
                    ),
                ),
                is_enforced=False,
                effect="AuditIfNotExists",
                kind=DefinitionKind.INITIATIVE,
                auto_upgrade=False,
                version="3.1.0",
                settings={"mode": "quiet"},
            ),
            Policy(
                name="deploy-osm",
                extension_type="microsoft.openservicemesh",
                kind=DefinitionKind.BUILT_IN,
            ),
        ),
        wire=Wire(
            permissions=Permissions(actions=("*/read",), not_actions=("Microsoft.Authorization/*",))
        ),
        metrics=(
            Metric(
                kind=ProbeKind.PROMETHEUS,
                contains="upstream_rq",
                turns=(
                    Turn(values=("0.999",)),
                    Turn(after=dt.timedelta(seconds=600), values=("0.5", "NaN", "-Infinity")),
                    Turn(
                        after=dt.timedelta(seconds=900),
                        error="the server is down",
                        takes=dt.timedelta(seconds=7),
                    ),
                ),
            ),
            Metric(kind=ProbeKind.PROMETHEUS, turns=(Turn(after=dt.timedelta(seconds=5)),)),
            Metric(kind=ProbeKind.LOG_ANALYTICS, turns=(Turn(values=("3",)),)),
            Metric(kind=ProbeKind.HTTP, contains="/health", turns=(Turn(values=("1",)),)),
            Metric(kind=ProbeKind.COMMAND, turns=(Turn(values=("1E+3",)),)),
            Metric(kind=ProbeKind.RESOURCE_GRAPH, turns=(Turn(),)),
        ),
    )


def test_everything_that_is_wrong_is_said_at_once_with_its_place() -> None:
    with pytest.raises(SpecError) as caught:
        opening.read_recipe(WORLDS / "wrong.yaml")

    assert [(one.line, one.path, one.message, one.hint) for one in caught.value.problems] == [
        (3, "clusers", "unknown key", 'did you mean "clusters"?'),
        (4, "offlineShare", "a share is at most 100 per cent", None),
        (5, "timeScale", "expected a whole number from 1 to 100000, or max", None),
        (6, "locations", "at least one weight must be above zero", None),
        (8, "durations.operation", "min (9) is above max (3)", None),
        (
            10,
            "faults",
            "the shares of requests, and those of operations, add up to 100% at most",
            None,
        ),
        (
            13,
            "extensions[0]",
            "nothing is known of Contoso.Unknown: give its name and its versions",
            None,
        ),
        (
            15,
            "policies[0]",
            "the built-in definition is of Microsoft.openservicemesh alone",
            None,
        ),
        (
            16,
            "policies[1]",
            "the built-in definition sets neither version nor settings",
            None,
        ),
        (
            17,
            "policies[2].scope",
            '"rg-westeurope" is not the id of a management group or of something below one',
            "leave it out for the root management group",
        ),
        (
            17,
            "policies[2].effect",
            'unknown value "Deny"',
            "one of: DeployIfNotExists, AuditIfNotExists, Disabled",
        ),
        (
            19,
            "overrides[0].cluster",
            'no cluster of this world is called "store-9999-a"',
            "they are called store-0001-a to store-0100-b",
        ),
        (20, "overrides[0].connectivity", 'unknown value "Ofline"', 'did you mean "Offline"?'),
    ]


@pytest.mark.parametrize("path", sorted(PLANS.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_worlds_that_people_copy_are_sound(path: Path) -> None:
    assert opening.read_recipe(path).cluster_count > 0


@pytest.mark.parametrize(
    ("written", "ppm"), [(0, 0), (100, 1_000_000), ("0.0001%", 1), ("2.5%", 25_000), ("7%", 70_000)]
)
def test_a_share_is_read_exactly(written: object, ppm: int) -> None:
    assert quantities.share_ppm(written) == ppm


@pytest.mark.parametrize("written", [101, -1, 0.5, True, "100.1%", "5", "0.00001%", None])
def test_a_share_that_is_none_is_refused(written: object) -> None:
    with pytest.raises(PydanticCustomError):
        quantities.share_ppm(written)
