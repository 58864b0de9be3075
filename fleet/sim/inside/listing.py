"""Lists in pages, and what changes between two moments: the reads that are about many objects.

All pages of a list are of the moment of its first, for as long as that is kept.

Source:  Kubernetes' API concepts; a continue token is opaque to clients, and this is its form.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

from fleet.sim.breakage import Break
from fleet.sim.inside import admission, refusals, selecting
from fleet.sim.inside.asking import Request, Target
from fleet.sim.inside.scene import Made
from fleet.sim.inside.view import Interior, View

KEPT = dt.timedelta(hours=1)
"""How long old moments are told of, in the world's time."""
# NB: five minutes are usual; at sixty times our time those would be over between two requests.


def page(interior: Interior, view: View, found: Target, request: Request) -> dict[str, Any]:
    """Return a list, or a page of it."""
    limit, token = _limit(request), request.query.get("continue", "")
    start = ("", "")
    if token:
        version, start = _opened(token)
        if _is_expired(view, version):
            raise refusals.expired(_closed(view.version, start))
        view = interior.view_of(version, view.scene.now)
    every = selected(view, found, request)
    rest = [one for one in every if _place(one) > start] if token else every
    shown = rest[:limit] if limit else rest
    metadata: dict[str, Any] = {"resourceVersion": str(view.version)}
    if len(shown) < len(rest):
        metadata["continue"] = _closed(view.version, _place(shown[-1]))
        if not any(request.query.get(key) for key in ("labelSelector", "fieldSelector")):
            metadata["remainingItemCount"] = len(rest) - len(shown)
    items = [admission.shown(view, found, one) for one in shown]
    for one in items:
        # Source: items of a list of built-in kinds say neither kind nor version.
        if "." not in found.resource.group or found.resource.group.endswith(".k8s.io"):
            del one["apiVersion"], one["kind"]
    return {
        "kind": f"{found.kind.kind}List",
        "apiVersion": found.kind.api_version,
        "metadata": metadata,
        "items": items,
    }


def selected(view: View, found: Target, request: Request) -> list[Made]:
    """Return the objects that a request means."""
    try:
        has_pods = found.resource.plural == "pods"
        by_labels = selecting.of_labels(request.query.get("labelSelector", ""))
        by_fields = selecting.of_fields(request.query.get("fieldSelector", ""), has_pods=has_pods)
    except ValueError as error:
        raise refusals.bad_request(str(error)) from error
    return [
        one
        for one in view.items(found.resource.group, found.resource.plural, found.namespace)
        if found.namespace in (None, one["metadata"].get("namespace"))
        and found.name in (None, one["metadata"]["name"])
        and by_labels(one["metadata"].get("labels", {}))
        and by_fields(one)
    ]


def _limit(request: Request) -> int:
    text = request.query.get("limit", "0")
    if not text.isdecimal():
        message = f'strconv.ParseInt: parsing "{text}": invalid syntax'
        raise refusals.bad_request(message)
    return int(text)


def _is_expired(view: View, version: int) -> bool:
    scene = view.scene
    is_old = scene.moment_of(version) < scene.now - KEPT
    return is_old or Break.CONTINUE_EXPIRED in scene.broken


def _place(found: Made) -> tuple[str, str]:
    return found["metadata"].get("namespace", ""), found["metadata"]["name"]


def _closed(version: int, place: tuple[str, str]) -> str:
    text = json.dumps({"v": "meta.k8s.io/v1", "rv": version, "start": "/".join(place)})
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _opened(token: str) -> tuple[int, tuple[str, str]]:
    try:
        found = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        namespace, _, name = found["start"].partition("/")
        return int(found["rv"]), (namespace, name)
    except (ValueError, KeyError, TypeError) as error:
        message = "invalid continue token: continue key is not valid: unable to decode"
        raise refusals.bad_request(message) from error


# --- watching ----------------------------------------------------------------------------


class Watch:
    """What a client that watches has been told so far."""

    def __init__(self, interior: Interior, view: View, found: Target, request: Request) -> None:
        self._interior = interior
        self._found = found
        self._request = request
        text = request.query.get("resourceVersion", "")
        asked = int(text) if text.isdecimal() else 0
        if asked and _is_forgotten(interior, view, asked):
            oldest = max(interior.overlay.oldest, view.scene.version_of(view.scene.now - KEPT))
            raise refusals.too_old(asked, oldest)
        start = interior.view_of(asked, view.scene.now) if asked else None
        self._told = {} if start is None else self._shown(start)

    def news(self, now: dt.datetime) -> Iterator[dict[str, Any]]:
        """Yield the events since the last time, in the order of their versions."""
        view = self._interior.view(now)
        current, before = self._shown(view), self._told
        self._told = current
        events = [
            ("ADDED" if key not in before else "MODIFIED", one)
            for key, one in current.items()
            if before.get(key) != one
        ]
        gone = [one for key, one in before.items() if key not in current]
        for one in gone:
            metadata = {**one["metadata"], "resourceVersion": str(view.version)}
            events.append(("DELETED", {**one, "metadata": metadata}))
        events.sort(key=lambda event: int(event[1]["metadata"]["resourceVersion"]))
        yield from ({"type": kind, "object": one} for kind, one in events)

    def bookmark(self, now: dt.datetime) -> dict[str, Any]:
        """Return the event that tells how far a client has got."""
        view = self._interior.view(now)
        kind = self._found.kind
        return {
            "type": "BOOKMARK",
            "object": {
                "kind": kind.kind,
                "apiVersion": kind.api_version,
                "metadata": {"resourceVersion": str(view.version)},
            },
        }

    def _shown(self, view: View) -> dict[str, Made]:
        # NB: an object that was made anew under its name is another one.
        return {
            one["metadata"]["uid"]: admission.shown(view, self._found, one)
            for one in selected(view, self._found, self._request)
        }


def _is_forgotten(interior: Interior, view: View, version: int) -> bool:
    scene = view.scene
    return version < interior.overlay.oldest or scene.moment_of(version) < scene.now - KEPT
