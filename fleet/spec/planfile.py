"""A plan file, from its path to a checked :class:`~fleet.model.desired.Rollout`.

Errors:  :exc:`~fleet.spec.document.SpecError` with everything that is wrong at once.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fleet.model.cluster import nothing
from fleet.model.desired import Desired, Match, Profile, Rollout, Scope, Strategy, WaveRule
from fleet.spec import document as documents, profiles, settings, strategies
from fleet.spec.form import (
    ExtensionFile,
    MatchFile,
    RolloutFile,
    StrategyFile,
    TargetsFile,
    WaveFile,
)

CUSTOM = "custom"
"""What a strategy is called that a plan file spells out."""


def load_rollout(path: Path) -> Rollout:
    """Read and check a plan file, with the settings file that it names."""
    document = documents.read(path)
    from_file, problems = settings.read(document)
    file = documents.validate(document, RolloutFile, more=problems)
    return _rollout(file, document.text, from_file)


@functools.cache
def named_strategy(name: str) -> Strategy:
    """Return the strategy called *name*, one of :func:`fleet.spec.strategies.names`."""
    return _strategy(StrategyFile.model_validate(strategies.block(name)), name=name)


def _rollout(file: RolloutFile, text: str, from_file: Mapping[str, str]) -> Rollout:
    spec, metadata = file.spec, file.metadata
    return Rollout(
        name=metadata.name,
        owner=metadata.owner,
        change=metadata.change,
        scope=_scope(spec.targets),
        desired=_desired(spec.extension, from_file),
        strategy=named_strategy(spec.strategy)
        if isinstance(spec.strategy, str)
        else _strategy(spec.strategy, name=CUSTOM),
        text=text,
        acknowledged_policies=tuple(spec.acknowledge.policies if spec.acknowledge else ()),
    )


def _scope(targets: TargetsFile) -> Scope:
    return Scope(
        subscriptions=tuple(dict.fromkeys(targets.subscriptions or ())),
        management_groups=tuple(dict.fromkeys(targets.management_groups or ())),
        kql=targets.kql,
        allows_partial=targets.allow_partial_scopes,
        match=_match(targets.match),
        exclude=_match(targets.exclude),
        unreachable=targets.unreachable,
    )


def _match(match: MatchFile | None) -> Match:
    if match is None:
        return Match()
    return Match(
        tags={name: tuple(values) for name, values in (match.tags or {}).items()},
        locations=tuple(match.locations or ()),
        distributions=tuple(match.distributions or ()),
        names=tuple(match.names or ()),
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


def _profile(extension: ExtensionFile) -> Profile:
    if extension.profile is not None:
        return profiles.load(extension.profile)
    return profiles.resolved(
        extension.extension_type or "",
        name=extension.name or "",
        namespace=extension.namespace,
    )


def _strategy(block: StrategyFile, *, name: str) -> Strategy:
    given = _given(
        max_concurrency=block.max_concurrency,
        max_failures=block.max_failures,
        start_deadline=block.start_deadline,
        progress_deadline=block.progress_deadline,
        # One number in the file goes for an uninstall too.
        uninstall_deadline=block.progress_deadline,
    )
    return Strategy(
        name=name,
        waves=tuple(map(_wave, block.waves)),
        wave_max_concurrency=block.wave_max_concurrency,
        wave_max_failures=block.wave_max_failures,
        failure_mode=block.failure_mode,
        on_breach=block.on_breach,
        **given,
    )


def _wave(wave: WaveFile) -> WaveRule:
    return WaveRule(
        name=wave.name,
        size=wave.size,
        selector=None if wave.match is None else _match(wave.match),
        targets=tuple(wave.targets or ()),
        max_concurrency=wave.max_concurrency,
        max_failures=wave.max_failures,
        **_given(soak=wave.soak_time),
    )


def _given(**fields: Any) -> dict[str, Any]:
    """Return the fields that the file has; the model has the defaults of the others."""
    return {name: value for name, value in fields.items() if value is not None}
