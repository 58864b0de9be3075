from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from tests.rig import commands
from tests.rig.commands import Ended, Shell

RUN = "r1"
PIN = commands.plan("pin")

TABLED: dict[str, tuple[str | Path, ...]] = {
    "discover": ("discover", PIN),
    "plan": ("plan", PIN),
    "show": ("show", "saved.json"),
    "status": ("status", RUN),
    "runs": ("runs",),
    "verify": ("verify", RUN),
}
NAMES = ("table", "json", "yaml", "csv", "md", "name")


def _yaml(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A shell in which a plan was saved and run, to look at only."""
    shell = Shell(root=tmp_path_factory.mktemp("used"), world=commands.world("calm"))
    shell("plan", PIN, "--out", "saved.json").must(0)
    shell("run", "saved.json", "--yes", "--run-id", RUN).must(0)
    return shell


def _all(shell: Shell, *args: str | Path) -> dict[str, Ended]:
    ended = shell.many(*((*args, "-o", form) for form in NAMES))
    found = {form: one.must(0) for form, one in zip(NAMES, ended, strict=True)}
    assert {ended.stderr for ended in found.values()} == {""}
    return found


@pytest.mark.parametrize("name", TABLED)
def test_every_format_of_a_command_parses_and_says_the_same(used: Shell, name: str) -> None:
    found = _all(used, *TABLED[name])
    document = found["json"].json

    assert used(*TABLED[name], "--json").must(0).stdout == found["json"].stdout
    assert _yaml(found["yaml"].stdout) == document
    rows = list(csv.reader(io.StringIO(found["csv"].stdout)))
    assert len({len(row) for row in rows}) == 1
    tabled = found["md"].stdout.splitlines()
    # A pipe or a line break in a cell would tear the row.
    assert {line.replace("\\|", "").count("|") for line in tabled} == {len(rows[0]) + 1}
    assert len(tabled) == len(rows) + 1
    assert not any(line != line.rstrip() for line in found["table"].stdout.splitlines())
    names = found["name"].stdout.splitlines()
    assert bool(names) is (name != "plan")  # where nothing changes, nobody is named
    assert set(names) <= {cell for row in rows for cell in row}
    assert all(one in found["json"].stdout for one in names)


def test_the_plan_is_what_its_published_schema_says(used: Shell) -> None:
    schema = used("schema", "--kind", "plan").must(0)
    printed = used("plan", PIN, "--json").must(0).json
    saved = json.loads((used.root / "saved.json").read_text())

    validator = jsonschema.Draft202012Validator(schema.json)
    validator.check_schema(schema.json)
    validator.validate(printed)
    validator.validate(saved)
    assert used("show", "saved.json", "--json").must(0).json == saved
    wave = saved["waves"][0]
    assert {"name", "targets", "maxConcurrency", "maxFailures", "worstCaseFailures"} <= set(wave)
    assert wave["targets"] == [
        one["clusterId"] for one in saved["targets"] if one["wave"] == wave["name"]
    ]
    assert {"clusterId", "action", "reason", "wave", "from", "to", "steps"} <= set(
        saved["targets"][0]
    )


def test_the_schema_of_plan_files_takes_a_plan_file(shell: Shell) -> None:
    schema = shell("schema").must(0).json

    jsonschema.Draft202012Validator(schema).validate(_yaml(PIN.read_text()))


def test_a_run_s_progress_is_on_stderr_and_its_result_on_stdout(shell: Shell) -> None:
    ended = shell("run", PIN, "--yes", "--run-id", RUN, "--json").must(0)

    assert ended.json["status"] == "Succeeded"
    assert ended.json["counts"] == {"Succeeded": 12}
    assert ended.json == shell("status", RUN, "--json").must(0).json
    assert "run Succeeded" in ended.stderr


@pytest.mark.parametrize("form", ["csv", "md"])
def test_the_result_of_a_run_is_one_table(shell: Shell, form: str) -> None:
    ended = shell("run", PIN, "--yes", "--run-id", RUN, "-o", form).must(0)

    assert ended.stdout == shell("status", RUN, "-o", form).must(0).stdout


def test_a_run_without_changes_answers_json_too(used: Shell) -> None:
    ended = used("run", PIN, "--yes", "--json").must(0)

    assert (ended.json["runId"], ended.json["status"]) == (None, "Succeeded")
    assert set(ended.json) == set(used("status", RUN, "--json").must(0).json)
    assert "No changes" in ended.stderr


def test_status_tells_failures_only_when_asked_in_every_format(stormy: Shell) -> None:
    stormy("run", PIN, "--yes", "--run-id", RUN).must(1)

    ended = stormy("status", RUN, "--failed", "--json").must(0)
    names = stormy("status", RUN, "--failed", "-o", "name").must(0).stdout.splitlines()

    found = {target["status"] for target in ended.json["targets"]}
    assert found
    assert "Succeeded" not in found
    assert names == [target["clusterId"] for target in ended.json["targets"]]


def test_the_log_is_one_object_a_line_and_as_long_as_the_chain(used: Shell) -> None:
    lines = used("log", RUN, "-o", "json").must(0).stdout.splitlines()

    found = [json.loads(line) for line in lines]
    verified = used("verify", RUN, "--json").must(0).json
    assert [one["seq"] for one in found] == list(range(1, verified["count"] + 1))
    assert found[-1]["link"] == verified["head"]
    text = used("log", RUN).must(0).stdout.splitlines()
    assert len(text) == len(found)


def test_the_log_of_one_target_takes_its_name_or_its_id(used: Shell) -> None:
    target = used("status", RUN, "--json").must(0).json["targets"][0]

    by_name = used("log", RUN, "--target", target["clusterName"], "--json").must(0).stdout
    by_id = used("log", RUN, "--target", target["clusterId"].upper(), "--json").must(0).stdout

    assert by_name == by_id
    assert {json.loads(line)["clusterId"] for line in by_name.splitlines()} == {target["clusterId"]}
    assert "no target" in used("log", RUN, "--target", "store-9").must(2).stderr


def test_runs_tells_a_damaged_one(shell: Shell) -> None:
    commands.written(shell.state_dir / "runs" / RUN / "journal.db", "garbage" * 1000)

    document = shell("runs", "--json").must(0).json

    assert [(one["runId"], one["status"]) for one in document] == [(RUN, "Unreadable")]
    assert "not an SQLite database" in document[0]["problem"]


_MAIN = "from fleet.cli.app import main\nmain()\n"
_NOBODY_READS = (
    "import os\nours, theirs = os.pipe()\nos.dup2(theirs, 1)\nos.close(ours), os.close(theirs)\n"
)
_NOBODY_READS_ANYTHING = _NOBODY_READS + "os.dup2(1, 2)\n"
_DISK_IS_FULL = "import os\nos.dup2(os.open('/dev/full', os.O_WRONLY), 1)\n"


@pytest.mark.parametrize("args", [("plan", PIN), ("log", RUN, "--json"), ("runs",)])
def test_a_reader_that_has_had_enough_ends_the_command_quietly(
    used: Shell, args: tuple[str, ...]
) -> None:
    ended = used(*args, entry=("-c", _NOBODY_READS + _MAIN)).must(0)

    assert ended.stderr == ""


def test_a_run_goes_on_when_nobody_listens(shell: Shell) -> None:
    entry = ("-c", _NOBODY_READS_ANYTHING + _MAIN)

    shell("run", PIN, "--yes", "--run-id", RUN, entry=entry).must(0)

    assert shell("status", RUN, "--json").must(0).json["status"] == "Succeeded"


@pytest.mark.parametrize("args", [("runs",), ("plan", PIN), ("status", RUN, "--json")])
def test_output_that_cannot_be_written_is_said(used: Shell, args: tuple[str, ...]) -> None:
    ended = used(*args, entry=("-c", _DISK_IS_FULL + _MAIN)).must(2)

    assert "no space left" in ended.stderr


def test_a_run_ends_as_it_does_even_where_its_report_cannot_be_written(shell: Shell) -> None:
    shell("run", PIN, "--yes", entry=("-c", _DISK_IS_FULL + _MAIN)).must(0)
