"""What every handler needs: the world, its time, and who may ask how much."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import re
from collections.abc import Mapping
from fractions import Fraction

from fleet.model.cluster import ClusterId
from fleet.ports import Clock
from fleet.sim import names
from fleet.sim.ports import SimulatedAzure
from fleet.sim.recipe import Recipe
from fleet.sim.repertoire import Level
from fleet.sim.script import Tally
from fleet.sim.server import answers, bodies
from fleet.sim.server.evaluation import Evaluation
from fleet.sim.server.limits import Limits
from fleet.sim.server.tokens import Tokens

_NO_TIME = dt.timedelta(0)
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclasses.dataclass(kw_only=True)
class Plane:
    """One control plane."""

    azure: SimulatedAzure
    clock: Clock
    scale: Fraction
    """Simulated seconds a second."""
    begun_at: dt.datetime | None = None
    """When the first request came."""

    @property
    def recipe(self) -> Recipe:
        """What the world is made of."""
        return self.azure.world.recipe

    @functools.cached_property
    def tenant(self) -> str:
        """The id of the world's tenant."""
        return bodies.tenant(self.recipe)

    @functools.cached_property
    def tokens(self) -> Tokens:
        """Who may speak."""
        wire = self.recipe.wire
        return Tokens(
            seed=self.recipe.seed,
            tenant=self.tenant,
            lifetime_s=wire.token_s,
            evaluation=Evaluation(wire.challenges, since=self.recipe.epoch),
        )

    @functools.cached_property
    def limits(self) -> Limits:
        """How much."""
        return Limits(self.recipe.wire)

    @functools.cached_property
    def tally(self) -> Tally:
        """What the script's rules about requests have counted."""
        return Tally(self.recipe.script, Level.REQUEST, seed=self.recipe.seed)

    @functools.cached_property
    def subscriptions(self) -> Mapping[str, int]:
        """``{subscription id: its number}``, in order."""
        count = self.recipe.subscription_count
        return {names.subscription(number): number for number in range(count)}

    @functools.cached_property
    def _groups(self) -> Mapping[str, str]:
        """``{name of a resource group, lower case: location of what is in it}``."""
        return {names.resource_group(one).lower(): one for one in self.recipe.locations}

    @functools.cached_property
    def created(self) -> dict[tuple[str, str], str]:
        """``{(cluster id, name of an extension), lower case: when it was first written}``."""
        return {}

    @functools.cached_property
    def anonymous(self) -> set[tuple[str, str]]:
        """Cluster id and name, lower case, of extensions that were written without an identity."""
        return set()

    def now(self) -> dt.datetime:
        """Return the moment; never before the last write."""
        return max(self.clock.now(), self.azure.world.last_at)

    def begin(self) -> dt.datetime:
        """Note that somebody asks, and return when somebody did for the first time."""
        if self.begun_at is None:
            self.begun_at = self.now()
        return self.begun_at

    def told(self) -> dt.datetime:
        """Return the moment that the service says it is: its clock may have jumped."""
        now = self.now()
        return now + self.recipe.script.jump(now - self.begun_at if self.begun_at else _NO_TIME)

    def check_place(self, parts: Mapping[str, str]) -> None:
        """Refuse a subscription or a resource group that is not there."""
        subscription, group = parts.get("subscription"), parts.get("group")
        if subscription is not None and not _GUID.fullmatch(subscription):
            message = f"The provided subscription identifier '{subscription}' is malformed."
            raise answers.refusal(400, "InvalidSubscriptionId", message)
        if subscription is not None and subscription.lower() not in self.subscriptions:
            message = f"The subscription '{subscription}' could not be found."
            raise answers.refusal(404, "SubscriptionNotFound", message)
        if group is not None and group.lower() not in self._groups:
            message = f"Resource group '{group}' could not be found."
            raise answers.refusal(404, "ResourceGroupNotFound", message)

    def location(self, group: str) -> str:
        """Return the location of what is in a resource group that is there."""
        return self._groups[group.lower()]

    def cluster_id(self, parts: Mapping[str, str]) -> ClusterId:
        """Return the id of the cluster in a path, spelled as the world does."""
        asked = names.cluster_id(
            subscription=parts["subscription"],
            resource_group=parts["group"],
            name=parts["cluster"],
        )
        return self.azure.world.cased(asked)
