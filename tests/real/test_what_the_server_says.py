"""What people are shown of a refusal, as the API server itself says it."""

from __future__ import annotations

from tests.rig import charted
from tests.rig.charted import Objects
from tests.rig.serving import Caller
from tests.rig.settling import MERGE, Holder, path

ENGLISH = (
    'spec.traffic.enableEgress: Invalid value: "string": '
    'spec.traffic.enableEgress in body must be of type boolean: "string"'
)
"""Source: the tutorial of Azure Arc-enabled Open Service Mesh, on wrong values of MeshConfig."""


def mesh_config(healthy: Objects) -> str:
    (found,) = [at for at in healthy if at.kind == "MeshConfig"]
    return path(found)


async def test_a_wrong_value_is_refused_in_the_words_of_the_tutorial(
    holder: Holder, admin: Caller, healthy: Objects
) -> None:
    patch = {"spec": {"traffic": {"enableEgress": "no"}}}
    heard = await admin.send("PATCH", mesh_config(healthy), body=patch, headers=MERGE)

    assert heard.status == 422
    said = f'MeshConfig.config.openservicemesh.io "osm-mesh-config" is invalid: {ENGLISH}'
    assert heard.json["message"] == said


async def test_the_server_holds_what_the_chart_installs(
    holder: Holder, admin: Caller, healthy: Objects
) -> None:
    for at, one in healthy.items():
        heard = await admin.get(path(at))
        assert heard.status == 200, at
        assert heard.json["metadata"].get("labels", {}) == one["metadata"].get("labels", {})
    assert {at.kind for at in healthy} >= {"MeshConfig", "Pod", "CustomResourceDefinition"}
    assert charted.VERSION == "1.2.6"
