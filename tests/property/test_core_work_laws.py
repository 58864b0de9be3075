"""Laws of works: done is done, what leads back leads back, and what others own stays theirs."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

from hypothesis import assume, given, settings, strategies as st

from fleet.core import works
from fleet.core.chain import canonical
from fleet.core.works import monitoring, namespaces, patches, tomllists
from fleet.core.works.tomllists import UnfitError
from fleet.model.inside import Work, WorkKind
from fleet.model.objects import Resource
from tests.rig.insides import Inside, namespace
from tests.rig.workloads import MESHED, NEW, OLD, PLURALS, injector, pod, workload

KEYS = st.sampled_from(["a", "b", "c"])
SCALARS = st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from(["x", "y"])
LEAVES = SCALARS | st.lists(SCALARS, max_size=2)
PATCHES = st.dictionaries(
    KEYS, st.recursive(LEAVES, lambda s: st.dictionaries(KEYS, s), max_leaves=6)
)
OBJECTS = PATCHES.map(lambda one: patches.merged({}, one))
NAMES = st.sampled_from(["one", "two", "three", "four"])
SOME = st.frozensets(NAMES).map(lambda some: tuple(sorted(some)))
MESH = Resource("config.openservicemesh.io", "v1alpha2", "meshconfigs")
STEP = "step-1"
PATH = ("table", "sub", "names")


def seen(work: Work, inside: Inside) -> Any:
    return inside.see(works.wants(work))


def do(work: Work, inside: Inside) -> Work | None:
    """Do a work, which is then done; return what leads back from it."""
    back = works.undo(work, seen(work, inside))
    told = works.changes(work, seen(work, inside))
    edits = works.edits(work, seen(work, inside), token="")
    inside.do(edits)

    assert works.edits(work, seen(work, inside), token="") == ()
    assert works.changes(work, seen(work, inside)) == ()
    assert works.undo(work, seen(work, inside)) is None
    assert works.pending(work, seen(work, inside)) == ""
    assert bool(told) <= bool(edits)
    assert bool(back) is bool(told)
    return back


# --- merge patches -----------------------------------------------------------------------


@settings(max_examples=50)
@given(target=OBJECTS, patch=PATCHES)
def test_what_is_left_of_a_patch_does_all_of_it_and_leads_back(
    target: dict[str, Any], patch: dict[str, Any]
) -> None:
    after = patches.merged(target, patch)
    rest, back = patches.remainder(target, patch), patches.way_back(target, patch)

    assert canonical(patches.merged(target, rest)) == canonical(after)
    assert patches.remainder(after, patch) == {}
    assert canonical(patches.merged(after, back)) == canonical(target)
    assert bool(rest) is bool(back) is bool(list(patches.leaves(target, patch)))
    assert bool(rest) is (canonical(after) != canonical(target))


# --- kinds of work -----------------------------------------------------------------------


@settings(max_examples=50)
@given(spec=OBJECTS, patch=PATCHES)
def test_a_mesh_is_configured_once_and_gets_back_what_it_had(
    spec: dict[str, Any], patch: dict[str, Any]
) -> None:
    where = {"name": "osm-mesh-config", "namespace": "arc-osm-system"}
    inside = Inside((MESH, {"metadata": where, "spec": spec}))

    back = do(Work(kind=WorkKind.MESH_CONFIG, patch=canonical(patch).decode()), inside)

    if back:
        assert do(back, inside)
    assert _spec(inside) == canonical(spec)


def _spec(inside: Inside) -> bytes:
    return canonical(inside.objects[MESH, "arc-osm-system", "osm-mesh-config"]["spec"])


WORDS = st.sampled_from(["enabled", "yes", "disabled", ""])
LABELS = st.fixed_dictionaries(
    {}, optional={namespaces.MONITORED_BY: st.sampled_from(["osm", "x"])}
)
ANNOTATIONS = st.fixed_dictionaries(
    {}, optional={namespaces.INJECTION: WORDS, namespaces.METRICS: WORDS}
)


@settings(max_examples=50)
@given(
    found=st.dictionaries(NAMES, st.tuples(LABELS, ANNOTATIONS)),
    roles=st.dictionaries(
        NAMES,
        st.sets(st.sampled_from(["add", "metrics"]))
        | st.sets(st.sampled_from(["remove", "no_metrics"])),
    ),
)
def test_namespaces_get_back_what_they_had_and_keep_what_others_gave_them(
    found: Mapping[str, tuple[dict[str, str], dict[str, str]]], roles: Mapping[str, set[str]]
) -> None:
    inside = Inside(
        *(
            (namespaces.NAMESPACES, namespace(name, labels=labels, annotations=annotations))
            for name, (labels, annotations) in found.items()
        )
    )
    before = inside.copied()
    work = Work(kind=WorkKind.NAMESPACES, **_named(roles))
    assume(not works.blocked(work, seen(work, inside)))

    back = do(work, inside)

    for key, one in inside.objects.items():
        assert one["metadata"]["labels"]["kubernetes.io/metadata.name"] == key[2]
        assert one["metadata"]["annotations"]["owner"] == "them"
    if back:
        assert not works.blocked(back, seen(back, inside))
        assert do(back, inside)
    assert inside.objects == before


def _named(roles: Mapping[str, set[str]]) -> dict[str, Any]:
    return {
        role: tuple(name for name, own in sorted(roles.items()) if role in own)
        for role in ("add", "remove", "metrics", "no_metrics")
    }


COMMENTS = ["# why", '# it\'s "x", ]', "# end", "# here", "# none", "# x"]
LISTS = st.builds(
    lambda values, gaps, end: (
        "[" + "".join(map("".join, zip(values, gaps, strict=False))) + end + "]"
    ),
    st.lists(NAMES.map(repr) | NAMES.map('"{}"'.format), max_size=4),
    st.lists(st.sampled_from([", ", ",", " ,\n", ', # it\'s "x", ]\n']), min_size=4, max_size=4),
    st.sampled_from(["", "\n", " # end\n"]),
)
TEXTS = st.builds(
    lambda head, key, names, tail: f"{head}{key} = {names}{tail}",
    st.sampled_from(
        ["# why\n[table.sub]\n", '[other]\nx = """\nnames = ["a"]\n"""\n[table.sub]\n']
    ),
    st.sampled_from(["names", '"names"', "  names"]),
    LISTS,
    st.sampled_from(["", " # here\n", '\nmore = "] # x"\n', "\r\n[[other2]]\nnames = ['q']\n"]),
) | st.sampled_from(
    ["", "# none\n", "[table]\nx = 1", "[table.sub]\n", "[table]\nsub.names = ['one'] # x\n"]
)


@settings(max_examples=50)
@given(text=TEXTS, wanted=st.lists(NAMES, unique=True))
def test_a_list_is_changed_and_nothing_else_of_its_text(text: str, wanted: list[str]) -> None:
    present = tomllists.items(text, PATH)
    aim = [*(one for one in present if one in wanted), *(w for w in wanted if w not in present)]

    after = tomllists.replaced(text, PATH, aim)

    assert list(tomllists.items(after, PATH)) == aim
    assert _without_names(after) == _without_names(text)
    assert [after.count(one) for one in COMMENTS] == [text.count(one) for one in COMMENTS]
    assert tomllists.replaced(after, PATH, aim) == after


def _without_names(text: str) -> Any:
    data = tomllib.loads(text)
    sub = data.get("table", {}).get("sub", {})
    sub.pop("names", None)
    return {**data, "table": {**data.get("table", {}), "sub": sub}}


@settings(max_examples=50)
@given(
    text=st.text(max_size=60) | TEXTS.flatmap(lambda t: st.integers(0, len(t)).map(lambda n: t[:n]))
)
def test_a_text_is_changed_as_meant_or_not_at_all(text: str) -> None:
    try:
        after = tomllists.replaced(text, PATH, ["new"])
    except UnfitError:
        return
    assert tomllists.items(after, PATH) == ("new",)


@settings(max_examples=50)
@given(listed=st.lists(NAMES, unique=True), add=SOME, remove=SOME, is_there=st.booleans())
def test_monitoring_lists_what_is_meant_beside_what_others_listed(
    listed: list[str], add: tuple[str, ...], remove: tuple[str, ...], is_there: bool
) -> None:
    table = "[osm_metric_collection_configuration.settings]\n"
    text = f"{table}monitor_namespaces = {listed!r} # theirs\n"
    data = {monitoring.SCHEMA: "v1", monitoring.TEXT: text, "their": "own"}
    where = {"name": monitoring.NAME, "namespace": monitoring.NAMESPACE}
    found = [(monitoring.CONFIG_MAPS, {"metadata": where, "data": data})] if is_there else []
    inside = Inside(*found)
    before = set(listed) if is_there else set()
    work = Work(
        kind=WorkKind.MONITORING, add=add, remove=tuple(one for one in remove if one not in add)
    )

    back = do(work, inside)

    assert _monitored(inside) == (before | set(add)) - set(work.remove)
    if back:
        assert do(back, inside)
    assert _monitored(inside) == before
    if is_there:
        (after,) = inside.objects.values()
        assert after["data"]["their"] == "own"
        assert after["data"][monitoring.TEXT].endswith("] # theirs\n")


def _monitored(inside: Inside) -> set[str]:
    texts = [one["data"][monitoring.TEXT] for one in inside.objects.values()]
    return {name for text in texts for name in tomllists.items(text, monitoring.PATH)}


ENTRIES = st.frozensets(st.sampled_from(["one", "one/web", "two/web", "two/job"])).map(
    lambda some: tuple(sorted(some))
)


@settings(max_examples=50)
@given(first=ENTRIES, add=ENTRIES, remove=ENTRIES)
def test_what_was_granted_on_openshift_is_taken_back(
    first: tuple[str, ...], add: tuple[str, ...], remove: tuple[str, ...]
) -> None:
    inside = Inside(
        (
            Resource("security.openshift.io", "v1", "securitycontextconstraints"),
            {"metadata": {"name": "privileged"}},
        ),
        *((namespaces.NAMESPACES, namespace(name)) for name in ("one", "two")),
    )
    do(Work(kind=WorkKind.PRIVILEGED, add=first), inside)
    before = _granted(inside)
    gone = tuple(one for one in remove if one not in add)

    back = do(Work(kind=WorkKind.PRIVILEGED, add=add, remove=gone), inside)

    if back:
        do(back, inside)
    assert _granted(inside) == before


def _granted(inside: Inside) -> set[tuple[str, str]]:
    """Return the service accounts that have it, by themselves or by their group."""
    subjects = [
        (place or "", one["kind"], one["name"])
        for (_, place, _), binding in inside.objects.items()
        for one in binding.get("subjects", ())
    ]
    return {
        (place, account)
        for place, kind, name in subjects
        for account in (["web", "job", "another"] if kind == "Group" else [name])
    }


# --- restarts ----------------------------------------------------------------------------

PLANS = st.lists(st.sampled_from([*PLURALS]), min_size=1, max_size=6)


@settings(max_examples=50)
@given(kinds=PLANS, at_once=st.integers(1, 3), data=st.data())
def test_each_workload_is_restarted_once_and_never_too_many_at_once(
    kinds: list[str], at_once: int, data: st.DataObject
) -> None:
    work = Work(kind=WorkKind.RESTART, max_concurrency=at_once)
    inside = Inside(injector(), (namespaces.NAMESPACES, namespace("shop", **MESHED)))
    for n, kind in enumerate(kinds):
        inside.put(*workload(f"w{n}", kind=kind))
        inside.put(*pod(f"w{n}", OLD, kind=kind))
    rolling: list[str] = []
    restarted: list[str] = []

    while works.pending(work, seen(work, inside), token=STEP):
        edits = works.edits(work, seen(work, inside), token=STEP)
        inside.do(edits)
        assert works.edits(work, seen(work, inside), token=STEP) == ()
        rolling += (one.name for one in edits)
        restarted += (one.name for one in edits)
        assert 0 < len(rolling) <= at_once
        for name in data.draw(st.lists(st.sampled_from(rolling), min_size=1, unique=True)):
            kind = kinds[int(name[1:])]
            inside.put(*workload(name, kind=kind, by=STEP))
            inside.put(*pod(name, NEW, kind=kind))
            rolling.remove(name)

    assert sorted(restarted) == [f"w{n}" for n in range(len(kinds))]
    assert works.edits(work, seen(work, inside), token=STEP) == ()
