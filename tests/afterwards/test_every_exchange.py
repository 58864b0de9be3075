"""Run when all other tests are over: what servers heard and said meanwhile, judged to the last.

The official OpenAPI files are the law, Microsoft's validator is the judge; where service and
specification are known to part is named in tests/rig/gaps.py.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from fleet.azure import transport
from fleet.sim.server.routes import Kind
from tests.rig import gaps, judging, node, queries, recording, reference
from tests.rig.exchanges import Exchange
from tests.rig.judging import Verdict
from tests.rig.node import Node

pytestmark = pytest.mark.timeout(600)
_SHOWN = 20


@pytest.fixture(scope="module", name="node")
def _node() -> Iterator[Node]:
    with node.answering() as found:
        yield found


@pytest.fixture(scope="module", name="said")
def _said() -> Sequence[Exchange]:
    folder = os.environ.get(recording.VARIABLE)
    assert folder is not None, "nothing was recorded: run make unit"
    return list(judging.kept(Path(folder)))


@pytest.fixture(scope="module", name="found")
def _found(said: Sequence[Exchange], node: Node) -> Sequence[Verdict]:
    specifications = reference.folder("specification")
    return list(judging.verdicts(node, said, specifications=specifications))


def test_nothing_was_said_that_the_specifications_forbid(found: Sequence[Verdict]) -> None:
    wrong = [one for one in found if gaps.not_allowed([one.complaint])]
    kinds = Counter(one.line.partition(": ")[2] for one in wrong)

    lines = "\n".join(one.line for one in wrong[:_SHOWN])
    assert wrong == [], f"{len(wrong)} complaints, {len(kinds)} kinds:\n{lines}"


def test_every_gap_that_is_named_was_met(found: Sequence[Verdict]) -> None:
    expected = gaps.met_by(gaps.SIMULATOR) | gaps.met_by(gaps.EXAMPLES)
    assert gaps.met(one.complaint for one in found) == expected


def test_every_query_of_ours_is_understood_to_its_last_column(
    said: Sequence[Exchange], node: Node
) -> None:
    ours = {
        one.sent["query"]
        for one in said
        if one.kind == (Kind.GRAPH.name, "POST", 200) and transport.AGENT in one.headers.values()
    }

    found = {text: node.ask("query", text=text, tables=queries.TABLES) for text in ours}
    assert {text: one["complaints"] for text, one in found.items() if one["complaints"]} == {}
    assert [text for text, one in found.items() if ": unknown" in one["columns"]] == []
    assert ours


def test_everything_that_can_be_asked_for_was(said: Sequence[Exchange]) -> None:
    met: dict[str, set[str]] = defaultdict(set)
    for one in said:
        kind, method, status = one.kind
        if status < 400:
            met[kind].add(method)

    assert {kind: methods for kind, methods in met.items() if kind != "-"} == {
        "CLUSTERS": {"GET"},
        "CLUSTER": {"GET"},
        "EXTENSIONS": {"GET"},
        "EXTENSION": {"GET", "PUT", "PATCH", "DELETE"},
        "OPERATION": {"GET"},
        "TYPES": {"GET"},
        "TYPE": {"GET"},
        "TYPE_VERSIONS": {"GET"},
        "TYPE_VERSION": {"GET"},
        "CREDENTIAL": {"POST"},
        "GRAPH": {"POST"},
    }
