"""What a plan file may say of the way into clusters: none, or one of five kinds.

NB: one way for all clusters would lead every change into the same one: what finds a kubeconfig
has to name the cluster.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from fleet.core import namesakes
from fleet.model.cluster import nothing
from fleet.model.inside import AccessKind, ClusterAccess
from fleet.spec import flaws
from fleet.spec.amounts import AtOnce
from fleet.spec.explanation import FileModel, refusal
from fleet.spec.flaws import Flaw, Path, quoted
from fleet.spec.noticeform import Argument, words
from fleet.spec.values import Deadline, Text

KINDS = ("kubeconfig", "directory", "inCluster", "command", "proxy")
_NONE = "none"
_SOME = Field(min_length=1)
_HINT = f"write none, or a block with one of {', '.join(KINDS)}"
_DEFAULTS = ClusterAccess()


def _which(value: Any) -> str:
    return "<none>" if isinstance(value, str) else "<block>"


def _none_or_block(value: Any) -> Any:
    if isinstance(value, str) and value != _NONE:
        raise refusal(f"unknown value {quoted(value)}", _HINT)
    if value is not None and not isinstance(value, str | dict):
        raise refusal(f"expected none or a block, found {flaws.kind_of(value)}", _HINT)
    return value


def _proxied(value: Any) -> Any:
    if value is False:
        message = "false says nothing"
        raise refusal(message, "write true, or another way in")
    return value


class KubeconfigFile(FileModel):
    """Contexts of one kubeconfig. The words {cluster}, {resourceGroup}, {subscription}, {id}."""

    path: Text | None = None
    """The file, from the plan file; as kubectl finds it (KUBECONFIG) where nothing is said."""
    context: Text | None = None
    """What contexts are called, such as "{cluster}-admin"; as the clusters if nothing is said."""
    contexts: Annotated[dict[Text, Text], _SOME] | None = None
    """Of those that are called otherwise: {cluster's name: context}."""


class AccessFile(FileModel):
    """How the clusters' own API servers are reached: it has exactly one of the five kinds."""

    kubeconfig: KubeconfigFile | None = None
    """Contexts of one kubeconfig."""
    directory: Text | None = None
    """A directory with a kubeconfig for each cluster, called {cluster}.yaml, from the plan file."""
    in_cluster: Text | None = None
    """Which of the clusters it is that fleet itself runs in, by name or id; others have no way."""
    command: Annotated[list[Argument], _SOME, BeforeValidator(words)] | None = None
    """A program and its arguments, run without a shell for each cluster; it prints a kubeconfig."""
    proxy: Annotated[Literal[True], BeforeValidator(_proxied)] | None = None
    """true: az connectedk8s proxy, one cluster at a time; what is seen through it only warns."""
    timeout: Deadline | None = None
    """Of one request, and of a command or an exec plugin until it has ended; 30s if not said."""
    max_concurrency: AtOnce = _DEFAULTS.max_concurrency
    """How many clusters are spoken to at once."""


AccessOrNone = Annotated[
    Annotated[Literal["none"], Tag("<none>")] | Annotated[AccessFile, Tag("<block>")],
    Discriminator(_which),
    BeforeValidator(_none_or_block),
]


def check(path: Path, access: dict[str, Any]) -> Iterator[Flaw]:
    """Yield what is wrong between the keys of the block at *path*."""
    given = [key for key in KINDS if key in access]
    if not given:
        message, hint = "how clusters are reached is not said", f"add one of {', '.join(KINDS)}"
        yield Flaw(path=path, message=message, hint=hint, is_absence=True)
    for key in given[1:]:
        yield flaws.excluded(path, key, by=given[0])
    if "proxy" in access and "maxConcurrency" in access:
        message = "there is one proxy at a time on a machine"
        where = (*path, "maxConcurrency")
        yield Flaw(path=where, message=message, hint="remove it", is_about_key=True)
    if isinstance(kubeconfig := access.get("kubeconfig"), dict):
        yield from _kubeconfig((*path, "kubeconfig"), kubeconfig)
    yield from _words((*path, "directory"), access.get("directory"))
    if isinstance(command := access.get("command"), list):
        yield from _command((*path, "command"), command)


def _kubeconfig(path: Path, kubeconfig: dict[str, Any]) -> Iterator[Flaw]:
    for key in ("path", "context"):
        yield from _words((*path, key), kubeconfig.get(key))
    texts = [kubeconfig.get(key, "") for key in ("path", "context")]
    is_known = not any(list(_words((), one)) for one in texts)
    if "context" in kubeconfig and is_known and not _tells_apart(texts):
        message = "every cluster would be the same: neither context nor path names {cluster}"
        hint = 'such as "{cluster}-admin"; or list them in contexts'
        yield Flaw(path=(*path, "context"), message=message, hint=hint)
    contexts = kubeconfig.get("contexts")
    if isinstance(contexts, dict):
        yield from _contexts((*path, "contexts"), contexts, is_shared=not _tells_apart(texts[:1]))


def _contexts(path: Path, contexts: dict[str, Any], *, is_shared: bool) -> Iterator[Flaw]:
    names: dict[str, str] = {}
    taken: dict[str, str] = {}
    for name, context in contexts.items():
        yield from _words((*path, name), context)
        first = names.setdefault(name.lower(), name)
        if first != name:
            message = f"the same cluster as {quoted(first)}: casing does not count"
            yield Flaw(path=(*path, name), message=message, is_about_key=True)
        if not isinstance(context, str) or not is_shared or _tells_apart([context]):
            continue
        other = taken.setdefault(context, name)
        if other != name:
            message = f"this is the context of {quoted(other)} too"
            yield Flaw(path=(*path, name), message=message, hint="each cluster has its own")


def _command(path: Path, command: list[Any]) -> Iterator[Flaw]:
    unknown = [flaw for n, one in enumerate(command) for flaw in _words((*path, n), one)]
    yield from unknown
    if command and not unknown and not _tells_apart(command):
        message = "every cluster would be the same: no argument names {cluster}"
        yield Flaw(path=path, message=message, hint='such as [my-kubeconfig, "{cluster}"]')


def _tells_apart(texts: list[Any]) -> bool:
    return any(isinstance(one, str) and ("{cluster}" in one or "{id}" in one) for one in texts)


def _words(path: Path, text: Any) -> Iterator[Flaw]:
    """Yield what stands in braces and means nothing."""
    for word in namesakes.unknown(text) if isinstance(text, str) else ():
        message = f"unknown placeholder {quoted('{' + word + '}')}"
        hint = flaws.suggestion(word, namesakes.KNOWN)
        yield Flaw(path=path, message=message, hint=hint)


def access_of(file: AccessFile | str | None) -> ClusterAccess:
    """Return what a checked block means."""
    if file is None or isinstance(file, str):
        return ClusterAccess()
    kubeconfig = file.kubeconfig
    contexts = (kubeconfig and kubeconfig.contexts) or {}
    return ClusterAccess(
        kind=_kind(file),
        path=file.directory or (kubeconfig and kubeconfig.path) or "",
        context=(kubeconfig and kubeconfig.context) or _DEFAULTS.context,
        contexts={name.lower(): it for name, it in contexts.items()} or nothing(),
        cluster=file.in_cluster or "",
        command=tuple(file.command or ()),
        timeout=file.timeout or _DEFAULTS.timeout,
        max_concurrency=file.max_concurrency,
    )


def _kind(file: AccessFile) -> AccessKind:
    if file.kubeconfig is not None:
        return AccessKind.KUBECONFIG
    if file.directory is not None:
        return AccessKind.DIRECTORY
    if file.in_cluster is not None:
        return AccessKind.IN_CLUSTER
    return AccessKind.COMMAND if file.command is not None else AccessKind.PROXY
