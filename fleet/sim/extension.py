"""What a write makes of an extension: PUT replaces, PATCH changes what it carries.

Arithmetic on frozen values; when it takes effect and whether it goes well is
decided in :mod:`fleet.sim.operations` and :mod:`fleet.sim.faults`.

Errors:  :exc:`~fleet.errors.RemoteError` with status 400 or 404, as the service would refuse.
Source:  Microsoft.KubernetesConfiguration/extensions, api-version 2023-05-01.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

from fleet.errors import RemoteError
from fleet.model import codec, versions
from fleet.model.cluster import AutoUpgrade, Extension, ProvisioningState
from fleet.model.plan import Verb
from fleet.sim import messages
from fleet.sim.calls import Body, Call
from fleet.sim.recipe import ExtensionRecipe, PatchSettings

DEFAULT_TRAIN = "Stable"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What a write aims at."""

    extension: Extension | None
    """As it will be when all went well; ``None``: gone."""
    problem: str | None = None
    """Why that cannot be: what the operation will say."""
    is_change: bool = True


def outlook(
    call: Call,
    found: Extension | None,
    *,
    kind: ExtensionRecipe | None,
    patch_settings: PatchSettings,
) -> Outlook:
    """Return what *call* makes of the extension that was found; refuse what the service refuses."""
    if call.verb is Verb.DELETE:
        return Outlook(extension=None, is_change=found is not None)
    if call.verb is Verb.PUT:
        aim = _put(call, found, kind=kind)
    elif found is None:
        raise RemoteError(messages.no_extension(call.name), status=404)
    else:
        aim = _patched(call.body, found, patch_settings=patch_settings)
    if call.verb is Verb.PATCH and _is_same(aim, found, call.body):
        return Outlook(extension=found, is_change=False)
    aim = dataclasses.replace(aim, modified_at=codec.utc_text(call.at))
    return _resolved(aim, kind=kind) if _chooses(call) else Outlook(extension=aim)


def failed(extension: Extension, error: str) -> Extension:
    """Return the extension as a failed write leaves it."""
    # Source: recorded: a failed pin reads back with version and currentVersion both set to it.
    return dataclasses.replace(extension, provisioning_state=ProvisioningState.FAILED, error=error)


def best(found: Extension, *, kind: ExtensionRecipe) -> str | None:
    """Return the version that auto-upgrade moves an extension to; ``None``: it stays."""
    current = versions.parse_or_none(found.current_version or "")
    offered = kind.versions.get(found.release_train.lower(), ())
    if current is None or found.auto_upgrade is AutoUpgrade.NONE:
        return None
    # Source: never across majors; "patch" stays on the minor as well.
    depth = 2 if found.auto_upgrade is AutoUpgrade.PATCH else 1
    near = [
        text
        for text in offered
        if (one := versions.parse_or_none(text)) and one.release[:depth] == current.release[:depth]
    ]
    return near[-1] if near and near[-1] != found.current_version else None


def _put(call: Call, found: Extension | None, *, kind: ExtensionRecipe | None) -> Extension:
    body = call.body
    if found is not None and found.extension_type != body.extension_type.lower():
        problem = messages.other_type(name=call.name, found=found.extension_type)
        raise RemoteError(problem, status=400)
    # Source: the flag's default is true, and false where a version came without it.
    flag = body.auto_upgrade or (AutoUpgrade.COMPATIBLE if body.version is None else None)
    flag = flag or AutoUpgrade.NONE
    _check_pin(body.version, flag)
    return Extension(
        name=found.name if found else call.name,
        extension_type=body.extension_type.lower(),
        version=body.version,
        current_version=body.version or (found.current_version if found else None),
        auto_upgrade=flag,
        release_train=body.release_train or DEFAULT_TRAIN,
        provisioning_state=ProvisioningState.SUCCEEDED,
        settings=MappingProxyType(dict(body.settings or {})),
        protected_keys=tuple(sorted(body.protected or ())),
        namespace=body.namespace or (kind.namespace if kind else None),
        is_namespaced=body.is_namespaced,
        is_system=found.is_system if found else False,
        is_read_only=found.is_read_only if found else False,
    )


def _patched(body: Body, found: Extension, *, patch_settings: PatchSettings) -> Extension:
    flag = found.auto_upgrade if body.auto_upgrade is None else body.auto_upgrade
    if body.version is not None:
        _check_pin(body.version, flag)
    # Source: an extension whose version the service chooses reads back with a null version.
    version = body.version or (found.version if flag is AutoUpgrade.NONE else None)
    _check_pin(version, flag)
    return dataclasses.replace(
        found,
        version=version,
        current_version=version or found.current_version,
        auto_upgrade=flag,
        release_train=_train(body.release_train, found.release_train),
        provisioning_state=ProvisioningState.SUCCEEDED,
        error=None,
        settings=_settings(body.settings, found.settings, patch_settings=patch_settings),
        # Source: protected settings come whole: what is left out of a map that is sent is deleted.
        protected_keys=(
            found.protected_keys if body.protected is None else tuple(sorted(body.protected))
        ),
    )


def _train(sent: str | None, found: str) -> str:
    # Source: trains are compared without case; one that only differs in it is no change.
    return found if sent is None or sent.lower() == found.lower() else sent


def _settings(
    sent: Mapping[str, str] | None, found: Mapping[str, str], *, patch_settings: PatchSettings
) -> Mapping[str, str]:
    if sent is None:
        return found
    kept = found if patch_settings is PatchSettings.MERGE else {}
    return MappingProxyType({**kept, **sent})


def _check_pin(version: str | None, flag: AutoUpgrade) -> None:
    # Source: from 2023-05-01 on, a version with auto-upgrade on is refused, and off needs one.
    if version is not None and flag is not AutoUpgrade.NONE:
        raise RemoteError(messages.PIN_WITH_AUTO_UPGRADE, status=400)
    if version is None and flag is AutoUpgrade.NONE:
        raise RemoteError(messages.PIN_WITHOUT_VERSION, status=400)


def _is_same(aim: Extension, found: Extension | None, body: Body) -> bool:
    # A protected value may differ behind the same name: sending one is always a change.
    return aim == found and body.protected is None


def _chooses(call: Call) -> bool:
    """Tell whether a write makes the service look for a version; settings alone do not."""
    body = call.body
    return call.verb is Verb.PUT or (body.version, body.release_train, body.auto_upgrade) != (
        None,
        None,
        None,
    )


def _resolved(aim: Extension, *, kind: ExtensionRecipe | None) -> Outlook:
    offered = kind.versions.get(aim.release_train.lower(), ()) if kind else ()
    is_offered = bool(offered) if aim.version is None else aim.version in offered
    if not is_offered:
        problem = messages.unresolved(
            extension_type=aim.extension_type, train=aim.release_train, version=aim.version
        )
        return Outlook(extension=aim, problem=problem)
    current = aim.version or aim.current_version or offered[-1]
    return Outlook(extension=dataclasses.replace(aim, current_version=current))
