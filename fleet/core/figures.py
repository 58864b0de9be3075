"""Numbers out of answers, as the decimal text that a reading holds.

Errors:  none; what is no number is ``None``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from decimal import ROUND_DOWN, Decimal

from fleet.model.cluster import ClusterId
from fleet.model.gates import Reading

_DECIMAL = re.compile(r"[+-]?(\d{1,40}(\.\d{0,40})?|\.\d{1,40})([eE][+-]?\d{1,4})?", re.ASCII)
_WORDS = {
    "nan": "NaN",
    "inf": "Infinity",
    "infinity": "Infinity",
}
_PLACES = Decimal("0.000001")
_NAMED = 3


def figure(value: object) -> str | None:
    """Return a number, or text that is one, as decimal text; ``None`` for all else.

    >>> figure(0.25), figure("+Inf"), figure("1e-3"), figure("NaN"), figure("12 ms")
    ('0.25', 'Infinity', '0.001', 'NaN', None)
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, int) and abs(value) >= 10**40:
        return None
    text = str(value).strip()
    if _DECIMAL.fullmatch(text):
        return str(Decimal(text))
    sign = "-" if text.startswith("-") else ""
    word = _WORDS.get(text.lstrip("+-").lower()) if len(text) <= len("+infinity") else None
    return f"{sign}{word}" if word and word != "NaN" else word


def share_well(cluster_ids: Sequence[ClusterId], unwell: Mapping[ClusterId, str]) -> Reading:
    """Return how many of some clusters are well, as a share between 0 and 1.

    Args:
        cluster_ids: Whom it is about; of none there is no share.
        unwell: ``{id, lower case: the service's word for its state}`` of all that are not.
    """
    if not cluster_ids:
        return Reading(detail="no clusters")
    ill = [(one, unwell[key]) for one in cluster_ids if (key := ClusterId(one.lower())) in unwell]
    count = len(cluster_ids)
    # Down: of a million clusters, one that is ill must be seen.
    share = (Decimal(count - len(ill)) / count).quantize(_PLACES, rounding=ROUND_DOWN)
    named = [f"{one.rpartition('/')[2]} {state}" for one, state in ill[:_NAMED]]
    more = f" and {len(ill) - _NAMED} more" if len(ill) > _NAMED else ""
    told = f": {', '.join(named)}{more}" if ill else ""
    return Reading(
        values=(str(share.normalize()),), detail=f"{count - len(ill)} of {count} are well{told}"
    )
