"""A cluster's Kubernetes API: from a request to its reply, without any wire.

Source:  kube-apiserver, as documented and as it was asked.
"""

from __future__ import annotations

import datetime as dt

from fleet.model.cluster import Connectivity
from fleet.model.objects import Resource
from fleet.sim.breakage import Break
from fleet.sim.inside import (
    admission,
    asking,
    discovery,
    listing,
    refusals,
    writing,
)
from fleet.sim.inside.asking import Request, Target
from fleet.sim.inside.listing import Watch
from fleet.sim.inside.refusals import RefusedError
from fleet.sim.inside.replying import Reply
from fleet.sim.inside.scene import Scene
from fleet.sim.inside.view import Interior, View

_WAIT_S = 1
_FLAKY = 3
"""Every so-manieth request meets a flaky server's moods."""
_TEXT_404 = "404 page not found\n"


class UnreachableError(Exception):
    """Nothing answers: the connection is refused, or (silently) it is not."""

    def __init__(self, *, is_silent: bool) -> None:
        super().__init__("no answer")
        self.is_silent = is_silent


def reply(interior: Interior, request: Request, now: dt.datetime) -> Reply:
    """Answer a request.

    Raises:
        UnreachableError: It never came there.
    """
    view = interior.view(now)
    interior.asked_count += 1
    _check_reachable(view.scene)
    try:
        return _answered(interior, view, request)
    except RefusedError as error:
        headers = {} if error.retry_after_s is None else {"Retry-After": f"{error.retry_after_s}"}
        return Reply(code=error.code, document=error.status, headers=headers)


def _check_reachable(scene: Scene) -> None:
    # NB: what keeps agents from the cloud is most often what keeps everybody from the cluster.
    is_away = scene.cluster.connectivity is not Connectivity.CONNECTED
    if is_away or Break.API_UNREACHABLE in scene.broken:
        raise UnreachableError(is_silent=False)
    if Break.API_TIMEOUT in scene.broken:
        raise UnreachableError(is_silent=True)


def _check_mood(interior: Interior, scene: Scene) -> None:
    turn, is_off = divmod(interior.asked_count, _FLAKY)
    is_flaky = Break.API_FLAKY in scene.broken and is_off == 0
    if Break.API_UNAVAILABLE in scene.broken or (is_flaky and turn % 2):
        raise refusals.unavailable()
    if Break.API_THROTTLED in scene.broken or is_flaky:
        raise refusals.throttled(_WAIT_S)
    if Break.API_ERROR in scene.broken:
        message = "etcdserver: request timed out"
        raise refusals.internal(message)


def _answered(interior: Interior, view: View, request: Request) -> Reply:
    scene = view.scene
    _check_mood(interior, scene)
    if Break.API_UNAUTHORIZED in scene.broken:
        raise refusals.unauthorized()
    user = asking.user_of(request, seed=scene.recipe.seed)
    if request.method == "GET":
        told = discovery.found(scene, request.path)
        if told is not None:
            return Reply(text=told) if isinstance(told, str) else Reply(document=told)
    found = asking.target(request.path, scene.kinds)
    if found is None:
        if asking.is_built_in(request.path):
            raise refusals.unknown_kind()
        # Source: an unknown path is answered in plain text, whatever was accepted.
        return Reply(code=404, text=_TEXT_404)
    verb = asking.verb(request, found)
    asking.check(scene, user, verb, found)
    return _done(interior, view, request, found, verb, user)


def _done(
    interior: Interior, view: View, request: Request, found: Target, verb: str, user: str
) -> Reply:
    match verb:
        case "get":
            return Reply(document=admission.shown(view, found, writing.existing(view, found)))
        case "list":
            return Reply(document=listing.page(interior, view, found, request))
        case "watch":
            return Reply(watch=Watch(interior, view, found, request))
        case "create" if found.resource.plural == "selfsubjectaccessreviews":
            return _reviewed(view, request, user)
        case "create":
            return writing.created(interior, view, request, found)
        case "delete":
            return writing.deleted(interior, view, request, found)
        case _:
            return writing.changed(interior, view, request, found)


def _reviewed(view: View, request: Request, user: str) -> Reply:
    document = request.json()
    asked = document.get("spec", {}).get("resourceAttributes", {})
    resource = Resource(asked.get("group", ""), "v1", asked.get("resource", ""))
    allowed = asking.may(view.scene, user, asked.get("verb", "get"), resource)
    return Reply(code=201, document={**document, "status": {"allowed": allowed}})
