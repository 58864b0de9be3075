"""A plan file, from its path to a checked :class:`~fleet.model.desired.Rollout`.

Errors:  :exc:`~fleet.spec.problems.SpecError` with everything that is wrong at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fleet.model.cluster import nothing
from fleet.model.desired import Desired, Profile, Rollout, Scope
from fleet.model.notices import Subscriber, Topic
from fleet.spec import document as documents, noticerules, profiles, settings, strategyfile
from fleet.spec.form import ExtensionFile, RolloutFile, TargetsFile
from fleet.spec.noticeform import FromEnvFile, NotifyFile


def load_rollout(path: Path) -> Rollout:
    """Read and check a plan file, with the settings file that it names."""
    document = documents.read(path)
    from_file, problems = settings.read(document)
    file = documents.validate(document, RolloutFile, more=problems)
    return _rollout(file, document.text, from_file)


def _rollout(file: RolloutFile, text: str, from_file: Mapping[str, str]) -> Rollout:
    spec, metadata = file.spec, file.metadata
    return Rollout(
        name=metadata.name,
        owner=metadata.owner,
        change=metadata.change,
        scope=_scope(spec.targets),
        desired=_desired(spec.extension, from_file),
        strategy=strategyfile.named(spec.strategy)
        if isinstance(spec.strategy, str)
        else strategyfile.custom(spec.strategy),
        text=text,
        membership=spec.targets.membership,
        acknowledged_policies=tuple(spec.acknowledge.policies if spec.acknowledge else ()),
        notify=tuple(_subscriber(n, one) for n, one in enumerate(spec.notify or ())),
    )


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


def _desired(extension: ExtensionFile, from_file: Mapping[str, str]) -> Desired:
    profile = _profile(extension)
    secrets = extension.protected_settings or {}
    return Desired(
        profile=profile,
        name=extension.name or profile.instance_name or profile.name,
        namespace=extension.namespace or profile.namespace,
        presence=extension.state,
        version=extension.version,
        auto_upgrade=extension.auto_upgrade,
        release_train=extension.release_train,
        settings=extension.settings or from_file or nothing(),
        settings_mode=extension.settings_mode,
        protected={key: one.from_env for key, one in secrets.items()} or nothing(),
        on_drift=extension.on_drift,
        allow_downgrade=extension.allow_downgrade,
        allow_skip_minor=extension.allow_skip_minor,
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


def _profile(extension: ExtensionFile) -> Profile:
    if extension.profile is not None:
        return profiles.load(extension.profile)
    return profiles.resolved(
        extension.extension_type or "",
        name=extension.name or "",
        namespace=extension.namespace,
    )
