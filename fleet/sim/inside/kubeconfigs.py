"""Ways into simulated clusters: a kubeconfig with a context for each, or one file for each.

Shapes:  JSON, which is YAML as well and is read much faster.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

from fleet.errors import InputError
from fleet.sim.inside import asking

_USER = "fleet"


def document(
    clusters: Iterable[str], *, endpoint: str, seed: int, user: str, ca_file: Path | None = None
) -> dict[str, Any]:
    """Return a kubeconfig with a context for each cluster, called as it is."""
    named = list(clusters)
    trust = {} if ca_file is None else {"certificate-authority": str(ca_file)}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "preferences": {},
        "clusters": [
            {"name": one, "cluster": {"server": f"{endpoint}/kubernetes/{one}", **trust}}
            for one in named
        ],
        "users": [{"name": _USER, "user": {"token": asking.token(seed, user)}}],
        "contexts": [
            {"name": one, "context": {"cluster": one, "user": _USER, "namespace": "default"}}
            for one in named
        ],
        "current-context": named[0] if named else "",
    }


def write(
    place: Path,
    clusters: Iterable[str],
    *,
    endpoint: str,
    seed: int,
    user: str,
    ca_file: Path | None,
) -> None:
    """Write a kubeconfig; into a directory one for each cluster, called as it is."""
    try:
        if not place.is_dir():
            found = document(clusters, endpoint=endpoint, seed=seed, user=user, ca_file=ca_file)
            _put(place, found)
            return
        for one in clusters:
            found = document([one], endpoint=endpoint, seed=seed, user=user, ca_file=ca_file)
            _put(place / f"{one}.yaml", found)
    except OSError as error:
        message = f"{place} cannot be written: {error.strerror}"
        raise InputError(message, hint="Name a file in a directory that is there.") from None


def _put(path: Path, content: dict[str, Any]) -> None:
    """Write a file that nobody else may read: tokens are in it."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        file.write(orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")
