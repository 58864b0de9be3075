"""What somebody else said, as it may stand in a message of ours."""

from __future__ import annotations

import re

_LONGEST = 300
_UNFIT = re.compile(r"[\x00-\x1f\x7f\s]+")


def line(text: object, *, longest: int = _LONGEST) -> str:
    """Return what somebody else said on one line, shortened."""
    flat = _UNFIT.sub(" ", str(text)).strip()
    flat = f"{flat[: longest - 1]}…" if len(flat) > longest else flat
    return "".join(char if char.isprintable() else "?" for char in flat)
