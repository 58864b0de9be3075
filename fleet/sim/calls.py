"""Writes as a world hears and remembers them. Protected values are never among it.

Shapes:  a call, or an edit, is one line of the ledger, by :mod:`fleet.model.codec`.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
from collections.abc import Mapping

from fleet.core import chain
from fleet.model import codec
from fleet.model.cluster import AutoUpgrade, ClusterId
from fleet.model.plan import Digest, Verb
from fleet.ports import ExtensionRef, RequestIds, Write


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What a write carries; ``None`` means: not carried."""

    extension_type: str
    namespace: str | None
    version: str | None
    auto_upgrade: AutoUpgrade | None
    release_train: str | None
    settings: Mapping[str, str] | None
    protected: Mapping[str, str] | None
    """``{setting: mark of its value}``: see :func:`protected_mark`."""
    is_namespaced: bool = dataclasses.field(default=False, metadata=codec.SPARSE)

    @property
    def digest(self) -> Digest:
        """What tells one body from another."""
        return chain.digest(codec.to_json(self))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One write that reached the service, whatever became of it."""

    at: dt.datetime
    cluster_id: ClusterId
    name: str
    verb: Verb
    body: Body
    correlation_id: str
    client_request_id: str
    is_forced: bool = False
    """Of a DELETE: not to wait for the agents."""
    caller: str | None = None
    """The object id of whoever sent it; ``None``: it came by the ports."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One change that people made inside a cluster, by its own API."""

    at: dt.datetime
    cluster_id: ClusterId
    group: str
    plural: str
    namespace: str
    name: str
    version: int
    """The resource version since which it is so."""
    uid: str | None = None
    """Of the object that it is about; ``None``: it is a new one."""
    patch: str | None = None
    """How the object differs from what it would be, as JSON."""
    whole: str | None = None
    """Or the object itself; neither: it is gone."""


def call(
    ref: ExtensionRef,
    write: Write,
    ids: RequestIds,
    *,
    at: dt.datetime,
    is_forced: bool = False,
    caller: str | None = None,
) -> Call:
    """Return what a world remembers of a write."""
    protected = write.protected
    return Call(
        at=at,
        cluster_id=ref.cluster_id,
        name=ref.name,
        verb=write.verb,
        body=Body(
            extension_type=write.extension_type,
            namespace=write.namespace,
            version=write.version,
            auto_upgrade=write.auto_upgrade,
            release_train=write.release_train,
            settings=None if write.settings is None else dict(write.settings),
            protected=(
                None
                if protected is None
                else {key: protected_mark(key, value) for key, value in protected.items()}
            ),
            is_namespaced=write.is_namespaced,
        ),
        correlation_id=ids.correlation_id,
        client_request_id=ids.client_request_id,
        is_forced=is_forced,
        caller=caller,
    )


def protected_mark(key: str, value: str) -> str:
    """Return what shows that a protected value arrived, without being it: a SHA-256."""
    return hashlib.sha256(f"{key}\0{value}".encode()).hexdigest()
