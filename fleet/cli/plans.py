"""From a file on the command line to a plan: by discovery, or saved and still what it was."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import orjson

from fleet.azure import paths
from fleet.cli import notifying
from fleet.cli.context import errors
from fleet.cli.outside import Outside
from fleet.core import planner, saved
from fleet.engine import requests
from fleet.errors import InputError, RefusedError
from fleet.model.cluster import AutoUpgrade
from fleet.model.desired import Rollout
from fleet.model.plan import Plan, PlanHead, Target
from fleet.model.redaction import Redactor
from fleet.spec import planfile
from fleet.ui import output

_LATER = f"Name a later one (--api-version {paths.EXTENSIONS_APIS[-1]}), or say compatible."


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file that says what to do: a plan file, or a saved plan."""

    path: Path
    text: str
    """Of a plan file; empty for a saved plan."""
    rollout: Rollout | None
    plan: Plan | None


def read(path: Path) -> Source:
    """Read a plan file or a saved plan, whichever *path* is."""
    if saved_plan := _saved(path):
        return Source(path=path, text="", rollout=None, plan=saved_plan)
    rollout = planfile.load_rollout(path)
    return Source(path=path, text=rollout.text, rollout=rollout, plan=None)


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
        return source.plan
    rollout = source.rollout
    if rollout is None:
        message = f"{source.path} says nothing to do"
        raise InputError(message)
    inventory = await outside.service.inventory(
        rollout.scope,
        extension_type=rollout.desired.profile.extension_type,
        release_train=rollout.desired.release_train,
    )
    plan = planner.plan(rollout, inventory)
    refuse_secrets(plan)
    return plan


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
