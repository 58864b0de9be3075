"""Somebody else who writes to the same extensions: what they send, and when that is known of it.

Their writes are in the world's memory beside everybody's, under an identity of their own.
"""

from __future__ import annotations

import dataclasses

from fleet.core import draws
from fleet.model.cluster import AutoUpgrade, Extension
from fleet.model.plan import Verb
from fleet.sim.calls import Body, Call

MARK = "rival.writtenBy"
"""The setting that they add."""


def identity(seed: int) -> str:
    """Return the object id that rivals write under."""
    return draws.guid(seed, "rival")


def call(theirs: Call, found: Extension | None, *, seed: int, lot: tuple[draws.Part, ...]) -> Call:
    """Return what a rival sends just before somebody's call.

    Args:
        theirs: The call that it comes before.
        found: What is there; a rival adds a setting, or installs what nobody has yet.
        seed: The world's.
        lot: What tells that call from others.
    """
    settings = {**(found.settings if found else {}), MARK: "somebody else"}
    body = Body(
        extension_type=theirs.body.extension_type,
        namespace=theirs.body.namespace if found is None else None,
        version=None,
        auto_upgrade=AutoUpgrade.COMPATIBLE if found is None else None,
        release_train=None,
        settings=settings,
        protected=None,
    )
    return dataclasses.replace(
        theirs,
        verb=Verb.PUT if found is None else Verb.PATCH,
        body=body,
        correlation_id=draws.guid(seed, "rival", *lot),
        client_request_id=draws.guid(seed, "rival request", *lot),
        is_forced=False,
        caller=identity(seed),
    )
