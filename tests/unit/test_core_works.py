"""What is left to do inside a cluster, by what was seen there."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.core import works
from fleet.core.works import meshconfig, monitoring, namespaces, orphans, privileged
from fleet.core.works.namespaces import INJECTION, METRICS, MONITORED_BY, NAMESPACES, PODS
from fleet.model.inside import Work, WorkKind
from fleet.model.objects import Edit, EditKind, Object, Resource
from tests.rig.insides import Inside, namespace

ALPHA_2 = Resource("config.openservicemesh.io", "v1alpha2", "meshconfigs")
ALPHA_1 = Resource("config.openservicemesh.io", "v1alpha1", "meshconfigs")
SPEC = {
    "sidecar": {"logLevel": "error", "maxDataPlaneConnections": 0},
    "traffic": {"enableEgress": True, "outboundPortExclusionList": [6379]},
}
STEP = "step-1"
MESHED = {MONITORED_BY: "osm"}
INJECTED = {INJECTION: "enabled"}


def left(work: Work, inside: Inside) -> tuple[Edit, ...]:
    return works.edits(work, inside.see(works.wants(work)), token=STEP)


def done(work: Work, inside: Inside) -> tuple[Edit, ...]:
    """Do what is left; return what is left after that."""
    inside.do(left(work, inside))
    return left(work, inside)


def changes(work: Work, inside: Inside) -> works.Changes:
    return works.changes(work, inside.see(works.wants(work)))


def back(work: Work, inside: Inside) -> Work | None:
    return works.undo(work, inside.see(works.wants(work)))


def blocked(work: Work, inside: Inside) -> str:
    return works.blocked(work, inside.see(works.wants(work)))


def pending(work: Work, inside: Inside) -> str:
    return works.pending(work, inside.see(works.wants(work)), token=STEP)


# --- a mesh's configuration --------------------------------------------------------------


def mesh(spec: Object = SPEC, *, resource: Resource = ALPHA_2) -> tuple[Resource, Object]:
    where = {"name": "osm-mesh-config", "namespace": "arc-osm-system"}
    return resource, {"metadata": where, "spec": spec}


def configured(patch: str) -> Work:
    return Work(kind=WorkKind.MESH_CONFIG, patch=patch)


CONFIGURED = configured(
    '{"observability":{"tracing":{"enable":false}},"sidecar":{"logLevel":"info"},'
    '"traffic":{"enableEgress":false,"outboundPortExclusionList":[6379]}}'
)


def test_patches_only_the_fields_of_the_mesh_that_differ() -> None:
    inside = Inside(mesh())

    assert left(CONFIGURED, inside) == (
        Edit(
            kind=EditKind.MERGE,
            resource=ALPHA_2,
            name="osm-mesh-config",
            namespace="arc-osm-system",
            body={
                "spec": {
                    "observability": {"tracing": {"enable": False}},
                    "sidecar": {"logLevel": "info"},
                    "traffic": {"enableEgress": False},
                }
            },
        ),
    )
    assert changes(CONFIGURED, inside) == (
        ("meshConfig.observability.tracing.enable", None, "false"),
        ("meshConfig.sidecar.logLevel", "error", "info"),
        ("meshConfig.traffic.enableEgress", "true", "false"),
    )
    assert back(CONFIGURED, inside) == configured(
        '{"observability":null,"sidecar":{"logLevel":"error"},"traffic":{"enableEgress":true}}'
    )
    assert done(CONFIGURED, inside) == ()
    assert pending(CONFIGURED, inside) == ""


def test_speaks_to_an_old_mesh_in_the_only_version_that_it_serves() -> None:
    inside = Inside(mesh(resource=ALPHA_1))

    assert [one.resource for one in left(CONFIGURED, inside)] == [ALPHA_1]


def test_prefers_the_version_that_is_stored() -> None:
    inside = Inside(mesh(resource=ALPHA_1), mesh())

    assert [one.resource for one in left(CONFIGURED, inside)] == [ALPHA_2]


def test_does_not_send_what_an_old_mesh_would_drop_without_a_word() -> None:
    work = configured('{"sidecar":{"cipherSuites":["x"],"localProxyMode":"PodIP"}}')
    inside = Inside(mesh(resource=ALPHA_1))

    assert blocked(work, inside) == (
        "this cluster's MeshConfig has no sidecar.cipherSuites and no sidecar.localProxyMode: "
        "the mesh is older than 1.1"
    )
    assert left(work, inside) == ()
    # What was not there before it, an old mesh need not know either.
    assert blocked(configured('{"sidecar":{"localProxyMode":null}}'), inside) == ""


def test_says_what_is_missing_where_there_is_no_mesh() -> None:
    assert blocked(CONFIGURED, Inside()) == (
        "there is no MeshConfig osm-mesh-config in arc-osm-system: the mesh is not up"
    )
    assert left(CONFIGURED, Inside()) == ()
    assert back(CONFIGURED, Inside()) is None
    # What a new mesh will be told is known before there is one.
    assert [path for path, _, _ in changes(CONFIGURED, Inside())] == [
        "meshConfig.observability.tracing.enable",
        "meshConfig.sidecar.logLevel",
        "meshConfig.traffic.enableEgress",
        "meshConfig.traffic.outboundPortExclusionList",
    ]


def test_takes_a_truth_and_a_one_for_two_things() -> None:
    work = configured('{"traffic":{"enableEgress":true}}')

    assert left(work, Inside(mesh({"traffic": {"enableEgress": 1}}))) != ()


@pytest.mark.parametrize(
    ("work", "plural", "called"),
    [
        (CONFIGURED, "meshconfigs", "meshconfigs osm-mesh-config in arc-osm-system"),
        (Work(kind=WorkKind.NAMESPACES, add=("shop",)), "namespaces", "namespaces shop"),
        (
            Work(kind=WorkKind.MONITORING, add=("shop",)),
            "configmaps",
            "configmaps container-azm-ms-osmconfig in kube-system",
        ),
        (Work(kind=WorkKind.RESTART), "pods", "pods"),
        (Work(kind=WorkKind.ORPHANS), "services", "services in arc-osm-system"),
        (
            Work(kind=WorkKind.PRIVILEGED, add=("shop",)),
            "securitycontextconstraints",
            "securitycontextconstraints privileged",
        ),
    ],
    ids=lambda one: one.kind.value if isinstance(one, Work) else None,
)
def test_does_nothing_where_something_may_not_be_read(work: Work, plural: str, called: str) -> None:
    inside = Inside()
    inside.errors[plural] = "alice may not"

    assert blocked(work, inside) == f"{called} cannot be read: alice may not"
    assert left(work, inside) == ()


# --- namespaces --------------------------------------------------------------------------


def pod(
    name: str,
    *,
    place: str = "shop",
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    phase: str = "Running",
    **metadata: Any,
) -> tuple[Resource, Object]:
    return PODS, {
        "metadata": {
            "name": name,
            "namespace": place,
            "labels": {"osm-proxy-uuid": "1"} if labels is None else labels,
            "annotations": annotations or {},
            **metadata,
        },
        "status": {"phase": phase},
    }


def merge(resource: Resource, name: str, place: str | None, **metadata: Any) -> Edit:
    return Edit(
        kind=EditKind.MERGE,
        resource=resource,
        name=name,
        namespace=place,
        body={"metadata": metadata},
    )


def test_joins_and_leaves_as_the_tool_of_the_mesh_does() -> None:
    work = Work(kind=WorkKind.NAMESPACES, add=("shop", "cart"), remove=("old", "never"))
    was = {**INJECTED, METRICS: "enabled"}
    inside = Inside(
        (NAMESPACES, namespace("shop")),
        (NAMESPACES, namespace("cart", labels=MESHED, annotations={INJECTION: "Yes"})),
        (NAMESPACES, namespace("old", labels=MESHED, annotations=was)),
        (NAMESPACES, namespace("never", annotations=was)),
    )

    assert left(work, inside) == (
        merge(
            NAMESPACES,
            "old",
            None,
            labels={MONITORED_BY: None},
            annotations={INJECTION: None, METRICS: None},
        ),
        merge(NAMESPACES, "shop", None, labels=MESHED, annotations=INJECTED),
    )
    assert changes(work, inside) == (
        ("namespaces.old.openservicemesh.io/monitored-by", "osm", None),
        ("namespaces.old.openservicemesh.io/sidecar-injection", "enabled", None),
        ("namespaces.old.openservicemesh.io/metrics", "enabled", None),
        ("namespaces.shop.openservicemesh.io/monitored-by", None, "osm"),
        ("namespaces.shop.openservicemesh.io/sidecar-injection", None, "enabled"),
    )
    assert done(work, inside) == ()
    assert pending(work, inside) == ""


def test_has_the_pods_scraped_that_have_a_sidecar_already() -> None:
    work = Work(kind=WorkKind.NAMESPACES, metrics=("shop",), no_metrics=("cart",))
    scraped = dict(namespaces.SCRAPING)
    inside = Inside(
        (NAMESPACES, namespace("shop", labels=MESHED)),
        (NAMESPACES, namespace("cart", labels=MESHED, annotations={METRICS: "enabled"})),
        pod("a", annotations={"prometheus.io/port": "8080"}),
        pod("b", annotations=scraped),
        pod("no-sidecar", labels={}),
        pod("over", phase="Succeeded"),
        pod("going", deletionTimestamp="2026-01-01T00:00:00Z"),
        pod("c", place="cart", annotations=scraped),
        pod("its-own", place="cart", annotations={"prometheus.io/scrape": "true"}),
    )

    assert left(work, inside) == (
        merge(NAMESPACES, "cart", None, annotations={METRICS: None}),
        merge(NAMESPACES, "shop", None, annotations={METRICS: "enabled"}),
        merge(PODS, "a", "shop", annotations=scraped),
        merge(PODS, "c", "cart", annotations=dict.fromkeys(scraped)),
    )
    assert done(work, inside) == ()


@pytest.mark.parametrize(
    ("work", "why"),
    [
        (Work(kind=WorkKind.NAMESPACES, add=("no",)), "the namespace no does not exist"),
        (Work(kind=WorkKind.NAMESPACES, metrics=("no",)), "the namespace no does not exist"),
        (Work(kind=WorkKind.NAMESPACES, add=("going",)), "the namespace going is being deleted"),
        (
            Work(kind=WorkKind.NAMESPACES, add=("kube-system", "arc-osm-system", "azure-arc")),
            (
                "the namespace arc-osm-system cannot be in a mesh; "
                "the namespace azure-arc cannot be in a mesh; "
                "the namespace kube-system cannot be in a mesh"
            ),
        ),
        (
            Work(kind=WorkKind.NAMESPACES, add=("ignored",)),
            "the namespace ignored has the label openservicemesh.io/ignore: meshes leave it alone",
        ),
        (
            Work(kind=WorkKind.NAMESPACES, add=("theirs",)),
            "the namespace theirs is in the mesh other",
        ),
        (
            Work(kind=WorkKind.NAMESPACES, metrics=("plain",)),
            "the namespace plain is not in the mesh osm: it has no sidecars to scrape",
        ),
        (Work(kind=WorkKind.NAMESPACES, add=("plain",), metrics=("plain",)), ""),
        (Work(kind=WorkKind.NAMESPACES, remove=("no", "theirs"), no_metrics=("no",)), ""),
    ],
    ids=range(9),
)
def test_refuses_namespaces_that_no_mesh_may_have(work: Work, why: str) -> None:
    inside = Inside(
        (NAMESPACES, namespace("plain")),
        (NAMESPACES, namespace("kube-system")),
        (NAMESPACES, namespace("ignored", labels={namespaces.IGNORE: "true"})),
        (NAMESPACES, namespace("theirs", labels={MONITORED_BY: "other"})),
        (NAMESPACES, {**namespace("going"), "status": {"phase": "Terminating"}}),
    )

    assert blocked(work, inside) == why
    assert (left(work, inside) == ()) is bool(why) or work.remove


# --- what Azure Monitor reads ------------------------------------------------------------

TEXT = """\
# OSM metric collection settings
[osm_metric_collection_configuration.settings]
    # Namespaces to monitor
    monitor_namespaces = ["theirs", # of the other team
      'old']
"""
MONITORED = Work(kind=WorkKind.MONITORING, add=("shop", "theirs"), remove=("old",))


def config_map(**data: str) -> tuple[Resource, Object]:
    where = {"name": "container-azm-ms-osmconfig", "namespace": "kube-system"}
    named = {key.replace("_", "-"): value for key, value in data.items()}
    return monitoring.CONFIG_MAPS, {"metadata": where, "data": named}


def as_read(text: str, **more: str) -> tuple[Resource, Object]:
    return config_map(osm_metric_collection_configuration=text, **{"schema_version": "v1", **more})


def test_adds_to_the_list_that_the_agent_reads_and_keeps_all_else() -> None:
    inside = Inside(as_read(TEXT, config_version="theirs-2"))

    (edit,) = left(MONITORED, inside)

    assert edit.kind is EditKind.MERGE
    assert edit.body == {
        "data": {
            "osm-metric-collection-configuration": """\
# OSM metric collection settings
[osm_metric_collection_configuration.settings]
    # Namespaces to monitor
    monitor_namespaces = ["theirs", "shop", # of the other team
      ]
"""
        }
    }
    assert changes(MONITORED, inside) == (
        ("monitoring.namespaces", '["theirs","old"]', '["theirs","shop"]'),
    )
    assert back(MONITORED, inside) == Work(kind=WorkKind.MONITORING, add=("old",), remove=("shop",))
    assert done(MONITORED, inside) == ()
    assert pending(MONITORED, inside) == ""


def test_makes_the_config_map_that_the_agent_wants() -> None:
    assert left(MONITORED, Inside()) == (
        Edit(
            kind=EditKind.CREATE,
            resource=Resource("", "v1", "configmaps"),
            name="container-azm-ms-osmconfig",
            namespace="kube-system",
            body={
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "container-azm-ms-osmconfig", "namespace": "kube-system"},
                "data": {
                    "schema-version": "v1",
                    "config-version": "ver1",
                    "osm-metric-collection-configuration": (
                        "# OSM metric collection settings\n"
                        "[osm_metric_collection_configuration.settings]\n"
                        '    monitor_namespaces = ["shop", "theirs"]\n'
                    ),
                },
            },
        ),
    )
    assert changes(MONITORED, Inside()) == (("monitoring.namespaces", None, '["shop","theirs"]'),)
    assert done(MONITORED, Inside()) == ()


def test_says_the_schema_where_nobody_did() -> None:
    inside = Inside(config_map(osm_metric_collection_configuration=TEXT))

    same = Work(kind=WorkKind.MONITORING, add=("theirs",))

    assert left(MONITORED, inside)[0].body["data"]["schema-version"] == "v1"
    assert [one.body for one in left(same, inside)] == [{"data": {"schema-version": "v1"}}]
    assert changes(same, inside) == (("monitoring.schema-version", None, "v1"),)
    assert done(same, inside) == ()


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (
            as_read("[osm_metric_collection_configuration.settings\n"),
            (
                "cannot be changed: it is no valid TOML: expected ']' at the end of a table "
                "declaration (at line 1, column 46)"
            ),
        ),
        (
            as_read("[osm_metric_collection_configuration.settings]\nmonitor_namespaces = 'x'"),
            (
                "cannot be changed: osm_metric_collection_configuration.settings."
                "monitor_namespaces is no list of texts"
            ),
        ),
        (
            as_read("osm_metric_collection_configuration = {settings = {}}"),
            (
                "cannot be changed: osm_metric_collection_configuration.settings."
                "monitor_namespaces is written in a way that cannot be changed without the rest"
            ),
        ),
        (
            as_read(TEXT, schema_version="v2"),
            "has the schema version v2, and the agent reads v1 only",
        ),
    ],
    ids=["no TOML", "no list", "inline tables", "another schema"],
)
def test_leaves_alone_what_it_cannot_change_with_care(
    found: tuple[Resource, Object], why: str
) -> None:
    inside = Inside(found)

    assert blocked(MONITORED, inside) == f"the ConfigMap container-azm-ms-osmconfig {why}"
    assert left(MONITORED, inside) == ()


# --- OpenShift ---------------------------------------------------------------------------

RBAC = "rbac.authorization.k8s.io"
SCC = (
    Resource("security.openshift.io", "v1", "securitycontextconstraints"),
    {"metadata": {"name": "privileged"}},
)
ROLE = (
    Resource(RBAC, "v1", "clusterroles"),
    {"metadata": {"name": "system:openshift:scc:privileged"}},
)
PRIVILEGED = Work(kind=WorkKind.PRIVILEGED, add=("shop", "cart/web", "cart/job"))
GROUP = {"kind": "Group", "apiGroup": RBAC, "name": "system:serviceaccounts:shop"}


def account(name: str, place: str = "cart") -> Object:
    return {"kind": "ServiceAccount", "name": name, "namespace": place}


def binding(name: str, place: str, *subjects: Object, role: str = privileged.ROLE) -> Any:
    ref = {"apiGroup": RBAC, "kind": "ClusterRole", "name": role}
    return privileged.BINDINGS, {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": name, "namespace": place},
        "roleRef": ref,
        "subjects": list(subjects),
    }


SHOPS = ((NAMESPACES, namespace("shop")), (NAMESPACES, namespace("cart")))


def test_binds_the_privileged_role_where_nobody_did() -> None:
    # As `oc adm policy add-scc-to-user privileged -z web -n cart` leaves it.
    by_hand = binding("system:openshift:scc:privileged", "cart", account("web"))
    inside = Inside(SCC, ROLE, *SHOPS, by_hand)

    assert left(PRIVILEGED, inside) == tuple(
        Edit(
            kind=EditKind.CREATE,
            resource=privileged.BINDINGS,
            name="openservicemesh-privileged",
            namespace=place,
            body=binding("openservicemesh-privileged", place, subject)[1],
        )
        for place, subject in (("cart", account("job")), ("shop", GROUP))
    )
    assert changes(PRIVILEGED, inside) == (
        ("privileged.shop", None, "bound"),
        ("privileged.cart/job", None, "bound"),
    )
    assert back(PRIVILEGED, inside) == Work(kind=WorkKind.PRIVILEGED, remove=("shop", "cart/job"))
    assert done(PRIVILEGED, inside) == ()
    assert pending(PRIVILEGED, inside) == ""


def test_adds_to_its_own_binding_and_takes_out_of_it() -> None:
    own = binding(privileged.BINDING, "cart", account("web"), account("old"))
    inside = Inside(SCC, ROLE, *SHOPS, own)
    work = Work(kind=WorkKind.PRIVILEGED, add=("cart/job",), remove=("cart/old",))

    assert [one.body for one in left(work, inside)] == [
        {"subjects": [account("web"), account("job")]}
    ]
    gone = Work(kind=WorkKind.PRIVILEGED, remove=("cart/web", "cart/old"))
    assert [one.kind for one in left(gone, inside)] == [EditKind.DELETE]


def test_a_group_that_has_it_has_it_for_each_of_its_accounts() -> None:
    group = {**GROUP, "name": "system:serviceaccounts:cart"}
    inside = Inside(SCC, ROLE, *SHOPS, binding("theirs", "cart", group))

    assert [one.namespace for one in left(PRIVILEGED, inside)] == ["shop"]


def test_has_nothing_to_do_where_the_cluster_is_no_openshift() -> None:
    inside = Inside(*SHOPS)

    assert blocked(PRIVILEGED, inside) == ""
    assert left(PRIVILEGED, inside) == ()
    assert changes(PRIVILEGED, inside) == ()
    assert back(PRIVILEGED, inside) is None


def test_says_what_openshift_lacks() -> None:
    wrong = binding(privileged.BINDING, "cart", role="admin")

    assert blocked(PRIVILEGED, Inside(SCC, SHOPS[1], wrong)) == (
        "the role binding openservicemesh-privileged in cart grants admin, not "
        "system:openshift:scc:privileged; the namespace shop does not exist"
    )


def test_makes_the_role_that_older_releases_of_openshift_do_not_have() -> None:
    inside = Inside(SCC, *SHOPS)
    work = Work(kind=WorkKind.PRIVILEGED, add=("shop",))

    role, binding = left(work, inside)

    rule = {
        "apiGroups": ["security.openshift.io"],
        "resources": ["securitycontextconstraints"],
        "resourceNames": ["privileged"],
        "verbs": ["use"],
    }
    assert (role.kind, role.resource, role.body["rules"]) == (EditKind.CREATE, ROLE[0], [rule])
    assert binding.namespace == "shop"
    assert [path for path, _, _ in changes(work, inside)] == [
        "privileged.system:openshift:scc:privileged",
        "privileged.shop",
    ]
    assert back(work, inside) == Work(kind=WorkKind.PRIVILEGED, remove=("shop",))
    assert done(work, inside) == ()


# --- what an uninstall leaves ------------------------------------------------------------

ORPHANS = Work(kind=WorkKind.ORPHANS)


def hook(resource: Resource, name: str, *services: str, place: str = "arc-osm-system") -> Any:
    calls = [{"clientConfig": {"service": {"namespace": place, "name": s}}} for s in services]
    return resource, {"metadata": {"name": name}, "webhooks": calls}


def test_removes_webhooks_that_nobody_answers() -> None:
    inside = Inside(
        hook(orphans.MUTATING, "arc-osm-webhook-osm", "osm-injector"),
        hook(orphans.VALIDATING, "osm-validator-mesh-osm", "osm-validator"),
        hook(orphans.MUTATING, "theirs", "nobody"),
    )

    assert left(ORPHANS, inside) == (
        Edit(kind=EditKind.DELETE, resource=orphans.MUTATING, name="arc-osm-webhook-osm"),
        Edit(kind=EditKind.DELETE, resource=orphans.VALIDATING, name="osm-validator-mesh-osm"),
    )
    assert changes(ORPHANS, inside) == (
        ("orphans.arc-osm-webhook-osm", "present", None),
        ("orphans.osm-validator-mesh-osm", "present", None),
    )
    assert back(ORPHANS, inside) is None
    assert done(ORPHANS, inside) == ()
    assert pending(ORPHANS, inside) == ""


def test_waits_while_the_uninstall_goes_on_inside() -> None:
    service = {"metadata": {"name": "osm-injector", "namespace": "arc-osm-system"}}
    inside = Inside(
        hook(orphans.MUTATING, "arc-osm-webhook-osm", "osm-injector"),
        (orphans.SERVICES, service),
    )

    assert left(ORPHANS, inside) == ()
    assert pending(ORPHANS, inside) == (
        "arc-osm-webhook-osm is still there, and so is its service osm-injector"
    )


@pytest.mark.parametrize(
    "found",
    [
        hook(orphans.MUTATING, "arc-osm-webhook-osm", "osm-injector", place="osm-system"),
        hook(orphans.MUTATING, "arc-osm-webhook-osm"),
        (
            orphans.MUTATING,
            {
                "metadata": {"name": "arc-osm-webhook-osm"},
                "webhooks": [{"clientConfig": {"url": "https://example.org"}}],
            },
        ),
    ],
    ids=["of another namespace", "without a webhook", "at an address"],
)
def test_leaves_webhooks_that_are_not_the_meshs(found: tuple[Resource, Object]) -> None:
    assert left(ORPHANS, Inside(found)) == ()
    assert pending(ORPHANS, Inside(found)) == ""


def test_every_kind_of_work_is_known() -> None:
    for kind in WorkKind:
        assert works.wants(Work(kind=kind)) or kind is WorkKind.NAMESPACES


def test_reads_a_version_of_the_mesh_that_is_served() -> None:
    assert [one.resource.version for one in meshconfig.wants(CONFIGURED)] == [
        "v1alpha2",
        "v1alpha1",
    ]
