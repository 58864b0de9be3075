"""Laws of the insides of simulated clusters: of patches, of selectors, and of the past."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given, settings, strategies as st

from fleet.model.plan import Verb
from fleet.sim.inside import clusters, merging, selecting, view
from tests.rig import runs
from tests.rig.interiors import CONFIG, inside

keys = st.sampled_from(["a", "b", "c"])
leaves = st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from(["", "x"])
documents = st.recursive(
    leaves,
    lambda inner: st.dictionaries(keys, inner, max_size=3) | st.lists(inner, max_size=2),
    max_leaves=8,
)
objects = st.dictionaries(keys, documents, max_size=3)


def reference(target: Any, patch: Any) -> Any:
    """MergePatch, as RFC 7396 spells it."""
    if isinstance(patch, dict):
        if not isinstance(target, dict):
            target = {}
        for name, value in patch.items():
            if value is None:
                if name in target:
                    del target[name]
            else:
                target[name] = reference(target.get(name), value)
        return target
    return patch


def is_same(one: Any, other: Any) -> bool:
    """Tell whether two documents are the same JSON: true is not 1."""
    return repr(_sorted(one)) == repr(_sorted(other))


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(one) for one in value] if isinstance(value, list) else value


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(one) for key, one in value.items() if one is not None}
    return value


@given(target=documents, patch=documents)
def test_a_merge_is_what_the_standard_says(target: Any, patch: Any) -> None:
    before = copy.deepcopy((target, patch))
    found = merging.merged(target, patch)

    assert is_same((target, patch), before)
    assert is_same(found, reference(copy.deepcopy(target), copy.deepcopy(patch)))


@given(target=documents, patch=documents)
def test_a_merge_done_twice_is_done_once(target: Any, patch: Any) -> None:
    once = merging.merged(target, patch)

    assert is_same(merging.merged(once, patch), once)


@given(before=objects, after=objects)
def test_a_difference_leads_from_one_to_the_other(before: Any, after: Any) -> None:
    before, after = without_nulls(before), without_nulls(after)
    found = merging.difference(before, after)

    assert is_same(merging.merged(before, found), after)
    assert (found == {}) is is_same(before, after)


@given(
    labels=st.dictionaries(keys, keys, max_size=3),
    key=keys,
    values=st.lists(keys, min_size=1, max_size=3, unique=True),
)
def test_a_selector_and_its_opposite_part_all_objects(
    labels: dict[str, str], key: str, values: list[str]
) -> None:
    text = ", ".join(values)
    pairs = [
        (f"{key} in ({text})", f"{key} notin ({text})"),
        (f"{key}={values[0]}", f"{key}!={values[0]}"),
        (key, f"!{key}"),
    ]
    for one, other in pairs:
        assert selecting.of_labels(one)(labels) is not selecting.of_labels(other)(labels)


steps = st.lists(
    st.tuples(
        st.sampled_from(["upgrade", "delete", "install", "patch", "look"]), st.integers(1, 900)
    ),
    max_size=4,
)
KINDS = ("/api/v1/pods", "/apis/apps/v1/deployments", "/api/v1/secrets", "/api/v1/endpoints")


@settings(max_examples=10, deadline=None)
@given(steps=steps)
def test_what_was_is_told_alike_however_late_it_is_asked(steps: list[tuple[str, int]]) -> None:
    """A list at a version is the same now and later: pages and watches build on it."""
    found = inside(installed="1.1.1")
    seen = []
    for act, seconds in steps:
        _do(found, act)
        seen.append([found.get(path) for path in KINDS])
        found.wait(seconds=seconds)
    for (_, _), documents in zip(steps, seen, strict=True):
        for path, document in zip(KINDS, documents, strict=True):
            version = document["metadata"]["resourceVersion"]
            interior = found.world.interiors[found.cluster_id]
            view = interior.view_of(int(version), found.now)
            group, plural = ("apps", "deployments") if "apps" in path else ("", path.split("/")[-1])
            told = [one["metadata"]["uid"] for one in view.items(group, plural)]
            assert told == [one["metadata"]["uid"] for one in document["items"]]


broken = st.sampled_from(
    [{}, {"what": "injector-crash", "afterSeconds": 200, "untilSeconds": 700}]
    + [{"what": one} for one in ("restart-stuck", "leftovers", "webhook-missing")]
)
waits = st.sampled_from([0, 1, 500, 9_000, 60_000, 900_000])
EVERY = (*KINDS, "/api/v1/namespaces/bookstore/pods", "/apis/apps/v1/replicasets", CONFIG)


@settings(max_examples=10, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["upgrade", "delete", "install", "patch", "mesh", "look"]), waits
        ),
        min_size=3,
        max_size=7,
    ),
    broken=broken,
    upgrades=st.booleans(),
)
def test_what_is_kept_is_what_would_be_made_anew(
    steps: list[tuple[str, int]], broken: dict[str, Any], upgrades: bool
) -> None:
    """Objects are kept while they would be made alike; whoever asks cannot tell."""
    keys: dict[str, Any] = {"inside": {"breaks": [broken] if broken else []}}
    if upgrades:
        keys["autoUpgradeAfterSeconds"] = {"min": 60, "max": 600}
    found = inside(installed="1.1.1", **keys)
    for act, milliseconds in steps:
        _do(found, act)
        # NB: twice: the first time some of it is made, while time goes on.
        for _ in range(2):
            found.wait(milliseconds=milliseconds)
            told = [found.ask(path).document for path in EVERY]
            found.world.interiors[found.cluster_id].forget()
            assert told == [found.ask(path).document for path in EVERY]


def test_only_the_clusters_looked_into_last_keep_what_was_made() -> None:
    world = runs.world(clusters=view.MOST + 5, offlineShare=0)
    now = world.recipe.epoch
    interiors = [clusters.interior(world, one.id) for one in world.clusters(now)]
    for one in interiors:
        one.view(now).items("", "nodes")

    assert list(world.recent.values()) == interiors[5:]
    assert [one.is_keeping for one in interiors] == [False] * 5 + [True] * view.MOST


def _do(found: Any, act: str) -> None:
    is_there = found.world.extension(found.cluster_id, "osm", found.now) is not None
    match act:
        case "upgrade" if is_there:
            found.write(Verb.PATCH, version="1.2.3")
        case "delete" if is_there:
            found.write(Verb.DELETE)
        case "install":
            found.write(Verb.PUT, version="1.2.6", settings={})
        case "mesh":
            value = None if len(found.world.edits(found.cluster_id)) % 2 else "enabled"
            annotations = {"openservicemesh.io/sidecar-injection": value}
            found.patch("/api/v1/namespaces/bookstore", {"metadata": {"annotations": annotations}})
        case "patch":
            path = "/apis/apps/v1/namespaces/bookstore/deployments/bookstore"
            found.patch(
                path, {"spec": {"template": {"metadata": {"labels": {"x": str(found.now)}}}}}
            )
        case _:
            pass
