"""Which policy assignments put extensions of a type on clusters: asked of Resource Graph.

First the definitions that deploy extensions at all, then the initiatives that
hold one of them, then the assignments of any of those; where one of them stands
at a management group, which subscriptions lie below which groups. Whether an
assignment conflicts with a plan is :mod:`fleet.core.conflicts`' business.

A plan without this knowledge is a plan: what cannot be asked, or cannot be
read, becomes a warning, and never silence.

Errors:  those of :class:`fleet.azure.graph.Graph` that may pass. Refusals, queries that it does not
         know and answers that cannot be read are warnings.
Source:  Resource Graph's samples on policyresources and resourcecontainers; assignments of groups
         above a subscription are returned for AtScopeAboveAndBelow only.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING

from fleet.azure import assignments
from fleet.azure.answers import Object, line
from fleet.azure.assignments import Library
from fleet.azure.builtins import BUILT_IN
from fleet.azure.kql import ABOVE_AND_BELOW
from fleet.azure.templates import DEPLOYS, listed, lowered, text_of
from fleet.errors import DeniedError, RemoteError, UnexpectedPayloadError
from fleet.model.cluster import PolicyAssignment

if TYPE_CHECKING:
    from fleet.azure.graph import Graph

_GROUPS = "/providers/microsoft.management/managementgroups/"
_HARMLESS = re.compile(r"[A-Za-z0-9_.:@/+=, -]+")
_MOST_LITERALS = 100
"""A query of more than this is no longer one: everything is read then."""

# The rule is searched as text: which definitions deploy what, is told by their templates only.
DEFINITIONS = """\
policyresources
| where type =~ 'microsoft.authorization/policydefinitions'
| where tostring(properties.policyRule) contains 'microsoft.kubernetesconfiguration'
| project id, name, properties
| order by id asc"""
_INITIATIVES = "policyresources\n| where type =~ 'microsoft.authorization/policysetdefinitions'"
_ASSIGNMENTS = "policyresources\n| where type =~ 'microsoft.authorization/policyassignments'"
_ROWS = "| project id, name, properties\n| order by id asc"
COUNT = f"{_ASSIGNMENTS}\n| summarize assignments = count()"
"""How many assignments can be read, of whatever."""
GROUPS = """\
resourcecontainers
| where type =~ 'microsoft.resources/subscriptions'
| project id, subscriptionId, groups = properties.managementGroupAncestorsChain
| order by id asc"""
"""Of each subscription, the management groups above it."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was found out."""

    policies: tuple[PolicyAssignment, ...] = ()
    management_groups: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    warnings: tuple[str, ...] = ()


async def found(graph: Graph, *, subscriptions: Iterable[str], extension_type: str) -> Found:
    """Return the assignments that deploy *extension_type* to clusters of *subscriptions*."""
    places = tuple(dict.fromkeys(subscriptions))
    if not places:
        return Found()
    try:
        return await _found(graph, places, extension_type)
    except RemoteError as error:
        is_ours = isinstance(error, DeniedError | UnexpectedPayloadError)
        if not is_ours and error.status != HTTPStatus.BAD_REQUEST:
            raise
        return Found(warnings=(_unseen(error.message),))


async def _found(graph: Graph, places: Sequence[str], extension_type: str) -> Found:
    library = await _library(graph, places, extension_type)
    kinds = {*library.definitions, *library.initiatives, *_known(extension_type)}
    rows: Sequence[PolicyAssignment] = ()
    if kinds:
        rows = await graph.resources(
            assigned(kinds),
            subscriptions=places,
            read=lambda row: assignments.assignment(row, library),
            authorization_scope=ABOVE_AND_BELOW,
        )
    every = [one for one in rows if one.deployments]
    meant = [one for row in every if (one := _only(row, extension_type)).deployments]
    warnings = [_untold(one) for one in every if _has_untold(one)]
    if not rows and not await _sees_any(graph, places):
        warnings.append(_unseen("no policy assignment at all can be read"))
    groups: Mapping[str, tuple[str, ...]] = {}
    if any(_is_of_group(scope) for one in meant for scope in (one.scope, *one.not_scopes)):
        groups = await _groups(graph, places)
    return Found(
        policies=tuple(sorted(meant, key=lambda one: one.id.lower())),
        management_groups=groups,
        warnings=tuple(sorted(warnings)),
    )


async def _library(graph: Graph, places: Sequence[str], extension_type: str) -> Library:
    """Return the definitions that may deploy *extension_type*, and the initiatives with them."""
    rows = await graph.resources(
        DEFINITIONS,
        subscriptions=places,
        read=assignments.definition,
        authorization_scope=ABOVE_AND_BELOW,
    )
    definitions = {
        one.id: one
        for one in rows
        if one.id not in BUILT_IN and assignments.may_deploy(one, extension_type)
    }
    kinds = {*definitions, *_known(extension_type)}
    if not kinds:
        return Library(definitions={}, initiatives={})
    initiatives = await graph.resources(
        holding(kinds),
        subscriptions=places,
        read=assignments.initiative,
        authorization_scope=ABOVE_AND_BELOW,
    )
    return Library(
        definitions=definitions,
        initiatives={
            one.id: one
            for one in initiatives
            if any(member.definition_id in kinds for member in one.members)
        },
    )


def holding(definitions: Iterable[str]) -> str:
    """Return the query for initiatives that may hold one of *definitions*."""
    names = _literals(one.rpartition("/")[2] for one in definitions)
    wheres = " or ".join(f"tostring(properties.policyDefinitions) contains {one}" for one in names)
    return "\n".join((_INITIATIVES, *([f"| where {wheres}"] if wheres else []), _ROWS))


def assigned(kinds: Iterable[str]) -> str:
    """Return the query for assignments of any of these definitions and initiatives."""
    ids = ", ".join(_literals(kinds))
    where = [f"| where tostring(properties.policyDefinitionId) in~ ({ids})"] if ids else []
    return "\n".join((_ASSIGNMENTS, *where, _ROWS))


async def _sees_any(graph: Graph, places: Sequence[str]) -> bool:
    """Tell whether any assignment can be read; a missing right looks like an empty list."""
    rows, _ = await graph.table(COUNT, subscriptions=places, authorization_scope=ABOVE_AND_BELOW)
    counts = [row.get("assignments") for row in rows]
    return any(isinstance(count, int) and count > 0 for count in counts)


async def _groups(graph: Graph, places: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    rows = await graph.resources(GROUPS, subscriptions=places, read=_above)
    return {
        subscription: groups for subscription, groups in rows if subscription and groups is not None
    }


def _above(row: Object) -> tuple[str, tuple[str, ...] | None]:
    names = [text_of(lowered(one).get("name")) for one in listed(row.get("groups"))]
    subscription = text_of(row.get("subscriptionId")).lower()
    # NB: who may not read the groups gets no chain, which is not the same as none above; and of a
    # chain with a gap is not known what it holds.
    groups = tuple(f"{_GROUPS}{one.lower()}" for one in names) if all(names) else ()
    return subscription, groups or None


def _only(found: PolicyAssignment, extension_type: str) -> PolicyAssignment:
    wanted = extension_type.lower()
    kept = tuple(one for one in found.deployments if one.extension_type.lower() == wanted)
    return dataclasses.replace(found, deployments=kept)


def _known(extension_type: str) -> Iterable[str]:
    wanted = extension_type.lower()
    return (own_id for own_id, one in BUILT_IN.items() if one.extension_type == wanted)


def _is_of_group(scope: str) -> bool:
    return scope.lower().startswith(_GROUPS)


def _has_untold(found: PolicyAssignment) -> bool:
    return found.is_enforced and any(
        not one.extension_type and one.effect.lower() == DEPLOYS.lower()
        for one in found.deployments
    )


def _untold(found: PolicyAssignment) -> str:
    return (
        f"policy assignment {line(found.id)} deploys extensions, and of which type cannot be told: "
        "look whether it conflicts with this plan"
    )


def _unseen(reason: str) -> str:
    return (
        f"policies were not looked at, so whether one would undo this plan is not known: {reason} "
        "(is Microsoft.Authorization/policyAssignments/read allowed?)"
    )


def _literals(texts: Iterable[str]) -> Sequence[str]:
    """Return *texts* as literals; nothing, where there are too many or one is not harmless."""
    found = sorted(set(texts))
    if len(found) > _MOST_LITERALS or not all(_HARMLESS.fullmatch(one) for one in found):
        return ()
    return [f"'{one}'" for one in found]
