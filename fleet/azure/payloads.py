"""From the JSON of extensions and clusters to our values; the only reader of their shapes.

Names of properties are read without regard to case: Resource Graph has been
seen to write ``ExtensionType`` where Resource Manager writes ``extensionType``.
The keys of settings keep theirs. Of protected settings only names are kept.

What is absent, or null, is what the specification says it is then. What is there
and has not the shape that it should have is never taken for absent: a version
that is a number, or a flag that is neither on nor off, is an error.

Errors:  :exc:`UnexpectedPayloadError`, naming the field and the id.
Source:  recorded GETs of api-versions 2020-07-01-preview to 2024-11-01.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import functools
from collections.abc import Mapping
from typing import Any, NoReturn, TypeVar

import orjson

from fleet.azure.answers import line, plausible, problem_in
from fleet.azure.paths import parts_of
from fleet.errors import UnexpectedPayloadError
from fleet.model.cluster import (
    AutoUpgrade,
    Cluster,
    ClusterId,
    Connectivity,
    Extension,
    ProvisioningState,
    UnreadExtension,
)

W = TypeVar("W", bound=enum.StrEnum)

_ROW = "a row of Resource Graph"
_DEFAULT_TRAIN = "stable"
_LONGEST_ERROR = 1200
_LONGEST_TEXT = 1024
"""Characters of a text that is a name, a word or a version; a longer one is none of these."""
_LONGEST_ID = 300
# Source: api-version 2020-07-01-preview has no provisioningState.
_FLAGS = {"true": True, "false": False}
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
    auto_upgrade = _auto_upgrade(own, where)
    version = _optional(own, "version", where)
    installed = _optional(own, "installedVersion", where) or version
    has_current = "currentversion" in own
    return Extension(
        name=_required(top, "name", where),
        extension_type=_required(own, "extensionType", where).lower(),
        # Source: below api-version 2022-11-01, version holds what auto-upgrade chose.
        version=version if auto_upgrade is AutoUpgrade.NONE else None,
        current_version=_optional(own, "currentVersion", where) if has_current else installed,
        auto_upgrade=auto_upgrade,
        release_train=_optional(own, "releaseTrain", where) or _DEFAULT_TRAIN,
        provisioning_state=_state(own),
        settings=_settings(own.get("configurationsettings"), "configurationSettings", where),
        protected_keys=tuple(
            sorted(_map(own.get("configurationprotectedsettings"), "protected settings", where))
        ),
        namespace=_namespace(own.get("scope")),
        is_namespaced=bool(_lowered(_lowered(own.get("scope")).get("namespace"))),
        is_system=_flag(own, "isSystemExtension", where) is True,
        is_read_only=_is_read_only(own, where),
        modified_at=_text(_lowered(top.get("systemdata")).get("lastmodifiedat")),
        error=_error(own),
    )


def cluster(body: object, *, where: str, extensions: tuple[Extension, ...] = ()) -> Cluster:
    """Read a connected cluster, as a GET shows it; connected only with a last heartbeat.

    Args:
        body: The resource.
        where: Its id, for messages.
        extensions: Those found on it.
    """
    top = _fields(body, "cluster", where)
    own = _lowered(top.get("properties"))
    found = _cluster(top, own, where, extensions)
    if found.is_reachable and found.last_connectivity_at is None:
        # Source: lastConnectivityTime is absent until a cluster's agents are first heard of.
        return dataclasses.replace(found, connectivity=Connectivity.UNKNOWN)
    return found


def row(body: object) -> Cluster:
    """Read a cluster with its extensions, as a row of our query shows them.

    An extension that cannot be read is no reason to know nothing of the cluster, nor of all others:
    it is told as that.
    """
    top = _fields(body, "row", _ROW)
    where = _required(top, "id", _ROW)
    found = top.get("extensions")
    if found is not None and not isinstance(found, list):
        _refuse("extensions", where)
    read: list[Extension] = []
    unread: list[UnreadExtension] = []
    for one in found or ():
        try:
            read.append(extension(one, where=f"an extension on {where}"))
        except UnexpectedPayloadError as error:
            unread.append(_unread(one, error))
    read.sort(key=lambda one: (one.name.lower(), one.name))
    seen = _cluster(top, top, where, tuple(read))
    return dataclasses.replace(seen, unread=tuple(unread)) if unread else seen


def _unread(body: object, error: UnexpectedPayloadError) -> UnreadExtension:
    top = _lowered(body)
    kind = _text(_lowered(top.get("properties")).get("extensiontype"))
    return UnreadExtension(
        name=_text(top.get("name")),
        extension_type=kind.lower() if kind else None,
        # Behind the place, which is told beside it.
        why=error.message.rpartition(": ")[2],
    )


def _cluster(
    top: Mapping[str, Any],
    own: Mapping[str, Any],
    where: str,
    extensions: tuple[Extension, ...],
) -> Cluster:
    own_id = _required(top, "id", where)
    parts = parts_of(own_id)
    heard_at = _moment(own.get("lastconnectivitytime"))
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
        last_connectivity_at=heard_at,
        tags=_settings(top.get("tags"), "tags", own_id),
        extensions=extensions,
    )


def _auto_upgrade(own: Mapping[str, Any], where: str) -> AutoUpgrade:
    mode = _word(AutoUpgrade, own.get("autoupgrademode"))
    if mode is not None:
        return mode
    flag = _flag(own, "autoUpgradeMinorVersion", where)
    if flag is None and own.get("autoupgrademode") is not None:
        _refuse("autoUpgradeMode", where)
    # Source: the specification's default is true.
    if flag is not False:
        return AutoUpgrade.COMPATIBLE
    # Source: the service takes no "off" without a version. So where one can be shown and none is,
    # minors are not chosen and patches are: that mode, in the words of an api-version without it.
    has_pin = "currentversion" not in own or _text(own.get("version")) is not None
    return AutoUpgrade.NONE if has_pin else AutoUpgrade.PATCH


def _state(own: Mapping[str, Any]) -> ProvisioningState:
    if own.get("provisioningstate") is not None:
        return _word(ProvisioningState, own["provisioningstate"]) or ProvisioningState.UNKNOWN
    # NB: RPC v1.0 takes an absent provisioningState for Succeeded. This provider was never seen to
    # leave both names out, so where they are missing nothing is known; success needs to be said.
    old = _text(own.get("installstate")) or ""
    return _OLD_STATES.get(old.lower(), ProvisioningState.UNKNOWN)


def _error(own: Mapping[str, Any]) -> str | None:
    statuses = own.get("statuses")
    for status in statuses if isinstance(statuses, list) else ():
        fields = _lowered(status)
        is_error = _is(fields.get("level"), "error")
        if is_error or "failed" in (_text(fields.get("code")) or "").lower():
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


def _is_read_only(own: Mapping[str, Any], where: str) -> bool:
    details = own.get("managementdetails")
    access = _lowered(details).get("accessdetails")
    if not isinstance(details, dict | None) or not isinstance(access, list | None):
        _refuse("managementDetails", where)
    for one in access or ():
        fields = _lowered(one)
        if not fields or not isinstance(fields.get("entity"), str):
            _refuse("managementDetails", where)
        if _is(fields["entity"], "users"):
            return _allows_reading_only(fields.get("allowedactions"), where)
    return False


def _allows_reading_only(actions: object, where: str) -> bool:
    if not isinstance(actions, list | None):
        _refuse("managementDetails", where)
    return actions is not None and all(_is(action, "read") for action in actions)


def _settings(value: object, field: str, where: str) -> Mapping[str, str]:
    try:
        return {key: _value(one) for key, one in _map(value, field, where).items()}
    except TypeError:  # deeper than the encoder goes
        _refuse(field, where)


def _map(value: object, field: str, where: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        _refuse(field, where)
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
        return plausible(dt.datetime.fromisoformat(_text(value) or ""))
    except ValueError:
        return None


def _flag(own: Mapping[str, Any], name: str, where: str) -> bool | None:
    """Return whether it is on; ``None`` where nothing is said."""
    value = own.get(name.lower())
    if value is None or isinstance(value, bool):
        return value
    found = _FLAGS.get(value.lower()) if isinstance(value, str) else None
    if found is None:
        _refuse(name, where)
    return found


def _is(value: object, word: str) -> bool:
    return isinstance(value, str) and value.lower() == word


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= _LONGEST_TEXT else None


def _optional(own: Mapping[str, Any], name: str, where: str) -> str | None:
    """Return a text; ``None`` where nothing is said."""
    value = own.get(name.lower())
    if value is None or value == "":
        return None
    found = _text(value)
    if found is None:
        _refuse(name, where)
    return found


def _required(fields: Mapping[str, Any], name: str, where: str) -> str:
    found = _text(fields.get(name.lower()))
    if found is None:
        _refuse(name, where)
    return found


def _fields(value: object, name: str, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        _refuse(name, where)
    return _lowered(value)


def _lowered(value: object) -> Mapping[str, Any]:
    return {key.lower(): one for key, one in value.items()} if isinstance(value, dict) else {}


def _refuse(field: str, where: str) -> NoReturn:
    place = line(where, longest=_LONGEST_ID)
    message = f"{place}: {field} is missing or cannot be read"
    raise UnexpectedPayloadError(message)
