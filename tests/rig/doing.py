"""Works done to a cluster by its port, one edit after another."""

from __future__ import annotations

from fleet.core import works
from fleet.engine.gathering import gathered
from fleet.model.inside import Work
from fleet.model.objects import Edit, EditKind, Seen
from fleet.ports import ClusterApi

TOKEN = "step-1"  # noqa: S105 - it is what a restart is known by


async def seen(api: ClusterApi, work: Work) -> Seen:
    """Return what *work* looks at."""
    return await gathered(api, works.wants(work))


async def sent(api: ClusterApi, edit: Edit, *, is_dry_run: bool = False) -> None:
    """Send *edit*, of the kind it is."""
    where = {"namespace": edit.namespace}
    match edit.kind:
        case EditKind.MERGE:
            await api.merge(edit.resource, edit.name, edit.body, is_dry_run=is_dry_run, **where)
        case EditKind.CREATE:
            await api.create(edit.resource, edit.body, is_dry_run=is_dry_run, **where)
        case EditKind.DELETE:
            await api.delete(edit.resource, edit.name, **where)


async def done(api: ClusterApi, work: Work) -> Work | None:
    """Do *work*, see that it is done by that, and return what leads back."""
    before = await seen(api, work)
    assert works.blocked(work, before) == ""
    for edit in works.edits(work, before, token=TOKEN):
        await sent(api, edit)
    after = await seen(api, work)
    assert works.edits(work, after, token=TOKEN) == ()
    assert works.pending(work, after, token=TOKEN) == ""
    return works.undo(work, before)
