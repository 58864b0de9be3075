"""What the service says when something goes wrong: texts, with holes to fill.

Source:  recorded operation bodies and reports of users; wording and punctuation
         are the service's own, so that what reads them is tried on the real thing.
"""

from __future__ import annotations

_HELP = "For general troubleshooting visit: https://aka.ms/k8s-extensions-TSG"
_FAILED = "The extension operation failed with the following error:  "

HELM_TIMED_OUT = (
    f"{_FAILED}Error: [ InnerError: [Helm installation failed : Timed out waiting for the resource "
    "to come to a ready/completed state : 0 out of 1 expected pods are ready : InnerError "
    "[release failed, and has been uninstalled due to atomic being set: timed out waiting for "
    f"the condition]]] occurred while doing the operation : [Create] on the config. {_HELP}"
)
HELM_BLOCKED = (
    f"{_FAILED}Error: [ InnerError: [Helm installation failed : Unable to create/update "
    "Kubernetes resources for the extension : Recommendation Please check that there are no "
    "policies blocking the resource creation/update for the extension]] occurred while doing "
    f"the operation : [Update] on the config. {_HELP}"
)
HELM_RENDER = (
    f"{_FAILED}Error: [ InnerError: [Unable to render the Helm chart with the provided config "
    "settings : InnerError [template: execution error]]] occurred while doing the operation : "
    f"[Update] on the config. {_HELP}"
)
FAILURES = {HELM_TIMED_OUT: 6, HELM_BLOCKED: 2, HELM_RENDER: 1}
"""By weight."""

AGENT_SILENT = (
    "Unable to get response from the Agent in time, please ensure the extension agents on the "
    "cluster are able to connect to Azure services"
)
STATUS_UNKNOWN = (
    "Unable to get the status from the local CRD with the error : {Error : Retry for given "
    "duration didn't get any results with err {status not populated}}"
)
CHART_MISSING = (
    f"{_FAILED}Error: [ InnerError: [Failed to setup Helm client during helm chart upgrade : "
    "err [mcr.microsoft.com/oss/openservicemesh/osm-arc: not found]]] occurred while doing the "
    f"operation : [Update] on the config. {_HELP}"
)
HELM_MANIFEST = (
    f"{_FAILED}Error: {{failed to install chart from path [] for release [osm]: err [unable to "
    "build kubernetes objects from release manifest: resource mapping not found]} occurred while "
    f"doing the operation : {{Installing the extension}} on the config. {_HELP}"
)
NAMED = {
    "podsNotReady": HELM_TIMED_OUT,
    "blockedByPolicy": HELM_BLOCKED,
    "settingsRejected": HELM_RENDER,
    "chartMissing": CHART_MISSING,
    "manifestRejected": HELM_MANIFEST,
    "statusUnknown": STATUS_UNKNOWN,
    "agentSilent": AGENT_SILENT,
}
"""As faults files call them."""

CONFLICT = (
    "Update failed for this resource, as there is a conflicting operation in progress. "
    "Please try after sometime."
)
THROTTLED = "Too many requests. Please try again after sometime."
UNAVAILABLE = "The service is unavailable. Please try again later."
RESET = "Connection reset by peer."

PIN_WITH_AUTO_UPGRADE = "version cannot be specified while autoUpgradeMinorVersion is true."
PIN_WITHOUT_VERSION = "version must be specified where autoUpgradeMinorVersion is false."


def unresolved(*, extension_type: str, train: str, version: str | None) -> str:
    """Return what is said of a version that the train does not offer."""
    of_version = "" if version is None else f" for version '{version}'"
    return (
        f"{_FAILED}Failed to resolve the extension version from the given values. InnerError: "
        f"'Extension type '{extension_type.lower()}' does not support release train '{train}'"
        f'{of_version}. Please try again with release train "stable".\'. '
        f"Please refer https://aka.ms/k8s-extension-type-versions. {_HELP}"
    )


def no_cluster(*, name: str, group: str) -> str:
    """Return what is said where the cluster is not there."""
    return (
        f"The Resource 'Microsoft.Kubernetes/connectedClusters/{name}' under resource group "
        f"'{group}' was not found."
    )


def no_extension(name: str) -> str:
    """Return what is said where the cluster is there and the extension is not."""
    return f"Extension instance with name '{name}' not found."


def other_type(*, name: str, found: str) -> str:
    """Return what is said of a write that would turn one extension into another."""
    return f"Extension instance with name '{name}' is of type '{found}', which cannot be changed."


def read_only(name: str) -> str:
    """Return what is said of a write to an extension that somebody else manages."""
    return f"Extension instance with name '{name}' is managed: users may read it, and no more."
