"""Whatever a kubeconfig holds: it leads somewhere, or is refused and none of it is told."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from fleet.errors import ClusterError
from tests.rig import apiserver
from tests.rig.apiserver import SECRET, Trust, cluster_id, data

CERTIFICATE, KEY = Trust().client()
WHOLE = apiserver.kubeconfig(
    "https://localhost:1",
    {
        "client-certificate-data": data(CERTIFICATE),
        "client-key-data": data(KEY),
        "token": SECRET,
        "username": SECRET,
        "password": SECRET,
        "as": SECRET,
        "as-uid": SECRET,
        "as-groups": [SECRET],
        "as-user-extra": {"why": [SECRET]},
    },
    cluster={
        "certificate-authority-data": data(CERTIFICATE),
        "tls-server-name": "kube",
        "insecure-skip-tls-verify": False,
        "proxy-url": "http://localhost:1",
    },
)
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1, 2**70),
    st.floats(allow_nan=False),
    st.text(max_size=8),
    st.sampled_from([SECRET, data(SECRET), [], {}, [SECRET], {SECRET: SECRET}, [{"name": "c1"}]]),
    st.sampled_from([f"https://{SECRET}@x", f"http://[{SECRET}", "/etc/passwd", "\x00", "//"]),
    st.sampled_from(
        [
            {"name": "oidc", "config": {"id-token": f"{SECRET}.x.y", "client-id": SECRET}},
            {"name": "oidc", "config": {"id-token": "a.e30.b"}},
            {"name": SECRET},
            {"command": "", "args": [SECRET]},
            {"command": f"/{SECRET}/x", "args": SECRET, "env": SECRET},
        ]
    ),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where anything stands."""
    yield path
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            yield from places(inner, (*path, key))


USER = ("users", 0, "user")
PLACES = [
    *(path for path in sorted(places(WHOLE), key=str) if path[::2] != ("contexts", "name")),
    *((*USER, key) for key in ("exec", "auth-provider", "tokenFile", "client-key")),
]
"""NB: contexts are called by their names, in messages too."""


def with_value(path: tuple[Any, ...], value: Any) -> Any:
    """Return the whole with something else in a place; ``...``: with nothing there."""
    if not path:
        return None if value is ... else value
    changed = copy.deepcopy(WHOLE)
    inner: Any = changed
    for key in path[:-1]:
        inner = inner[key]
    if value is not ...:
        inner[path[-1]] = value
    elif isinstance(inner, dict):
        inner.pop(path[-1], None)
    else:
        del inner[path[-1]]
    return changed


def test_the_whole_leads_somewhere(folder: Path) -> None:
    apiserver.written(folder / "kube", json.dumps(WHOLE))

    assert refusal(opened(folder)) is None


async def opened(folder: Path) -> None:
    async with apiserver.ways(folder).open(cluster_id()):
        pass


def refusal(opening: Coroutine[Any, Any, None]) -> ClusterError | None:
    try:
        asyncio.run(opening)
    except ClusterError as error:
        return error
    return None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kube")


@settings(deadline=None, max_examples=120)
@given(
    path=st.sampled_from(PLACES),
    value=st.one_of(st.just(...), values),
)
def test_any_kubeconfig_is_opened_or_refused(
    folder: Path, path: tuple[Any, ...], value: Any
) -> None:
    content = with_value(path, value)
    apiserver.written(folder / "kube", json.dumps(content))

    if (error := refusal(opened(folder))) is not None:
        told = f"{error.message} {error.hint} {error!r}".replace(f"/{SECRET}/x", "")
        assert error.message.startswith("cluster c1: ")
        assert SECRET not in told
        assert data(SECRET) not in told
        assert error.__cause__ is None
