"""Where Azure and its own specification part: by name, each with its reason.

What a validator has against an exchange is allowed only where a gap is named here, and each gap
says in whose traffic it is met, so that none can outlive its reason.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable

from tests.rig.exchanges import Complaint

AZURE = "azure"
SIMULATOR = "simulator"
EXAMPLES = "examples"
BOTH = frozenset({AZURE, SIMULATOR})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """One thing in which service and specification differ."""

    name: str
    operation: str
    """A pattern that fits the whole operation id; so do the next three with theirs."""
    side: str
    code: str
    path: str
    why: str
    met_by: frozenset[str] = BOTH
    """In whose traffic."""

    def covers(self, complaint: Complaint) -> bool:
        """Tell whether this gap is what a complaint is about."""
        return all(
            re.fullmatch(pattern, text)
            for pattern, text in (
                (self.operation, complaint.operation),
                (self.side, complaint.side),
                (self.code, complaint.code),
                (self.path, complaint.path),
            )
        )


_ITEM = r"(/value/\d+)?"
_SCOPE_SETTINGS = rf"{_ITEM}/properties/supportedScopes/clusterScopeSettings"

GAPS = (
    Gap(
        name="protected settings in answers",
        operation="Extensions_(Create|Update|Get|List)",
        side="response",
        code="SECRET_PROPERTY",
        path=rf"{_ITEM}/properties/configurationProtectedSettings",
        why="the service answers with the keys of protected settings, their values blanked",
    ),
    Gap(
        name="dots in the names of extension types",
        operation="ExtensionTypes_.*",
        side="request",
        code="PATTERN",
        path="/path/extensionTypeName",
        why="all types of Microsoft's own have a dot, which the pattern of the path forbids",
    ),
    Gap(
        name="the type's name in a type's properties",
        operation="ExtensionTypes_.*",
        side="response",
        code="OBJECT_ADDITIONAL_PROPERTIES",
        path=rf"{_ITEM}/properties/extensionType",
        why="every recorded type has it, and the specification does not",
    ),
    Gap(
        name="flat settings of the cluster scope",
        operation="ExtensionTypes_.*",
        side="response",
        code="OBJECT_ADDITIONAL_PROPERTIES",
        path=rf"{_SCOPE_SETTINGS}/(allowMultipleInstances|defaultReleaseNamespace)",
        why="the specification has them below properties; every recorded type has them flat",
    ),
    Gap(
        name="a type without a cluster scope",
        operation="ExtensionTypes_.*",
        side="response",
        code="REQUEST_VALIDATION_ERROR",
        path="",
        why="the validator itself stumbles over the null that the service writes there",
        met_by=frozenset({AZURE}),
    ),
    Gap(
        name="where a query's error is",
        operation="Resources",
        side="response",
        code="INVALID_TYPE",
        path=r"/error/details/\d+/(line|characterPositionInLine|token|expectedToken)",
        why="further keys of an error must be objects, and the service writes numbers and texts",
    ),
    Gap(
        name="who a system-assigned identity is",
        operation="Extensions_.*",
        side="response",
        code="OBJECT_ADDITIONAL_PROPERTIES",
        path=rf"{_ITEM}/identity/principalId",
        why="the file of 2025-03-01 is a draft that forgot it; that version's released SDK has it",
        met_by=frozenset({SIMULATOR}),
    ),
    Gap(
        name="identities of users",
        operation="Extensions_Create",
        side="request",
        code="OBJECT_ADDITIONAL_PROPERTIES",
        path="/identity/userAssignedIdentities/.*",
        why="the file of 2025-03-01 is a draft that forgot them; its own example sends one",
        met_by=frozenset({EXAMPLES}),
    ),
    Gap(
        name="errors without a message",
        operation="Extensions_.*",
        side="response",
        code="OBJECT_MISSING_REQUIRED_PROPERTY",
        path=rf"{_ITEM}/properties/errorInfo/(code|message)",
        why="2020-07-01-preview answers with an empty error where there is none",
        met_by=frozenset({AZURE}),
    ),
    Gap(
        name="a location in a request",
        operation="Extensions_Create",
        side="request",
        code="OBJECT_ADDITIONAL_PROPERTIES",
        path="/location",
        why="the command line of 2021 sent one",
        met_by=frozenset({AZURE}),
    ),
)


def met(complaints: Iterable[Complaint]) -> set[str]:
    """Return the names of the gaps that some complaints are about."""
    return {gap.name for one in complaints for gap in GAPS if gap.covers(one)}


def met_by(whom: str) -> set[str]:
    """Return the names of the gaps that are met in somebody's traffic."""
    return {gap.name for gap in GAPS if whom in gap.met_by}


def not_allowed(complaints: Iterable[Complaint]) -> list[Complaint]:
    """Return the complaints that no gap covers."""
    return [one for one in complaints if not any(gap.covers(one) for gap in GAPS)]
