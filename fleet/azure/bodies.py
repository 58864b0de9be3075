"""From a write to the JSON that is sent: what a PUT replaces with, what a PATCH carries.

Errors:  :exc:`InputError` for what the api-version has no words for; nothing was sent then.
Source:  what the Azure CLI's k8s-extension 1.7.0 sends; PatchExtension of the specification.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_never

import orjson

from fleet.azure import paths
from fleet.errors import InputError, InvariantError
from fleet.model.cluster import AutoUpgrade
from fleet.model.plan import Verb
from fleet.ports import Write


def body_of(write: Write, *, api_version: str) -> bytes | None:
    """Return the body of *write*, in the words of *api_version*; ``None`` for a DELETE."""
    match write.verb:
        case Verb.PUT:
            # Source: the CLI sends no location for the extension; the identity is the service's
            # to make, in the cluster's location.
            properties = _replacing(write, api_version)
            return orjson.dumps({"identity": {"type": "SystemAssigned"}, "properties": properties})
        case Verb.PATCH:
            return orjson.dumps({"properties": _carried(write, api_version)})
        case Verb.DELETE:
            return None
        case Verb.CONFIGURE:
            message = "what is configured inside a cluster is no request to Azure"
            raise InvariantError(message)
        case _:
            assert_never(write.verb)


def _replacing(write: Write, api_version: str) -> Mapping[str, Any]:
    return {
        # Source: types are in lower case in every recorded request.
        "extensionType": write.extension_type.lower(),
        **_carried(write, api_version),
        "scope": _scope(write),
        "configurationSettings": dict(write.settings or {}),
        "configurationProtectedSettings": dict(write.protected or {}),
    }


def _scope(write: Write) -> Mapping[str, Any]:
    if write.is_namespaced:
        return {"namespace": {"targetNamespace": write.namespace}}
    return {"cluster": {"releaseNamespace": write.namespace} if write.namespace else {}}


def _carried(write: Write, api_version: str) -> Mapping[str, Any]:
    fields: Mapping[str, Any] = {
        **_auto_upgrade(write.auto_upgrade, api_version),
        "releaseTrain": write.release_train,
        "version": write.version,
        "configurationSettings": None if write.settings is None else dict(write.settings),
        "configurationProtectedSettings": (
            None if write.protected is None else dict(write.protected)
        ),
    }
    return {name: value for name, value in fields.items() if value is not None}


def _auto_upgrade(auto_upgrade: AutoUpgrade | None, api_version: str) -> Mapping[str, Any]:
    """Return the one field that says it: the mode where there is one, else the flag."""
    if auto_upgrade is None:
        return {}
    if paths.has_modes(api_version):
        return {"autoUpgradeMode": auto_upgrade.value}
    if auto_upgrade is AutoUpgrade.PATCH:
        message = f"autoUpgrade: patch cannot be said in api-version {api_version}"
        raise InputError(message, hint="Use none or compatible, or name a later --api-version.")
    return {"autoUpgradeMinorVersion": auto_upgrade is AutoUpgrade.COMPATIBLE}
