"""Resource Graph, through the SDK's client: one query, every row, as plain JSON.

The request goes through the client's own pipeline over our session, in its
turn and with our token; the SDK's retries, its deserialisation and its habit of registering
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
import datetime as dt
import functools
import gc
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from http import HTTPStatus
from typing import Any, TypeVar, cast

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError
from azure.core.pipeline.policies import SansIOHTTPPolicy, UserAgentPolicy
from azure.core.pipeline.transport import AioHttpTransport
from azure.core.rest import AsyncHttpResponse, HttpRequest
from azure.mgmt.resourcegraph.aio import ResourceGraphClient

from fleet.azure import pages
from fleet.azure.answers import Answer, Object, headers_of, moment, problem_of
from fleet.azure.credentials import scope_of
from fleet.azure.kql import AND_BELOW
from fleet.azure.pages import Page
from fleet.azure.paths import GRAPH_API, url
from fleet.azure.questions import WHAT, Question
from fleet.azure.refusals import refusal
from fleet.azure.requests import Request, fresh_ids
from fleet.azure.retries import reading
from fleet.azure.transport import AGENT, broken
from fleet.azure.wire import Wire
from fleet.errors import RemoteError, UnexpectedPayloadError
from fleet.net.network import Network

T = TypeVar("T")

_PATH = "/providers/Microsoft.ResourceGraph/resources"
_PAGE_SIZES = (1000, 200, 40)
_TOO_LARGE = "responsepayloadtoolarge"
# The client's constructor wants them; nothing uses them, since requests come with a token.
_NOBODY = cast("AsyncTokenCredential", object())
_NO_POLICY: SansIOHTTPPolicy[Any, Any] = SansIOHTTPPolicy()


class _TooLargeError(Exception):
    """A page is larger than the service will send."""


class Graph:
    """Queries, one after another: their quota is small, and one for all that the user does."""

    def __init__(self, wire: Wire, client: ResourceGraphClient, *, call_limit_s: float) -> None:
        self._wire = wire
        self._client = client
        self._call_limit_s = call_limit_s
        self.heard_at: dt.datetime | None = None
        """When the service last answered, by its own clock."""

    def over(self, wire: Wire) -> Graph:
        """Return the same, asked as those whom *wire* knows."""
        return Graph(wire, self._client, call_limit_s=self._call_limit_s)

    async def resources(
        self,
        query: str,
        *,
        subscriptions: Sequence[str],
        read: Callable[[Object], T],
        management_groups: Sequence[str] = (),
        authorization_scope: str = AND_BELOW,
        excuse: Callable[[str], None] | None = None,
        correlation_id: str | None = None,
    ) -> Sequence[T]:
        """Return all rows of *query*, each once; it must project ``id``, and order by it.

        Args:
            query: KQL.
            subscriptions: Where to look; empty, without groups: everywhere in the tenant.
            read: Makes of a row what is kept: 100,000 rows as they came are a gigabyte.
            management_groups: Where to look, with all that is below them.
            authorization_scope: Whether what stands above the subscriptions counts as well.
            excuse: Told what an answer left out; ``None``: that is an error.
            correlation_id: What its requests are found by in the service's own log.
        """
        found: dict[str, T] = {}
        question = Question(
            query=query,
            authorization_scope=authorization_scope,
            subscriptions=subscriptions,
            management_groups=management_groups,
            allows_partial=excuse is not None,
            correlation_id=correlation_id,
        )
        for asked in question.portions():
            found |= await self._whole(asked, read, excuse)
        return list(found.values())

    async def table(
        self,
        query: str,
        *,
        subscriptions: Sequence[str],
        management_groups: Sequence[str] = (),
        authorization_scope: str = AND_BELOW,
    ) -> tuple[Sequence[Object], Answer]:
        """Return the rows of a *query* that fits a page for each call, and the last answer."""
        rows: list[Object] = []
        answer: Answer | None = None
        question = Question(
            query=query,
            authorization_scope=authorization_scope,
            subscriptions=subscriptions,
            management_groups=management_groups,
        )
        for asked in question.portions():
            answer, page = await self._asked(asked, size=_PAGE_SIZES[0], token=None)
            pages.require_whole(answer, None)
            if page.is_truncated or page.token or page.total > len(page.rows):
                message = f"{WHAT}: {pages.cut_off(len(page.rows), page.total)}"
                raise UnexpectedPayloadError(message, correlation_id=answer.correlation_id)
            rows += page.rows
        assert answer is not None  # noqa: S101 - there is always a portion
        return rows, answer

    async def _whole(
        self, asked: Question, read: Callable[[Object], T], excuse: Callable[[str], None] | None
    ) -> dict[str, T]:
        """Read all pages, and once more where rows may have been missed."""
        rows, totals = await self._all_pages(asked, read, excuse)
        if not totals - {len(rows)}:
            return rows
        again, totals = await self._all_pages(asked, read, excuse)
        rows |= again
        if totals and len(rows) < min(totals):
            # NB: this is no list that moved: what leads on, or a row, is not there.
            if excuse is None:
                message = f"{WHAT}: {pages.cut_off(len(rows), min(totals))}, read twice"
                raise UnexpectedPayloadError(message)
            excuse(pages.cut_off(len(rows), min(totals)))
        return rows

    async def _all_pages(
        self, asked: Question, read: Callable[[Object], T], excuse: Callable[[str], None] | None
    ) -> tuple[dict[str, T], frozenset[int]]:
        """Return all rows, and every count of them that was heard; none that was excused."""
        for size in _PAGE_SIZES:
            try:
                return await self._pages(asked, size, read, excuse)
            except _TooLargeError:
                continue
        message = f"{WHAT}: even {_PAGE_SIZES[-1]} clusters are more than it will send at once"
        raise RemoteError(message, hint="Name fewer subscriptions, and run the parts in turn.")

    async def _pages(
        self,
        asked: Question,
        size: int,
        read: Callable[[Object], T],
        excuse: Callable[[str], None] | None,
    ) -> tuple[dict[str, T], frozenset[int]]:
        rows: dict[str, T] = {}
        totals: set[int] = set()
        tokens: set[str] = set()
        token: str | None = None
        while True:
            answer, page = await self._asked(asked, size=size, token=token)
            pages.require_whole(answer, excuse)
            with _no_collector():
                rows |= {pages.id_of(row): read(row) for row in page.rows}
            totals.add(page.total)
            token = page.token
            if token is None and not page.is_truncated:
                return rows, frozenset(totals)
            if token is None and excuse is not None:
                excuse(pages.cut_off(len(rows), page.total))
                return rows, frozenset()
            if token is None or token in tokens:
                message = f"{WHAT}: the list is cut off, and nothing leads on"
                raise UnexpectedPayloadError(message, correlation_id=answer.correlation_id)
            tokens.add(token)

    async def _asked(self, asked: Question, *, size: int, token: str | None) -> tuple[Answer, Page]:
        """Ask until there is an answer that can be read, within bounds."""
        clock = self._wire.clock
        body = asked.body(size=size, token=token)
        answer, page = await reading(functools.partial(self._ask, body, asked), clock=clock)
        self.heard_at = moment(answer.headers.get("date")) or clock.now()
        return answer, page

    async def _ask(self, body: bytes, asked: Question) -> tuple[Answer, Page]:
        request = Request(
            method="POST",
            url=url(self._wire.place.url, _PATH, {"api-version": GRAPH_API}),
            what=asked.what,
            ids=fresh_ids(asked.correlation_id),
            body=body,
        )
        answer = await self._wire.sent(request, functools.partial(self._exchange, request))
        if answer.status == HTTPStatus.OK:
            with _no_collector():
                return answer, pages.page_of(answer)
        problem = problem_of(answer)
        if _TOO_LARGE in f"{problem.code} {problem.message}".lower():
            raise _TooLargeError
        raise refusal(answer, request, now=self._wire.clock.now())

    async def _exchange(self, request: Request, headers: Mapping[str, str]) -> Answer:
        sent = HttpRequest(request.method, request.url, headers=dict(headers), content=request.body)
        try:
            async with asyncio.timeout(self._call_limit_s):
                # Private in the released SDK: decision 13, and a test that pins it.
                return _answer(await self._client._send_request(sent))  # noqa: SLF001
        except TimeoutError as error:
            raise broken(error, request) from error
        except AzureError as error:
            cause = error.inner_exception
            # NB: not chained: it may hold a proxy's password.
            raise broken(cause if isinstance(cause, Exception) else error, request) from None


@asynccontextmanager
async def connected(wire: Wire, *, network: Network) -> AsyncIterator[Graph]:
    """Open the SDK's client over *wire*'s session and identity."""
    client = ResourceGraphClient(
        _NOBODY,
        base_url=wire.place.url,
        credential_scopes=[scope_of(wire.place)],
        api_version=GRAPH_API,
        # Requests come with our token, over plain loopback too: nothing is left to be done.
        authentication_policy=_NO_POLICY,
        policies=[UserAgentPolicy(AGENT, user_agent_overwrite=True)],
        transport=AioHttpTransport(
            session=wire.opened,
            session_owner=False,
            connection_timeout=network.connect_limit_s,
            read_timeout=network.read_limit_s or network.call_limit_s,
        ),
    )
    async with client:
        yield Graph(wire, client, call_limit_s=network.call_limit_s)


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


def _answer(response: AsyncHttpResponse) -> Answer:
    return Answer(
        status=response.status_code,
        headers=headers_of(response.headers.items()),
        body=response.content,
    )
