"""What a profile may say: the keys of its file, and what each means.

The same for those that come with fleet and for a user's own. Everything but the type may be left
out, and then nothing is claimed: what follows from that stands below each key.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from fleet.model.advice import Need
from fleet.model.desired import Profile
from fleet.model.versions import VersionOrder
from fleet.spec import checkform, checks
from fleet.spec.checkform import CheckFile
from fleet.spec.explanation import FileModel
from fleet.spec.flaws import Flaw
from fleet.spec.values import (
    Distribution,
    ExactVersion,
    ExtensionName,
    ExtensionType,
    Namespace,
    Platform,
    Setting,
    Text,
)

# NB: strict mode takes no text for an enum; these fields read it by its value.
_BY_VALUE = Field(strict=False)
_SOME = Field(min_length=1)


class ReleaseScope(enum.StrEnum):
    """What an instance is of."""

    CLUSTER = "cluster"
    NAMESPACE = "namespace"


def _folded(found: list[str]) -> list[str]:
    return [one.lower() for one in found]


class NeedFile(FileModel):
    """A setting that makes the chart ask for an API that clusters may not have any more."""

    setting: Text
    value: Text
    api: Text
    gone_in: Text
    """The first minor of Kubernetes without it."""
    until: Text
    """The last version of the extension that asks for it."""


class ProfileFile(FileModel):
    """What is known of an extension type."""

    extension_type: ExtensionType
    """Its type, such as Microsoft.Dapr."""
    scope: Annotated[ReleaseScope, _BY_VALUE] = ReleaseScope.CLUSTER
    """Whether an instance is for the cluster or for one namespace; not known: for the cluster."""
    instance_name: ExtensionName | None = None
    """What it is called on a cluster; not known: the plan file says it."""
    namespace: Namespace | None = None
    """What it is released into; not known: the plan file may say it, else the service chooses."""
    has_one_instance: bool = False
    """Whether a cluster has one at most; not known: instances go by their names."""
    version_order: Annotated[VersionOrder, _BY_VALUE] = VersionOrder.SEMVER
    """semver, or revision: 1.0.0-1 comes after 1.0.0; not known: semver."""
    has_sequential_minors: bool = False
    """Whether minors are taken one after another; not known: they are not."""
    may_downgrade: bool = True
    """Whether it can go back to an older version; not known: it is tried where it is asked for."""
    supported_minor_count: Annotated[int, Field(ge=1)] | None = None
    """How many of the newest minors are supported; not known: all that are offered."""
    distributions: Annotated[list[Distribution], _SOME] | None = None
    """Those it supports, as Azure names them; not known: all of them pass."""
    cluster_types: Annotated[list[Text], _SOME, AfterValidator(_folded)] | None = None
    """Those it supports, such as connectedClusters; not known: connected clusters pass."""
    catalogue: Annotated[list[ExactVersion], _SOME] | None = None
    """Versions to go by where the service offers none; not known: it has to offer some."""
    distribution_settings: dict[Text, dict[Text, Setting]] | None = None
    """Settings that every cluster of a distribution needs."""
    needs: Annotated[list[NeedFile], _SOME] | None = None
    """What settings ask of a cluster; not known: nothing."""
    platforms: Annotated[list[Platform], _SOME] | None = None
    """Of nodes, of which it needs one, such as linux/amd64; not known: any will do."""
    notice: Text | None = None
    """What everybody who plans with it has to know, such as that it retires."""
    notes: Annotated[list[Text], _SOME] | None = None
    """What people should know; fleet does nothing about it."""
    checks: list[CheckFile] | None = None
    """What is looked at inside clusters; not known: Azure's agents, and workloads beside it."""

    @classmethod
    def cross_check(cls, data: Any) -> Iterator[Flaw]:
        """Yield what is wrong between keys."""
        yield from checkform.check(("checks",), data.get("checks") if data else None)

    def profile(self, name: str) -> Profile:
        """Return it as the planner reads it, under *name*."""
        return Profile(
            name=name,
            extension_type=self.extension_type,
            instance_name=self.instance_name,
            namespace=self.namespace,
            has_one_instance=self.has_one_instance,
            version_order=self.version_order,
            has_sequential_minors=self.has_sequential_minors,
            may_downgrade=self.may_downgrade,
            distributions=tuple(self.distributions or ()),
            supported_minor_count=self.supported_minor_count,
            catalogue=tuple(self.catalogue or ()),
            distribution_settings={
                name.lower(): found for name, found in (self.distribution_settings or {}).items()
            },
            is_namespaced=self.scope is ReleaseScope.NAMESPACE,
            cluster_types=tuple(self.cluster_types or ()),
            needs=tuple(Need(**one.model_dump()) for one in self.needs or ()),
            notice=self.notice,
            checks=checks.generic()
            if self.checks is None
            else tuple(one.rule() for one in self.checks),
            platforms=tuple(self.platforms or ()),
        )
