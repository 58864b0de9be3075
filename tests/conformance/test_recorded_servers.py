"""Servers that are recorded: what they hear and say is kept, and judged as it was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fleet.sim.server.application import Application
from tests.rig import gaps, judging, recording, reference
from tests.rig.node import Node
from tests.rig.serving import CLUSTERS, EXTENSIONS, staged
from tests.rig.walks import pin

_VERSION = {"api_version": EXTENSIONS}


def _complaints(node: Node, folder: Path) -> list[tuple[str, str, str]]:
    specifications = reference.folder("specification")
    found = judging.verdicts(node, judging.kept(folder), specifications=specifications)
    left = [one.complaint for one in found if gaps.not_allowed([one.complaint])]
    return [(one.side, one.code, one.path) for one in left]


async def _recorded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file of a server that was asked for a cluster, and to pin an extension."""
    monkeypatch.setattr(Application, "_sent", recording.keeping(Application._sent, folder))
    async with staged() as stage:
        assert stage.caller.token is not None
        assert stage.caller.token.startswith("eyJ")
        # As old as the command line's; judged by the next version that is described.
        await stage.caller.get(stage.cluster(), api_version="2021-10-01")
        await stage.caller.send("PATCH", stage.extension(), body=pin("1.2.6"), query=_VERSION)
        await stage.caller.get(stage.cluster(), api_version=f"{CLUSTERS}-nonsense")
    return folder / f"{os.getpid()}.jsonl"


async def test_what_is_kept_is_what_was_said_and_no_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, node: Node
) -> None:
    file = await _recorded(tmp_path / "said", monkeypatch)

    kept = list(judging.kept(file.parent))
    assert [(*one.kind, one.sent) for one in kept] == [
        ("CLUSTER", "GET", 200, None),
        ("EXTENSION", "PATCH", 202, pin("1.2.6")),
        ("CLUSTER", "GET", 400, None),
    ]
    assert "eyJ" not in file.read_text()
    assert _complaints(node, file.parent) == []


@pytest.mark.parametrize(
    ("said", "planted", "found"),
    [
        pytest.param(
            r"\"isSystemExtension\":false",
            r"\"isSystemExtension\":\"no\"",
            ("response", "INVALID_TYPE", "/properties/isSystemExtension"),
            id="another type",
        ),
        pytest.param(
            r"\"totalCoreCount\":",
            r"\"totalCoresCount\":",
            ("response", "OBJECT_ADDITIONAL_PROPERTIES", "/properties/totalCoresCount"),
            id="another name, in an api-version that is not described",
        ),
        pytest.param(
            '"status":202', '"status":203', ("response", "INVALID_RESPONSE_CODE", ""), id="a status"
        ),
        pytest.param(
            r"\"version\":\"1.2.6\",\"auto",
            r"\"version\":1,\"auto",
            ("request", "INVALID_TYPE", "/properties/version"),
            id="a request",
        ),
        pytest.param(
            '"status":400',
            '"status":200',
            ("request", "OPERATION_NOT_FOUND_IN_CACHE_WITH_API", ""),
            id="an api-version that nobody described, served",
        ),
    ],
)
async def test_what_is_planted_in_the_record_is_found(
    said: str,
    planted: str,
    found: tuple[str, str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    node: Node,
) -> None:
    file = await _recorded(tmp_path / "said", monkeypatch)
    record = file.read_text()
    assert said in record
    file.write_text(record.replace(said, planted, 1))

    assert found in _complaints(node, file.parent)
