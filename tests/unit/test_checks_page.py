"""The page about checks says what the data says."""

from __future__ import annotations

import re
from pathlib import Path

from fleet.core import looks
from fleet.spec import checks, profiles

PAGE = (Path(__file__).parents[2] / "docs" / "checks.md").read_text("utf-8")


def test_every_check_is_on_the_page_with_its_severity_title_and_first_version() -> None:
    listed = re.findall(r"^\| `([a-z-]+)` \| (gate|warn) \| (.+?) \| (.+?) \|", PAGE, re.MULTILINE)

    found = [
        (name, severity, title, (re.findall(r"since ([0-9.]+)", at) or [None])[0])
        for name, severity, title, at in listed
    ]

    assert found == [
        (one.id, one.severity.value, one.title, one.since)
        for one in (*profiles.load("osm").checks, *checks.generic())
    ]


def test_every_look_is_on_the_page_with_what_it_needs_to_know() -> None:
    rows = re.findall(r"^\| (`[a-zA-Z`, ]+`) \| (.*?) \| ", PAGE, re.MULTILINE)
    told = {name: given for names, given in rows for name in re.findall(r"`([a-zA-Z]+)`", names)}

    assert set(looks.LOOKS) <= set(told)
    for name, look in looks.LOOKS.items():
        if "osm.toml" not in told[name] and not look.has_own_keys:
            needed = [f"**`{key}`**" for key in look.required]
            keys = [*needed, *(f"`{key}`" for key in look.optional)]
            assert told[name] == (", ".join(keys) or "(nothing)"), name
