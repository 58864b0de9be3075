"""Simulated clusters from the inside: a world, a moment, and requests to a cluster's API.

Shapes:  :meth:`Inside.ask` speaks to the core, without a wire; a moment is moved by hand.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

from fleet.model.cluster import AutoUpgrade, ClusterId
from fleet.model.plan import Verb
from fleet.sim.calls import Body, Call
from fleet.sim.inside import answering, asking, clusters, patching
from fleet.sim.inside.asking import ADMIN, Request
from fleet.sim.inside.replying import Reply
from fleet.sim.world import World
from tests.rig import runs

NAMESPACE = "arc-osm-system"
CONFIG = f"/apis/config.openservicemesh.io/v1alpha2/namespaces/{NAMESPACE}/meshconfigs"
MESH_CONFIG = f"{CONFIG}/osm-mesh-config"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
WEBHOOKS = "/apis/admissionregistration.k8s.io/v1"
CLUSTER = "store-0001-a"


@dataclasses.dataclass(kw_only=True)
class Inside:
    """One cluster of a world, and what time it is."""

    world: World
    cluster_id: ClusterId
    now: dt.datetime

    def wait(self, **duration: float) -> None:
        """Let time pass."""
        self.now += dt.timedelta(**duration)

    def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        body: Any = None,
        user: str = ADMIN,
        form: str = "",
        query: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send a request."""
        token = asking.token(self.world.recipe.seed, user)
        usual = patching.MERGE if method == "PATCH" else "application/json"
        request = Request(
            method=method,
            path=path,
            query=query or {},
            headers={"authorization": f"Bearer {token}", "content-type": form or usual},
            body=b"" if body is None else json.dumps(body).encode(),
        )
        return answering.reply(clusters.interior(self.world, self.cluster_id), request, self.now)

    def get(self, path: str, **query: str) -> Any:
        """Return a document that must be there."""
        reply = self.ask(path, query=query)
        assert reply.code == 200, reply
        return reply.document

    def names(self, path: str, **query: str) -> list[str]:
        """Return the names of the objects of a list."""
        return [one["metadata"]["name"] for one in self.get(path, **query)["items"]]

    def patch(self, path: str, body: Any, **query: str) -> Reply:
        """Send a merge patch."""
        return self.ask(path, method="PATCH", body=body, query=query)

    def write(self, verb: Verb, *, name: str = "osm", **body: Any) -> None:
        """Ask Azure for something that changes an extension."""
        fields = {
            "extension_type": "Microsoft.openservicemesh",
            "namespace": None,
            "version": None,
            "auto_upgrade": AutoUpgrade.NONE,
            "release_train": None,
            "settings": None,
            "protected": None,
            **body,
        }
        heard = self.world.hear(
            Call(
                at=self.now,
                cluster_id=self.cluster_id,
                name=name,
                verb=verb,
                body=Body(**fields),
                correlation_id="a",
                client_request_id="b",
            )
        )
        assert heard.error is None, heard.error


def inside(*, installed: str = "1.1.1", number: int = 0, **keys: Any) -> Inside:
    """Return a cluster of a calm world that has a version of the mesh, or ``absent``."""
    world = runs.world(
        **{
            "clusters": 4,
            "offlineShare": 0,
            "distributions": {"k3s": 1},
            "durations": {"operation": {"min": 200, "max": 200}},
            "extensions": [
                {
                    "type": "Microsoft.openservicemesh",
                    "installed": {installed: 1},
                    "autoUpgrade": 0,
                    "failedShare": 0,
                },
            ],
            **keys,
        }
    )
    epoch = world.recipe.epoch
    cluster = next(world.clusters(epoch, [number]))
    return Inside(world=world, cluster_id=cluster.id, now=epoch)
