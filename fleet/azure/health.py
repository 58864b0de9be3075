"""Which extensions of a type are not in order: one query over all subscriptions.

Resource Graph lags behind, and what agents report reaches it by scans: what it
says is a suspicion, and a GET tells. An extension that is being changed is not
among them, nor one on a cluster that is not connected by Arc.

Errors:  those of :class:`fleet.azure.graph.Graph`; :exc:`UnexpectedPayloadError` for a row without
         a state.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fleet.azure import kql
from fleet.azure.answers import Object, line
from fleet.errors import UnexpectedPayloadError
from fleet.model.cluster import ClusterId
from fleet.ports import Unwell

if TYPE_CHECKING:
    from fleet.azure.graph import Graph

_LONGEST_STATE = 64
_EXTENSION = re.compile(
    r"(/subscriptions/[^/]+/resourcegroups/[^/]+/providers/microsoft\.kubernetes"
    r"/connectedclusters/[^/]+)/providers/microsoft\.kubernetesconfiguration/extensions/[^/]+"
)


async def unwell(
    graph: Graph, *, extension_type: str, subscriptions: Sequence[str], correlation_id: str
) -> Sequence[Unwell]:
    """Return the extensions of a type that ended badly, ordered by cluster."""
    # NB: without subscriptions a query is about the whole tenant.
    if not subscriptions:
        return ()
    rows = await graph.resources(
        kql.unwell(extension_type),
        subscriptions=subscriptions,
        read=lambda row: _read(row, extension_type.lower()),
        correlation_id=correlation_id,
    )
    return sorted((one for one in rows if one is not None), key=lambda one: one.cluster_id)


def _read(row: Object, extension_type: str) -> Unwell | None:
    kind, state = row.get("extensionType"), row.get("state")
    found = _EXTENSION.fullmatch(str(row.get("id")).lower())
    if found is None or not isinstance(kind, str) or kind.lower() != extension_type:
        return None
    if not isinstance(state, str) or not state.strip():
        message = f"{line(str(row['id']))}: state is missing or cannot be read"
        raise UnexpectedPayloadError(message)
    return Unwell(cluster_id=ClusterId(found[1]), state=line(state, longest=_LONGEST_STATE))
