"""What a plan file may contain: keys, kinds of values, and what each means.

These models exist at the door only. The docstring below a field is its
description in the published JSON Schema; what must hold *between* keys is in
:mod:`fleet.spec.rules`, and what the planner reads in :mod:`fleet.model.desired`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from fleet.model.cluster import AutoUpgrade
from fleet.model.desired import Membership, OnDrift, Presence, SettingsMode
from fleet.model.scope import Unreachable
from fleet.spec import rules, strategies
from fleet.spec.accessform import AccessOrNone
from fleet.spec.calendarform import CalendarFile
from fleet.spec.clauses import Clause
from fleet.spec.explanation import FileModel
from fleet.spec.flaws import Flaw
from fleet.spec.gateform import GateFile, RunApprovalFile
from fleet.spec.insideform import InsideFile
from fleet.spec.moments import Moment
from fleet.spec.noticeform import NotifyFile
from fleet.spec.scheduleform import ScheduleFile
from fleet.spec.strategyform import StrategyOrName
from fleet.spec.values import (
    Duration,
    ExtensionName,
    ExtensionType,
    Guid,
    ManagementGroup,
    Name,
    Namespace,
    Setting,
    Text,
    Variable,
    VersionText,
)
from fleet.spec.waveform import MatchFile

# NB: strict mode takes no text for an enum; these fields read it by its value.
_BY_VALUE = Field(strict=False)
_SOME = Field(min_length=1)


class MetadataFile(FileModel):
    """Whose rollout this is."""

    name: Name
    """What runs of this file are called."""
    owner: Text | None = None
    """Who answers for it: a team's address."""
    change: Text | None = None
    """The change record, as the change-management system calls it."""
    labels: dict[Text, str] | None = None
    """Notes for other tools; kept with the file's text in the journal, and not interpreted."""


class TargetsFile(FileModel):
    """Which clusters are meant."""

    subscriptions: Annotated[list[Guid], _SOME] | None = None
    """Ids of the subscriptions to look in."""
    management_groups: Annotated[list[ManagementGroup], _SOME] | None = None
    """Ids of the management groups to look in, with all that is below them."""
    tenant: bool | None = None
    """true: look in every subscription that the identity can read."""
    match: MatchFile | None = None
    """Which clusters there; all of them where nothing is said."""
    exclude: MatchFile | None = None
    """Which of those are left out."""
    kql: Clause | None = None
    """What else must hold, in Resource Graph's words: only | where, on the cluster's columns."""
    allow_partial_scopes: bool = False
    """Whether an answer that leaves out subscriptions or clusters will do: then it is a warning."""
    unreachable: Annotated[Unreachable, _BY_VALUE] = Unreachable.DEFER
    """Clusters whose agents are not connected: tried again in a last wave, skipped, or failed."""
    membership: Annotated[Membership, _BY_VALUE] = Membership.FROZEN
    """frozen: the plan's clusters. follow: others that come to be selected join the last wave."""


class SecretFile(FileModel):
    """Where the value of a protected setting comes from."""

    from_env: Variable
    """The environment variable that holds it when the rollout runs."""


class RequiredFile(FileModel):
    """Another extension, which is installed first where it is not there, and else left alone."""

    profile: Text | None = None
    """A product that fleet knows facts about; fleet profiles lists them."""
    extension_type: ExtensionType | None = None
    """Any other extension type; what fleet knows nothing of needs a name."""
    name: ExtensionName | None = None
    """The extension's name on the cluster; a profile has one."""
    namespace: Namespace | None = None
    """The namespace it is released into; a profile has one."""
    version: VersionText | None = None
    """A version to pin; the newest, chosen by the service, where nothing is said."""
    auto_upgrade: Annotated[AutoUpgrade, _BY_VALUE] | None = None
    """Which new versions the service may install by itself; compatible where no version is said."""
    release_train: Text | None = None
    """Where its version comes from; stable where nothing is said."""
    settings: dict[str, Setting] | None = None
    """Configuration settings that it is installed with."""
    protected_settings: dict[str, SecretFile] | None = None
    """Settings with secret values, which never stand in a file."""


class OnAzureFile(FileModel):
    """How the extension shall be, as far as Azure brings that about."""

    profile: Text | None = None
    """A product that fleet knows facts about; fleet profiles lists them."""
    profile_file: Text | None = None
    """A TOML file of facts instead, as those of fleet; its path starts at this file."""
    extension_type: ExtensionType | None = None
    """Any other extension type, such as Contoso.Agent; what fleet knows nothing of needs a name."""
    name: ExtensionName | None = None
    """The extension's name on the cluster; a profile has one."""
    namespace: Namespace | None = None
    """The namespace it is released into; a profile has one."""
    state: Annotated[Presence, _BY_VALUE] = Presence.PRESENT
    """Whether it shall be there."""
    version: VersionText | None = None
    """A version to pin, or latest: the newest the service offers when the plan is made."""
    auto_upgrade: Annotated[AutoUpgrade, _BY_VALUE] | None = None
    """Which new versions the service may install by itself. A pinned version means none."""
    release_train: Text | None = None
    """Where versions come from; the cluster's own train where nothing is said, else stable."""
    settings: dict[str, Setting] | None = None
    """Configuration settings: flat keys, and text for every value."""
    recipes: Annotated[list[Text], _SOME] | None = None
    """Settings that go together, by name; what else is set may not contradict them."""
    settings_file: Text | None = None
    """A JSON file of settings, as the Azure CLI takes it; its path starts at this file."""
    settings_mode: Annotated[SettingsMode, _BY_VALUE] = SettingsMode.OWNED
    """owned: only the keys named here are touched. exact: all other keys are removed."""
    on_drift: Annotated[OnDrift, _BY_VALUE] = OnDrift.FAIL
    """What becomes of a cluster that changed between plan and run."""
    protected_settings: dict[str, SecretFile] | None = None
    """Settings with secret values, which never stand in a file."""
    allow_downgrade: bool = False
    """Whether an older version than the installed one may be pinned."""
    allow_skip_minor: bool = False
    """Whether minors may be skipped where the product wants them one after another."""
    requires: Annotated[list[RequiredFile], _SOME] | None = None
    """Other extensions that must be there first, in this order; what is there is left alone."""


# NB: in this order, keys that Azure brings about are listed before the others.
class ExtensionFile(InsideFile, OnAzureFile):
    """How the extension shall be on every selected cluster."""


class AcknowledgeFile(FileModel):
    """What is known to stand against the plan, and is accepted."""

    policies: Annotated[list[Text], _SOME]
    """Names or ids of policy assignments that would undo it: shown as warnings, block nothing."""


class SpecFile(FileModel):
    """What shall be, where, and how it gets there."""

    targets: TargetsFile
    """Which clusters are meant."""
    extension: ExtensionFile
    """How the extension shall be on them."""
    acknowledge: AcknowledgeFile | None = None
    """What is known to stand against the plan, and is accepted."""
    strategy: StrategyOrName = strategies.DEFAULT
    """How the change spreads: a name, or a block of your own."""
    not_before: Moment | None = None
    """The run opens no wave earlier: a time with its offset, or a Z."""
    start_buffer: Duration | None = None
    """How long before a calendar closes nothing starts any more; as measured if nothing is said."""
    calendars: Annotated[list[CalendarFile], _SOME] | None = None
    """When a change may start; all of those that bind a target must be open."""
    gates: Annotated[list[GateFile], _SOME] | None = None
    """What can be measured before, during and after waves."""
    before_gates: Annotated[list[Name], _SOME] | None = None
    """Gates that must pass before a wave opens, for waves that name none."""
    soak_gates: Annotated[list[Name], _SOME] | None = None
    """Gates that are measured while a wave soaks, for waves that name none."""
    after_gates: Annotated[list[Name], _SOME] | None = None
    """Gates that must pass once a wave's targets have ended, for waves that name none."""
    approvals: Annotated[list[RunApprovalFile], _SOME] | None = None
    """Who must have agreed before waves open, or close."""
    notify: Annotated[list[NotifyFile], _SOME] | None = None
    """Who is told of what, while it runs."""
    schedule: ScheduleFile | None = None
    """When the file is run again and again, by fleet run --due."""
    cluster_access: AccessOrNone | None = None
    """How the clusters' own API servers are reached, to look and to change things; or none."""


class RolloutFile(FileModel):
    """A plan file: which clusters, what shall be on them, and in which order they get there."""

    api_version: Literal["fleet/v1"]
    """The version of this format."""
    kind: Literal["Rollout"]
    """What the file describes."""
    metadata: MetadataFile
    """Whose rollout this is."""
    spec: SpecFile
    """The rollout itself."""

    @classmethod
    def cross_check(cls, data: Any) -> Iterator[Flaw]:
        """Yield what is wrong between keys."""
        return rules.check(data)
