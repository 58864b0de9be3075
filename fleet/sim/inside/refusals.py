"""Refusals, in the API server's words: the Status objects that it answers errors with.

Source:  k8s.io/apimachinery, package api/errors; and a kube-apiserver that was asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fleet.model.objects import Resource
from fleet.sim.inside.kinds import Kind

_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start "
    "a new list without the continue parameter, or use the continue token in this response to "
    "retrieve the remainder of the results. Continuing with the provided token results in an "
    "inconsistent list - objects that were created, modified, or deleted between the time the "
    "first chunk was returned and now may show up in the list."
)


class RefusedError(Exception):
    """The API server answers with an error. Plain text where there is no status."""

    def __init__(
        self,
        code: int,
        message: str,
        reason: str = "",
        *,
        details: Mapping[str, Any] | None = None,
        retry_after_s: int | None = None,
        continues: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s
        given = dict(details or {})
        if retry_after_s is not None:
            given["retryAfterSeconds"] = retry_after_s
        self.status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {} if continues is None else {"continue": continues},
            "status": "Failure",
            "message": message,
            **({"reason": reason} if reason else {}),
            **({"details": given} if given or details is not None else {}),
            "code": code,
        }


def _about(resource: Resource, name: str = "") -> dict[str, Any]:
    return {
        **({"name": name} if name else {}),
        **({"group": resource.group} if resource.group else {}),
        "kind": resource.plural,
    }


def qualified(resource: Resource) -> str:
    """Return a kind as messages call it, such as ``deployments.apps``."""
    return f"{resource.plural}.{resource.group}" if resource.group else resource.plural


def not_found(resource: Resource, name: str) -> RefusedError:
    """Return what is said of an object that is not there."""
    message = f'{qualified(resource)} "{name}" not found'
    return RefusedError(404, message, "NotFound", details=_about(resource, name))


def unknown_kind() -> RefusedError:
    """Return what is said of a kind that is not served, to those who take JSON."""
    message = "the server could not find the requested resource"
    return RefusedError(404, message, "NotFound", details={})


def exists(resource: Resource, name: str) -> RefusedError:
    """Return what is said of a name that is taken."""
    message = f'{qualified(resource)} "{name}" already exists'
    return RefusedError(409, message, "AlreadyExists", details=_about(resource, name))


def changed(resource: Resource, name: str) -> RefusedError:
    """Return what is said of a write that builds on an older object."""
    message = (
        f'Operation cannot be fulfilled on {qualified(resource)} "{name}": the object has been '
        "modified; please apply your changes to the latest version and try again"
    )
    return RefusedError(409, message, "Conflict", details=_about(resource, name))


def other_uid(kind: Kind, name: str, *, wanted: str, found: str) -> RefusedError:
    """Return what is said of a delete that means another object of that name."""
    # Source: it is the kind that this message names, where others name its plural.
    resource = kind.resource._replace(plural=kind.kind)
    message = (
        f'Operation cannot be fulfilled on {qualified(resource)} "{name}": the UID in the '
        f"precondition ({wanted}) does not match the UID in record ({found}). The object might "
        "have been deleted and then recreated"
    )
    return RefusedError(409, message, "Conflict", details=_about(resource, name))


def unauthorized() -> RefusedError:
    """Return what is said to strangers."""
    return RefusedError(401, "Unauthorized", "Unauthorized")


def forbidden(
    user: str, verb: str, resource: Resource, *, namespace: str | None, name: str = ""
) -> RefusedError:
    """Return what is said to those who may not."""
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    what = f'{qualified(resource)} "{name}"' if name else qualified(resource)
    message = (
        f'{what} is forbidden: User "{user}" cannot {verb} resource "{resource.plural}" in API '
        f'group "{resource.group}" {where}'
    )
    return RefusedError(403, message, "Forbidden", details=_about(resource, name))


def denied(webhook: str, reason: str) -> RefusedError:
    """Return what is said of a write that an admission webhook does not want."""
    # Source: a webhook's answer may carry its own code; policy engines send this one.
    message = f'admission webhook "{webhook}" denied the request: {reason}'
    return RefusedError(403, message, "Forbidden", details={})


def terminating(resource: Resource, name: str, namespace: str) -> RefusedError:
    """Return what is said of a new object in a namespace that goes away."""
    message = (
        f'{qualified(resource)} "{name}" is forbidden: unable to create new content in namespace '
        f"{namespace} because it is being terminated"
    )
    causes = [
        {
            "reason": "NamespaceTerminating",
            "message": f"namespace {namespace} is being terminated",
            "field": "metadata.namespace",
        }
    ]
    details = {**_about(resource, name), "causes": causes}
    return RefusedError(403, message, "Forbidden", details=details)


def invalid(
    kind: str, group: str, name: str, causes: Sequence[tuple[str, str, str]]
) -> RefusedError:
    """Return what is said of an object that is not as its schema wants it.

    Args:
        kind: Such as ``MeshConfig``.
        group: Its API group.
        name: The object's name.
        causes: Reason, field, and message without the field, of each flaw.
    """
    texts = [f"{field}: {said}" for _, field, said in causes]
    # Source: the server leaves out repeated texts, and puts several into brackets.
    texts = list(dict.fromkeys(texts))
    joined = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    what = f"{kind}.{group}" if group else kind
    named = {"name": name, "group": group, "kind": kind}
    details = {
        **{key: value for key, value in named.items() if value},
        "causes": [
            {"reason": reason, "message": said, "field": field} for reason, field, said in causes
        ],
    }
    message = f'{what} "{name}" is invalid: {joined}'
    return RefusedError(422, message, "Invalid", details=details)


def bad_request(message: str) -> RefusedError:
    """Return what is said of a request that cannot be understood."""
    return RefusedError(400, message, "BadRequest")


def not_allowed() -> RefusedError:
    """Return what is said of a method that there is no handler for."""
    message = "the server does not allow this method on the requested resource"
    return RefusedError(405, message, "MethodNotAllowed", details={})


def media_type(accepted: Sequence[str]) -> RefusedError:
    """Return what is said of a body of a type that is not taken."""
    message = (
        "the body of the request was in an unknown format - accepted media types include: "
        f"{', '.join(accepted)}"
    )
    return RefusedError(415, message, "UnsupportedMediaType")


def expired(continues: str) -> RefusedError:
    """Return what is said of a page of a list that is too old."""
    return RefusedError(410, _TOO_OLD, "Expired", continues=continues)


def too_old(version: int, oldest: int) -> RefusedError:
    """Return what is said of a watch from a moment that is forgotten."""
    return RefusedError(410, f"too old resource version: {version} ({oldest})", "Expired")


def unavailable() -> RefusedError:
    """Return what is said while the server is not itself."""
    message = "the server is currently unable to handle the request"
    return RefusedError(503, message, "ServiceUnavailable")


def throttled(wait_s: int) -> RefusedError:
    """Return what is said where too many ask."""
    message = "Too many requests, please try again later."
    return RefusedError(429, message, "TooManyRequests", retry_after_s=wait_s)


def internal(message: str) -> RefusedError:
    """Return what is said where something broke."""
    causes = [{"message": message}]
    text = f"Internal error occurred: {message}"
    return RefusedError(500, text, "InternalError", details={"causes": causes})
