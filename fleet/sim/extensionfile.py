"""``extensions:`` of world files: what there is to install, and where it is at first."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from fleet.model.cluster import UnsupportedKubernetes
from fleet.sim import stock
from fleet.sim.quantities import Share, Weights
from fleet.sim.recipe import ABSENT, ExtensionRecipe
from fleet.spec import explanation
from fleet.spec.explanation import FileModel

_ANY = "any"


class ExtensionPart(FileModel):
    """One of ``extensions:``. What is left out comes from the stock, by type."""

    type: Annotated[str, Field(min_length=1)]
    name: str | None = None
    namespace: str | None = None
    versions: dict[str, Annotated[list[str], Field(min_length=1)]] | None = None
    installed: Weights | None = None
    auto_upgrade: Share | None = None
    failed_share: Share | None = None
    settings: dict[str, str] | None = None
    distribution_settings: dict[str, dict[str, str]] | None = None
    protected_keys: list[str] | None = None
    unsupported_kubernetes: dict[str, dict[str, list[str]]] | None = None
    """``{version: {distribution, or any: ranges of Kubernetes versions}}``."""

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if stock.extension(self.type) is None and not (self.name and self.versions):
            message = f"nothing is known of {self.type}: give its name and its versions"
            raise explanation.refusal(message)
        return self

    def recipe(self) -> ExtensionRecipe:
        """Return it as the recipe has it."""
        base = stock.extension(self.type) or ExtensionRecipe(
            extension_type=self.type,
            name=str(self.name),
            namespace=None,
            versions={},
            installed={ABSENT: 1},
        )
        return dataclasses.replace(base, **self._given())

    def _given(self) -> dict[str, Any]:
        trains = (self.versions or {}).items()
        given: dict[str, Any] = {
            "extension_type": self.type,
            "name": self.name,
            "namespace": self.namespace,
            "versions": {train.lower(): tuple(offered) for train, offered in trains} or None,
            "installed": self.installed,
            "auto_upgrade_ppm": self.auto_upgrade,
            "failed_ppm": self.failed_share,
            "settings": self.settings,
            "distribution_settings": self.distribution_settings,
            "protected_keys": self.protected_keys and tuple(self.protected_keys),
            "unsupported": self.unsupported_kubernetes and self._unsupported(),
        }
        return {field: value for field, value in given.items() if value is not None}

    def _unsupported(self) -> dict[str, tuple[UnsupportedKubernetes, ...]]:
        return {
            version: tuple(
                UnsupportedKubernetes(
                    distributions=() if name == _ANY else (name.lower(),), ranges=tuple(ranges)
                )
                for name, ranges in limits.items()
            )
            for version, limits in (self.unsupported_kubernetes or {}).items()
        }
