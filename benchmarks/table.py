"""What was measured, as one table: medians, spreads, and targets."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

RESULTS = Path(__file__).resolve().parent / "results"

Measured = dict[str, float]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measured quantity."""

    what: str
    unit: str
    values: tuple[float, ...]
    target: str = ""


class Measure(Protocol):
    """What measures all rows of a benchmark."""

    def __call__(self, *, quick: bool) -> list[Row]:
        """Measure; a tenth of it and once, if it is to be quick."""


def command(name: str, measure: Measure, ways: Mapping[str, Any]) -> None:
    """Be a benchmark's command: measure, print, and keep the rows among the results.

    Args:
        name: The benchmark's, and that of its results.
        measure: All of it.
        ways: What the script defines. ``--only NAME ARGS`` calls one, and prints as JSON what it
            returns, if anything: for processes of their own.
    """
    parser = argparse.ArgumentParser(description=ways["__doc__"])
    parser.add_argument("--quick", action="store_true", help="a tenth of the size, once")
    parser.add_argument("--only", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        way, *args = options.only
        found = ways[way](*(int(one) if one.isdecimal() else one for one in args))
        if found is not None:
            print(json.dumps(found))
        return
    rows = measure(quick=options.quick)
    print(f"Load when done: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    show(rows)
    if not options.quick:
        keep(rows, as_=name)


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
