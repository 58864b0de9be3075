"""From the JSON of extensions and clusters to our values; the only reader of their shapes.

Names of properties are read without regard to case: Resource Graph has been
seen to write ``ExtensionType`` where Resource Manager writes ``extensionType``.
The keys of settings keep theirs. Of protected settings only names are kept.

Errors:  :exc:`UnexpectedPayloadError`, naming the field and the id.
Source:  recorded GETs of api-versions 2020-07-01-preview to 2024-11-01.
"""

from __future__ import annotations

import datetime as dt
import enum
import functools
from collections.abc import Mapping
from typing import Any, TypeVar

import orjson

from fleet.azure.answers import line, problem_in
from fleet.azure.paths import parts_of
from fleet.errors import UnexpectedPayloadError
from fleet.model.cluster import (
    AutoUpgrade,
    Cluster,
    ClusterId,
    Connectivity,
    Extension,
    ProvisioningState,
)

W = TypeVar("W", bound=enum.StrEnum)

_ROW = "a row of Resource Graph"
_DEFAULT_TRAIN = "stable"
_LONGEST_ERROR = 1200
# Source: api-version 2020-07-01-preview has no provisioningState.
_OLD_STATES = {
    "pending": ProvisioningState.CREATING,
    "installed": ProvisioningState.SUCCEEDED,
    "failed": ProvisioningState.FAILED,
}


def extension(body: object, *, where: str) -> Extension:
    """Read an extension.

    Args:
        body: As a GET, a write's answer or Resource Graph shows it.
        where: Its id, or what it was found on, for messages.
    """
    top = _fields(body, "extension", where)
    where = _text(top.get("id")) or where
    own = _fields(top.get("properties"), "properties", where)
    auto_upgrade = _auto_upgrade(own)
    version = _text(own.get("version"))
    installed = _text(own.get("installedversion")) or version
    return Extension(
        name=_required(top, "name", where),
        extension_type=_required(own, "extensionType", where).lower(),
        # Source: below api-version 2022-11-01, version holds what auto-upgrade chose.
        version=version if auto_upgrade is AutoUpgrade.NONE else None,
        current_version=_text(own["currentversion"]) if "currentversion" in own else installed,
        auto_upgrade=auto_upgrade,
        release_train=_text(own.get("releasetrain")) or _DEFAULT_TRAIN,
        provisioning_state=_state(own),
        settings=_settings(own.get("configurationsettings"), "configurationSettings", where),
        protected_keys=tuple(
            sorted(_map(own.get("configurationprotectedsettings"), "protected settings", where))
        ),
        namespace=_namespace(own.get("scope")),
        is_system=_flag(own.get("issystemextension")) is True,
        is_read_only=_is_read_only(own.get("managementdetails")),
        modified_at=_text(_lowered(top.get("systemdata")).get("lastmodifiedat")),
        error=_error(own),
    )


def cluster(body: object, *, where: str, extensions: tuple[Extension, ...] = ()) -> Cluster:
    """Read a connected cluster, as a GET shows it.

    Args:
        body: The resource.
        where: Its id, for messages.
        extensions: Those found on it.
    """
    top = _fields(body, "cluster", where)
    own = _lowered(top.get("properties"))
    return _cluster(top, own, where, extensions)


def row(body: object) -> Cluster:
    """Read a cluster with its extensions, as a row of our query shows them."""
    top = _fields(body, "row", _ROW)
    where = _required(top, "id", _ROW)
    found = top.get("extensions")
    if found is not None and not isinstance(found, list):
        message = f"{where}: extensions cannot be read"
        raise UnexpectedPayloadError(message)
    extensions = tuple(
        sorted(
            (extension(one, where=f"an extension on {where}") for one in found or ()),
            key=lambda one: (one.name.lower(), one.name),
        )
    )
    return _cluster(top, top, where, extensions)


def _cluster(
    top: Mapping[str, Any],
    own: Mapping[str, Any],
    where: str,
    extensions: tuple[Extension, ...],
) -> Cluster:
    own_id = _required(top, "id", where)
    parts = parts_of(own_id)
    return Cluster(
        id=ClusterId(own_id),
        name=_text(top.get("name")) or parts.name,
        subscription=parts.subscription,
        resource_group=parts.resource_group,
        location=_required(top, "location", own_id).lower(),
        distribution=(_text(own.get("distribution")) or "").lower(),
        kubernetes_version=_text(own.get("kubernetesversion")),
        agent_version=_text(own.get("agentversion")),
        connectivity=_word(Connectivity, own.get("connectivitystatus")) or Connectivity.UNKNOWN,
        last_connectivity_at=_moment(own.get("lastconnectivitytime")),
        tags=_settings(top.get("tags"), "tags", own_id),
        extensions=extensions,
    )


def _auto_upgrade(own: Mapping[str, Any]) -> AutoUpgrade:
    mode = _word(AutoUpgrade, own.get("autoupgrademode"))
    if mode is not None:
        return mode
    # Source: the specification's default is true.
    if _flag(own.get("autoupgrademinorversion")) is not False:
        return AutoUpgrade.COMPATIBLE
    # Source: the service takes no "off" without a version. So where one can be shown and none is,
    # minors are not chosen and patches are: that mode, in the words of an api-version without it.
    has_pin = "currentversion" not in own or _text(own.get("version")) is not None
    return AutoUpgrade.NONE if has_pin else AutoUpgrade.PATCH


def _state(own: Mapping[str, Any]) -> ProvisioningState:
    text = _text(own.get("provisioningstate"))
    if text is not None:
        return _word(ProvisioningState, text) or ProvisioningState.UNKNOWN
    old = _text(own.get("installstate"))
    if old is not None:
        return _OLD_STATES.get(old.lower(), ProvisioningState.UNKNOWN)
    # Source: RPC v1.0, common-api-details: where provisioningState is absent, it is Succeeded.
    return ProvisioningState.SUCCEEDED


def _error(own: Mapping[str, Any]) -> str | None:
    statuses = own.get("statuses")
    for status in statuses if isinstance(statuses, list) else ():
        fields = _lowered(status)
        is_error = str(fields.get("level")).lower() == "error"
        if is_error or "failed" in str(fields.get("code")).lower():
            return _one_line(fields)
    info = own.get("errorinfo")
    return _one_line(info) if isinstance(info, dict) else None


def _one_line(error: object) -> str | None:
    found = problem_in(error)
    text = ": ".join(part for part in (found.code, found.message) if part)
    return line(text, longest=_LONGEST_ERROR) or None


def _namespace(scope: object) -> str | None:
    fields = _lowered(scope)
    return _text(_lowered(fields.get("cluster")).get("releasenamespace")) or _text(
        _lowered(fields.get("namespace")).get("targetnamespace")
    )


def _is_read_only(details: object) -> bool:
    access = _lowered(details).get("accessdetails")
    for one in access if isinstance(access, list) else ():
        fields = _lowered(one)
        actions = fields.get("allowedactions")
        if str(fields.get("entity")).lower() == "users" and isinstance(actions, list):
            return all(str(action).lower() == "read" for action in actions)
    return False


def _settings(value: object, field: str, where: str) -> Mapping[str, str]:
    return {key: _value(one) for key, one in _map(value, field, where).items()}


def _map(value: object, field: str, where: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _unreadable(field, where)
    return value


def _value(value: object) -> str:
    if isinstance(value, str):
        return value
    # Settings are text by specification; what is not, is shown as JSON shows it.
    return "" if value is None else orjson.dumps(value).decode()


def _word(cls: type[W], value: object) -> W | None:
    return _words(cls).get(value.lower()) if isinstance(value, str) else None


@functools.cache
def _words(cls: type[W]) -> Mapping[str, W]:
    return {one.value.lower(): one for one in cls}


def _moment(value: object) -> dt.datetime | None:
    try:
        found = dt.datetime.fromisoformat(_text(value) or "")
    except ValueError:
        return None
    return found.astimezone(dt.UTC) if found.tzinfo else found.replace(tzinfo=dt.UTC)


def _flag(value: object) -> bool | None:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower())
    return value if isinstance(value, bool) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _required(fields: Mapping[str, Any], name: str, where: str) -> str:
    found = _text(fields.get(name.lower()))
    if found is None:
        raise _unreadable(name, where)
    return found


def _fields(value: object, name: str, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _unreadable(name, where)
    return _lowered(value)


def _lowered(value: object) -> Mapping[str, Any]:
    return {key.lower(): one for key, one in value.items()} if isinstance(value, dict) else {}


def _unreadable(field: str, where: str) -> UnexpectedPayloadError:
    return UnexpectedPayloadError(f"{where}: {field} is missing or cannot be read")
