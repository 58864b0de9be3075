"""The way into a server as fleet takes it, and what a healthy cluster's checks are about."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from fleet.core.looks import Subject
from fleet.engine import clock
from fleet.kube.clusters import clusters_of
from fleet.model.cluster import AutoUpgrade, Extension, ProvisioningState
from fleet.model.inside import AccessKind, CheckMoment, CheckResult, CheckRule, ClusterAccess
from fleet.ports import ClusterApi, Clusters
from fleet.spec import profiles
from tests.rig.charted import CLUSTER, MESHED, NAMESPACE, VERSION
from tests.rig.realserver import ADMIN, RealServer

NAME = "store-1"
_TYPE = "microsoft.openservicemesh"


def clusters(server: RealServer, folder: Path, *, token: str = ADMIN) -> Clusters:
    """Return the way into *server*, by a kubeconfig in *folder*."""
    file = server.kubeconfig(folder / f"{token}.kubeconfig", context=NAME, token=token)
    access = ClusterAccess(kind=AccessKind.KUBECONFIG, path=str(file))
    return clusters_of(access, base=folder, clock=clock.real())


@contextlib.asynccontextmanager
async def opened(
    server: RealServer, folder: Path, *, token: str = ADMIN
) -> AsyncIterator[ClusterApi]:
    """Open the one cluster."""
    async with clusters(server, folder, token=token).open(CLUSTER) as api:
        yield api


def rules(moment: CheckMoment = CheckMoment.PRESENT) -> tuple[CheckRule, ...]:
    """Return the checks of Open Service Mesh."""
    return tuple(one for one in profiles.load("osm").checks if one.moment is moment)


def subject(*, mesh_before: str | None = None, mesh_wish: str | None = None) -> Subject:
    """Return what is known of the cluster beforehand."""
    return Subject(
        cluster_id=CLUSTER,
        cluster_name=NAME,
        extension=Extension(
            name="osm",
            extension_type=_TYPE,
            version=VERSION,
            current_version=VERSION,
            auto_upgrade=AutoUpgrade.NONE,
            release_train="stable",
            provisioning_state=ProvisioningState.SUCCEEDED,
        ),
        release="osm",
        namespace=NAMESPACE,
        version=VERSION,
        mesh_before=mesh_before,
        mesh_wish=mesh_wish,
        meshed=MESHED,
    )


def by_verdict(results: tuple[CheckResult, ...]) -> dict[str, set[str]]:
    """Return ``{verdict: checks}``."""
    found: dict[str, set[str]] = {}
    for one in results:
        found.setdefault(one.verdict.value, set()).add(one.check)
    return found
