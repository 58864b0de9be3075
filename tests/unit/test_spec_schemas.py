from __future__ import annotations

import dataclasses
import datetime as dt
import json
import typing
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fleet import zones
from fleet.core import planner, saved
from fleet.model import codec
from fleet.model.calendars import Calendar, Level, Rule
from fleet.model.cluster import AutoUpgrade, ClusterId
from fleet.model.desired import OnDrift, TagCalendars
from fleet.model.inside import AccessKind, ClusterAccess, Inside, Work, WorkKind
from fleet.model.notices import Subscriber, Topic
from fleet.model.plan import (
    Action,
    Change,
    Digest,
    Facts,
    Limits,
    Plan,
    PlanHead,
    Rollback,
    Step,
    Target,
    Verb,
    Wave,
)
from fleet.model.scope import Unreachable
from fleet.model.strategy import FailureMode, OnBreach, PoolRule, RetryRule, SpreadRule
from fleet.spec import document as documents, planfile, profiles, schemas
from tests.rig import fleets, rollouts

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data" / "plans"
PLANS = sorted((ROOT / "plans").glob("*.yaml"))
DIGEST = Digest("sha256:" + "0" * 64)

Validator = jsonschema.Draft202012Validator


@pytest.mark.parametrize("schema", [schemas.rollout_schema(), schemas.plan_schema()])
def test_is_a_schema(schema: dict[str, Any]) -> None:
    Validator.check_schema(schema)

    assert schema["$schema"] == schemas.DIALECT
    assert schema["$id"].startswith("urn:arc-fleet:schema:")


# --- plan files --------------------------------------------------------------------------


def test_there_is_a_plan_file_for_each_thing_that_people_want() -> None:
    assert [file.stem for file in PLANS] == [
        "flux-retry-and-timeouts",
        "flux-upgrade",
        "monitor-upgrade",
        "osm-auto-upgrade",
        "osm-change-windows",
        "osm-gated",
        "osm-install",
        "osm-mesh",
        "osm-monthly",
        "osm-openshift",
        "osm-pin",
        "osm-ramp-up",
        "osm-stores-one-at-a-time",
        "osm-takes-itself-back",
        "osm-uninstall",
        "osm-upgrade",
        "own-profile",
        "policy-install",
    ]


@pytest.mark.parametrize("file", PLANS, ids=lambda file: file.stem)
def test_plan_files_that_people_copy_are_valid(file: Path) -> None:
    rollout = planfile.load_rollout(file)

    assert rollout.text == file.read_text("utf-8")
    Validator(schemas.rollout_schema()).validate(documents.load(file).data)


def test_the_schema_knows_every_key() -> None:
    Validator(schemas.rollout_schema()).validate(documents.load(DATA / "good/every-key.yaml").data)


# What only the reader can see, or what holds between keys: rules, not shapes.
BEYOND_SHAPES = {
    "a-mesh-config-without-a-way-in",
    "a-clause-that-reads-another-table",
    "a-clause-with-a-misspelt-column",
    "a-duplicate-key-and-an-unknown-one",
    "a-profile-without-a-usual-name",
    "a-setting-that-is-plain-and-protected",
    "a-settings-file-that-is-missing",
    "a-type-without-a-name",
    "a-version-that-is-none",
    "a-version-with-a-v",
    "a-version-with-auto-upgrade-on",
    "a-misspelt-latest",
    "absent-with-requirements",
    "absent-with-wishes",
    "access-by-a-telling-command",
    "access-by-no-way",
    "access-by-the-same-command",
    "access-to-one-for-all",
    "approvals-of-waves-that-a-strategy-does-not-have",
    "exact-with-protected-settings",
    "exact-without-settings",
    "looks-without-a-soak",
    "no-wish-at-all",
    "settings-and-a-settings-file",
    "secrets-that-look-like-yaml-marks",
    "spans-that-end-before-they-start",
}


@pytest.mark.parametrize(
    "file",
    [file for file in sorted((DATA / "bad").glob("*.yaml")) if file.stem not in BEYOND_SHAPES],
    ids=lambda file: file.stem,
)
def test_an_editor_marks_what_validate_refuses(file: Path) -> None:
    data = documents.read(file).data

    assert not Validator(schemas.rollout_schema()).is_valid(data)


def test_every_key_is_described() -> None:
    schema = schemas.rollout_schema()
    parts = [schema, *schema["$defs"].values()]
    keys = {key: one for part in parts for key, one in part.get("properties", {}).items()}
    described = {**schema["$defs"], **keys}

    assert [key for key, one in described.items() if not _is_described(one, schema)] == []


def _is_described(part: dict[str, Any], schema: dict[str, Any]) -> bool:
    if "description" in part:
        return True
    target = part.get("$ref", "").removeprefix("#/$defs/")
    return "description" in schema["$defs"].get(target, {})


def test_an_editor_offers_the_names_of_profiles_and_strategies() -> None:
    parts = schemas.rollout_schema()["$defs"]

    assert parts["ExtensionFile"]["properties"]["profile"]["enum"] == list(profiles.names())
    assert {"enum": ["cautious", "fast", "standard"]} in parts["SpecFile"]["properties"][
        "strategy"
    ]["oneOf"]


# --- computed plans ----------------------------------------------------------------------


def target(**changes: Any) -> Target:
    fields: dict[str, Any] = {
        "cluster_id": ClusterId("/subscriptions/1/x/store-1"),
        "cluster_name": "store-1",
        "subscription": "1",
        "location": "westeurope",
        "extension_name": "osm",
        "action": Action.UPGRADE,
        "reason": "1.1.1-1 is older than 1.2.6",
        "wave": "canary",
        "from_version": "1.1.1-1",
        "to_version": "1.2.6",
        "steps": (
            Step(
                verb=Verb.PATCH,
                version="1.2.6",
                auto_upgrade=AutoUpgrade.NONE,
                release_train="stable",
                settings={"a": "b"},
                protected={"token": "OSM_TOKEN"},
                why="the last minor",
            ),
        ),
        "diff": (Change(path="version", before="1.1.1-1", after="1.2.6"),),
        "rollback": Rollback(is_possible=False, note="it forbids downgrades"),
        "facts": Facts(is_present=True, current_version="1.1.1-1", auto_upgrade=AutoUpgrade.PATCH),
        "facts_digest": DIGEST,
    }
    return Target(**(fields | changes))


PLAN = Plan(
    head=PlanHead(
        name="osm-1.2.6",
        owner=None,
        change="CHG0031337",
        extension_type="Microsoft.openservicemesh",
        namespace="arc-osm-system",
        on_drift=OnDrift.FAIL,
        unreachable=Unreachable.DEFER,
        limits=Limits(
            max_concurrency=1,
            max_failures=0,
            failure_mode=FailureMode.SOFT,
            on_breach=OnBreach.STOP,
            start_deadline=dt.timedelta(minutes=30),
            progress_deadline=dt.timedelta(minutes=30),
        ),
        waves=(
            Wave(
                name="canary",
                target_count=1,
                max_concurrency=1,
                max_failures=0,
                worst_case_failures=1,
                effective_concurrency=1,
                soak=dt.timedelta(hours=1),
                notes=("maxConcurrency: 33% of 1 -> 1",),
            ),
        ),
        warnings=("a warning",),
        inventory_digest=DIGEST,
    ),
    targets=(
        target(),
        target(
            action=Action.SKIP,
            wave=None,
            from_version=None,
            to_version=None,
            steps=(),
            diff=(),
            rollback=None,
            facts=Facts(is_present=False),
        ),
    ),
    digest=DIGEST,
)


def printed(plan: Plan) -> dict[str, Any]:
    """Return *plan* as the command prints it."""
    head = codec.to_json(plan.head)
    waves = [
        {**codec.to_json(wave), "targets": [one.cluster_id for one in targets]}
        for wave, targets in plan.by_wave()
    ]
    targets = [codec.to_json(one) for one in plan.targets]
    rest = {"digest": plan.digest, "waves": waves, "targets": targets}
    return {"apiVersion": "fleet/v1", "kind": "Plan", **head, **rest}


def test_a_printed_plan_fits_its_schema() -> None:
    Validator(schemas.plan_schema()).validate(printed(PLAN))


@pytest.mark.parametrize("action", list(Action))
def test_every_action_fits(action: Action) -> None:
    schema = schemas.plan_schema()

    assert action.value in schema["$defs"]["target"]["properties"]["action"]["enum"]


@pytest.mark.parametrize(
    ("part", "cls"),
    [
        ("change", Change),
        ("facts", Facts),
        ("limits", Limits),
        ("rollback", Rollback),
        ("step", Step),
        ("target", Target),
        ("wave", Wave),
        ("work", Work),
    ],
)
def test_the_schema_has_exactly_the_keys_that_are_printed(part: str, cls: type) -> None:
    example = {
        Work: Work(kind=WorkKind.RESTART),
        Change: PLAN.targets[0].diff[0],
        Facts: PLAN.targets[0].facts,
        Limits: PLAN.head.limits,
        Rollback: PLAN.targets[0].rollback,
        Step: PLAN.targets[0].steps[0],
        Target: PLAN.targets[0],
        Wave: PLAN.head.waves[0],
    }[cls]
    described = schemas.plan_schema()["$defs"][part]
    # A plan's document lists a wave's targets in it, after its name.
    printed = [key for key in described["required"] if (cls, key) != (Wave, "targets")]
    keys = [key for key in described["properties"] if (cls, key) != (Wave, "targets")]

    assert printed == list(codec.to_json(example))
    assert keys == [*printed, *_sparse(cls)]


def _sparse(cls: Any) -> list[str]:
    """Return the keys that are left out while they have their default."""
    hints = typing.get_type_hints(cls)
    return [
        codec.json_name(one.name, hints[one.name])
        for one in dataclasses.fields(cls)
        if one.metadata.get("sparse")
    ]


NOON = dt.datetime(2026, 12, 1, 12, tzinfo=dt.UTC)
EVERYTHING = Calendar(
    name="everything",
    level=Level.RUN,
    zone="UTC",
    allow=(
        Rule(days=(0,), at="22:00", until="05:00", zone="Europe/Berlin", text="night"),
        Rule(cron="0 2 * * sun", length=dt.timedelta(hours=4)),
        Rule(
            starts="2026-01-11T02:00:00",
            rrule="FREQ=MONTHLY",
            except_at=("2026-02-11T02:00:00",),
            also=("2026-02-12T02:00:00",),
            whole_days=1,
        ),
    ),
    deny=(Rule(starts="2026-12-20T00:00:00", ends="2027-01-04T00:00:00"),),
    overriders=("alice",),
    source="ops.ics sha256:0",
    known_until=NOON + dt.timedelta(days=900),
)
SUBSCRIBERS = (
    Subscriber(name="ops", on=(Topic.RUN,), url_from="HOOK_URL", signed_with="HOOK_KEY"),
    Subscriber(name="chat", on=tuple(Topic), url="https://hooks.example/fleet"),
    Subscriber(name="mail", on=(Topic.BREACH, Topic.APPROVAL), argv=("mail", "ops")),
)

A_WAY_IN = ClusterAccess(
    kind=AccessKind.COMMAND,
    path="kube",
    context="{cluster}-admin",
    contexts={"edge-7": "old"},
    cluster="store-1",
    command=("kubeconfig-of", "{cluster}"),
)


def test_what_is_printed_of_a_plan_that_says_everything_fits() -> None:
    asked = rollouts.rollout(
        wish=rollouts.desired(on_drift=OnDrift.REPLAN),
        spread=rollouts.strategy(
            spread=(
                SpreadRule(by="tag:site", max_concurrency=1),
                SpreadRule(by="location", max_failures="10%"),
            ),
            min_success="90%",
            wave_timeout=dt.timedelta(hours=1),
            run_timeout=dt.timedelta(days=1),
            stalled_after=dt.timedelta(minutes=9),
            retry=RetryRule(attempts=2),
            on_breach=OnBreach.ROLLBACK,
            pools=(PoolRule(name="wan", max_concurrency=2),),
        ),
    )
    asked = dataclasses.replace(
        asked,
        not_before=NOON,
        start_buffer=dt.timedelta(minutes=5),
        calendars=(EVERYTHING,),
        tag_calendars=(
            TagCalendars(name="tags", tag="t", zone="UTC", named={"n": (EVERYTHING.allow, ())}),
        ),
    )
    tagged = [
        fleets.cluster(f"store-{n}", fleets.extension("1.1.1"), tags={"t": "n"}) for n in range(3)
    ]
    asked = dataclasses.replace(asked, notify=SUBSCRIBERS, inside=Inside(access=A_WAY_IN))
    asked = dataclasses.replace(
        asked, desired=dataclasses.replace(asked.desired, profile=profiles.load("osm"))
    )
    made = planner.plan(asked, fleets.inventory(tagged), zones=zones.zone)
    document = saved.document(made)

    Validator(schemas.plan_schema()).validate(document)
    properties = schemas.plan_schema()["properties"]
    left_out = {"gates", "isNamespaced", "membership", "parent"}
    assert properties.keys() - document.keys() == left_out
    limits = schemas.plan_schema()["$defs"]["limits"]["properties"]
    assert document["limits"].keys() == limits.keys()
    assert saved.plan_of(json.loads(json.dumps(document))) == made


def test_a_plan_with_a_key_too_many_does_not_fit() -> None:
    plan = printed(PLAN) | {"extra": 1}

    assert not Validator(schemas.plan_schema()).is_valid(plan)
