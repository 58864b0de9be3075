"""A plan file, from its path to a checked :class:`~fleet.model.desired.Rollout`.

In two steps: what the file says, and what it becomes once the calendars are there that lie
elsewhere. Nothing here asks anybody.

Errors:  :exc:`~fleet.spec.problems.SpecError` with everything that is wrong at once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

from fleet.model.advice import Advice
from fleet.model.cluster import nothing
from fleet.model.desired import Desired, Profile, Requirement, Rollout
from fleet.model.notices import Subscriber, Topic
from fleet.model.scope import Scope
from fleet.spec import (
    accessform,
    calendarfile,
    document as documents,
    gatefile,
    insideform,
    noticerules,
    profilefile,
    profiles,
    recipes,
    scheduleform,
    settingrules,
    settings,
    strategyfile,
)
from fleet.spec.calendarfile import OFFLINE, CalendarsDocument, Feed, Surroundings
from fleet.spec.document import Document
from fleet.spec.flaws import Flaw, Path, below, quoted
from fleet.spec.form import ExtensionFile, RequiredFile, RolloutFile, TargetsFile
from fleet.spec.noticeform import FromEnvFile, NotifyFile
from fleet.spec.problems import SpecError

_CALENDARS: Path = ("spec", "calendars")
_EXTENSION: Path = ("spec", "extension")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PlanFile:
    """A plan file that was checked, with the files beside it that it names."""

    document: Document
    form: RolloutFile
    settings: Mapping[str, str] = dataclasses.field(repr=False)
    calendars: Mapping[str, str] = dataclasses.field(repr=False)
    """``{name of an iCalendar file: text}``."""
    profile: Profile | None = None
    """From a file of its own; ``None``: the plan file names none."""

    @property
    def feeds(self) -> tuple[Feed, ...]:
        """What its calendars name elsewhere, to be fetched before :meth:`rollout`."""
        return calendarfile.feeds(self.form.spec.calendars or ())

    def rollout(
        self, around: Surroundings = OFFLINE, *, shared: CalendarsDocument | None = None
    ) -> Rollout:
        """Return what it asks for.

        Args:
            around: What was fetched, and the time. NB: where a calendar needs what is not there,
                it is closed at all times: such a rollout can be looked at, and starts nothing.
            shared: The calendars that bind every run.
        """
        own = calendarfile.frozen(
            self.document,
            _CALENDARS,
            self.form.spec.calendars or (),
            files=self.calendars,
            around=around,
        )
        common = shared.frozen(around) if shared else None
        made = _rollout(self.form, self.document, self.settings, self.profile)
        if common is None:
            return dataclasses.replace(made, calendars=own.calendars, tag_calendars=own.by_tag)
        self._require_other_names(shared)
        return dataclasses.replace(
            made,
            calendars=(*common.calendars, *own.calendars),
            tag_calendars=(*common.by_tag, *own.by_tag),
        )

    def _require_other_names(self, shared: CalendarsDocument | None) -> None:
        taken = {one.name for one in shared.calendars} if shared else set()
        wrong = [
            Flaw(
                path=(*_CALENDARS, n, "name"),
                message=f"a calendar that binds every run is called {quoted(one.name)} too",
                hint="choose another name",
            )
            for n, one in enumerate(self.form.spec.calendars or ())
            if one.name in taken
        ]
        if wrong:
            raise SpecError(map(self.document.problem, wrong))


def read(path: FilePath) -> PlanFile:
    """Read and check a plan file, with the files that it names."""
    document = documents.read(path)
    from_file, problems = settings.read(document)
    calendars, more = calendarfile.files(document, _CALENDARS)
    profile, others = profilefile.read(document)
    form = documents.validate(document, RolloutFile, more=[*problems, *more, *others])
    return PlanFile(
        document=document, form=form, settings=from_file, calendars=calendars, profile=profile
    )


def load_rollout(path: FilePath) -> Rollout:
    """Read and check a plan file, as far as that goes without asking anybody."""
    return read(path).rollout()


def _rollout(
    file: RolloutFile, document: Document, from_file: Mapping[str, str], own: Profile | None
) -> Rollout:
    spec, metadata = file.spec, file.metadata
    extension = below(document.data, *_EXTENSION)
    desired = _desired(
        spec.extension,
        {**recipes.settings(extension), **from_file},
        own or _profile(spec.extension),
    )
    return Rollout(
        name=metadata.name,
        owner=metadata.owner,
        change=metadata.change,
        scope=_scope(spec.targets),
        desired=desired,
        strategy=strategyfile.named(spec.strategy)
        if isinstance(spec.strategy, str)
        else strategyfile.custom(spec.strategy),
        text=document.text,
        membership=spec.targets.membership,
        acknowledged_policies=tuple(spec.acknowledge.policies if spec.acknowledge else ()),
        not_before=spec.not_before,
        start_buffer=spec.start_buffer,
        gates=tuple(map(gatefile.gate, spec.gates or ())),
        before_gates=tuple(spec.before_gates or ()),
        soak_gates=tuple(spec.soak_gates or ()),
        after_gates=tuple(spec.after_gates or ()),
        approvals=gatefile.approvals_by_wave(spec.approvals or ()),
        notify=tuple(_subscriber(n, one) for n, one in enumerate(spec.notify or ())),
        schedule=scheduleform.rule_of(spec.schedule) if spec.schedule else None,
        inside=dataclasses.replace(
            insideform.inside_of(spec.extension, desired),
            access=accessform.access_of(spec.cluster_access),
        ),
        advice=_advice(extension),
    )


def _advice(extension: Mapping[str, Any]) -> Advice:
    chart, _ = settingrules.known_of(extension)
    return chart.advice() if chart else Advice()


def _scope(targets: TargetsFile) -> Scope:
    return Scope(
        subscriptions=tuple(dict.fromkeys(targets.subscriptions or ())),
        management_groups=tuple(dict.fromkeys(targets.management_groups or ())),
        kql=targets.kql,
        allows_partial=targets.allow_partial_scopes,
        match=strategyfile.match(targets.match),
        exclude=strategyfile.match(targets.exclude),
        unreachable=targets.unreachable,
    )


def _desired(extension: ExtensionFile, from_file: Mapping[str, str], profile: Profile) -> Desired:
    secrets = extension.protected_settings or {}
    return Desired(
        profile=profile,
        name=extension.name or profile.instance_name or profile.name,
        namespace=extension.namespace or profile.namespace,
        presence=extension.state,
        version=extension.version,
        auto_upgrade=extension.auto_upgrade,
        release_train=extension.release_train,
        settings={**from_file, **(extension.settings or {})} or nothing(),
        settings_mode=extension.settings_mode,
        protected={key: one.from_env for key, one in secrets.items()} or nothing(),
        on_drift=extension.on_drift,
        allow_downgrade=extension.allow_downgrade,
        allow_skip_minor=extension.allow_skip_minor,
        requires=tuple(map(_requirement, extension.requires or ())),
    )


def _requirement(required: RequiredFile) -> Requirement:
    profile = _profile(required)
    secrets = required.protected_settings or {}
    return Requirement(
        profile=profile,
        name=required.name or profile.instance_name or profile.name,
        namespace=required.namespace or profile.namespace,
        version=required.version,
        auto_upgrade=required.auto_upgrade,
        release_train=required.release_train,
        settings=required.settings or nothing(),
        protected={key: one.from_env for key, one in secrets.items()} or nothing(),
    )


def _subscriber(number: int, told: NotifyFile) -> Subscriber:
    way = "webhook" if told.webhook is not None else "command"
    return Subscriber(
        name=told.name or noticerules.default_name(way, number),
        on=tuple(one for one in Topic if told.on is None or one in told.on),
        url=told.webhook if isinstance(told.webhook, str) else "",
        url_from=told.webhook.from_env if isinstance(told.webhook, FromEnvFile) else "",
        signed_with=told.secret.from_env if told.secret else "",
        argv=tuple(told.command or ()),
    )


def _profile(extension: ExtensionFile | RequiredFile) -> Profile:
    if extension.profile is not None:
        return profiles.load(extension.profile)
    return profiles.resolved(
        extension.extension_type or "",
        name=extension.name or "",
        namespace=extension.namespace,
    )
