"""From a write to the JSON that is sent: what a PUT replaces with, what a PATCH carries.

Errors:  :exc:`InputError` for what the api-version has no words for; nothing was sent then.
Source:  what the Azure CLI's k8s-extension 1.7.0 sends; PatchExtension of the specification.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_never

import orjson

from fleet.azure.paths import EXTENSIONS_API
from fleet.errors import InputError
from fleet.model.cluster import AutoUpgrade
from fleet.model.plan import Verb
from fleet.ports import Write


def body_of(write: Write) -> bytes | None:
    """Return the body of *write*; ``None`` for a DELETE."""
    match write.verb:
        case Verb.PUT:
            # Source: the CLI sends no location for the extension; the identity is the service's
            # to make, in the cluster's location.
            return orjson.dumps(
                {"identity": {"type": "SystemAssigned"}, "properties": _replacing(write)}
            )
        case Verb.PATCH:
            return orjson.dumps({"properties": _carried(write)})
        case Verb.DELETE:
            return None
        case _:
            assert_never(write.verb)


def _replacing(write: Write) -> Mapping[str, Any]:
    namespace = {"releaseNamespace": write.namespace} if write.namespace else {}
    return {
        # Source: types are in lower case in every recorded request.
        "extensionType": write.extension_type.lower(),
        **_carried(write),
        "scope": {"cluster": namespace},
        "configurationSettings": dict(write.settings or {}),
        "configurationProtectedSettings": dict(write.protected or {}),
    }


def _carried(write: Write) -> Mapping[str, Any]:
    fields: Mapping[str, Any] = {
        "autoUpgradeMinorVersion": _flag(write.auto_upgrade),
        "releaseTrain": write.release_train,
        "version": write.version,
        "configurationSettings": None if write.settings is None else dict(write.settings),
        "configurationProtectedSettings": (
            None if write.protected is None else dict(write.protected)
        ),
    }
    return {name: value for name, value in fields.items() if value is not None}


def _flag(auto_upgrade: AutoUpgrade | None) -> bool | None:
    match auto_upgrade:
        case None:
            return None
        case AutoUpgrade.NONE:
            return False
        case AutoUpgrade.COMPATIBLE:
            return True
        case AutoUpgrade.PATCH:
            message = f"autoUpgrade: patch cannot be said in api-version {EXTENSIONS_API}"
            raise InputError(message, hint="Use none or compatible.")
        case _:
            assert_never(auto_upgrade)
