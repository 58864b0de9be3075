from __future__ import annotations

import datetime as dt
import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from fleet.engine import virtual
from fleet.errors import InputError
from fleet.model.cluster import AutoUpgrade
from fleet.model.objects import Resource
from fleet.model.plan import Verb
from fleet.ports import ExtensionRef, RequestIds, Write
from fleet.sim import opening, stock
from fleet.sim.opening import OpenWorld

WALL = dt.datetime(2026, 5, 1, 12, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
IDS = RequestIds(correlation_id="session", client_request_id="request")

# What another process does: writes to the clusters it is told, and is gone before any cleanup.
WRITER = """
import asyncio, datetime as dt, os, signal, sys
from pathlib import Path
from fleet.engine import virtual
from fleet.model.objects import Resource
from fleet.model.plan import Verb
from fleet.ports import ExtensionRef, RequestIds, Write
from fleet.sim import opening

async def main(path, state, place):
    wall = dt.datetime(2026, 5, 1, 12, tzinfo=dt.UTC)
    one = opening.open_world(Path(path), state_dir=Path(state), wall=wall)
    azure = one.azure(virtual.clock())
    write = Write(verb=Verb.PUT, extension_type="Microsoft.openservicemesh", namespace=None,
                  location="here", version="1.2.6", protected={"token": "hunter2-canary"})
    for n, cluster in enumerate(list(one.world.clusters(one.base_at))[int(place) :: 2]):
        ids = RequestIds(correlation_id=place, client_request_id=str(n))
        await azure.write(ExtensionRef(cluster_id=cluster.id, name="osm"), write, ids)
    os.kill(os.getpid(), signal.SIGKILL)

virtual.run(main(*sys.argv[1:]))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return world_file(tmp_path, "timeScale: 60\nclusters: 4\nofflineShare: 0\n")


def world_file(folder: Path, text: str) -> Path:
    path = folder / "world.yaml"
    path.write_text(f"apiVersion: fleet/v1\nkind: World\n{text}")
    return path


def write_to_first(world: OpenWorld) -> None:
    async def main() -> None:
        azure = world.azure(virtual.clock())
        cluster = next(world.world.clusters(world.base_at))
        pin = Write(
            verb=Verb.PUT,
            extension_type="Microsoft.openservicemesh",
            namespace=None,
            location=cluster.location,
            version="1.2.6",
            auto_upgrade=AutoUpgrade.NONE,
        )
        await azure.write(ExtensionRef(cluster_id=cluster.id, name="osm"), pin, IDS)

    virtual.run(main(), start_at=world.base_at)


def test_simulated_time_goes_on_between_processes(path: Path, tmp_path: Path) -> None:
    """Whoever opens the world a minute later finds it an hour older."""
    state = tmp_path / "state"
    seen = []
    for after in (dt.timedelta(0), MINUTE, 2 * MINUTE):
        with opening.opened(path, state_dir=state, wall=WALL + after) as one:
            seen.append((one.base_at - stock.EPOCH, one.time_scale, one.is_virtual))

    assert seen == [(n * 60 * MINUTE, 60, False) for n in range(3)]


def test_a_wall_clock_that_was_set_back_does_not_undo_what_happened(
    path: Path, tmp_path: Path
) -> None:
    with opening.opened(path, state_dir=tmp_path, wall=WALL) as one:
        write_to_first(one)
        (effect,) = one.world.effects
    with opening.opened(path, state_dir=tmp_path, wall=WALL - 5 * MINUTE) as one:
        assert one.base_at == effect.call.at


def test_at_full_speed_the_world_goes_on_when_what_was_under_way_has_ended(tmp_path: Path) -> None:
    path = world_file(tmp_path, "timeScale: max\nclusters: 4\n")
    with opening.opened(path, state_dir=tmp_path, wall=WALL) as one:
        first = (one.base_at, one.time_scale, one.is_virtual)
        write_to_first(one)
        (effect,) = one.world.effects
    with opening.opened(path, state_dir=tmp_path, wall=WALL + MINUTE) as one:
        second = (one.time_scale, one.is_virtual)
        found = one.world.extension(effect.call.cluster_id, effect.call.name, one.base_at)
        gone_on = one.base_at - effect.call.at

    assert first == (stock.EPOCH, 1, True)
    assert second == (1, True)
    assert dt.timedelta(0) < gone_on < dt.timedelta(hours=1)
    assert found is not None
    assert found.provisioning_state.is_terminal


def test_another_content_is_another_world(path: Path, tmp_path: Path) -> None:
    with opening.opened(path, state_dir=tmp_path, wall=WALL) as one:
        write_to_first(one)
    path.write_text(path.read_text() + "# changed\n")
    with opening.opened(path, state_dir=tmp_path, wall=WALL) as one:
        assert one.world.effects == ()

    assert len(list((tmp_path / "worlds").iterdir())) == 2


def test_only_its_owner_may_look_at_the_state(path: Path, tmp_path: Path) -> None:
    state = tmp_path / "deep" / "state"
    with opening.opened(path, state_dir=state, wall=WALL):
        pass

    (ledger,) = (state / "worlds").iterdir()
    assert [stat.S_IMODE(one.stat().st_mode) for one in (state, ledger.parent, ledger)] == [
        0o700,
        0o700,
        0o600,
    ]
    assert ledger.suffix == ".jsonl"
    assert len(ledger.stem) == 16


def test_a_state_directory_that_is_a_file_is_named(path: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="worlds cannot be made"):
        opening.open_world(path, state_dir=path, wall=WALL)


def test_a_world_older_than_the_calendar_is_refused(tmp_path: Path) -> None:
    path = world_file(tmp_path, "timeScale: 100000\nclusters: 4\n")
    with opening.opened(path, state_dir=tmp_path, wall=WALL):
        pass

    with pytest.raises(InputError, match="left the calendar"):
        opening.open_world(path, state_dir=tmp_path, wall=WALL + dt.timedelta(days=365))


def test_two_processes_share_a_world_and_both_may_be_killed(tmp_path: Path) -> None:
    path = world_file(tmp_path, "timeScale: max\nclusters: 40\nofflineShare: 0\n")
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(tmp_path), place],
            stderr=subprocess.PIPE,
            text=True,
        )
        for place in ("0", "1")
    ]
    ends = [(one.communicate(timeout=60)[1], one.returncode) for one in writers]
    with opening.opened(path, state_dir=tmp_path, wall=WALL) as one:
        calls = [effect.call for effect in one.world.effects]
        clusters = list(one.world.clusters(one.base_at + 60 * MINUTE))

    assert ends == [("", -9), ("", -9)]
    assert sorted((call.correlation_id, int(call.client_request_id)) for call in calls) == [
        (place, n) for place in ("0", "1") for n in range(20)
    ]
    assert [call.at for call in calls] == sorted(call.at for call in calls)
    assert {
        one.version for cluster in clusters for one in cluster.extensions if one.name == "osm"
    } == {"1.2.6"}
    (ledger,) = (tmp_path / "worlds").iterdir()
    lines = ledger.read_text().splitlines()
    assert len(lines) == 41
    assert all(json.loads(line) for line in lines)
    assert "hunter2-canary" not in ledger.read_text()


def test_what_is_changed_inside_a_cluster_is_shared_and_remembered(path: Path) -> None:
    seen: list[str | None] = []
    maps = Resource("", "v1", "configmaps")

    async def change(one: OpenWorld) -> None:
        cluster = next(one.world.clusters(one.base_at))
        async with one.clusters(virtual.clock()).open(cluster.id) as api:
            await api.create(maps, {"metadata": {"name": "a"}}, namespace="bookstore")
            await api.merge(maps, "a", {"data": {"k": "v"}}, namespace="bookstore")

    async def look(one: OpenWorld) -> None:
        cluster = next(one.world.clusters(one.base_at))
        async with one.clusters(virtual.clock()).open(cluster.id) as api:
            found = await api.get(maps, "a", namespace="bookstore")
            seen.append(None if found is None else found["data"]["k"])

    first = opening.open_world(path, state_dir=path.parent, wall=WALL)
    second = opening.open_world(path, state_dir=path.parent, wall=WALL)
    virtual.run(look(second))
    virtual.run(change(first))
    virtual.run(look(second))
    first.close()
    second.close()
    with opening.opened(path, state_dir=path.parent, wall=WALL + MINUTE) as later:
        virtual.run(look(later))

    assert seen == [None, "v", "v"]
