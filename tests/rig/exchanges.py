"""What was said between a client and the simulator, both sides of it, and who judges that.

Shapes:  a :class:`Witness` is a caller that keeps an :class:`Exchange` for each of its requests.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fleet.sim.server import routes
from tests.rig.node import Node
from tests.rig.serving import Caller, Heard


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A request and its answer."""

    method: str
    url: str
    """Path and query."""
    headers: Mapping[str, str]
    sent: Any
    heard: Heard

    @property
    def kind(self) -> tuple[str, str, int]:
        """What was asked for, how, and the status that came of it."""
        found = routes.find(self.url.partition("?")[0])
        return (found[0].kind.name if found else "-", self.method, self.heard.status)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Witness(Caller):
    """A caller that remembers."""

    exchanges: list[Exchange]

    async def send(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        api_version: str | None = None,
    ) -> Heard:
        heard = await Caller.send(
            self,
            method,
            path,
            body=body,
            headers=headers,
            query=query,
            api_version=api_version,
        )
        asked = {name.replace("_", "-"): value for name, value in (query or {}).items()}
        if api_version is not None:
            asked["api-version"] = api_version
        url = path.removeprefix(self.base)
        one = Exchange(
            method=method,
            url=f"{url}?{urlencode(asked)}" if asked else url,
            headers={"content-type": "application/json", **(headers or {})},
            sent=body,
            heard=heard,
        )
        self.exchanges.append(one)
        return heard


def witness(caller: Caller) -> Witness:
    """Return *caller* with a memory."""
    return Witness(base=caller.base, session=caller.session, token=caller.token, exchanges=[])


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """What the validator has against an exchange."""

    operation: str
    side: str
    """``request``, ``response`` or ``exchange``."""
    code: str
    path: str
    message: str


def complaints(node: Node, exchange: Exchange, *, specifications: Path) -> tuple[Complaint, ...]:
    """Return what the official OpenAPI files have against an exchange.

    What a client got wrong on purpose, and was refused for, is no complaint.
    """
    found = judged(
        node,
        specifications=specifications,
        request={
            "method": exchange.method,
            "url": exchange.url,
            "headers": dict(exchange.headers),
            **({} if exchange.sent is None else {"body": exchange.sent}),
        },
        response={
            "statusCode": str(exchange.heard.status),
            "headers": dict(exchange.heard.headers),
            **({"body": exchange.heard.json} if exchange.heard.body else {}),
        },
    )
    is_refused = exchange.heard.status >= 400
    return tuple(one for one in found if not (is_refused and one.side == "request"))


def judged(
    node: Node, *, specifications: Path, request: Any, response: Any
) -> tuple[Complaint, ...]:
    """Return what the validator has against a request and its answer."""
    answer = node.ask(
        "exchange",
        specifications=str(specifications),
        liveRequest=request,
        liveResponse=response,
    )
    return tuple(
        Complaint(
            operation=answer["operation"],
            side=one["in"],
            code=one["code"],
            path=one["path"],
            message=one["message"].partition("\n")[0],
        )
        for one in answer["complaints"]
    )
