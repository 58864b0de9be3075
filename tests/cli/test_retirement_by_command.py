"""Taking a fleet off an extension that retires: what is left of it, before and after."""

from __future__ import annotations

from tests.rig.commands import Shell

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


def test_what_is_left_is_counted_before_and_after_it_is_taken_off(shell: Shell) -> None:
    (shell.root / "off.yaml").write_text(OFF)
    listed, summed = shell.many(
        ("discover", "off.yaml"), ("discover", "off.yaml", "--summary", "--json")
    )
    shell("run", "off.yaml", "--yes", "--run-id", "off").must(0)
    told, shown = shell.many(("status", "off", "--json"), ("status", "off"))

    found = summed.must(0).json
    counts = [(one["version"], one["clusterCount"]) for one in found["byVersion"]]
    assert found["presentCount"] == sum(count for _, count in counts) > 0
    versions = ", ".join(f"{version} ({count})" for version, count in counts)
    count = f"{found['presentCount']} of {found['clusterCount']}"
    assert listed.must(0).stdout.splitlines()[-2:] == [
        f"osm: {count} clusters have it: {versions}",
        f"note: {found['notice']}",
    ]
    after = told.must(0).json["remains"]
    assert after == found | {"presentCount": 0, "byVersion": []}
    assert shown.must(0).stdout.splitlines()[-1] == (
        "as far as this run's journal tells, "
        f"osm: 0 of {found['clusterCount']} clusters still have it"
    )
