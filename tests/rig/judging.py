"""What the validator has against everything that was recorded.

Not judged, each for its reason: :data:`OUTSIDE` and what nobody serves, for which there is no
specification; and answers that faults have made unreadable.

Shapes:  a :class:`Verdict` is an exchange and one complaint about it.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from fleet.sim.server import routes
from fleet.sim.server.routes import Kind
from tests.rig import exchanges
from tests.rig.exchanges import Complaint, Exchange
from tests.rig.node import Node
from tests.rig.serving import Heard

OUTSIDE = frozenset(Kind) - {
    Kind.CLUSTERS,
    Kind.CLUSTER,
    Kind.EXTENSIONS,
    Kind.EXTENSION,
    Kind.OPERATION,
    Kind.TYPES,
    Kind.TYPE,
    Kind.TYPE_VERSIONS,
    Kind.TYPE_VERSION,
    Kind.CREDENTIAL,
    Kind.GRAPH,
}
"""Resource Manager's own routes, the token endpoint and other providers: no specification here."""
_EXTENSIONS = {"2022-11-01": "2023-05-01", "2024-11-01": "2023-05-01"}
_CLUSTERS = {"2021-10-01": "2024-01-01", "2025-08-01-preview": "2026-05-01"}
_TYPES = {"2024-11-01-preview": "2023-05-01-preview"}
NEAREST: Mapping[Kind, Mapping[str, str]] = {
    **dict.fromkeys((Kind.EXTENSION, Kind.EXTENSIONS, Kind.OPERATION), _EXTENSIONS),
    **dict.fromkeys((Kind.CLUSTER, Kind.CLUSTERS, Kind.CREDENTIAL), _CLUSTERS),
    **dict.fromkeys((Kind.TYPES, Kind.TYPE, Kind.TYPE_VERSIONS, Kind.TYPE_VERSION), _TYPES),
    Kind.GRAPH: {"2021-03-01": "2024-04-01", "2022-10-01": "2024-04-01"},
}
"""Of api-versions that are served and not described: by which one they are judged."""
MAKES_UP = "fuzzer"
"""The User-Agent of who sends what is wrong on purpose, whatever comes of it."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Something that is not as it should be."""

    exchange: Exchange
    complaint: Complaint

    @property
    def line(self) -> str:
        """What, about which, for people."""
        one, found = self.exchange, self.complaint
        where = f"{one.method} {one.url[:300]} -> {one.heard.status}"
        return f"{where}: {found.side} {found.code} {found.path}: {found.message}"


def kept(folder: Path) -> Iterator[Exchange]:
    """Yield what was recorded, but for what cannot be judged."""
    for file in sorted(folder.glob("*.jsonl")):
        with file.open("rb") as lines:
            for line in lines:
                one = _exchange(json.loads(line))
                if _kind(one) not in OUTSIDE and _is_readable(one.heard):
                    yield one


def _exchange(told: Any) -> Exchange:
    return Exchange(
        method=told["method"],
        url=told["url"],
        headers=told["headers"],
        sent=_body(told["sent"]),
        heard=Heard(
            status=told["status"], headers=told["answered"], body=told["said"].encode("utf-8")
        ),
    )


def _body(text: str) -> Any:
    """Return a request's body; as text where it is no JSON, and ``None`` where there is none."""
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text


def _is_readable(heard: Heard) -> bool:
    try:
        json.loads(heard.body or b"null")
    except ValueError:
        return False
    return True


def verdicts(node: Node, said: Iterable[Exchange], *, specifications: Path) -> Iterator[Verdict]:
    """Yield what the validator has against exchanges, the known gaps included."""
    for one in said:
        nearest = _as_described(one)
        for found in exchanges.complaints(node, nearest, specifications=specifications):
            if not (_is_made_up(one) and found.side == "request") and not _is_nowhere(one, found):
                yield Verdict(exchange=one, complaint=found)


def _kind(one: Exchange) -> Kind | None:
    found = routes.find(urlsplit(one.url).path)
    return found[0].kind if found else None


def _as_described(one: Exchange) -> Exchange:
    """Return an exchange as one of the nearest api-version that is described."""
    kind, asked = _kind(one), dict(parse_qsl(urlsplit(one.url).query))
    version = next((value for name, value in asked.items() if name.lower() == "api-version"), "")
    nearest = NEAREST[kind].get(version) if kind is not None else None
    if nearest is None:
        return one
    url = re.sub(rf"(?i)(?<=api-version=){re.escape(version)}", nearest, one.url)
    return dataclasses.replace(one, url=url)


def _is_made_up(one: Exchange) -> bool:
    agents = (value for name, value in one.headers.items() if name.lower() == "user-agent")
    return MAKES_UP in agents


def _is_nowhere(one: Exchange, found: Complaint) -> bool:
    """Tell whether what was asked for is nowhere described, and was refused."""
    is_unknown = found.code.startswith("OPERATION_NOT_FOUND_IN_CACHE")
    return is_unknown and one.heard.status in (
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.TOO_MANY_REQUESTS,
    )
