"""Continuous access evaluation while a rollout runs, with the service as a process of its own."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.rig import commands, serving
from tests.rig.commands import Shell
from tests.rig.proxying import Proxy, proxying

LIVELY = commands.world("lively").read_text()
PLAN = commands.plan("patient")


@contextlib.contextmanager
def served(root: Path, challenges: str) -> Iterator[tuple[Shell, Proxy]]:
    """A simulated Azure that challenges, and a shell that reaches it by way of a proxy."""
    world = commands.written(root / "world.yaml", f"{LIVELY}challenges:\n{challenges}")
    process, document = serving.started(
        Shell(root=root),
        *("--world", str(world), "--time-scale", "500"),
        *("--clusters", "5", "--subscriptions", "1"),
    )
    try:
        with proxying(document["endpoint"]) as proxy:
            yield Shell(root=root, extra={"FLEET_ENDPOINT": proxy.url}), proxy
    finally:
        process.send(signal.SIGTERM)
        process.end().must(0)


def events(shell: Shell, kind: str) -> list[dict[str, Any]]:
    lines = map(json.loads, shell("log", "r1", "--json").must(0).stdout.splitlines())
    return [one for one in lines if one["kind"] == kind]


def test_a_challenged_write_is_held_and_sent_again_by_the_runs_own_rules(tmp_path: Path) -> None:
    """Writes need an authentication context from the beginning on."""
    challenge = "  - {afterSeconds: 0, methods: [PUT, PATCH], context: c1}\n"
    with served(tmp_path, challenge) as (shell, proxy):
        ran = shell("run", PLAN, "--yes", "--run-id", "r1", "--json").must(0)
        held = events(shell, "step.held")
        writes = [one for one in proxy.sent("PUT PATCH") if one.is_write]

    refused = [one for one in writes if one.status == 401]
    assert set(ran.json["counts"]) == {"Succeeded"}
    assert len(refused) >= 1
    assert len(held) == len(refused)
    assert {(one["reason"], one["code"]) for one in held} == {("transient", "F330")}
    assert all("other claims" in one["message"] for one in held)
    # Each left once and under an id of its own, and the service took one for every cluster.
    assert len({one.client_request_id for one in writes}) == len(writes)
    assert set(proxy.effects().values()) == {1}


def test_a_challenge_without_end_ends_the_run_with_what_to_do_and_nothing_written(
    tmp_path: Path,
) -> None:
    challenge = "  - {afterSeconds: 0, methods: [PUT, PATCH], context: c1, isMet: false}\n"
    with served(tmp_path, challenge) as (shell, proxy):
        ran = shell("run", PLAN, "--yes", "--run-id", "r1").must(4)

    assert "for a token with other claims, and took none of those that it got" in ran.stderr
    assert "conditional access policy" in ran.stderr
    assert "fleet run --run-id r1 carries on" in ran.stderr
    assert proxy.effects() == {}
