"""What a plan asks inside clusters, and what is seen there: access, checks, and work beside Azure.

Azure installs an extension; what people configure of it afterwards lives in the cluster's own
API: a mesh's configuration, labels of namespaces, a ConfigMap that an agent reads. Those are steps
of a target like its writes to Azure are: looked at, written down, done, and proved by a read.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
from collections.abc import Mapping

from fleet.model.cluster import nothing
from fleet.model.codec import SPARSE


class AccessKind(enum.StrEnum):
    """How a cluster's own API is reached."""

    NONE = "none"
    """Not at all: then nothing inside is proved, and plans say so."""
    KUBECONFIG = "kubeconfig"
    """Contexts of one kubeconfig."""
    DIRECTORY = "directory"
    """A kubeconfig for each cluster, named after it."""
    IN_CLUSTER = "inCluster"
    """The cluster that fleet itself runs in, by its service account."""
    COMMAND = "command"
    """A program that prints a kubeconfig."""
    PROXY = "proxy"
    """``az connectedk8s proxy``, begun and ended for each cluster."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ClusterAccess:
    """How the clusters of a plan file are reached. In texts, ``{cluster}`` and the like are filled.

    Known are ``{cluster}`` (its name), ``{resourceGroup}``, ``{subscription}`` and ``{id}``.
    """

    kind: AccessKind = AccessKind.NONE
    path: str = ""
    """Of the kubeconfig or the directory, from the plan file; empty: as kubectl would find it."""
    context: str = dataclasses.field(default="{cluster}", metadata=SPARSE)
    """With ``kubeconfig``: the context's name."""
    contexts: Mapping[str, str] = dataclasses.field(default_factory=nothing, metadata=SPARSE)
    """``{cluster's name, lower case: context}``, before :attr:`context`."""
    cluster: str = dataclasses.field(default="", metadata=SPARSE)
    """With ``inCluster``: which of the clusters it is, by name or id."""
    command: tuple[str, ...] = dataclasses.field(default=(), metadata=SPARSE)
    """A program and its arguments; no shell."""
    timeout: dt.timedelta = dt.timedelta(seconds=30)
    """Of one request, and of a command until it has printed."""
    max_concurrency: int = 50
    """Clusters that are spoken to at once."""

    @property
    def is_given(self) -> bool:
        """Whether clusters can be reached."""
        return self.kind is not AccessKind.NONE

    @property
    def is_warn_only(self) -> bool:
        """Whether what is seen may only ever warn."""
        # Source: ruling 25: the proxy is a user's process, and its failures say nothing.
        return self.kind is AccessKind.PROXY


class Severity(enum.StrEnum):
    """What follows from a check that fails."""

    GATE = "gate"
    """The target is not proved."""
    WARN = "warn"
    """It is told, and nothing else."""


class Verdict(enum.StrEnum):
    """What a check came to."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_APPLICABLE = "notApplicable"
    """What it looks at is not there by right: another version, a feature that is off."""
    UNKNOWN = "unknown"
    """It could not be looked at, such as for want of a permission. A gate does not pass by it."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """One check of one cluster."""

    check: str
    """Its id, such as ``controller-pods``."""
    severity: Severity
    verdict: Verdict
    detail: str = ""
    """In a sentence: what is wrong, and what to do. Empty where it passed."""
    evidence: Mapping[str, str] = dataclasses.field(default_factory=nothing, metadata=SPARSE)
    """What was seen, small: counts, names, versions; no secret and no whole object."""

    @property
    def is_barrier(self) -> bool:
        """Whether a target is not proved because of it."""
        bad = (Verdict.FAILED, Verdict.UNKNOWN)
        return self.severity is Severity.GATE and self.verdict in bad


class CheckMoment(enum.StrEnum):
    """After what a check makes sense."""

    PRESENT = "present"
    """The extension is there."""
    ABSENT = "absent"
    """It was uninstalled."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CheckRule:
    """A check of a profile. Data: which of the known looks, at what, and what follows."""

    id: str
    look: str
    """The name of a function of :mod:`fleet.core.looks`."""
    title: str
    """What is in order where it passes, such as ``the controller's pods are ready``."""
    severity: Severity
    moment: CheckMoment = dataclasses.field(default=CheckMoment.PRESENT, metadata=SPARSE)
    since: str | None = dataclasses.field(default=None, metadata=SPARSE)
    """The first version of the extension that it applies to."""
    given: Mapping[str, str] = dataclasses.field(default_factory=nothing, metadata=SPARSE)
    """What the look needs to know, such as a name or a selector."""


class WorkKind(enum.StrEnum):
    """What a step does inside a cluster."""

    MESH_CONFIG = "meshConfig"
    NAMESPACES = "namespaces"
    MONITORING = "monitoring"
    """Namespaces in the ConfigMap that Azure Monitor's agent reads."""
    PRIVILEGED = "privileged"
    """OpenShift's privileged security context constraints, bound in meshed namespaces."""
    RESTART = "restart"
    """Workloads whose sidecars are not what the mesh would inject now."""
    ORPHANS = "orphans"
    """Webhooks that an uninstalled mesh left behind."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a step brings about inside a cluster: a state, so that doing it twice is doing it once.

    Which fields count is the kind's affair; the others have their defaults.
    """

    kind: WorkKind
    patch: str | None = dataclasses.field(default=None, metadata=SPARSE)
    """``meshConfig``: a JSON merge patch of its ``spec``, canonical.

    ``namespaces``, in what leads back: ``{name: merge patch of its metadata}``, and it has the last
    word.
    """
    add: tuple[str, ...] = dataclasses.field(default=(), metadata=SPARSE)
    """Namespaces that shall be in the mesh, the list, or have the privilege.

    ``privileged``: also ``namespace/service account``. ``restart``: the only ones; none: all.
    """
    remove: tuple[str, ...] = dataclasses.field(default=(), metadata=SPARSE)
    metrics: tuple[str, ...] = dataclasses.field(default=(), metadata=SPARSE)
    """Namespaces whose sidecars are scraped."""
    no_metrics: tuple[str, ...] = dataclasses.field(default=(), metadata=SPARSE)
    max_concurrency: int = dataclasses.field(default=1, metadata=SPARSE)
    """``restart``: workloads at once."""
    mesh: str = dataclasses.field(default="osm", metadata=SPARSE)
    namespace: str = dataclasses.field(default="arc-osm-system", metadata=SPARSE)
    """The mesh's own."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """What a plan file says of clusters' insides."""

    access: ClusterAccess = ClusterAccess()
    works: tuple[Work, ...] = ()
    """In the order they are done; the last of them, ``orphans``, after an uninstall."""
    has_checks: bool = True
    """Whether a target is proved by checks inside as well, where clusters can be reached."""
    severities: Mapping[str, Severity] = dataclasses.field(default_factory=dict)
    """``{check: severity}`` where the plan file wants another than the check's own."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What planning saw of one cluster's inside."""

    is_seen: bool
    why_not: str = ""
    changes: Mapping[str, tuple[tuple[str, str | None, str | None], ...]] = dataclasses.field(
        default_factory=dict
    )
    """``{work's kind: ((path, before, after), ...)}`` of what would change; empty: it is so.

    One that is not there yet to be looked at has no entry."""
    undo: Mapping[str, Work] = dataclasses.field(default_factory=dict)
    """``{work's kind: what leads back}``, where anything would change and does come back."""
    refused: str = ""
    """What the API server said of a dry run that it refused, or why nobody may go in."""
    platforms: tuple[str, ...] = ()
    """Of its nodes, such as ``linux/amd64``; empty: not known."""
    doubt: str = ""
    """Why nothing says that it is the cluster that is meant; empty: it says so."""
