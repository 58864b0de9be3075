from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import pytest

from fleet.errors import (
    ConflictError,
    DeniedError,
    InputError,
    LostAnswerError,
    LostClusterError,
    RemoteError,
    ThrottledError,
    TransientError,
    UnexpectedPayloadError,
)
from fleet.model.cluster import AutoUpgrade, ClusterId, Connectivity, ProvisioningState
from fleet.model.plan import AZURES, Verb
from fleet.ports import Accepted, ExtensionRef, OperationStatus, Write
from tests.rig.scripted import IDS, Say, failure, serving, speaking

CLUSTER = ClusterId(
    "/subscriptions/S1/resourceGroups/r g(1)/providers/Microsoft.Kubernetes/connectedClusters/c1"
)
REF = ExtensionRef(cluster_id=CLUSTER, name="osm")
PATH = (
    "/subscriptions/S1/resourceGroups/r%20g(1)/providers/Microsoft.Kubernetes/connectedClusters/c1"
    "/providers/Microsoft.KubernetesConfiguration/extensions/osm?api-version=2023-05-01"
)
SIGNED = "&t=638&c=" + "A%2Bb%2f" * 500 + "&s=a+b%20c~!*'();:@$,&h=%E4%BD%A0&empty=&x"


def body(**properties: object) -> dict[str, Any]:
    return {
        "id": f"{CLUSTER}/providers/Microsoft.KubernetesConfiguration/extensions/osm",
        "name": "osm",
        "properties": {
            "extensionType": "Microsoft.OpenServiceMesh",
            "autoUpgradeMinorVersion": False,
            "releaseTrain": "stable",
            "version": "1.2.6",
            "currentVersion": "1.2.6",
            "provisioningState": "Succeeded",
            **properties,
        },
    }


def write(verb: Verb, **fields: Any) -> Write:
    base = Write(
        verb=verb,
        extension_type="Microsoft.openservicemesh",
        namespace="arc-osm-system",
        location="westeurope",
    )
    return dataclasses.replace(base, **fields)


# --- what is sent ------------------------------------------------------------------------


async def test_a_get_goes_to_the_extensions_own_path_with_every_segment_quoted() -> None:
    async with speaking() as line:
        line.server.on("GET", "/extensions/osm", Say(body=body()))
        found = await line.azure.get(REF, IDS)

        assert [one.path for one in line.server.sent("GET")] == [PATH]
    assert found is not None
    assert found.extension_type == "microsoft.openservicemesh"


async def test_an_install_replaces_with_what_the_azure_cli_sends() -> None:
    async with speaking() as line:
        line.server.on("PUT", "/extensions/osm", Say(status=201, body=body()))
        await line.azure.write(
            REF,
            write(
                Verb.PUT,
                version="1.2.6",
                auto_upgrade=AutoUpgrade.NONE,
                release_train="stable",
                settings={"Osm.A": "1"},
            ),
            IDS,
        )
        sent = line.server.sent("PUT")[0]

    assert sent.path == PATH
    assert sent.json == {
        "identity": {"type": "SystemAssigned"},
        "properties": {
            "extensionType": "microsoft.openservicemesh",
            "autoUpgradeMinorVersion": False,
            "releaseTrain": "stable",
            "version": "1.2.6",
            "scope": {"cluster": {"releaseNamespace": "arc-osm-system"}},
            "configurationSettings": {"Osm.A": "1"},
            "configurationProtectedSettings": {},
        },
    }


async def test_an_install_leaves_out_what_is_not_set() -> None:
    async with speaking() as line:
        line.server.on("PUT", "/extensions/osm", Say(status=201, body=body()))
        await line.azure.write(
            REF, write(Verb.PUT, namespace=None, auto_upgrade=AutoUpgrade.COMPATIBLE), IDS
        )
        sent = line.server.sent("PUT")[0]

    assert sent.json["properties"] == {
        "extensionType": "microsoft.openservicemesh",
        "autoUpgradeMinorVersion": True,
        "scope": {"cluster": {}},
        "configurationSettings": {},
        "configurationProtectedSettings": {},
    }


async def test_an_install_for_a_namespace_says_so() -> None:
    async with speaking() as line:
        line.server.on("PUT", "/extensions/osm", Say(status=201, body=body()))
        await line.azure.write(
            REF,
            write(
                Verb.PUT, namespace="shop", is_namespaced=True, auto_upgrade=AutoUpgrade.COMPATIBLE
            ),
            IDS,
        )
        sent = line.server.sent("PUT")[0]

    assert sent.json["properties"]["scope"] == {"namespace": {"targetNamespace": "shop"}}


@pytest.mark.parametrize(
    ("fields", "carried"),
    [
        (
            {"version": "1.2.6", "auto_upgrade": AutoUpgrade.NONE, "release_train": "stable"},
            {"version": "1.2.6", "autoUpgradeMinorVersion": False, "releaseTrain": "stable"},
        ),
        ({"auto_upgrade": AutoUpgrade.COMPATIBLE}, {"autoUpgradeMinorVersion": True}),
        ({"settings": {"a.B": "c"}}, {"configurationSettings": {"a.B": "c"}}),
        ({"settings": {}}, {"configurationSettings": {}}),
        ({"protected": {"k": "v"}}, {"configurationProtectedSettings": {"k": "v"}}),
        ({}, {}),
    ],
)
async def test_a_patch_carries_nothing_but_what_the_write_carries(
    fields: dict[str, Any], carried: dict[str, Any]
) -> None:
    async with speaking() as line:
        line.server.on("PATCH", "/extensions/osm", Say(status=202))
        await line.azure.write(REF, write(Verb.PATCH, **fields), IDS)

        assert line.server.sent("PATCH")[0].json == {"properties": carried}


async def test_auto_upgrade_that_the_api_cannot_say_is_refused_before_anything_is_sent() -> None:
    async with speaking() as line:
        with pytest.raises(InputError, match="patch cannot be said in api-version 2023-05-01"):
            await line.azure.write(REF, write(Verb.PATCH, auto_upgrade=AutoUpgrade.PATCH), IDS)

        assert line.server.sent() == []


async def test_an_uninstall_never_forces() -> None:
    async with speaking() as line:
        line.server.on("DELETE", "/extensions/osm", Say(status=202))
        await line.azure.write(REF, write(Verb.DELETE), IDS)
        sent = line.server.sent("DELETE")[0]

    assert (sent.path, sent.body) == (f"{PATH}&forceDelete=false", b"")


async def test_an_id_that_is_no_clusters_is_refused_before_anything_is_sent() -> None:
    async with speaking() as line:
        ref = ExtensionRef(cluster_id=ClusterId(f"{CLUSTER}/../../x"), name="osm")
        with pytest.raises(UnexpectedPayloadError):
            await line.azure.get(ref, IDS)

        assert line.server.sent() == []


# --- what comes back ---------------------------------------------------------------------


async def test_an_accepted_write_shows_its_operation_and_its_extension() -> None:
    async with speaking() as line:
        url = f"{line.server.url}/operations/1?api-Version=2023-05-01{SIGNED}"
        say = Say(
            status=201,
            body=body(provisioningState="Creating", currentVersion=None),
            headers={"Azure-AsyncOperation": url},
        )
        line.server.on("PUT", "/extensions/osm", say)
        accepted = await line.azure.write(REF, write(Verb.PUT), IDS)

    assert accepted.operation_url == url
    assert accepted.extension is not None
    assert accepted.extension.provisioning_state is ProvisioningState.CREATING
    assert "operations" not in repr(accepted)


@pytest.mark.parametrize(
    ("verb", "say"),
    [
        (Verb.PATCH, Say(status=202)),
        (Verb.PATCH, Say(status=202, body=b"null")),
        (Verb.PATCH, Say(status=204)),
        (Verb.DELETE, Say(status=200, body={"content": None, "isSuccessStatusCode": True})),
        (Verb.DELETE, Say(status=200, body=b"anything <at all>")),
        (Verb.DELETE, Say(status=202, body=b"null")),
        (Verb.DELETE, Say(status=204)),
        (
            Verb.DELETE,
            failure(404, "ResourceNotFound", "Extension instance with name 'osm' not found."),
        ),
    ],
)
async def test_a_write_without_an_operation_is_finished_at_once(verb: Verb, say: Say) -> None:
    async with speaking() as line:
        line.server.on(verb.name, "/extensions/osm", say)

        assert await line.azure.write(REF, write(verb), IDS) == Accepted(
            operation_url=None, extension=None
        )


async def test_an_operation_elsewhere_is_not_kept_and_location_is_never_looked_at() -> None:
    async with serving() as trap, speaking() as line:
        headers = {
            "Azure-AsyncOperation": f"{trap.url}/operations/1",
            "Location": f"{trap.url}/subscriptions",
        }
        line.server.on("PATCH", "/extensions/osm", Say(status=202, headers=headers))
        line.server.on("DELETE", "/extensions/osm", Say(status=202, headers=headers))
        done = [await line.azure.write(REF, write(verb), IDS) for verb in (Verb.PATCH, Verb.DELETE)]
        with pytest.raises(RemoteError, match="not sent") as caught:
            await line.azure.operation(f"{trap.url}/operations/1?s=secret", IDS)

        assert [one.operation_url for one in done] == [None, None]
        assert trap.got == []
    assert "secret" not in caught.value.message


async def test_a_signed_operation_url_is_sent_back_byte_for_byte() -> None:
    async with speaking() as line:
        path = f"/Subscriptions/S%20x/ConnectedClusters/c/operations/1?api-Version=1{SIGNED}"
        line.server.on("GET", "/operations/1", Say(body={"status": "Creating"}))
        await line.azure.operation(line.server.url + path, IDS)

        assert len(path) > 4000
        assert [one.path for one in line.server.sent()] == [path]


CONFLICT = (
    "Update failed for this resource, as there is a conflicting operation in progress. "
    "Please try after sometime."
)


@pytest.mark.parametrize(
    ("say", "expected"),
    [
        (
            Say(body={"name": "1", "status": "Creating"}, headers={"Retry-After": "17"}),
            OperationStatus(
                status="Creating", is_terminal=False, has_succeeded=False, retry_after_s=17
            ),
        ),
        (
            Say(body={"status": "Updating"}, headers={"Retry-After": "0"}),
            OperationStatus(status="Updating", is_terminal=False, has_succeeded=False),
        ),
        (
            Say(body={"status": "succeeded", "error": None}),
            OperationStatus(status="Succeeded", is_terminal=True, has_succeeded=True),
        ),
        (Say(body={}), OperationStatus(status="Succeeded", is_terminal=True, has_succeeded=True)),
        (
            Say(status=202),
            OperationStatus(status="InProgress", is_terminal=False, has_succeeded=False),
        ),
        (
            Say(status=204),
            OperationStatus(status="Succeeded", is_terminal=True, has_succeeded=True),
        ),
        (
            Say(body={"status": "Failed", "error": {"code": "Bad", "message": "It\n  broke."}}),
            OperationStatus(
                status="Failed", is_terminal=True, has_succeeded=False, error="Bad: It broke."
            ),
        ),
        (
            Say(body={"status": "Canceled"}),
            OperationStatus(status="Canceled", is_terminal=True, has_succeeded=False),
        ),
        (
            Say(
                body={"status": "Failed", "error": {"code": "UpdateFailed", "message": CONFLICT}},
            ),
            OperationStatus(
                status="Failed",
                is_terminal=True,
                has_succeeded=False,
                error=f"UpdateFailed: {CONFLICT}",
                is_conflict=True,
            ),
        ),
    ],
)
async def test_an_operation_is_read_as_the_contract_says(
    say: Say, expected: OperationStatus
) -> None:
    async with speaking() as line:
        line.server.on("GET", "/operations/1", say)

        assert await line.azure.operation(f"{line.server.url}/operations/1", IDS) == expected


@pytest.mark.parametrize(
    "answer",
    [
        *({"status": odd} for odd in (None, "", 12, True, [], {"a": 1}, ["Succeeded"])),
        {"error": {"code": "Bad", "message": "It broke."}},
    ],
)
async def test_an_operation_whose_status_is_no_word_has_not_succeeded(answer: object) -> None:
    async with speaking() as line:
        line.server.on("GET", "/operations/1", Say(body=answer))
        with pytest.raises(UnexpectedPayloadError, match="status is missing or cannot be read"):
            await line.azure.operation(f"{line.server.url}/operations/1", IDS)


async def test_a_status_of_any_length_is_shown_shortened() -> None:
    async with speaking() as line:
        line.server.on("GET", "/operations/1", Say(body={"status": "Pondering " * 1000}))
        found = await line.azure.operation(f"{line.server.url}/operations/1", IDS)

    assert (found.is_terminal, len(found.status)) == (False, 60)


async def test_an_answer_about_another_extension_of_the_cluster_is_not_believed() -> None:
    other = {**body(), "name": "flux", "id": None}
    async with speaking() as line:
        line.server.on("GET", "/extensions/osm", Say(body=other))
        with pytest.raises(UnexpectedPayloadError, match="about something else, flux"):
            await line.azure.get(REF, IDS)


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}, None),
        ({"Retry-After": "Sat, 01 Jan 0001 00:00:00 +2300"}, None),
        ({"Retry-After": "Thu, 31 Dec 2199 23:59:59 GMT"}, 1e8),
        ({"Retry-After": "999999999"}, 1e8),
        ({"retry-after-ms": "999999999"}, 999_999.999),
        ({"Retry-After": "9" * 400}, None),
    ],
)
async def test_a_wait_that_nobody_can_mean_is_none_or_bounded(
    headers: dict[str, str], wait_s: float | None
) -> None:
    headers |= {"Date": "Sat, 10 Jan 2026 02:00:00 GMT"}
    said = Say(status=429, body={"error": {"code": "TooManyRequests"}}, headers=headers)
    async with speaking() as line:
        line.server.on("GET", "/extensions/osm", said)
        with pytest.raises(ThrottledError) as caught:
            await line.azure.get(REF, IDS)

    assert caught.value.retry_after_s == wait_s


async def test_an_error_of_any_depth_is_told_in_one_short_line() -> None:
    error: Any = {"code": "Innermost", "message": "deep\u202e"}
    for number in range(400):
        error = {"code": f"E{number}", "message": "\n" * 9, "details": [error]}
    said = Say(
        status=400,
        body={"error": error},
        headers={"x-ms-correlation-request-id": "x" * 5000},
    )
    async with speaking() as line:
        line.server.on("GET", "/extensions/osm", said)
        with pytest.raises(RemoteError) as caught:
            await line.azure.get(REF, IDS)

    assert len(caught.value.message) < 900
    assert caught.value.message.isprintable()
    assert caught.value.correlation_id == IDS.correlation_id


async def test_an_operation_that_is_forgotten_is_an_error_of_its_own() -> None:
    async with speaking() as line:
        line.server.on("GET", "/operations/1", failure(404, "ResourceNotFound"))
        with pytest.raises(RemoteError) as caught:
            await line.azure.operation(f"{line.server.url}/operations/1", IDS)

    assert (type(caught.value), caught.value.status) == (RemoteError, 404)


# --- two kinds of 404 --------------------------------------------------------------------

BY_ARM = "The Resource 'Microsoft.Kubernetes/connectedClusters/c1' was not found."
BY_PROVIDER = "Extension instance with name 'osm' not found."


async def test_an_extension_that_is_not_there_is_none() -> None:
    async with speaking() as line:
        line.server.on("GET", "/extensions/osm", failure(404, "ResourceNotFound", BY_PROVIDER))

        assert await line.azure.get(REF, IDS) is None


@pytest.mark.parametrize(
    "say",
    [
        failure(404, "ResourceNotFound", BY_ARM, x_ms_failure_cause="gateway"),
        failure(404, "ResourceNotFound", BY_PROVIDER, x_ms_failure_cause="gateway"),
        failure(404, "ResourceNotFound", BY_ARM),
        failure(404, "ResourceGroupNotFound", x_ms_failure_cause="gateway"),
        failure(404, "SubscriptionNotFound", x_ms_failure_cause="gateway"),
    ],
)
async def test_a_cluster_that_is_not_there_is_lost(say: Say) -> None:
    async with speaking() as line:
        for method in ("GET", "PUT", "PATCH", "DELETE"):
            line.server.on(method, "/connectedClusters/", say)
        calls = [
            line.azure.get(REF, IDS),
            line.azure.cluster(CLUSTER, IDS),
            *(line.azure.write(REF, write(verb), IDS) for verb in AZURES),
        ]
        for call in calls:
            with pytest.raises(LostClusterError) as caught:
                await call
            assert caught.value.status == 404


@pytest.mark.parametrize(
    "say",
    [
        Say(status=404),
        Say(status=404, body=b"<html>", headers={"Content-Type": "text/html"}),
        Say(status=404, headers={"x-ms-failure-cause": "gateway"}),
        Say(status=404, body={"message": "no route"}),
    ],
)
async def test_a_404_that_does_not_say_what_is_missing_proves_no_absence(say: Say) -> None:
    async with speaking() as line:
        line.server.on("GET", "/extensions/osm", say)
        with pytest.raises(UnexpectedPayloadError):
            await line.azure.get(REF, IDS)


@pytest.mark.parametrize("code", ["InvalidResourceType", "NoRegisteredProviderFound"])
async def test_a_type_that_is_not_known_is_not_a_missing_cluster(code: str) -> None:
    async with speaking() as line:
        say = failure(404, code, x_ms_failure_cause="gateway")
        line.server.on("GET", "/extensions/osm", say)
        with pytest.raises(RemoteError) as caught:
            await line.azure.get(REF, IDS)

    assert type(caught.value) is RemoteError


async def test_a_patch_of_an_extension_that_is_gone_fails() -> None:
    async with speaking() as line:
        line.server.on("PATCH", "/extensions/osm", failure(404, "ResourceNotFound", BY_PROVIDER))
        with pytest.raises(RemoteError) as caught:
            await line.azure.write(REF, write(Verb.PATCH), IDS)

    assert type(caught.value) is RemoteError


# --- every other refusal -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("say", "on_read", "on_write"),
    [
        (failure(429, "TooManyRequests"), ThrottledError, ThrottledError),
        (failure(503, "ServerBusy"), TransientError, TransientError),
        (failure(500, "Internal"), TransientError, LostAnswerError),
        (failure(502, "BadGateway"), TransientError, LostAnswerError),
        (failure(504, "GatewayTimeout"), TransientError, LostAnswerError),
        (failure(408, "Timeout"), TransientError, LostAnswerError),
        (failure(403, "AuthorizationFailed"), DeniedError, DeniedError),
        (failure(409, "Conflict"), ConflictError, ConflictError),
        (failure(409, "AnotherOperationInProgress"), ConflictError, ConflictError),
        (failure(409, "Odd", CONFLICT), ConflictError, ConflictError),
        (failure(400, "UpdateFailed", CONFLICT), ConflictError, ConflictError),
        (Say(status=409), ConflictError, ConflictError),
        (failure(409, "MissingSubscriptionRegistration"), RemoteError, RemoteError),
        (failure(409, "ScopeLocked"), RemoteError, RemoteError),
        (failure(400, "ExtensionTypeInvalid"), RemoteError, RemoteError),
        (failure(412, "PreconditionFailed"), RemoteError, RemoteError),
    ],
)
async def test_a_refusal_gets_the_class_that_is_true(
    say: Say, on_read: type[RemoteError], on_write: type[RemoteError]
) -> None:
    async with speaking() as line:
        for method in ("GET", "PATCH"):
            line.server.on(method, "/extensions/osm", say)
        with pytest.raises(RemoteError) as read:
            await line.azure.get(REF, IDS)
        with pytest.raises(RemoteError) as written:
            await line.azure.write(REF, write(Verb.PATCH), IDS)

        assert len(line.server.sent()) == 2, "nothing is tried again here"
    assert (type(read.value), type(written.value)) == (on_read, on_write)
    assert (read.value.status, written.value.status) == (say.status, say.status)


async def test_a_refusal_says_what_azure_said_on_one_line_and_under_which_id() -> None:
    said = (
        "The client 'me' with object id 'o' does not have authorization to perform action\n"
        " 'Microsoft.KubernetesConfiguration/extensions/write' over scope '/subscriptions/s'."
    )
    async with speaking() as line:
        say = failure(
            403, "AuthorizationFailed", said + "x" * 5000, x_ms_correlation_request_id="theirs"
        )
        line.server.on("PATCH", "/extensions/osm", say)
        with pytest.raises(DeniedError) as caught:
            await line.azure.write(REF, write(Verb.PATCH), IDS)

    error = caught.value
    assert error.message.startswith(
        f"PATCH of extension osm on {CLUSTER}: not allowed: (AuthorizationFailed) The client 'me'"
    )
    assert "perform action 'Microsoft.KubernetesConfiguration/extensions/write'" in error.message
    assert error.message.endswith("…")
    assert len(error.message) < 700
    assert (error.status, error.correlation_id) == (403, "theirs")


@pytest.mark.parametrize(
    ("headers", "message", "expected"),
    [
        ({"Retry-After": "17"}, "", 17),
        ({"Retry-After": "1.5"}, "", 1.5),
        ({"Retry-After": "Sat, 10 Jan 2026 02:00:30 GMT"}, "", 30),
        (
            {
                "Retry-After": "Sat, 10 Jan 2026 05:00:30 GMT",
                "Date": "Sat, 10 Jan 2026 05:00:10 GMT",
            },
            "",
            20,
        ),
        ({"retry-after-ms": "2500"}, "", 2.5),
        ({"x-ms-retry-after-ms": "2500"}, "", 2.5),
        ({"Retry-After": "0"}, "", None),
        ({"Retry-After": "soon"}, "", None),
        ({"Retry-After": "inf"}, "", None),
        ({"Retry-After": "Fri, 09 Jan 2026 02:00:30 GMT"}, "", None),
        ({"x-ms-user-quota-resets-after": "00:01:05"}, "", 65),
        ({}, "Please try again after '372' seconds.", 372),
        ({}, "", None),
    ],
)
async def test_a_throttled_call_says_when_to_come_again(
    headers: dict[str, str], message: str, expected: float | None
) -> None:
    async with speaking() as line:
        date = {"Date": "Sat, 10 Jan 2026 02:00:00 GMT"}
        say = failure(429, "TooManyRequests", message)
        line.server.on(
            "GET", "/extensions/osm", dataclasses.replace(say, headers={**date, **headers})
        )
        with pytest.raises(ThrottledError) as caught:
            await line.azure.get(REF, IDS)

    assert caught.value.retry_after_s == expected


# --- clusters ----------------------------------------------------------------------------


async def test_a_cluster_is_read_as_it_is_now() -> None:
    shown = {
        "id": CLUSTER,
        "name": "c1",
        "location": "WestEurope",
        "tags": {"Env": "prod", "none": None},
        "properties": {
            "distribution": "AKS",
            "kubernetesVersion": "1.30.1",
            "agentVersion": "1.8.14",
            "connectivityStatus": "Connected",
            "lastConnectivityTime": "2026-01-10T01:50:00.1234567Z",
        },
    }
    async with speaking() as line:
        line.server.on("GET", "/connectedClusters/c1?api-version=2024-01-01", Say(body=shown))
        found = await line.azure.cluster(CLUSTER, IDS)

    assert (found.subscription, found.resource_group, found.name) == ("S1", "r g(1)", "c1")
    assert (found.location, found.distribution) == ("westeurope", "aks")
    assert (found.kubernetes_version, found.agent_version) == ("1.30.1", "1.8.14")
    assert found.connectivity is Connectivity.CONNECTED
    assert found.last_connectivity_at == dt.datetime(2026, 1, 10, 1, 50, 0, 123456, tzinfo=dt.UTC)
    assert (dict(found.tags), found.extensions) == ({"Env": "prod", "none": ""}, ())


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("Connecting", Connectivity.CONNECTING),
        ("expired", Connectivity.EXPIRED),
        ("Sleeping", Connectivity.UNKNOWN),
        (None, Connectivity.UNKNOWN),
    ],
)
async def test_a_cluster_before_its_first_heartbeat_shows_little(
    status: str | None, expected: Connectivity
) -> None:
    shown = {"id": CLUSTER, "location": "x", "properties": {"connectivityStatus": status}}
    async with speaking() as line:
        line.server.on("GET", "/connectedClusters/c1", Say(body=shown))
        found = await line.azure.cluster(CLUSTER, IDS)

    assert (found.connectivity, found.is_reachable) == (expected, False)
    assert found.name == "c1"
    assert (found.kubernetes_version, found.agent_version, found.last_connectivity_at) == (
        None,
        None,
        None,
    )


async def test_what_azure_said_of_a_token_that_it_refuses_is_kept_and_can_be_looked_up() -> None:
    said = "The access token is from the wrong issuer."
    async with speaking() as line:
        line.server.on("GET", "/extensions/osm", failure(401, "InvalidAuthenticationToken", said))
        with pytest.raises(TransientError) as caught:
            await line.azure.get(REF, IDS)

    assert caught.value.message == (
        "the service does not take the token: fetched anew; "
        f"it said: (InvalidAuthenticationToken) {said}"
    )
    assert caught.value.correlation_id == IDS.correlation_id
