from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from fleet.model.calendars import Calendar, Level, Overrun, Rule
from fleet.model.cluster import AutoUpgrade
from fleet.model.desired import (
    Desired,
    Membership,
    Missed,
    OnDrift,
    Overlap,
    Presence,
    Profile,
    Requirement,
    Rollout,
    ScheduleRule,
    SettingsMode,
    TagCalendars,
)
from fleet.model.inside import AccessKind, ClusterAccess, Inside
from fleet.model.notices import Subscriber, Topic
from fleet.model.scope import Match, Scope, Unreachable
from fleet.model.strategy import (
    FailureClass,
    FailureMode,
    OnBreach,
    PoolRule,
    RampUp,
    RetryRule,
    RollbackRule,
    RollbackScope,
    SpreadRule,
    Strategy,
    WaveRule,
)
from fleet.spec import calendarfile, charts, checks, planfile, profiles, strategies, strategyfile
from fleet.spec.problems import Problem, SpecError

GOOD = Path(__file__).parents[1] / "data" / "plans" / "good"

MAINTENANCE = "615a7a9912f938636ee520c1a520eb89498bdb8f5ce292812bfc116ff8ae9c61"
"""Of the iCalendar file beside it."""

SHORT = """\
apiVersion: fleet/v1
kind: Rollout
metadata: {name: trial}
spec:
  targets: {tenant: true}
  extension: {profile: osm, version: latest}
"""
# Of Flux no settings are known: what is wrong with a file's form stands alone.
UNJUDGED = SHORT.replace("profile: osm", "profile: flux")
OSM_ADVICE = charts.load("osm").advice()  # type: ignore[union-attr]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(text: str) -> Rollout:
    Path("plan.yaml").write_text(text, encoding="utf-8")
    return planfile.load_rollout(Path("plan.yaml"))


def load_with_settings(content: str | bytes, extension: str = "") -> Rollout:
    raw = content.encode() if isinstance(content, str) else content
    Path("settings.json").write_bytes(raw)
    text = UNJUDGED.replace("version: latest", "settingsFile: settings.json" + extension)
    return load(text)


def settings_problems(content: str | bytes, extension: str = "") -> list[Problem]:
    with pytest.raises(SpecError) as caught:
        load_with_settings(content, extension)
    return list(caught.value.problems)


def test_every_key_of_a_plan_file_reaches_the_rollout() -> None:
    file = GOOD / "every-key.yaml"

    assert planfile.load_rollout(file) == Rollout(
        name="osm-1.2.6",
        owner="mesh-sre@contoso.example",
        change="CHG0031337",
        scope=Scope(
            subscriptions=(
                "00000000-0000-0000-0000-00000000000a",
                "00000000-0000-0000-0000-000000000002",
            ),
            match=Match(
                tags={"env": ("prod", "test"), "window": ("22:00",)},
                locations=("westeurope", "northeurope"),
                distributions=("openshift", "rancher_rke"),
                names=("store-01*",),
            ),
            exclude=Match(tags={"rollout": ("hold",)}),
            kql="| where tags.tier =~ 'store'",
            allows_partial=True,
            unreachable=Unreachable.SKIP,
        ),
        desired=Desired(
            profile=profiles.load("osm"),
            name="mesh",
            namespace="mesh-system",
            presence=Presence.PRESENT,
            version="1.2.6",
            auto_upgrade=AutoUpgrade.NONE,
            release_train="preview",
            settings={
                "osm.osm.enableEgress": "true",
                "osm.osm.osmController.resource.limits.cpu": "2000m",
            },
            settings_mode=SettingsMode.OWNED,
            protected={"token": "OSM_TOKEN"},
            on_drift=OnDrift.REPLAN,
            allow_downgrade=True,
            allow_skip_minor=True,
            requires=(
                Requirement(
                    profile=profiles.load("azuremonitor-containers"),
                    name="azuremonitor-containers",
                    namespace="azuremonitor-containers",
                    auto_upgrade=AutoUpgrade.PATCH,
                    release_train="preview",
                    settings={"amalogs.useAADAuth": "true"},
                    protected={"amalogs.secret.key": "WORKSPACE_KEY"},
                ),
                Requirement(
                    profile=profiles.resolved("Contoso.Agent", name="agent", namespace="agents"),
                    name="agent",
                    namespace="agents",
                    version="3.2.0",
                ),
            ),
        ),
        strategy=Strategy(
            name="custom",
            waves=(
                WaveRule(
                    name="canary",
                    targets=("store-0001", "store-0002"),
                    max_concurrency=1,
                    max_failures=0,
                    soak=dt.timedelta(minutes=90),
                    timeout=dt.timedelta(hours=2),
                    is_required=True,
                    has_substitutes=True,
                    substitutes=("store-0003",),
                    not_before=dt.datetime(2026, 12, 2, tzinfo=dt.UTC),
                    calendars=("nights",),
                ),
                WaveRule(
                    name="ring",
                    selector=Match(tags={"ring": ("early",)}),
                    max_concurrency="33%",
                    max_failures="5%",
                    soak=dt.timedelta(days=2),
                ),
                WaveRule(name="tenth", size="10%"),
                WaveRule(name="five", size=5, ramp_up=RampUp(start=1, factor=3, most="50%")),
                WaveRule(name="mine", selector=Match(names=("mine-*",)), has_substitutes=True),
                WaveRule(name="rest-1", size=20, max_failures=3, is_part=True),
                WaveRule(name="rest-2", size="50%", max_failures=3, is_part=True),
                WaveRule(name="rest-3", size="rest", max_failures=3, is_part=True),
            ),
            max_concurrency=50,
            max_failures="2%",
            wave_max_concurrency="10%",
            wave_max_failures=1,
            failure_mode=FailureMode.STRICT,
            on_breach=OnBreach.ROLLBACK,
            start_deadline=dt.timedelta(seconds=90),
            progress_deadline=dt.timedelta(minutes=20),
            uninstall_deadline=dt.timedelta(minutes=20),
            spread=(
                SpreadRule(by="tag:site", max_concurrency=1),
                SpreadRule(by="location", max_concurrency="20%", max_failures=2),
            ),
            min_success="95%",
            wave_timeout=dt.timedelta(hours=6),
            run_timeout=dt.timedelta(days=2),
            stalled_after=dt.timedelta(minutes=10),
            retry=RetryRule(
                attempts=2,
                backoff=dt.timedelta(minutes=5),
                on=tuple(FailureClass.__members__.values()),
            ),
            rollback=RollbackRule(scope=RollbackScope.WAVE, max_concurrency="40%"),
            pools=(PoolRule(name="wan", max_concurrency=25),),
            sort_key=("-tag:priority", "location"),
            has_strict_selection=True,
        ),
        text=file.read_text("utf-8"),
        membership=Membership.FOLLOW,
        acknowledged_policies=("deploy-osm",),
        not_before=dt.datetime(2026, 12, 1, 1, tzinfo=dt.UTC),
        inside=Inside(
            access=ClusterAccess(
                kind=AccessKind.KUBECONFIG,
                path="kube/{subscription}",
                context="{cluster}-{resourceGroup}",
                contexts={"edge-7": "old"},
                timeout=dt.timedelta(minutes=1),
                max_concurrency=20,
            )
        ),
        start_buffer=dt.timedelta(minutes=20),
        calendars=(
            Calendar(
                name="nights",
                level=Level.WAVE,
                zone="Europe/Berlin",
                allow=(
                    Rule(days=(0, 1, 2, 3, 4), at="22:00", until="05:00"),
                    Rule(cron="0 2 * * sun", length=dt.timedelta(hours=4)),
                    Rule(
                        starts="2026-01-11T02:00:00",
                        rrule="FREQ=MONTHLY;BYDAY=2SU",
                        except_at=("2026-06-14T02:00:00",),
                        length=dt.timedelta(hours=4),
                    ),
                    Rule(starts="2026-12-19T00:00:00", ends="2026-12-20T06:00:00"),
                    Rule(
                        starts="2026-12-05T22:00:00",
                        ends="2026-12-06T02:00:00",
                        zone="Europe/Berlin",
                        text="Patch night",
                    ),
                ),
                overrun=Overrun.STOP_STARTING,
                overriders=("alice@contoso.example",),
                source=f"maintenance.ics sha256:{MAINTENANCE}",
                # Nobody asked for what is at the URLs, nor for holidays.
                known_until=calendarfile.NEVER_KNOWN,
            ),
        ),
        tag_calendars=(
            TagCalendars(
                name="stores",
                tag="maintenance",
                zone="Europe/Berlin",
                zone_tag="timezone",
                named={
                    "night": (
                        (Rule(days=(0, 1, 2, 3, 4, 5, 6), at="22:00", until="05:00"),),
                        (Rule(starts="2026-12-20T00:00:00", ends="2027-01-04T00:00:00"),),
                    )
                },
                must_be_tagged=False,
            ),
        ),
        notify=(
            Subscriber(
                name="ops",
                on=(Topic.RUN, Topic.APPROVAL),
                url_from="HOOK_URL",
                signed_with="HOOK_KEY",
            ),
            Subscriber(name="webhook-2", on=tuple(Topic), url="https://hooks.example/fleet"),
            Subscriber(
                name="command-3", on=(Topic.GATE, Topic.BREACH), argv=("notify-send", "told")
            ),
        ),
        schedule=ScheduleRule(
            zone="Europe/Berlin",
            rule=Rule(cron="0 2 2 * *", length=dt.timedelta(hours=4)),
            missed=Missed.LATEST,
            overlap=Overlap.QUEUE,
        ),
        advice=OSM_ADVICE,
    )


@pytest.mark.parametrize(
    ("keys", "is_required", "has_substitutes"),
    [
        pytest.param("", False, False, id="a wave like any other"),
        pytest.param(", required: true", True, True, id="a canary"),
        pytest.param(", required: true, substitute: false", True, False, id="and nobody else"),
        pytest.param(", substitute: true", False, True, id="it need not exist"),
    ],
)
def test_a_canary_that_must_exist_is_one_that_somebody_stands_in_for(
    keys: str, is_required: bool, has_substitutes: bool
) -> None:
    waves = f"{{waves: [{{name: a, targets: [x]{keys}}}, {{name: b, size: rest}}]}}"
    canary = load(f"{SHORT}  strategy: {waves}\n").strategy.waves[0]

    assert (canary.is_required, canary.has_substitutes) == (is_required, has_substitutes)


def test_a_short_file_gets_the_defaults() -> None:
    assert load(SHORT) == Rollout(
        name="trial",
        owner=None,
        change=None,
        scope=Scope(),
        desired=Desired(
            profile=profiles.load("osm"),
            name="osm",
            namespace="arc-osm-system",
            version="latest",
        ),
        strategy=strategyfile.named("standard"),
        text=SHORT,
        advice=OSM_ADVICE,
    )


def test_management_groups_are_where_to_look() -> None:
    rollout = load(SHORT.replace("tenant: true", "managementGroups: [stores, Stores-2, stores]"))

    assert rollout.scope == Scope(management_groups=("stores", "Stores-2"))


def test_the_same_file_as_json_is_the_same_rollout() -> None:
    data = {
        "apiVersion": "fleet/v1",
        "kind": "Rollout",
        "metadata": {"name": "trial"},
        "spec": {
            "targets": {"tenant": True},
            "extension": {"profile": "osm", "version": "latest"},
        },
    }
    text = json.dumps(data, indent="\t")

    from_json = load(text)

    assert from_json.text == text
    assert from_json.desired == load(SHORT).desired


def test_any_extension_type_works_without_a_profile() -> None:
    plain = "extensionType: Contoso.Agent, name: agent, namespace: agent-system"

    rollout = load(SHORT.replace("profile: osm", plain))

    assert rollout.desired == Desired(
        profile=Profile(
            name="generic",
            extension_type="Contoso.Agent",
            instance_name="agent",
            namespace="agent-system",
            checks=checks.generic(),
        ),
        name="agent",
        namespace="agent-system",
        version="latest",
    )


def test_a_known_type_alone_finds_its_profile() -> None:
    for kind in ("Microsoft.Dapr", "MICROSOFT.dapr"):
        desired = load(SHORT.replace("profile: osm", f"extensionType: {kind}")).desired

        assert desired == load(SHORT.replace("profile: osm", "profile: dapr")).desired


def test_a_known_type_keeps_its_facts_without_its_profile_being_named() -> None:
    plain = "extensionType: microsoft.OpenServiceMesh, name: mesh"

    desired = load(SHORT.replace("profile: osm", plain)).desired

    assert (desired.profile.name, desired.name) == ("osm", "mesh")


@pytest.mark.parametrize(
    ("mode", "settings"), [("exact", "{}"), ("exact", "{a: b}"), ("owned", "{a: b}")]
)
def test_settings_alone_are_a_wish(mode: str, settings: str) -> None:
    wish = f"settingsMode: {mode}, settings: {settings}"

    desired = load(UNJUDGED.replace("version: latest", wish)).desired

    assert desired.settings_mode is SettingsMode(mode)
    assert dict(desired.settings) == ({} if settings == "{}" else {"a": "b"})


def test_an_uninstall_has_its_own_deadline_unless_the_file_names_one() -> None:
    block = "  strategy: {waves: [{name: all, size: rest}]%s}\n"
    absent = SHORT.replace("version: latest", "state: absent")

    silent = load(absent + block % "").strategy
    spoken = load(absent + block % ", progressDeadline: 1h").strategy

    assert silent.uninstall_deadline == dt.timedelta(minutes=45)
    assert spoken.uninstall_deadline == spoken.progress_deadline == dt.timedelta(hours=1)


# --- settings files ----------------------------------------------------------------------


def test_reads_the_settings_file_that_the_azure_cli_takes() -> None:
    rollout = load_with_settings('{\n\t"osm.osm.enableEgress": "true"\n}\n')

    assert rollout.desired.settings == {"osm.osm.enableEgress": "true"}


def test_a_settings_file_is_found_from_the_plan_file() -> None:
    Path("plans").mkdir()
    Path("plans/settings.json").write_text('{"a": "b"}', encoding="utf-8")
    text = UNJUDGED.replace("version: latest", "settingsFile: settings.json")
    Path("plans/plan.yaml").write_text(text, encoding="utf-8")

    rollout = planfile.load_rollout(Path("plans/plan.yaml"))

    assert rollout.desired.settings == {"a": "b"}


FILE = "settings.json"
FLAT = "write one flat key for each value, such as osm.osm.enableEgress"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(
            "",
            [Problem(FILE, 1, 1, "", "the file is empty", "write {} for no settings")],
            id="empty",
        ),
        pytest.param(
            "a: b\n",
            [Problem(FILE, 1, 1, "", "this is not JSON: expecting value")],
            id="yaml",
        ),
        pytest.param(
            '{"a" "b"}',
            [Problem(FILE, 1, 6, "", "this is not JSON: expecting ':' delimiter")],
            id="no-colon",
        ),
        pytest.param(
            '["a"]',
            [Problem(FILE, 1, 1, "", "the top level must be an object, not a list")],
            id="list",
        ),
        pytest.param(
            '{\n  "a": true,\n  "b": 2.50,\n  "c": {"d": "e"},\n  "f": ["g"],\n  "": "h",\n'
            '  "a": "i",\n  "j": null\n}\n',
            [
                Problem(FILE, 2, 8, "a", "expected text, found true or false", 'quote it: "true"'),
                Problem(FILE, 2, 3, "a", "duplicate key", "keep one"),
                Problem(FILE, 3, 8, "b", "expected text, found a number", 'quote it: "2.50"'),
                Problem(FILE, 4, 8, "c", "expected text, found an object", FLAT),
                Problem(FILE, 5, 8, "f", "expected text, found a list", FLAT),
                Problem(FILE, 6, 3, '[""]', "the key of a setting is empty"),
                Problem(FILE, 8, 8, "j", "expected text, found nothing", 'quote it: "null"'),
            ],
            id="values-that-are-no-text",
        ),
        pytest.param(
            '{"a": "\\ud83d", "\\udc00": "b"}',
            [
                Problem(FILE, 1, 2, "a", "an escape stands for half a character"),
                Problem(FILE, 1, 1, '["\\udc00"]', "an escape stands for half a character"),
            ],
            id="half-characters",
        ),
        pytest.param(
            "[" * 100_000,
            [Problem(FILE, 0, 0, "", "nested too deep, or a number too long")],
            id="deep",
        ),
    ],
)
def test_refuses_a_settings_file(content: str, expected: list[Problem]) -> None:
    assert settings_problems(content) == sorted(expected, key=lambda one: (one.line, one.column))


def test_points_at_the_plan_file_where_the_settings_file_cannot_be_read() -> None:
    assert settings_problems(b'{"a": "\xff"}') == [
        Problem(
            "plan.yaml",
            6,
            44,
            "spec.extension.settingsFile",
            'the settings file "settings.json" cannot be used: not UTF-8 (byte 7 cannot be read)',
            "save it as UTF-8 text",
        )
    ]


def test_refuses_a_setting_that_is_plain_in_the_file_and_protected_in_the_plan() -> None:
    extension = ", protectedSettings: {token: {fromEnv: TOKEN}}"

    assert settings_problems('{"token": "x"}', extension) == [
        Problem(FILE, 1, 2, "token", "this setting is in protectedSettings too", "keep one")
    ]


def test_reports_the_settings_file_and_the_plan_file_together() -> None:
    found = settings_problems('{"a": 1}', ", colour: red")

    assert [problem.file for problem in found] == ["plan.yaml", "settings.json"]


# --- strategies --------------------------------------------------------------------------


def test_there_are_three_named_strategies() -> None:
    assert strategies.names() == ("cautious", "fast", "standard")


def test_cautious_grows_slowly_and_strictly() -> None:
    hours = dt.timedelta(hours=1)

    assert strategyfile.named("cautious") == Strategy(
        name="cautious",
        waves=(
            WaveRule(name="canary", size=1, max_failures=0, soak=12 * hours),
            WaveRule(name="first-5-percent", size="5%", max_failures=0, soak=4 * hours),
            WaveRule(name="next-10-percent", size="10%", max_failures="1%", soak=4 * hours),
            WaveRule(name="next-25-percent", size="25%", max_failures="1%", soak=4 * hours),
            WaveRule(name="rest", size="rest", max_failures="2%"),
        ),
        max_concurrency=20,
        max_failures="2%",
        wave_max_concurrency="10%",
        failure_mode=FailureMode.STRICT,
        min_observations=100,
    )


def test_standard_is_a_canary_a_tenth_a_third_and_the_rest() -> None:
    hours = dt.timedelta(hours=1)

    assert strategyfile.named("standard") == Strategy(
        name="standard",
        waves=(
            WaveRule(name="canary", size=1, max_failures=0, soak=hours),
            WaveRule(name="first-10-percent", size="10%", soak=2 * hours),
            WaveRule(name="next-33-percent", size="33%", soak=2 * hours),
            WaveRule(name="rest", size="rest"),
        ),
        max_concurrency=50,
        max_failures="2%",
        wave_max_concurrency="33%",
        wave_max_failures="2%",
        observe_every=dt.timedelta(minutes=10),
    )


def test_fast_is_everything_at_once() -> None:
    assert strategyfile.named("fast") == Strategy(
        name="fast",
        waves=(WaveRule(name="all", size="rest"),),
        max_concurrency=50,
        max_failures="10%",
    )
