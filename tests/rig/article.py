"""The page on Open Service Mesh as a test reads it: the table of an article, and what it links to.

Shapes:  :func:`rows` are the lines of the table; what the second column holds, or leads to, is a
         part of ``spec`` (a span of code, or the first YAML block of a section), or a plan file.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fleet.spec import nodes
from tests.rig import commands

PAGE = commands.ROOT / "docs" / "osm.md"
HEADING = "## The article, for a fleet"

Spec = dict[str, Any]

_SPAN = re.compile(r"`(\w+: [^`]+)`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)]+)\)")
_BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table."""

    title: str
    """What the article has."""
    wish: str
    """What stands in a plan file."""
    told: str
    """What comes of it."""

    @property
    def spec(self) -> Spec:
        """The ``spec`` that all of its snippets make together."""
        found: Spec = {}
        for one in self._snippets():
            found = merged(found, one)
        return found

    @property
    def plan(self) -> Path:
        """The one plan file that it leads to."""
        (found,) = (target for target in self._targets() if target.endswith(".yaml"))
        return (PAGE.parent / found).resolve()

    @property
    def settings(self) -> Mapping[str, str]:
        """The settings file that stands in the section it leads to."""
        (found,) = (block for anchor in self._anchors() for block in blocks(anchor, "json"))
        return dict(json.loads(found))

    @property
    def rest(self) -> str:
        """What of the second column is neither a snippet nor leads to one."""
        return _LINK.sub("", _SPAN.sub("", self.wish)).replace("<br>", "").strip()

    def _snippets(self) -> Iterator[Spec]:
        for span in _SPAN.findall(self.wish):
            yield nodes.read(span).data
        for anchor in self._anchors():
            yield nodes.read(blocks(anchor, "yaml")[0]).data

    def _anchors(self) -> Iterator[str]:
        return (target[1:] for target in self._targets() if target.startswith("#"))

    def _targets(self) -> list[str]:
        return _LINK.findall(self.wish)


@functools.cache
def rows() -> Mapping[str, Row]:
    """Return the lines of the table, by what the article calls them."""
    section = PAGE.read_text("utf-8").partition(f"{HEADING}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    found = [Row(title=title, wish=wish, told=told) for title, wish, told in cells]
    assert len({row.title for row in found}) == len(found)
    return {row.title: row for row in found}


def blocks(anchor: str, language: str) -> list[str]:
    """Return the code blocks of one language in the section that an anchor leads to."""
    (text,) = (text for title, text in _sections() if _anchor(title) == anchor)
    return [block for found, block in _BLOCK.findall(text) if found == language]


def _sections() -> Iterator[tuple[str, str]]:
    for part in re.split(r"^#+ ", PAGE.read_text("utf-8"), flags=re.MULTILINE)[1:]:
        title, _, text = part.partition("\n")
        yield title, text


def _anchor(title: str) -> str:
    """Return what a heading is called in links, as GitHub and most others do it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def merged(one: Spec, other: Mapping[str, Any]) -> Spec:
    """Return both; where both say something, the other's."""
    found = dict(one)
    for key, value in other.items():
        old = found.get(key)
        is_both = isinstance(old, dict) and isinstance(value, dict)
        found[key] = merged(old or {}, value) if is_both else value
    return found
