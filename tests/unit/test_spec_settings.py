"""Settings of Open Service Mesh, judged before anything is sent: mistakes, and what is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings as effort, strategies as st

from fleet.errors import InvariantError
from fleet.model import versions
from fleet.spec import charts, planfile, profiles
from fleet.spec.charts import Chart, Kind, Setting, keys
from fleet.spec.problems import SpecError

REFERENCE = Path(__file__).parents[3] / "shared" / "reference" / "osm"
ROOT = Path(__file__).parents[2]
LOADED = charts.load("osm")
assert LOADED is not None
OSM: Chart = LOADED
LEVEL = "osm.osm.envoyLogLevel"
PLAN = """\
apiVersion: fleet/v1
kind: Rollout
metadata: {name: trial}
spec:
  targets: {tenant: true}
  extension: %s
"""

Settings = dict[str, str]


def loaded(folder: Path, settings: Settings, **extension: object) -> Settings:
    """Return what becomes of *settings* in a plan file."""
    body = {"profile": "osm", **extension, "settings": settings}
    file = folder / "plan.yaml"
    file.write_text(PLAN % json.dumps(body), encoding="utf-8")
    return dict(planfile.load_rollout(file).desired.settings)


def complaints(folder: Path, settings: Settings, **extension: object) -> list[str]:
    """Return what is said of them; empty: nothing is wrong."""
    try:
        loaded(folder, settings, **extension)
    except SpecError as error:
        return [f"{one.message}; {one.hint}" if one.hint else one.message for one in error.problems]
    return []


def from_file(folder: Path, settings: Settings, **extension: object) -> Settings:
    """Return what becomes of *settings* in the file that the Azure CLI takes."""
    (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    body = {"profile": "osm", **extension, "settingsFile": "settings.json"}
    (folder / "plan.yaml").write_text(PLAN % json.dumps(body), encoding="utf-8")
    return dict(planfile.load_rollout(folder / "plan.yaml").desired.settings)


# --- what is a mistake -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "key", "is_wrong"),
    [
        ("1.2.6", "osm.OpenServiceMesh.enableEgress", True),
        ("1.0.0", "osm.OpenServiceMesh.enableEgress", True),
        ("0.11.1", "osm.OpenServiceMesh.enableEgress", False),
        ("0.9.2", "osm.OpenServiceMesh.enableEgress", False),
        ("0.11.1", "osm.osm.enableEgress", True),
        ("1.0.0", "osm.osm.enableEgress", False),
        ("latest", "osm.OpenServiceMesh.enableEgress", True),
        (None, "osm.OpenServiceMesh.enableEgress", True),
        (None, "osm.osm.enableEgress", False),
    ],
)
def test_the_root_is_the_one_of_the_version(
    version: str | None, key: str, is_wrong: bool, tmp_path: Path
) -> None:
    more = {} if version is None else {"version": version}

    found = complaints(tmp_path, {key: "true"}, **more)

    assert bool(found) is is_wrong


def test_a_key_of_the_old_root_names_the_new_one(tmp_path: Path) -> None:
    found = complaints(tmp_path, {"osm.OpenServiceMesh.enableEgres": "true"}, version="1.2.6")

    assert found == [
        'the chart ignores this key since version 1.0.0; did you mean "osm.osm.enableEgress"?'
    ]


@pytest.mark.parametrize(
    ("version", "key", "value", "message"),
    [
        ("1.0.0", "osm.osm.localProxyMode", "PodIP", "since version 1.1.1 only"),
        ("1.1.1", "osm.osm.localProxyMode", "PodIP", ""),
        ("1.1.1-1", "osm.osm.trustDomain", "mesh", "since version 1.2.3 only"),
        ("1.2.3", "osm.osm.trustDomain", "mesh", ""),
        ("1.1.1-1", "osm.osm.multicluster.gatewayLogLevel", "info", ""),
        ("1.2.3", "osm.osm.multicluster.gatewayLogLevel", "info", "no more since version 1.2.3"),
        ("latest", "osm.osm.multicluster.gatewayLogLevel", "info", "no more since version 1.2.3"),
        # 1.1 and 1.2 can come: one of them has it.
        (None, "osm.osm.multicluster.gatewayLogLevel", "info", ""),
        (None, "osm.osm.trustDomain", "mesh", ""),
        (None, "osm.osm.useHTTPSIngress", "true", "no more since version 1.0.0"),
    ],
)
def test_a_key_is_judged_by_the_version_that_is_pinned_or_by_all_that_can_come(
    version: str | None, key: str, value: str, message: str, tmp_path: Path
) -> None:
    more = {} if version is None else {"version": version}

    found = complaints(tmp_path, {key: value}, **more)

    assert (message in found[0]) if message else found == []


def test_of_a_version_that_is_not_known_yet_only_slips_are_refused(tmp_path: Path) -> None:
    news = {"osm.osm.somethingNew": "true"}

    assert complaints(tmp_path, news, version="1.3.0") == []
    assert complaints(tmp_path, news, version="1.2.6") == [
        "the chart has no such setting, and refuses it"
    ]
    assert complaints(tmp_path, {"osm.osm.enableEgres": "true"}, version="1.3.0") == [
        'the chart has no such setting; did you mean "osm.osm.enableEgress"?'
    ]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param(
            {"osm.osm.injector.autoScale.minReplicas": "6"},
            "minReplicas (6) is more than maxReplicas (5, its default); "
            "set osm.osm.injector.autoScale.maxReplicas too",
            id="over the default",
        ),
        pytest.param(
            {
                "osm.osm.injector.autoScale.minReplicas": "6",
                "osm.osm.osmController.autoScale.maxReplicas": "9",
            },
            "minReplicas (6) is more than maxReplicas (5, its default); "
            "set osm.osm.injector.autoScale.maxReplicas too",
            id="the other one's limit does not count",
        ),
        pytest.param(
            {"osm.osm.outboundPortExclusionList[0]": "65536"},
            'expected a whole number from 1 to 65535, found "65536"',
            id="an item out of range",
        ),
        pytest.param(
            {"osm.osm.outboundIPRangeExclusionList[0]": "10.0.0.300/8"},
            'expected a range of addresses such as 10.0.0.0/8, found "10.0.0.300/8"',
            id="an item of another kind",
        ),
        pytest.param(
            {"osm.osm.osmController.replicaCount": "03"},
            'expected a whole number of 0 or more, found "03"',
            id="a number that Helm leaves as text",
        ),
        pytest.param(
            {"osm.osm.osmController.resource.requests.memory": "64MB"},
            'expected an amount of memory such as 128M or 1Gi, found "64MB"',
            id="an amount of memory",
        ),
        pytest.param(
            {"osm.osm.osmController.podLabels": "a=b"},
            "this has keys below it, and no value; "
            "write one key for each, such as osm.osm.osmController.podLabels.NAME",
            id="a map as text",
        ),
        pytest.param(
            {"osm.osm.meshName": "null"},
            'the chart wants text, and reads "null" as nothing',
            id="null",
        ),
    ],
)
def test_a_value_that_the_chart_would_not_take(
    settings: Settings, message: str, tmp_path: Path
) -> None:
    assert complaints(tmp_path, settings, version="1.2.6") == [message]


@pytest.mark.parametrize(
    "settings",
    [
        {"osm.osm.enableEgress": "True"},
        {"osm.osm.osmController.resource.limits.cpu": "1.5"},
        {"osm.osm.osmController.autoScale.cpu.targetAverageUtilization": "0"},
        {"osm.osm.osmController.autoScale.maxReplicas": "10"},
        {
            "osm.osm.injector.autoScale.minReplicas": "6",
            "osm.osm.injector.autoScale.maxReplicas": "6",
        },
        {r"osm.osm.osmController.podLabels.app\.kubernetes\.io/part-of": "mesh"},
        {
            "osm.osm.controlPlaneTolerations[0].key": "CriticalAddonsOnly",
            "osm.osm.controlPlaneTolerations[0].operator": "Exists",
        },
        {
            "osm.osm.outboundPortExclusionList[0]": "6379",
            "osm.osm.outboundPortExclusionList[1]": "7070",
        },
        {r"osm.contour.envoy.service.annotations.service\.beta\.kubernetes\.io/x": "y"},
        {"osm.contour.somethingElseEntirely": "y"},
        {"OpenServiceMesh.ignoreNamespaces": "kube-system azure-arc arc-osm-system"},
        {"osm.osm.vault.token": ""},
    ],
    ids=lambda one: next(iter(one)),
)
def test_what_the_chart_takes_is_no_mistake_and_arrives_as_written(
    settings: Settings, tmp_path: Path
) -> None:
    assert loaded(tmp_path, settings, version="1.2.6") == settings
    assert from_file(tmp_path, settings, version="1.2.6") == settings


@pytest.mark.parametrize(
    "extension", [{"profile": "flux"}, {"extensionType": "Contoso.Plain", "name": "plain"}]
)
def test_an_extension_of_which_no_chart_is_known_is_not_judged(
    extension: dict[str, str], tmp_path: Path
) -> None:
    body = {**extension, "settings": {"a": "yes", "osm.osm.enableEgres": "2"}}
    file = tmp_path / "plan.yaml"
    file.write_text(PLAN % json.dumps(body), encoding="utf-8")

    assert dict(planfile.load_rollout(file).desired.settings) == body["settings"]


def test_a_type_that_is_named_instead_of_its_profile_is_judged_alike(tmp_path: Path) -> None:
    body = {"extensionType": "microsoft.OpenServiceMesh", "name": "osm"}
    file = tmp_path / "plan.yaml"
    file.write_text(PLAN % json.dumps({**body, "settings": {LEVEL: "loud"}}), encoding="utf-8")

    with pytest.raises(SpecError, match='unknown value "loud"'):
        planfile.load_rollout(file)


def test_a_mistake_in_a_settings_file_has_its_place_there(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        from_file(tmp_path, {"osm.osm.enableEgress": "true", LEVEL: "loud"}, version="1.2.6")

    (one,) = caught.value.problems
    assert (Path(one.file).name, one.line, one.column) == ("settings.json", 1, 34)
    assert (one.path, one.message) == (f'["{LEVEL}"]', 'unknown value "loud"')


def test_a_secret_is_not_quoted(tmp_path: Path) -> None:
    found = complaints(tmp_path, {"osm.osm.vault.token": "c4nary"}, version="1.2.6")

    assert found == ["a secret may not stand in a file; write it under protectedSettings"]


@pytest.mark.parametrize("plan", sorted((ROOT / "plans").glob("*.yaml")), ids=lambda one: one.stem)
def test_the_settings_of_our_own_plan_files_are_right(plan: Path) -> None:
    assert planfile.load_rollout(plan).name


# --- recipes -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", OSM.recipes)
def test_a_recipe_sets_only_what_the_chart_takes(name: str, tmp_path: Path) -> None:
    recipe = OSM.recipes[name]
    own = dict.fromkeys(recipe.needs, "jaeger.tracing.svc.cluster.local")

    assert loaded(tmp_path, own, recipes=[name], version="1.2.6") == {**recipe.settings, **own}


def test_recipes_add_up_with_what_the_file_sets_itself(tmp_path: Path) -> None:
    own = {"osm.osm.deployGrafana": "false", LEVEL: "info"}

    found = loaded(tmp_path, own, recipes=["own-prometheus", "own-grafana"])

    assert found == {"osm.osm.deployPrometheus": "false", **own}


def test_recipes_and_a_settings_file_add_up(tmp_path: Path) -> None:
    found = from_file(tmp_path, {LEVEL: "info"}, recipes=["openshift"])

    assert found == {"osm.osm.enablePrivilegedInitContainer": "true", LEVEL: "info"}


def test_a_recipe_against_a_settings_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        from_file(tmp_path, {"osm.contour.enabled": "false"}, recipes=["contour"])

    (one,) = caught.value.problems
    assert (Path(one.file).name, one.path) == ("plan.yaml", "spec.extension.recipes[0]")
    assert one.message == (
        'the recipe contour sets osm.contour.enabled to "true", and settings do not'
    )


def test_what_a_recipe_sets_counts_beside_what_the_file_sets(tmp_path: Path) -> None:
    own = {"osm.osm.injector.autoScale.maxReplicas": "1"}

    found = complaints(tmp_path, own, recipes=["high-availability"], version="1.2.6")

    assert found == ["minReplicas (2) is more than maxReplicas (1)"]


def test_a_recipe_that_is_named_twice_or_unknown_is_refused(tmp_path: Path) -> None:
    assert complaints(tmp_path, {}, recipes=["openshift", "openshift", "openshft"]) == [
        "this recipe is named twice; keep one",
        'unknown recipe "openshft"; did you mean "openshift"?',
    ]


def test_no_two_recipes_contradict() -> None:
    values: dict[str, set[str]] = {}
    for recipe in OSM.recipes.values():
        for key, value in recipe.settings.items():
            values.setdefault(key, set()).add(value)

    assert all(len(some) == 1 for some in values.values())


# --- laws --------------------------------------------------------------------------------


def written_defaults() -> dict[str, str]:
    """Return every default of the chart, as it is written in a settings map."""
    return {
        one.key: one.default
        for one in OSM.settings.values()
        if one.default is not None and one.before is None
    }


def test_all_defaults_of_the_chart_are_accepted_together(tmp_path: Path) -> None:
    every = written_defaults()

    assert len(every) > 100
    assert loaded(tmp_path, every, version="1.2.6") == every
    assert from_file(tmp_path, every, version="1.2.6") == every


@effort(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_defaults_of_the_chart_are_accepted_and_come_back(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    every = written_defaults()
    some = data.draw(st.sets(st.sampled_from(sorted(every)), min_size=1))
    wish = {key: every[key] for key in data.draw(st.permutations(sorted(some)))}
    folder = tmp_path_factory.mktemp("defaults")

    assert loaded(folder, wish, version="1.2.6") == wish
    assert from_file(folder, wish, version="1.2.6") == wish


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\n"), min_size=1, max_size=6)
PATHS = st.builds(
    lambda first, rest: (first, *rest),
    NAMES,
    st.lists(NAMES | st.integers(0, 99), max_size=4),
)


@given(path=PATHS)
def test_a_key_that_is_written_reads_as_the_same_path(path: keys.Key) -> None:
    assert keys.parse(keys.written(path)) == path


@given(text=st.text(alphabet="ab.[]0\\", max_size=8))
def test_a_key_is_a_path_or_refused_and_reads_the_same_written_anew(text: str) -> None:
    try:
        path = keys.parse(text)
    except ValueError:
        return
    assert keys.parse(keys.written(path)) == path


@given(some=st.lists(st.text(alphabet="ab,{}\\ ", max_size=4)).filter(lambda one: one != [""]))
def test_a_list_in_braces_holds_what_was_put_there(some: list[str]) -> None:
    assert keys.items(keys.braced(some)) == tuple(some)


@effort(max_examples=60, deadline=None)
@given(
    settings=st.dictionaries(
        st.sampled_from(sorted(one.key for one in OSM.settings.values()))
        | st.text(alphabet="osm.[]0\\ aE", max_size=9),
        st.text(max_size=6) | st.sampled_from(["true", "5", "{a,b}", "null"]),
        max_size=4,
    )
)
def test_whatever_is_set_is_accepted_unchanged_or_refused_in_words(
    settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("any")

    if not complaints(folder, settings, version="1.2.6"):
        assert loaded(folder, settings, version="1.2.6") == settings


# --- the data, and where it is from ------------------------------------------------------


def test_a_chart_that_does_not_fit_is_a_bug() -> None:
    with pytest.raises(InvariantError, match="the settings of trial do not fit"):
        charts.from_toml('newest = "1"', name="trial")


def test_what_the_data_names_is_in_it() -> None:
    for low, high in OSM.ordered:
        assert {low, high} <= OSM.settings.keys()
    assert (OSM.closed | OSM.partial) <= OSM.groups.keys()
    named = [one.setting for one in OSM.drifts]
    named += [one.setting for one in profiles.load("osm").needs]
    named += [key for recipe in OSM.recipes.values() for key in recipe.needs]
    assert {keys.parse(key) for key in named} <= OSM.settings.keys()
    for one in OSM.settings.values():
        assert all(versions.parse(text) for text in (one.since, one.before) if text)
        assert (one.item is None) is (one.kind is not Kind.LIST)


def reference(name: str) -> object:
    file = REFERENCE / name
    if not file.exists():
        pytest.skip("the published charts are not beside this repository")
    return json.loads(file.read_text("utf-8"))


KINDS = {
    "boolean": {Kind.BOOLEAN},
    "integer": {Kind.NUMBER},
    "string": {Kind.TEXT, Kind.CPU, Kind.MEMORY},
    "array": {Kind.LIST},
    "object": {Kind.MAP},
}


def test_every_row_of_the_published_chart_is_known_as_it_is() -> None:
    published = reference("derived/osm-arc-1.2.6-settings.json")
    assert isinstance(published, dict)

    for row in published["rows"]:
        one: Setting = OSM.settings[keys.parse(row["setting"])]
        assert one.kind in KINDS[row["type"]], row
        assert bool(one.seeds) is row["seeds_meshconfig_only_at_first_install"], row
        if one.key.endswith("replicaCount"):
            continue  # the schema sets no limit, and the API server refuses what is below zero
        assert (one.low, one.high) == (row.get("minimum"), row.get("maximum")), row
    assert set(map(keys.parse, published["closed_objects_additionalProperties_false"])) == set(
        OSM.closed
    )


def schema_keys(version: str) -> set[keys.Key]:
    schema = reference(f"azure-osm-arc-{version}/osm-subchart/values.schema.json")
    assert isinstance(schema, dict)
    found: set[keys.Key] = set()

    def walk(part: dict[str, object], path: keys.Key) -> None:
        part = part if "$ref" not in part else definition(part)
        below = part.get("properties")
        if not isinstance(below, dict) or not below:
            found.add(path)
            return
        for name, inner in below.items():
            walk(inner, (*path, name))

    def definition(part: dict[str, object]) -> dict[str, object]:
        one = schema["definitions"][str(part["$ref"]).rsplit("/", 1)[-1]]
        assert isinstance(one, dict)
        return one

    walk(schema, ("osm",))
    return found


@pytest.mark.parametrize("version", ["0.11.1", "1.0.0", "1.1.1", "1.1.1-1", "1.2.3", "1.2.6"])
def test_a_version_has_the_keys_that_its_published_schema_has(version: str) -> None:
    order = profiles.load("osm").version_order

    def rank(text: str) -> versions.VersionKey:
        return versions.key(versions.parse(text), order=order)

    published = {
        ("osm", "osm", *path[2:]) if path[1] == "OpenServiceMesh" else path
        for path in schema_keys(version)
    }
    known = {
        path
        for path, one in OSM.settings.items()
        if path[:2] == ("osm", "osm")
        and (one.since is None or rank(one.since) <= rank(version))
        and (one.before is None or rank(version) < rank(one.before))
    }

    assert known == {path for path in published if path[:2] == ("osm", "osm")}
