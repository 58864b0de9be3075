"""One conversation with the API of a cluster, to be had with several servers and compared.

It begins by making all that it is about, in namespaces of its own, so that it goes the same way
whatever else a server holds; what it makes of the cluster as a whole it removes at the end.

Shapes:  :data:`TALK` are requests in order; :mod:`tests.rig.talking` holds them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

CORE = "/api/v1"
MESH = "/apis/config.openservicemesh.io/v1alpha2"
APPS = "/apis/apps/v1"
HOOKS = "/apis/admissionregistration.k8s.io/v1"
HOME = f"{CORE}/namespaces/talk"
_MERGE = "application/merge-patch+json"
_STRATEGIC = "application/strategic-merge-patch+json"

Json = Mapping[str, Any]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request."""

    name: str
    """What it is about."""
    method: str
    path: str
    """With ``<name>`` for what an earlier answer said of a list."""
    body: Any = None
    """JSON; text is sent as it is."""
    content: str = "application/json"
    who: str = "admin"
    """Or ``nobody`` (without a token), or ``unknown`` (with one that is none)."""


def get(name: str, path: str, **rest: Any) -> Request:
    return Request(name=name, method="GET", path=path, **rest)


def merge(name: str, path: str, body: Any, **rest: Any) -> Request:
    content = rest.pop("content", _MERGE)
    return Request(name=name, method="PATCH", path=path, body=body, content=content, **rest)


def post(name: str, path: str, body: Any, **rest: Any) -> Request:
    return Request(name=name, method="POST", path=path, body=body, **rest)


def put(name: str, path: str, body: Any, **rest: Any) -> Request:
    return Request(name=name, method="PUT", path=path, body=body, **rest)


def delete(name: str, path: str, body: Any = None, **rest: Any) -> Request:
    return Request(name=name, method="DELETE", path=path, body=body, **rest)


# --- what it is about -----------------------------------------------------------------------------


def thing(version: str, kind: str, name: str, **rest: Any) -> dict[str, Any]:
    """Return an object."""
    about = {"name": name, **rest.pop("metadata", {})}
    return {"apiVersion": version, "kind": kind, "metadata": about, **rest}


def config(name: str, **data: str) -> dict[str, Any]:
    """Return a ConfigMap."""
    return thing("v1", "ConfigMap", name, data=data)


def mesh(name: str, **spec: Any) -> dict[str, Any]:
    """Return the configuration of a mesh, with what it cannot be without."""
    needed = {"certificate": {"serviceCertValidityDuration": "24h", "certKeyBitSize": 2048}}
    return thing(MESH[6:], "MeshConfig", name, spec={**needed, **spec})


def named(name: str, **labels: str) -> dict[str, Any]:
    """Return a namespace."""
    return thing("v1", "Namespace", name, metadata={"labels": labels} if labels else {})


def deployment(name: str) -> dict[str, Any]:
    """Return a deployment of one pod."""
    labels = {"app": name}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": name, "image": "books:1"}]},
    }
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    return thing("apps/v1", "Deployment", name, metadata={"labels": labels}, spec=spec)


def webhook(name: str) -> dict[str, Any]:
    """Return the configuration of a webhook that is asked nothing."""
    one = {
        "name": "talk.example.com",
        "clientConfig": {"service": {"name": "none", "namespace": "talk", "path": "/x"}},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    labels = {"app": "talk"}
    version = "admissionregistration.k8s.io/v1"
    kind = "ValidatingWebhookConfiguration"
    return thing(version, kind, name, metadata={"labels": labels}, webhooks=[one])


# --- the conversation -----------------------------------------------------------------------------

SPACES = f"{CORE}/namespaces"
HOME = f"{SPACES}/talk"
MAPS = f"{HOME}/configmaps"
MESHES = f"{MESH}/namespaces/talk/meshconfigs"
ONE = f"{MESHES}/one"
WORKLOADS = f"{APPS}/namespaces/talk/deployments"
WEBHOOKS = f"{HOOKS}/validatingwebhookconfigurations"
ALL = "dryRun=All"


def _making() -> Iterator[Request]:
    yield post("make a namespace", SPACES, named("talk", team="books"))
    yield post("make one that is there", SPACES, named("talk"))
    yield post("make a namespace in a dry run", f"{SPACES}?{ALL}", named("talk-dry"))
    yield get("what a dry run made is not there", f"{SPACES}/talk-dry")
    yield post("make a namespace of a bad name", SPACES, named("No_Name"))
    yield post("make a namespace of a bad label", SPACES, named("talk-2", team="not good!"))
    for name in "abcde":
        one = config(name, key=name)
        one["metadata"]["labels"] = {"app": "maps", "odd": "yes" if name in "ace" else "no"}
        yield post(f"make map {name}", MAPS, one)
    yield post("make a map that is there", MAPS, config("a"))
    yield post("make a map without a name", MAPS, {"apiVersion": "v1", "kind": "ConfigMap"})
    yield post("make a map in no namespace", f"{SPACES}/none/configmaps", config("x"))
    yield post("make a map in another than its own", MAPS, _elsewhere(config("x")))
    yield post("make another kind than the path's", MAPS, named("x"))
    yield post("make a map of numbers", MAPS, {**config("x"), "data": {"key": 5}})
    yield post("make of no JSON", MAPS, "{")
    yield post("make a mesh", MESHES, mesh("one", traffic={"enableEgress": True}))
    yield post(
        "make a mesh without what it needs", MESHES, {**mesh("x"), "spec": {"certificate": {}}}
    )
    yield post("make a workload", WORKLOADS, deployment("cart"))
    yield post("make a webhook", WEBHOOKS, webhook("talk"))


def _elsewhere(one: dict[str, Any]) -> dict[str, Any]:
    return {**one, "metadata": {**one["metadata"], "namespace": "elsewhere"}}


def _reading() -> Iterator[Request]:
    yield get("a namespace", HOME)
    yield get("a map", f"{MAPS}/a")
    yield get("a mesh", ONE)
    yield get("a mesh by its older version", ONE.replace("v1alpha2", "v1alpha1"))
    yield get("a workload", f"{WORKLOADS}/cart")
    yield get("a webhook", f"{WEBHOOKS}/talk")
    yield get("a map that is not there", f"{MAPS}/none")
    yield get("a map in no namespace", f"{SPACES}/none/configmaps/a")
    yield get("a mesh that is not there", f"{MESHES}/none")
    yield get("a namespace that is not there", f"{SPACES}/none")
    yield get("a kind that is not there", f"{HOME}/teapots/one")
    yield get("a kind that is not there in a group", f"{APPS}/namespaces/talk/teapots")
    yield get("a group that is not there", "/apis/teapots.example.com/v1/teapots")
    yield get("a version that is not there", f"{MESHES}/one".replace("v1alpha2", "v9"))


def _listing() -> Iterator[Request]:
    yield get("all maps", MAPS)
    yield get("maps by label", f"{MAPS}?labelSelector=odd%3Dyes")
    yield get("maps by not being", f"{MAPS}?labelSelector=odd%21%3Dyes%2Capp%3Dmaps")
    yield get("maps by a set", f"{MAPS}?labelSelector=odd%20in%20%28no%2Cmaybe%29")
    yield get("maps by no set", f"{MAPS}?labelSelector=odd%20notin%20%28no%29%2Capp")
    yield get("maps by having a label", f"{MAPS}?labelSelector=odd")
    yield get("maps by not having one", f"{MAPS}?labelSelector=%21odd")
    yield get("maps by what is no selector", f"{MAPS}?labelSelector=odd%3D%3D%3D")
    yield get("a page", f"{MAPS}?limit=2")
    yield get("the page after it", f"{MAPS}?limit=2&continue=<continue>")
    yield get("the last page", f"{MAPS}?limit=2&continue=<continue>")
    yield get("a page as long as all", f"{MAPS}?limit=5")
    yield get("a page after no page", f"{MAPS}?limit=2&continue=nonsense")
    yield get("a page of a label", f"{MAPS}?limit=2&labelSelector=odd%3Dyes")
    yield get("a page of no number", f"{MAPS}?limit=few")
    yield get("maps of a namespace that is not there", f"{SPACES}/none/configmaps")
    yield get("meshes", MESHES)
    yield get("workloads", WORKLOADS)
    yield get("workloads by label", f"{WORKLOADS}?labelSelector=app%3Dcart")
    yield get("webhooks by label", f"{WEBHOOKS}?labelSelector=app%3Dtalk")
    yield get("no pods", f"{HOME}/pods")


def _patching() -> Iterator[Request]:
    labels = {"metadata": {"labels": {"openservicemesh.io/monitored-by": "osm"}}}
    yield merge("label a namespace in a dry run", f"{HOME}?{ALL}", labels)
    yield get("it is not labelled", HOME)
    yield merge("label a namespace", HOME, labels)
    yield merge("label it again", HOME, labels)
    yield merge(
        "annotate it",
        HOME,
        {"metadata": {"annotations": {"openservicemesh.io/metrics": "enabled"}}},
    )
    gone = {"openservicemesh.io/monitored-by": None, "nobody": None}
    yield merge("take the label away", HOME, {"metadata": {"labels": gone}})
    yield merge("take all away", HOME, {"metadata": {"labels": None, "annotations": None}})
    yield merge("label it badly", HOME, {"metadata": {"labels": {"team": "not good!"}}})
    yield merge("annotate by number", HOME, {"metadata": {"annotations": {"number": 5}}})
    yield merge("give it another name", HOME, {"metadata": {"name": "talks"}})
    yield merge("label what is not there", f"{SPACES}/none", labels)
    yield merge("add to a map", f"{MAPS}/a", {"data": {"more": "text"}})
    yield merge("take from a map", f"{MAPS}/a", {"data": {"key": None}})
    yield merge("put a number into a map", f"{MAPS}/a", {"data": {"key": 5}})
    yield merge("put a key that is none into a map", f"{MAPS}/a", {"data": {"no key": "x"}})
    yield merge("patch what is not there", f"{MAPS}/none", {"data": {"key": "x"}})
    yield merge("patch by an old version", f"{MAPS}/a", {"metadata": {"resourceVersion": "1"}})
    yield merge("patch by a bad version", f"{MAPS}/a", {"metadata": {"resourceVersion": "x"}})
    yield merge("patch by another's uid", f"{MAPS}/a", {"metadata": {"uid": "other"}})
    yield merge("patch by no object", f"{MAPS}/a", [1])
    yield merge("patch by no JSON", f"{MAPS}/a", "{")
    yield merge("patch by plain JSON", f"{MAPS}/a", {}, content="application/json")
    yield merge("a dry run of a bad kind", f"{MAPS}/a?dryRun=Some", {"data": {"key": "x"}})
    again = {"kubectl.kubernetes.io/restartedAt": "2024-01-01T00:00:00Z"}
    restart = {"spec": {"template": {"metadata": {"annotations": again}}}}
    yield merge("restart a workload", f"{WORKLOADS}/cart", restart)
    yield merge("a workload of a bad number", f"{WORKLOADS}/cart", {"spec": {"replicas": "two"}})
    yield merge("a workload of less than none", f"{WORKLOADS}/cart", {"spec": {"replicas": -1}})
    yield put("replace a map by an old version", f"{MAPS}/b", _versioned(config("b"), "1"))


def _versioned(one: dict[str, Any], version: str) -> dict[str, Any]:
    return {**one, "metadata": {**one["metadata"], "resourceVersion": version}}


def _meshing() -> Iterator[Request]:
    off = {"spec": {"traffic": {"enableEgress": False}}}
    yield merge("change a mesh in a dry run", f"{ONE}?{ALL}", off)
    yield get("it is not changed", ONE)
    yield merge("change a mesh", ONE, off)
    yield merge("change a mesh by its older version", ONE.replace("v1alpha2", "v1alpha1"), off)
    yield merge("change nothing of a mesh", ONE, off)
    ports = {"outboundPortExclusionList": [6379, 5432]}
    yield merge("lists of a mesh", ONE, {"spec": {"traffic": ports}})
    yield merge("another list is a whole one", ONE, {"spec": {"traffic": {**ports, **_port(80)}}})
    yield merge("defaults come", ONE, {"spec": {"sidecar": {"logLevel": "debug"}}})
    yield merge("take from a mesh", ONE, {"spec": {"traffic": {"enableEgress": None}}})
    unknown = {"traffic": {"enableEgres": True}, "other": 1}
    yield merge("what a mesh does not have", ONE, {"spec": unknown})
    yield merge("a mesh of several patches", ONE, {"spec": {}}, content=_STRATEGIC)
    yield merge("change a mesh that is not there", f"{MESHES}/none", off)
    yield merge(
        "a number without a fraction", ONE, {"spec": {"sidecar": {"maxDataPlaneConnections": 7.0}}}
    )
    for name, spec in _WRONG.items():
        yield merge(f"wrong: {name}", ONE, {"spec": spec})
    yield merge("wrong in a dry run", f"{ONE}?{ALL}", {"spec": _WRONG["text for a boolean"]})
    nulls = {"traffic": {"outboundPortExclusionList": [None]}}
    yield merge("null in a list in a dry run", f"{ONE}?{ALL}", {"spec": nulls})
    yield merge("no spec at all", ONE, {"spec": None})


def _port(number: int) -> dict[str, Any]:
    return {"outboundPortExclusionList": [number]}


_WRONG: Mapping[str, Json] = {
    "text for a boolean": {"traffic": {"enableEgress": "no"}},
    "a number for a boolean": {"traffic": {"enableEgress": 1}},
    "an object for a boolean": {"traffic": {"enableEgress": {"a": 1}}},
    "a list for a boolean": {"traffic": {"enableEgress": [True]}},
    "a boolean for text": {"observability": {"osmLogLevel": True}},
    "a number for text": {"observability": {"osmLogLevel": 5}},
    "text for a number": {"sidecar": {"maxDataPlaneConnections": "7"}},
    "a fraction for a number": {"sidecar": {"maxDataPlaneConnections": 7.5}},
    "a boolean for a number": {"sidecar": {"maxDataPlaneConnections": True}},
    "text for an object": {"traffic": "open"},
    "a list for an object": {"traffic": []},
    "text for a list": {"traffic": {"outboundPortExclusionList": "6379"}},
    "an object for a list": {"traffic": {"outboundPortExclusionList": {"a": 1}}},
    "text in a list of numbers": {"traffic": {"outboundPortExclusionList": [80, "6379"]}},
    "a port too small": {"traffic": {"outboundPortExclusionList": [0]}},
    "a port too large": {"traffic": {"inboundPortExclusionList": [80, 65536]}},
    "no range": {"traffic": {"outboundIPRangeExclusionList": ["10.0.0.0"]}},
    "no level": {"sidecar": {"logLevel": "loud"}},
    "a level that YAML took for a boolean": {"sidecar": {"logLevel": "off"}},
    "no proxy mode": {"sidecar": {"localProxyMode": "podip"}},
    "nothing where something must be": {"certificate": {"certKeyBitSize": None}},
    "half a gateway": {"certificate": {"ingressGateway": {"validityDuration": "24h"}}},
    "a gateway of no names": {
        "certificate": {
            "ingressGateway": {
                "subjectAltNames": [],
                "validityDuration": "24h",
                "secret": {"name": "a", "namespace": "b"},
            }
        }
    },
    "two at once": {"traffic": {"enableEgress": "no"}, "sidecar": {"logLevel": "loud"}},
    "two of one object": {
        "traffic": {"enableEgress": "no", "enablePermissiveTrafficPolicyMode": 0}
    },
}


def _ending() -> Iterator[Request]:
    yield get("without a token", f"{MAPS}/a", who="nobody")
    yield get("with a token that is none", f"{MAPS}/a", who="unknown")
    yield delete("remove a map in a dry run", f"{MAPS}/e?{ALL}")
    yield delete("remove a map", f"{MAPS}/e")
    yield delete("remove it again", f"{MAPS}/e")
    yield delete("remove another's map", f"{MAPS}/d", {"preconditions": {"uid": "other"}})
    yield delete("remove a mesh", ONE)
    yield delete("remove it a second time", ONE)
    yield delete("remove a workload", f"{WORKLOADS}/cart")
    yield delete("remove a webhook", f"{WEBHOOKS}/talk")
    yield delete("remove a webhook that is not there", f"{WEBHOOKS}/talk")
    yield delete("remove a kind that is not there", f"{HOME}/teapots/one")
    yield get("the maps that are left", MAPS)
    watching = "watch=1&timeoutSeconds=1&resourceVersion=<resourceVersion>"
    yield get("nothing has happened since", f"{MAPS}?{watching}")
    yield merge("change one more map", f"{MAPS}/b", {"data": {"key": "again"}})
    yield delete("remove one more map", f"{MAPS}/c")
    yield get("what has happened since", f"{MAPS}?{watching}")
    yield get("maps of a label since", f"{MAPS}?{watching}&labelSelector=odd%3Dyes")


TALK = (*_making(), *_reading(), *_listing(), *_patching(), *_meshing(), *_ending())
