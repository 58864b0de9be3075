"""What a real API server said in the conversation of :mod:`tests.rig.talks`, kept as data.

Shapes:  JSON: ``{"server": its version, "answers": {request's name: [status, type, body]}}``.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

from tests.rig.talking import Answer

FILE = Path(__file__).parents[1] / "data" / "kubernetes" / "talk.json"


def load() -> Mapping[str, Answer]:
    """Return the answers that were kept."""
    document = json.loads(FILE.read_text(encoding="utf-8"))
    return {name: Answer(*one) for name, one in document["answers"].items()}


def save(answers: Mapping[str, Answer], *, server: str) -> None:
    """Keep *answers*, a line for each."""
    lines = [
        f"{json.dumps(name)}: {json.dumps(dataclasses.astuple(one), separators=(',', ':'))}"
        for name, one in answers.items()
    ]
    FILE.parent.mkdir(exist_ok=True)
    text = ",\n".join(lines)
    FILE.write_text(f'{{"server": "{server}", "answers": {{\n{text}\n}}}}\n', encoding="utf-8")
