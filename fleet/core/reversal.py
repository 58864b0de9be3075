"""The target of going back: what undoes a target, planned when the target was.

Errors:  none; ``None`` says that there is no way back.
"""

from __future__ import annotations

import dataclasses

from fleet.core import proof
from fleet.model.plan import Target


def reversed_target(target: Target, *, is_sure: bool) -> Target | None:
    """Return the target that takes *target* back.

    Args:
        target: As planned, and carried out.
        is_sure: Whether it succeeded; otherwise nobody knows what it left.
    """
    if target.rollback is None or not target.rollback.steps:
        return None
    return dataclasses.replace(
        target,
        reason=target.rollback.note,
        from_version=target.to_version,
        to_version=target.from_version,
        steps=target.rollback.steps,
        rollback=None,
        facts=proof.expected(target, len(target.steps)),
        is_unsure=not is_sure,
    )
