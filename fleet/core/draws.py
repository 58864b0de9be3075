"""Lots without a stream: each draw is a hash of what it is for.

``(seed, purpose, target, attempt)`` goes in, a number comes out, the same one
in every process and in any order of asking. So two targets never share luck,
and asking once more changes nothing.

Units:   ``ppm``, parts per million: certainty is 1_000_000.
Errors:  :exc:`ValueError` for a range or a lot that holds nothing.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from typing import TypeVar

Part = str | int
"""Plain text or a number; of an enum its value, or renaming a member would change the luck."""
T = TypeVar("T")

CERTAIN_PPM = 1_000_000
MOST_FRACTIONS = 8
"""What one hash is long enough for."""
_NUMBERS = [struct.Struct(f">{count}Q") for count in range(MOST_FRACTIONS + 1)]


def fraction_ppm(seed: int, *parts: Part) -> int:
    """Return a number from 0 up to, and without, one million.

    >>> fraction_ppm(7, "fate", "store-0001", 1) == fraction_ppm(7, "fate", "store-0001", 1)
    True
    """
    return _scaled(int.from_bytes(_digest(8, seed, parts)), CERTAIN_PPM)


def fractions_ppm(count: int, seed: int, *parts: Part) -> tuple[int, ...]:
    """Return *count* independent fractions for the price of one; at most eight."""
    if not 0 < count <= MOST_FRACTIONS:
        message = f"one hash holds 1 to {MOST_FRACTIONS} fractions, not {count}"
        raise ValueError(message)
    numbers = _NUMBERS[count].unpack(_digest(8 * count, seed, parts))
    return tuple([number * CERTAIN_PPM >> 64 for number in numbers])


def between(low: int, high: int, seed: int, *parts: Part) -> int:
    """Return an integer from *low* to *high*, both included."""
    if low > high:
        message = f"nothing lies between {low} and {high}"
        raise ValueError(message)
    return low + _scaled(int.from_bytes(_digest(8, seed, parts)), high - low + 1)


def chance(ppm: int, seed: int, *parts: Part) -> bool:
    """Tell whether something happens that happens *ppm* times in a million."""
    # Never and always cost no hash: most simulated worlds have most faults switched off.
    return ppm > 0 and (ppm >= CERTAIN_PPM or fraction_ppm(seed, *parts) < ppm)


def pick(weights: Mapping[str, int], seed: int, *parts: Part) -> str:
    """Return one key; each is as likely as its weight is of the sum."""
    return choose(weights, fraction_ppm(seed, *parts))


def choose(weights: Mapping[T, int], fraction: int) -> T:
    """Return the key that *fraction* (in ppm) of the summed weights falls on.

    >>> choose({"a": 1, "b": 3}, 249_999), choose({"a": 1, "b": 3}, 250_000)
    ('a', 'b')
    """
    left = fraction * sum(weights.values())
    for key, weight in weights.items():
        left -= weight * CERTAIN_PPM
        if left < 0:
            return key
    message = "a lot needs at least one weight above zero"
    raise ValueError(message)


def guid(*parts: Part) -> str:
    """Return a GUID that looks like a random one, and is always the same for the same parts."""
    # As uuid.UUID(bytes=..., version=4) prints it, at a quarter of the cost: two for each request.
    text = _digest(16, 0, ("guid", *parts)).hex()
    variant = "89ab"[int(text[16], 16) % 4]
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{variant}{text[17:20]}-{text[20:]}"


def _scaled(number: int, size: int) -> int:
    # Of 64 bits the largest part: the bias is below size / 2**64.
    return number * size >> 64


def _digest(size: int, seed: int, parts: tuple[Part, ...]) -> bytes:
    # NB: ascii() quotes text and not numbers, and escapes everything that an encoding could trip
    # over: no two lists read alike, and every Python writes them the same.
    return hashlib.blake2b(ascii((seed, parts)).encode(), digest_size=size).digest()
