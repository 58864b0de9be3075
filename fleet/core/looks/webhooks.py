"""Looks at admission webhooks: who is called, and can the caller trust whom it calls?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from fleet.core.looks import certificates, digging
from fleet.core.looks.subject import (
    Finding,
    Look,
    Subject,
    count,
    failed,
    first,
    passed,
    place,
    words,
)
from fleet.model.inside import CheckRule
from fleet.model.objects import Object, Resource, Seen, Want

MUTATING = Resource("admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations")
VALIDATING = Resource("admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations")

_KINDS = {"mutating": MUTATING, "validating": VALIDATING}
# Source: learn.microsoft.com, troubleshooting extensions: a bundle has about 1,845 characters, and
# one of fewer than 1,000 was not provisioned.
_LEAST = 1_000


class WebhookSight(NamedTuple):
    """The configuration of webhooks, by the first of them."""

    total: int
    service: str
    namespace: str
    path: str
    port: int
    policy: str
    bundle_size: int
    """Of the text that the certificates are in, in characters."""
    good_until: str
    """The longest of them; empty: that cannot be read."""
    created: str
    """The server's stamp."""


def webhook(found: Object) -> WebhookSight:
    """Keep of a configuration whom it calls, and how large its certificates are."""
    inner = digging.entries(found, "webhooks")
    one = inner[0] if inner else {}
    service = digging.at(one, "clientConfig", "service")
    bundle = digging.at(one, "clientConfig", "caBundle")
    return WebhookSight(
        total=len(inner),
        service=digging.text(service, "name"),
        namespace=digging.text(service, "namespace"),
        path=digging.text(service, "path"),
        port=digging.number(service, "port"),
        policy=digging.text(one, "failurePolicy"),
        bundle_size=len(bundle) if isinstance(bundle, str) else 0,
        good_until=certificates.good_until(bundle) if isinstance(bundle, str) else "",
        created=digging.text(found, "metadata", "creationTimestamp"),
    )


def wanted(kind: str, name: str) -> Want:
    """Return what to read of a configuration; *kind* is ``mutating`` or ``validating``."""
    return Want(resource=_KINDS.get(kind, MUTATING), name=name, shape=webhook)


def _wants_webhook(rule: CheckRule, subject: Subject, seen: Seen) -> Iterator[Want]:
    del subject, seen
    yield wanted(rule.given["kind"], rule.given["name"])


def _webhook(rule: CheckRule, subject: Subject, seen: Sequence[Sequence[Any]]) -> Finding:
    name, found = rule.given["name"], first(seen)
    hint = f"restart what makes it: `kubectl -n {place(rule, subject)} get deployments`"
    if found is None:
        return failed(f"there is no webhook {name}: {hint}")
    shown = {"webhooks": found.total, "service": f"{found.namespace}/{found.service}"}
    if found.total != 1:
        return failed(f"{name} has {found.total} webhooks, not 1: {hint}", **shown)
    wrong = [
        f"{what} {is_so or 'none'}, not {wish}"
        for what, is_so, wish, is_right in _compared(rule, subject, found)
        if not is_right
    ]
    return failed(f"{name} calls {'; '.join(wrong)}: {hint}", **shown) if wrong else passed(**shown)


def _compared(
    rule: CheckRule, subject: Subject, found: WebhookSight
) -> Iterator[tuple[str, str, str, bool]]:
    services, where = words(rule, "service"), place(rule, subject)
    yield "the service", found.service, " or ".join(services), found.service in services
    yield "the namespace", found.namespace, where, found.namespace == where
    yield "the path", found.path, rule.given["path"], found.path == rule.given["path"]
    # Source: the API fills in 443.
    port = str(found.port or 443)
    yield "the port", port, rule.given["port"], port == rule.given["port"]
    policy = rule.given.get("failurePolicy", found.policy)
    yield "with the failure policy", found.policy, policy, found.policy == policy


def _wants_bundles(rule: CheckRule, subject: Subject, seen: Seen) -> Iterator[Want]:
    del subject, seen
    yield from (wanted(kind, rule.given[kind]) for kind in _KINDS if kind in rule.given)


def _bundles(rule: CheckRule, subject: Subject, seen: Sequence[Sequence[Any]]) -> Finding:
    least = count(rule, "least", _LEAST)
    names = [rule.given[kind] for kind in _KINDS if kind in rule.given]
    found = {name: some[0] if some else None for name, some in zip(names, seen, strict=True)}
    sizes = {name: one.bundle_size if one else 0 for name, one in found.items()}
    if short := [f"{name} ({size})" for name, size in sizes.items() if size < least]:
        hint = "the certificate was not provisioned: look at the logs of what makes the webhook"
        told = f"fewer than {least} characters of certificates are in {', '.join(short)}"
        return failed(f"{told}: {hint}", **sizes)
    now = f"{subject.now:%Y-%m-%dT%H:%M:%SZ}" if subject.now else ""
    ends = {name: one.good_until for name, one in found.items() if one}
    if over := [f"{name} ({end})" for name, end in ends.items() if end and end < now]:
        hint = "no pod starts in the mesh until they are renewed: restart what makes the webhook"
        return failed(f"the certificates are expired in {', '.join(over)}: {hint}", **ends)
    return passed(**sizes)


WEBHOOK = Look(
    _webhook,
    _wants_webhook,
    required=("kind", "name", "service", "path", "port"),
    optional=("namespace", "failurePolicy"),
)
CA_BUNDLES = Look(
    _bundles,
    _wants_bundles,
    required=("mutating",),
    optional=("validating", "least"),
    is_placed=False,
)
