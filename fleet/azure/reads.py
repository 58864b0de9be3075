"""A read that answers with a JSON object, tried again while what stops it may pass.

An answer that is no such object (half of one, a page that a proxy made) is tried
again like one that is none: it says nothing of the service. An object that holds
something else than it should does: it is the caller's, and told at once.
"""

from __future__ import annotations

from collections.abc import Collection

from fleet.azure.answers import Answer, Object
from fleet.azure.requests import Request
from fleet.azure.retries import TRIES, reading
from fleet.azure.wire import Wire


async def read(
    wire: Wire, request: Request, *, passing: Collection[int] = (), tries: int = TRIES
) -> tuple[Answer, Object]:
    """Send *request* until there is an answer, within bounds; return it with its body.

    Args:
        wire: What sends it.
        request: A read.
        passing: Statuses from 400 up that the caller reads itself; there is no object then.
        tries: At most.
    """

    async def once() -> tuple[Answer, Object]:
        answer = await wire.call(request, passing=passing)
        is_passed = answer.status in passing
        return answer, {} if is_passed else answer.object(what=request.what)

    return await reading(once, clock=wire.clock, tries=tries)
