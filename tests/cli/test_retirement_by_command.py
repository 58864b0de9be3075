"""Taking a fleet off an extension that retires: what is left of it, before and after."""

from __future__ import annotations

import csv
import io

from tests.rig import commands
from tests.rig.commands import Shell

PIN = commands.plan("pin")
OFF = """\
apiVersion: fleet/v1
kind: Rollout
metadata: {name: off}
spec:
  targets: {tenant: true}
  extension: {profile: osm, state: absent}
  strategy:
    maxConcurrency: 10
    maxFailures: 100%
    waves: [{name: rest, size: rest}]
"""


def test_what_is_left_is_counted_before_and_after(shell: Shell) -> None:
    listed, told, summed, table = shell.many(
        ("discover", PIN),
        ("discover", PIN, "--summary", "--json"),
        ("discover", PIN, "--summary"),
        ("discover", PIN, "--summary", "-o", "csv"),
    )

    found = told.must(0).json
    counts = [(one["version"], one["clusterCount"]) for one in found["byVersion"]]
    assert found["presentCount"] == sum(count for _, count in counts) > 0
    line, note = summed.must(0).stdout.splitlines()
    versions = ", ".join(f"{version} ({count})" for version, count in counts)
    count = f"{found['presentCount']} of {found['clusterCount']}"
    assert line == f"osm: {count} clusters have it: {versions}"
    assert note == f"note: {found['notice']}"
    assert listed.must(0).stdout.splitlines()[-2:] == [line, note]
    rows = list(csv.reader(io.StringIO(table.must(0).stdout)))
    assert rows == [["version", "clusters"], *([v, str(n)] for v, n in counts)]


def test_a_run_that_takes_it_away_tells_what_its_journal_knows_is_left(shell: Shell) -> None:
    (shell.root / "off.yaml").write_text(OFF)
    shell("run", "off.yaml", "--yes", "--run-id", "off").must(0)
    told, shown = shell.many(("status", "off", "--json"), ("status", "off"))

    found = told.must(0).json["remains"]
    assert (found["presentCount"], found["byVersion"]) == (0, [])
    last = shown.stdout.splitlines()[-1]
    assert last.startswith(
        f"as far as this run's journal tells, osm: {found['presentCount']} "
        f"of {found['clusterCount']} clusters still have it"
    )
