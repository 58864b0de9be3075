"""Answers that come in place of the service's own, by whoever stands in front of it.

Source:  bodies of Resource Manager, its front doors and Entra, as users report them.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from fleet.sim import messages
from fleet.sim.repertoire import Asked, Fault
from fleet.sim.script import Rule
from fleet.sim.server import answers, limits
from fleet.sim.server.answers import Answer
from fleet.sim.server.asks import Ask

_RETRY_AFTER_S = 10
_NOBODY = "00000000-0000-0000-0000-000000000000"
_NO_RESPONSE = (
    "The gateway did not receive a response from '{provider}' within the specified time period."
)
_STATUSES: Mapping[Fault, tuple[int, str, str]] = {
    Fault.INTERNAL_ERROR: (
        500,
        "InternalServerError",
        "Encountered internal server error. Diagnostic information: tracking id '{id}'.",
    ),
    Fault.BAD_GATEWAY: (
        502,
        "BadGatewayConnection",
        "The network connectivity issue encountered for '{provider}'; cannot fulfill the request.",
    ),
    Fault.UNAVAILABLE: (503, "ServiceUnavailable", messages.UNAVAILABLE),
    Fault.GATEWAY_TIMEOUT: (
        504,
        "GatewayTimeout",
        _NO_RESPONSE,
    ),
}
_PAGE = """<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN">
<html><head><title>{status} - {words}</title></head>
<body><h2>{status} - {words}</h2><h3>There is a problem with the page you are looking for, and it
cannot be displayed.</h3></body></html>
"""


def of(rule: Rule, ask: Ask, asked: Asked, subscription: str | None) -> Answer | None:
    """Return the answer that a rule puts in place of the service's; ``None``: it puts none."""
    match rule.fault:
        case Fault.THROTTLED:
            return _throttled(rule, ask, asked, subscription)
        case Fault.PROVIDER_THROTTLED:
            headers = {"Retry-After": str(_wait_s(rule))}
            return answers.by_provider(429, "TooManyRequests", messages.THROTTLED, headers=headers)
        case Fault.HTML_PAGE:
            return _page(rule.status or HTTPStatus.BAD_GATEWAY)
        case Fault.GATEWAY_TIMEOUT_AFTER:
            return _failed(Fault.GATEWAY_TIMEOUT, rule, ask, asked)
        case fault if fault in _STATUSES:
            return _failed(fault, rule, ask, asked)
        case _:
            return None


def _throttled(rule: Rule, ask: Ask, asked: Asked, subscription: str | None) -> Answer:
    wait_s = _wait_s(rule)
    if asked is Asked.GRAPH:
        return limits.no_quota(wait_s)
    if asked is Asked.TOKEN:
        return _by_entra(429, {"Retry-After": str(wait_s)})
    return limits.throttled(limits.kind_of(ask.method), subscription, ask.oid or _NOBODY, wait_s)


def _failed(fault: Fault, rule: Rule, ask: Ask, asked: Asked) -> Answer:
    status, code, words = _STATUSES[fault]
    headers = {} if rule.retry_after_s is None else {"Retry-After": str(rule.retry_after_s)}
    if asked is Asked.TOKEN:
        return _by_entra(status, headers)
    message = words.format(id=ask.id, provider=_provider(ask.path))
    return answers.by_gateway(status, code, message, headers=headers)


def _by_entra(status: int, headers: Mapping[str, str]) -> Answer:
    said = "AADSTS90033: A transient error has occurred. Please try again."
    document = {"error": "temporarily_unavailable", "error_description": said}
    return answers.found(document, status=status, headers=headers)


def _page(status: int) -> Answer:
    words = HTTPStatus(status).phrase if status in list(HTTPStatus) else "Error"
    body = _PAGE.format(status=status, words=words).encode()
    return Answer(status=status, body=body, headers={"Content-Type": "text/html"})


def _provider(path: str) -> str:
    return path.rpartition("/providers/")[2].partition("/")[0] or "Microsoft.Resources"


def _wait_s(rule: Rule) -> int:
    return _RETRY_AFTER_S if rule.retry_after_s is None else rule.retry_after_s
