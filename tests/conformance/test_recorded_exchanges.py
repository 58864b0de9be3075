"""Every recorded request and every official example, sent to the simulator.

What its answers have otherwise than Azure's is named here, with the reason; what it does not serve
at all is named as well, and is refused as Resource Manager refuses what it does not know.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

import pytest

from tests.rig import reference, replays
from tests.rig.reference import Example, Interaction
from tests.rig.replays import Replay
from tests.rig.serving import Heard, staged

RECORDINGS = tuple(dict.fromkeys(one.recording for one in reference.interactions()))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Unserved:
    """A kind of request that the simulator leaves out."""

    request: str
    """A pattern that fits method, api-version and path."""
    status: int
    why: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A way in which its answers are of another shape."""

    name: str
    request: str
    """A pattern that fits recording, method, api-version and path."""
    lines: str
    """A pattern that fits each difference."""
    why: str


UNSERVED = (
    Unserved(
        request=r"(PUT|PATCH|DELETE) \S+ .*/connectedClusters/[^/]+",
        status=405,
        why="clusters come and go by the world's own rules",
    ),
    Unserved(
        request=r"GET \S+ .*/locations/[^/]+/operationStatuses/.*",
        status=404,
        why="nothing is done to clusters, so there is no operation of theirs",
    ),
    Unserved(
        request=r"\w+ \S+ .*/providers/Microsoft\.Resources/deployments/.*",
        status=404,
        why="nothing here is deployed by templates",
    ),
    Unserved(
        request=r"\w+ 2020-07-01-preview .*/Microsoft\.KubernetesConfiguration/.*",
        status=404,
        why="of another shape altogether: no operations, and states of an installation",
    ),
    Unserved(
        request=r"POST \S+ /providers/Microsoft\.ResourceGraph/resources RecoveryServicesResources",
        status=400,
        why="asks for a table of another provider",
    ),
)
_2021 = "2021-09-01"
_TO_2022 = f"({_2021}|2022-03-01)"
_CLUSTER = "/connectedClusters/[^/]+"
_TYPES = ".*/extensionTypes.*"
DIFFERENCES = (
    Difference(
        name="who operates",
        request=".*",
        lines=r"header \+ x-ms-operation-identifier",
        why="seen on answers of 2025 about extensions; of the others too it tells the region",
    ),
    Difference(
        name="what all principals have left",
        request=".*",
        lines=r"header \+ x-ms-ratelimit-remaining-subscription-global-\w+",
        why="came with the token buckets of 2024, and most recordings are older",
    ),
    Difference(
        name="how long a query took",
        request=r"resourcegraph\S+ POST .*",
        lines=r"header \+ x-ms-resource-graph-request-duration",
        why="in the recording of 2025, and not in those of 2021",
    ),
    Difference(
        name="rows of other types",
        request=r"resourcegraph\S+ POST .*",
        lines=r"body \.data\[\]\.properties [-+] \w+",
        why="the first resource that was there had another type",
    ),
    Difference(
        name="the provider's own applications",
        request=r"\S+ GET \S+ .*/providers/Microsoft\.KubernetesConfiguration",
        lines=r"body - authorizations",
        why="nobody reads who the provider itself is allowed to be",
    ),
    Difference(
        name="versions before 2022-11-01",
        request=rf"\S+ \w+ {_TO_2022} .*/extensions.*",
        lines=r"body (\.value\[\])?\.properties (\+ (currentVersion|isSystemExtension)"
        r"|- installState)",
        why="the next version that is served has these keys, and no longer that one",
    ),
    Difference(
        name="where the provider itself is",
        request=rf"\S+ DELETE {_2021} .*",
        lines=r"header \+ location",
        why="came after 2021; no newer deletion that is not forced was recorded",
    ),
    Difference(
        name="others on the same cluster",
        request=rf"\S+ GET {_2021} .*/extensions",
        lines=r"body \.value\[\] - identity",
        why="another extension there has an identity",
    ),
    Difference(
        name="agents' configurations",
        request=rf"\S+ GET \S+-preview .*{_CLUSTER}",
        lines=r"body \.properties - arcAgentryConfigurations",
        why="of previews alone, after somebody has set some",
    ),
    Difference(
        name="the agents' certificate",
        request=rf"\S+ GET \S+-preview .*{_CLUSTER}",
        lines=r"body \.properties \+ managedIdentityCertificateExpirationTime",
        why="comes minutes after the first heartbeat; clusters here are older than that",
    ),
    Difference(
        name="clusters in a preview of 2022",
        request=rf"\S+ GET 2022-10-01-preview .*{_CLUSTER}",
        lines=r"body \.properties \+ (aadProfile|arcAgentProfile)",
        why="the next version that is served has these keys",
    ),
    Difference(
        name="types in a preview of 2022",
        request=rf"\S+ GET 2022-01-15-preview {_TYPES}",
        lines=r"body (\.value\[\])?\.properties [-+] (releaseTrains|clusterTypes|publisher|planInfo"
        r"|supportedClusterTypes|is(ManagedIdentityRequired|SystemExtension)|extensionType"
        r"|description)",
        why="the next version that is served describes types otherwise",
    ),
)


def _unserved(one: Interaction) -> Unserved | None:
    table = one.sent["query"].split()[0] if "ResourceGraph" in one.path else ""
    request = f"{one.method} {one.version} {one.path} {table}".rstrip()
    found = (each for each in UNSERVED if re.fullmatch(each.request, request, re.IGNORECASE))
    return next(found, None)


def _named(one: Interaction, line: str) -> list[str]:
    """Return the names of the differences that a line is about."""
    request = f"{one.recording} {one.method} {one.version} {one.path}"
    return [
        each.name
        for each in DIFFERENCES
        if re.fullmatch(each.request, request, re.IGNORECASE) and re.fullmatch(each.lines, line)
    ]


async def _replayed(recording: str) -> Sequence[tuple[Interaction, Heard]]:
    async with staged(replays.world()) as stage:
        replay, found = Replay(stage), []
        for one in reference.interactions():
            if one.recording == recording:
                stage.wait(seconds=1)
                found.append((one, await replay.send(one)))
        return found


def _told(one: Interaction) -> str:
    return f"{one.number} {one.method} {one.path}"


@pytest.mark.parametrize("recording", RECORDINGS)
async def test_what_azure_was_asked_is_answered_in_the_same_shape(recording: str) -> None:
    unknown, refused = [], []
    for one, heard in await _replayed(recording):
        unserved = _unserved(one)
        if unserved is None:
            lines = replays.differences(one, heard)
            unknown += [(_told(one), line) for line in lines if not _named(one, line)]
        else:
            refused.append((_told(one), heard.status, unserved.status))

    assert unknown == []
    assert [each for each in refused if each[1] != each[2]] == []


async def test_every_difference_and_everything_unserved_is_met() -> None:
    if not RECORDINGS:
        pytest.skip("the reference is not here: recordings")
    names: set[str] = set()
    unserved: set[str] = set()
    for recording in RECORDINGS:
        for one, heard in await _replayed(recording):
            each = _unserved(one)
            if each is not None:
                unserved.add(each.request)
            else:
                names.update(
                    name for line in replays.differences(one, heard) for name in _named(one, line)
                )

    assert names == {each.name for each in DIFFERENCES}
    assert unserved == {each.request for each in UNSERVED}


def test_a_difference_in_shape_is_seen() -> None:
    if not RECORDINGS:
        pytest.skip("the reference is not here: recordings")
    one = next(
        each
        for each in reference.interactions()
        if each.recording.startswith("extension-create-lro-success") and each.status == 201
        if "/extensions/" in each.path
    )
    headers = {
        name: value for name, value in one.headers.items() if name != "api-supported-versions"
    }
    properties = {**one.body["properties"], "isSystemExtension": "no", "colour": "blue"}
    del properties["statuses"]
    body = {**one.body, "properties": properties}
    ours = Heard(status=200, headers={**headers, "x-new": "1"}, body=replays.encoded(body))

    assert list(replays.differences(one, ours)) == [
        "status 200, not 201",
        "header - api-supported-versions",
        "header + x-new",
        "body .properties + colour",
        "body .properties - statuses",
        "body .properties.isSystemExtension: str, not boolean",
    ]


# --- the examples of the specifications ---------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Examples that the simulator does not accept."""

    example: str
    """A pattern that fits operation and name."""
    status: int
    code: str
    why: str


REFUSED = (
    Refused(
        example=r"ConnectedCluster_(Create|CreateOrReplace|Update|Delete) .*",
        status=405,
        code="MethodNotAllowed",
        why="clusters come and go by the world's own rules",
    ),
    Refused(
        example=r"Operations_\w+ .*",
        status=404,
        code="InvalidResourceType",
        why="lists of what a provider can do are nobody's business here",
    ),
    Refused(
        example=r"Extensions_\w+ 2020-07-01-preview/.*",
        status=404,
        code="InvalidResourceType",
        why="of another shape altogether",
    ),
    Refused(
        example=r"ExtensionTypes_\w+ 2026-05-01/.*",
        status=404,
        code="InvalidResourceType",
        why="published, and not seen to be routed",
    ),
    Refused(
        example=r"OperationStatus_Get .*",
        status=404,
        code="ResourceNotFound",
        why="an operation's URL is signed, and the examples' are not",
    ),
)


def _refused(one: Example) -> Refused | None:
    named = f"{one.operation} {one.name}"
    return next((each for each in REFUSED if re.fullmatch(each.example, named)), None)


async def test_every_official_example_is_accepted_or_its_refusal_explained() -> None:
    found, expected = {}, {}
    for one in reference.examples():
        refused = _refused(one)
        async with staged(replays.world()) as stage:
            heard = await replays.send_example(stage, one)
        code = heard.json["error"]["code"] if heard.status >= 400 else None
        is_documented = heard.status in one.statuses
        found[one.operation, one.name] = (heard.status, code) if not is_documented else "as shown"
        expected[one.operation, one.name] = (
            (refused.status, refused.code) if refused else "as shown"
        )

    if not expected:
        pytest.skip("the reference is not here: specification")
    assert found == expected


def test_every_explained_refusal_is_of_some_example() -> None:
    if not reference.examples():
        pytest.skip("the reference is not here: specification")

    found = {each.example for one in reference.examples() if (each := _refused(one))}
    assert found == {each.example for each in REFUSED}
