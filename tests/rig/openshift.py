"""What makes a cluster an OpenShift, as far as anybody here looks."""

from __future__ import annotations

from typing import Any

from tests.rig.deployed import made


def objects() -> list[dict[str, Any]]:
    """Return the kind, the one object of it that counts, and the role that OpenShift brings."""
    group, plural = "security.openshift.io", "securitycontextconstraints"
    kind, everywhere = "SecurityContextConstraints", {"namespace": None}
    schema = {"openAPIV3Schema": {"type": "object"}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    names = {"kind": kind, "plural": plural, "singular": plural, "listKind": f"{kind}List"}
    definition = {"group": group, "scope": "Cluster", "names": names, "versions": [version]}
    rule = {"apiGroups": [group], "resources": [plural], "verbs": ["use"]}
    crd = ("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"{plural}.{group}")
    role = ("rbac.authorization.k8s.io/v1", "ClusterRole", "system:openshift:scc:privileged")
    return [
        made(*crd, metadata=everywhere, spec=definition),
        made(f"{group}/v1", kind, "privileged", metadata=everywhere),
        made(*role, metadata=everywhere, rules=[rule]),
    ]
