"""What is looked at inside a cluster, and what follows: pure functions, by the names in a rule.

A rule of a profile (:class:`~fleet.model.inside.CheckRule`) names one of
:data:`LOOKS`. :func:`wants` says what to read for it, :func:`judge` what it
came to. Neither reads anything, and neither raises, whatever a server answered.

Shapes:  one result for each rule, in the rules' order.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from fleet.core.looks import (
    azure,
    identities,
    kinds,
    meshes,
    namespaces,
    services,
    sidecars,
    webhooks,
    workloads,
)
from fleet.core.looks.subject import (
    Finding as Finding,
    Look as Look,
    Subject as Subject,
    not_applicable,
    place,
    unknown,
)
from fleet.model.inside import CheckMoment, CheckResult, CheckRule, Severity, Verdict
from fleet.model.objects import Seen, Sight, Want

LOOKS: Mapping[str, Look] = {
    "azure": azure.AZURE,
    "clusterIdentity": identities.CLUSTER_IDENTITY,
    "helmRelease": kinds.HELM_RELEASE,
    "deployment": workloads.DEPLOYMENT,
    "deployments": workloads.ALL_DEPLOYMENTS,
    "daemonSets": workloads.ALL_DAEMON_SETS,
    "pods": workloads.CONTROL_PODS,
    "service": services.SERVICE,
    "endpoints": services.SERVICE_ENDPOINTS,
    "webhook": webhooks.WEBHOOK,
    "caBundles": webhooks.CA_BUNDLES,
    "meshConfig": meshes.MESH_CONFIG,
    "meshConfigDrift": meshes.MESH_CONFIG_DRIFT,
    "meshedNamespaces": namespaces.MESHED_NAMESPACES,
    "labelledNamespaces": namespaces.LABELLED_NAMESPACES,
    "definitions": kinds.DEFINED_KINDS,
    "newPods": sidecars.NEW_PODS,
    "staleSidecars": sidecars.STALE_SIDECARS,
    "gone": kinds.GONE,
}
"""``{name in a rule: look}``."""

_LONGEST = 300
_SENTENCE = 1_200
"""Characters. It is written down for each target, and names can be of any length."""


def chosen(rules: Iterable[CheckRule], *, moment: CheckMoment) -> tuple[CheckRule, ...]:
    """Return those of *rules* that are for a moment."""
    return tuple(rule for rule in rules if rule.moment is moment)


def graded(
    rules: Iterable[CheckRule],
    *,
    severities: Mapping[str, Severity] = MappingProxyType({}),
    is_warn_only: bool = False,
) -> tuple[CheckRule, ...]:
    """Return *rules* with the severities that are wished for; nobody else settles them.

    Args:
        rules: Of a profile, or of a plan's head.
        severities: ``{check: severity}`` instead of the rule's own.
        is_warn_only: Whether none may be more than a warning.
    """
    return tuple(
        dataclasses.replace(
            rule,
            severity=Severity.WARN if is_warn_only else severities.get(rule.id, rule.severity),
        )
        for rule in rules
    )


def wants(
    rules: Iterable[CheckRule], subject: Subject, seen: Mapping[Want, Sight] | None = None
) -> tuple[Want, ...]:
    """Return what is to be read of a cluster, each once.

    What some looks want follows from what was seen: ask again with *seen* until nothing is new.
    """
    found = (
        want
        for rule in rules
        if not _hindrance(rule, subject)
        for want in _wanted(rule, subject, seen or {})
    )
    return tuple(dict.fromkeys(found))


def judge(rules: Iterable[CheckRule], subject: Subject, seen: Seen) -> tuple[CheckResult, ...]:
    """Return what each rule came to."""
    return tuple(
        _result(rule, _hindrance(rule, subject) or _judged(rule, subject, seen)) for rule in rules
    )


def unreached(
    rules: Iterable[CheckRule], subject: Subject, message: str
) -> tuple[CheckResult, ...]:
    """Return what each rule came to where the cluster could not be reached.

    Rules that need nothing of it are judged. The *message* is told once.
    """
    results: list[CheckResult] = []
    is_told = False
    for rule in rules:
        finding = _hindrance(rule, subject)
        if finding is None and _wanted(rule, subject, {}):
            finding = unknown("the cluster was not reached" if is_told else message)
            is_told = True
        results.append(_result(rule, finding or _judged(rule, subject, {})))
    return tuple(results)


def is_outside(rule: CheckRule) -> bool:
    """Tell whether a rule can be judged without the cluster's own API."""
    look = LOOKS.get(rule.look)
    return look is not None and look.wants is None


def _hindrance(rule: CheckRule, subject: Subject) -> Finding | None:
    """Return what a rule comes to before anything is read; ``None``: it has to be."""
    if rule.since is not None and subject.is_before(rule.since):
        return not_applicable(f"there since version {rule.since}")
    look = LOOKS.get(rule.look)
    if look is None:
        return unknown(f"this release of fleet knows no look {rule.look}")
    if missing := [key for key in look.required if not rule.given.get(key, "").strip()]:
        return unknown(f"the check does not say {' and '.join(missing)}")
    if look.is_placed and not place(rule, subject):
        return not_applicable("the namespace of the extension is not known")
    return None


def _wanted(rule: CheckRule, subject: Subject, seen: Seen) -> tuple[Want, ...]:
    look = LOOKS[rule.look]
    return tuple(look.wants(rule, subject, seen)) if look.wants else ()


def _judged(rule: CheckRule, subject: Subject, seen: Seen) -> Finding:
    look = LOOKS[rule.look]
    wanted = _wanted(rule, subject, seen)
    sights = [seen.get(want) or Sight(error="it was not looked at") for want in wanted]
    trouble = next(
        ((want, one) for want, one in zip(wanted, sights, strict=True) if one.error), None
    )
    if trouble is None:
        return look.judge(rule, subject, [one.objects for one in sights])
    if look.is_partial:
        found = look.judge(rule, subject, [one.objects for one in sights])
        if found.verdict is Verdict.FAILED:
            return found
    return _unread(*trouble)


def _unread(want: Want, sight: Sight) -> Finding:
    where = f" in {want.namespace}" if want.namespace else ""
    name = f" {want.name}" if want.name else ""
    told = f"{want.resource.plural}{name}{where} cannot be read: {sight.error[:_LONGEST]}"
    return unknown(told)


def _result(rule: CheckRule, finding: Finding) -> CheckResult:
    return CheckResult(
        check=rule.id,
        severity=rule.severity,
        verdict=finding.verdict,
        detail=_cut(finding.detail, _SENTENCE),
        evidence={key: _cut(one, _LONGEST) for key, one in finding.evidence.items()},
    )


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}..."
