"""Sending changes to a cluster's API, one after another, each once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from fleet.model.objects import Edit, EditKind
from fleet.ports import ClusterApi


async def carried_out(api: ClusterApi, edits: Iterable[Edit], *, is_dry_run: bool = False) -> None:
    """Send *edits*; those that delete are left out of a dry run.

    Raises:
        ClusterError: The server refused one; those before it were done.
    """
    for edit in edits:
        await _sent(api, edit, is_dry_run=is_dry_run)


async def _sent(api: ClusterApi, edit: Edit, *, is_dry_run: bool) -> None:
    match edit.kind:
        case EditKind.MERGE:
            await api.merge(
                edit.resource,
                edit.name,
                edit.body,
                namespace=edit.namespace,
                is_dry_run=is_dry_run,
            )
        case EditKind.CREATE:
            await api.create(
                edit.resource, edit.body, namespace=edit.namespace, is_dry_run=is_dry_run
            )
        case EditKind.DELETE:
            if not is_dry_run:
                await api.delete(edit.resource, edit.name, namespace=edit.namespace)
        case _:
            assert_never(edit.kind)
