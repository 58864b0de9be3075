"""What a plan file may ask inside clusters, beside what it asks of Azure.

What must hold between these keys: :mod:`fleet.spec.insiderules`. What they become: works, in the
order they are done in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal, Protocol

from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema

from fleet.core.chain import canonical
from fleet.model.desired import Presence
from fleet.model.inside import Inside, Severity, Work, WorkKind
from fleet.spec import flaws, meshconfigvalues
from fleet.spec.explanation import FileModel, refusal
from fleet.spec.flaws import quoted
from fleet.spec.values import Namespace, Text

OFF = "off"
MESH_NAME = "osm.osm.meshName"
"""The setting that calls the mesh otherwise than osm."""

_MOST_AT_ONCE = 100
_SOME = Field(min_length=1)
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_SUBDOMAIN = r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?"
_ACCOUNT = re.compile(f"{_LABEL}(?:/{_SUBDOMAIN})?")
_CHECKS_HINT = f"write {OFF}, or {{a check: gate or warn}}"


def _account(value: Any) -> Any:
    if isinstance(value, str) and not _ACCOUNT.fullmatch(value):
        message = f"{quoted(value)} is neither a namespace nor one of its service accounts"
        raise refusal(message, "write shop, or shop/cart for one account alone")
    return value


def _which(value: Any) -> str:
    return "<off>" if isinstance(value, str) else "<severities>"


def _off_or_severities(value: Any) -> Any:
    if isinstance(value, str) and value != OFF:
        raise refusal(f"unknown value {quoted(value)}", _CHECKS_HINT)
    if value is not None and not isinstance(value, str | dict):
        message = f"expected {OFF} or a mapping, found {flaws.kind_of(value)}"
        raise refusal(message, _CHECKS_HINT)
    return value


MeshConfig = Annotated[dict[str, Any], WithJsonSchema(meshconfigvalues.schema())]
Account = Annotated[
    str, BeforeValidator(_account), Field(json_schema_extra={"pattern": f"^{_ACCOUNT.pattern}$"})
]
Namespaces = Annotated[list[Namespace], _SOME]
Checks = Annotated[
    Annotated[Literal["off"], Tag("<off>")]
    | Annotated[dict[Text, Annotated[Severity, Field(strict=False)]], Tag("<severities>")],
    Discriminator(_which),
    BeforeValidator(_off_or_severities),
]


class NamespacesFile(FileModel):
    """Which namespaces are in the mesh, and which are scraped; nothing is said of the others."""

    add: Namespaces | None = None
    """Those that shall be in the mesh: pods that are made there from then on get a sidecar."""
    remove: Namespaces | None = None
    """Those that shall not."""
    metrics: Namespaces | None = None
    """Those in the mesh whose sidecars shall be scraped."""
    no_metrics: Namespaces | None = None
    """Those whose sidecars shall not."""


class AzureMonitorFile(FileModel):
    """Namespaces in the list that Azure Monitor's agent scrapes; others in it stay."""

    add: Namespaces | None = None
    """Those that shall be in the list."""
    remove: Namespaces | None = None
    """Those that shall not."""


class OpenshiftFile(FileModel):
    """What meshed pods need on OpenShift; clusters of other kinds are left as they are."""

    privileged: Annotated[list[Account], _SOME]
    """Namespaces whose service accounts may be privileged, or single accounts: shop/cart."""


class RestartFile(FileModel):
    """Workloads made anew whose sidecars are not what the mesh would inject now."""

    namespaces: Namespaces | None = None
    """Only those of these namespaces."""
    max_concurrency: Annotated[int, Field(ge=1, le=_MOST_AT_ONCE)] = 1
    """How many workloads of a cluster are made anew at once."""


class InsideFile(FileModel):
    """What is asked inside clusters; all of it needs clusterAccess."""

    mesh_config: MeshConfig | None = None
    """Fields of MeshConfig's spec, as they shall be; all others stay as they are."""
    namespaces: NamespacesFile | None = None
    """Which namespaces are in the mesh, and which are scraped."""
    azure_monitor: AzureMonitorFile | None = None
    """Namespaces whose sidecars Azure Monitor scrapes."""
    openshift: OpenshiftFile | None = None
    """What meshed pods need on OpenShift."""
    restart: RestartFile | None = None
    """Makes pods anew whose sidecars are behind; {} is enough. Nothing is restarted without it."""
    remove_orphans: bool = False
    """With state: absent: whether webhooks that the mesh leaves behind are removed."""
    checks: Checks | None = None
    """off: nothing inside proves a cluster. Else what follows where a check fails: gate or warn."""


class Mesh(Protocol):
    """The mesh that is meant: how the extension is installed."""

    @property
    def namespace(self) -> str | None:
        """Its own namespace."""

    @property
    def presence(self) -> Presence:
        """Whether it shall be there."""

    @property
    def settings(self) -> Any:
        """Its settings."""


def inside_of(file: InsideFile, mesh: Mesh) -> Inside:
    """Return what a checked block means, but for the way into the clusters.

    Args:
        file: The block.
        mesh: The extension as it is wished for.
    """
    checks = file.checks
    return Inside(
        works=tuple(_works(file, mesh)),
        has_checks=checks != OFF,
        severities=checks if isinstance(checks, dict) else {},
    )


def _works(file: InsideFile, mesh: Mesh) -> Iterator[Work]:
    """Yield works in the order that lets each find what it needs.

    Who may run privileged pods comes before namespaces whose pods will; both and the configuration
    before the pods are made anew.
    """
    own = {
        "mesh": mesh.settings.get(MESH_NAME, "osm"),
        "namespace": mesh.namespace or "arc-osm-system",
    }
    if file.openshift:
        yield Work(kind=WorkKind.PRIVILEGED, add=_once(file.openshift.privileged), **own)
    if file.namespaces:
        yield Work(
            kind=WorkKind.NAMESPACES,
            add=_once(file.namespaces.add),
            remove=_once(file.namespaces.remove),
            metrics=_once(file.namespaces.metrics),
            no_metrics=_once(file.namespaces.no_metrics),
            **own,
        )
    if file.mesh_config:
        patch = canonical(file.mesh_config).decode()
        yield Work(kind=WorkKind.MESH_CONFIG, patch=patch, **own)
    if file.azure_monitor:
        listed = file.azure_monitor
        add, remove = _once(listed.add), _once(listed.remove)
        yield Work(kind=WorkKind.MONITORING, add=add, remove=remove, **own)
    if file.restart:
        yield Work(
            kind=WorkKind.RESTART,
            add=_once(file.restart.namespaces),
            max_concurrency=file.restart.max_concurrency,
            **own,
        )
    if file.remove_orphans and mesh.presence is Presence.ABSENT:
        yield Work(kind=WorkKind.ORPHANS, **own)


def _once(names: Iterable[str] | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names or ()))
