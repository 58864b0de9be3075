"""What a plan must be allowed, and how a missing right is told."""

from __future__ import annotations

import fnmatch
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from fleet.azure import permissions
from fleet.azure.checks import Check, Verdict
from fleet.azure.permissions import ASKING, Grant, is_allowed, needs
from fleet.model.desired import Presence
from fleet.model.scope import Match, Scope
from tests.rig.scripted import Line, Say, failure, speaking

ROLE = Path(__file__).parents[2] / "deploy" / "azure-role.json"
EXTENSIONS = "Microsoft.KubernetesConfiguration/extensions"
CLUSTERS = "Microsoft.Kubernetes/connectedClusters"
HINT = "Whoever grants access there can assign a role that allows it: see deploy/azure-role.json."
READER = ("*/read",)
WRITER = ("*/read", f"{EXTENSIONS}/write")


@pytest.mark.parametrize(
    ("grants", "action", "expected"),
    [
        ([Grant(actions=("*",))], "A/b/read", True),
        ([Grant(actions=("a/B/READ",))], "A/b/read", True),
        ([Grant(actions=("*/read",))], "A/b/c/read", True),
        ([Grant(actions=("A/*/read",))], "A/b/read", True),
        ([Grant(actions=("A/*/read",))], "A/read", False),
        ([Grant(actions=("A/b",))], "A/b/read", False),
        ([Grant(actions=("A/./read",))], "A/b/read", False),
        ([Grant(actions=("*",), not_actions=("A/*",))], "A/b/read", False),
        (
            [Grant(actions=("*",), not_actions=("A/*",)), Grant(actions=("A/b/*",))],
            "A/b/read",
            True,
        ),
        ([], "A/b/read", False),
    ],
)
def test_an_action_is_allowed_where_one_grant_allows_it(
    grants: list[Grant], action: str, expected: bool
) -> None:
    assert is_allowed(action, grants) is expected


def test_only_a_plan_that_uninstalls_must_delete_and_only_another_must_write() -> None:
    kept = {one.action for one in needs(Presence.PRESENT)}
    gone = {one.action for one in needs(Presence.ABSENT)}

    assert kept - gone == {f"{EXTENSIONS}/write"}
    assert gone - kept == {f"{EXTENSIONS}/delete"}


def role() -> Grant:
    found = json.loads(ROLE.read_text("utf-8"))
    return Grant(actions=tuple(found["Actions"]), not_actions=tuple(found["NotActions"]))


WANTED = {one.action for presence in Presence for one in needs(presence)} | {ASKING}


@pytest.mark.parametrize("action", sorted(WANTED))
def test_the_role_that_people_copy_allows_what_plans_need(action: str) -> None:
    assert is_allowed(action, [role()])


@pytest.mark.parametrize("action", role().actions)
def test_the_role_that_people_copy_allows_nothing_superfluous(action: str) -> None:
    rest = tuple(one for one in role().actions if one != action)

    assert not all(is_allowed(one, [Grant(actions=rest)]) for one in WANTED)


# --- asked -------------------------------------------------------------------------------


def granted(*actions: str, without: tuple[str, ...] = (), link: str | None = None) -> Say:
    one = {"actions": list(actions), "notActions": list(without)}
    return Say(body={"value": [one], "nextLink": link})


def groups(*names: str) -> Say:
    rows = [{"resourceGroup": name, "clusters": 1} for name in names]
    return Say(body={"data": rows, "totalRecords": len(rows), "resultTruncated": "false"})


async def checked(
    line: Line, presence: Presence = Presence.PRESENT, *subscriptions: str
) -> list[Check]:
    return await permissions.checks(
        line.azure, Scope(match=Match()), presence, subscriptions=subscriptions or ("s1",)
    )


def asked(line: Line) -> list[str]:
    return [one.path for one in line.server.sent("GET")]


async def test_what_a_subscription_allows_is_enough() -> None:
    async with speaking() as line:
        line.server.on("GET", "/permissions", granted(*role().actions))
        (check,) = await checked(line)

        assert asked(line) == [
            "/subscriptions/s1/providers/Microsoft.Authorization/permissions?api-version=2022-04-01"
        ]
        assert line.server.sent("POST") == []
    assert check == Check(
        name="permissions, s1", verdict=Verdict.OK, detail="all that this plan needs is allowed"
    )


async def test_what_is_missing_everywhere_fails_with_whose_move_it_is() -> None:
    async with speaking() as line:
        line.server.on("POST", "Microsoft.ResourceGraph", groups("rg-a", "rg-b"))
        line.server.on("GET", "/permissions", granted(*READER))
        line.server.on("GET", "/rg-b/", granted(*WRITER))
        (check,) = await checked(line)

        assert len(asked(line)) == 3
    assert check == Check(
        name="permissions, s1",
        verdict=Verdict.FAIL,
        detail=f"missing: rg-a: {EXTENSIONS}/write",
        hint=HINT,
    )


async def test_what_every_resource_group_allows_is_enough() -> None:
    async with speaking() as line:
        line.server.on("POST", "Microsoft.ResourceGraph", groups("rg-a"))
        line.server.on("GET", "/permissions", granted(*READER))
        line.server.on("GET", "/resourceGroups/rg-a/", granted(*WRITER))
        (check,) = await checked(line)

    assert check.verdict is Verdict.OK


@pytest.mark.parametrize(
    ("presence", "verdict"), [(Presence.PRESENT, Verdict.OK), (Presence.ABSENT, Verdict.FAIL)]
)
async def test_a_right_to_delete_is_asked_for_only_where_something_is_deleted(
    presence: Presence, verdict: Verdict
) -> None:
    async with speaking() as line:
        line.server.on("POST", "Microsoft.ResourceGraph", groups())
        line.server.on("GET", "/permissions", granted("*", without=("*/delete",)))
        (check,) = await checked(line, presence)

    assert check.verdict is verdict
    if verdict is Verdict.FAIL:
        assert check.detail == f"missing: the subscription: {EXTENSIONS}/delete"


async def test_what_one_can_do_without_is_a_warning_that_says_how() -> None:
    async with speaking() as line:
        line.server.on(
            "GET",
            "/permissions",
            granted("*", without=("Microsoft.Authorization/policyDefinitions/*",)),
        )
        (check,) = await checked(line)

    assert check == Check(
        name="permissions, s1",
        verdict=Verdict.WARN,
        detail=(
            "missing: Microsoft.Authorization/policyDefinitions/read "
            "(without it, policies are not looked at)"
        ),
        hint=HINT,
    )


async def test_many_places_are_counted_and_too_many_are_not_asked() -> None:
    async with speaking() as line:
        line.server.on("GET", "/permissions", granted(*READER))
        line.server.on("POST", "Microsoft.ResourceGraph", groups(*(f"rg-{n}" for n in range(7))))
        (several,) = await checked(line)
        line.server.on("POST", "Microsoft.ResourceGraph", groups(*(f"rg-{n}" for n in range(51))))
        before = len(asked(line))
        (many,) = await checked(line)

        assert len(asked(line)) == before + 1
    assert several.detail.endswith(f"rg-4: {EXTENSIONS}/write; and 2 places more")
    assert many.detail == f"missing: the subscription: {EXTENSIONS}/write"


async def test_grants_come_in_pages() -> None:
    async with speaking() as line:
        link = f"{line.server.url}/next/permissions"
        line.server.on("GET", "/permissions", granted(*READER, link=link))
        line.server.on("GET", "/next", granted(f"{EXTENSIONS}/*"))
        (check,) = await checked(line)

    assert check.verdict is Verdict.OK


@pytest.mark.parametrize(
    "say",
    [
        failure(403, "AuthorizationFailed"),
        failure(404, "NotFound"),
        failure(503, "Busy"),
        Say(body={"value": None}),
        Say(body=b"<html>"),
        granted("*", link="https://elsewhere.invalid/permissions"),
    ],
)
async def test_what_cannot_be_asked_is_a_warning(say: Say) -> None:
    async with speaking() as line:
        line.server.on("GET", "/permissions", say)
        (check,) = await checked(line)

    assert check.verdict is Verdict.WARN
    assert check.detail.startswith("what is allowed cannot be asked: ")
    assert ASKING in (check.hint or "")


async def test_a_list_without_an_end_is_given_up() -> None:
    async with speaking() as line:
        line.server.on("GET", "/permissions", granted("*", link=f"{line.server.url}/permissions"))
        (check,) = await checked(line)

        assert len(asked(line)) == 20
    assert check.verdict is Verdict.WARN


async def test_every_subscription_is_told_apart() -> None:
    async with speaking() as line:
        line.server.on("GET", "/permissions", granted("*"))
        line.server.on("GET", "/s2/", failure(403, "AuthorizationFailed"))
        found: list[Any] = await checked(line, Presence.PRESENT, "s1", "s2")

    assert [(one.name, one.verdict) for one in found] == [
        ("permissions, s1", Verdict.OK),
        ("permissions, s2", Verdict.WARN),
    ]


@pytest.mark.parametrize("field", ["actions", "notActions"])
@pytest.mark.parametrize("odd", ["*/write", 7, {"a": 1}, [7], [None]])
async def test_a_grant_that_cannot_be_read_is_a_warning_and_allows_nothing(
    field: str, odd: object
) -> None:
    grant = {"actions": ["*"], "notActions": [], field: odd}
    async with speaking() as line:
        line.server.on("GET", "/permissions", Say(body={"value": [grant]}))
        (check,) = await checked(line)

    assert check.verdict is Verdict.WARN
    assert f"{field} cannot be read" in check.detail


async def test_a_next_page_that_cannot_be_read_is_not_the_end() -> None:
    async with speaking() as line:
        page = {"value": [{"actions": ["*"]}], "nextLink": 7}
        line.server.on("GET", "/permissions", Say(body=page))
        (check,) = await checked(line)

    assert check.verdict is Verdict.WARN
    assert "nextLink cannot be read" in check.detail


def test_a_pattern_of_many_asterisks_takes_no_time() -> None:
    assert not is_allowed("a" * 60, [Grant(actions=("*a" * 50 + "*b",))])
    assert is_allowed("a" * 60, [Grant(actions=("*a" * 50 + "*",))])


@given(action=st.text("ab/", max_size=8), pattern=st.text("ab/*", max_size=8))
def test_patterns_mean_what_they_mean_everywhere(action: str, pattern: str) -> None:
    meant = fnmatch.fnmatchcase(action, pattern)

    assert is_allowed(action, [Grant(actions=(pattern,))]) is meant
