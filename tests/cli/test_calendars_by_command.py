"""Calendars on the command line: what is fetched, what binds every run, and what is refused."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

from tests.rig import commands
from tests.rig.commands import Shell

FREEZE = """\
apiVersion: fleet/v1
kind: Calendars
calendars:
  - {name: freeze, zone: UTC, deny: [{from: 2026-12-20T00:00, to: 2027-01-04T00:00}]}
"""
ICAL = """\
BEGIN:VCALENDAR
VERSION:2.0
BEGIN:VEVENT
UID:1
SUMMARY:Patch night
DTSTART:20300101T220000Z
DTEND:20300102T020000Z
RRULE:FREQ=WEEKLY
END:VEVENT
END:VCALENDAR
"""


def plan(shell: Shell, calendars: str, name: str = "plan") -> Path:
    text = commands.plan("pin").read_text().replace("spec:\n", f"spec:\n  calendars: {calendars}\n")
    return commands.written(shell.root / f"{name}.yaml", text)


@contextlib.contextmanager
def site(content: str) -> Iterator[tuple[str, list[str]]]:
    """Answer requests on this machine with *content*; yields where, and what was asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(content.encode())

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            thread.join()


def test_validating_asks_nobody_and_says_so(shell: Shell) -> None:
    with site(ICAL) as (url, asked):
        file = plan(shell, f"[{{name: a, zone: UTC, allow: [{{ical: '{url}/ops.ics?x=1'}}]}}]")

        ended = shell("validate", file).must(0)

    assert asked == []
    assert ended.stdout == f"{file}: valid: pin\n"
    assert ended.stderr == (
        f"note: {url}/ops.ics was not fetched: it is read when a plan is made\n"
    )


def test_a_plan_holds_what_was_found_at_a_url_and_not_how_to_get_there(shell: Shell) -> None:
    with site(ICAL) as (url, asked):
        file = plan(shell, f"[{{name: a, zone: UTC, allow: [{{ical: '{url}/ops.ics?x=1'}}]}}]")

        made = shell("plan", file, "--json").must(0).json

    (calendar,) = made["calendars"]
    assert asked == ["/ops.ics?x=1"]
    assert calendar["source"].startswith(f"{url}/ops.ics sha256:")
    assert calendar["allow"] == [
        {
            "starts": "2030-01-01T22:00:00",
            "rrule": "FREQ=WEEKLY",
            "lengthSeconds": 14_400,
            "zone": "UTC",
            "text": "Patch night",
        }
    ]


def test_a_url_that_is_a_secret_comes_from_a_variable_and_goes_nowhere(shell: Shell) -> None:
    file = plan(shell, "[{name: a, zone: UTC, allow: [{ical: {fromEnv: OPS_ICS}}]}]")
    with site(ICAL) as (url, _):
        secret = shell.with_(OPS_ICS=f"{url}/private-canary7f3a/ops.ics")
        made = secret("plan", file, "--out", "saved.json").must(0)

    gone = secret("plan", file).must(4)
    unset = shell("plan", file).must(2)

    told = [made.stdout, made.stderr, gone.stderr, (shell.root / "saved.json").read_text()]
    assert not any("canary7f3a" in text for text in told)
    assert "the URL in OPS_ICS sha256:" in told[-1]
    assert "the URL in OPS_ICS cannot be read: no connection" in gone.stderr
    assert "a calendar's URL is to come from OPS_ICS, which is not set" in unset.stderr


def test_what_is_found_there_and_is_no_calendar_is_refused_with_its_line(shell: Shell) -> None:
    with site("<html>Log in, please</html>") as (url, _):
        file = plan(shell, f"[{{name: a, zone: UTC, allow: [{{ical: '{url}/x'}}]}}]")

        ended = shell("plan", file).must(2)

    assert f"{file}:" in ended.stderr
    assert "does it ask for a login?" in ended.stderr


def test_shared_calendars_bind_every_plan_and_every_run_of_a_saved_one(shell: Shell) -> None:
    shared = commands.written(shell.root / "shared.yaml", FREEZE)
    file = plan(shell, "[{name: own, zone: UTC, deny: [{cron: '0 8 * * *', for: 9h}]}]")
    before, after = shell.root / "before.json", shell.root / "after.json"

    _, made, refused, taken = shell.with_(COLUMNS="200").many(
        ("plan", file, "--out", before),
        ("plan", file, "--calendars", shared, "--json", "--out", after),
        ("run", before, "--yes", "--calendars", shared),
        ("plan", after, "--calendars", shared),
    )

    assert [(one["name"], one["level"]) for one in made.must(0).json["calendars"]] == [
        ("freeze", "global"),
        ("own", "run"),
    ]
    told = "the saved plan was made without freeze, a calendar that binds every run"
    assert told in refused.must(3).stderr
    taken.must(0)


def test_shared_calendars_are_named_by_the_environment_too(shell: Shell) -> None:
    shared = commands.written(shell.root / "shared.yaml", FREEZE)

    made = shell.with_(FLEET_CALENDARS=shared)("plan", commands.plan("pin"), "--json").must(0)

    assert [one["name"] for one in made.json["calendars"]] == ["freeze"]


def test_what_follows_a_run_is_bound_by_the_shared_calendars_of_its_day(shell: Shell) -> None:
    shared = commands.written(shell.root / "shared.yaml", FREEZE)
    text = FREEZE.replace("deny", "allow").replace("2026", "2025").replace("2027", "2026")
    over = commands.written(shell.root / "over.yaml", text)

    _, made, refused = shell.many(
        ("run", commands.plan("pin"), "--yes", "--run-id", "r1"),
        ("rollback", "r1", "--plan-only", "--calendars", shared, "--json"),
        ("rollback", "r1", "--plan-only", "--calendars", over),
    )

    assert [one["name"] for one in made.must(0).json["calendars"]] == ["freeze"]
    assert "calendar freeze: it is never open from" in refused.must(2).stderr


def test_a_file_of_calendars_is_validated_and_has_a_schema(shell: Shell) -> None:
    shared = commands.written(shell.root / "shared.yaml", FREEZE)
    bad = commands.written(shell.root / "bad.yaml", FREEZE.replace("deny", "level: run, deny"))

    good, wrong, schema = shell.many(
        ("validate", shared), ("validate", bad), ("schema", "--kind", "calendars")
    )

    assert good.must(0).stdout == f"{shared}: valid: 1 calendars\n"
    assert "calendars[0].level" in wrong.must(2).stderr
    assert schema.must(0).json["properties"]["kind"]["const"] == "Calendars"


def test_what_cannot_be_planned_with_is_bad_input(shell: Shell) -> None:
    once = "[{name: a, zone: UTC, allow: [{from: 2020-01-01T00:00, to: 2020-01-02T00:00}]}]"
    nowhere = ("--calendars", "nowhere.yaml")

    never, planned, run = shell.many(
        ("plan", plan(shell, once)),
        ("plan", commands.plan("pin"), *nowhere),
        ("run", commands.plan("pin"), "--yes", *nowhere),
    )

    assert "calendar a: it is never open from" in never.must(2).stderr
    for ended in (planned, run):
        assert "nowhere.yaml: no such file" in ended.must(2).stderr
