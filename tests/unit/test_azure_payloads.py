"""What Azure was recorded to send, read; and what it might send, refused by name."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet.azure import payloads
from fleet.azure.answers import Answer
from fleet.azure.refusals import is_cluster_missing, is_extension_missing
from fleet.errors import UnexpectedPayloadError
from fleet.model.cluster import (
    AutoUpgrade,
    Connectivity,
    Extension,
    ProvisioningState,
    UnreadExtension,
)

REFERENCE = Path(__file__).parents[2].parent / "shared" / "reference" / "azure"
RECORDINGS = REFERENCE / "recordings"
needs_recordings = pytest.mark.skipif(
    not RECORDINGS.is_dir(), reason="the recorded traffic is not here"
)
ID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Kubernetes/connectedClusters/c"


def exchanges(name: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for path in sorted(RECORDINGS.glob(f"{name}*.json")):
        for one in json.loads(path.read_text(encoding="utf-8"))["interactions"]:
            yield one["request"], one["response"]


def extensions(name: str) -> list[Extension]:
    """Every extension that a GET or a write showed, in order."""
    shown = re.compile(r"/extensions/[^/?]+\?", re.IGNORECASE)
    return [
        payloads.extension(response["body"], where=request["uri"])
        for request, response in exchanges(name)
        if shown.search(request["uri"])
        and response["status"] in (200, 201)
        and request["method"] != "DELETE"
    ]


def answer(response: dict[str, Any]) -> Answer:
    headers = {name.lower(): values[0] for name, values in response["headers"].items()}
    return Answer(
        status=response["status"], headers=headers, body=json.dumps(response["body"]).encode()
    )


@needs_recordings
def test_every_recorded_extension_can_be_read() -> None:
    found = extensions("")

    assert len(found) > 20
    assert {one.provisioning_state for one in found} == {
        ProvisioningState.CREATING,
        ProvisioningState.SUCCEEDED,
        ProvisioningState.FAILED,
    }
    assert {one.extension_type for one in found} >= {
        "microsoft.dapr",
        "microsoft.openservicemesh",
    }


@needs_recordings
def test_a_recorded_extension_is_read_whole() -> None:
    assert extensions("extension-create-list-forcedelete")[-1] == Extension(
        name="dapr",
        extension_type="microsoft.dapr",
        version="1.6.0",
        current_version="1.6.0",
        auto_upgrade=AutoUpgrade.NONE,
        release_train="stable",
        provisioning_state=ProvisioningState.CREATING,
        settings={"skipExistingDaprCheck": "true"},
        namespace="dapr-system",
        modified_at="2023-07-19T18:31:24.4169171+00:00",
    )


@needs_recordings
def test_a_recorded_version_means_the_same_at_either_api_version() -> None:
    found = extensions("extension-autoupgrade-version-null")
    versions = {(one.version, one.current_version) for one in found}

    assert (None, "1.36.15") in versions
    assert {version for version, _ in versions} == {None}


@needs_recordings
def test_recorded_protected_settings_leave_their_names_only() -> None:
    found = extensions("extension-autoupgrade-2022-03-01")

    assert {one.protected_keys for one in found} == {
        (
            "logProcessor.appLogs.logAnalyticsConfig.customerId",
            "logProcessor.appLogs.logAnalyticsConfig.sharedKey",
        )
    }


@needs_recordings
def test_a_recorded_failure_is_told_in_the_services_words() -> None:
    failed = [
        one
        for one in extensions("osm-version-not-found")
        if one.provisioning_state is ProvisioningState.FAILED
    ]

    assert [(one.version, one.current_version) for one in failed] == [("1.2.99", "1.2.99")]
    assert str(failed[0].error).startswith("InstallationFailed: ")
    assert "does not support release train 'stable' for version '1.2.99'" in str(failed[0].error)
    assert "\n" not in str(failed[0].error)


@needs_recordings
def test_a_recorded_extension_of_the_oldest_api_can_be_read() -> None:
    found = extensions("osm-create-delete-2020")

    assert {one.provisioning_state for one in found} == {ProvisioningState.CREATING}
    assert {(one.version, one.error, one.namespace) for one in found} == {
        ("0.8.3", None, "arc-osm-system")
    }


@needs_recordings
def test_a_recorded_cluster_can_be_read_before_and_after_its_first_heartbeat() -> None:
    found = [
        payloads.cluster(response["body"], where="recorded")
        for request, response in exchanges("connectedcluster-create")
        if request["method"] == "GET"
        and response["status"] == 200
        and "/connectedClusters/" in request["uri"]
    ]

    assert [
        (one.connectivity, one.kubernetes_version, one.distribution, dict(one.tags))
        for one in found
    ] == [
        (Connectivity.CONNECTING, None, "aks", {"foo": "doo"}),
        (Connectivity.CONNECTED, "1.23.12", "aks", {"foo": "doo"}),
    ]


@needs_recordings
def test_the_two_recorded_kinds_of_404_are_told_apart() -> None:
    missing = [
        (request["uri"], answer(response))
        for request, response in exchanges("")
        if response["status"] == 404 and "onnectedClusters/" in request["uri"]
    ]
    judged = [
        ("/extensions/" in uri, is_extension_missing(one), is_cluster_missing(one))
        for uri, one in missing
    ]

    assert set(judged) == {(True, True, False), (False, False, True)}


# --- by hand -----------------------------------------------------------------------------


def extension(**properties: object) -> Extension:
    own = {"extensionType": "Microsoft.X", **properties}
    return payloads.extension({"name": "x", "properties": own}, where=ID)


def test_names_of_properties_have_no_case_and_keys_of_settings_keep_theirs() -> None:
    found = payloads.extension(
        {
            "Name": "osm",
            "Properties": {
                "ExtensionType": "Microsoft.OpenServiceMesh",
                "AutoUpgradeMinorVersion": False,
                "ReleaseTrain": "Stable",
                "Version": "1.2.6",
                "CurrentVersion": "1.2.5",
                "ProvisioningState": "updating",
                "ConfigurationSettings": {"Osm.A": "1", "osm.a": "2"},
                "ConfigurationProtectedSettings": {"Z": "", "b": ""},
                "Scope": {"Cluster": {"ReleaseNamespace": "ns"}},
                "IsSystemExtension": True,
            },
            "SystemData": {"LastModifiedAt": "then"},
        },
        where=ID,
    )

    assert found == Extension(
        name="osm",
        extension_type="microsoft.openservicemesh",
        version="1.2.6",
        current_version="1.2.5",
        auto_upgrade=AutoUpgrade.NONE,
        release_train="Stable",
        provisioning_state=ProvisioningState.UPDATING,
        settings={"Osm.A": "1", "osm.a": "2"},
        protected_keys=("Z", "b"),
        namespace="ns",
        is_system=True,
        modified_at="then",
    )


def test_nulls_and_absent_keys_are_alike() -> None:
    names = (
        "version currentVersion autoUpgradeMinorVersion autoUpgradeMode releaseTrain scope "
        "provisioningState configurationSettings configurationProtectedSettings statuses errorInfo "
        "isSystemExtension managementDetails aksAssignedIdentity"
    )

    assert extension(**dict.fromkeys(names.split())) == extension()
    assert extension() == Extension(
        name="x",
        extension_type="microsoft.x",
        version=None,
        current_version=None,
        auto_upgrade=AutoUpgrade.COMPATIBLE,
        release_train="stable",
        # Success needs to be said.
        provisioning_state=ProvisioningState.UNKNOWN,
    )


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"autoUpgradeMinorVersion": True}, AutoUpgrade.COMPATIBLE),
        ({"autoUpgradeMinorVersion": False}, AutoUpgrade.NONE),
        ({"autoUpgradeMinorVersion": "False"}, AutoUpgrade.NONE),
        ({"autoUpgradeMinorVersion": True, "autoUpgradeMode": "patch"}, AutoUpgrade.PATCH),
        ({"autoUpgradeMinorVersion": False, "autoUpgradeMode": "None"}, AutoUpgrade.NONE),
        ({"autoUpgradeMinorVersion": False, "autoUpgradeMode": "new word"}, AutoUpgrade.NONE),
    ],
)
def test_auto_upgrade_is_read_from_the_mode_or_else_from_the_flag(
    properties: dict[str, object], expected: AutoUpgrade
) -> None:
    assert extension(**properties).auto_upgrade is expected


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"version": "1", "currentVersion": None}, ("1", None)),
        ({"version": "1", "currentVersion": "2"}, ("1", "2")),
        ({"version": "1"}, ("1", "1")),
        ({"version": "1", "installedVersion": "2"}, ("1", "2")),
        ({"version": "1", "autoUpgradeMinorVersion": True}, (None, "1")),
        ({"version": None, "currentVersion": "2", "autoUpgradeMinorVersion": True}, (None, "2")),
        ({"version": "1", "currentVersion": "2", "autoUpgradeMode": "patch"}, (None, "2")),
        ({"version": "", "currentVersion": ""}, (None, None)),
    ],
)
def test_a_version_is_a_pin_only_while_nothing_chooses_it_by_itself(
    properties: dict[str, object], expected: tuple[str | None, str | None]
) -> None:
    found = extension(**{"autoUpgradeMinorVersion": False, **properties})

    assert (found.version, found.current_version) == expected


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"provisioningState": "Succeeded"}, ProvisioningState.SUCCEEDED),
        ({"provisioningState": "deleting"}, ProvisioningState.DELETING),
        ({"provisioningState": "Pondering"}, ProvisioningState.UNKNOWN),
        ({"installState": "Pending"}, ProvisioningState.CREATING),
        ({"installState": "Installed"}, ProvisioningState.SUCCEEDED),
        ({"installState": "Failed"}, ProvisioningState.FAILED),
        ({"installState": "Unknown"}, ProvisioningState.UNKNOWN),
        (
            {"installState": "Pending", "provisioningState": "Succeeded"},
            ProvisioningState.SUCCEEDED,
        ),
    ],
)
def test_the_state_is_read_by_either_name(
    properties: dict[str, object], expected: ProvisioningState
) -> None:
    assert extension(**properties).provisioning_state is expected


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"statuses": [{"code": "InstallFailed", "message": "no\nway"}]}, "InstallFailed: no way"),
        ({"statuses": [{"level": "Information", "code": "Fine"}]}, None),
        ({"statuses": [{"code": "Odd", "level": "Error", "message": "bad"}]}, "Odd: bad"),
        ({"statuses": [], "errorInfo": {"code": "E", "message": "m"}}, "E: m"),
        ({"statuses": "none", "errorInfo": {}}, None),
    ],
)
def test_an_error_is_read_from_the_statuses_or_else_from_the_info(
    properties: dict[str, object], expected: str | None
) -> None:
    assert extension(**properties).error == expected


@pytest.mark.parametrize(
    ("entity", "actions", "expected"),
    [
        ("Users", ["Read"], True),
        ("users", ["read"], True),
        ("Users", ["Read", "Write"], False),
        ("Microsoft.ContainerService", ["Read"], False),
    ],
)
def test_management_details_may_let_users_read_only(
    entity: str, actions: list[str], expected: bool
) -> None:
    details = {"accessDetails": [{"entity": entity, "allowedActions": actions}]}

    assert extension(managementDetails=details).is_read_only is expected


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (None, "extension"),
        ({"name": "x"}, "properties"),
        ({"name": "x", "properties": []}, "properties"),
        ({"properties": {"extensionType": "x"}}, "name"),
        ({"name": "x", "properties": {}}, "extensionType"),
        ({"name": "x", "properties": {"extensionType": 1}}, "extensionType"),
        (
            {"name": "x", "properties": {"extensionType": "x", "configurationSettings": []}},
            "configurationSettings",
        ),
    ],
)
def test_a_payload_that_lacks_what_is_needed_is_refused_by_field_and_id(
    body: object, field: str
) -> None:
    with pytest.raises(UnexpectedPayloadError) as caught:
        payloads.extension(body, where=ID)

    assert caught.value.message == f"{ID}: {field} is missing or cannot be read"


@pytest.mark.parametrize(
    "body",
    [
        None,
        {"id": ID},
        {"location": "x"},
        {"id": "/subscriptions/s/x", "location": "x"},
        {"id": ID, "location": "x", "tags": []},
        {"id": ID, "location": "x", "extensions": {}},
    ],
)
def test_a_row_that_lacks_what_is_needed_is_refused(body: object) -> None:
    with pytest.raises(UnexpectedPayloadError):
        payloads.row(body)


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (None, UnreadExtension(name=None, extension_type=None, why="extension is {}")),
        ({}, UnreadExtension(name=None, extension_type=None, why="properties is {}")),
        (
            {"name": "osm", "properties": {"extensionType": 7}},
            UnreadExtension(name="osm", extension_type=None, why="extensionType is {}"),
        ),
        (
            {"Name": "x", "properties": {"ExtensionType": "A.B", "autoUpgradeMode": "weekly"}},
            UnreadExtension(name="x", extension_type="a.b", why="autoUpgradeMode is {}"),
        ),
        (
            {"id": "/a: b", "name": 7, "properties": {"extensionType": "A.B", "version": 1.2}},
            UnreadExtension(name=None, extension_type="a.b", why="version is {}"),
        ),
    ],
)
def test_an_extension_of_a_row_that_cannot_be_read_is_told_beside_the_others(
    one: object, expected: UnreadExtension
) -> None:
    good = {"name": "flux", "properties": {"extensionType": "t"}}

    found = payloads.row({"id": ID, "location": "x", "extensions": [one, good]})

    why = expected.why.format("missing or cannot be read")
    assert found.unread == (dataclasses.replace(expected, why=why),)
    assert [extension.name for extension in found.extensions] == ["flux"]


def test_the_extensions_of_a_row_stand_in_one_order() -> None:
    found = payloads.row(
        {
            "id": ID,
            "location": "x",
            "extensions": [
                {"name": name, "properties": {"extensionType": "t"}} for name in ("B", "a", "b")
            ],
        }
    )

    assert [one.name for one in found.extensions] == ["a", "B", "b"]


# --- what has not the shape that it should have --------------------------------------------

DEEP: Any = []
for _ in range(900):
    DEEP = [DEEP]
LONG = "9" * 5000


@pytest.mark.parametrize(
    "field",
    [
        "version",
        "currentVersion",
        "releaseTrain",
        "autoUpgradeMinorVersion",
        "autoUpgradeMode",
        "isSystemExtension",
    ],
)
@pytest.mark.parametrize("odd", [7, [], {"a": 1}, DEEP, LONG])
def test_what_is_there_and_cannot_be_read_is_never_taken_for_absent(field: str, odd: Any) -> None:
    with pytest.raises(UnexpectedPayloadError, match=f": {field} is missing or cannot be read$"):
        extension(**{field: odd})


@pytest.mark.parametrize("odd", [True, False])
def test_a_truth_is_no_version(odd: bool) -> None:
    with pytest.raises(UnexpectedPayloadError):
        extension(version=odd)


def test_a_mode_that_nobody_knows_is_read_by_the_flag_beside_it_or_not_at_all() -> None:
    found = extension(autoUpgradeMode="weekly", autoUpgradeMinorVersion=False, version="1.2.6")

    assert found.auto_upgrade is AutoUpgrade.NONE
    with pytest.raises(UnexpectedPayloadError, match="autoUpgradeMode"):
        extension(autoUpgradeMode="weekly")


@pytest.mark.parametrize("odd", [7, [], {"a": 1}, True, "", DEEP, LONG])
@pytest.mark.parametrize("field", ["provisioningState", "installState"])
def test_a_state_that_cannot_be_read_is_unknown_and_never_success(field: str, odd: Any) -> None:
    assert extension(**{field: odd}).provisioning_state is ProvisioningState.UNKNOWN


@pytest.mark.parametrize(
    "details",
    [
        "Read",
        [],
        {"accessDetails": "Read"},
        {"accessDetails": ["Users"]},
        {"accessDetails": [{"entity": 7}]},
        {"accessDetails": [{"entity": "Users", "allowedActions": "Read"}]},
    ],
)
def test_management_details_that_cannot_be_read_allow_nothing(details: object) -> None:
    with pytest.raises(UnexpectedPayloadError, match="managementDetails"):
        extension(managementDetails=details)


def test_settings_deeper_than_any_are_refused() -> None:
    with pytest.raises(UnexpectedPayloadError, match="configurationSettings"):
        extension(configurationSettings={"a": DEEP})


def test_statuses_of_any_depth_and_length_are_told_in_one_line() -> None:
    nested: Any = {"code": "Failed", "message": "why"}
    for _ in range(400):
        nested = {"code": "Failed", "details": [nested], "level": DEEP}

    assert len(extension(statuses=[nested]).error or "") <= 1200
    assert extension(statuses=[{"code": DEEP, "level": DEEP}]).error is None


@pytest.mark.parametrize(
    "when", ["", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"]
)
def test_a_cluster_is_connected_only_since_a_moment_that_can_be(when: str) -> None:
    """The year 1 is how .NET writes a moment that never was."""
    own = {"connectivityStatus": "Connected", "lastConnectivityTime": when}
    body = {"id": ID, "name": "c", "location": "l", "properties": own}
    found = payloads.cluster(body, where="x")

    assert (found.connectivity, found.last_connectivity_at) == (Connectivity.UNKNOWN, None)


def test_a_row_keeps_what_the_index_calls_it() -> None:
    """Whether it is believed is weighed over all rows: an index may not tell heartbeats."""
    found = payloads.row(
        {"id": ID, "name": "c", "location": "l", "connectivityStatus": "Connected"}
    )

    assert found.connectivity is Connectivity.CONNECTED


def test_what_is_named_in_a_message_is_short() -> None:
    with pytest.raises(UnexpectedPayloadError) as caught:
        payloads.row({"id": "/subscriptions/" + "x" * 900, "location": "l"})

    assert len(caught.value.message) < 400
