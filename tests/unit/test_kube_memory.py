"""What is kept of a cluster while it is read: bytes are counted, and not time."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Self

from fleet.engine import gathering
from fleet.kube.api import Api
from fleet.kube.exchanges import Request
from fleet.kube.turns import Turns
from fleet.kube.wire import Page
from fleet.model.objects import Resource, Want
from tests.rig import apiserver
from tests.rig.scripted import SkippingClock

PODS = Resource("", "v1", "pods")
KB = 1024
COUNT = 100
BULK = [{"manager": f"m{n}", "fieldsV1": {f"f:k{k}": {} for k in range(10)}} for n in range(50)]


class Response:
    """A page of large pods, as the wire reads it."""

    status = 200
    headers: Mapping[str, str] = {}

    def __init__(self) -> None:
        self.content = self
        self.part_count = 0
        self.most_bytes = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    def close(self) -> None: ...

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        """Yield parts, and note how much is kept whenever one is wanted."""
        left = b'{"kind":"PodList","metadata":{},"items":['
        for number in range(COUNT):
            left += pod(number) + (b"," if number + 1 < COUNT else b"]}")
            while len(left) >= size:
                part, left = left[:size], left[size:]
                yield part
                del part
                self.part_count += 1
                self.most_bytes = max(self.most_bytes, tracemalloc.get_traced_memory()[0])
        yield left


class Listed:
    """A wire over which such a page comes."""

    def __init__(self) -> None:
        self.response = Response()
        self.turns = Turns()

    async def listing(self, request: Request) -> Page:
        """Answer."""
        return Page(self.response, request, 1.0)  # type: ignore[arg-type]


def pod(number: int) -> bytes:
    return json.dumps(
        {"metadata": {"name": f"app-{number}", "namespace": "shop", "managedFields": BULK}}
    ).encode()


def is_named(found: Any) -> bool:
    return bool(found["metadata"]["name"])


async def test_of_many_large_pods_64_kilobytes_are_kept_at_most_while_they_are_listed() -> None:
    wire = Listed()
    api = Api(wire, "cluster c1", SkippingClock())  # type: ignore[arg-type]
    want = Want(resource=PODS, shape=is_named)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        seen = await gathering.gathered(api, [want])
    finally:
        tracemalloc.stop()

    assert seen[want].objects == (True,) * COUNT
    assert wire.response.part_count > COUNT
    assert wire.response.most_bytes - before < 64 * KB


async def test_a_connection_reads_64_kilobytes_at_a_time_at_most(tmp_path: Path) -> None:
    trust = apiserver.Trust()
    async with apiserver.served(trust.server()) as server:
        long = {"kind": "Pod", "metadata": {"name": "p"}, "data": "x" * 300_000}
        server.on("GET", "/api/v1/pods/p", (200, long))
        authority = {"certificate-authority-data": apiserver.data(trust.pem)}
        kubeconfig = apiserver.kubeconfig(server.url, token=apiserver.SECRET, cluster=authority)
        apiserver.written(tmp_path / "kube", kubeconfig)
        tracemalloc.start()
        try:
            async with apiserver.ways(tmp_path).open(apiserver.cluster_id()) as api:
                found = await api.get(PODS, "p")
                snapshot = tracemalloc.take_snapshot()
        finally:
            tracemalloc.stop()

    assert found == long
    # The server's own end is in this process as well, and has 256 KB.
    buffers = [tracemalloc.Filter(True, f"*/{one}.py") for one in ("sslproto", "connections")]
    kept = snapshot.filter_traces(buffers).statistics("filename")
    assert sum(one.size for one in kept) < (256 + 64) * KB
