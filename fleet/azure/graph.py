"""Resource Graph, through the SDK's client: one query, every row, as plain JSON.

The request goes through the client's own pipeline over our session and with
our token; the SDK's retries, its deserialisation and its habit of registering
providers are left out. Pages are offsets into a list that lives on: rows are
told apart by id, and a read in which rows may have been missed is repeated
once, and both are taken together.

Units:   the clock's seconds for waits.
Errors:  what :mod:`fleet.azure.refusals` makes of an answer; :exc:`UnexpectedPayloadError` where
         the list is cut off; :exc:`RemoteError` where not every subscription was searched.
Source:  wire facts on $skipToken (offset paging on one Kusto cluster, no snapshot) and quotas.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import functools
import gc
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from http import HTTPStatus
from typing import Any, TypeVar, cast

import orjson
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import AsyncHTTPPolicy, UserAgentPolicy
from azure.core.pipeline.transport import AioHttpTransport
from azure.core.rest import AsyncHttpResponse, HttpRequest
from azure.mgmt.resourcegraph.aio import ResourceGraphClient

from fleet.azure.answers import Answer, Object, problem_of, quota_resets_s
from fleet.azure.credentials import scope_of
from fleet.azure.paths import GRAPH_API, url
from fleet.azure.refusals import refusal
from fleet.azure.requests import Request
from fleet.azure.retries import reading
from fleet.azure.transport import AGENT, CONNECT_LIMIT_S, broken
from fleet.azure.wire import Wire, id_headers
from fleet.errors import RemoteError, UnexpectedPayloadError

T = TypeVar("T")

SUBSCRIPTIONS_A_CALL = 1000
_NAMED = 3
_PATH = "/providers/Microsoft.ResourceGraph/resources"
_PAGE_SIZES = (1000, 200, 40)
_TOO_LARGE = "responsepayloadtoolarge"
_LIMIT_HIT = "x-ms-tenant-subscription-limit-hit"
_WHAT = "asking Resource Graph"
_CORRELATION = "x-ms-correlation-request-id"
# The client's constructor wants one; nothing uses it, since the policy has the token.
_NOBODY = cast("AsyncTokenCredential", object())


class _TooLargeError(Exception):
    """A page is larger than the service will send."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    rows: Sequence[Object]
    total: int | None
    token: str | None
    is_truncated: bool


class Graph:
    """Queries, one after another: their quota is small, and one for all that the user does."""

    def __init__(self, wire: Wire, client: ResourceGraphClient, *, call_limit_s: float) -> None:
        self._wire = wire
        self._client = client
        self._call_limit_s = call_limit_s
        self._quiet_until: dt.datetime | None = None

    async def resources(
        self, query: str, *, subscriptions: Sequence[str], read: Callable[[Object], T]
    ) -> Sequence[T]:
        """Return all rows of *query*, each once; it must project ``id``, and order by it.

        Args:
            query: KQL.
            subscriptions: Where to look; empty: everywhere in the tenant.
            read: Makes of a row what is kept: 100,000 rows as they came are a gigabyte.
        """
        found: dict[str, T] = {}
        for batch in _batches(subscriptions):
            first, has_gaps = await self._all_pages(query, batch, read)
            again, _ = await self._all_pages(query, batch, read) if has_gaps else ({}, False)
            found |= first | again
        return list(found.values())

    async def table(
        self, query: str, *, subscriptions: Sequence[str]
    ) -> tuple[Sequence[Object], Answer]:
        """Return the rows of a *query* that fits a page for each batch, and the last answer."""
        rows: list[Object] = []
        answer: Answer | None = None
        for batch in _batches(subscriptions):
            answer = await self._asked(
                _body(query, batch, size=_PAGE_SIZES[0], token=None), what=_what(batch)
            )
            rows += _page(answer).rows
        assert answer is not None  # noqa: S101 - there is always a batch
        return rows, answer

    async def _all_pages(
        self, query: str, batch: Sequence[str], read: Callable[[Object], T]
    ) -> tuple[dict[str, T], bool]:
        for size in _PAGE_SIZES:
            try:
                return await self._pages(query, batch, size, read)
            except _TooLargeError:
                continue
        message = f"{_WHAT}: even {_PAGE_SIZES[-1]} clusters are more than it will send at once"
        raise RemoteError(message, hint="Name fewer subscriptions, and run the parts in turn.")

    async def _pages(
        self, query: str, batch: Sequence[str], size: int, read: Callable[[Object], T]
    ) -> tuple[dict[str, T], bool]:
        rows: dict[str, T] = {}
        totals: set[int | None] = set()
        tokens: set[str] = set()
        token: str | None = None
        while True:
            body = _body(query, batch, size=size, token=token)
            answer = await self._asked(body, what=_what(batch))
            with _no_collector():
                page = _page(answer)
                rows |= {_id(row): read(row) for row in page.rows}
            totals.add(page.total)
            token = page.token
            if token is None and not page.is_truncated:
                return rows, bool(totals - {None, len(rows)})
            if token is None or token in tokens:
                message = f"{_WHAT}: the list is cut off, and nothing leads on"
                raise UnexpectedPayloadError(message, correlation_id=answer.correlation_id)
            tokens.add(token)

    async def _asked(self, body: bytes, *, what: str) -> Answer:
        """Ask until there is an answer, within bounds, and never before the quota allows."""
        clock = self._wire.clock
        if self._quiet_until is not None:
            await clock.sleep(self._quiet_until - clock.now())
        answer = await reading(functools.partial(self._ask, body, what=what), clock=clock)
        is_used_up = answer.headers.get("x-ms-user-quota-remaining", "").strip() == "0"
        wait_s = quota_resets_s(answer) if is_used_up else None
        self._quiet_until = clock.now() + dt.timedelta(seconds=wait_s) if wait_s else None
        return answer

    async def _ask(self, body: bytes, *, what: str) -> Answer:
        request = Request(
            method="POST",
            url=url(self._wire.place.url, _PATH, {"api-version": GRAPH_API}),
            what=what,
            body=body,
        )
        answer = await self._exchange(request)
        if answer.status == HTTPStatus.OK:
            if answer.headers.get(_LIMIT_HIT, "").strip().lower() == "true":
                message = f"{_WHAT}: not every subscription of the tenant was searched"
                raise RemoteError(message, hint="Name the subscriptions in the plan file.")
            return answer
        problem = problem_of(answer)
        if _TOO_LARGE in f"{problem.code} {problem.message}".lower():
            raise _TooLargeError
        raise refusal(answer, request, now=self._wire.clock.now())

    async def _exchange(self, request: Request) -> Answer:
        headers = {"Content-Type": "application/json", **id_headers(request.ids)}
        sent = HttpRequest(request.method, request.url, headers=headers, content=request.body)
        try:
            async with asyncio.timeout(self._call_limit_s):
                # Private in the released SDK: decision 13, and a test that pins it.
                return _answer(await self._client._send_request(sent))  # noqa: SLF001
        except TimeoutError as error:
            raise broken(error, request) from error
        except AzureError as error:
            cause = error.inner_exception
            raise broken(cause if isinstance(cause, Exception) else error, request) from error


class _OurToken(AsyncHTTPPolicy[Any, Any]):
    """Authentication as everywhere else: over our tokens, on plain loopback too."""

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self._wire = wire

    async def send(self, request: PipelineRequest[Any]) -> PipelineResponse[Any, Any]:
        token = await self._wire.tokens.current()
        headers = request.http_request.headers
        headers["Authorization"] = f"Bearer {token.text}"
        response: PipelineResponse[Any, Any] = await self.next.send(request)
        self._wire.judge(_answer(response.http_response), token, headers.get(_CORRELATION))
        return response


@asynccontextmanager
async def connected(wire: Wire, *, call_limit_s: float) -> AsyncIterator[Graph]:
    """Open the SDK's client over *wire*'s session and identity."""
    policy = _OurToken(wire)
    client = ResourceGraphClient(
        _NOBODY,
        base_url=wire.place.url,
        credential_scopes=[scope_of(wire.place)],
        api_version=GRAPH_API,
        authentication_policy=policy,
        policies=[UserAgentPolicy(AGENT, user_agent_overwrite=True), policy],
        transport=AioHttpTransport(
            session=wire.opened,
            session_owner=False,
            connection_timeout=CONNECT_LIMIT_S,
            read_timeout=call_limit_s,
        ),
    )
    async with client:
        yield Graph(wire, client, call_limit_s=call_limit_s)


@contextmanager
def _no_collector() -> Iterator[None]:
    """Keep the garbage collector out: JSON has no cycles, and to look for some costs double."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _batches(subscriptions: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield as many as one call takes; nothing named is one batch of nothing."""
    distinct = list({one.lower(): one for one in reversed(subscriptions)}.values())[::-1]
    if not distinct:
        yield ()
    for start in range(0, len(distinct), SUBSCRIPTIONS_A_CALL):
        yield distinct[start : start + SUBSCRIPTIONS_A_CALL]


def _body(query: str, subscriptions: Sequence[str], *, size: int, token: str | None) -> bytes:
    options: dict[str, object] = {
        "$top": size,
        "resultFormat": "objectArray",
        "authorizationScopeFilter": "AtScopeAndBelow",
    }
    if token is not None:
        options["$skipToken"] = token
    scope = {"subscriptions": list(subscriptions)} if subscriptions else {}
    return orjson.dumps({**scope, "query": query, "options": options})


def _what(batch: Sequence[str]) -> str:
    if not batch:
        return f"{_WHAT} about the tenant"
    more = f" and {len(batch) - _NAMED} more" if len(batch) > _NAMED else ""
    return f"{_WHAT} about {', '.join(batch[:_NAMED])}{more}"


def _page(answer: Answer) -> _Page:
    body = answer.object(what=_WHAT)
    rows, total, token = body.get("data"), body.get("totalRecords"), body.get("$skipToken")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        message = f"{_WHAT}: data is missing or cannot be read"
        raise UnexpectedPayloadError(message, correlation_id=answer.correlation_id)
    return _Page(
        rows=rows,
        total=total if isinstance(total, int) else None,
        token=token if isinstance(token, str) and token else None,
        # Source: a string, not a boolean, in every recording.
        is_truncated=str(body.get("resultTruncated")).lower() == "true",
    )


def _id(row: Object) -> str:
    found = row.get("id")
    if not isinstance(found, str):
        message = f"{_WHAT}: a row has no id"
        raise UnexpectedPayloadError(message)
    return found.lower()


def _answer(response: AsyncHttpResponse) -> Answer:
    return Answer(
        status=response.status_code,
        headers={name.lower(): value for name, value in response.headers.items()},
        body=response.content,
    )
