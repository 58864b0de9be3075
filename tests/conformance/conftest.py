"""What the tests of conformance share: one Node process, and the reference material."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.rig import node
from tests.rig.node import Node


@pytest.fixture(scope="session", name="node")
def _node() -> Iterator[Node]:
    """Return the validators' process."""
    with node.answering() as found:
        yield found
