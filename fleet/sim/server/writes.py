"""The bodies of writes, checked as the provider checks them.

Errors:  :class:`~fleet.sim.server.answers.RefusalError` with status 400.
Source:  the specification of PUT and PATCH; what a body may say together is the world's to judge
         (:mod:`fleet.sim.extension`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleet.model.cluster import AutoUpgrade
from fleet.model.plan import Verb
from fleet.ports import Write
from fleet.sim.server import answers
from fleet.sim.server.answers import RefusalError

_MODES = {mode.value: mode for mode in AutoUpgrade}
_PATCHED = frozenset(
    {
        "autoUpgradeMinorVersion",
        "autoUpgradeMode",
        "releaseTrain",
        "version",
        "configurationSettings",
        "configurationProtectedSettings",
    }
)


def put(document: Any) -> Write:
    """Return the write that a PUT's body asks for."""
    properties = _properties(document)
    extension_type = _text(properties, "extensionType")
    if not extension_type:
        raise _bad(message="The property 'extensionType' is required.")
    return _write(Verb.PUT, properties, extension_type=extension_type)


def patch(document: Any) -> Write:
    """Return the write that a PATCH's body asks for."""
    properties = _properties(document)
    unknown = sorted(properties.keys() - _PATCHED)
    if unknown:
        raise _bad(message=f"The property '{unknown[0]}' cannot be changed by PATCH.")
    return _write(Verb.PATCH, properties, extension_type="")


def delete() -> Write:
    """Return the write that a DELETE is."""
    return _write(Verb.DELETE, {}, extension_type="")


def _write(verb: Verb, properties: Mapping[str, Any], *, extension_type: str) -> Write:
    return Write(
        verb=verb,
        extension_type=extension_type,
        namespace=_namespace(properties.get("scope")),
        location="",
        version=_text(properties, "version") or None,
        auto_upgrade=_auto_upgrade(properties),
        release_train=_text(properties, "releaseTrain") or None,
        settings=_map(properties, "configurationSettings"),
        protected=_map(properties, "configurationProtectedSettings"),
        is_namespaced=bool((properties.get("scope") or {}).get("namespace")),
    )


def _properties(document: Any) -> Mapping[str, Any]:
    properties = document.get("properties") if isinstance(document, dict) else None
    if not isinstance(properties, dict):
        raise _bad(message="The request body must be an object with 'properties'.")
    return properties


def _text(properties: Mapping[str, Any], name: str) -> str | None:
    value = properties.get(name)
    if value is not None and not isinstance(value, str):
        raise _bad(message=f"The property '{name}' must be a string.")
    return value


def _map(properties: Mapping[str, Any], name: str) -> Mapping[str, str] | None:
    value = properties.get(name)
    if value is None:
        return None
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        raise _bad(message=f"The property '{name}' must be an object whose values are strings.")
    return value


def _auto_upgrade(properties: Mapping[str, Any]) -> AutoUpgrade | None:
    mode = properties.get("autoUpgradeMode")
    if mode is not None:
        found = _MODES.get(mode.lower()) if isinstance(mode, str) else None
        if found is None:
            raise _bad(message="The property 'autoUpgradeMode' must be none, patch or compatible.")
        return found
    flag = properties.get("autoUpgradeMinorVersion")
    if flag is not None and not isinstance(flag, bool):
        raise _bad(message="The property 'autoUpgradeMinorVersion' must be a boolean.")
    return None if flag is None else AutoUpgrade.COMPATIBLE if flag else AutoUpgrade.NONE


def _namespace(scope: Any) -> str | None:
    if scope is None:
        return None
    if not isinstance(scope, dict) or len(scope.keys() & {"cluster", "namespace"}) > 1:
        raise _bad(message="The property 'scope' must name either a cluster or a namespace.")
    of_cluster, of_namespace = scope.get("cluster") or {}, scope.get("namespace") or {}
    if not isinstance(of_cluster, dict) or not isinstance(of_namespace, dict):
        raise _bad(message="The property 'scope' must name either a cluster or a namespace.")
    return _text(of_cluster, "releaseNamespace") or _text(of_namespace, "targetNamespace")


def _bad(*, message: str) -> RefusalError:
    return RefusalError(answers.by_provider(400, "BadRequest", message))
