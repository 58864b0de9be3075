"""What a policy definition deploys, read out of its rule and the template within it.

Expressions are not computed. One that only names a parameter or a variable is
looked up, through nested templates too; of any other the value is not known,
and whoever asks is told so.

Shapes:  a scope is ``{name of a parameter, lower case: its value}``.
Source:  the structure of policy definitions and of deployment templates; built-in definitions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fleet.model.cluster import AutoUpgrade, PolicyDeployment

Scope = Mapping[str, Any]

DEPLOYS = "DeployIfNotExists"
UNKNOWN = object()
"""The value of an expression that would have to be computed."""

_PROVIDER = "microsoft.kubernetesconfiguration"
_EXTENSIONS = f"{_PROVIDER}/extensions"
_OLD_EXTENSIONS = "/providers/extensions"
_DEPLOYMENTS = "microsoft.resources/deployments"
_ELSEWHERE = "microsoft.containerservice/managedclusters"
_LOOKUP = re.compile(r"\[\s*(parameters|variables)\(\s*'([^']+)'\s*\)\s*\]", re.IGNORECASE)
_DEEPEST = 8
_NO_SETTING = "(no text)"
"""In the place of a setting that is none: equal to nothing that anybody wishes for."""


def lowered(value: object) -> Mapping[str, Any]:
    """Return an object's keys in lower case; nothing of what is no object."""
    return {str(key).lower(): one for key, one in value.items()} if isinstance(value, dict) else {}


def listed(value: object) -> Iterable[Any]:
    """Return a list; nothing of what is none."""
    return value if isinstance(value, list) else ()


def value_of(expression: object, scope: Scope, variables: Scope | None = None) -> Any:
    """Return what *expression* stands for, or :data:`UNKNOWN`."""
    if not isinstance(expression, str) or not expression.startswith("["):
        return expression
    if expression.startswith("[["):
        return expression[1:]
    found = _LOOKUP.fullmatch(expression)
    if found is None:
        return UNKNOWN
    name = found[2].lower()
    if found[1].lower() == "parameters":
        return scope.get(name, UNKNOWN)
    inner = (variables or {}).get(name, UNKNOWN)
    # NB: a variable may name a parameter, and is never followed further: no circles.
    return value_of(inner, scope)


def given(parameters: object, scope: Scope) -> Scope:
    """Return ``{"name": {"value": ...}}`` as a scope, with what its expressions mean in *scope*."""
    return {
        name: value_of(fields["value"], scope)
        for name, one in lowered(parameters).items()
        if "value" in (fields := lowered(one))
    }


def defaults(parameters: object) -> Scope:
    """Return the defaults of declared parameters as a scope."""
    return {
        name: fields["defaultvalue"]
        for name, one in lowered(parameters).items()
        if "defaultvalue" in (fields := lowered(one))
    }


def deployments_of(rule: object, scope: Scope) -> tuple[PolicyDeployment, ...]:
    """Return the extensions that a policy rule deploys; of an unknown type the name is empty.

    Args:
        rule: ``policyRule`` of a definition.
        scope: The definition's parameters, as the assignment has them.
    """
    then = lowered(lowered(rule).get("then"))
    details = lowered(then.get("details"))
    # An effect that cannot be told is taken for the one that acts.
    effect = text_of(value_of(then.get("effect"), scope)) or DEPLOYS
    own = lowered(lowered(details.get("deployment")).get("properties"))
    inner = given(own.get("parameters"), scope)
    asked = _asked_type(details.get("existencecondition"), scope)
    found = [
        _deployment(resource, within, variables, effect=effect, asked=asked)
        for resource, within, variables in _extensions(own.get("template"), inner, _DEEPEST)
    ]
    is_about_extensions = text_of(details.get("type")).lower() == _EXTENSIONS
    if not found and is_about_extensions and details.get("deployment") is not None:
        # The template lies elsewhere, or in a form that is not read here.
        found = [PolicyDeployment(extension_type=asked, effect=effect)]
    return tuple({_key(one): one for one in found}.values())


def _key(one: PolicyDeployment) -> tuple[object, ...]:
    settings = tuple(sorted(one.settings.items()))
    return one.extension_type, one.effect, one.auto_upgrade, one.version, settings


def _extensions(
    template: object, scope: Scope, depth: int
) -> Iterator[tuple[Mapping[str, Any], Scope, Scope]]:
    """Yield the extensions in a template, with the parameters and variables they are read with."""
    fields = lowered(template)
    scope = {**defaults(fields.get("parameters")), **scope}
    variables = lowered(fields.get("variables"))
    yield from _among(fields.get("resources"), scope, variables, depth)


def _among(
    resources: object, scope: Scope, variables: Scope, depth: int
) -> Iterator[tuple[Mapping[str, Any], Scope, Scope]]:
    # Since languageVersion 2.0 resources may have names, and are an object.
    found = resources.values() if isinstance(resources, dict) else listed(resources)
    for one in map(lowered, found) if depth else ():
        kind = text_of(one.get("type")).lower()
        if _is_extension(kind, one):
            yield one, scope, variables
        elif kind == _DEPLOYMENTS:
            yield from _nested(lowered(one.get("properties")), scope, variables, depth)
        yield from _among(one.get("resources"), scope, variables, depth - 1)


def _nested(
    own: Mapping[str, Any], scope: Scope, variables: Scope, depth: int
) -> Iterator[tuple[Mapping[str, Any], Scope, Scope]]:
    options = lowered(own.get("expressionevaluationoptions"))
    if text_of(options.get("scope")).lower() == "inner":
        passed = {
            name: value_of(fields["value"], scope, variables)
            for name, one in lowered(own.get("parameters")).items()
            if "value" in (fields := lowered(one))
        }
        yield from _extensions(own.get("template"), passed, depth - 1)
    else:
        # Source: without the option, a nested template is read with the outer one's parameters.
        template = lowered(own.get("template"))
        yield from _among(template.get("resources"), scope, variables, depth - 1)


def _is_extension(kind: str, resource: Mapping[str, Any]) -> bool:
    if _ELSEWHERE in text_of(resource.get("scope")).lower():
        return False
    is_old = kind.endswith(_OLD_EXTENSIONS)
    return kind == _EXTENSIONS or (is_old and _PROVIDER in text_of(resource.get("name")).lower())


def _deployment(
    resource: Mapping[str, Any], scope: Scope, variables: Scope, *, effect: str, asked: str
) -> PolicyDeployment:
    own = lowered(resource.get("properties"))

    def told(name: str) -> Any:
        return value_of(own.get(name), scope, variables)

    auto_upgrade = auto_upgrade_of(told("autoupgrademinorversion"), told("autoupgrademode"))
    version = text_of(told("version"))
    settings = own.get("configurationsettings")
    if told("version") is UNKNOWN and auto_upgrade is AutoUpgrade.NONE:
        auto_upgrade = None  # which version it pins would have to be computed
    return PolicyDeployment(
        extension_type=text_of(told("extensiontype")) or asked,
        effect=effect,
        auto_upgrade=auto_upgrade,
        version=version or None,
        settings={
            key: setting_text(value)
            for key, one in (settings.items() if isinstance(settings, dict) else ())
            if (value := value_of(one, scope, variables)) is not UNKNOWN
        },
    )


def auto_upgrade_of(flag: object, mode: object = None) -> AutoUpgrade | None:
    """Return what the flag, or the mode of newer api-versions, amounts to."""
    if isinstance(mode, str) and mode.lower() in set(AutoUpgrade):
        return AutoUpgrade(mode.lower())
    if mode is UNKNOWN:
        return None
    # Source: where nothing is said, the service's default is on.
    said = "true" if flag is None else setting_text(flag).lower()
    return {"false": AutoUpgrade.NONE, "true": AutoUpgrade.COMPATIBLE}.get(said)


def setting_text(value: object) -> str:
    """Return a setting as the service keeps it: text."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float) else _NO_SETTING


def _asked_type(condition: object, scope: Scope, depth: int = _DEEPEST) -> str:
    """Return the extension type that existence asks for; empty where it asks for none."""
    fields = lowered(condition)
    if text_of(fields.get("field")).lower() == f"{_EXTENSIONS}/extensiontype":
        return text_of(value_of(fields.get("equals"), scope))
    inner = [one for name in ("allof", "anyof") for one in listed(fields.get(name))]
    found = (_asked_type(one, scope, depth - 1) for one in (inner if depth else ()))
    return next(filter(None, found), "")


def text_of(value: object) -> str:
    """Return a text; nothing of what is none.

    NB: never ``str``, which breaks off at what is nested deeply.
    """
    return value if isinstance(value, str) else ""
