"""What is told about a file that cannot be used: all that is wrong with it, in its order."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from fleet.errors import InputError

# More than these nobody reads; a file that is no plan at all could have thousands.
MAX_PROBLEMS = 100


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, and where."""

    file: str
    line: int
    """From 1; 0 where the file as a whole is meant."""
    column: int
    path: str
    """Dotted, such as ``spec.strategy.waves[2].size``; empty for the whole file."""
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        text = ": ".join(part for part in (place, self.path, self.message) if part)
        return f"{text}; {self.hint}" if self.hint else text


class SpecError(InputError):
    """The file cannot be used."""

    def __init__(self, problems: Iterable[Problem], *, unseen: int = 0) -> None:
        ordered = sorted(set(problems), key=_order)
        self.problems = tuple(ordered[:MAX_PROBLEMS])
        lines = [str(problem) for problem in self.problems]
        more = len(ordered) - len(self.problems) + unseen
        if more:
            lines.append(f"and {more} more")
        super().__init__("\n".join(lines))


def _order(problem: Problem) -> tuple[str, int, int, str, str]:
    return problem.file, problem.line, problem.column, problem.path, problem.message
