"""Extensions and single clusters in Resource Manager; each call is one request.

Nothing is tried again here: that is decided by the engine, and written down first.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from fleet.azure import paths, payloads
from fleet.azure.answers import Answer, Object, line, problem_of
from fleet.azure.bodies import body_of
from fleet.azure.operations import status_of
from fleet.azure.refusals import is_cluster_missing, is_extension_missing, refusal
from fleet.azure.requests import Request
from fleet.azure.wire import Wire
from fleet.errors import LostClusterError, RemoteError, UnexpectedPayloadError
from fleet.model.cluster import Cluster, ClusterId, Extension
from fleet.model.plan import Verb
from fleet.ports import Accepted, ExtensionRef, OperationStatus, RequestIds, Write

_OPERATION_HEADER = "azure-asyncoperation"
_NOT_FOUND = (HTTPStatus.NOT_FOUND,)


class ArmExtensions:
    """A :class:`fleet.ports.Extensions` over HTTP."""

    def __init__(self, wire: Wire, *, api_version: str = paths.EXTENSIONS_API) -> None:
        self._wire = wire
        self.api_version = api_version

    async def get(self, ref: ExtensionRef, ids: RequestIds) -> Extension | None:
        """Return the extension; ``None`` where the cluster is there and it is not."""
        url = self._url(ref)
        request = Request(method="GET", url=url, what=f"reading {_named(ref)}", ids=ids)
        answer = await self._wire.call(request, passing=_NOT_FOUND)
        if answer.status == HTTPStatus.NOT_FOUND:
            if is_extension_missing(answer):
                return None
            raise self._missing(answer, request)
        return _read(answer, request, ref)

    async def write(self, ref: ExtensionRef, write: Write, ids: RequestIds) -> Accepted:
        """Send one write, once."""
        query = {"forceDelete": "false"} if write.verb is Verb.DELETE else None
        request = Request(
            method=write.verb.name,
            url=self._url(ref, query),
            what=f"{write.verb.name} of {_named(ref)}",
            ids=ids,
            body=body_of(write, api_version=self.api_version),
        )
        answer = await self._wire.call(request, passing=_NOT_FOUND)
        if answer.status == HTTPStatus.NOT_FOUND:
            if write.verb is Verb.DELETE and is_extension_missing(answer):
                return Accepted(operation_url=None, extension=None)
            raise self._missing(answer, request)
        return Accepted(
            operation_url=self._operation_url(answer),
            extension=None if write.verb is Verb.DELETE else _shown(answer, request, ref),
        )

    async def operation(self, url: str, ids: RequestIds) -> OperationStatus:
        """Read the state of an operation, at its URL to the letter."""
        request = Request(method="GET", url=url, what="reading an operation", ids=ids)
        answer = await self._wire.call(request)
        return status_of(answer, what=request.what, now=self._wire.clock.now())

    async def cluster(self, cluster_id: ClusterId, ids: RequestIds) -> Cluster:
        """Return one cluster as it is now, without its extensions."""
        url = paths.cluster_url(self._wire.place.url, cluster_id)
        what = f"reading {cluster_id}"
        request = Request(method="GET", url=url, what=what, ids=ids)
        answer = await self._wire.call(request, passing=_NOT_FOUND)
        if answer.status == HTTPStatus.NOT_FOUND:
            raise self._missing(answer, request)
        return payloads.cluster(_about(answer, cluster_id, request), where=cluster_id)

    def _url(self, ref: ExtensionRef, query: Mapping[str, str] | None = None) -> str:
        base = self._wire.place.url
        return paths.extension_url(base, ref, query, api_version=self.api_version)

    def _missing(self, answer: Answer, request: Request) -> RemoteError:
        error = refusal(answer, request, now=self._wire.clock.now())
        if is_cluster_missing(answer):
            return _as(LostClusterError, error)
        # NB: a 404 that does not say what is missing proves no absence.
        return error if problem_of(answer).code else _as(UnexpectedPayloadError, error)

    def _operation_url(self, answer: Answer) -> str | None:
        # NB: Location points at the provider's own host, past ARM: it is never looked at.
        url = answer.headers.get(_OPERATION_HEADER)
        return url if url and self._wire.place.is_at(url) else None


def _shown(answer: Answer, request: Request, ref: ExtensionRef) -> Extension | None:
    """Return the extension as a write's answer shows it."""
    is_empty = answer.body.strip() in (b"", b"null")
    if is_empty and answer.status in (HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT):
        return None
    return _read(answer, request, ref)


def _read(answer: Answer, request: Request, ref: ExtensionRef) -> Extension:
    body = _about(answer, paths.extension_id(ref), request)
    # Source: in the specification's own examples, what answers a PATCH has neither id nor name.
    found = payloads.extension({"name": ref.name, **body}, where=_named(ref))
    if found.name.lower() != ref.name.lower():
        message = f"{request.what}: the answer is about something else, {line(found.name)}"
        raise UnexpectedPayloadError(message, correlation_id=answer.correlation_id)
    return found


def _about(answer: Answer, asked: str, request: Request) -> Object:
    """Return the body, which must be about what was asked.

    NB: a cache or a gateway may mix answers up, and another cluster's extension proves nothing.
    """
    body = answer.object(what=request.what)
    found = body.get("id")
    # Source: ids come back in the caller's casing, or in the service's.
    if isinstance(found, str) and found.rstrip("/").lower() != asked.lower():
        message = f"{request.what}: the answer is about something else, {line(found)}"
        raise UnexpectedPayloadError(message, correlation_id=answer.correlation_id)
    return body


def _as(cls: type[RemoteError], error: RemoteError) -> RemoteError:
    return cls(
        error.message,
        hint=error.hint,
        status=error.status,
        retry_after_s=error.retry_after_s,
        correlation_id=error.correlation_id,
    )


def _named(ref: ExtensionRef) -> str:
    return f"extension {ref.name} on {ref.cluster_id}"
