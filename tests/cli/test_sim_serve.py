from __future__ import annotations

import dataclasses
import json
import signal
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from fleet.core import selection
from fleet.model.scope import Scope
from fleet.sim import faultfile, opening
from fleet.sim.breakage import Break
from fleet.sim.repertoire import Fault
from fleet.sim.world import World
from tests.rig import commands, serving
from tests.rig.commands import Shell
from tests.rig.serving import CLUSTERS

DEMO = commands.PLANS / "worlds" / "demo.yaml"


@pytest.fixture
def bare(tmp_path: Path) -> Shell:
    """A shell that names no world."""
    return Shell(root=tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_in_one_line_that_it_is_ready_and_ends_well_when_told(
    bare: Shell, number: signal.Signals
) -> None:
    living, ready = serving.started(bare, "--clusters", "20", "--subscriptions", "2")
    living.send(number)
    ended = living.end().must(0)

    endpoint = ready.pop("endpoint")
    assert endpoint.startswith("http://127.0.0.1:")
    assert ready == {
        "epoch": "2026-01-10T02:00:00.000000Z",
        "timeScale": "60",
        "caFile": None,
        "clusters": 20,
        "subscriptions": [
            "00000000-0000-0000-0000-000000000001",
            "00000000-0000-0000-0000-000000000002",
        ],
    }
    assert (ended.stdout.count("\n"), ended.stderr) == (1, "")


async def test_flags_go_before_the_world_file_and_time_goes_as_fast_as_told(bare: Shell) -> None:
    args = ("--world", str(DEMO), "--clusters", "300", "--seed", "5", "--time-scale", "7200/2")
    living, ready = serving.started(bare, *args)
    try:
        async with serving.connected(ready["endpoint"]) as caller:
            first = (await caller.get("/metadata/simulation")).json
            logged_in = await caller.log_in()
            listed = await logged_in.get(
                f"/subscriptions/{ready['subscriptions'][0]}/providers/Microsoft.Kubernetes"
                "/connectedClusters",
                api_version=CLUSTERS,
            )
            second = (await caller.get("/metadata/simulation")).json
    finally:
        living.send(signal.SIGTERM)
        living.end().must(0)

    assert (first["seed"], first["clusters"], first["timeScale"]) == (5, 300, "3600")
    assert (ready["timeScale"], len(ready["subscriptions"])) == ("3600", 3)
    assert first["epoch"] < first["now"] < second["now"]
    assert (listed.status, len(listed.json["value"])) == (200, 100)


async def test_tls_is_trusted_by_a_file_that_goes_with_the_server(bare: Shell) -> None:
    living, ready = serving.started(bare, "--tls")
    path = Path(ready["caFile"])
    try:
        mode = _mode(path)
        async with serving.connected(ready["endpoint"], ca_file=path) as caller:
            heard = await caller.get("/metadata/simulation")
    finally:
        living.send(signal.SIGINT)
        living.end().must(0)

    assert ready["endpoint"].startswith("https://127.0.0.1:")
    assert (heard.status, mode, _mode(path)) == (200, 0o600, None)


def _mode(path: Path) -> int | None:
    """Return who may read a file; ``None`` where it is not there."""
    return stat.S_IMODE(path.stat().st_mode) if path.exists() else None


def test_a_port_that_is_taken_is_bad_input(bare: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = bare("sim", "serve", "--port", str(port)).must(2)

    assert f"port {port} of 127.0.0.1 cannot be listened on: it is in use" in ended.stderr
    assert "hint: Name another with --port" in ended.stderr
    assert ended.stdout == ""


def test_what_makes_no_server_is_bad_input(bare: Shell) -> None:
    fastest = commands.PLANS / "worlds" / "thousands.yaml"
    told: tuple[tuple[tuple[str, ...], str], ...] = (
        (("--time-scale", "0"), "'0' is no time scale"),
        (("--time-scale", "fast"), "'fast' is no time scale"),
        (("--time-scale", "1/0"), "'1/0' is no time scale"),
        (("--world", str(fastest)), "timeScale: max"),
        (("--world", str(DEMO), "--clusters", "10"), "no cluster of 10 is called"),
        (("--world", "missing.yaml"), "missing.yaml"),
        (("--clusters", "0"), "--clusters"),
    )
    for ended, (_, words) in zip(
        bare.many(*(("sim", "serve", *args) for args, _ in told)), told, strict=True
    ):
        ended.must(2)
        assert words in ended.stderr
        assert ended.stdout == ""


def test_people_are_told_where_it_is_and_what_to_try(bare: Shell) -> None:
    living = bare.start("sim", "serve", "--subscriptions", "7", "--host", "0.0.0.0")  # noqa: S104 - a moment
    commands.until(lambda: "stop: " in living._out.read_text(), what="ready")
    living.send(signal.SIGINT)
    ended = living.end().must(0)

    lines = ended.stdout.splitlines()
    assert lines[0].startswith("A simulated Azure is at http://0.0.0.0:")
    assert "  00000000-0000-0000-0000-000000000005" in lines
    assert "  and 2 more" in lines
    assert any(line.startswith("try: fleet plan plans/osm-upgrade.yaml ") for line in lines)
    assert ended.stderr.startswith("warning: everybody who reaches 0.0.0.0 ")


# --- what goes wrong ---------------------------------------------------------------------


async def test_a_profile_or_a_file_says_what_goes_wrong(bare: Shell, tmp_path: Path) -> None:
    rule = "{fault: unavailable, on: [subscriptions], first: 2, last: 2, retryAfterSeconds: 7}"
    text = f"apiVersion: fleet/v1\nkind: Faults\nrules: [{rule}]\n"
    file = commands.written(tmp_path / "mine.yaml", text)
    living, ready = serving.started(bare, "--clusters", "20", "--faults", str(file))
    try:
        async with serving.connected(ready["endpoint"]) as stranger:
            caller = await stranger.log_in()
            heard = [await caller.get("/subscriptions", api_version="2022-12-01") for _ in range(3)]
            told = (await stranger.get("/metadata/simulation")).json["faults"]
    finally:
        living.send(signal.SIGTERM)
        living.end().must(0)

    assert [one.status for one in heard] == [200, 503, 200]
    assert heard[1].headers["Retry-After"] == "7"
    assert told == {"unavailable": 1}


def test_faults_that_are_none_are_bad_input(bare: Shell, tmp_path: Path) -> None:
    text = "apiVersion: fleet/v1\nkind: Faults\nrules:\n  - fault: throtled\n    shar: 5%\n"
    file = commands.written(tmp_path / "mine.yaml", text)
    profile, missing, wrong, named = bare.many(
        ("sim", "serve", "--faults", "hostil"),
        ("sim", "serve", "--faults", "missing.yaml"),
        ("sim", "serve", "--faults", file),
        ("sim", "faults", "hostil"),
    )

    assert 'did you mean "hostile"?' in profile.must(2).stderr
    assert "missing.yaml: no such file" in missing.must(2).stderr
    assert f'{file}:4:12: rules[0].fault: unknown value "throtled"' in wrong.must(2).stderr
    assert f"{file}:5:5: rules[0].shar: unknown key; did you mean" in wrong.stderr
    assert 'hint: did you mean "hostile"?' in named.must(2).stderr


def test_everything_that_can_go_wrong_is_listed(bare: Shell, tmp_path: Path) -> None:
    table, listed, names, text = bare.many(
        ("sim", "faults"),
        ("sim", "faults", "--json"),
        ("sim", "faults", "-o", "name"),
        ("sim", "faults", "flaky"),
    )

    document = listed.must(0).json
    assert list(document["profiles"]) == names.must(0).stdout.split()
    assert {"calm", "throttled", "flaky", "hostile"} <= set(document["profiles"])
    assert list(document["faults"]) == [fault.value for fault in Fault]
    assert list(document["breaks"]) == [one.value for one in Break]
    for name in (*document["profiles"], *document["faults"], *document["breaks"]):
        assert f"\n{name} " in table.must(0).stdout
    copied = commands.written(tmp_path / "copied.yaml", text.must(0).stdout)
    assert faultfile.read(copied) == faultfile.profile("flaky")


def test_without_the_extra_it_says_what_to_install(bare: Shell) -> None:
    script = (
        "import sys; sys.modules['duckdb'] = None; sys.argv = ['fleet', 'sim', 'serve']; "
        "from fleet.cli.app import main; main()"
    )
    ended = bare(script, entry=("-c",)).must(2)

    assert "duckdb, which is not installed" in ended.stderr
    assert "hint: pip install 'arc-fleet[sim]'" in ended.stderr


def test_other_commands_load_nothing_of_it(bare: Shell) -> None:
    script = (
        "import sys; import fleet.cli.app; "
        "print([name for name in ('duckdb', 'duckdb_kql', 'trustme', 'fleet.sim.server') "
        "if name in sys.modules])"
    )

    assert bare(script, entry=("-c",)).must(0).stdout == "[]\n"


def test_the_group_names_its_command(bare: Shell) -> None:
    (helped,) = bare.many(("sim", "--help"))

    assert "serve" in helped.must(0).stdout


def test_the_demo_is_what_its_comments_say() -> None:
    recipe = opening.read_recipe(DEMO)
    world = World(recipe)
    found = selection.selected(tuple(world.clusters(recipe.epoch)), Scope())
    by_name: dict[str, Any] = {one.name: one for one in found}

    offline = {one.name for one in found if not one.is_reachable}
    assert (len(found), len({one.subscription for one in found})) == (200, 3)
    assert len({one.distribution for one in found}) == 6
    assert "store-0077-a" in offline
    assert 2 <= len(offline) <= 9
    assert by_name["store-0020-a"].extensions[0].current_version == "1.2.6"
    assert by_name["store-0001-a"].tags["ring"] == "canary"
    assert recipe.time_scale == 300


async def test_it_writes_a_way_into_every_cluster(bare: Shell, tmp_path: Path) -> None:
    place = tmp_path / "clusters.yaml"
    living, ready = serving.started(bare, "--clusters", "3", "--kubeconfig", str(place))
    found = json.loads(place.read_text())
    server, token = found["clusters"][2]["cluster"]["server"], found["users"][0]["user"]["token"]
    try:
        async with serving.connected(server) as stranger:
            nodes = await dataclasses.replace(stranger, token=token).get("/api/v1/nodes")
    finally:
        living.send(signal.SIGTERM)
        ended = living.end().must(0)

    names = ["store-0001-a", "store-0001-b", "store-0002-a"]
    assert [one["name"] for one in found["contexts"]] == names
    assert server == f"{ready['endpoint']}/kubernetes/store-0002-a"
    assert nodes.json["items"][0]["metadata"]["name"] == "store-0002-a-node-1"
    assert _mode(place) == 0o600
    assert token not in ended.stdout + ended.stderr


def test_a_way_in_that_cannot_be_written_is_told(bare: Shell, tmp_path: Path) -> None:
    place = tmp_path / "nowhere" / "clusters.yaml"
    ended = bare("sim", "serve", "--clusters", "3", "--kubeconfig", str(place)).must(2)

    assert f"{place} cannot be written: No such file or directory" in ended.stderr
