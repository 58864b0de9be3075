from __future__ import annotations

import dataclasses
import datetime as dt
import tempfile
from pathlib import Path

from hypothesis import given, settings, strategies as st

from fleet.model.cluster import AutoUpgrade, Cluster, ClusterId
from fleet.model.plan import Verb
from fleet.sim import calls, names, stock, worldfile
from fleet.sim.calls import Body, Call
from fleet.sim.ledger import Anchor, Ledger
from fleet.sim.recipe import Faults, PatchSettings, Recipe, Span
from fleet.sim.world import World
from fleet.sim.writes import Effect

COUNT = 3
EPOCH = stock.EPOCH
CLUSTERS = [
    names.cluster_id(
        subscription=names.subscription(n // 2),
        resource_group="rg-here",
        name=names.cluster(n, count=COUNT),
    )
    for n in range(COUNT)
] + [ClusterId("/subscriptions/x/resourceGroups/y/none")]
STORMY = Faults(
    throttled_ppm=80_000,
    transient_error_ppm=80_000,
    reset_before_ppm=80_000,
    reset_after_ppm=80_000,
    conflict_ppm=80_000,
    operation_fails_ppm=100_000,
    stuck_operation_ppm=100_000,
    silent_failure_ppm=100_000,
    offline_midway_ppm=100_000,
    late_read_ppm=300_000,
)

plain = st.dictionaries(st.sampled_from("abc"), st.sampled_from("123"), max_size=2)
bodies = st.builds(
    Body,
    extension_type=st.sampled_from(["Microsoft.openservicemesh", "Microsoft.flux", "No.Such"]),
    namespace=st.sampled_from([None, "elsewhere"]),
    version=st.sampled_from([None, "1.1.1", "1.2.6", "9.9.9"]),
    auto_upgrade=st.sampled_from([None, *AutoUpgrade]),
    release_train=st.sampled_from([None, "stable", "preview"]),
    settings=st.none() | plain,
    protected=st.none()
    | plain.map(lambda one: {key: calls.protected_mark(key, text) for key, text in one.items()}),
)
writes = st.lists(
    st.tuples(
        st.builds(
            Call,
            at=st.just(EPOCH),
            cluster_id=st.sampled_from(CLUSTERS),
            name=st.sampled_from(["osm", "OSM", "flux"]),
            verb=st.sampled_from((Verb.PUT, Verb.PATCH, Verb.DELETE)),
            body=bodies,
            correlation_id=st.just("session"),
            client_request_id=st.just("request"),
        ),
        st.integers(0, 400_000_000).map(lambda us: dt.timedelta(microseconds=us)),
    ),
    max_size=12,
)
recipes = st.builds(
    lambda seed, rule: dataclasses.replace(
        worldfile.default_recipe(),
        seed=seed,
        cluster_count=COUNT,
        subscription_count=2,
        locations={"here": 1},
        offline_ppm=200_000,
        offline_s=Span(low=10, high=600),
        auto_upgrade_after_s=Span(low=100, high=1000),
        patch_settings=rule,
        faults=STORMY,
    ),
    seed=st.integers(0, 1000),
    rule=st.sampled_from(PatchSettings),
)


def lived(recipe: Recipe, steps: list[tuple[Call, dt.timedelta]]) -> list[Call]:
    """Give every call its moment: each follows the one before."""
    at, found = recipe.epoch, []
    for call, gap in steps:
        at += gap
        found.append(dataclasses.replace(call, at=at))
    return found


def portrait(world: World) -> tuple[list[list[Cluster]], tuple[Effect, ...], dt.datetime]:
    """Everything that can be seen of a world, at moments before and after its operations end."""
    moments = [world.last_at + dt.timedelta(minutes=m) for m in (0, 1, 3, 20, 49 * 60)]
    return [list(world.clusters(at)) for at in moments], world.effects, world.last_at


@given(recipe=recipes, steps=writes)
@settings(max_examples=60, deadline=None)
def test_replaying_equals_living(recipe: Recipe, steps: list[tuple[Call, dt.timedelta]]) -> None:
    living = World(recipe)
    history = lived(recipe, steps)
    for call in history:
        living.hear(call)
        # Looking must change nothing.
        portrait(living)
    replayed = World(recipe)
    replayed.replay(history)

    assert portrait(replayed) == portrait(living)


@given(recipe=recipes, steps=writes, cut=st.integers(0, 12))
@settings(max_examples=30, deadline=None)
def test_a_ledger_gives_back_the_world_that_wrote_it(
    recipe: Recipe, steps: list[tuple[Call, dt.timedelta]], cut: int
) -> None:
    """Two processes take turns; a third comes later and sees what both have done."""
    living, history = World(recipe), lived(recipe, steps)
    living.replay(history)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "world.jsonl"
        anchor = Anchor(version=1, epoch=recipe.epoch, wall=recipe.epoch)
        ledgers = [Ledger(path, anchor=anchor) for _ in range(2)]
        for n, call in enumerate(history):
            one = ledgers[n >= cut]
            with one.alone():
                one.news()
                one.append(call)
        late = Ledger(path, anchor=anchor)
        remembered = World(recipe)
        remembered.replay(late.news())
        for one in (*ledgers, late):
            one.close()

    assert portrait(remembered) == portrait(living)


@given(recipe=recipes, steps=writes)
@settings(max_examples=40, deadline=None)
def test_every_answer_is_one_the_ports_know(
    recipe: Recipe, steps: list[tuple[Call, dt.timedelta]]
) -> None:
    """An error, or an operation that can be read, or neither; and never half of each."""
    world = World(recipe)
    for call in lived(recipe, steps):
        heard = world.hear(call)

        assert heard.error is None or (heard.operation, heard.extension) == (None, None)
        if heard.operation is not None:
            status = world.operation(heard.operation.url, call.at)
            assert (status.is_terminal, status.has_succeeded) == (False, False)


@given(recipe=recipes, steps=writes)
@settings(max_examples=40, deadline=None)
def test_other_clusters_do_not_feel_a_write(
    recipe: Recipe, steps: list[tuple[Call, dt.timedelta]]
) -> None:
    """Luck is drawn for each target: what is done to one never changes another."""
    both, alone = World(recipe), World(recipe)
    history = lived(recipe, steps)
    both.replay(history)
    alone.replay(call for call in history if call.cluster_id == CLUSTERS[0])

    at = both.last_at + dt.timedelta(minutes=5)
    assert both.cluster(CLUSTERS[0], at) == alone.cluster(CLUSTERS[0], at)
