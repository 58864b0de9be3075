"""An API server by hand: it answers what a test scripts, over HTTP or TLS, and keeps what it got.

It knows nothing of Kubernetes: a path that nothing is scripted for gets what the real one says of
a group that nobody registered.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import trustme
import yaml
from aiohttp import web

from fleet.kube.clusters import clusters_of
from fleet.model.cluster import ClusterId
from fleet.model.inside import AccessKind, ClusterAccess
from fleet.net.network import Network
from fleet.ports import Clusters
from tests.rig.scripted import SkippingClock

Answer = tuple[int, Any] | tuple[int, Any, Mapping[str, str]]
"""Status, body (JSON, or text as it is), headers; status 0: the connection is cut, after the text
where there is one; -1: silence."""
SECRET = "canary-5ecret-0f-the-kubec0nfig"  # noqa: S105 - to be found nowhere
CUT, SILENT = 0, -1


def cluster_id(name: str = "c1", group: str = "rg") -> ClusterId:
    """Return the id of a connected cluster."""
    return ClusterId(
        f"/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/{group}"
        f"/providers/Microsoft.Kubernetes/connectedClusters/{name}"
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    """A request, as it arrived."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: Any = None
    kind: str = ""
    """Its content type."""


class ApiServer:
    """Answers by a script."""

    def __init__(self) -> None:
        self.url = ""
        self.over = asyncio.Event()
        """Until then it keeps silent where it is to."""
        self.got: list[Got] = []
        self.headers: list[Mapping[str, str]] = []
        self.peers: list[Any] = []
        self._answers: dict[tuple[str, str], list[Answer]] = {}

    def on(self, method: str, path: str, *answers: Answer) -> None:
        """Script what a path answers, one after another; the last again and again."""
        self._answers[method, path] = list(answers)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer."""
        body = await request.read()
        self.got.append(
            Got(
                method=request.method,
                path=request.raw_path.partition("?")[0],
                query=tuple(request.query.items()),
                body=json.loads(body) if body else None,
                kind=request.content_type if body else "",
            )
        )
        self.headers.append(request.headers)
        if request.transport is not None:
            self.peers.append(request.transport.get_extra_info("peercert"))
        left = self._answers.get((request.method, request.path))
        if left is None:
            return web.Response(status=404, text="404 page not found\n")
        status, content, *more = left.pop(0) if len(left) > 1 else left[0]
        if status == SILENT:
            await self.over.wait()
        if status == CUT:
            await _cut(request, content)
            return web.Response()
        text = content if isinstance(content, str) else json.dumps(content)
        return web.Response(status=status, text=text, headers=more[0] if more else None)


async def _cut(request: web.Request, text: str) -> None:
    assert request.transport is not None
    if text:
        begun = web.StreamResponse(headers={"Content-Type": "application/json"})
        await begun.prepare(request)
        await begun.write(text.encode())
    request.transport.abort()


@contextlib.asynccontextmanager
async def served(context: ssl.SSLContext | None = None) -> AsyncIterator[ApiServer]:
    """Serve on a port of this machine."""
    server = ApiServer()
    runner = web.ServerRunner(web.Server(server.handle), shutdown_timeout=0.1)  # type: ignore[arg-type]
    await runner.setup()
    site = web.TCPSite(runner, "localhost", 0, ssl_context=context)
    await site.start()
    port = runner.addresses[0][1]
    server.url = f"{'https' if context else 'http'}://localhost:{port}"
    try:
        yield server
    finally:
        server.over.set()
        await runner.cleanup()
        await asyncio.sleep(0.01)  # aiohttp's tasks of connections that never came about


@dataclasses.dataclass(frozen=True, slots=True)
class Trust:
    """An authority, the server's certificate, and a client's."""

    ca: trustme.CA = dataclasses.field(default_factory=trustme.CA)

    def server(self, *, wants_client: bool = False) -> ssl.SSLContext:
        """Return what the server shows, and whether it wants to see a certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert("localhost").configure_cert(context)
        self.ca.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED if wants_client else ssl.CERT_OPTIONAL
        return context

    @property
    def pem(self) -> str:
        """The authority."""
        return self.ca.cert_pem.bytes().decode()

    def client(self) -> tuple[str, str]:
        """Return a client's certificate and its key."""
        made = self.ca.issue_cert("client@fleet.example", common_name="fleet")
        return made.cert_chain_pems[0].bytes().decode(), made.private_key_pem.bytes().decode()


def data(text: str) -> str:
    """Return *text* as a kubeconfig holds it."""
    return base64.b64encode(text.encode()).decode()


def kubeconfig(
    url: str,
    user: Mapping[str, Any] | None = None,
    *,
    name: str = "c1",
    cluster: Mapping[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Return a kubeconfig of one context."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "clusters": [{"name": name, "cluster": {"server": url, **(cluster or {})}}],
        "users": [{"name": name, "user": {**(user or {}), **more}}],
    }


def written(path: Path, content: Mapping[str, Any] | str) -> Path:
    """Write a kubeconfig."""
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(dict(content)))
    return path


def ways(
    base: Path, access: ClusterAccess | None = None, *, clock: SkippingClock | None = None
) -> Clusters:
    """Return the way in by *access*; without any by the file ``kube`` there."""
    return clusters_of(
        access or ClusterAccess(kind=AccessKind.KUBECONFIG, path="kube"),
        base=base,
        clock=clock or SkippingClock(),
        network=Network(),
    )


def status(code: int, message: str, **meta: Any) -> dict[str, Any]:
    """Return what a server says when it refuses."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": meta,
        "status": "Failure",
        "message": message,
        "code": code,
    }
