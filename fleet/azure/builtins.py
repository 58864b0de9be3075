"""Built-in policy definitions that put extensions on connected clusters, by id: data, no rules.

What they set is restated here because a definition's own template computes
it; definitions that are not here are read (:mod:`fleet.azure.templates`).

Source:  Azure/azure-policy, built-in-policies/policyDefinitions/Kubernetes, and their versions of
         2025. NB: the one for Open Service Mesh has a parameter for a version, and never uses it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from fleet.model.cluster import nothing

_DEFINITIONS = "/providers/microsoft.authorization/policydefinitions/"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BuiltIn:
    """What one definition does; a parameter is named where it decides."""

    extension_type: str
    effect: str = "DeployIfNotExists"
    """Where the parameter ``effect`` says nothing else."""
    has_auto_upgrade: bool = True
    auto_upgrade_parameter: str | None = None
    version_parameter: str | None = None
    """Counts where auto-upgrade is off."""
    setting_parameters: Mapping[str, str] = dataclasses.field(default_factory=nothing)
    """``{setting: parameter}``."""
    setting_defaults: Mapping[str, str] = dataclasses.field(default_factory=nothing)
    spared_distributions: tuple[str, ...] = ()
    spared_parameter: str | None = None


BUILT_IN: Mapping[str, BuiltIn] = {
    _DEFINITIONS + name: found
    for name, found in {
        "73868911-4f4a-444f-adbd-5382bf70208a": BuiltIn(extension_type="microsoft.openservicemesh"),
        "a8e653d9-b5d4-48a0-afe6-14d881f9ee9a": BuiltIn(
            extension_type="microsoft.streamingforstrimzikafka"
        ),
        "0adc5395-9169-4b9b-8687-af838d69410a": BuiltIn(
            extension_type="microsoft.policyinsights", spared_distributions=("aks",)
        ),
        "708b60a6-d253-4fe0-9114-4be4c00f012c": BuiltIn(
            extension_type="microsoft.azuredefender.kubernetes",
            spared_distributions=("aks", "aks_management", "eks", "gke"),
            spared_parameter="excludedDistributions",
        ),
        "f9175d5f-abc8-1dc3-bd3c-5d7476ada3d1": BuiltIn(
            extension_type="microsoft.flux",
            auto_upgrade_parameter="autoUpgradeMinorVersion",
            version_parameter="version",
            setting_parameters={
                "helm-controller.enabled": "helmControllerEnabled",
                "notification-controller.enabled": "notificationControllerEnabled",
                "image-automation-controller.enabled": "imageAutomationController",
                "image-reflector-controller.enabled": "imageReflectorController",
            },
            setting_defaults={
                "helm-controller.enabled": "true",
                "notification-controller.enabled": "true",
                "image-automation-controller.enabled": "false",
                "image-reflector-controller.enabled": "false",
            },
        ),
    }.items()
}
"""``{definition's id, lower case: what it does}``. All deploy only where existence fails."""
