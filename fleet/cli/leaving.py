"""What a rollback left behind, read once more after its end: a person has to know exactly."""

from __future__ import annotations

import asyncio
import dataclasses

from fleet.cli.outside import Outside
from fleet.core import draws, leftovers, proof
from fleet.core.leftovers import Leftover
from fleet.core.state import RunState
from fleet.engine import requests
from fleet.errors import FleetError
from fleet.ports import RequestIds

_MOST_READ = 200
"""More are not looked at one by one."""
_LIMIT_S = 60


async def read(state: RunState, found: Outside) -> tuple[Leftover, ...]:
    """Return what is left, each as a GET shows it now."""
    left = list(leftovers.leftovers(state))
    for number, one in enumerate(left[:_MOST_READ]):
        left[number] = dataclasses.replace(one, now=await _now(one, state, found))
    return tuple(left)


async def _now(one: Leftover, state: RunState, found: Outside) -> str:
    run_id = state.header.run_id if state.header else ""
    place = one.target.cluster_id
    ids = RequestIds(
        correlation_id=draws.guid(run_id, place, "left"),
        client_request_id=draws.guid(run_id, place, "left", found.clock.now().isoformat()),
    )
    try:
        async with asyncio.timeout(_LIMIT_S):
            reading = await found.service.get(requests.ref_of(one.target), ids)
    except TimeoutError:
        return f"no answer within {_LIMIT_S} s"
    except FleetError as error:
        return f"cannot be read: {error.message}"
    seen = proof.evidence(reading)
    if reading is None:
        return "not installed"
    version = seen.get("currentVersion") or seen.get("version") or "no version"
    return f"{version}, {seen['provisioningState']}, auto-upgrade {seen['autoUpgrade']}"
