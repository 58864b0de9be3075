"""What our client makes of answers that Azure gave: recorded ones, and those of the examples.

Answers are served to the letter but for the host, and asked for through the client's own methods.

Shapes:  a conclusion is a line of text: what it is about, and what the client believes then.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson

from fleet.azure import offers, pages, refusals
from fleet.azure.answers import Answer
from fleet.azure.requests import Request
from fleet.errors import RemoteError
from fleet.model.cluster import Cluster, ClusterId, Extension
from fleet.model.plan import Verb
from fleet.ports import Accepted, ExtensionRef, Write
from tests.rig.reference import Interaction
from tests.rig.scripted import IDS, Line, Say

_GROUP = "/subscriptions/[^/]+/resourcegroups/[^/]+"
_CLUSTER = f"(?P<cluster>{_GROUP}/providers/[^/]+/connectedclusters/[^/]+)"
_EXTENSION = rf"{_CLUSTER}/providers/microsoft\.kubernetesconfiguration/extensions/(?P<name>[^/]+)"
_OPERATION = "azure-asyncoperation"
_HOST = r"https://[^/]+"
_NOW = dt.datetime(2026, 1, 10, 2, tzinfo=dt.UTC)


async def recorded(line: Line, one: Interaction) -> str | None:
    """Return what the client concludes from a recorded answer; ``None``: it never asks for that."""
    if one.path.lower().endswith("/resources") and one.method == "POST":
        return page(one.status, one.headers, one.body)
    found = re.fullmatch(_EXTENSION, one.path, re.IGNORECASE)
    if found is not None:
        ref = ExtensionRef(cluster_id=ClusterId(found["cluster"]), name=found["name"])
        return await _of_extension(line, one, ref)
    if re.fullmatch(rf"{_EXTENSION}/operations/.+", one.path, re.IGNORECASE):
        return await _of_operation(line, one)
    if re.fullmatch(_CLUSTER, one.path, re.IGNORECASE) and one.method == "GET":
        return await _of_cluster(line, one)
    if re.search(r"/locations/.+/versions$", one.path):
        return " ".join(["versions", *(name for name, _ in offers._versions(*_list(one)))])
    return None


def _list(one: Interaction) -> tuple[Any, str]:
    return one.body["value"], "versions"


def _serve(line: Line, one: Interaction, part: str) -> None:
    headers = {
        name: re.sub(_HOST, line.server.url, value) if name == _OPERATION else value
        for name, value in one.headers.items()
        if name in (_OPERATION, "location", "retry-after", "x-ms-failure-cause")
    }
    body = b"" if one.body is None else one.body
    line.server.on(one.method, part, Say(status=one.status, body=body, headers=headers))


async def _of_extension(line: Line, one: Interaction, ref: ExtensionRef) -> str:
    _serve(line, one, "/extensions/")
    try:
        if one.method == "GET":
            return f"GET {shown(await line.azure.get(ref, IDS))}"
        verb = Verb[one.method]
        return f"{one.method} {_accepted(await line.azure.write(ref, _write(verb), IDS))}"
    except RemoteError as error:
        return f"{one.method} {type(error).__name__}"


def _write(verb: Verb) -> Write:
    return Write(verb=verb, extension_type="any", namespace=None, location="any")


def _accepted(found: Accepted) -> str:
    then = "at once" if found.operation_url is None else "followed"
    return f"{then}, {shown(found.extension)}"


def shown(found: Extension | None) -> str:
    """Return what is believed of an extension."""
    if found is None:
        return "nothing"
    told = ", failed" if found.error else ""
    pin, flag = found.version, found.auto_upgrade.name.lower()
    state = found.provisioning_state.name.lower()
    return f"{state} {found.current_version} pin {pin} auto {flag}{told}"


async def _of_operation(line: Line, one: Interaction) -> str:
    _serve(line, one, "/operations/")
    found = await line.azure.operation(f"{line.server.url}{one.path}?{_QUERY}", IDS)
    ended = "ended" if found.is_terminal else "goes on"
    return f"operation {found.status}, {ended}{', ' + found.error[:60] if found.error else ''}"


_QUERY = "api-version=2023-05-01"


async def _of_cluster(line: Line, one: Interaction) -> str:
    _serve(line, one, "/connectedClusters/")
    _serve(line, one, "/connectedclusters/")
    try:
        return f"cluster {standing(await line.azure.cluster(ClusterId(one.path), IDS))}"
    except RemoteError as error:
        return f"cluster {type(error).__name__}"


def standing(found: Cluster) -> str:
    """Return what is believed of a cluster."""
    heard = "never heard of" if found.last_connectivity_at is None else "heard of"
    return f"{found.connectivity.name.lower()}, {heard}, {found.distribution}"


def page(status: int, headers: Mapping[str, str], body: Any) -> str:
    """Return what is believed of a page of rows, or why it is none."""
    answer = Answer(status=status, headers=headers, body=orjson.dumps(body))
    if status != HTTPStatus.OK:
        request = Request(method="POST", url="https://anywhere", what="a query", ids=IDS)
        error = refusals.refusal(answer, request, now=_NOW)
        return f"page {type(error).__name__} {error.status}"
    found = pages.page_of(answer)
    more = "more" if found.token else "the last"
    return f"page {len(found.rows)} of {found.total}, {more}{', cut' if found.is_truncated else ''}"
