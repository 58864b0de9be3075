"""What a planned step becomes on the wire, as far as the scope of an instance goes."""

from __future__ import annotations

import dataclasses

import jsonschema
import orjson
import pytest

from fleet.azure import bodies, payloads
from fleet.core import planner, saved
from fleet.engine import requests
from fleet.model.cluster import Extension
from fleet.model.desired import Presence
from fleet.model.plan import Plan, Step, Verb
from fleet.spec import schemas
from tests.rig import fleets, rollouts

GATEWAY = dataclasses.replace(rollouts.MESH, has_one_instance=False, is_namespaced=True)
OF_SHOP = fleets.extension("1.2.3", namespace="shop", is_namespaced=True)


def plan(*found: Extension, **wish: object) -> Plan:
    asked = rollouts.rollout(wish=rollouts.desired(**wish))
    return planner.plan(asked, fleets.inventory(fleets.stores(1, *found)))


@pytest.mark.parametrize(
    ("step", "found", "is_namespaced"),
    [
        pytest.param(Step(verb=Verb.PUT), None, True, id="as the profile says"),
        pytest.param(Step(verb=Verb.PUT), OF_SHOP, True, id="as it is"),
        pytest.param(Step(verb=Verb.PUT), fleets.extension(), False, id="as it is, of the cluster"),
        pytest.param(
            Step(verb=Verb.PUT, namespace="shop"), None, False, id="as it was, of the cluster"
        ),
        pytest.param(
            Step(verb=Verb.PUT, namespace="shop", is_namespaced=True), None, True, id="as it was"
        ),
    ],
)
def test_an_instance_keeps_its_scope(
    step: Step, found: Extension | None, is_namespaced: bool
) -> None:
    made = plan(profile=GATEWAY, namespace="shop")

    write = requests.write_of(step, made.targets[0], made.head, found=found, vault={})

    assert write.is_namespaced is is_namespaced


def test_an_uninstall_of_what_is_of_a_namespace_is_taken_back_as_that() -> None:
    made = plan(OF_SHOP, presence=Presence.ABSENT, version=None, namespace=None)

    (way,) = (one.rollback for one in made.targets)

    assert way is not None
    assert [(one.namespace, one.is_namespaced) for one in way.steps] == [("shop", True)]


@pytest.mark.parametrize("is_namespaced", [True, False])
def test_a_scope_that_is_written_is_read_again(is_namespaced: bool) -> None:
    found = dataclasses.replace(OF_SHOP, is_namespaced=is_namespaced)
    made = plan(profile=GATEWAY, namespace="shop")
    step = Step(verb=Verb.PUT, version="1.2.3")
    write = requests.write_of(step, made.targets[0], made.head, found=found, vault={})
    sent = bodies.body_of(write, api_version="2023-05-01")
    assert sent is not None

    shown = {
        "name": "osm",
        "properties": {**orjson.loads(sent)["properties"], "provisioningState": "Succeeded"},
    }
    read = payloads.extension(shown, where="here")

    assert (read.namespace, read.is_namespaced) == ("shop", is_namespaced)


def test_a_plan_for_a_namespace_says_so_and_fits_its_schema() -> None:
    made = plan(profile=GATEWAY, namespace="shop")
    back = plan(OF_SHOP, presence=Presence.ABSENT, version=None, namespace=None)

    assert saved.document(made)["isNamespaced"] is True
    assert "isNamespaced" not in saved.document(plan())
    for one in (made, back):
        jsonschema.Draft202012Validator(schemas.plan_schema()).validate(saved.document(one))
        assert saved.plan_of(saved.document(one)) == one
