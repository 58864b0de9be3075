"""Clusters and the extensions on them, as the service reports them.

What is here was read, by discovery or by a GET; what is wished for lives in
:mod:`fleet.model.desired`, and what will be done in :mod:`fleet.model.plan`.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import NewType

from fleet.model.codec import SPARSE

ClusterId = NewType("ClusterId", str)
"""The full ARM id of a connected cluster, in the casing that discovery returned."""

_NOTHING: Mapping[str, str] = MappingProxyType({})


def nothing() -> Mapping[str, str]:
    """Return the one empty map, which nobody can fill by accident: a field's default."""
    return _NOTHING


class Connectivity(enum.StrEnum):
    """What the service last heard of the cluster's agents."""

    # Source: Microsoft.Kubernetes connectivityStatus; Connected: a heartbeat within 15 minutes.
    CONNECTED = "Connected"
    CONNECTING = "Connecting"
    OFFLINE = "Offline"
    EXPIRED = "Expired"
    AGENT_NOT_INSTALLED = "AgentNotInstalled"
    UNKNOWN = "Unknown"


class ProvisioningState(enum.StrEnum):
    """Where the service is with the last write to an extension."""

    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELED = "Canceled"
    CREATING = "Creating"
    UPDATING = "Updating"
    DELETING = "Deleting"
    UNKNOWN = "Unknown"
    """A value that we do not know; counted as still in progress."""

    @property
    def is_terminal(self) -> bool:
        """Whether the service has finished."""
        return self in _TERMINAL


_TERMINAL = frozenset(
    {ProvisioningState.SUCCEEDED, ProvisioningState.FAILED, ProvisioningState.CANCELED}
)


class AutoUpgrade(enum.StrEnum):
    """Which new versions the service installs by itself."""

    NONE = "none"
    PATCH = "patch"
    COMPATIBLE = "compatible"
    """New minors and patches; what ``autoUpgradeMinorVersion: true`` means."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """One extension instance, as a GET or discovery reported it."""

    name: str
    extension_type: str
    version: str | None
    """The pinned version; ``None`` while auto-upgrade chooses."""
    current_version: str | None
    """What the service says is installed. Never proof by itself: it is set while Creating."""
    auto_upgrade: AutoUpgrade
    release_train: str
    provisioning_state: ProvisioningState
    settings: Mapping[str, str] = dataclasses.field(default_factory=nothing)
    protected_keys: tuple[str, ...] = ()
    """Names only: the service never returns the values."""
    namespace: str | None = None
    is_namespaced: bool = dataclasses.field(default=False, metadata=SPARSE)
    """Whether it is installed for its namespace, not for the cluster."""
    is_system: bool = False
    is_read_only: bool = False
    """Whether management details allow users to read only."""
    modified_at: str | None = None
    """The service's own stamp of the last write; opaque, never compared with a clock."""
    error: str | None = None
    """What the service said when it failed, redacted by the journal."""

    @property
    def installed_version(self) -> str | None:
        """The version to compare with: what is installed, else what is pinned."""
        return self.current_version or self.version


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class UnreadExtension:
    """An extension that is there, and of which something cannot be read."""

    name: str | None
    """``None``: that cannot be read either."""
    extension_type: str | None
    """Lower case; ``None``: likewise."""
    why: str
    """Which part of it cannot be read."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A connected cluster with the extensions that discovery found on it."""

    id: ClusterId
    name: str
    subscription: str
    resource_group: str
    location: str
    distribution: str
    """Lower case; an open set, such as ``openshift`` or ``rancher_rke``."""
    kubernetes_version: str | None
    agent_version: str | None
    connectivity: Connectivity
    last_connectivity_at: dt.datetime | None
    tags: Mapping[str, str] = dataclasses.field(default_factory=nothing)
    extensions: tuple[Extension, ...] = ()
    unread: tuple[UnreadExtension, ...] = dataclasses.field(default=(), metadata=SPARSE)
    """Those beside :attr:`extensions` that are there and cannot be read."""

    @property
    def is_reachable(self) -> bool:
        """Whether the agents were heard of lately."""
        return self.connectivity is Connectivity.CONNECTED


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PolicyDeployment:
    """An extension that a policy puts on a cluster where it is not as the policy wants it."""

    extension_type: str
    effect: str
    """As the assignment's parameters have it, such as ``DeployIfNotExists``."""
    auto_upgrade: AutoUpgrade | None = None
    """What it sets; ``None``: that cannot be told."""
    version: str | None = None
    """What it pins; ``None``: nothing, or that cannot be told."""
    settings: Mapping[str, str] = dataclasses.field(default_factory=nothing)
    """What it sets, as far as that can be told; all others are gone after it."""
    spared_distributions: tuple[str, ...] = ()
    """Lower case: clusters of these are left alone."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PolicyAssignment:
    """A policy, or an initiative of several, put to work somewhere."""

    id: str
    name: str
    display_name: str
    scope: str
    """The id of a management group, a subscription, a resource group or a cluster."""
    not_scopes: tuple[str, ...] = ()
    """Ids below the scope that are left out."""
    is_enforced: bool = True
    """Whether it acts; otherwise it only reports."""
    deployments: tuple[PolicyDeployment, ...] = ()
    """Of the extension type that was asked about."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class UnsupportedKubernetes:
    """Versions of Kubernetes that a version of an extension does not run on."""

    distributions: tuple[str, ...]
    """Lower case; empty: on all."""
    ranges: tuple[str, ...]
    """As the service writes them, such as ``>1.22`` or ``1.18..1.21``."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class VersionLimits:
    """Where a version of an extension does not run, as far as the service tells."""

    unsupported: tuple[UnsupportedKubernetes, ...] = ()
    cluster_types: tuple[str, ...] = ()
    """Lower case: what it runs on; empty: that is not told."""


LocalVersions = Mapping[str, tuple[str, ...] | None]
"""``{location, lower case: versions offered}``; ``None``: nothing is known of that location."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What discovery returned."""

    clusters: tuple[Cluster, ...]
    """Ordered by id, without duplicates."""
    versions: Mapping[str, tuple[str, ...]]
    """``{release train, lower case: versions offered}`` for the extension type asked about.

    Where locations differ, these are the ones that all of them offer that tell."""
    version_limits: Mapping[str, Mapping[str, VersionLimits]] = dataclasses.field(
        default_factory=dict
    )
    """``{release train, lower case: {version: its limits}}``; without one nothing is known."""
    warnings: tuple[str, ...] = ()
    """What could not be found out, for whoever reads the plan."""
    read_at: dt.datetime | None = dataclasses.field(default=None, compare=False)
    """When, by the service's clock, which heartbeats go by; ``None``: not known."""
    policies: tuple[PolicyAssignment, ...] = ()
    """Those that deploy the extension type asked about, ordered by id."""
    management_groups: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    """``{subscription, lower case: ids of the groups above it}``; without one nothing is known."""
    local_versions: Mapping[str, LocalVersions] = dataclasses.field(default_factory=dict)
    """``{release train, lower case: what each location offers}``, where locations differ."""
