"""Approving, overriding and asking why, where something stands against it; without HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rig import commands
from tests.rig.commands import Ended, Shell

AGREED = commands.plan("agreed")
NAME = "store-0003-b"
ASKED: dict[str, tuple[str, ...]] = {
    "plan": ("explain", "plan.json", NAME, "--json"),
    "run": ("explain", "r1", NAME, "--json"),
    "ended": ("explain", "r1", "store-0001-a", "--json"),
    "names": ("explain", "r1", NAME, "-o", "name"),
    "rows": ("explain", "r1", NAME, "-o", "csv"),
    "no target": ("explain", "r1", "store-9999"),
    "no subject": ("explain", "r9", NAME),
    "nobody asked": ("approve", "r1"),
    "both": ("approve", "r1", "--before", "--after"),
    "no such wave": ("approve", "r1", "--wave", "tenth"),
    "none needed": ("approve", "r1", "--after"),
    "shown": ("approve", "r1", "--wave", "rest", "--before", "--show-only", "--json"),
    "author": ("approve", "r1", "--yes"),
    "no window": ("override", "r1", "--window", "nights", "--reason", "x"),
    "no reason": ("override", "r1", "--window", "freeze", "--reason", " "),
    "no moment": ("override", "r1", "--window", "freeze", "--reason", "x", "--until", "noon"),
    "not named": ("override", "r1", "--window", "freeze", "--reason", "x"),
    "skipped": ("skip", "r1", "--gate", "errors", "--reason", "x"),
    "status": ("status", "r1", "--json"),
}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """What is answered about a run that waits for two people; by whoever began it."""
    root = tmp_path_factory.mktemp("agreements")
    # No variable says yes, gives the reason of an override, or names its window.
    shell = Shell(root=root, world=commands.world("calm")).with_(
        FLEET_YES="1", FLEET_REASON="by variable", FLEET_WINDOW="freeze", FLEET_OVERRIDE="1"
    )
    shell("plan", AGREED, "--out", "plan.json").must(0)
    shell("run", "plan.json", "--yes", "--run-id", "r1").must(6)
    return dict(zip(ASKED, shell.many(*ASKED.values()), strict=True))


@pytest.mark.parametrize(
    ("what", "status", "words"),
    [
        ("no target", 2, "no target is called store-9999"),
        ("no subject", 2, "there is no run r9, and no file"),
        ("nobody asked", 3, "began the run: somebody else has to agree"),
        ("both", 2, "one thing is approved at a time"),
        ("no such wave", 2, "no wave is called tenth"),
        ("none needed", 3, "no wave needs an approval any more"),
        ("author", 3, "began the run: somebody else has to agree"),
        ("no window", 2, "no calendar of this run is called nights"),
        ("no reason", 2, "an override needs a reason"),
        ("no moment", 2, "'noon' is no moment"),
        ("not named", 3, "may not override freeze; these may: ada@contoso.example"),
        ("skipped", 3, "no gate called errors holds anything up"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(
    said: dict[str, Ended], what: str, status: int, words: str
) -> None:
    assert words in said[what].must(status).stderr


def test_who_waits_is_explained_by_a_plan_and_by_a_run(said: dict[str, Ended]) -> None:
    planned, running, ended = (said[one].must(0).json for one in ("plan", "run", "ended"))

    assert _turn(planned) == {
        "status": "Planned",
        "why": ["the plan was not begun", "its wave waits: 2 approvals before it"],
        "ahead": ["wave canary", "4 of wave rest, 4 at once"],
        "isAfterApproval": True,
    }
    assert _turn(running) == {
        "status": "Pending",
        "why": [
            "no runner is alive: fleet run --run-id r1 carries on",
            "wave rest: 2 approvals are needed before it",
        ],
        "ahead": ["4 of wave rest, 4 at once"],
        "isAfterApproval": True,
    }
    assert [one["name"] for one in running["windows"]] == ["freeze"]
    assert (ended["status"], ended["hasTurn"], ended["windows"]) == ("Succeeded", False, [])
    assert running["clusterId"] == said["names"].must(0).stdout.strip()
    assert said["rows"].must(0).stdout.splitlines()[1].startswith("freeze,run,open,")


def _turn(document: dict[str, Any]) -> dict[str, Any]:
    return {name: document[name] for name in ("status", "why", "ahead", "isAfterApproval")}


def test_looking_at_what_would_be_agreed_to_agrees_to_nothing(said: dict[str, Ended]) -> None:
    shown, status = said["shown"].must(0).json, said["status"].must(0).json

    assert not shown["isGiven"]
    assert shown["refusal"].endswith("began the run: somebody else has to agree")
    assert shown["readiness"]["connectedCount"] == shown["targets"]["count"] == 11
    assert [one["approvals"] for one in status["waves"]] == [
        [],
        [{"when": "before", "needed": 2, "given": []}],
    ]
    assert status["startedBy"]["identityKind"] == "osUser"
    assert status["waves"][1]["forecast"]["hangsOn"] == ["2 approvals before it"]
