"""From rows of policy assignments and definitions to what each assignment deploys where.

Pure reading; asking for the rows is :mod:`fleet.azure.policies`' business.
Whoever may write a policy may write anything: what has not the shape it should
have is never an error. It is passed over where it can do no harm, and taken for
what would act where it can.

Source:  the structure of policy assignments, with overrides, and of policy set definitions.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fleet.azure.answers import Object
from fleet.azure.builtins import BUILT_IN, BuiltIn
from fleet.azure.templates import (
    DEPLOYS,
    Scope,
    auto_upgrade_of,
    defaults,
    deployments_of,
    given,
    listed,
    lowered,
    setting_text,
    text_of,
    value_of,
)
from fleet.model.cluster import AutoUpgrade, PolicyAssignment, PolicyDeployment

_PROVIDER = "/providers/microsoft.authorization/policyassignments/"
_IDLE = frozenset({"donotenforce", "enroll"})
_BY_REFERENCE = "policydefinitionreferenceid"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A policy definition."""

    id: str
    """Lower case."""
    rule: Object
    defaults: Scope


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Member:
    """A definition within an initiative."""

    definition_id: str
    reference_id: str
    parameters: object


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Initiative:
    """A policy set definition."""

    id: str
    """Lower case."""
    members: tuple[_Member, ...]
    defaults: Scope


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """The definitions that an assignment may be of."""

    definitions: Mapping[str, Definition]
    initiatives: Mapping[str, Initiative]


def definition(row: Object) -> Definition:
    """Read a row of a policy definition."""
    own = lowered(row.get("properties"))
    return Definition(
        id=text_of(row.get("id")).lower(),
        rule=own.get("policyrule") or {},
        defaults=defaults(own.get("parameters")),
    )


def initiative(row: Object) -> Initiative:
    """Read a row of a policy set definition."""
    own = lowered(row.get("properties"))
    return Initiative(
        id=text_of(row.get("id")).lower(),
        members=tuple(
            _Member(
                definition_id=text_of(one.get("policydefinitionid")).lower(),
                reference_id=text_of(one.get(_BY_REFERENCE)).lower(),
                parameters=one.get("parameters"),
            )
            for one in map(lowered, listed(own.get("policydefinitions")))
        ),
        defaults=defaults(own.get("parameters")),
    )


def may_deploy(found: Definition, extension_type: str) -> bool:
    """Tell whether some assignment of a definition may deploy that type."""
    kinds = {one.extension_type.lower() for one in deployments_of(found.rule, found.defaults)}
    # Without a default, an assignment's parameter says which.
    return bool(kinds & {extension_type.lower(), ""})


def assignment(row: Object, library: Library) -> PolicyAssignment:
    """Read a row of a policy assignment, with everything that it deploys."""
    own = lowered(row.get("properties"))
    own_id = text_of(row.get("id"))
    values = {
        name: fields["value"]
        for name, one in lowered(own.get("parameters")).items()
        if "value" in (fields := lowered(one))
    }
    kind = text_of(own.get("policydefinitionid")).lower()
    place, found, _ = own_id.lower().partition(_PROVIDER)
    above = own_id[: len(place)] if found else ""
    return PolicyAssignment(
        id=own_id,
        name=text_of(row.get("name")) or own_id.rpartition("/")[2],
        display_name=text_of(own.get("displayname")),
        scope=text_of(own.get("scope")) or above,
        not_scopes=tuple(filter(None, map(text_of, listed(own.get("notscopes"))))),
        # Source: DoNotEnforce and Enroll do not act; Default, or nothing, does.
        is_enforced=text_of(own.get("enforcementmode")).lower() not in _IDLE,
        deployments=tuple(_deployments(kind, values, library, own.get("overrides"))),
    )


def _deployments(
    kind: str, values: Scope, library: Library, overrides: object
) -> Iterator[PolicyDeployment]:
    found = library.initiatives.get(kind)
    if not kind:
        # Of what it is cannot be read, and it was asked for because it may deploy extensions.
        yield PolicyDeployment(extension_type="", effect=DEPLOYS)
        return
    if found is None:
        yield from _overridden(_of_definition(kind, values, library), overrides, "")
        return
    scope = {**found.defaults, **values}
    for member in found.members:
        inner = given(member.parameters, scope)
        deployed = _of_definition(member.definition_id, inner, library)
        yield from _overridden(deployed, overrides, member.reference_id)


def _of_definition(kind: str, values: Scope, library: Library) -> Sequence[PolicyDeployment]:
    known, read = BUILT_IN.get(kind), library.definitions.get(kind)
    if known is not None:
        return (_of_built_in(known, values),)
    return () if read is None else deployments_of(read.rule, {**read.defaults, **values})


def _of_built_in(known: BuiltIn, values: Scope) -> PolicyDeployment:
    flag: Any = known.has_auto_upgrade
    if known.auto_upgrade_parameter is not None:
        flag = values.get(known.auto_upgrade_parameter.lower(), flag)
    auto_upgrade = auto_upgrade_of(flag)
    version = values.get((known.version_parameter or "").lower())
    told = values.get((known.spared_parameter or "").lower())
    spared = known.spared_distributions if told is None else listed(told)
    settings = {
        setting: setting_text(values.get(parameter.lower(), known.setting_defaults.get(setting)))
        for setting, parameter in known.setting_parameters.items()
    }
    effect = value_of(values.get("effect", known.effect), {})
    return PolicyDeployment(
        extension_type=known.extension_type,
        effect=effect if isinstance(effect, str) else DEPLOYS,
        auto_upgrade=auto_upgrade,
        version=text_of(version) or None if auto_upgrade is AutoUpgrade.NONE else None,
        settings=settings,
        spared_distributions=tuple(filter(None, (text_of(one).lower() for one in spared))),
    )


def _overridden(
    deployed: Sequence[PolicyDeployment], overrides: object, reference_id: str
) -> Iterator[PolicyDeployment]:
    for one in deployed:
        effect = one.effect
        for override in map(lowered, listed(overrides)):
            effect = _effect(effect, override, reference_id)
        yield dataclasses.replace(one, effect=effect)


def _effect(effect: str, override: Mapping[str, Any], reference_id: str) -> str:
    """Return the effect that an override leaves; where it is for some only, the one that acts."""
    value = text_of(override.get("value"))
    if not value or text_of(override.get("kind")).lower() != "policyeffect":
        return effect
    selectors = [lowered(one) for one in listed(override.get("selectors"))]
    references = [one for one in selectors if text_of(one.get("kind")).lower() == _BY_REFERENCE]
    if not all(_selects(one, reference_id) for one in references):
        return effect
    is_for_all = len(references) == len(selectors)
    return value if is_for_all or value.lower() == DEPLOYS.lower() else effect


def _selects(selector: Mapping[str, Any], reference_id: str) -> bool:
    among = [text_of(one).lower() for one in listed(selector.get("in"))]
    without = [text_of(one).lower() for one in listed(selector.get("notin"))]
    return reference_id not in without and (not among or reference_id in among)
