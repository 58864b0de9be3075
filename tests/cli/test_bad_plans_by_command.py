"""Every plan file that cannot be used: exit 2, all of it at once, on stderr, and no traceback."""

from __future__ import annotations

import pytest

from tests.rig import commands
from tests.rig.commands import Shell

BAD = commands.ROOT / "tests" / "data" / "plans" / "bad"

HEAD = "apiVersion: fleet/v1\nkind: Rollout\nmetadata: {name: bad}\nspec:\n"
GOOD = HEAD + "  targets: {tenant: true}\n  extension: {profile: osm, version: 1.2.6}\n"
WAVES = GOOD + "  strategy:\n    maxConcurrency: 2\n    maxFailures: 0\n    waves:\n"

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
)

FILES: dict[str, tuple[str | bytes, list[str]]] = {
    "unknown key": (GOOD.replace("version:", "verison:"), [":6:29", "verison", '"version"']),
    "wrong type": (GOOD.replace("tenant: true", "tenant: 3"), ["spec.targets.tenant"]),
    "duplicate key": (GOOD + "  strategy: fast\n  strategy: fast\n", ["duplicate key"]),
    "alias bomb": (BOMB + GOOD, ["alias"]),
    "empty": ("", ["empty"]),
    "only comments": ("# nothing\n", ["only comments"]),
    "50 MB": (b"#" + b"x" * 50_000_000, ["larger than"]),
    "not UTF-8": (GOOD.encode() + b"# \xff\xfe\n", ["UTF-8"]),
    "a number as a version": (GOOD.replace("1.2.6", "1.2"), ["quote it"]),
    "percentage over 100": (WAVES + "      - {name: a, size: 101%}\n", ["101%"]),
    "zero concurrency": (
        WAVES.replace("maxConcurrency: 2", "maxConcurrency: 0") + "      - {name: a, size: rest}\n",
        ["maxConcurrency"],
    ),
    "two waves of one name": (
        WAVES + "      - {name: a, size: 1}\n      - {name: a, size: rest}\n",
        ["two waves", "a"],
    ),
    "unknown profile": (GOOD.replace("osm", "osmm"), ["osmm", '"osm"']),
    "settings file missing": (
        GOOD.replace("1.2.6", "1.2.6, settingsFile: no.json"),
        ["no.json"],
    ),
    "settings file that is not JSON": (
        GOOD.replace("1.2.6", "1.2.6, settingsFile: plan.yaml"),
        ["plan.yaml", "JSON"],
    ),
    "protected setting in plain text": (
        GOOD.replace("1.2.6", "1.2.6, protectedSettings: {token: canary-7f3a}"),
        ["fromEnv"],
    ),
    "version with auto-upgrade on": (
        GOOD.replace("1.2.6", "1.2.6, autoUpgrade: patch"),
        ["autoUpgrade"],
    ),
    "no way into clusters": (
        GOOD + '  clusterAccess: {command: [get, "{claster}"]}\n',
        ["{claster}", "did you mean"],
    ),
    "several at once": (
        GOOD.replace("1.2.6", "1.2, autoUpgrade: maybe").replace("tenant", "tenants"),
        ["quote it", "autoUpgrade", "tenants"],
    ),
    "a binary": (bytes(range(256)), ["UTF-8"]),
    "deeply nested": ("a: " + "[" * 5000 + "]" * 5000, [""]),
}


@pytest.mark.parametrize("name", FILES)
def test_a_bad_plan_file_is_refused_by_every_command_that_reads_one(
    shell: Shell, name: str
) -> None:
    content, said = FILES[name]
    file = shell.root / "plan.yaml"
    file.write_bytes(content.encode() if isinstance(content, str) else content)

    validated, discovered, planned, ran = shell.many(
        ("validate", file), ("discover", file), ("plan", file), ("run", file, "--yes")
    )

    for ended in (validated, discovered, planned, ran):
        ended.must(2)
        assert (ended.stdout, ended.stderr) == ("", validated.stderr)
    assert "plan.yaml" in validated.stderr
    assert [one for one in said if one not in validated.stderr] == []
    assert "canary-7f3a" not in validated.stderr


@pytest.mark.parametrize(
    ("waves", "said"),
    [
        pytest.param("      - {name: a, size: 1}\n", "in no wave", id="a target in no wave"),
        pytest.param(
            "      - {name: a, match: {names: [nobody]}}\n", "in no wave", id="an empty wave"
        ),
        pytest.param(
            "      - {name: a, targets: [nobody], required: true}\n      - {name: b, size: rest}\n",
            "wave a is required: not selected: nobody",
            id="a canary that is not there",
        ),
        pytest.param(
            "      - {name: a, size: 1}\n"
            "      - {name: b, match: {names: ['*']}}\n"
            "    strictSelection: true\n",
            "wave b: in an earlier wave already: store-",
            id="a target in two waves, strictly",
        ),
    ],
)
def test_what_only_the_fleet_can_tell_is_refused_by_plan(
    shell: Shell, waves: str, said: str
) -> None:
    commands.written(shell.root / "plan.yaml", WAVES + waves)

    shell("validate", "plan.yaml").must(0)
    ended = shell("plan", "plan.yaml").must(2)

    assert said in ended.stderr
    assert ended.stdout == ""


def test_validate_says_word_for_word_what_is_wrong_with_each(shell: Shell) -> None:
    files = sorted(BAD.glob("*.yaml"))

    found = shell.many(*(("validate", file) for file in files))

    assert len(found) > 50
    for file, ended in zip(files, found, strict=True):
        expected = file.with_suffix(".txt").read_text().replace(file.name, str(file))
        told = ended.must(2).stderr.removeprefix("error F100: ")
        assert told.replace(f"{BAD}/", "") == expected.replace(f"{BAD}/", "")
