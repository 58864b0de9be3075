"""What a world is filled with where its file says nothing: data, no rules.

Source:  the versions of Open Service Mesh are the tags its Arc chart was
         released under; Flux's are one of each minor; distributions are those
         that the Arc agents report.
"""

from __future__ import annotations

import datetime as dt

from fleet.sim.recipe import ABSENT, ExtensionRecipe

EPOCH = dt.datetime(2026, 1, 10, 2, tzinfo=dt.UTC)

LOCATIONS = {"westeurope": 45, "northeurope": 25, "eastus": 20, "southeastasia": 10}
DISTRIBUTIONS = {
    "k3s": 30,
    "openshift": 20,
    "rancher_rke": 15,
    "aks": 10,
    "eks": 8,
    "gke": 7,
    "generic": 6,
    "kind": 4,
}
KUBERNETES_VERSIONS = {"1.29.9": 15, "1.30.7": 30, "1.31.4": 35, "1.32.1": 20}
AGENT_VERSIONS = {"1.26.0": 10, "1.27.0": 30, "1.28.0": 60}
ENVIRONMENTS = {"prod": 80, "test": 20}
RINGS = {"canary": 5, "early": 20, "broad": 75}

OSM = ExtensionRecipe(
    extension_type="Microsoft.openservicemesh",
    name="osm",
    namespace="arc-osm-system",
    versions={"stable": ("1.0.0", "1.0.0-1", "1.1.1", "1.1.1-1", "1.2.3", "1.2.6")},
    installed={
        ABSENT: 20,
        "1.0.0": 5,
        "1.0.0-1": 10,
        "1.1.1": 20,
        "1.1.1-1": 20,
        "1.2.3": 20,
        "1.2.6": 5,
    },
    auto_upgrade_ppm=100_000,
    failed_ppm=10_000,
    distribution_settings={"openshift": {"osm.osm.enablePrivilegedInitContainer": "true"}},
)

FLUX = ExtensionRecipe(
    extension_type="Microsoft.flux",
    name="flux",
    namespace="flux-system",
    versions={
        "stable": (
            "1.9.1",
            "1.10.2",
            "1.11.1",
            "1.12.2",
            "1.13.1",
            "1.14.1",
            "1.15.2",
            "1.16.3",
        )
    },
    installed={
        ABSENT: 60,
        "1.9.1": 2,
        "1.10.2": 2,
        "1.11.1": 4,
        "1.12.2": 4,
        "1.13.1": 6,
        "1.14.1": 6,
        "1.15.2": 8,
        "1.16.3": 8,
    },
    auto_upgrade_ppm=300_000,
)

EXTENSIONS = (OSM, FLUX)


def extension(extension_type: str) -> ExtensionRecipe | None:
    """Return what is known of a type; ``None`` where it is nothing."""
    wanted = extension_type.lower()
    return next((one for one in EXTENSIONS if one.extension_type.lower() == wanted), None)
