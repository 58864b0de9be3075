"""What a plan file asks inside clusters, as it is read; what is refused is among the bad plans."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fleet.core import works
from fleet.core.works.meshfields import FIELDS, FieldKind
from fleet.model import codec
from fleet.model.desired import Desired, Presence
from fleet.model.inside import Inside, Severity, Work, WorkKind
from fleet.model.plan import Step, Verb
from fleet.spec import insideform, insiderules, meshconfigvalues, nodes, profiles, schemas
from fleet.spec.flaws import Flaw
from fleet.spec.form import ExtensionFile

DOCS = Path(__file__).parents[2] / "docs" / "osm.md"
Validator = jsonschema.Draft202012Validator


def desired(**changes: Any) -> Desired:
    osm = profiles.load("osm")
    return Desired(**{"profile": osm, "name": "osm", "namespace": "arc-osm-system", **changes})


def read(extension: str, **changes: Any) -> Inside:
    """Return what is asked by an extension of a plan file that says how clusters are reached."""
    data = nodes.read(extension).data
    assert list(flaws_of(data)) == []
    Validator(extension_schema()).validate(data)
    return insideform.inside_of(ExtensionFile.model_validate(data), desired(**changes))


def flaws_of(extension: Any) -> list[Flaw]:
    spec = {"extension": extension, "clusterAccess": {"directory": "."}}
    return list(insiderules.check({"spec": spec}))


def extension_schema() -> dict[str, Any]:
    schema = schemas.rollout_schema()
    return {**schema["$defs"]["ExtensionFile"], "$defs": schema["$defs"]}


def test_works_come_in_the_order_in_which_each_finds_what_it_needs() -> None:
    text = """
profile: osm
restart: {namespaces: [shop], maxConcurrency: 3}
azureMonitor: {add: [shop, cart], remove: [old]}
meshConfig:
  traffic: {enableEgress: false, outboundPortExclusionList: [6379]}
  sidecar: {logLevel: info}
namespaces: {add: [shop, cart, shop], remove: [old], metrics: [shop], noMetrics: [cart]}
openshift: {privileged: [shop, cart/web]}
checks: {controller-pods: warn}
"""
    data = nodes.read(text).data
    inside = insideform.inside_of(ExtensionFile.model_validate(data), desired())

    assert inside == Inside(
        works=(
            Work(kind=WorkKind.PRIVILEGED, add=("shop", "cart/web")),
            Work(
                kind=WorkKind.NAMESPACES,
                add=("shop", "cart"),
                remove=("old",),
                metrics=("shop",),
                no_metrics=("cart",),
            ),
            Work(
                kind=WorkKind.MESH_CONFIG,
                patch=(
                    '{"sidecar":{"logLevel":"info"},'
                    '"traffic":{"enableEgress":false,"outboundPortExclusionList":[6379]}}'
                ),
            ),
            Work(kind=WorkKind.MONITORING, add=("shop", "cart"), remove=("old",)),
            Work(kind=WorkKind.RESTART, add=("shop",), max_concurrency=3),
        ),
        severities={"controller-pods": Severity.WARN},
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("profile: osm", Inside()),
        ("{profile: osm, checks: off}", Inside(has_checks=False)),
        ("{profile: osm, restart: {}}", Inside(works=(Work(kind=WorkKind.RESTART),))),
        (
            "{extensionType: Microsoft.OpenServiceMesh, restart: {}}",
            Inside(works=(Work(kind=WorkKind.RESTART),)),
        ),
    ],
    ids=["nothing", "no checks", "restarts", "by its type"],
)
def test_asks_what_it_is_told_to(text: str, expected: Inside) -> None:
    assert read(text) == expected


def test_an_uninstall_may_remove_what_it_leaves() -> None:
    text = "{profile: osm, state: absent, removeOrphans: true}"

    assert read(text, presence=Presence.ABSENT).works == (Work(kind=WorkKind.ORPHANS),)
    kept = "{profile: osm, state: absent, removeOrphans: false}"
    assert read(kept, presence=Presence.ABSENT).works == ()


def test_a_mesh_of_another_name_and_place_is_meant_where_it_is_installed_so() -> None:
    settings = {"osm.osm.meshName": "mine"}

    assert read("{profile: osm, restart: {}}", namespace="mesh", settings=settings).works == (
        Work(kind=WorkKind.RESTART, mesh="mine", namespace="mesh"),
    )


def test_a_check_that_is_none_is_told() -> None:
    (flaw,) = flaws_of({"profile": "osm", "checks": {"no-such-check-at-all": "warn"}})

    assert flaw.message == 'unknown check "no-such-check-at-all"'
    assert flaw.path == ("spec", "extension", "checks", "no-such-check-at-all")


@pytest.mark.parametrize("access", [{}, {"clusterAccess": "none"}], ids=["nothing", "none"])
@pytest.mark.parametrize("key", insiderules.WORKS)
def test_nothing_is_asked_inside_clusters_that_nobody_can_reach(
    key: str, access: dict[str, Any]
) -> None:
    extension = {"profile": "osm", key: True}

    assert insiderules.check({"spec": {"extension": extension, **access}}).__next__() == Flaw(
        path=("spec", "extension", key),
        message="needs clusterAccess",
        hint="say under spec.clusterAccess how clusters are reached",
        is_about_key=True,
    )


@pytest.mark.parametrize("data", [None, [], {}, {"spec": []}, {"spec": {"extension": "osm"}}])
def test_passes_over_what_has_another_shape(data: Any) -> None:
    assert list(insiderules.check(data)) == []


@pytest.mark.parametrize(
    "extension",
    [
        {"namespaces": 1, "azureMonitor": {"add": 1, "remove": [1]}, "checks": 1},
        {"meshConfig": {1: {}}, "namespaces": {"add": {}}, "extensionType": 1},
        {"meshConfig": {"traffic": {"enableEgress": None}, "sidecar": None}},
        {"meshConfig": {"sidecar": {"resources": {"limits": None}}}, "version": 1.2},
    ],
    ids=range(4),
)
def test_survives_any_shape_below_its_keys(extension: dict[str, Any]) -> None:
    assert all(isinstance(one, Flaw) for one in flaws_of({"profile": "osm", **extension}))


# --- MeshConfig --------------------------------------------------------------------------

GOOD: dict[FieldKind, Any] = {
    FieldKind.TEXT: "text",
    FieldKind.NUMBER: 80,
    FieldKind.BOOLEAN: False,
    FieldKind.CIDR: "10.0.0.0/8",
    FieldKind.TABLE: {"cpu": "500m", "memory": 128},
}


@pytest.mark.parametrize("path", FIELDS)
def test_takes_every_field_of_the_mesh_and_refuses_another_kind(path: str) -> None:
    field = FIELDS[path]
    one = field.choices[0] if field.choices else GOOD[field.kind]
    good = nested(path, [one] if field.is_list else one)
    bad = nested(path, one if field.is_list else [one])

    assert list(meshconfigvalues.check((), good)) == []
    assert len(list(meshconfigvalues.check((), bad))) == 1
    assert Validator(meshconfigvalues.schema()).is_valid(good)
    assert not Validator(meshconfigvalues.schema()).is_valid(bad)


def test_an_older_mesh_has_fewer_fields() -> None:
    new = [path for path, field in FIELDS.items() if field.is_new]
    config = nested("sidecar.localProxyMode", "PodIP")

    assert len(new) == 7
    assert [
        len(list(meshconfigvalues.check((), config, version=version)))
        for version in (None, "latest", "1.2.6", "1.1.1-1", "1.0.0-1", "0.11.1", 1.0)
    ] == [0, 0, 0, 0, 1, 1, 0]


def nested(path: str, value: Any) -> dict[str, Any]:
    for key in reversed(path.split(".")):
        value = {key: value}
    assert isinstance(value, dict)
    return value


# --- the page ----------------------------------------------------------------------------

SECTION = DOCS.read_text("utf-8").partition("## Inside the cluster")[2].partition("\n## ")[0]
EVERYTHING = [
    Work(
        kind=kind,
        patch="{}",
        add=("shop",),
        remove=("cart",),
        metrics=("shop",),
        no_metrics=("cart",),
        max_concurrency=2,
        mesh="mine",
        namespace="mesh",
    )
    for kind in WorkKind
]
EXAMPLES = re.findall(r"```yaml\n(.*?)```", SECTION, re.DOTALL)


@pytest.mark.parametrize("text", EXAMPLES, ids=range(len(EXAMPLES)))
def test_the_examples_of_the_page_are_plan_files(text: str) -> None:
    spec = nodes.read(text).data
    extension = {"profile": "osm", **spec["extension"]}
    presence = Presence(extension.get("state", "present"))

    assert isinstance(spec["clusterAccess"], dict)
    assert flaws_of(extension) == []
    Validator(extension_schema()).validate(extension)
    assert insideform.inside_of(
        ExtensionFile.model_validate(extension), desired(presence=presence)
    ).works


@pytest.mark.parametrize("work", EVERYTHING, ids=lambda work: work.kind)
def test_the_page_names_all_that_is_looked_at(work: Work) -> None:
    key = {"monitoring": "azureMonitor", "privileged": "openshift", "orphans": "removeOrphans"}
    rows = [line for line in SECTION.splitlines() if "(get)" in line or "(get, list)" in line]
    (row,) = [row for row in rows if row.startswith(f"| `{key.get(work.kind, work.kind)}` |")]

    looked_at = re.findall(r"`([a-z]+)`", row.split("|")[2])
    assert {one.resource.plural for one in works.wants(work)} == {*looked_at}


@pytest.mark.parametrize("work", EVERYTHING, ids=lambda work: work.kind)
def test_a_computed_plan_shows_the_work_of_a_step(work: Work) -> None:
    schema = schemas.plan_schema()
    step = codec.to_json(Step(verb=Verb.CONFIGURE, work=work))

    Validator({**schema["$defs"]["step"], "$defs": schema["$defs"]}).validate(step)
    assert {*schema["$defs"]["work"]["properties"]} >= step["work"].keys()


def test_the_page_shows_every_key() -> None:
    keys = {key for text in EXAMPLES for key in nodes.read(text).data["extension"]}

    assert keys >= {*insiderules.WORKS, "checks"}
