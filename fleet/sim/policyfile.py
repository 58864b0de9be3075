"""``policies:`` of world files: assignments of Azure Policy that stand there."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from fleet.sim import stock
from fleet.sim.recipe import DefinitionKind, Policy
from fleet.spec import explanation
from fleet.spec.explanation import FileModel
from fleet.spec.flaws import quoted

_SCOPE = re.compile(
    r"/(?:subscriptions/[^/]+|providers/Microsoft\.Management/managementGroups/[^/]+$)",
    re.IGNORECASE,
)


def _scope(value: str) -> str:
    if not _SCOPE.match(value):
        message = f"{quoted(value)} is not the id of a management group or of something below one"
        raise explanation.refusal(message, "leave it out for the root management group")
    return value


Scope = Annotated[str, AfterValidator(_scope)]


class PolicyPart(FileModel):
    """One of ``policies:``: an assignment that stands there; nobody carries it out."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    extension_type: Annotated[str, Field(min_length=1)]
    display_name: str = ""
    scope: Scope | None = None
    not_scopes: list[Scope] = Field(default_factory=list)
    enforcement_mode: Literal["Default", "DoNotEnforce"] = "Default"
    effect: Literal["DeployIfNotExists", "AuditIfNotExists", "Disabled"] = "DeployIfNotExists"
    definition: Annotated[DefinitionKind, Field(strict=False)] = DefinitionKind.CUSTOM
    auto_upgrade: bool = True
    version: str | None = None
    settings: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_there(self) -> Self:
        if self.definition is not DefinitionKind.BUILT_IN:
            return self
        if self.extension_type.lower() != stock.OSM.extension_type.lower():
            message = f"the built-in definition is of {stock.OSM.extension_type} alone"
            raise explanation.refusal(message)
        if self.version or self.settings or not self.auto_upgrade:
            message = "the built-in definition sets neither version nor settings"
            raise explanation.refusal(message)
        return self

    def policy(self) -> Policy:
        """Return it as the recipe has it."""
        return Policy(
            name=self.name,
            extension_type=self.extension_type,
            display_name=self.display_name,
            scope=self.scope,
            not_scopes=tuple(self.not_scopes),
            is_enforced=self.enforcement_mode == "Default",
            effect=self.effect,
            kind=self.definition,
            auto_upgrade=self.auto_upgrade,
            version=self.version,
            settings=self.settings,
        )
