from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import pytest

from fleet.errors import DeniedError, FleetError, LostClusterError, RemoteError
from fleet.model.cluster import (
    AutoUpgrade,
    ClusterId,
    Connectivity,
    Extension,
    ProvisioningState,
)
from fleet.model.plan import Verb
from fleet.sim import calls, messages, stock, worldfile
from fleet.sim.calls import Body, Call
from fleet.sim.recipe import PatchSettings, Recipe, Span, Special
from fleet.sim.world import World
from fleet.sim.writes import Heard

EPOCH = stock.EPOCH
SOON, LATER = EPOCH + dt.timedelta(seconds=10), EPOCH + dt.timedelta(minutes=10)
FIRST = ClusterId(
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-here"
    "/providers/Microsoft.Kubernetes/connectedClusters/store-0001-a"
)
PINNED = Extension(
    name="osm",
    extension_type="microsoft.openservicemesh",
    version="1.1.1",
    current_version="1.1.1",
    auto_upgrade=AutoUpgrade.NONE,
    release_train="Stable",
    provisioning_state=ProvisioningState.SUCCEEDED,
    settings={"kept": "1", "changed": "1"},
    protected_keys=("old",),
    namespace="arc-osm-system",
    modified_at="2025-10-12T02:00:00.000000Z",
)


def world(**changes: Any) -> World:
    """A world of one location, in which OSM 1.1.1 is installed everywhere."""
    osm = dataclasses.replace(
        stock.OSM,
        installed=changes.pop("installed", {"1.1.1": 1}),
        auto_upgrade_ppm=changes.pop("auto_upgrade_ppm", 0),
        failed_ppm=changes.pop("failed_ppm", 0),
        settings=PINNED.settings,
        distribution_settings={},
        protected_keys=("old",),
    )
    recipe: Recipe = dataclasses.replace(
        worldfile.default_recipe(),
        cluster_count=4,
        locations={"here": 1},
        offline_ppm=0,
        extensions=(osm,),
        operation_s=Span(low=60, high=60),
    )
    return World(dataclasses.replace(recipe, **changes))


def call(verb: Verb, *, at: dt.datetime = EPOCH, **fields: Any) -> Call:
    body = {
        "extension_type": "Microsoft.openservicemesh",
        "namespace": None,
        "version": None,
        "auto_upgrade": None,
        "release_train": None,
        "settings": None,
        "protected": None,
    }
    cluster_id, name = fields.pop("cluster_id", FIRST), fields.pop("name", "osm")
    return Call(
        at=at,
        cluster_id=cluster_id,
        name=name,
        verb=verb,
        body=Body(**{**body, **fields}),
        correlation_id="session",
        client_request_id="request",
    )


def test_a_fleet_starts_as_its_recipe_says() -> None:
    assert world().extension(FIRST, "OSM", EPOCH) == PINNED


def test_a_patch_changes_only_what_it_carries() -> None:
    one = world()
    pin = call(Verb.PATCH, version="1.2.6", auto_upgrade=AutoUpgrade.NONE, release_train="stable")
    heard = one.hear(pin)

    meanwhile = dataclasses.replace(
        PINNED,
        version="1.2.6",
        # The trap: what is not installed yet is already reported as current.
        current_version="1.2.6",
        provisioning_state=ProvisioningState.UPDATING,
        modified_at="2026-01-10T02:00:00.000000Z",
    )
    assert heard.extension == meanwhile
    assert one.extension(FIRST, "osm", SOON) == meanwhile
    assert one.extension(FIRST, "osm", LATER) == dataclasses.replace(
        meanwhile, provisioning_state=ProvisioningState.SUCCEEDED
    )


@pytest.mark.parametrize(
    ("rule", "settings"),
    [
        pytest.param(PatchSettings.MERGE, {"kept": "1", "changed": "2", "new": "3"}, id="merge"),
        pytest.param(PatchSettings.REPLACE, {"changed": "2", "new": "3"}, id="replace"),
    ],
)
def test_a_settings_map_is_merged_or_replaced(
    rule: PatchSettings, settings: dict[str, str]
) -> None:
    one = world(patch_settings=rule)
    one.hear(call(Verb.PATCH, settings={"changed": "2", "new": "3"}))

    assert _after(one).settings == settings


def test_a_patch_without_protected_settings_keeps_them() -> None:
    one = world()
    one.hear(call(Verb.PATCH, settings={"changed": "2"}))

    assert _after(one).protected_keys == ("old",)


def test_protected_settings_come_whole_and_only_their_marks_stay() -> None:
    one = world()
    mark = calls.protected_mark("token", "s3cret")
    one.hear(call(Verb.PATCH, protected={"token": mark}))

    assert _after(one).protected_keys == ("token",)
    assert one.protected_marks(FIRST, "osm") == {"token": mark}


def test_a_put_replaces_everything() -> None:
    one = world()
    heard = one.hear(call(Verb.PUT, version="1.2.3"))

    assert heard.error is None
    assert _after(one) == dataclasses.replace(
        PINNED,
        version="1.2.3",
        current_version="1.2.3",
        settings={},
        protected_keys=(),
        modified_at="2026-01-10T02:00:00.000000Z",
    )


def test_a_put_installs_with_the_services_defaults() -> None:
    one = world(installed={"absent": 1})
    before = one.extension(FIRST, "osm", EPOCH)
    heard = one.hear(call(Verb.PUT))

    created = Extension(
        name="osm",
        extension_type="microsoft.openservicemesh",
        version=None,
        current_version="1.2.6",
        auto_upgrade=AutoUpgrade.COMPATIBLE,
        release_train="Stable",
        provisioning_state=ProvisioningState.CREATING,
        namespace="arc-osm-system",
        modified_at="2026-01-10T02:00:00.000000Z",
    )
    assert before is None
    assert heard.extension == created
    assert _after(one) == dataclasses.replace(
        created, provisioning_state=ProvisioningState.SUCCEEDED
    )


def test_a_second_put_of_the_same_is_a_second_effect() -> None:
    one = world()
    put = call(Verb.PUT, version="1.2.3")
    one.hear(put)
    one.hear(dataclasses.replace(put, at=LATER))

    assert [(one.order, one.is_change) for one in one.effects] == [(1, True), (2, True)]
    assert len({one.digest for one in one.effects}) == 1


def test_a_delete_ends_in_nothing() -> None:
    one = world()
    heard = one.hear(call(Verb.DELETE))

    deleting = one.extension(FIRST, "osm", SOON)
    assert heard.extension is None
    assert deleting is not None
    assert deleting.provisioning_state is ProvisioningState.DELETING
    assert one.extension(FIRST, "osm", LATER) is None
    assert one.cluster(FIRST, LATER).extensions == ()


def test_deleting_what_is_not_there_needs_no_operation() -> None:
    assert world(installed={"absent": 1}).hear(call(Verb.DELETE)) == Heard()


def test_a_patch_that_changes_nothing_needs_no_operation() -> None:
    one = world()
    heard = one.hear(
        call(
            Verb.PATCH,
            version="1.1.1",
            auto_upgrade=AutoUpgrade.NONE,
            release_train="stable",
            settings={"kept": "1", "changed": "1"},
        )
    )

    assert heard == Heard(extension=PINNED)
    assert [effect.is_change for effect in one.effects] == [False]


def test_a_failed_extension_is_tried_again_by_the_same_patch() -> None:
    one = world(failed_ppm=1_000_000)
    heard = one.hear(call(Verb.PATCH, version="1.1.1"))

    assert heard.operation is not None
    assert _after(one).provisioning_state is ProvisioningState.SUCCEEDED


def test_a_version_that_is_not_offered_fails_as_recorded() -> None:
    one = world()
    heard = one.hear(call(Verb.PATCH, version="1.2.99", auto_upgrade=AutoUpgrade.NONE))

    text = messages.unresolved(
        extension_type="microsoft.openservicemesh", train="Stable", version="1.2.99"
    )
    assert "Failed to resolve the extension version from the given values" in text
    assert heard.operation is not None
    assert one.operation(heard.operation.url, LATER).error == text
    assert _after(one) == dataclasses.replace(
        PINNED,
        version="1.2.99",
        current_version="1.2.99",
        provisioning_state=ProvisioningState.FAILED,
        modified_at="2026-01-10T02:00:00.000000Z",
        error=text,
    )


def test_settings_change_on_a_version_that_is_offered_no_more() -> None:
    one = world(installed={"0.9.2": 1})
    one.hear(call(Verb.PATCH, settings={"changed": "2"}))

    assert _after(one).provisioning_state is ProvisioningState.SUCCEEDED


def test_turning_auto_upgrade_on_clears_the_pin() -> None:
    one = world()
    one.hear(call(Verb.PATCH, auto_upgrade=AutoUpgrade.PATCH))

    after = _after(one)
    assert (after.version, after.current_version, after.auto_upgrade) == (
        None,
        "1.1.1",
        AutoUpgrade.PATCH,
    )


def test_one_patch_pins_what_upgrades_by_itself() -> None:
    one = world(auto_upgrade_ppm=1_000_000)
    one.hear(call(Verb.PATCH, version="1.2.3", auto_upgrade=AutoUpgrade.NONE))

    after = _after(one)
    assert (after.version, after.auto_upgrade) == ("1.2.3", AutoUpgrade.NONE)


@pytest.mark.parametrize(
    ("setup", "write", "text"),
    [
        pytest.param(
            {},
            call(Verb.PATCH, version="1.2.6", auto_upgrade=AutoUpgrade.COMPATIBLE),
            messages.PIN_WITH_AUTO_UPGRADE,
            id="patch carries both",
        ),
        pytest.param(
            {"auto_upgrade_ppm": 1_000_000},
            call(Verb.PATCH, version="1.2.6"),
            messages.PIN_WITH_AUTO_UPGRADE,
            id="patch pins while it is on",
        ),
        pytest.param(
            {},
            call(Verb.PUT, version="1.2.6", auto_upgrade=AutoUpgrade.PATCH),
            messages.PIN_WITH_AUTO_UPGRADE,
            id="put carries both",
        ),
        pytest.param(
            {},
            call(Verb.PUT, auto_upgrade=AutoUpgrade.NONE),
            messages.PIN_WITHOUT_VERSION,
            id="put turns it off without a version",
        ),
        pytest.param(
            {"auto_upgrade_ppm": 1_000_000},
            call(Verb.PATCH, auto_upgrade=AutoUpgrade.NONE),
            messages.PIN_WITHOUT_VERSION,
            id="patch turns it off without a version",
        ),
        pytest.param(
            {},
            call(Verb.PUT, extension_type="Microsoft.flux"),
            messages.other_type(name="osm", found="microsoft.openservicemesh"),
            id="another type under the same name",
        ),
    ],
)
def test_what_the_service_refuses_changes_nothing(
    setup: dict[str, Any], write: Call, text: str
) -> None:
    one = world(**setup)
    before = one.extension(FIRST, "osm", EPOCH)
    refused = one.hear(write).error

    assert _shape(refused) == (RemoteError, 400, text, "session")
    assert one.extension(FIRST, "osm", LATER) == before
    assert one.effects == ()


def test_a_patch_needs_something_to_change() -> None:
    refused = world(installed={"absent": 1}).hear(call(Verb.PATCH, settings={})).error

    text = "Extension instance with name 'osm' not found."
    assert _shape(refused) == (RemoteError, 404, text, "session")


def test_what_somebody_else_manages_can_only_be_read() -> None:
    special = Special(cluster="store-0001-a", is_read_only=True)
    refused = world(specials=(special,)).hear(call(Verb.DELETE)).error

    assert _shape(refused) == (DeniedError, 403, messages.read_only("osm"), "session")


def test_a_write_between_ends_in_a_conflict_and_changes_nothing() -> None:
    one = world()
    one.hear(call(Verb.PATCH, version="1.2.3"))
    heard = one.hear(call(Verb.PATCH, at=SOON, version="1.2.6"))

    assert heard.operation is not None
    status = one.operation(heard.operation.url, LATER)
    assert (status.status, status.is_conflict, status.error) == ("Failed", True, messages.CONFLICT)
    assert _after(one).version == "1.2.3"
    assert [effect.call.body.version for effect in one.effects] == ["1.2.3"]


def test_an_operation_tells_how_far_it_is() -> None:
    one = world()
    heard = one.hear(call(Verb.PATCH, version="1.2.3"))

    assert heard.operation is not None
    url = heard.operation.url
    assert len(url) > 3 * 1024
    assert all(part in url for part in ("&t=", "&c=", "&s=", "&h=", "/ConnectedClusters/"))
    first, last = one.operation(url, SOON), one.operation(url, LATER)
    assert (first.status, first.is_terminal) == ("Updating", False)
    assert (last.status, last.is_terminal, last.has_succeeded) == ("Succeeded", True, True)


@pytest.mark.parametrize("url", ["", "https://management.azure.com/", "cut"])
def test_an_operation_that_is_nobodys_is_not_found(url: str) -> None:
    one = world()
    heard = one.hear(call(Verb.PATCH, version="1.2.3"))
    assert heard.operation is not None
    if url == "cut":
        url = heard.operation.url[:-1]

    with pytest.raises(RemoteError) as caught:
        one.operation(url, SOON)

    assert (type(caught.value), caught.value.status) == (RemoteError, 404)


@pytest.mark.parametrize("name", ["store-0003-a", "store-0001-z"])
def test_a_cluster_that_is_not_there_is_lost(name: str) -> None:
    one, missing = world(), ClusterId(FIRST.replace("store-0001-a", name))

    with pytest.raises(LostClusterError):
        one.extension(missing, "osm", EPOCH)
    with pytest.raises(LostClusterError):
        one.cluster(missing, EPOCH)
    assert isinstance(one.hear(call(Verb.DELETE, cluster_id=missing)).error, LostClusterError)


def test_a_cluster_can_be_removed_while_people_work_on_it() -> None:
    special = Special(cluster="store-0001-a", removed_after=dt.timedelta(minutes=5))
    one = world(specials=(special,))
    one.hear(call(Verb.PATCH, version="1.2.3"))

    assert one.cluster(FIRST, SOON).name == "store-0001-a"
    assert len(list(one.clusters(SOON))) == 4
    assert len(list(one.clusters(LATER))) == 3
    with pytest.raises(LostClusterError, match="store-0001-a' under resource group 'rg-here'"):
        one.extension(FIRST, "osm", LATER)


def test_an_offline_cluster_accepts_and_fails_after_two_days() -> None:
    special = Special(cluster="store-0001-a", connectivity=Connectivity.OFFLINE)
    one = world(specials=(special,))
    one.hear(call(Verb.PATCH, version="1.2.3"))

    before = one.extension(FIRST, "osm", EPOCH + dt.timedelta(hours=47))
    after = one.extension(FIRST, "osm", EPOCH + dt.timedelta(hours=49))
    assert before is not None
    assert after is not None
    assert before.provisioning_state is ProvisioningState.UPDATING
    assert (after.provisioning_state, after.error) == (
        ProvisioningState.FAILED,
        messages.AGENT_SILENT,
    )


def test_a_cluster_that_comes_back_does_its_work_then() -> None:
    one = world(offline_ppm=1_000_000, offline_s=Span(low=300, high=300))
    one.hear(call(Verb.PATCH, version="1.2.3"))

    seen = [
        (one.cluster(FIRST, EPOCH + dt.timedelta(seconds=after_s)).connectivity, state)
        for after_s, state in (
            (299, _state(one, 299)),
            (301, _state(one, 301)),
            (361, _state(one, 361)),
        )
    ]
    assert seen == [
        (Connectivity.OFFLINE, ProvisioningState.UPDATING),
        (Connectivity.CONNECTED, ProvisioningState.UPDATING),
        (Connectivity.CONNECTED, ProvisioningState.SUCCEEDED),
    ]


def test_connected_clusters_were_heard_of_lately() -> None:
    at = EPOCH + dt.timedelta(days=3, minutes=7)

    heard_at = world().cluster(FIRST, at).last_connectivity_at
    assert heard_at == EPOCH + dt.timedelta(days=3, minutes=5)


def test_somebody_may_be_at_work_when_the_world_begins() -> None:
    special = Special(cluster="store-0001-a", provisioning_state=ProvisioningState.UPDATING)
    one = world(specials=(special,))

    heard = one.hear(call(Verb.PATCH, at=SOON, version="1.2.3"))
    assert heard.operation is not None
    assert heard.operation.is_conflict
    assert _state(one, 59) is ProvisioningState.UPDATING
    assert _state(one, 61) is ProvisioningState.SUCCEEDED


def test_the_service_upgrades_by_itself_only_where_the_world_says_so() -> None:
    quiet = world(auto_upgrade_ppm=1_000_000)
    lively = world(auto_upgrade_ppm=1_000_000, auto_upgrade_after_s=Span(low=600, high=600))

    seen = [
        one.extension(FIRST, "osm", EPOCH + dt.timedelta(seconds=after_s))
        for one in (quiet, lively)
        for after_s in (599, 601)
    ]
    assert [one and one.current_version for one in seen] == ["1.1.1", "1.1.1", "1.1.1", "1.2.6"]
    assert [one and one.modified_at for one in seen[2:]] == [
        PINNED.modified_at,
        "2026-01-10T02:10:00.000000Z",
    ]


def test_patch_upgrades_stay_on_the_minor() -> None:
    one = world(installed={"1.0.0": 1}, auto_upgrade_after_s=Span(low=60, high=60))
    one.hear(call(Verb.PATCH, auto_upgrade=AutoUpgrade.PATCH))

    assert _after(one).current_version == "1.0.0-1"


def _after(one: World) -> Extension:
    found = one.extension(FIRST, "osm", LATER)
    assert found is not None
    return found


def _state(one: World, after_s: int) -> ProvisioningState:
    found = one.extension(FIRST, "osm", EPOCH + dt.timedelta(seconds=after_s))
    assert found is not None
    return found.provisioning_state


def _shape(error: FleetError | None) -> tuple[type[FleetError], int | None, str, str | None]:
    assert isinstance(error, RemoteError)
    return type(error), error.status, error.message, error.correlation_id
