"""The conversation that simulated clusters are compared by, held with a real API server.

What is kept in ``tests/data/kubernetes`` is what it says today; ``KEEP_TALK=1 make test-real``
keeps it anew.
"""

from __future__ import annotations

import dataclasses
import os

from tests.rig import talkfile, talking
from tests.rig.serving import Caller
from tests.rig.settling import Holder
from tests.rig.talks import TALK


def callers(stranger: Caller, admin: Caller) -> dict[str, Caller]:
    unknown = dataclasses.replace(stranger, token="none-of-ours")  # noqa: S106 - it is nobody's
    return {"admin": admin, "nobody": stranger, "unknown": unknown}


async def test_the_server_says_what_was_kept(
    holder: Holder, stranger: Caller, admin: Caller
) -> None:
    answers = await talking.held(callers(stranger, admin))
    if os.environ.get("KEEP_TALK"):
        version = (await admin.get("/version")).json["gitVersion"]
        talkfile.save(answers, server=version)

    assert answers == talkfile.load()


def test_every_request_has_a_name_of_its_own() -> None:
    assert len({one.name for one in TALK}) == len(TALK)
