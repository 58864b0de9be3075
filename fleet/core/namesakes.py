"""Texts that name a cluster: ``{cluster}`` and the like, filled in.

Only these words in braces mean something; all other braces are left as they
are, for programs have templates of their own.

Errors:  :exc:`~fleet.errors.InputError` for an id that is none of a connected cluster, and for
         names that would lead elsewhere.
Source:  names of connected clusters are letters, digits, ``-``, ``_`` and ``.``; of resource
         groups these and ``(``, ``)``.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

from fleet.errors import InputError

KNOWN = ("cluster", "resourceGroup", "subscription", "id")

_PLACE = re.compile(r"\{([A-Za-z]+)\}")
_ID = re.compile(
    r"/subscriptions/([^/]+)/resourcegroups/([^/]+)"
    r"/providers/microsoft\.kubernetes/connectedclusters/([^/]+)",
    re.IGNORECASE,
)
# NB: no letter of a shell, a path or an option: names become arguments and file names.
_FIT = re.compile(r"[\w(][\w.()-]*", re.ASCII)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What a cluster's id is made of."""

    id: str
    subscription: str
    resource_group: str
    cluster: str

    def is_called(self, text: str) -> bool:
        """Whether *text* is the cluster's name or id, in whichever casing."""
        return text.lower() in (self.cluster.lower(), self.id.lower())

    def filled(self, text: str) -> str:
        """Return *text* with everything in its place.

        >>> id = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Kubernetes"
        >>> named(f"{id}/connectedClusters/c1").filled("kube/{cluster}.{yaml}")
        'kube/c1.{yaml}'
        """
        words = {
            "cluster": self.cluster,
            "resourceGroup": self.resource_group,
            "subscription": self.subscription,
            "id": self.id,
        }
        return _PLACE.sub(lambda found: words.get(found[1], found[0]), text)


def named(cluster_id: str) -> Named:
    """Take the id of a connected cluster apart."""
    found = _ID.fullmatch(cluster_id)
    if found is None:
        message = f"{cluster_id[:300]!r} is not the id of a connected cluster"
        raise InputError(message)
    for part in found.groups():
        if not _FIT.fullmatch(part):
            message = f"{part[:80]!r} cannot be put into a path or a command"
            raise InputError(message)
    subscription, resource_group, cluster = found.groups()
    return Named(
        id=cluster_id, subscription=subscription, resource_group=resource_group, cluster=cluster
    )


def unknown(text: str) -> Iterator[str]:
    """Yield what stands in braces as these words do, and is none of them.

    >>> list(unknown("{cluster} {claster} {.items[0]} {"))
    ['claster']
    """
    for found in _PLACE.finditer(text):
        if found[1] not in KNOWN:
            yield found[1]
