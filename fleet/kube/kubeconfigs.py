"""Kubeconfigs: read, put together, and one context of them picked out.

What is picked is a kubeconfig of its own, of one context, whose files have
absolute paths. A file is parsed again only once it changed: one of 3000 contexts
takes seconds.

Errors:  :exc:`ClusterError`, without the cluster's name. NB: nothing of what stands in a
         kubeconfig is put into words, but names of contexts.
Source:  kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig: of files
         that are put together, the first that names a thing is right.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from fleet.errors import ClusterError
from fleet.net.words import line

MOST_BYTES = 50_000_000
_DEEPEST = 40
"""NB: libyaml's own composer ends the process where nesting is too deep."""
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FILES = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
_SHOWN = 5

Kubeconfig = Mapping[str, Any]
"""Of one context, which is the current one."""


@dataclasses.dataclass(frozen=True, slots=True)
class Contexts:
    """What one or several kubeconfigs hold, by names."""

    where: str
    """Which they are, for messages."""
    contexts: Mapping[str, Any] = dataclasses.field(repr=False)
    clusters: Mapping[str, Any] = dataclasses.field(repr=False)
    users: Mapping[str, Any] = dataclasses.field(repr=False)
    current: str | None

    def pick(self, name: str | None = None) -> Kubeconfig:
        """Return one context.

        Args:
            name: Which; ``None``: the current one, or the only one.
        """
        if name is None:
            name = self.current or (next(iter(self.contexts)) if len(self.contexts) == 1 else None)
        if name is None:
            raise ClusterError(f"{self.where} names no current context", hint=_ONE)
        if (context := self.contexts.get(name)) is None:
            raise self._unknown(name)
        cluster = self.clusters.get(_text(context, "cluster"))
        user = self.users.get(_text(context, "user"), {})
        if not isinstance(cluster, dict) or not _text(cluster, "server"):
            message = f"{self.where}: the context {line(name)!r} names no cluster with a server"
            raise ClusterError(message, hint=_ONE)
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "it",
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
            "clusters": [{"name": "it", "cluster": cluster}],
            "users": [{"name": "it", "user": user if isinstance(user, dict) else {}}],
        }

    def _unknown(self, name: str) -> ClusterError:
        some = ", ".join(line(one, longest=80) for one in sorted(self.contexts)[:_SHOWN])
        more = len(self.contexts) - _SHOWN
        has = f"it has {some}" if some else "it has none"
        rest = f" and {more} more" if more > 0 else ""
        return ClusterError(
            f"{self.where} has no context {line(name)!r}: {has}{rest}",
            hint="clusterAccess.kubeconfig.context says how contexts are called; contexts lists "
            "those that are called otherwise.",
        )


_ONE = "A kubeconfig that kubectl takes will do: `kubectl --kubeconfig FILE get ns`."


class Files:
    """Kubeconfigs on disk, parsed once while they stay as they are."""

    def __init__(self) -> None:
        self._parsed: dict[tuple[Path, ...], tuple[Sequence[Any], Contexts]] = {}

    def read(self, paths: Sequence[Path]) -> Contexts:
        """Read files and put them together.

        Args:
            paths: Those that are not there are passed over, if any is.
        """
        there = tuple(path for path in paths if path.exists())
        if not there:
            shown = " and ".join(map(str, paths))
            raise ClusterError(f"there is no kubeconfig {shown}", hint=_THERE)
        marks = [_mark(path) for path in there]
        known = self._parsed.get(there)
        if known is None or known[0] != marks:
            known = marks, together([parsed(_bytes(one), str(one), one.parent) for one in there])
            self._parsed[there] = known
        return known[1]


_THERE = "Name it in clusterAccess, or in KUBECONFIG."


def usual() -> list[Path]:
    """Return the files that kubectl would take."""
    named = [part for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    return [Path(part).expanduser() for part in named or ["~/.kube/config"]]


def parsed(body: bytes, where: str, base: Path) -> Contexts:
    """Read the text of a kubeconfig.

    Args:
        body: The text.
        where: Where it comes from, for messages.
        base: What its relative paths start at.
    """
    data = _yaml(body, where)
    if not isinstance(data, dict) or not isinstance(data.get("clusters"), list):
        raise ClusterError(f"{where} is no kubeconfig: it lists no clusters", hint=_ONE)
    current = data.get("current-context")
    return Contexts(
        where=where,
        contexts=dict(_named(data, "contexts", "context", base)),
        clusters=dict(_named(data, "clusters", "cluster", base)),
        users=dict(_named(data, "users", "user", base)),
        current=current if isinstance(current, str) and current else None,
    )


def together(found: Sequence[Contexts]) -> Contexts:
    """Put several together: the first that names a thing is right."""
    if len(found) == 1:
        return found[0]
    backwards = found[::-1]
    return Contexts(
        where=" and ".join(one.where for one in found),
        contexts={name: it for one in backwards for name, it in one.contexts.items()},
        clusters={name: it for one in backwards for name, it in one.clusters.items()},
        users={name: it for one in backwards for name, it in one.users.items()},
        current=next((one.current for one in found if one.current), None),
    )


def _named(data: Mapping[str, Any], many: str, one: str, base: Path) -> Iterator[tuple[str, Any]]:
    entries = data.get(many)
    # Backwards: of two with a name, the first is right.
    for entry in reversed(entries if isinstance(entries, list) else []):
        if isinstance(entry, dict) and isinstance(entry.get(one), dict):
            yield str(entry.get("name")), _absolute(entry[one], base)


def _absolute(part: Mapping[str, Any], base: Path) -> dict[str, Any]:
    changed = {key: value for key, value in part.items() if value is not None}
    for key in _FILES:
        if isinstance(path := part.get(key), str) and path:
            changed[key] = str(base / path)
    plugin = part.get("exec")
    if isinstance(plugin, dict) and "/" in _text(plugin, "command"):
        # Source: client-go: a command with a slash starts at the kubeconfig, others at the PATH.
        changed["exec"] = {**plugin, "command": str(base / plugin["command"])}
    return changed


def _text(part: Mapping[str, Any], key: str) -> str:
    value = part.get(key)
    return value if isinstance(value, str) else ""


def _mark(path: Path) -> Any:
    try:
        found = path.stat()
    except OSError as error:
        raise _unread(path, error) from None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            body = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise _unread(path, error) from None
    if len(body) > MOST_BYTES:
        raise ClusterError(f"{path} is longer than {MOST_BYTES // 1_000_000} MB", hint=_ONE)
    return body


def _unread(path: Path, error: OSError) -> ClusterError:
    return ClusterError(f"{path} cannot be read: {error.strerror}", hint=_THERE)


def _yaml(body: bytes, where: str) -> Any:
    try:
        _require_flat(body, where)
        return yaml.load(body, Loader=_LOADER)  # noqa: S506 - a safe loader, in C
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        # NB: the error's own words show the line.
        place = f", line {mark.line + 1}" if mark else ""
        raise ClusterError(f"{where} is no YAML{place}", hint=_ONE) from None
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, TypeError):
        raise ClusterError(f"{where} is no YAML", hint=_ONE) from None


def _require_flat(body: bytes, where: str) -> None:
    depth = 0
    for event in yaml.parse(body, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST:
            raise ClusterError(f"{where} is no kubeconfig: it is nested too deep", hint=_ONE)
