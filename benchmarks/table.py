"""What was measured, as one table: medians, spreads, and targets."""

from __future__ import annotations

import dataclasses
import json
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"

Measured = dict[str, float]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measured quantity."""

    what: str
    unit: str
    values: tuple[float, ...]
    target: str = ""


def repeated(call: Callable[..., Measured], times: int, *args: int) -> dict[str, tuple[float, ...]]:
    """Measure several times, each in a process of its own, so that memory is not another one's.

    The script that *call* stands in answers to ``--only NAME ARGS`` with JSON on stdout.
    """
    return each(call, [args] * times)


def each(
    call: Callable[..., Measured], arguments: Sequence[Sequence[int]]
) -> dict[str, tuple[float, ...]]:
    """Measure once with each of *arguments*, in the same way."""
    found = [_alone(call, args) for args in arguments]
    return {key: tuple(one[key] for one in found) for key in found[0]}


def show(rows: Sequence[Row]) -> None:
    """Print *rows*."""
    print(f"Python {platform.python_version()}, {platform.machine()}; median (min to max)\n")
    print(f"{'':<44}{'median':>10}  {'spread':<22}{'unit':<10}target")
    for row in rows:
        middle, low, high = statistics.median(row.values), min(row.values), max(row.values)
        spread = f"({low:.2f} to {high:.2f})"
        print(f"{row.what:<44}{middle:>10.2f}  {spread:<22}{row.unit:<10}{row.target}")


def keep(rows: Sequence[Row], *, as_: str) -> None:
    """Keep *rows* among the results, under a name."""
    RESULTS.mkdir(exist_ok=True)
    kept = {"python": platform.python_version(), "rows": [dataclasses.asdict(r) for r in rows]}
    (RESULTS / f"{as_}.json").write_text(json.dumps(kept, indent=1) + "\n")


def _alone(call: Callable[..., Measured], args: Sequence[int]) -> Measured:
    script = call.__code__.co_filename
    command = [sys.executable, script, "--only", call.__name__, *map(str, args)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    result: Measured = json.loads(done.stdout)
    return result
