"""Simulated clusters answer as a real API server does: the same conversation, compared whole.

What the real one said is kept in ``tests/data/kubernetes`` by ``make test-real``; it was 1.20, and
simulated clusters say what later ones do. Each difference is named here, with its reason.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from fleet.sim.inside import asking
from tests.rig import serving, talkfile, talking
from tests.rig.serving import Caller, Stage
from tests.rig.talking import Answer
from tests.rig.talks import TALK


def callers(stage: Stage) -> dict[str, Caller]:
    """Return who speaks to the API of the first cluster."""
    world = stage.served.plane.azure.world
    name = stage.cluster().rpartition("/")[2]
    stranger = dataclasses.replace(stage.stranger, base=f"{stage.base}/kubernetes/{name}")
    token = asking.token(world.recipe.seed, asking.ADMIN)
    unknown = dataclasses.replace(stranger, token="none-of-ours")  # noqa: S106 - it is nobody's
    admin = dataclasses.replace(stranger, token=token)
    return {"admin": admin, "nobody": stranger, "unknown": unknown}


async def said() -> Mapping[str, Answer]:
    async with serving.staged() as stage:
        return await talking.held(callers(stage))


async def test_x() -> None:
    a, b = await said(), talkfile.load()
    import json
    with open("/tmp/diff.txt", "w") as f:
        n = 0
        for one in TALK:
            x, y = a[one.name], b[one.name]
            if x != y:
                n += 1
                f.write(f"== {one.name}\n  sim  {x.status} {x.content} {json.dumps(x.body, sort_keys=True)}\n  real {y.status} {y.content} {json.dumps(y.body, sort_keys=True)}\n")
        f.write(f"{n} of {len(TALK)}\n")
