"""A real kube-apiserver over a real etcd, on ports of this machine, with nothing in it.

No controller and no kubelet runs: what they would write is written by whoever tests. Where no
binary is found tests skip; ``make test-real`` builds one.

Shapes:  a :class:`RealServer` is where it is and how one gets in; what it knows is gone with it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.rig.promserver import _free_port

VARIABLE = "KUBE_APISERVER_BIN"
"""A folder with ``kube-apiserver``, and with ``etcd`` where that is not installed."""
ADMIN = "admin-token"
"""May do everything."""
LIMITED = "limited-token"
"""May do nothing that nobody allowed it."""
USER = "limited"
"""Whose token that is."""
_LIMIT_S = 60.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RealServer:
    """A server that is ready."""

    url: str
    ca_file: Path
    store: str
    """The address of its etcd."""

    def kubeconfig(self, file: Path, *, context: str, token: str = ADMIN) -> Path:
        """Write a kubeconfig with one context, and return it."""
        # NB: JSON is YAML.
        file.write_text(
            f"""{{"apiVersion": "v1", "kind": "Config", "current-context": "{context}",
 "clusters": [{{"name": "real",
   "cluster": {{"server": "{self.url}", "certificate-authority": "{self.ca_file}"}}}}],
 "users": [{{"name": "one", "user": {{"token": "{token}"}}}}],
 "contexts": [{{"name": "{context}", "context": {{"cluster": "real", "user": "one"}}}}]}}
"""
        )
        file.chmod(0o600)
        return file

    def compact(self) -> None:
        """Let the store forget all but what there is now, as it does every few minutes."""
        now = self._asked("kv/range", {"key": "AA==", "limit": 1})["header"]["revision"]
        self._asked("kv/compaction", {"revision": now})

    def _asked(self, what: str, body: Mapping[str, Any]) -> Any:
        # Source: etcd's documentation, on its gRPC gateway.
        url = f"{self.store}/v3/{what}"
        with urllib.request.urlopen(url, json.dumps(body).encode(), timeout=10) as found:  # noqa: S310
            return json.load(found)


def binary(name: str) -> str:
    """Return the path of a program; skip where there is none."""
    folder = os.environ.get(VARIABLE, "")
    found = shutil.which(name, path=f"{folder}:{os.environ['PATH']}")
    if found is None:
        pytest.skip(f"{name} is not here: make test-real builds it where it can")
    return found


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[RealServer]:
    """Serve an empty cluster from *folder*, and end the server and its store with the block."""
    programs = {name: binary(name) for name in ("etcd", "kube-apiserver")}
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    port, store = _free_port(), f"http://127.0.0.1:{_free_port()}"
    with (
        _running(folder, [programs["etcd"], *_of_etcd(folder, store)]) as etcd,
        _running(folder, [programs["kube-apiserver"], *_of_server(folder, ca, port, store)]) as api,
    ):
        served = RealServer(url=f"https://127.0.0.1:{port}", ca_file=folder / "ca.pem", store=store)
        _wait_until_ready(served, [etcd, api], folder)
        yield served


def _of_etcd(folder: Path, url: str) -> list[str]:
    peers = f"http://127.0.0.1:{_free_port()}"
    return [
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster=default={peers}",
        "--unsafe-no-fsync",
    ]


def _of_server(folder: Path, ca: trustme.CA, port: int, store: str) -> list[str]:
    own = ca.issue_cert("127.0.0.1", "localhost")
    own.private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    own.private_key_pem.write_to_path(str(folder / "server.key"))
    (folder / "tokens.csv").write_text(
        f'{ADMIN},admin,admin-uid,"system:masters"\n{LIMITED},{USER},limited-uid,"ops"\n'
    )
    return [
        f"--etcd-servers={store}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={port}",
        f"--tls-cert-file={folder / 'server.pem'}",
        f"--tls-private-key-file={folder / 'server.key'}",
        f"--service-account-key-file={folder / 'server.key'}",
        f"--service-account-signing-key-file={folder / 'server.key'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--token-auth-file={folder / 'tokens.csv'}",
        "--authorization-mode=RBAC",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--allow-privileged=true",
        # Nobody makes accounts for namespaces here, and pods shall be made all the same.
        "--disable-admission-plugins=ServiceAccount",
    ]


@contextlib.contextmanager
def _running(folder: Path, command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    with _log(folder, command).open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=folder)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _log(folder: Path, command: Sequence[str]) -> Path:
    return folder / f"{Path(command[0]).name}.log"


def _wait_until_ready(
    served: RealServer, processes: Sequence[subprocess.Popen[bytes]], folder: Path
) -> None:
    trust = ssl.create_default_context(cafile=str(served.ca_file))
    asked = urllib.request.Request(  # noqa: S310
        f"{served.url}/readyz", headers={"Authorization": f"Bearer {ADMIN}"}
    )
    ends_at = time.monotonic() + _LIMIT_S
    while time.monotonic() < ends_at and all(one.poll() is None for one in processes):
        with (
            contextlib.suppress(urllib.error.URLError, OSError),
            urllib.request.urlopen(asked, timeout=5, context=trust) as answer,  # noqa: S310
        ):
            if answer.status == 200:
                return
        time.sleep(0.1)
    said = "\n".join(log.read_text()[-1500:] for log in sorted(folder.glob("*.log")))
    pytest.fail(f"the kube-apiserver did not get ready:\n{said}")
