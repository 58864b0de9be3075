"""What is kept of a cluster while it is read: bytes are counted, and not time."""

from __future__ import annotations

import gc
import json
import tracemalloc
from pathlib import Path
from typing import Any

from fleet.engine import gathering
from fleet.kube.api import PAGE, Api
from fleet.kube.wire import Reply, Request
from fleet.model.objects import Resource, Want
from tests.rig import apiserver
from tests.rig.scripted import SkippingClock

PODS = Resource("", "v1", "pods")
KB = 1024
COUNT = 500
BULK = [{"manager": f"m{n}", "fieldsV1": {f"f:k{k}": {} for k in range(10)}} for n in range(50)]


class Listed:
    """Answers with pages of large pods, and notes how much is kept whenever it is asked."""

    def __init__(self) -> None:
        self.kept: list[int] = []

    async def exchange(self, request: Request) -> Reply:
        """Answer with the next page."""
        gc.collect()
        self.kept.append(tracemalloc.get_traced_memory()[0])
        start = int(dict(request.query).get("continue", "0"))
        return Reply(status=200, headers={}, data=page(start), head=b"", size=0)


def page(start: int) -> Any:
    """Return a page of pods, each object made anew."""
    after = start + PAGE
    items = [
        {"metadata": {"name": f"app-{n}", "namespace": "shop", "managedFields": BULK}}
        for n in range(start, min(after, COUNT))
    ]
    meta = {"continue": str(after)} if after < COUNT else {}
    return json.loads(json.dumps({"kind": "PodList", "metadata": meta, "items": items}))


def name(found: Any) -> str:
    return str(found["metadata"]["name"])


async def test_of_five_hundred_pods_64_kilobytes_are_kept_at_most_while_they_are_listed() -> None:
    wire = Listed()
    api = Api(wire, "cluster c1", SkippingClock())  # type: ignore[arg-type]
    want = Want(resource=PODS, shape=name)
    tracemalloc.start()
    try:
        seen = await gathering.gathered(api, [want])
    finally:
        tracemalloc.stop()

    assert len(seen[want].objects) == COUNT
    assert len(wire.kept) == COUNT // PAGE
    assert max(wire.kept) - wire.kept[0] < 64 * KB


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
