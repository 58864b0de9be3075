"""What lets a client into a cluster: a kubeconfig, and a way through the relay to it.

Nothing listens there: the relay is none, and the token opens nothing.

Source:  the specification of listClusterUserCredential, and its examples.
"""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Mapping
from typing import Any

from fleet.core import draws
from fleet.sim.server import answers
from fleet.sim.server.answers import Answer
from fleet.sim.server.asks import Ask
from fleet.sim.server.plane import Plane

_METHODS = ("Token", "AAD")
_GOOD_FOR = dt.timedelta(hours=3)
_WITH_TENANT = "2026-05-01"
_LATER = frozenset({"relayTid", "relayType"})
"""What a relay has from that api-version on."""


async def of_user(plane: Plane, ask: Ask, parts: Mapping[str, str]) -> Answer:
    """POST for the credential of a user."""
    method, has_proxy = _asked(ask.json())
    found = await plane.azure.cluster(plane.cluster_id(parts), ask.ids)
    config = _kubeconfig(found.name, method)
    value = base64.b64encode(config.encode()).decode()
    document: dict[str, Any] = {"kubeconfigs": [{"name": "credentialName1", "value": value}]}
    if has_proxy:
        relay = _relay(plane, found.name)
        is_old = ask.version < _WITH_TENANT
        document["hybridConnectionConfig"] = {
            name: value for name, value in relay.items() if not (is_old and name in _LATER)
        }
    return answers.found(document)


def _asked(document: Any) -> tuple[str, bool]:
    """Return how users show who they are, and whether they come through a proxy of their own."""
    fields = document if isinstance(document, dict) else {}
    method, has_proxy = fields.get("authenticationMethod"), fields.get("clientProxy")
    if method not in _METHODS or not isinstance(has_proxy, bool):
        message = "authenticationMethod must be Token or AAD, and clientProxy a boolean."
        raise answers.refusal(400, "InvalidRequestContent", message)
    return method, has_proxy


def _relay(plane: Plane, cluster: str) -> Mapping[str, Any]:
    now, seed = plane.now(), plane.recipe.seed
    connection = draws.guid(seed, "relay", cluster).replace("-", "")
    return {
        "expirationTime": int((now + _GOOD_FOR).timestamp()),
        "hybridConnectionName": f"microsoft.kubernetes/connectedclusters/{connection}",
        "relay": "simulated-relay",
        "token": f"SharedAccessSignature {draws.guid(seed, 'relay token', cluster)}",
        "relayTid": plane.tenant,
        "relayType": "Azure",
    }


def _kubeconfig(cluster: str, method: str) -> str:
    name = f"clusterUser_{cluster}_{method.lower()}"
    return (
        "apiVersion: v1\n"
        "kind: Config\n"
        f"clusters: [{{name: {cluster}, cluster: {{server: 'https://{cluster}.invalid'}}}}]\n"
        f"users: [{{name: {name}, user: {{}}}}]\n"
        f"contexts: [{{name: {cluster}, context: {{cluster: {cluster}, user: {name}}}}}]\n"
        f"current-context: {cluster}\n"
    )
