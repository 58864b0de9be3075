"""Plan files as values, the way the tests need them."""

from __future__ import annotations

import datetime as dt
from typing import Any

from fleet.model.cluster import AutoUpgrade
from fleet.model.desired import Desired, Presence, Profile, Rollout
from fleet.model.scope import Scope, Unreachable
from fleet.model.strategy import FailureMode, OnBreach, Strategy, WaveRule
from fleet.model.versions import VersionOrder

MESH = Profile(
    name="mesh",
    extension_type="Microsoft.openservicemesh",
    instance_name="osm",
    namespace="arc-osm-system",
    has_one_instance=True,
    version_order=VersionOrder.REVISION,
    has_sequential_minors=True,
    may_downgrade=False,
    supported_minor_count=2,
)

REST = (WaveRule(name="rest", size="rest"),)


def desired(**changes: Any) -> Desired:
    """The mesh, pinned to 1.2.6 unless told otherwise."""
    defaults: dict[str, Any] = {
        "profile": MESH,
        "name": "osm",
        "namespace": "arc-osm-system",
        "version": "1.2.6",
    }
    return Desired(**(defaults | changes))


def strategy(**changes: Any) -> Strategy:
    """One wave, ten at once, every failure allowed unless told otherwise."""
    defaults: dict[str, Any] = {
        "name": "test",
        "waves": REST,
        "max_concurrency": 10,
        "max_failures": "100%",
        "failure_mode": FailureMode.SOFT,
        "on_breach": OnBreach.STOP,
    }
    return Strategy(**(defaults | changes))


def rollout(
    *,
    wish: Desired | None = None,
    spread: Strategy | None = None,
    scope: Scope | None = None,
) -> Rollout:
    """A checked plan file."""
    return Rollout(
        name="test",
        owner=None,
        change=None,
        scope=scope or Scope(unreachable=Unreachable.DEFER),
        desired=wish or desired(),
        strategy=spread or strategy(),
        text="# a test",
    )


UNINSTALL = desired(presence=Presence.ABSENT, version=None)
AUTO = desired(version=None, auto_upgrade=AutoUpgrade.COMPATIBLE)
MINUTE = dt.timedelta(minutes=1)
