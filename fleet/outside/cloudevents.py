"""A notice as a CloudEvent, in JSON: what a webhook is sent and a command reads.

Shapes:  one object in structured mode; ``data`` is the notice, its keys in camelCase.
Source:  https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
"""

from __future__ import annotations

import orjson

from fleet.core.notices import Notice
from fleet.model import codec

CONTENT_TYPE = "application/cloudevents+json"
PREFIX = "io.github.arc-fleet."
"""Of every event's type; what follows is the notice's kind."""
SOURCE = "urn:arc-fleet:run:"
"""Of every event's source; what follows is the run's id."""


def encoded(notice: Notice) -> bytes:
    """Return *notice* as UTF-8 JSON; the same notice is the same to the letter.

    Source and id together are one event's and no other's: whoever is told twice can tell.
    """
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": notice.id,
            "source": f"{SOURCE}{notice.run.id}",
            "type": f"{PREFIX}{notice.kind}",
            "subject": _subject(notice),
            "time": codec.utc_text(notice.at),
            "datacontenttype": "application/json",
            "data": codec.to_json(notice),
        }
    )


def _subject(notice: Notice) -> str:
    """Return what of the run it is about: the run, a wave, or a gate of a wave."""
    if notice.wave is None:
        return "run"
    gate = f"/gate/{notice.gate}" if notice.gate else ""
    return f"wave/{notice.wave.name}{gate}"
