"""One real server for all tests here, and what it holds at the beginning of each."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.rig import charted, realserver, serving
from tests.rig.charted import Objects
from tests.rig.realserver import RealServer
from tests.rig.serving import Caller
from tests.rig.settling import Holder


@pytest.fixture(scope="session", name="server")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    with realserver.serving(tmp_path_factory.mktemp("real")) as served:
        yield served


@pytest.fixture(scope="session", name="healthy")
def _healthy() -> Objects:
    return charted.healthy()


@pytest.fixture(scope="session", name="memory")
def _memory() -> Holder:
    """Who remembers from test to test what the server was left with."""
    return Holder()


@pytest.fixture(name="stranger")
async def _stranger(server: RealServer) -> AsyncIterator[Caller]:
    async with serving.connected(server.url, ca_file=server.ca_file) as caller:
        yield caller


@pytest.fixture(name="admin")
async def _admin(stranger: Caller) -> Caller:
    return dataclasses.replace(stranger, token=realserver.ADMIN)


@pytest.fixture(name="limited")
async def _limited(stranger: Caller) -> Caller:
    return dataclasses.replace(stranger, token=realserver.LIMITED)


@pytest.fixture(name="holder")
async def _holder(memory: Holder, admin: Caller, healthy: Objects) -> Holder:
    """The healthy mesh, and who can change it."""
    memory.admin = admin
    await memory.hold(healthy)
    return memory
