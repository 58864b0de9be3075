"""Whether a cluster has what settings ask of it: APIs that Kubernetes has removed meanwhile.

Judged on the settings that hold once *steps* are done, those that others own
included: an upgrade renders them all. A cluster whose Kubernetes is not known,
and a version of the extension that came later than what is known, pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fleet.core.catalogue import Catalogue
from fleet.model import versions
from fleet.model.advice import Need
from fleet.model.cluster import Cluster, Extension, nothing
from fleet.model.plan import Step, Verb
from fleet.model.versions import Version


def unmet(
    cluster: Cluster, found: Extension | None, steps: Sequence[Step], offer: Catalogue
) -> str:
    """Return what a setting needs and *cluster* has not; empty: nothing of the kind."""
    kubernetes = versions.parse_or_none(cluster.kubernetes_version or "")
    if kubernetes is None or not _is_rendered(found, steps):
        return ""
    settings = _settled(found, steps)
    for need in offer.profile.needs:
        is_known = any(_is_known(need, one, offer) for one in _coming(found, steps, offer))
        if is_known and _asks(need, settings) and _is_gone(need, kubernetes):
            return _reason(need, kubernetes)
    return ""


def _is_rendered(found: Extension | None, steps: Sequence[Step]) -> bool:
    """Tell whether the chart is rendered anew; a flag or a pin where it stands leaves it."""
    there = found.installed_version if found else None
    return any(
        step.verb is Verb.PUT
        or step.settings is not None
        or (step.version is not None and step.version != there)
        for step in steps
    )


def _settled(found: Extension | None, steps: Sequence[Step]) -> Mapping[str, str]:
    settings: dict[str, str] = dict(found.settings if found else nothing())
    for step in steps:
        if step.is_exact and step.settings is not None:
            settings = {}
        settings |= step.settings or {}
    return settings


def _coming(found: Extension | None, steps: Sequence[Step], offer: Catalogue) -> list[Version]:
    """Return the versions that are brought, else the one that is there or that comes by itself."""
    brought = [one for step in steps if (one := versions.parse_or_none(step.version or ""))]
    there = versions.parse_or_none(found.installed_version or "") if found else None
    newest = there or offer.latest()
    return brought or ([newest] if newest else [])


def _asks(need: Need, settings: Mapping[str, str]) -> bool:
    return settings.get(need.setting, "").lower() == need.value


def _is_gone(need: Need, kubernetes: Version) -> bool:
    return versions.is_in_range(kubernetes, f">={need.gone_in}")


def _is_known(need: Need, version: Version, offer: Catalogue) -> bool:
    return offer.compare(version, versions.parse(need.until)) <= 0


def _reason(need: Need, kubernetes: Version) -> str:
    return (
        f"{need.setting} makes a {need.api}, which Kubernetes {need.gone_in} removed, "
        f'and this cluster has {kubernetes.text}: set it to "false", or leave the cluster out'
    )
