"""Simulated clusters answer as a real API server does: one conversation, compared answer by answer.

What the real one said is kept in ``tests/data/kubernetes`` by ``make test-real``. It was of 1.20,
and what simulated clusters say is of later ones. Each difference is named here, with its reason,
and one that is no more must be taken out.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import AsyncIterator, Mapping
from fractions import Fraction
from typing import Any

import pytest

from fleet.engine import clock
from fleet.sim.inside import asking
from fleet.sim.server import serving as server
from tests.rig import serving, talkfile, talking
from tests.rig.serving import CALM, Caller
from tests.rig.talking import Answer
from tests.rig.talks import TALK


@contextlib.asynccontextmanager
async def speaking() -> AsyncIterator[Mapping[str, Caller]]:
    """Yield who speaks to the API of the first cluster of a calm world."""
    # NB: a watch looks time and again, which would drive a clock that is set by hand far away.
    time = clock.scaled(CALM.epoch, 1)
    async with (
        server.serving(CALM, clock=time, scale=Fraction(1)) as served,
        serving.connected(served.endpoint) as found,
    ):
        cluster = next(iter(served.plane.azure.world.clusters(CALM.epoch, [0])))
        stranger = dataclasses.replace(found, base=f"{served.endpoint}/kubernetes/{cluster.name}")
        token = asking.token(CALM.seed, asking.ADMIN)
        unknown = dataclasses.replace(stranger, token="none-of-ours")  # noqa: S106 - it is nobody's
        admin = dataclasses.replace(stranger, token=token)
        yield {"admin": admin, "nobody": stranger, "unknown": unknown}


# --- what differs by right --------------------------------------------------------------------

UNFILLED = {
    "make a workload",
    "make a webhook",
    "a workload",
    "a webhook",
    "workloads",
    "workloads by label",
    "webhooks by label",
    "restart a workload",
}
"""Built-in kinds' many defaults are not filled in, and controllers write a status at once."""
WORDS: Mapping[str, str] = {
    "make another kind than the path's": "names of Go's types, which differ by release",
    "make a map of numbers": "later releases decode by another library",
    "make of no JSON": "the decoder's own words",
    "maps by what is no selector": "the parser's own words",
    "a page after no page": "the decoder's own words",
    "patch by plain JSON": "later releases say which types they take, whatever was sent",
    "a dry run of a bad kind": "1.20 showed a list of Go's",
}
"""The same status and reason, in other words."""
OTHERS: Mapping[str, tuple[int, str]] = {
    "no pods": (200, "a workload has its pods at once: controllers run here"),
    "patch by a bad version": (409, "versions are opaque here, and 1.20 broke on this one"),
    "patch by no object": (400, "later releases decode the patch before they lay it on"),
    "patch by no JSON": (400, "the same; 1.20 took it for a fault of its own"),
    "null in a list in a dry run": (422, "the library of 1.20 takes nulls out of lists"),
    "without a token": (401, "nobody is let in without a token here, as on AKS"),
}
"""``{request: (the status here, why)}``."""


def modern(answer: Answer) -> Answer:
    """Return what 1.20 said as a later server would: a wrong type has a reason of its own."""
    causes = (_details(answer) or {}).get("causes", ())
    later = [
        {**one, "reason": "FieldValueTypeInvalid"} if "must be of type" in one["message"] else one
        for one in causes
    ]
    if later == list(causes):
        return answer
    details = {**answer.body["details"], "causes": later}
    return dataclasses.replace(answer, body={**answer.body, "details": details})


def without_places(answer: Answer) -> Answer:
    """Return a refusal as 1.20 would say it: which item of a list is wrong, later ones tell."""
    return dataclasses.replace(answer, body=_without_places(answer.body))


def _without_places(body: Any) -> Any:
    if isinstance(body, str):
        return re.sub(r"(spec\.[\w.]+)\[\d+\]", r"\1", body)
    if isinstance(body, list):
        return [_without_places(one) for one in body]
    if isinstance(body, dict):
        return {key: _without_places(one) for key, one in body.items()}
    return body


def _details(answer: Answer) -> Any:
    is_refusal = isinstance(answer.body, dict) and answer.body.get("kind") == "Status"
    return answer.body.get("details") if is_refusal else None


def is_within(part: Any, whole: Any) -> bool:
    """Tell whether everything in *part* is in *whole*."""
    if isinstance(part, dict) and isinstance(whole, dict):
        said = {key: one for key, one in part.items() if key != "status"}
        return all(key in whole and is_within(one, whole[key]) for key, one in said.items())
    if isinstance(part, list) and isinstance(whole, list):
        return len(part) == len(whole) and all(map(is_within, part, whole))
    return bool(part == whole)


def is_as_real(name: str, ours: Answer, real: Answer) -> bool:
    """Tell whether an answer is the real one's, but for what differs by right."""
    ours, real = without_places(ours), modern(real)
    if name in UNFILLED and (ours.status, ours.content) == (real.status, real.content):
        return is_within(ours.body, real.body)
    return ours == real


async def test_every_answer_is_a_real_one_s_or_differs_for_a_reason() -> None:
    async with speaking() as callers:
        answers = await talking.held(callers)
    real = talkfile.load()
    others = {
        name: (one, real[name])
        for name, one in answers.items()
        if not is_as_real(name, one, real[name])
    }

    assert {name: one for name, one in others.items() if name not in {**WORDS, **OTHERS}} == {}
    assert set(others) == {*WORDS, *OTHERS}
    for name in WORDS:
        ours, theirs = others[name]
        assert (ours.status, ours.body["reason"]) == (theirs.status, theirs.body["reason"])
    assert {name: others[name][0].status for name in OTHERS} == {
        name: status for name, (status, _) in OTHERS.items()
    }


def test_an_answer_is_kept_for_every_request() -> None:
    assert list(talkfile.load()) == [one.name for one in TALK]


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": 2}, {"a": 1, "b": 2}, False),
        ({"c": 1}, {"a": 1}, False),
        ([{"a": 1}], [{"a": 1, "b": 2}], True),
        ([{"a": 1}], [], False),
        ({"status": {"x": 1}}, {}, True),
    ],
)
def test_less_may_be_said_and_nothing_else(part: Any, whole: Any, expected: bool) -> None:
    assert is_within(part, whole) is expected
