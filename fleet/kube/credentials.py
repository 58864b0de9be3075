"""What a cluster's requests need, out of a kubeconfig: the server, whom to trust, who we are.

kubernetes_asyncio loads it. Before, what it would do without limits is done
here (exec plugins), what it would pass over is refused or kept (ways of logging
in that are gone, impersonation), and what it would leave in temporary files is
put into a folder that the caller removes.

Errors:  :exc:`ClusterError`, without the cluster's name. NB: no words of the library's own: they
         may quote the kubeconfig.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from kubernetes_asyncio.client.configuration import Configuration
from kubernetes_asyncio.config.config_exception import ConfigException
from kubernetes_asyncio.config.incluster_config import InClusterConfigLoader
from kubernetes_asyncio.config.kube_config import KubeConfigLoader
from yarl import URL

from fleet.errors import ClusterError
from fleet.kube.kubeconfigs import Kubeconfig
from fleet.kube.plugins import Plugins
from fleet.net.network import is_loopback
from fleet.net.words import line

T = TypeVar("T")

_BEARER = "BearerToken"
"""Whatever goes into the Authorization header, as kubernetes_asyncio calls it."""
_DATA = ("certificate-authority", "client-certificate", "client-key")
_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_HINT = "A kubeconfig that kubectl takes will do: `kubectl --kubeconfig FILE get ns`."
_FILE = "Relative paths start at the kubeconfig; what is no path belongs under a key with -data."
_PLUGIN = "Use an exec plugin, such as kubelogin: kubectl knows no other way any more."
_INSIDE = (
    "Name what the pod runs in, and let the pod have its token: automountServiceAccountToken: true."
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What requests need."""

    configuration: Any = dataclasses.field(repr=False)
    """kubernetes_asyncio's own."""
    headers: tuple[tuple[str, str], ...] = dataclasses.field(default=(), repr=False)
    """That say who is meant; of one name there may be several."""


async def load(kubeconfig: Kubeconfig, folder: Path, plugins: Plugins) -> Credentials:
    """Return what one context says.

    Args:
        kubeconfig: Of that context alone.
        folder: For files, until the connections have read them; of nobody else.
        plugins: Run where it names one.
    """
    cluster = kubeconfig["clusters"][0]["cluster"]
    user = await _user(kubeconfig["users"][0]["user"], cluster, plugins)
    ready = {
        **kubeconfig,
        "clusters": [{"name": "it", "cluster": _in_files(cluster, folder)}],
        "users": [{"name": "it", "user": _in_files(user, folder)}],
    }
    configuration = Configuration()
    try:
        await KubeConfigLoader(ready, config_base_path="").load_and_set(configuration)
    except (ConfigException, ValueError, KeyError, TypeError, AttributeError, AssertionError):
        message = "its kubeconfig cannot be used"
        raise ClusterError(message, hint=_HINT) from None
    except OSError as error:
        message = f"a file of its kubeconfig cannot be read: {error.strerror}"
        raise ClusterError(message, hint=_HINT) from None
    return Credentials(configuration=_checked(configuration), headers=tuple(_impersonation(user)))


def inside() -> Credentials:
    """Return what the pod that this runs in was given."""
    folder = _ACCOUNT
    configuration = Configuration()
    try:
        InClusterConfigLoader(
            str(folder / "token"), str(folder / "ca.crt"), try_refresh_token=False
        ).load_and_set(configuration)
    except (ConfigException, OSError):
        message = "this is no pod that was given a service account's token"
        raise ClusterError(message, hint=_INSIDE) from None
    return Credentials(configuration=_checked(configuration))


async def _user(
    user: Mapping[str, Any], cluster: Mapping[str, Any], plugins: Plugins
) -> dict[str, Any]:
    """Return the user without what only we can carry out. NB: nothing else may run a plugin."""
    if "auth-provider" in user:
        given = {key: value for key, value in user.items() if key != "exec"}
        return {**given, "auth-provider": _provider(user["auth-provider"])}
    if "exec" not in user:
        return dict(user)
    plugin = user["exec"] if isinstance(user["exec"], dict) else {}
    rest = {key: value for key, value in user.items() if key != "exec"}
    # Source: client-go: a token or a certificate of the user's own goes before the plugin.
    if any(rest.get(key) for key in ("token", "tokenFile", "username")):
        return rest
    gave = await plugins.credential(plugin, cluster)
    if gave.token:
        rest["token"] = gave.token
    if gave.certificate:
        pairs = (("client-certificate", gave.certificate), ("client-key", gave.key))
        rest |= {f"{key}-data": base64.b64encode(it.encode()).decode() for key, it in pairs}
    return rest


def _provider(found: Any) -> dict[str, Any]:
    provider = found if isinstance(found, dict) else {}
    name, config = provider.get("name"), provider.get("config")
    if name != "oidc" or not isinstance(config, dict):
        message = f"its kubeconfig wants the auth provider {line(name or 'of no name', longest=40)}"
        raise ClusterError(f"{message}, which is gone from Kubernetes", hint=_PLUGIN)
    # NB: a token that is renewed makes the old one worthless, and nobody would write it down.
    return {**provider, "config": {k: v for k, v in config.items() if k != "refresh-token"}}


def _in_files(part: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return a cluster or a user whose certificates and keys are in files."""
    changed = dict(part)
    for key in _DATA:
        data = changed.pop(f"{key}-data", None)
        if data:
            changed[key] = str(_written(folder / key, _decoded(key, data)))
        elif isinstance(path := changed.get(key), str):
            _require_file(path, key)
    if isinstance(path := changed.pop("tokenFile", None), str) and path:
        # Source: client-go: it goes before a token.
        changed["token"] = _token(path)
    return changed


def _decoded(key: str, data: Any) -> bytes:
    try:
        return base64.b64decode(str(data), validate=False)
    except (binascii.Error, ValueError):
        raise ClusterError(f"{key}-data of its kubeconfig is no base64", hint=_HINT) from None


def _written(path: Path, content: bytes) -> Path:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    return path


def _require_file(path: str, key: str) -> None:
    if not Path(path).is_file():
        # NB: not shown: a certificate or key that was pasted there would be.
        message = f"its kubeconfig names a file as {key} that is not there"
        raise ClusterError(message, hint=_FILE)


def _token(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        message = "its kubeconfig's tokenFile cannot be read"
        raise ClusterError(message, hint=_FILE) from None


def _impersonation(user: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the headers by which a user acts as another."""
    # NB: kubernetes_asyncio passes these keys over: requests would go out as somebody mightier.
    for key, header in (("as", "Impersonate-User"), ("as-uid", "Impersonate-Uid")):
        if user.get(key):
            yield header, _impersonated(key, user[key], str)
    for group in _impersonated("as-groups", user.get("as-groups") or [], list):
        yield "Impersonate-Group", _impersonated("as-groups", group, str)
    extra = _impersonated("as-user-extra", user.get("as-user-extra") or {}, dict)
    for key, values in extra.items():
        for value in _impersonated("as-user-extra", values, list):
            yield f"Impersonate-Extra-{key}", _impersonated("as-user-extra", value, str)


def _impersonated(key: str, value: Any, kind: type[T]) -> T:
    if isinstance(value, kind):
        return value
    message = f"{key} of its kubeconfig cannot be used"
    raise ClusterError(message, hint=_HINT)


def _checked(configuration: Any) -> Any:
    """Return it, if what it holds can be sent there."""
    server = _server(str(configuration.host))
    token = str(configuration.api_key.get(_BEARER, "")).strip()
    if token and server.scheme == "http" and not is_loopback(server.host or ""):
        message = "its token would be readable on its way: the server's URL is http"
        raise ClusterError(message, hint="Let the kubeconfig name https.")
    if not token.isprintable() or not token.isascii():
        message = "its kubeconfig's token cannot be sent: it has line breaks or the like"
        raise ClusterError(message, hint=_HINT)
    if token:
        configuration.api_key[_BEARER] = token
    return configuration


def _server(text: str) -> URL:
    message = "its kubeconfig's server is no https URL"
    try:
        found = URL(text)
        is_fit = found.scheme in ("http", "https") and bool(found.host and found.port)
    except ValueError:
        raise ClusterError(message, hint=_HINT) from None
    if not is_fit or found.user is not None or found.password is not None:
        raise ClusterError(message, hint=_HINT)
    return found
