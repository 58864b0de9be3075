"""Whether whoever gives tokens can be reached: looked at without asking for one.

Only where Entra itself is asked; a machine's identity comes from the machine,
and a simulator gives its own tokens.

Errors:  none; what fails is a :class:`Check` that says so.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING

from fleet.azure import transport
from fleet.azure.checks import Check, Verdict
from fleet.azure.credentials import Kind
from fleet.azure.requests import Request
from fleet.errors import FleetError

if TYPE_CHECKING:
    from fleet.azure.service import AzureService

_ASKED = frozenset({Kind.DEFAULT, Kind.CLI, Kind.ENV, Kind.WORKLOAD})
_DEFAULT = "login.microsoftonline.com"
_NAME = "token endpoint"
_PATH = "/common/v2.0/.well-known/openid-configuration"


async def checks(service: AzureService) -> Sequence[Check]:
    """Look at the authority of the place, if any of our credentials asks it."""
    wire = service.wire
    if not any(one.kind in _ASKED for one in wire.principals.credentials):
        return ()
    host = wire.place.authority or os.environ.get("AZURE_AUTHORITY_HOST") or _DEFAULT
    url = f"https://{host.removeprefix('https://').rstrip('/')}"
    try:
        # NB: another host has another way, by another proxy perhaps.
        place = dataclasses.replace(wire.place, url=url)
        async with transport.session(place, network=wire.network) as opened:
            request = Request(method="GET", url=f"{url}{_PATH}", what=f"asking {url}")
            answer = await transport.exchange(opened, request, {})
    except FleetError as error:
        return (Check(name=_NAME, verdict=Verdict.FAIL, detail=error.message, hint=error.hint),)
    detail = f"{url} answers over TLS"
    if answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return (Check(name=_NAME, verdict=Verdict.OK, detail=detail),)
    detail = f"{detail}, with {answer.status}"
    return (Check(name=_NAME, verdict=Verdict.WARN, detail=detail),)
