from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from ruamel.yaml import YAML

from fleet.core import planner, saved
from fleet.errors import InputError, TamperedError
from fleet.model.strategy import WaveRule
from fleet.ui import output
from tests.rig import rollouts
from tests.rig.fleets import cluster, extension, inventory, stores

RULES = (WaveRule(name="canary", size=1), WaveRule(name="rest", size="rest"))
PLAN = planner.plan(
    rollouts.rollout(
        spread=rollouts.strategy(waves=RULES), wish=rollouts.desired(settings={"a": "1"})
    ),
    inventory(
        [*stores(3, extension("1.2.3")), cluster("done", extension("1.2.6", settings={"a": "1"}))]
    ),
)
DOCUMENT = json.loads(json.dumps(saved.document(PLAN)))


def altered(change: Callable[[Any], object]) -> Any:
    data = copy.deepcopy(DOCUMENT)
    change(data)
    return data


def test_a_saved_plan_is_read_back_as_it_was() -> None:
    assert saved.is_plan(DOCUMENT)
    assert saved.plan_of(copy.deepcopy(DOCUMENT)) == PLAN


def test_a_document_names_the_targets_of_each_wave() -> None:
    assert [wave["targets"] for wave in DOCUMENT["waves"]] == [
        [PLAN.targets[0].cluster_id],
        [PLAN.targets[1].cluster_id, PLAN.targets[2].cluster_id],
    ]


def test_as_yaml_every_target_stands_there_whole() -> None:
    """What targets have in common is the same object in a document, and no alias in its text."""
    text = output.yaml_text(saved.document(PLAN))

    assert "*id" not in text
    assert YAML(typ="safe").load(text) == DOCUMENT


def test_reading_leaves_the_document_as_it_was() -> None:
    data = copy.deepcopy(DOCUMENT)

    saved.plan_of(data)

    assert data == DOCUMENT


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda d: d.update(digest="sha256:0"), id="digest"),
        pytest.param(lambda d: d.pop("digest"), id="no digest"),
        pytest.param(lambda d: d["targets"].pop(), id="a target taken out"),
        pytest.param(lambda d: d["targets"].reverse(), id="targets in another order"),
        pytest.param(lambda d: d["targets"][0].update(to="1.2.5"), id="a version"),
        pytest.param(lambda d: d["targets"][0]["steps"][0].update(version="9.9.9"), id="a step"),
        pytest.param(lambda d: d["limits"].update(maxFailures=99), id="a budget"),
        pytest.param(lambda d: d["waves"][0].update(maxConcurrency=99), id="a wave's number"),
        pytest.param(lambda d: d["waves"][1]["targets"].pop(), id="a target out of a wave"),
        pytest.param(lambda d: d["waves"][0].pop("targets"), id="a wave without targets"),
        pytest.param(lambda d: d["waves"].reverse(), id="waves in another order"),
        pytest.param(lambda d: d.update(warnings=["all is well"]), id="a warning"),
    ],
)
def test_a_plan_that_was_changed_is_refused(change: Callable[[Any], object]) -> None:
    with pytest.raises(TamperedError, match="was changed after it was made"):
        saved.plan_of(altered(change))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda d: d.update(apiVersion="fleet/v9"), id="another release"),
        pytest.param(lambda d: d.pop("apiVersion"), id="no release"),
        pytest.param(lambda d: d.update(extra=1), id="an unknown key"),
        pytest.param(lambda d: d.pop("targets"), id="no targets"),
        pytest.param(lambda d: d.update(targets=5), id="targets that are a number"),
        pytest.param(lambda d: d.update(waves=5), id="waves that are a number"),
        pytest.param(lambda d: d.update(waves=["canary"]), id="a wave that is a text"),
        pytest.param(lambda d: d["waves"][0].update(targets=5), id="a wave's targets a number"),
        pytest.param(lambda d: d["waves"][0].update(soakSeconds=10**18), id="an endless soak"),
        pytest.param(lambda d: d["waves"][0].update(soakSeconds=1.5), id="a fraction"),
        pytest.param(lambda d: d["targets"][0].update(action="explode"), id="an unknown action"),
    ],
)
def test_what_is_no_plan_of_ours_is_refused(change: Callable[[Any], object]) -> None:
    with pytest.raises(InputError) as caught:
        saved.plan_of(altered(change))

    assert caught.value.hint == "Make it again with `fleet plan FILE --out PLAN`."


@pytest.mark.parametrize("data", [None, [], "Plan", {}, {"kind": "Rollout"}])
def test_other_documents_are_no_plans(data: object) -> None:
    assert not saved.is_plan(data)
