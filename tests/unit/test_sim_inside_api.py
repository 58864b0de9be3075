from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from fleet.sim.inside import answering, clusters, patching
from fleet.sim.inside.asking import NOBODY, READER, Request
from fleet.sim.inside.replying import Reply
from tests.rig.interiors import CONFIG, DEPLOYMENTS, MESH_CONFIG, NAMESPACE, Inside, inside

MESH = 'MeshConfig.config.openservicemesh.io "osm-mesh-config" is invalid: '
PODS = "/api/v1/pods"
SHOP = "/api/v1/namespaces/bookstore"


def said(reply: Reply) -> tuple[int, str, str]:
    document = reply.document or {}
    return reply.code, document.get("reason", ""), document.get("message", "")


def wrong(path: str, shown: str, what: str) -> str:
    return f"{MESH}{path}: Invalid value: {shown}: {path} in body {what}"


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        pytest.param(
            {"traffic": {"enableEgress": "true"}},
            wrong("spec.traffic.enableEgress", '"string"', 'must be of type boolean: "string"'),
            id="text for a flag",
        ),
        pytest.param(
            {"sidecar": {"maxDataPlaneConnections": True}},
            wrong(
                "spec.sidecar.maxDataPlaneConnections",
                '"boolean"',
                'must be of type integer: "boolean"',
            ),
            id="a flag for a number",
        ),
        pytest.param(
            {"traffic": {"outboundPortExclusionList": {}}},
            wrong(
                "spec.traffic.outboundPortExclusionList",
                '"object"',
                'must be of type array: "object"',
            ),
            id="a map for a list",
        ),
        pytest.param(
            {"traffic": {"inboundPortExclusionList": [80, 70000]}},
            wrong(
                "spec.traffic.inboundPortExclusionList[1]",
                "70000",
                "should be less than or equal to 65535",
            ),
            id="too high",
        ),
        pytest.param(
            {"traffic": {"inboundPortExclusionList": [0]}},
            wrong(
                "spec.traffic.inboundPortExclusionList[0]",
                "0",
                "should be greater than or equal to 1",
            ),
            id="too low",
        ),
        pytest.param(
            {"traffic": {"outboundIPRangeExclusionList": ["10.0.0.0"]}},
            wrong(
                "spec.traffic.outboundIPRangeExclusionList[0]",
                '"10.0.0.0"',
                r"should match '((?:\d{1,3}\.){3}\d{1,3})\/(\d{1,2})$'",
            ),
            id="no range",
        ),
        pytest.param(
            {"sidecar": {"localProxyMode": "Pod"}},
            f'{MESH}spec.sidecar.localProxyMode: Unsupported value: "Pod": supported values: '
            '"Localhost", "PodIP"',
            id="no such choice",
        ),
        pytest.param(
            {"certificate": {"certKeyBitSize": None}},
            f"{MESH}spec.certificate.certKeyBitSize: Required value",
            id="what is required",
        ),
        pytest.param(
            {"featureFlags": {"enableRetryPolicy": 1}, "traffic": {"enableEgress": "no"}},
            f"{MESH}[spec.featureFlags.enableRetryPolicy: Invalid value: "
            '"integer": spec.featureFlags.enableRetryPolicy in body must be of type boolean: '
            '"integer", spec.traffic.enableEgress: Invalid value: "string": '
            'spec.traffic.enableEgress in body must be of type boolean: "string"]',
            id="two at once",
        ),
    ],
)
def test_a_configuration_that_is_wrong_is_refused_in_the_servers_words(
    patch: dict[str, Any], message: str
) -> None:
    found = inside(installed="1.2.3")
    before = found.get(MESH_CONFIG)
    reply = found.patch(MESH_CONFIG, {"spec": patch})

    assert said(reply) == (422, "Invalid", message)
    assert found.get(MESH_CONFIG) == before


def test_a_refusal_names_the_field_and_what_is_wrong_with_it() -> None:
    found = inside(installed="1.2.3")
    reply = found.patch(MESH_CONFIG, {"spec": {"traffic": {"enableEgress": "x"}}})

    path = "spec.traffic.enableEgress"
    text = f'Invalid value: "string": {path} in body must be of type boolean: "string"'
    assert reply.document == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": f"{MESH}{path}: {text}",
        "reason": "Invalid",
        "details": {
            "name": "osm-mesh-config",
            "group": "config.openservicemesh.io",
            "kind": "MeshConfig",
            "causes": [{"reason": "FieldValueTypeInvalid", "message": text, "field": path}],
        },
        "code": 422,
    }


def test_unknown_fields_are_dropped_with_a_warning_or_refused_where_that_is_asked() -> None:
    found = inside(installed="1.2.3")
    before = found.get(MESH_CONFIG)
    patch = {"spec": {"traffic": {"enableEgres": True}}}
    reply = found.patch(MESH_CONFIG, patch)
    strict = found.patch(MESH_CONFIG, patch, fieldValidation="Strict")

    assert reply.document == before
    assert reply.headers == {"Warning": '299 - "unknown field \\"spec.traffic.enableEgres\\""'}
    assert said(strict)[:2] == (422, "Invalid")
    assert said(strict)[2].endswith(
        'strict decoding error: unknown field "spec.traffic.enableEgres"'
    )


def test_the_older_version_does_not_show_what_it_does_not_know() -> None:
    found = inside(installed="1.2.3")
    older = found.get(MESH_CONFIG.replace("v1alpha2", "v1alpha1"))

    assert older["apiVersion"] == "config.openservicemesh.io/v1alpha1"
    assert "localProxyMode" not in older["spec"]["sidecar"]
    assert found.get(MESH_CONFIG)["spec"]["sidecar"]["localProxyMode"] == "Localhost"


def test_a_dry_run_says_what_would_be_and_changes_nothing() -> None:
    found = inside(installed="1.2.3")
    before = found.get(MESH_CONFIG)
    patch = {"spec": {"traffic": {"enableEgress": False}}}
    reply = found.patch(MESH_CONFIG, patch, dryRun="All")

    assert (reply.document or {})["spec"]["traffic"]["enableEgress"] is False
    assert found.get(MESH_CONFIG) == before
    assert (
        said(found.patch(MESH_CONFIG, {"spec": {"sidecar": {"logLevel": "x"}}}, dryRun="All"))[0]
        == 422
    )


def test_a_write_that_builds_on_an_older_object_is_a_conflict() -> None:
    found = inside()
    version = found.get(MESH_CONFIG)["metadata"]["resourceVersion"]
    patch = {"spec": {"sidecar": {"logLevel": "debug"}}}
    assert found.patch(MESH_CONFIG, {"metadata": {"resourceVersion": version}, **patch}).code == 200
    reply = found.patch(
        MESH_CONFIG,
        {"metadata": {"resourceVersion": version}, "spec": {"sidecar": {"logLevel": "info"}}},
    )

    message = (
        'Operation cannot be fulfilled on meshconfigs.config.openservicemesh.io "osm-mesh-config": '
        "the object has been modified; please apply your changes to the latest version and try "
        "again"
    )
    assert said(reply) == (409, "Conflict", message)


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        pytest.param(
            "GET",
            f"{DEPLOYMENTS}/x",
            (404, "NotFound", 'deployments.apps "x" not found'),
            id="a deployment",
        ),
        pytest.param(
            "DELETE",
            "/api/v1/namespaces/x",
            (404, "NotFound", 'namespaces "x" not found'),
            id="a namespace",
        ),
        pytest.param(
            "PATCH",
            f"{CONFIG}/x",
            (404, "NotFound", 'meshconfigs.config.openservicemesh.io "x" not found'),
            id="a configuration",
        ),
    ],
)
def test_what_is_not_there_is_not_found(
    method: str, path: str, expected: tuple[int, str, str]
) -> None:
    body: Any = {} if method == "PATCH" else None

    assert said(inside().ask(path, method=method, body=body)) == expected


@pytest.mark.parametrize("path", ["/apis/example.com/v1/things", "/nowhere", "/api/v2/pods"])
def test_a_kind_of_a_group_that_is_not_served_is_not_found_in_plain_text(path: str) -> None:
    assert inside().ask(path) == Reply(code=404, text="404 page not found\n")


def test_a_kind_that_a_served_group_does_not_have_is_not_found_by_a_status() -> None:
    expected = (404, "NotFound", "the server could not find the requested resource")

    assert said(inside().ask("/apis/apps/v1/widgets")) == expected


def test_strangers_are_refused_and_those_who_may_not_are_told_what() -> None:
    found = inside()
    interior = clusters.interior(found.world, found.cluster_id)
    stranger = answering.reply(interior, Request(method="GET", path=PODS), found.now)
    patch: Any = {"spec": {}}

    assert said(stranger) == (401, "Unauthorized", "Unauthorized")
    assert said(found.ask(f"{DEPLOYMENTS}/osm-controller", user=NOBODY)) == (
        403,
        "Forbidden",
        (
            'deployments.apps "osm-controller" is forbidden: User "nobody" cannot get resource '
            f'"deployments" in API group "apps" in the namespace "{NAMESPACE}"'
        ),
    )
    assert said(found.ask("/api/v1/nodes", user=NOBODY)) == (
        403,
        "Forbidden",
        (
            'nodes is forbidden: User "nobody" cannot list resource "nodes" in API group "" at the '
            "cluster scope"
        ),
    )
    assert found.ask(MESH_CONFIG, user=READER).code == 200
    assert said(found.ask(MESH_CONFIG, method="PATCH", body=patch, user=READER)) == (
        403,
        "Forbidden",
        (
            'meshconfigs.config.openservicemesh.io "osm-mesh-config" is forbidden: User '
            '"system:serviceaccount:fleet:reader" cannot patch resource "meshconfigs" in API group '
            f'"config.openservicemesh.io" in the namespace "{NAMESPACE}"'
        ),
    )


def test_what_somebody_may_do_can_be_asked() -> None:
    found = inside()
    asked = {"verb": "patch", "group": "apps", "resource": "deployments"}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    body = {"spec": {"resourceAttributes": asked}}
    allowed = {
        user: (found.ask(path, method="POST", body=body, user=user).document or {})["status"]
        for user in ("admin", "reader", "nobody")
    }

    assert allowed == {
        "admin": {"allowed": True},
        "reader": {"allowed": False},
        "nobody": {"allowed": False},
    }


# --- lists -------------------------------------------------------------------------------


def pages(found: Inside, limit: int, **query: str) -> list[list[str]]:
    seen, token = [], ""
    while True:
        more = {"continue": token} if token else {}
        page = found.get(PODS, limit=str(limit), **query, **more)
        seen.append([one["metadata"]["name"] for one in page["items"]])
        token = page["metadata"].get("continue", "")
        if not token:
            return seen


def test_a_list_in_pages_is_the_whole_list() -> None:
    found = inside()
    whole = found.names(PODS)
    paged = pages(found, 4)

    assert [name for page in paged for name in page] == whole
    assert {len(page) for page in paged[:-1]} == {4}


def test_all_pages_are_of_the_moment_of_the_first() -> None:
    found = inside()
    path = "/api/v1/configmaps"
    shop = f"{SHOP}/configmaps"
    for name in ("a", "b", "c"):
        found.ask(shop, method="POST", body={"metadata": {"name": name}})
    whole = found.names(path)
    found.wait(seconds=1)
    first = found.get(path, limit="2")
    found.wait(seconds=1)
    found.ask(f"{shop}/c", method="DELETE")
    found.ask(shop, method="POST", body={"metadata": {"name": "d"}})
    rest = found.get(path, limit="9", **{"continue": first["metadata"]["continue"]})

    names = [one["metadata"]["name"] for page in (first, rest) for one in page["items"]]
    assert names == whole
    assert first["metadata"]["remainingItemCount"] == len(whole) - 2
    assert rest["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert found.names(shop) == ["a", "b", "d"]


def test_a_page_that_comes_too_late_is_gone_and_says_how_to_go_on() -> None:
    found = inside()
    whole = found.names(PODS)
    token = found.get(PODS, limit="3")["metadata"]["continue"]
    found.wait(hours=2)
    reply = found.ask(PODS, query={"limit": "500", "continue": token})

    code, reason, message = said(reply)
    assert (code, reason) == (410, "Expired")
    assert message.startswith("The provided continue parameter is too old to display a consistent")
    fresh = (reply.document or {})["metadata"]["continue"]
    assert found.names(PODS, **{"continue": fresh}) == whole[3:]


def test_a_token_is_opaque_and_another_one_is_refused() -> None:
    found = inside()
    token = base64.urlsafe_b64encode(json.dumps({"rv": "x"}).encode()).decode()

    assert said(found.ask(PODS, query={"continue": token})) == (
        400,
        "BadRequest",
        "invalid continue token: continue key is not valid: unable to decode",
    )


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        pytest.param("app=osm-injector", ["osm-injector"], id="equal"),
        pytest.param(
            "app in (osm-injector, osm-controller)", ["osm-controller", "osm-injector"], id="one of"
        ),
        pytest.param(
            "app notin (osm-injector,osm-controller,osm-bootstrap)",
            ["osm-metrics-agent"],
            id="none of",
        ),
        pytest.param("enforceSingleMesh", ["osm-controller"], id="there"),
        pytest.param("!meshName", ["osm-metrics-agent"], id="not there"),
        pytest.param(
            "meshName=osm,app!=osm-bootstrap", ["osm-controller", "osm-injector"], id="several"
        ),
    ],
)
def test_labels_select(selector: str, names: list[str]) -> None:
    assert inside().names(DEPLOYMENTS, labelSelector=selector) == names


def test_fields_select_names_and_no_others() -> None:
    found = inside()

    assert found.names(DEPLOYMENTS, fieldSelector="metadata.name=osm-injector") == ["osm-injector"]
    assert said(found.ask(DEPLOYMENTS, query={"fieldSelector": "spec.replicas=1"})) == (
        400,
        "BadRequest",
        "field label not supported: spec.replicas",
    )


# --- creating, deleting, other patches ---------------------------------------------------


def test_a_name_that_is_taken_cannot_be_made_again() -> None:
    found = inside()
    body = {"metadata": {"name": "one"}, "data": {"a": "1"}}
    path = f"{SHOP}/configmaps"

    made = found.ask(path, method="POST", body=body)
    assert made.code == 201
    assert found.get(f"{path}/one") == made.document
    assert said(found.ask(path, method="POST", body=body)) == (
        409,
        "AlreadyExists",
        'configmaps "one" already exists',
    )
    assert said(found.ask("/api/v1/namespaces/nowhere/configmaps", method="POST", body=body)) == (
        404,
        "NotFound",
        'namespaces "nowhere" not found',
    )


def test_what_is_deleted_is_gone_and_may_be_made_anew() -> None:
    found = inside()
    found.ask(MESH_CONFIG, method="DELETE")
    assert found.ask(MESH_CONFIG).code == 404
    body = {
        "metadata": {"name": "osm-mesh-config"},
        "spec": {"certificate": {"serviceCertValidityDuration": "1h", "certKeyBitSize": 2048}},
    }
    assert found.ask(CONFIG, method="POST", body=body).code == 201
    found.patch(MESH_CONFIG, {"spec": {"sidecar": {"logLevel": "info"}}})

    assert found.get(MESH_CONFIG)["spec"] == {
        "certificate": {"serviceCertValidityDuration": "1h", "certKeyBitSize": 2048},
        "sidecar": {
            "logLevel": "info",
            "tlsMinProtocolVersion": "TLSv1_2",
            "tlsMaxProtocolVersion": "TLSv1_3",
            "localProxyMode": "Localhost",
        },
    }


def test_a_patch_that_changes_nothing_leaves_the_version() -> None:
    found = inside()
    before = found.get(MESH_CONFIG)
    found.wait(minutes=1)

    assert found.patch(MESH_CONFIG, {"spec": {"traffic": {}}}).document == before


def test_patches_come_in_forms_and_not_all_are_taken_everywhere() -> None:
    found = inside()
    label = "openservicemesh.io/monitored-by"
    steps = [
        {"op": "add", "path": "/metadata/labels/openservicemesh.io~1monitored-by", "value": "x"}
    ]
    path = "/api/v1/namespaces/kube-public"
    by_steps = found.ask(path, method="PATCH", body=steps, form=patching.JSON)
    by_strategy = found.ask(
        path, method="PATCH", body={"metadata": {"labels": {label: None}}}, form=patching.STRATEGIC
    )
    refused = found.ask(MESH_CONFIG, method="PATCH", body={}, form=patching.STRATEGIC)

    assert (by_steps.document or {})["metadata"]["labels"][label] == "x"
    assert label not in (by_strategy.document or {})["metadata"]["labels"]
    assert said(refused) == (
        415,
        "UnsupportedMediaType",
        (
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json-patch+json, application/merge-patch+json, "
            "application/apply-patch+yaml"
        ),
    )


def test_a_new_pod_in_a_meshed_namespace_gets_a_sidecar_and_elsewhere_none() -> None:
    found = inside(installed="1.2.6")
    pod = {"metadata": {"name": "probe"}, "spec": {"containers": [{"name": "a", "image": "b"}]}}

    def containers(namespace: str) -> list[str]:
        path = f"/api/v1/namespaces/{namespace}/pods"
        reply = found.ask(path, method="POST", body=pod, query={"dryRun": "All"})
        return [one["name"] for one in (reply.document or {})["spec"]["containers"]]

    assert containers("bookstore") == ["a", "envoy"]
    assert containers("default") == ["a"]
    assert "probe" not in found.names(f"{SHOP}/pods")


def test_where_the_injector_is_away_pods_cannot_be_made() -> None:
    breaks = [{"cluster": "store-0001-a", "breaks": ["injector-no-endpoints"]}]
    found = inside(installed="1.2.6", overrides=breaks)
    pod = {"metadata": {"name": "probe"}, "spec": {"containers": []}}

    assert said(found.ask(f"{SHOP}/pods", method="POST", body=pod)) == (
        500,
        "InternalError",
        (
            'Internal error occurred: failed calling webhook "osm-inject.k8s.io": failed to call '
            f'webhook: Post "https://osm-injector.{NAMESPACE}.svc:9090/mutate-pod-creation?timeout='
            '20s": no endpoints available for service "osm-injector"'
        ),
    )


# --- watching and what the server tells of itself ----------------------------------------


def test_a_watch_tells_what_has_changed_since_a_list() -> None:
    found = inside()
    path = f"{SHOP}/configmaps"
    found.ask(path, method="POST", body={"metadata": {"name": "a"}})
    version = found.get(path)["metadata"]["resourceVersion"]
    found.wait(seconds=1)
    found.ask(path, method="POST", body={"metadata": {"name": "b"}})
    watch = found.ask(path, query={"watch": "true", "resourceVersion": version}).watch
    assert watch is not None
    first = list(watch.news(found.now))
    found.wait(seconds=1)
    found.patch(f"{path}/b", {"data": {"k": "v"}})
    second = list(watch.news(found.now))
    found.ask(f"{path}/a", method="DELETE")
    third = list(watch.news(found.now))

    events = [
        [(one["type"], one["object"]["metadata"]["name"]) for one in part]
        for part in (first, second, third)
    ]
    assert events == [[("ADDED", "b")], [("MODIFIED", "b")], [("DELETED", "a")]]
    assert list(watch.news(found.now)) == []


def test_a_watch_from_a_moment_that_is_forgotten_is_refused() -> None:
    found = inside()
    version = found.get(PODS)["metadata"]["resourceVersion"]
    found.wait(hours=3)
    reply = found.ask(PODS, query={"watch": "1", "resourceVersion": version})

    code, reason, message = said(reply)
    assert (code, reason) == (410, "Expired")
    assert message.startswith(f"too old resource version: {version} (")


def test_the_server_tells_its_version_its_groups_and_that_it_is_well() -> None:
    found = inside()

    assert found.ask("/readyz").text == "ok"
    version = found.world.cluster(found.cluster_id, found.now).kubernetes_version
    assert found.get("/version")["gitVersion"] == f"v{version}"
    assert found.get("/api")["versions"] == ["v1"]
    groups = {one["name"] for one in found.get("/apis")["groups"]}
    assert {"apps", "config.openservicemesh.io", "policy.openservicemesh.io"} <= groups
    kinds = {
        one["name"] for one in found.get("/apis/config.openservicemesh.io/v1alpha2")["resources"]
    }
    assert kinds == {"meshconfigs", "multiclusterservices"}
    bare = inside(installed="absent")
    assert "config.openservicemesh.io" not in {one["name"] for one in bare.get("/apis")["groups"]}
