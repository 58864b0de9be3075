from __future__ import annotations

import dataclasses
import importlib.resources
import tomllib
from pathlib import Path
from typing import Any

import pytest

from fleet.errors import InputError, InvariantError
from fleet.model import codec, versions
from fleet.model.advice import Need
from fleet.model.desired import Profile
from fleet.model.versions import VersionOrder
from fleet.spec import checks, profiles
from fleet.spec.profileform import ProfileFile


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
        platforms=("linux/amd64",),
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
        # What they are, one by one: test_core_looks.
        checks=profiles.load("osm").checks,
    )


def test_claims_nothing_of_flux_but_its_names_its_nodes_and_that_there_is_one() -> None:
    assert profiles.load("flux") == Profile(
        name="flux",
        extension_type="Microsoft.flux",
        instance_name="flux",
        namespace="flux-system",
        has_one_instance=True,
        checks=checks.generic(),
        platforms=("linux/amd64", "linux/arm64"),
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


def test_says_where_profiles_are_listed_where_none_is_near() -> None:
    with pytest.raises(InputError) as caught:
        profiles.load("../osm")

    assert caught.value.hint == 'did you mean "osm"?'

    with pytest.raises(InputError) as caught:
        profiles.load("kafka")

    assert caught.value.hint == "`fleet profiles` lists them"


REFERENCE = (
    Path(__file__).parents[3]
    / "shared"
    / "reference"
    / "osm"
    / "derived"
    / "extension-profiles.yaml"
)
GUESSED = {("microsoft.foundry", "namespace")}
"""The reference calls it inferred: guesses are not sent."""


def _reference() -> list[dict[str, Any]]:
    from ruamel.yaml import YAML  # noqa: PLC0415 - for this test only

    found = YAML(typ="safe").load(REFERENCE.read_text("utf-8"))["profiles"]
    return [dict(one) for one in found]


@pytest.mark.skipif(not REFERENCE.exists(), reason="the reference lies beside the repository only")
def test_knows_what_the_reference_knows() -> None:
    reference = _reference()
    known = {one["type"]: profiles.for_type(one["type"]) for one in reference}

    assert len(known) == len(profiles.names())
    for one in reference:
        found = known[one["type"]]
        assert found is not None, one["type"]
        wanted = {
            "instance_name": one.get("forced_name") or one.get("default_name"),
            "namespace": one.get("default_namespace"),
            "is_namespaced": one["scope"] == "namespace",
            "cluster_types": tuple(kind.lower() for kind in one.get("cluster_types", ())),
        }
        said = {
            field: getattr(found, field)
            for field, value in wanted.items()
            if value is not None and (one["type"], field) not in GUESSED
        }
        assert said == {field: wanted[field] for field in said}, one["type"]


def test_there_is_one_profile_for_each_of_22_types() -> None:
    types = [profiles.load(name).extension_type.lower() for name in profiles.names()]

    assert len(set(types)) == len(types) == 22


@pytest.mark.parametrize("name", profiles.names())
def test_a_type_in_any_casing_finds_its_profile(name: str) -> None:
    profile = profiles.load(name)

    for written in (profile.extension_type, profile.extension_type.upper()):
        assert profiles.resolved(written, name="any", namespace=None) is profile


@pytest.mark.parametrize("name", profiles.names())
def test_a_profile_says_its_scope_and_where_its_facts_come_from(name: str) -> None:
    text = importlib.resources.files(profiles).joinpath(f"{name}.toml").read_text("utf-8")

    assert "scope" in profiles.said(name)
    assert "# Source: " in text
    assert profiles.said(name) == tomllib.loads(text)


@pytest.mark.parametrize("name", [one for one in profiles.names() if one != "osm"])
def test_claims_of_others_only_what_their_files_say(name: str) -> None:
    said = profiles.said(name)

    assert profiles.load(name) == Profile(
        name=name,
        extension_type=said["extensionType"],
        instance_name=said.get("instanceName"),
        namespace=said.get("namespace"),
        has_one_instance=said.get("hasOneInstance", False),
        is_namespaced=said["scope"] == "namespace",
        cluster_types=tuple(one.lower() for one in said.get("clusterTypes", ())),
        checks=checks.generic(),
        platforms=tuple(said.get("platforms", ())),
    )


@pytest.mark.parametrize("name", profiles.names())
def test_the_checks_of_a_profile_say_what_their_looks_need(name: str) -> None:
    assert list(ProfileFile.cross_check(profiles.said(name))) == []


def test_a_profile_alone_is_read_where_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []
    loads = tomllib.loads

    def watched(text: str) -> dict[str, Any]:
        parsed.append(text)
        return loads(text)

    profiles.load.cache_clear()
    monkeypatch.setattr(tomllib, "loads", watched)

    profiles.load("dapr")

    assert len(parsed) == 1


def test_what_earlier_releases_wrote_of_a_profile_is_what_this_one_writes() -> None:
    """A new fact that says nothing may not change a digest."""
    written = codec.to_json(profiles.load("osm"))

    assert written.keys().isdisjoint({"isNamespaced", "clusterTypes"})
    assert codec.from_json(Profile, written) == profiles.load("osm")
    other = dataclasses.replace(
        profiles.load("osm"), is_namespaced=True, cluster_types=("managedclusters",)
    )
    assert codec.from_json(Profile, codec.to_json(other)) == other


@pytest.mark.parametrize("written", ["Microsoft.openservicemesh", "microsoft.OPENSERVICEMESH"])
def test_facts_hold_however_the_type_is_written(written: str) -> None:
    found = profiles.resolved(written, name="mesh", namespace=None)

    assert found is profiles.load("osm")


def test_claims_nothing_of_an_unknown_type() -> None:
    found = profiles.resolved("Contoso.Agent", name="agent", namespace="agent-system")

    assert found == Profile(
        name="generic",
        extension_type="Contoso.Agent",
        instance_name="agent",
        namespace="agent-system",
        checks=checks.generic(),
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
