from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pytest

from fleet.errors import InputError
from fleet.sim import faultfile, messages
from fleet.sim.repertoire import REPERTOIRE, Asked, Fault, Level
from fleet.sim.script import Counted, Rule, Script
from fleet.spec.problems import SpecError
from tests.rig.commands import ROOT

DATA = ROOT / "tests" / "data" / "faults"
PAGE = ROOT / "docs" / "simulator.md"


def test_every_key_of_a_faults_file_arrives() -> None:
    assert faultfile.read(DATA / "everything.yaml").script() == Script(
        seed=42,
        rules=(
            Rule(
                fault=Fault.THROTTLED,
                on=frozenset({Asked.EXTENSION, Asked.OPERATION}),
                methods=frozenset({"GET", "PATCH"}),
                cluster="store-0001-*",
                subscription="*-000000000002",
                name="osm",
                first=2,
                last=9,
                every=3,
                share_ppm=125_000,
                counted=Counted.CLUSTER,
                after=dt.timedelta(minutes=1),
                until=dt.timedelta(minutes=2),
                retry_after_s=0,
            ),
            Rule(fault=Fault.HTML_PAGE, status=200),
            Rule(fault=Fault.OPERATION_FAILS, message=messages.CHART_MISSING),
            Rule(fault=Fault.DUPLICATE_ROWS, rows=2),
            Rule(fault=Fault.CLOCK_JUMP, after=dt.timedelta(minutes=5), seconds=-3600),
        ),
    )


def test_everything_that_is_wrong_is_said_at_once_with_its_place() -> None:
    with pytest.raises(SpecError) as caught:
        faultfile.read(DATA / "wrong.yaml")

    assert [(one.line, one.path, one.message, one.hint) for one in caught.value.problems] == [
        (2, "kind", 'unknown value "Fault"', 'did you mean "Faults"?'),
        (3, "sed", "unknown key", 'did you mean "seed"?'),
        (5, "rules[0].fault", 'unknown value "throtled"', 'did you mean "throttled"?'),
        (7, "rules[1].retryAfterSeconds", "resetAfter takes no retryAfterSeconds", None),
        (8, "rules[1].sahre", "unknown key", 'did you mean "share"?'),
        (10, "rules[2].on[0]", "operationFails is about extension, not graph", None),
        (11, "rules[2].methods[0]", "operationFails is about writes: DELETE, PATCH, PUT", None),
        (
            12,
            "rules[2].message",
            'no recorded message is called "chartMising"',
            'did you mean "chartMissing"?',
        ),
        (13, "rules[3]", "clockJump needs seconds: how far, and below zero back", None),
        (14, "rules[3].cluster", "clockJump takes no cluster", None),
        (16, "rules[4].seconds", "must be at least 0", None),
        (17, "rules[4].share", "a share is at most 100 per cent", None),
        (19, "rules[5].on[0]", 'unknown value "extensoin"', 'did you mean "extension"?'),
        (21, "rules[5].last", "last (4) is before first (5)", None),
        (23, "rules[5].untilSeconds", "untilSeconds (30) is before afterSeconds (60)", None),
        (25, "rules[6].on[0]", "duplicateRows is about graph, not clusters", None),
        (26, "rules[6].rows", "must be greater than or equal to 2", None),
        (27, "rules[7].fault", "this key is required", None),
    ]


@pytest.mark.parametrize("name", faultfile.profiles())
def test_a_profile_says_what_it_is_and_names_itself(name: str) -> None:
    found = faultfile.profile(name)

    assert found.description
    assert bool(found.rules or found.breaks) == (name != "calm")
    assert faultfile.named(name) == found


def test_a_name_is_a_profile_s_or_a_file_s(tmp_path: Path) -> None:
    copied = tmp_path / "mine.yaml"
    copied.write_text(faultfile.text_of("flaky"))

    assert faultfile.named(str(copied)) == faultfile.profile("flaky")
    with pytest.raises(SpecError, match="no such file"):
        faultfile.named("missing.yaml")
    for named in (faultfile.named, faultfile.text_of):
        with pytest.raises(InputError) as caught:
            named("hostil")
        assert caught.value.hint == 'did you mean "hostile"?'


# --- the page about it -------------------------------------------------------------------


def _table(heading: str) -> list[tuple[str, ...]]:
    """Return the rows of the table below a heading, without Markdown."""
    section = PAGE.read_text().split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| (.+) \|$", section, re.MULTILINE)
    return [tuple(cell.strip("` ") for cell in row.split(" | ")) for row in rows[1:]]


def test_the_page_tells_what_a_client_sees_of_each_fault() -> None:
    about = {
        fault.value: (_kinds(fault), ", ".join(sorted(entry.options)) or "-", entry.seen)
        for fault, entry in REPERTOIRE.items()
    }

    assert {row[0]: row[1:] for row in _table("Each fault")} == about


def _kinds(fault: Fault) -> str:
    entry = REPERTOIRE[fault]
    if entry.level is Level.CLOCK:
        return "the clock"
    if entry.level is Level.WRITE:
        return "writes"
    is_any = entry.about == frozenset(Asked) - {Asked.METADATA}
    return "any" if is_any else ", ".join(sorted(entry.about))


def test_the_page_names_the_profiles_the_kinds_and_the_messages() -> None:
    told = [(one, faultfile.profile(one).description) for one in faultfile.profiles()]
    page = PAGE.read_text()

    assert _table("Profiles") == told
    assert [kind for kind in Asked if f"`{kind}`" not in page] == []
    assert [name for name in messages.NAMED if f"`{name}`" not in page] == []


def test_the_page_s_example_is_a_faults_file(tmp_path: Path) -> None:
    example, *_ = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    path = tmp_path / "example.yaml"
    path.write_text(example)

    assert len(faultfile.read(path).rules) == 5


def test_every_fault_is_in_the_repertoire() -> None:
    assert list(REPERTOIRE) == list(Fault)
