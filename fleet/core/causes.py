"""What known words of failure come from, and whose move it is: the service's, and few of ours.

Derived from a text whenever somebody looks, and kept nowhere: the service's own
words stay beside it, and a later release may know them better. A text is known
by a fragment of it, without regard to case, since its frame changes with every
layer that it passes; the first that fits counts.

Source:  recorded operations, Azure's troubleshooting pages, and reports of users of several tools.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import re


class Mover(enum.StrEnum):
    """Whose move it is."""

    PLAN_AUTHOR = "the author of the plan file"
    CLUSTER_OWNER = "the cluster's owner"
    POLICY_OWNER = "whoever owns the cluster's policies"
    OTHER_WRITER = "whoever runs the other operation"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why something failed, as far as its words tell."""

    code: str
    what: str
    mover: Mover
    next_step: str

    @property
    def advice(self) -> str:
        """Whose move it is, and which."""
        return f"{self.mover}: {self.next_step}"


_KNOWN: tuple[tuple[str, Cause], ...] = (
    (
        r"failed to resolve the extension version|does not support release train",
        Cause(
            code="VersionNotOffered",
            what="the release train does not offer this version",
            mover=Mover.PLAN_AUTHOR,
            next_step="name a version and a releaseTrain that the service offers "
            "(az k8s-extension extension-types list-versions-by-location)",
        ),
    ),
    (
        r"policies blocking|admission webhook .* denied",
        Cause(
            code="BlockedByPolicy",
            what="an admission policy in the cluster may have refused what the chart creates",
            mover=Mover.POLICY_OWNER,
            next_step="look for denials in the cluster's events, exempt the extension's "
            "namespace, then retry",
        ),
    ),
    (
        r"unable to build kubernetes objects from release manifest|no matches for kind",
        Cause(
            code="ManifestRejected",
            what="the chart uses objects that this cluster's Kubernetes does not know",
            mover=Mover.PLAN_AUTHOR,
            next_step="choose a version that supports the cluster's Kubernetes version",
        ),
    ),
    (
        r"unable to render the helm chart",
        Cause(
            code="SettingsRejected",
            what="the chart cannot be rendered with these settings",
            mover=Mover.PLAN_AUTHOR,
            next_step="correct extension.settings: the text after InnerError names the template",
        ),
    ),
    (
        r"failed to setup helm client|failed to (?:pull|download) .*chart",
        Cause(
            code="ChartNotFound",
            what="the cluster could not get the chart of this version from its registry",
            mover=Mover.CLUSTER_OWNER,
            next_step="let the cluster reach mcr.microsoft.com; where it does, the version is "
            "gone from there: choose another",
        ),
    ),
    (
        r"timed out waiting for the (?:condition|resource)|expected pods are ready",
        Cause(
            code="PodsNotReady",
            what="the chart was installed and its pods did not become ready in time",
            mover=Mover.CLUSTER_OWNER,
            next_step="look at the pods of the extension's namespace (images, resources, "
            "scheduling), then retry",
        ),
    ),
    (
        r"unable to get response from the agent in time",
        Cause(
            code="AgentSilent",
            what="the cluster's agents did not answer in time",
            mover=Mover.CLUSTER_OWNER,
            next_step="look at the pods of the namespace azure-arc and their way out to Azure, "
            "then retry",
        ),
    ),
    (
        r"unable to get the status from the local crd|status not populated",
        Cause(
            code="StatusNotReported",
            what="the agents took the request and never reported what came of it",
            mover=Mover.CLUSTER_OWNER,
            next_step="look at extension-manager and config-agent in the namespace azure-arc, "
            "then retry",
        ),
    ),
    (
        r"conflicting operation in progress|another operation is in progress",
        Cause(
            code="OperationInProgress",
            what="another operation was changing the extension at the same time",
            mover=Mover.OTHER_WRITER,
            next_step="wait for it to end, find out who else changes this extension, then retry",
        ),
    ),
    (
        r"extension instance with name .* not found",
        Cause(
            code="ExtensionMissing",
            what="the extension is not on the cluster any more",
            mover=Mover.OTHER_WRITER,
            next_step="find out who removed it, then make a new plan",
        ),
    ),
    (
        r"connectedclusters/\S+ under resource group .* was not found",
        Cause(
            code="ClusterMissing",
            what="the cluster is not connected to Azure any more",
            mover=Mover.CLUSTER_OWNER,
            next_step="connect it again, or take it out of the targets",
        ),
    ),
    (
        r"clusteraccess leads to another cluster",
        Cause(
            code="WrongCluster",
            what="the way into the cluster leads into another one, and nothing was done there",
            mover=Mover.PLAN_AUTHOR,
            next_step="correct clusterAccess: the context, file, command or name that it has for "
            "this cluster; then retry",
        ),
    ),
    (
        r"helm (?:installation|upgrade) failed|unable to create/update kubernetes resources",
        Cause(
            code="HelmFailed",
            what="Helm could not carry the chart out",
            mover=Mover.CLUSTER_OWNER,
            next_step="read what stands behind InnerError, mend that, then retry",
        ),
    ),
)


def cause_of(text: str) -> Cause | None:
    """Return what *text*, the service's words of a failure, comes from; ``None``: not known."""
    return next((cause for pattern, cause in _patterns() if pattern.search(text)), None)


@functools.cache
def _patterns() -> tuple[tuple[re.Pattern[str], Cause], ...]:
    return tuple((re.compile(fragment, re.IGNORECASE), cause) for fragment, cause in _KNOWN)
