"""A request as the handlers read it: keys of the query without case, ids made where none came."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp.web import BaseRequest

from fleet.core import draws
from fleet.ports import RequestIds
from fleet.sim.server import answers

_CORRELATION = "x-ms-correlation-request-id"
_CLIENT = "x-ms-client-request-id"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request, read to its end."""

    id: str
    """A GUID of the server's own."""
    method: str
    path: str
    target: str
    """Path and query as they were sent, to the letter."""
    query: Mapping[str, str]
    """Keys in lower case: ``api-Version`` is a spelling that the service itself uses."""
    headers: Mapping[str, str]
    """Whatever their case."""
    body: bytes
    base: str
    """How the caller calls this server, such as ``http://127.0.0.1:8080``."""
    ids: RequestIds
    oid: str = ""
    """Of the caller, once the token was looked at."""

    @property
    def version(self) -> str:
        """The api-version, in lower case; empty where none was sent."""
        return self.query.get("api-version", "").lower()

    @property
    def echo(self) -> Mapping[str, str]:
        """The headers that show the caller's ids."""
        shown = {
            "x-ms-request-id": self.id,
            _CORRELATION: self.ids.correlation_id,
        }
        if self.headers.get("x-ms-return-client-request-id", "").lower() == "true":
            shown[_CLIENT] = self.ids.client_request_id
        return shown

    def json(self) -> Any:
        """Return the body, which must be JSON and say so."""
        kind = self.headers.get("Content-Type", "")
        if kind.partition(";")[0].strip().lower() != "application/json":
            message = (
                f"The content media type '{kind or '<null>'}' is not supported. "
                "Only 'application/json' is supported."
            )
            raise answers.refusal(415, "UnsupportedMediaType", message)
        try:
            return orjson.loads(self.body)
        except json.JSONDecodeError as error:
            message = f"The request content was invalid and could not be deserialized: '{error}'."
            raise answers.refusal(400, "InvalidRequestContent", message) from error


async def read(request: BaseRequest, *, seed: int, count: int) -> Ask:
    """Read a request, the *count*-th of this server."""
    headers = request.headers
    serial = draws.guid(seed, "request", count)
    return Ask(
        id=serial,
        method=request.method,
        path=request.path,
        target=request.raw_path,
        query={key.lower(): value for key, value in request.query.items()},
        headers=headers,
        body=await request.read() if request.can_read_body else b"",
        base=f"{request.scheme}://{request.host}",
        ids=RequestIds(
            correlation_id=headers.get(_CORRELATION) or serial,
            client_request_id=headers.get(_CLIENT) or draws.guid(seed, "client", count),
        ),
    )
