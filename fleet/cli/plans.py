"""From a file on the command line to a plan: by discovery, or saved and still what it was.

The calendars that are read at a URL are asked for here, and so is the file of those that bind
every run.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import dataclasses
import datetime as dt
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import orjson

from fleet import zones
from fleet.azure import paths
from fleet.cli import notifying
from fleet.cli.context import DISCRETION, errors
from fleet.cli.outside import Outside
from fleet.core import bindings, planner, saved
from fleet.engine import baselines, foreseeing, requests
from fleet.errors import InputError, RefusedError
from fleet.model.calendars import Level
from fleet.model.cluster import AutoUpgrade, ClusterId, Inventory
from fleet.model.desired import Rollout
from fleet.model.inside import ClusterAccess, Outlook
from fleet.model.plan import Plan, PlanHead, Target
from fleet.model.redaction import Redactor
from fleet.net.network import Network
from fleet.spec import calendarfile, planfile
from fleet.spec.calendarfile import Feed, Fetched, Surroundings
from fleet.spec.planfile import PlanFile
from fleet.ui import output

_LATER = f"Name a later one (--api-version {paths.EXTENSIONS_APIS[-1]}), or say compatible."


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file that says what to do: a plan file, or a saved plan."""

    path: Path
    text: str
    """Of a plan file; empty for a saved plan."""
    file: PlanFile | None
    plan: Plan | None
    calendars: Path | None = None
    """The file of those that bind every run that is planned here."""
    network: Network | None = None
    """How requests get to calendars elsewhere; ``None``: what the environment says."""


def read(path: Path, *, calendars: Path | None = None, network: Network | None = None) -> Source:
    """Read a plan file or a saved plan, whichever *path* is.

    Args:
        path: Where it is.
        calendars: The file of those that bind every run.
        network: How requests get to calendars elsewhere.
    """
    if saved_plan := _saved(path):
        return Source(path=path, text="", file=None, plan=saved_plan, calendars=calendars)
    file = planfile.read(path)
    return Source(
        path=path,
        text=file.document.text,
        file=file,
        plan=None,
        calendars=calendars,
        network=network,
    )


def read_saved(path: Path) -> Plan:
    """Read a saved plan."""
    plan = _saved(path)
    if plan is None:
        message = f"{path} is not a saved plan"
        raise InputError(message, hint=f"Make one: fleet plan {path} --out PLAN.")
    return plan


async def plan_of(source: Source, outside: Outside) -> Plan:
    """Return the plan of *source*: as saved, or computed from what discovery returns now."""
    if source.plan is not None:
        refuse_secrets(source.plan)
        _require_bound(source.plan, source.calendars)
        return source.plan
    rollout = _rollout(source, outside.clock.now())
    inventory = await outside.service.inventory(
        rollout.scope,
        extension_type=rollout.desired.profile.extension_type,
        release_train=rollout.desired.release_train,
    )
    outlooks = await _foreseen(rollout, inventory, outside)
    plan = planner.plan(rollout, inventory, zones=zones.zone, outlooks=outlooks)
    refuse_secrets(plan)
    if baselines.wanted_by(plan):
        probes = outside.probes(plan.head.extension_type, _known(requests.headers(plan.head)))
        plan = await baselines.measured(plan, probes)
    return plan


async def _foreseen(
    rollout: Rollout, inventory: Inventory, outside: Outside
) -> Mapping[ClusterId, Outlook]:
    """Look inside the clusters, where the plan file says how, and there is anything to see."""
    inside, profile = rollout.inside, rollout.desired.profile
    if not inside.access.is_given or not (inside.works or profile.platforms):
        return {}
    meant, _ = planner.selected(rollout, inventory)
    return await foreseeing.foreseen(
        meant,
        inside.works,
        port=outside.clusters(inside.access),
        width=inside.access.max_concurrency,
    )


def under(plan: Plan, calendars: Path | None, *, now: dt.datetime, network: Network) -> Plan:
    """Return a plan that was made from another run's, with today's calendars that bind every run.

    Raises:
        InputError: Its calendars never open any more.
    """
    head = plan.head
    if calendars is not None:
        shared = calendarfile.read(calendars)
        around = Surroundings(now=now, feeds=_fetched(shared.feeds, network))
        head = bindings.under(head, shared.frozen(around).calendars)
    head = bindings.opened(head, plan.targets, zones=zones.zone, at=now)
    return planner.sealed(head, plan.targets)


def _rollout(source: Source, now: dt.datetime) -> Rollout:
    """Return what a plan file asks for, with everything in it that it names elsewhere."""
    if source.file is None:
        message = f"{source.path} says nothing to do"
        raise InputError(message)
    shared = calendarfile.read(source.calendars) if source.calendars else None
    feeds = dict.fromkeys((*source.file.feeds, *(shared.feeds if shared else ())))
    around = Surroundings(now=now, feeds=_fetched(feeds, source.network))
    rollout = source.file.rollout(around, shared=shared)
    access = settled(rollout.inside.access, source.path.absolute().parent)
    return dataclasses.replace(rollout, inside=dataclasses.replace(rollout.inside, access=access))


def settled(access: ClusterAccess, base: Path) -> ClusterAccess:
    """Return *access* with what is named from the plan file, which is in *base*, named whole.

    Whoever carries a run on does it from any place, and knows the plan file no more.
    """
    program = access.command[:1]
    if program and "/" in program[0]:
        program = (str(base / Path(program[0]).expanduser()),)
    path = str(base / Path(access.path).expanduser()) if access.path else ""
    return dataclasses.replace(access, path=path, command=(*program, *access.command[1:]))


def _fetched(feeds: Iterable[Feed], network: Network | None) -> Mapping[str, Fetched]:
    """Ask for what lies elsewhere, in time that passes: that of this loop may be virtual."""
    urls = {feed: _url(feed) for feed in feeds}
    if not urls:
        return {}
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(asyncio.run, _asked(urls, network or Network())).result()


async def _asked(urls: Mapping[Feed, str], network: Network) -> Mapping[str, Fetched]:
    from fleet.net import connections  # noqa: PLC0415 - HTTP is loaded only where it is spoken
    from fleet.outside import feeds  # noqa: PLC0415 - likewise

    way = feeds.Way(tls=connections.trust(network), proxy_for=network.proxy_for)
    return {
        feed.key: Fetched(text=await feeds.text(url, called=feed.shown, way=way), shown=feed.shown)
        for feed, url in urls.items()
    }


def _url(feed: Feed) -> str:
    """Return where a feed is; one that a variable holds is a secret from now on."""
    if feed.url is not None:
        return feed.url
    found = os.environ.get(feed.variable or "")
    if not found:
        message = f"a calendar's URL is to come from {feed.variable}, which is not set"
        raise InputError(message, hint="Set the environment variable for this process only.")
    DISCRETION.learn([found])
    return found


def _require_bound(plan: Plan, calendars: Path | None) -> None:
    """Refuse a saved plan that was made without calendars that bind every run here."""
    shared = calendarfile.read(calendars).calendars if calendars else ()
    there = {one.name for one in plan.head.calendars if one.level is Level.GLOBAL}
    for one in shared:
        if one.by_tag is None and one.name not in there:
            message = f"the saved plan was made without {one.name}, a calendar that binds every run"
            raise RefusedError(message, hint="Make it again with `fleet plan FILE --out PLAN`.")


async def fluent(plan: Plan, outside: Outside) -> Outside:
    """Return *outside* in an api-version of extensions that has words for all that *plan* does.

    Where nobody named one, and only then, the newest is taken that all subscriptions offer.
    """
    azure, spoken = outside.azure, outside.origin.api_version
    spots = [one for one in plan.targets if _asks_for_patches(one)]
    if azure is None or not spots or paths.has_modes(spoken):
        return outside
    if outside.is_api_named:
        message = f"autoUpgrade: patch cannot be said in api-version {spoken} of extensions"
        raise InputError(message, hint=_LATER)
    offered = await azure.api_versions(one.subscription for one in spots)
    if not offered or not paths.has_modes(offered[-1]):
        message = "no api-version of extensions that can say autoUpgrade: patch is offered"
        told = f"{message} in all subscriptions (but {', '.join(offered) or 'none'})"
        raise InputError(told, hint="Say none, or compatible.")
    text = f"api-version {offered[-1]} of extensions is used: autoUpgrade: patch needs it"
    output.say(text, on=errors())
    return outside.speaking(offered[-1])


def vault(head: PlanHead, targets: Iterable[Target]) -> Mapping[str, str]:
    """Return the plan's secrets, from the environment variables that hold them.

    Protected settings, and where and how people are told.
    """
    found = notifying.values(requests.variables(head, targets))
    notifying.require_usable(head, found)
    return found


def _known(names: Iterable[str]) -> Mapping[str, str]:
    """Return the values of those variables that are set; they are secrets from now on."""
    found = {name: os.environ[name] for name in sorted(names) if os.environ.get(name)}
    DISCRETION.learn(found.values())
    return found


def _saved(path: Path) -> Plan | None:
    # A saved plan may be far larger than a plan file is ever allowed to be.
    try:
        text = path.read_bytes() if path.is_file() else b""
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise InputError(message) from error
    if not text.lstrip().startswith(b"{"):
        return None
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None  # whoever reads plan files says what is wrong with it, and where
    return saved.plan_of(data) if saved.is_plan(data) else None


def _asks_for_patches(target: Target) -> bool:
    return any(step.auto_upgrade is AutoUpgrade.PATCH for step in target.steps)


def refuse_secrets(plan: Plan) -> None:
    """Refuse a plan that would carry a protected setting's value into files that are kept."""
    values = [
        os.environ[name]
        for name in requests.variables(plan.head, plan.targets)
        if os.environ.get(name)
    ]
    place = Redactor(values).found(saved.document(plan)) if values else None
    if place is not None:
        message = f"the value of a protected setting also stands in plain in the plan, at {place}"
        raise RefusedError(message, hint="Take it out of the plain settings.")
