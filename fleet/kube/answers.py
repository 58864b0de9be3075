"""What an API server's answers mean.

Errors:  :exc:`ClusterError`, without the cluster's name; its message is the server's own.
Source:  kubernetes/community, api-conventions, Response Status Kind.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fleet.errors import ClusterError
from fleet.kube.exchanges import Reply, Request
from fleet.kube.wire import Page
from fleet.model.objects import Object
from fleet.model.redaction import Redactor
from fleet.net.words import line

# Source: what the API server says of a group that nobody registered.
_NO_SUCH_PATH = b"404 page not found"
_LONGEST = 1000
_READER = "the ClusterRole fleet-reader of deploy/kubernetes/cluster-reader.yaml"
_WRITER = "the ClusterRole fleet-writer of deploy/kubernetes/cluster-writer.yaml"


def value(reply: Reply, request: Request) -> Object:
    """Return what was answered; an error where the answer is no success."""
    found = reply.data
    if not HTTPStatus.OK <= reply.status < HTTPStatus.MULTIPLE_CHOICES:
        raise refusal(reply, request)
    if not isinstance(found, dict) or not isinstance(found.get("kind"), str):
        raise _strange(reply)
    return found


def is_absent(reply: Reply) -> bool:
    """Whether an object, or its whole kind, is not there.

    NB: a 404 of a web server that is no API server does not say so: absence may be what a whole
    uninstallation is proved by.
    """
    if reply.status != HTTPStatus.NOT_FOUND:
        return False
    return reply.head == _NO_SUCH_PATH or _status(reply) is not None


def is_outdated(reply: Reply) -> bool:
    """Whether a list changed too much to be read on."""
    return reply.status == HTTPStatus.GONE


def token_of(reply: Reply) -> str:
    """Return with what a list goes on after this page, or after a refusal; empty: it does not."""
    meta = reply.data.get("metadata") if isinstance(reply.data, dict) else None
    token = meta.get("continue") if isinstance(meta, dict) else None
    return token if isinstance(token, str) else ""


def listed(reply: Reply, request: Request) -> None:
    """Raise unless the answer was a list; its objects may be gone from it."""
    found = value(reply, request).get("items", ...)
    if found is not None and not isinstance(found, list):  # Go spells a list of nothing so
        raise _strange(reply)


def retry_after_s(reply: Reply | Page) -> float | None:
    """Return how long the server wants not to be asked."""
    text = reply.headers.get("retry-after", "")
    return float(text) if text.isdecimal() and len(text) <= 6 else None  # noqa: PLR2004


def refusal(reply: Reply, request: Request) -> ClusterError:
    """Return the error that an answer means."""
    said = _status(reply)
    message = said.get("message") if said is not None else None
    if isinstance(message, str) and message.strip():
        text = line(Redactor().text(message), longest=_LONGEST)
    else:
        text = f"{request.what}: the answer was {_shown(reply)}"
    return ClusterError(
        text,
        status=reply.status,
        retry_after_s=retry_after_s(reply),
        hint=_hint(reply.status, request),
    )


def _hint(status: int, request: Request) -> str | None:
    if status == HTTPStatus.UNAUTHORIZED:
        return "Its kubeconfig's credentials are not accepted: log in again, or renew them."
    if status == HTTPStatus.FORBIDDEN:
        role = _WRITER if request.is_write else _READER
        return f"Let whoever runs the cluster bind {role}; docs/cluster-access.md says how."
    return None


def _strange(reply: Reply) -> ClusterError:
    message = f"the answer was {_shown(reply)}, and not as Kubernetes answers"
    return ClusterError(message, status=reply.status, hint=_WHO)


_WHO = "Is it the cluster's API server that its kubeconfig names, or a proxy in between?"


def _shown(reply: Reply) -> str:
    if not reply.size:
        return f"{reply.status} with nothing in it"
    if reply.head[:1] == b"<":
        return f"{reply.status} with an HTML page"
    return f"{reply.status} with {reply.size} bytes"


def _status(reply: Reply) -> dict[str, Any] | None:
    found = reply.data
    return found if isinstance(found, dict) and found.get("kind") == "Status" else None
