"""What is made of authorities, and how often."""

from __future__ import annotations

import gc
import ssl
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fleet.kube.trust import Trust
from fleet.net import connections
from fleet.net.network import Network
from tests.rig import apiserver


def configuration(authority: Path | None = None) -> Any:
    path = None if authority is None else str(authority)
    return SimpleNamespace(ssl_ca_cert=path, cert_file=None, verify_ssl=True)


def test_the_systems_authorities_are_read_once_though_clusters_follow_one_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[Network] = []
    trust = connections.trust

    def counted(network: Network) -> ssl.SSLContext:
        read.append(network)
        return trust(network)

    monkeypatch.setattr(connections, "trust", counted)
    found = Trust(Network())

    for _ in range(3):
        found.context(configuration())
        gc.collect()

    assert len(read) == 1


def test_who_names_the_same_authority_shares_it_and_another_does_not(tmp_path: Path) -> None:
    found = Trust(Network())
    for name, authority in (("a", apiserver.Trust()), ("b", apiserver.Trust())):
        (tmp_path / name).write_text(authority.pem)
    (tmp_path / "same").write_text((tmp_path / "a").read_text())

    one = found.context(configuration(tmp_path / "a"))

    assert found.context(configuration(tmp_path / "same")) is one
    assert found.context(configuration(tmp_path / "b")) is not one
