"""Looks at services and their endpoints: can anybody reach what runs?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from fleet.core.looks import digging
from fleet.core.looks.subject import (
    Finding,
    Look,
    Subject,
    failed,
    named,
    passed,
    place,
    some,
    words,
)
from fleet.model.inside import CheckRule
from fleet.model.objects import Object, Resource, Seen, Want

SERVICES = Resource("", "v1", "services")
ENDPOINTS = Resource("", "v1", "endpoints")


class ServiceSight(NamedTuple):
    """A service, as far as it matters who reaches what by it."""

    name: str
    kind: str
    ports: tuple[str, ...]
    """Such as ``9090/TCP``."""
    selector: tuple[str, ...]
    """Such as ``app=osm-controller``."""
    is_outside: bool
    """Whether it has an address outside the cluster."""


class EndpointsSight(NamedTuple):
    """Whom a service leads to."""

    name: str
    addresses: int
    not_ready: int
    ports: tuple[str, ...]
    """Of those that are ready."""


def service(found: Object) -> ServiceSight:
    """Keep of a service who reaches what by it."""
    spec = digging.at(found, "spec")
    ports = digging.entries(spec, "ports")
    outside = digging.at(found, "status", "loadBalancer", "ingress")
    return ServiceSight(
        name=digging.name(found),
        # Source: the API fills both in, and these are what it fills in.
        kind=digging.text(spec, "type") or "ClusterIP",
        ports=tuple(
            f"{digging.number(one, 'port')}/{digging.text(one, 'protocol') or 'TCP'}"
            for one in ports
        ),
        selector=tuple(f"{key}={one}" for key, one in digging.texts(spec, "selector").items()),
        is_outside=bool(outside or digging.at(spec, "externalIPs")),
    )


def endpoints(found: Object) -> EndpointsSight:
    """Keep of endpoints how many there are, and at which ports."""
    subsets = digging.entries(found, "subsets")
    ready = [one for one in subsets if digging.entries(one, "addresses")]
    return EndpointsSight(
        name=digging.name(found),
        addresses=sum(len(digging.entries(one, "addresses")) for one in subsets),
        not_ready=sum(len(digging.entries(one, "notReadyAddresses")) for one in subsets),
        ports=tuple(
            str(digging.number(port, "port"))
            for one in ready
            for port in digging.entries(one, "ports")
        ),
    )


def _wants_service(rule: CheckRule, subject: Subject, seen: Seen) -> Iterator[Want]:
    del seen
    yield Want(resource=SERVICES, namespace=place(rule, subject), shape=service)


def _service(rule: CheckRule, subject: Subject, seen: Sequence[Sequence[Any]]) -> Finding:
    where, name = place(rule, subject), rule.given["name"]
    found: ServiceSight | None = named(seen[0], name)
    again = "install the extension again"
    if found is None:
        return failed(f"there is no service {name} in {where}: {again}")
    shown = {"type": found.kind, "ports": " ".join(found.ports)}
    kind = rule.given.get("type")
    if kind and (found.kind != kind or found.is_outside):
        told = f"it is {found.kind}" if found.kind != kind else "it has an address outside"
        hint = f"nobody outside the cluster may reach it: make it {kind} again"
        return failed(f"service {name}: {told}: {hint}", **shown)
    if missing := [one for one in words(rule, "ports") if one not in found.ports]:
        return failed(f"service {name} lacks the ports {some(missing)}: {again}", **shown)
    selector = rule.given.get("selector")
    if selector and selector not in found.selector:
        told = some(found.selector) or "nothing"
        return failed(f"service {name} selects {told}, not {selector}: {again}", **shown)
    return passed(**shown)


def _wants_endpoints(rule: CheckRule, subject: Subject, seen: Seen) -> Iterator[Want]:
    del seen
    yield Want(resource=ENDPOINTS, namespace=place(rule, subject), shape=endpoints)


def _endpoints(rule: CheckRule, subject: Subject, seen: Sequence[Sequence[Any]]) -> Finding:
    where, name = place(rule, subject), rule.given["name"]
    found: EndpointsSight | None = named(seen[0], name)
    if found is None or not found.addresses:
        waiting = f", {found.not_ready} are not ready" if found and found.not_ready else ""
        hint = f"look at the pods behind it in {where}"
        return failed(f"service {name} leads nowhere{waiting}: {hint}", addresses=0)
    shown = {"addresses": found.addresses, "ports": " ".join(found.ports)}
    if missing := [one for one in words(rule, "ports") if one not in found.ports]:
        hint = "install the extension again"
        return failed(f"service {name} leads to no port {some(missing)}: {hint}", **shown)
    return passed(**shown)


SERVICE = Look(
    _service,
    _wants_service,
    required=("name", "ports"),
    optional=("namespace", "type", "selector"),
)
SERVICE_ENDPOINTS = Look(
    _endpoints, _wants_endpoints, required=("name", "ports"), optional=("namespace",)
)
