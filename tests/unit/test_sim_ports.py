from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from fleet.engine import virtual
from fleet.errors import (
    InputError,
    LostAnswerError,
    LostClusterError,
    ThrottledError,
    TransientError,
)
from fleet.model.cluster import (
    AutoUpgrade,
    ClusterId,
    Inventory,
    ProvisioningState,
    UnsupportedKubernetes,
    VersionLimits,
)
from fleet.model.plan import Verb
from fleet.model.scope import Match, Scope
from fleet.ports import Discovery, ExtensionRef, Extensions, OperationStatus, RequestIds, Write
from fleet.sim import calls, names, stock, worldfile
from fleet.sim.ledger import Anchor, Ledger
from fleet.sim.ports import SimulatedAzure
from fleet.sim.recipe import Faults, Recipe, Span
from fleet.sim.world import World

T = TypeVar("T")
OSM = "microsoft.openservicemesh"

RECIPE = dataclasses.replace(
    worldfile.default_recipe(),
    cluster_count=2500,
    subscription_count=3,
    offline_ppm=0,
    extensions=(
        dataclasses.replace(stock.OSM, installed={"1.1.1": 1}, auto_upgrade_ppm=0, failed_ppm=0),
    ),
    operation_s=Span(low=60, high=60),
    call_ms=Span(low=100, high=100),
)
IDS = RequestIds(correlation_id="session", client_request_id="request")
PIN = Write(
    verb=Verb.PATCH,
    extension_type="Microsoft.openservicemesh",
    namespace=None,
    location="westeurope",
    version="1.2.6",
    auto_upgrade=AutoUpgrade.NONE,
    release_train="stable",
    protected={"token": "s3cret"},
)


def lived(
    act: Callable[[SimulatedAzure], Awaitable[T]],
    *,
    recipe: Recipe = RECIPE,
    store: Ledger | None = None,
) -> tuple[T, SimulatedAzure, dt.timedelta]:
    """Do *act* against a new world; return also the service and the time it took."""

    async def main() -> tuple[T, SimulatedAzure, dt.timedelta]:
        azure = SimulatedAzure(World(recipe), virtual.clock(), store)
        result = await act(azure)
        return result, azure, virtual.clock().now() - stock.EPOCH

    return virtual.run(main(), start_at=stock.EPOCH)


def first(azure: SimulatedAzure) -> ExtensionRef:
    cluster = next(azure.world.clusters(stock.EPOCH))
    return ExtensionRef(cluster_id=cluster.id, name="osm")


async def followed(azure: SimulatedAzure, url: str | None) -> OperationStatus:
    assert url is not None
    while not (status := await azure.operation(url, IDS)).is_terminal:
        await virtual.clock().sleep(dt.timedelta(seconds=30))
    return status


def test_it_speaks_both_ports() -> None:
    """For the type checker more than for the machine."""

    async def act(azure: SimulatedAzure) -> tuple[Discovery, Extensions]:
        return azure, azure

    (discovery, extensions), azure, _ = lived(act)

    assert (discovery, extensions) == (azure, azure)


def test_an_inventory_is_what_the_scope_selects_in_order_of_id() -> None:
    scope = Scope(
        subscriptions=("00000000-0000-0000-0000-000000000002",),
        match=Match(tags={"env": ("test",)}, names=("store-0*",)),
        exclude=Match(distributions=("k3s",)),
    )
    found, _, took = lived(
        lambda azure: azure.inventory(
            scope, extension_type="microsoft.OPENservicemesh", release_train=None
        )
    )

    ids = [cluster.id for cluster in found.clusters]
    assert ids == sorted(set(ids))
    assert len(ids) > 20
    assert {
        (cluster.subscription[-1], cluster.tags["env"], cluster.distribution == "k3s")
        for cluster in found.clusters
    } == {("2", "test", False)}
    assert found.versions == stock.OSM.versions
    # One request for each thousand clusters.
    assert took == dt.timedelta(milliseconds=300)
    assert found.read_at is not None
    beats = [one.last_connectivity_at for one in found.clusters if one.is_reachable]
    assert all(found.read_at - dt.timedelta(minutes=5) <= beat for beat in beats if beat)


def test_what_only_a_query_or_a_tree_of_groups_could_tell_is_refused() -> None:
    async def act(azure: SimulatedAzure) -> tuple[InputError, InputError, int]:
        async def found(scope: Scope) -> Inventory:
            return await azure.inventory(scope, extension_type=OSM, release_train=None)

        with pytest.raises(InputError) as of_clause:
            await found(Scope(kql="| where name == 'a'"))
        with pytest.raises(InputError) as of_group:
            await found(Scope(management_groups=("stores",)))
        root = await found(Scope(management_groups=(names.tenant(azure.world.recipe.seed),)))
        return of_clause.value, of_group.value, len(root.clusters)

    (of_clause, of_group, count), azure, _ = lived(act)

    assert "fleet sim serve" in str(of_clause.hint)
    assert of_group.message == "there is no management group stores in this world"
    assert count == azure.world.recipe.cluster_count


def test_a_world_tells_where_its_versions_do_not_run() -> None:
    limit = UnsupportedKubernetes(distributions=("k3s",), ranges=(">1.30",))
    kind = dataclasses.replace(stock.OSM, unsupported={"1.2.6": (limit,), "9.9.9": (limit,)})
    world = World(dataclasses.replace(RECIPE, extensions=(kind,)))

    assert world.version_limits("Microsoft.OpenServiceMesh") == {
        "stable": {"1.2.6": VersionLimits(unsupported=(limit,))}
    }
    assert world.version_limits("Microsoft.flux") == {}


def test_an_inventory_of_everything_is_the_whole_fleet() -> None:
    found, _, _ = lived(
        lambda azure: azure.inventory(Scope(), extension_type="No.Such", release_train=None)
    )

    assert (len(found.clusters), found.versions) == (2500, {})


def test_a_write_is_followed_to_its_proof() -> None:
    async def act(azure: SimulatedAzure) -> tuple[str | None, bool, str | None]:
        ref = first(azure)
        accepted = await azure.write(ref, PIN, IDS)
        status = await followed(azure, accepted.operation_url)
        found = await azure.get(ref, IDS)
        assert accepted.extension is not None
        assert found is not None
        assert found.provisioning_state is ProvisioningState.SUCCEEDED
        return accepted.extension.modified_at, status.has_succeeded, found.modified_at

    (stamp, has_succeeded, later_stamp), azure, took = lived(act)

    assert has_succeeded
    assert stamp == later_stamp == "2026-01-10T02:00:00.100000Z"
    # Two ways of 100 ms for the write, three reads of the operation 30 s apart, one GET.
    assert took == dt.timedelta(seconds=60.6)
    assert [effect.call.body.protected for effect in azure.world.effects] == [
        {"token": calls.protected_mark("token", "s3cret")}
    ]


def test_a_lost_answer_is_raised_after_the_effect() -> None:
    async def act(azure: SimulatedAzure) -> str | None:
        with pytest.raises(LostAnswerError):
            await azure.write(first(azure), PIN, IDS)
        found = await azure.get(first(azure), IDS)
        return None if found is None else found.version

    recipe = dataclasses.replace(RECIPE, faults=Faults(reset_after_ppm=1_000_000))
    assert lived(act, recipe=recipe)[0] == "1.2.6"


def test_somebody_stopped_on_the_way_back_has_changed_the_world() -> None:
    async def act(azure: SimulatedAzure) -> int:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.15):
                await azure.write(first(azure), PIN, IDS)
        return len(azure.world.effects)

    assert lived(act)[0] == 1


def test_somebody_stopped_on_the_way_there_has_not() -> None:
    async def act(azure: SimulatedAzure) -> int:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await azure.write(first(azure), PIN, IDS)
        return len(azure.world.effects)

    assert lived(act)[0] == 0


@pytest.mark.parametrize(
    ("rules", "kind"),
    [
        pytest.param(Faults(throttled_ppm=1_000_000), ThrottledError, id="throttled"),
        pytest.param(Faults(transient_error_ppm=1_000_000), TransientError, id="transient"),
    ],
)
def test_reads_are_refused_too(rules: Faults, kind: type[Exception]) -> None:
    async def act(azure: SimulatedAzure) -> None:
        with pytest.raises(kind):
            await azure.get(first(azure), IDS)

    lived(act, recipe=dataclasses.replace(RECIPE, faults=rules))


def test_a_read_that_was_refused_may_go_well_the_next_time() -> None:
    async def act(azure: SimulatedAzure) -> set[str]:
        seen = set()
        for _ in range(30):
            try:
                await azure.get(first(azure), IDS)
                seen.add("read")
            except TransientError:
                seen.add("refused")
        return seen

    recipe = dataclasses.replace(RECIPE, faults=Faults(transient_error_ppm=500_000))
    assert lived(act, recipe=recipe)[0] == {"read", "refused"}


def test_a_cluster_that_is_not_there_is_lost_to_every_read() -> None:
    async def act(azure: SimulatedAzure) -> None:
        missing = ClusterId("/subscriptions/x/resourceGroups/y/z")
        with pytest.raises(LostClusterError):
            await azure.cluster(missing, IDS)
        with pytest.raises(LostClusterError):
            await azure.get(ExtensionRef(cluster_id=missing, name="osm"), IDS)
        with pytest.raises(LostClusterError):
            await azure.write(ExtensionRef(cluster_id=missing, name="osm"), PIN, IDS)

    lived(act)


def test_two_services_on_one_ledger_are_one_world(tmp_path: Path) -> None:
    path, anchor = tmp_path / "w.jsonl", Anchor(version=1, epoch=stock.EPOCH, wall=stock.EPOCH)

    async def main() -> tuple[OperationStatus, bool, int]:
        stores = [Ledger(path, anchor=anchor) for _ in range(2)]
        one, other = (SimulatedAzure(World(RECIPE), virtual.clock(), store) for store in stores)
        accepted = await one.write(first(one), PIN, IDS)
        status = await followed(other, accepted.operation_url)
        crossed = await asyncio_both(one, other)
        for store in stores:
            store.close()
        return status, crossed, len(other.world.effects)

    async def asyncio_both(one: SimulatedAzure, other: SimulatedAzure) -> bool:
        """Both write at the same moment: one of the two operations is in the other's way."""
        delete = dataclasses.replace(PIN, verb=Verb.DELETE)
        async with asyncio.TaskGroup() as tasks:
            writes = [
                tasks.create_task(azure.write(first(azure), delete, IDS)) for azure in (one, other)
            ]
        ends = [await followed(one, write.result().operation_url) for write in writes]
        return sorted(end.is_conflict for end in ends) == [False, True]

    status, crossed, effect_count = virtual.run(main(), start_at=stock.EPOCH)

    assert status.has_succeeded
    assert crossed
    assert effect_count == 2
