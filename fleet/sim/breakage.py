"""What can be broken inside clusters, by name: where, since when, and how it shows.

How each is brought about: :mod:`fleet.sim.inside`. The words are those of ``docs/simulator.md``;
a test compares.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import fnmatch
from collections.abc import Mapping

from fleet.core import draws

_AT_ONCE = dt.timedelta(0)


class Break(enum.StrEnum):
    """One way to be broken, as world and faults files call it."""

    CONTROLLER_CRASH = "controller-crash"
    CONTROLLER_UNAVAILABLE = "controller-unavailable"
    CONTROLLER_SIDECAR = "controller-sidecar"
    CONTROLLER_EVICTED = "controller-evicted"
    CONTROLLER_SERVICE_MISSING = "controller-service-missing"
    CONTROLLER_SERVICE_PORTS = "controller-service-ports"
    CONTROLLER_NO_ENDPOINTS = "controller-no-endpoints"
    INJECTOR_CRASH = "injector-crash"
    INJECTOR_IMAGE_PULL = "injector-image-pull"
    INJECTOR_UNAVAILABLE = "injector-unavailable"
    INJECTOR_SERVICE_MISSING = "injector-service-missing"
    INJECTOR_SERVICE_EXPOSED = "injector-service-exposed"
    INJECTOR_NO_ENDPOINTS = "injector-no-endpoints"
    BOOTSTRAP_UNAVAILABLE = "bootstrap-unavailable"
    VALIDATOR_SERVICE_MISSING = "validator-service-missing"
    WEBHOOK_MISSING = "webhook-missing"
    VALIDATING_WEBHOOK_MISSING = "validating-webhook-missing"
    VALIDATING_WEBHOOK_ASTRAY = "validating-webhook-astray"
    MUTATING_WEBHOOK_MISSING = "mutating-webhook-missing"
    MUTATING_WEBHOOK_ASTRAY = "mutating-webhook-astray"
    MUTATING_WEBHOOK_IGNORES = "mutating-webhook-ignores"
    CA_BUNDLE_EMPTY = "ca-bundle-empty"
    CA_BUNDLE_SHORT = "ca-bundle-short"
    CA_BUNDLE_FOREIGN = "ca-bundle-foreign"
    CA_BUNDLE_EXPIRED = "ca-bundle-expired"
    MESHCONFIG_LOST = "meshconfig-lost"
    MESHCONFIG_DRIFT = "meshconfig-drift"
    NAMESPACE_HALF_MESHED = "namespace-half-meshed"
    CONTROL_PLANE_MESHED = "control-plane-meshed"
    IGNORE_LABEL_MISSING = "ignore-label-missing"
    CRDS_MISSING = "crds-missing"
    CRDS_OLD = "crds-old"
    METRICS_AGENT_UNAVAILABLE = "metrics-agent-unavailable"
    METRICS_AGENT_CONTAINERS = "metrics-agent-containers"
    ARC_AGENTS_UNAVAILABLE = "arc-agents-unavailable"
    ANOTHER_CLUSTER = "another-cluster"
    CLUSTERCONFIG_MISSING = "clusterconfig-missing"
    INJECTION_SILENT = "injection-silent"
    STALE_SIDECARS = "stale-sidecars"
    HELM_FAILED = "helm-failed"
    HELM_STALE = "helm-stale"
    EXTENSION_UNAVAILABLE = "extension-unavailable"
    ORPHAN_WEBHOOKS = "orphan-webhooks"
    LEFTOVERS = "leftovers"
    NAMESPACE_STUCK = "namespace-stuck"
    RESTART_STUCK = "restart-stuck"
    API_UNREACHABLE = "api-unreachable"
    API_TIMEOUT = "api-timeout"
    API_UNAVAILABLE = "api-unavailable"
    API_ERROR = "api-error"
    API_THROTTLED = "api-throttled"
    API_FLAKY = "api-flaky"
    API_UNAUTHORIZED = "api-unauthorized"
    API_FORBIDDEN = "api-forbidden"
    API_READ_ONLY = "api-read-only"
    API_DENIES_WRITES = "api-denies-writes"
    CONTINUE_EXPIRED = "continue-expired"


SEEN: Mapping[Break, str] = {
    Break.CONTROLLER_CRASH: "The controller's pod is in CrashLoopBackOff, 0/1 ready.",
    Break.CONTROLLER_UNAVAILABLE: "The controller's pod runs and is never ready.",
    Break.CONTROLLER_SIDECAR: "The controller's pod has a sidecar: two containers.",
    Break.CONTROLLER_EVICTED: "Beside the controller's pod, which is well, lies an evicted one.",
    Break.CONTROLLER_SERVICE_MISSING: "There is no service osm-controller.",
    Break.CONTROLLER_SERVICE_PORTS: "The service osm-controller lacks port 15128.",
    Break.CONTROLLER_NO_ENDPOINTS: "The endpoints of osm-controller are empty.",
    Break.INJECTOR_CRASH: "The injector's pod is in CrashLoopBackOff, 0/1 ready.",
    Break.INJECTOR_IMAGE_PULL: "The injector's image cannot be pulled: ImagePullBackOff.",
    Break.INJECTOR_UNAVAILABLE: "The injector's pod runs and is never ready.",
    Break.INJECTOR_SERVICE_MISSING: "There is no service osm-injector.",
    Break.INJECTOR_SERVICE_EXPOSED: "The service osm-injector is a LoadBalancer with an address.",
    Break.INJECTOR_NO_ENDPOINTS: "The endpoints of osm-injector are empty.",
    Break.BOOTSTRAP_UNAVAILABLE: "The bootstrap's pod is never ready.",
    Break.VALIDATOR_SERVICE_MISSING: "There is no service osm-validator.",
    Break.WEBHOOK_MISSING: "Both webhook configurations are missing.",
    Break.VALIDATING_WEBHOOK_MISSING: "The validating webhook configuration is missing.",
    Break.VALIDATING_WEBHOOK_ASTRAY: "The validating webhook leads to osm-config-validator.",
    Break.MUTATING_WEBHOOK_MISSING: "The mutating webhook configuration is missing.",
    Break.MUTATING_WEBHOOK_ASTRAY: "The mutating webhook leads to another path.",
    Break.MUTATING_WEBHOOK_IGNORES: "The mutating webhook's failurePolicy is Ignore.",
    Break.CA_BUNDLE_EMPTY: "Both webhooks have no caBundle.",
    Break.CA_BUNDLE_SHORT: "Both webhooks have a caBundle of 40 characters.",
    Break.CA_BUNDLE_FOREIGN: "The webhooks' caBundle is not the certificate in osm-ca-bundle.",
    Break.CA_BUNDLE_EXPIRED: "The certificate in osm-ca-bundle and in both webhooks is expired.",
    Break.MESHCONFIG_LOST: "There is no osm-mesh-config.",
    Break.MESHCONFIG_DRIFT: "Somebody has turned permissive mode and the log level in it.",
    Break.NAMESPACE_HALF_MESHED: "One meshed namespace has the label and not the annotation.",
    Break.CONTROL_PLANE_MESHED: "The control plane's namespace has the label of meshed ones.",
    Break.IGNORE_LABEL_MISSING: "kube-system lacks the label openservicemesh.io/ignore.",
    Break.CRDS_MISSING: "The definitions of traffic splits and egresses are missing.",
    Break.CRDS_OLD: "The definitions are those of the oldest release.",
    Break.METRICS_AGENT_UNAVAILABLE: "The metrics agent's pod is never ready.",
    Break.METRICS_AGENT_CONTAINERS: "The metrics agent has no container telegraf.",
    Break.ARC_AGENTS_UNAVAILABLE: "The extension manager of Azure Arc is not available.",
    Break.ANOTHER_CLUSTER: "The ConfigMap azure-clusterconfig in azure-arc names another cluster.",
    Break.CLUSTERCONFIG_MISSING: "There is no ConfigMap azure-clusterconfig in azure-arc.",
    Break.INJECTION_SILENT: "New pods get no sidecar, and nobody says why.",
    Break.STALE_SIDECARS: "Pods have the sidecar of a release before, however new they are.",
    Break.HELM_FAILED: "The Helm release's last revision has failed.",
    Break.HELM_STALE: "The Helm release is of the release before.",
    Break.EXTENSION_UNAVAILABLE: "Deployments of extensions other than the mesh are not ready.",
    Break.ORPHAN_WEBHOOKS: "Both webhooks stay after an uninstallation, with nobody behind.",
    Break.LEFTOVERS: "The mesh's configuration and its secrets stay after an uninstallation.",
    Break.NAMESPACE_STUCK: "The mesh's namespace is Terminating for ever after an uninstallation.",
    Break.RESTART_STUCK: "Restarted workloads never get ready: their new pods stay pending.",
    Break.API_UNREACHABLE: "The connection is refused.",
    Break.API_TIMEOUT: "Nothing answers.",
    Break.API_UNAVAILABLE: "503 to everything.",
    Break.API_ERROR: "500 to everything.",
    Break.API_THROTTLED: "429 to everything, with Retry-After.",
    Break.API_FLAKY: "Every third request is answered with 503 or 429, by turns.",
    Break.API_UNAUTHORIZED: "401 to everything.",
    Break.API_FORBIDDEN: "403 to everything but what tells the version.",
    Break.API_READ_ONLY: "403 to every write.",
    Break.API_DENIES_WRITES: "An admission webhook of somebody else's denies every write.",
    Break.CONTINUE_EXPIRED: "410 to every further page of a list.",
}
"""What is seen of each: one sentence."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """Something that is broken somewhere, for a while."""

    what: Break
    cluster: str = "*"
    """A pattern of names with ``*``."""
    share_ppm: int = draws.CERTAIN_PPM
    """Of those clusters: how many, by lot."""
    version: str | None = None
    """A pattern of the mesh's version: only while that runs. ``None``: always."""
    after: dt.timedelta = _AT_ONCE
    """From the epoch."""
    until: dt.timedelta | None = None

    @property
    def is_passing(self) -> bool:
        """Whether it is so at some times and not at others."""
        return self.after > _AT_ONCE or self.until is not None

    def is_now(self, at: dt.timedelta) -> bool:
        """Tell whether it is so, that long after the epoch."""
        return self.after <= at and (self.until is None or at < self.until)

    def is_at(self, cluster: str, *, seed: int) -> bool:
        """Tell whether a cluster is one of those that are meant."""
        fits = fnmatch.fnmatchcase(cluster.lower(), self.cluster.lower())
        return fits and draws.chance(self.share_ppm, seed, "break", self.what.value, cluster)

    def is_of(self, version: str | None) -> bool:
        """Tell whether it is so with a version of the mesh; ``None``: without one."""
        return self.version is None or (
            version is not None and fnmatch.fnmatchcase(version, self.version)
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Insides:
    """What a world's clusters are inside, beside what follows from extensions."""

    broken: tuple[Broken, ...] = ()
    platforms: Mapping[str, int] = dataclasses.field(
        default_factory=lambda: {"linux/amd64": 94, "linux/arm64": 4, "windows/amd64": 2}
    )
    """Weights of what clusters have one node of beside linux/amd64 (which has none beside)."""
    meshed_ppm: int = 700_000
    """Of the namespaces with workloads, where there is a mesh: those that are in it."""
