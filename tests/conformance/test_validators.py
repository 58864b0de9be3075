"""The validators themselves: they are there, say what they cannot do, and are missed aloud."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.rig import node as rig, reference
from tests.rig.node import Node


def test_a_question_that_nobody_knows_is_an_error_and_the_next_one_is_answered(node: Node) -> None:
    with pytest.raises(AssertionError, match="is not a function"):
        node.ask("weather")

    answer = node.ask("query", text="things", tables={"things": {"id": "string"}})
    assert answer == {"columns": "(id: string)", "complaints": []}


def test_where_nothing_may_be_left_out_a_missing_validator_fails_the_test(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no Node"):
        rig.unavailable("no Node")


def test_elsewhere_it_skips_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no Node"):
        rig.unavailable("no Node")


def test_where_nothing_may_be_left_out_a_missing_reference_ends_all_tests(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(reference, "_AZURE", tmp_path / "nothing")
    monkeypatch.delenv("CI", raising=False)
    reference.require()

    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.UsageError, match="the reference is not here"):
        reference.require()


def test_the_validators_are_those_of_the_lock_and_each_has_its_digest() -> None:
    told = json.loads((rig.SCRIPTS / "package.json").read_text())["dependencies"]
    locked = json.loads((rig.SCRIPTS / "package-lock.json").read_text())["packages"]

    assert {name: locked[f"node_modules/{name}"]["version"] for name in told} == told
    assert [name for name, one in locked.items() if name and "integrity" not in one] == []
