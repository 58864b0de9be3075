"""Where Azure is: the clouds by name, and endpoints that speak the same protocol.

Pure: no request is sent here. Which credential may be used at a place is
:mod:`fleet.azure.credentials`' business.

Errors:  :exc:`InputError` for what cannot be a place, :exc:`RefusedError` for what may not be one.
Source:  the Azure CLI's cloud names; endpoints and scopes as in ``azure.mgmt.core.tools``.
"""

from __future__ import annotations

import dataclasses
import re

from yarl import URL

from fleet.errors import InputError, RefusedError
from fleet.net.network import is_loopback

SIMULATED = "simulated"
CUSTOM = "custom"

_SOUND = re.compile(r"[!-\[\]-~]+")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where requests go, and whom tokens are meant for."""

    url: str
    """Scheme, host and port; no slash at the end."""
    cloud: str
    audience: str | None
    """What tokens are asked for; ``None``: nobody named it, so no real token may go there."""
    authority: str | None
    """The host that issues tokens; ``None``: the credential's own default."""

    @property
    def is_loopback(self) -> bool:
        """Whether it is on this machine."""
        return is_loopback(URL(self.url).host or "")

    @property
    def is_plain(self) -> bool:
        """Whether nothing is encrypted on the way."""
        return self.url.startswith("http://")

    def is_at(self, url: str) -> bool:
        """Whether *url* has this place's scheme, host and port, and so may see a token."""
        # NB: what parsers read differently (blanks, backslashes) is nobody's place.
        if not _SOUND.fullmatch(url):
            return False
        try:
            other = URL(url, encoded=True)
            return (
                other.user is None
                and other.password is None
                and _origin(other) == _origin(URL(self.url))
            )
        except ValueError:
            return False


_CLOUDS = (
    Place(
        cloud="AzureCloud",
        url="https://management.azure.com",
        audience="https://management.azure.com",
        authority="login.microsoftonline.com",
    ),
    Place(
        cloud="AzureUSGovernment",
        url="https://management.usgovcloudapi.net",
        audience="https://management.core.usgovcloudapi.net",
        authority="login.microsoftonline.us",
    ),
    Place(
        cloud="AzureChinaCloud",
        url="https://management.chinacloudapi.cn",
        audience="https://management.chinacloudapi.cn",
        authority="login.chinacloudapi.cn",
    ),
)
_BY_NAME = {
    **{one.cloud.lower(): one for one in _CLOUDS},
    # Terraform's words for the same.
    "public": _CLOUDS[0],
    "usgovernment": _CLOUDS[1],
    "usgov": _CLOUDS[1],
    "china": _CLOUDS[2],
}


def place(*, cloud: str | None, endpoint: str | None, audience: str | None) -> Place:
    """Return the place that is meant.

    Args:
        cloud: A name; ``None``: AzureCloud, or what *endpoint* says.
        endpoint: A URL that goes before the cloud's own.
        audience: Whom tokens are meant for; needed where *endpoint* is not Azure's.

    Raises:
        InputError: A name or URL that cannot be used, or two that contradict each other.
        RefusedError: A place that no token may be sent to.
    """
    named = _named(cloud) if cloud else None
    meant = _audience(audience) if audience else None
    if endpoint is None:
        found = named or _CLOUDS[0]
        return dataclasses.replace(found, audience=meant or found.audience)
    url = _url(endpoint)
    known = next((one for one in _CLOUDS if one.is_at(url)), None)
    if known and named and known != named:
        message = f"the endpoint {url} belongs to {known.cloud}, not to {named.cloud}"
        raise InputError(message, hint="Leave --cloud out, or --endpoint.")
    if known:
        return dataclasses.replace(known, audience=meant or known.audience)
    return _elsewhere(url, named=named, audience=meant)


def _elsewhere(url: str, *, named: Place | None, audience: str | None) -> Place:
    host = URL(url).host or ""
    if is_loopback(host):
        authority = named.authority if named else None
        return Place(url=url, cloud=SIMULATED, audience=audience, authority=authority)
    if url.startswith("http://"):
        message = f"the endpoint {url} is not encrypted, and not on this machine"
        raise RefusedError(message, hint="Use https: a token would be readable on the way.")
    if audience is None:
        message = f"the endpoint {url} is not Azure's, and its audience is not named"
        hint = "Name whom its tokens are meant for: --audience https://... ."
        raise RefusedError(message, hint=hint)
    return Place(
        url=url,
        cloud=named.cloud if named else CUSTOM,
        audience=audience,
        authority=named.authority if named else None,
    )


def _named(cloud: str) -> Place:
    found = _BY_NAME.get(cloud.strip().lower())
    if found is None:
        names = ", ".join(one.cloud for one in _CLOUDS)
        raise InputError(f"no cloud is named {cloud!r}", hint=f"There are {names}.")
    return found


def _audience(text: str) -> str:
    found = text.strip().removesuffix("/.default").rstrip("/")
    if not found or any(char.isspace() for char in found):
        message = "the audience is empty or contains blanks"
        raise InputError(message, hint="It looks like https://management.azure.com.")
    return found


def _url(endpoint: str) -> str:
    hint = "It looks like https://management.azure.com or http://127.0.0.1:8080."
    try:
        url = URL(endpoint.strip())
        port = url.port
    except ValueError:
        message = "the endpoint is no URL"
        raise InputError(message, hint=hint) from None
    if url.scheme not in ("http", "https") or not url.host:
        message = "the endpoint is no http or https URL with a host"
        raise InputError(message, hint=hint)
    if url.user is not None or url.password is not None:
        # NB: not quoted: it may hold a password.
        message = "the endpoint holds a user name or a password"
        raise InputError(message, hint=hint)
    if url.path not in ("", "/") or url.raw_query_string or url.raw_fragment or "?" in endpoint:
        message = f"the endpoint {url.origin()} has a path or a query after its host"
        raise InputError(message, hint=hint)
    if not port:
        message = "the endpoint has no port that can be connected to"
        raise InputError(message, hint=hint)
    return str(url.origin())


def _origin(url: URL) -> tuple[str, str, int | None]:
    return url.scheme.lower(), (url.host or "").lower(), url.port
