from __future__ import annotations

import pytest

from fleet.errors import InputError, InvariantError
from fleet.model import versions
from fleet.model.advice import Need
from fleet.model.desired import Profile
from fleet.model.versions import VersionOrder
from fleet.spec import profiles


def test_knows_open_service_mesh() -> None:
    assert profiles.load("osm") == Profile(
        name="osm",
        extension_type="Microsoft.openservicemesh",
        instance_name="osm",
        namespace="arc-osm-system",
        has_one_instance=True,
        version_order=VersionOrder.REVISION,
        has_sequential_minors=True,
        may_downgrade=False,
        distributions=(
            "aks",
            "aks_engine",
            "aks_management",
            "aks_workload",
            "canonical",
            "capz",
            "eks",
            "gke",
            "openshift",
            "rancher_rke",
            "tkg",
        ),
        supported_minor_count=2,
        catalogue=(
            "0.8.4",
            "0.9.2",
            "0.11.1",
            "1.0.0",
            "1.0.0-1",
            "1.1.1",
            "1.1.1-1",
            "1.2.3",
            "1.2.6",
        ),
        distribution_settings={"openshift": {"osm.osm.enablePrivilegedInitContainer": "true"}},
        needs=tuple(
            Need(
                setting=f"osm.osm.{part}.{setting}",
                value="true",
                api=api,
                gone_in=gone_in,
                until="1.2.6",
            )
            for setting, api, gone_in in (
                ("autoScale.enable", "HorizontalPodAutoscaler of autoscaling/v2beta2", "1.26"),
                ("enablePodDisruptionBudget", "PodDisruptionBudget of policy/v1beta1", "1.25"),
            )
            for part in ("osmController", "injector")
        ),
        notice=(
            "Open Service Mesh retires: it is archived upstream since 2023, and AKS ends its "
            "add-on on 2027-09-30; the extension has no date of its own yet"
        ),
    )


def test_claims_nothing_of_flux_but_its_names() -> None:
    assert profiles.load("flux") == Profile(
        name="flux",
        extension_type="Microsoft.flux",
        instance_name="flux",
        namespace="flux-system",
    )


@pytest.mark.parametrize("name", profiles.names())
def test_lists_versions_oldest_first(name: str) -> None:
    profile = profiles.load(name)

    ordered = versions.ascending(profile.catalogue, order=profile.version_order)

    assert tuple(version.text for version in ordered) == profile.catalogue


def test_names_the_nearest_profile() -> None:
    with pytest.raises(InputError) as caught:
        profiles.load("osn")

    assert caught.value.message == 'unknown profile "osn"'
    assert caught.value.hint == 'did you mean "osm"?'


def test_names_all_profiles_where_none_is_near() -> None:
    with pytest.raises(InputError) as caught:
        profiles.load("../osm")

    assert caught.value.hint == 'did you mean "osm"?'

    with pytest.raises(InputError) as caught:
        profiles.load("dapr")

    assert caught.value.hint == "one of: flux, osm"


@pytest.mark.parametrize("written", ["Microsoft.openservicemesh", "microsoft.OPENSERVICEMESH"])
def test_facts_hold_however_the_type_is_written(written: str) -> None:
    found = profiles.resolved(written, name="mesh", namespace=None)

    assert found is profiles.load("osm")


def test_claims_nothing_of_an_unknown_type() -> None:
    found = profiles.resolved("Microsoft.Dapr", name="dapr", namespace="dapr-system")

    assert found == Profile(
        name="generic",
        extension_type="Microsoft.Dapr",
        instance_name="dapr",
        namespace="dapr-system",
    )


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("extensionType = 1", id="wrong-type"),
        pytest.param('extensionType = "a"\nextra = 1', id="unknown-key"),
        pytest.param('extensionType = "a"\ncatalogue = ["new"]', id="no-version"),
        pytest.param('extensionType = "a"\nversionOrder = "alphabetical"', id="no-order"),
        pytest.param("extensionType =", id="no-toml"),
        pytest.param("", id="nothing"),
    ],
)
def test_a_packaged_profile_that_does_not_fit_is_a_bug(text: str) -> None:
    with pytest.raises(InvariantError, match=r'the profile "trial" does not fit'):
        profiles.from_toml(text, name="trial")
