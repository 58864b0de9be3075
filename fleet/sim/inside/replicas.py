"""Replica sets: what stands between a deployment and its pods."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.sim.inside import kinds, podding
from fleet.sim.inside.scene import Made
from fleet.sim.inside.workloads import View

_KIND = kinds.built_in("apps", "replicasets")


def sets(view: View, only: str | None) -> Iterator[Made]:
    """Yield the replica sets of all pods that have one."""
    owners = {
        (one["metadata"]["namespace"], one["metadata"]["name"]): one
        for one in view.items("apps", "deployments", only)
    }
    pods: dict[tuple[str, str], list[Made]] = {}
    for pod in view.items("", "pods", only):
        for owner in pod["metadata"].get("ownerReferences", ()):
            if owner["kind"] == "ReplicaSet":
                pods.setdefault((pod["metadata"]["namespace"], owner["name"]), []).append(pod)
    for (namespace, name), found in pods.items():
        deployment = owners.get((namespace, name.rpartition("-")[0]))
        if deployment is not None:
            yield _set(view, name, found, deployment)


def _set(view: View, name: str, pods: list[Made], deployment: Made) -> Made:
    first, owner = pods[0]["metadata"], deployment["metadata"]
    created_at = min(podding.made_at(one) for one in pods)
    found = view.scene.made(
        _KIND,
        name,
        namespace=first["namespace"],
        created_at=created_at,
        labels=first.get("labels"),
        spec={
            "replicas": len(pods),
            "selector": deployment["spec"]["selector"],
            "template": deployment["spec"]["template"],
        },
        status={
            "replicas": len(pods),
            "readyReplicas": sum(podding.is_ready(one) for one in pods),
        },
    )
    found["metadata"]["uid"] = podding.replica_set_uid(view.scene, first["namespace"], name)
    found["metadata"]["ownerReferences"] = [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "name": owner["name"],
            "uid": owner["uid"],
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]
    return found
