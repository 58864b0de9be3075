"""Inspecting clusters: opened by the port, read once, judged, closed again.

What is wanted of a cluster, and what follows from what is seen, is
:mod:`fleet.core.looks`; this only reads. It changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence

from fleet.core import chain, checkups, looks
from fleet.core.checkups import Inspection, Tally
from fleet.core.looks import Subject, meshes
from fleet.engine import gathering, visiting
from fleet.engine.visiting import Visit
from fleet.errors import ClusterError
from fleet.model.cluster import ClusterId
from fleet.model.inside import CheckResult, CheckRule
from fleet.model.objects import Seen, Sight, Want
from fleet.ports import Clusters

_ROUNDS = 3
"""What is wanted may follow from what was seen; nothing follows from more than that."""
_MESH_CONFIG = "osm-mesh-config"


class Inspector:
    """Looks into clusters; where there is no way into them, at what Azure says alone."""

    def __init__(self, clusters: Clusters) -> None:
        self._clusters = clusters

    async def inspect(
        self, subject: Subject, rules: Sequence[CheckRule]
    ) -> tuple[CheckResult, ...]:
        """Return what each rule comes to; one whose cluster cannot be reached is unknown.

        Args:
            subject: The cluster, and what is known of it.
            rules: In the order of the results.
        """
        return (await self.inspection(subject, rules)).results

    async def inspection(self, subject: Subject, rules: Sequence[CheckRule]) -> Inspection:
        """Return the same, and whether the cluster was reached."""
        if not looks.wants(rules, subject):
            return Inspection(results=looks.judge(rules, subject, {}), is_reached=None)
        try:
            async with visiting.visit(self._clusters, subject.cluster_id) as found:
                seen = await _seen(found, subject, rules)
        except ClusterError as error:
            return _unreached(rules, subject, error.message)
        if all(one.error for one in seen.values()):
            # Such as a token that is refused: the same for everything, and told once.
            return _unreached(rules, subject, next(iter(seen.values())).error)
        return Inspection(results=looks.judge(rules, subject, seen))

    async def mesh_config(
        self, cluster_id: ClusterId, *, namespace: str = "arc-osm-system", name: str = _MESH_CONFIG
    ) -> str | None:
        """Return a mesh's configuration as canonical JSON of its ``spec``; ``None``: there is none.

        Raises:
            ClusterError: It could not be read.
        """
        async with visiting.visit(self._clusters, cluster_id) as (api, *_):
            for resource in (meshes.MESH_CONFIGS, meshes.OLD_MESH_CONFIGS):
                found = await api.get(resource, name, namespace=namespace)
                if found is not None:
                    return chain.canonical(meshes.spec(found)).decode()
        return None


def _unreached(rules: Sequence[CheckRule], subject: Subject, message: str) -> Inspection:
    return Inspection(results=looks.unreached(rules, subject, message), is_reached=False)


async def _seen(visit: Visit, subject: Subject, rules: Sequence[CheckRule]) -> Seen:
    seen: dict[Want, Sight] = {}
    for _ in range(_ROUNDS):
        new = [one for one in looks.wants(rules, subject, seen) if one not in seen]
        if not new:
            break
        seen.update(await gathering.gathered(visit.api, new, known=visit.known))
    return seen


async def check_all(
    subjects: Iterable[Subject],
    rules: Sequence[CheckRule],
    *,
    inspector: Inspector,
    workers: int,
    tell: Callable[[Tally], None],
) -> None:
    """Check many clusters, *workers* at once, and tell of each as soon as it is done.

    Args:
        subjects: Read one by one: there may be very many.
        rules: For all of them.
        inspector: Looks into them.
        workers: How many are looked into at once.
        tell: Is told of each, in no order.
    """
    waiting = iter(subjects)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(workers):
            tasks.create_task(_work(waiting, rules, inspector, tell))


async def _work(
    waiting: Iterator[Subject],
    rules: Sequence[CheckRule],
    inspector: Inspector,
    tell: Callable[[Tally], None],
) -> None:
    for subject in waiting:
        tell(checkups.tally(subject, await inspector.inspection(subject, rules)))
