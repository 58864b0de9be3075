"""Subscribers of real processes: told of everything, whoever dies, and nothing secret anywhere."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import standardwebhooks

from fleet.core import noticewords
from fleet.journal.sqlite import SqliteStore
from tests.rig import commands, receiving
from tests.rig.commands import Shell, living
from tests.rig.receiving import KEY, Receiver

DOCS = commands.ROOT / "docs" / "notifications.md"
FROM_ENV = "{fromEnv: HOOK_KEY}"
HOOK = f"{{name: ops, webhook: {{fromEnv: HOOK_URL}}, secret: {FROM_ENV}}}"


def written(shell: Shell, plan: str, *subscribers: str) -> Path:
    """Write a plan of the tests' data that tells *subscribers*."""
    lines = "".join(f"    - {one}\n" for one in subscribers)
    text = f"{commands.plan(plan).read_text()}  notify:\n{lines}"
    return commands.written(shell.root / "plan.yaml", text)


def told_of(shell: Shell, run: str = "r1") -> list[str]:
    """Return the ids of what a subscriber of everything is to be told, by the journal."""
    kinds = re.compile(
        r"run\.(started|waiting|woken|pausing|paused|resumed|finished)|wave\.(opened|soaking|closed)"
    )
    reader = SqliteStore(shell.state_dir).read(run)
    found = [f"{run}/{seq}" for seq, event in reader.events() if kinds.fullmatch(event.kind)]
    reader.close()
    return found


def once(found: list[str]) -> list[str]:
    return [one for n, one in enumerate(found) if one not in found[:n]]


def with_hook(shell: Shell, there: Receiver | None, url: str = "", key: str = KEY) -> Shell:
    return shell.with_(HOOK_URL=url or (there.url if there else ""), HOOK_KEY=key)


def test_webhooks_and_a_command_are_told_of_a_run(shell: Shell) -> None:
    """One of the webhooks is the manual's own receiver, and takes nothing from anybody else."""
    command = '{command: [sh, -c, "cat >> said; echo >> said; env > env"], on: [run]}'

    with receiving.receiver() as there, manual(shell) as url:
        plan = written(shell, "pin", HOOK, f"{{webhook: '{url}', secret: {FROM_ENV}}}", command)
        ended = with_hook(shell, there)("run", plan, "--yes", "--run-id", "r1").must(0)
        refused = _posted(url, **{"webhook-id": "x", "webhook-signature": "v1,x"})

    assert there.ids == told_of(shell)
    for got in there.got:
        assert standardwebhooks.Webhook(KEY).verify(got.body, dict(got.headers))
    titles = (shell.root / "titles").read_text().splitlines()
    assert titles == [one.event["data"]["title"] for one in there.got]
    assert titles[1] == "pin, wave canary: opened, 1 targets"
    assert refused == 401
    said = [json.loads(one) for one in (shell.root / "said").read_text().splitlines()]
    assert [one["type"].removeprefix("io.github.arc-fleet.") for one in said] == [
        "run.started",
        "run.waiting",
        "run.woken",
        "run.finished",
    ]
    assert said == [one.event for one in there.got if one.event["data"]["topic"] == "run"]
    run = said[-1]["data"]["run"]
    assert (run["id"], run["change"], run["owner"]) == ("r1", "CHG1", "mesh-sre@contoso.example")
    assert "HOOK_" not in (shell.root / "env").read_text()
    assert "was not told" not in ended.stderr


@contextlib.contextmanager
def manual(shell: Shell) -> Iterator[str]:
    """Run the receiver that the manual shows; what it prints goes to ``titles``."""
    (program,) = re.findall(r"```python\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    script = commands.written(shell.root / "receiver.py", program.replace("8080", str(port)))
    with (shell.root / "titles").open("w") as out:
        receiver = subprocess.Popen(
            [sys.executable, script],
            env={**os.environ, "HOOK_KEY": KEY},
            stdout=out,
            stderr=subprocess.DEVNULL,
        )
    try:
        commands.until(lambda: _listens(port), what="the receiver")
        yield f"http://127.0.0.1:{port}/"
    finally:
        receiver.kill()
        receiver.wait()


def _posted(url: str, **headers: str) -> int:
    forged = urllib.request.Request(url, data=b"{}", headers=headers)  # noqa: S310
    try:
        return int(urllib.request.urlopen(forged, timeout=20).status)  # noqa: S310
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def _listens(port: int) -> bool:
    with socket.socket() as found:
        return found.connect_ex(("127.0.0.1", port)) == 0


WILL_NOT_DO = [
    ("", KEY, "HOOK_URL_0, which is not set"),
    ("https://hooks.example/", "", "HOOK_KEY_1, which is not set"),
    ("http://c4nary.example/", KEY, "HOOK_URL_2, where ops is told, will not do: it must begin"),
    ("https://c4nary:c4nary@x.example/", KEY, "no user or password may stand in it"),
    ("https://hooks.example/", "c4nary", "HOOK_KEY_4 holds no key to sign with: a key is whsec_"),
]


def test_what_will_not_do_is_refused_before_anything_begins(shell: Shell) -> None:
    plans: list[Path] = []
    variables: dict[str, str] = {}
    for n, (url, key, _) in enumerate(WILL_NOT_DO):
        hook = HOOK.replace("HOOK_URL", f"HOOK_URL_{n}").replace("HOOK_KEY", f"HOOK_KEY_{n}")
        plan = written(shell, "pin", hook)
        plans.append(plan.rename(plan.with_stem(f"plan-{n}")))
        variables |= {f"HOOK_URL_{n}": url, f"HOOK_KEY_{n}": key}

    *refused, planned, listed = shell.with_(**variables).many(
        *(("run", plan, "--yes") for plan in plans), ("plan", plans[0]), ("runs", "-o", "name")
    )

    for ended, (_, _, words) in zip(refused, WILL_NOT_DO, strict=True):
        assert words in ended.must(2).stderr
        assert "c4nary" not in ended.stdout + ended.stderr
    planned.must(0)  # a plan needs no secrets
    assert listed.stdout == ""


def _leaks(root: Path, secret: str) -> list[str]:
    raw = secret.encode()
    spellings = {
        secret,
        urllib.parse.quote(secret, safe=""),
        *(base64.b64encode(bytes(n) + raw).decode()[4:-4] for n in range(3)),
    }
    files = [path for path in root.rglob("*") if path.is_file()]
    assert len(files) > 3
    return [
        str(path.relative_to(root))
        for path in files
        if any(one.encode() in path.read_bytes() for one in spellings)
    ]


LEAKY = """
from fleet.cli.app import main
from fleet.outside.webhooks import Webhook

post = Webhook._post

async def leak(self, notice):
    if self.name == "buggy":
        raise ValueError(f"cannot send to {self.url} with {self.key}")
    return await post(self, notice)

Webhook._post = leak
main()
"""
"""A bug that quotes an address, and a key."""


def test_neither_address_nor_key_is_in_any_file_or_stream(shell: Shell) -> None:
    plan = written(shell, "pin", HOOK, HOOK.replace("ops", "buggy"))
    loud = shell.with_(FLEET_LOG_LEVEL="debug", FLEET_LOG_FORMAT="json")

    with receiving.receiver(receiving.statuses(*[500] * 3, then=404)) as there:
        told = with_hook(loud, there)
        ran = told("run", plan, "--yes", "--run-id", "r1", entry=("-c", LEAKY))

    assert ran.status == 0
    assert "ops answered 500" in ran.stderr
    assert "ops was not told" in ran.stderr
    assert "buggy was not told everything: a bug in fleet (ValueError)" in ran.stderr
    assert _leaks(shell.root, there.url) == []
    assert _leaks(shell.root, urllib.parse.urlsplit(there.url).path) == []
    assert _leaks(shell.root, KEY.removeprefix("whsec_")) == []


def test_whoever_is_killed_loses_nothing_and_repeats_under_one_id(lively: Shell) -> None:
    """Told slowly, so that it dies while it tells."""

    async def slowly(request: Any, number: int) -> Any:
        await asyncio.sleep(0.3)
        return await receiving.take(request, number)

    plan = written(lively, "patient", HOOK)
    with receiving.receiver(slowly) as there:
        shell = with_hook(lively, there)
        with living(shell, "run", plan, "--yes", "--run-id", "r1") as runner:
            commands.until(lambda: len(there.got) >= 2, what="being told")
            runner.process.kill()
            runner.process.wait()
        shell("run", "--run-id", "r1").must(0)

    assert once(there.ids) == told_of(lively)
    bodies = {(one.event["id"], one.body) for one in there.got}
    assert len(bodies) == len(told_of(lively)), "a repeat is not what was told before"


def test_what_could_not_be_told_is_said_and_told_later(shell: Shell) -> None:
    plan = written(shell, "pin", HOOK)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/"
        told = with_hook(shell, None, url=url)
        ran = told("run", plan, "--yes", "--run-id", "r1").must(0)
    blind = shell("run", "--run-id", "r1").must(0)

    with receiving.receiver() as there:
        again, _ = with_hook(shell, there).many(*[("run", "--run-id", "r1", "--json")] * 2)

    assert "ops was not told everything" in ran.stderr
    assert "not everybody was told everything: secrets are to come from HOOK_KEY" in blind.stderr
    assert there.ids == told_of(shell)
    assert again.stderr == ""
    assert again.json["status"] == "Succeeded"


def test_every_kind_is_in_the_manual() -> None:
    source = Path(noticewords.__file__).read_text("utf-8")
    kinds = set(re.findall(r'"((?:run|wave|gate|approval|budget|window)\.[a-zA-Z]+)"', source))
    text = DOCS.read_text("utf-8")

    assert len(kinds) == 23
    assert [one for one in sorted(kinds) if f"`{one}`" not in text] == []
