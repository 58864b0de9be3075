"""From a planned step to the request that is sent: what it carries, and the ids it goes under."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fleet.errors import InputError
from fleet.model.cluster import Extension
from fleet.model.gates import Gate
from fleet.model.plan import PlanHead, Step, Target, Verb
from fleet.ports import ExtensionRef, Write


def ref_of(target: Target, step: int | None = None) -> ExtensionRef:
    """Return which extension *target* is about, or one of its steps."""
    other = target.steps[step].other if step is not None else None
    name = other.name if other else target.extension_name
    return ExtensionRef(cluster_id=target.cluster_id, name=name)


def write_of(
    step: Step, target: Target, head: PlanHead, *, found: Extension | None, vault: Mapping[str, str]
) -> Write:
    """Return the write of *step*.

    Args:
        step: As planned.
        target: Whose it is.
        head: The plan's head.
        found: The extension as a GET just read it: whether the service merges or replaces a
            settings map on PATCH is not recorded, so the whole merged map is sent.
        vault: ``{environment variable: value}`` of the protected settings.
    """
    other = step.other
    return Write(
        verb=step.verb,
        extension_type=other.extension_type if other else head.extension_type,
        namespace=other.namespace if other else _namespace(step, head, found),
        location=target.location,
        version=step.version,
        auto_upgrade=step.auto_upgrade,
        release_train=step.release_train,
        settings=_settings(step, found),
        protected=_protected(step, vault),
        is_namespaced=_is_namespaced(step, head, found),
    )


def _namespace(step: Step, head: PlanHead, found: Extension | None) -> str | None:
    return (found.namespace if found else None) or step.namespace or head.namespace


def _is_namespaced(step: Step, head: PlanHead, found: Extension | None) -> bool:
    if step.other is not None:
        return step.other.is_namespaced
    if found is not None:
        return found.is_namespaced
    return step.is_namespaced or (step.namespace is None and head.is_namespaced)


def variables(head: PlanHead, targets: Iterable[Target]) -> frozenset[str]:
    """Return the environment variables that hold the secrets of a plan.

    These are protected settings, and headers of its gates. Clusters that are judged anew while it
    runs may need those that none of *targets* does now.
    """
    wish = head.basis.desired if head.basis else None
    later = [wish.protected, *(one.protected for one in wish.requires)] if wish else []
    return (
        notice_variables(head)
        | headers(head)
        | frozenset(name for one in later for name in one.values())
        | frozenset(
            name
            for target in targets
            for step in target.steps
            for name in (step.protected or {}).values()
        )
    )


def notice_variables(head: PlanHead) -> frozenset[str]:
    """Return those that hold where subscribers are told, and what that is signed with."""
    return frozenset(
        name for one in head.notify for name in (one.url_from, one.signed_with) if name
    )


def headers(head: PlanHead) -> frozenset[str]:
    """Return the environment variables that hold what the gates of a plan send as headers."""
    return frozenset(name for gate in gates_in_use(head) for name in gate.probe.headers.values())


def gates_in_use(head: PlanHead) -> tuple[Gate, ...]:
    """Return the gates that some wave is measured by.

    NB: a way back has its parent's gates and uses none: no probe's secret may stand in its way.
    """
    named = {
        name
        for wave in head.waves
        for names in (wave.before_gates, wave.soak_gates, wave.after_gates)
        for name in names
    }
    return tuple(one for one in head.gates if one.name in named)


def _settings(step: Step, found: Extension | None) -> Mapping[str, str] | None:
    if step.verb is Verb.DELETE or (step.settings is None and step.verb is Verb.PATCH):
        return None
    if step.is_exact or found is None:
        return dict(step.settings or {})
    return {**found.settings, **(step.settings or {})}


def _protected(step: Step, vault: Mapping[str, str]) -> Mapping[str, str] | None:
    if step.protected is None:
        return None
    try:
        return {key: vault[name] for key, name in step.protected.items()}
    except KeyError as error:
        message = (
            f"the environment variable {error.args[0]} holds a protected setting, and is not set"
        )
        raise InputError(message) from None
