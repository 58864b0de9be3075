"""From a file on the command line to a plan: by discovery, or saved and still what it was."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import orjson

from fleet.cli.context import DISCRETION
from fleet.cli.outside import Outside
from fleet.core import planner, saved
from fleet.engine import requests
from fleet.errors import InputError, RefusedError
from fleet.model.cluster import AutoUpgrade
from fleet.model.desired import Rollout
from fleet.model.plan import Plan, Target
from fleet.model.redaction import Redactor
from fleet.spec import planfile


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
        _refuse_secrets(source.plan)
        _refuse_unsayable(source.plan, outside)
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
    _refuse_secrets(plan)
    _refuse_unsayable(plan, outside)
    return plan


def vault(targets: Iterable[Target]) -> Mapping[str, str]:
    """Return the protected settings' values, from the environment variables that hold them."""
    names = sorted(requests.variables(targets))
    absent = [name for name in names if not os.environ.get(name)]
    if absent:
        message = f"protected settings are to come from {', '.join(absent)}, which is not set"
        raise InputError(message, hint="Set the environment variable for this process only.")
    found = {name: os.environ[name] for name in names}
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


def _refuse_unsayable(plan: Plan, outside: Outside) -> None:
    """Refuse what the api-version of extensions that is spoken has no word for."""
    steps = (step for target in plan.targets for step in target.steps)
    if outside.is_remote and any(step.auto_upgrade is AutoUpgrade.PATCH for step in steps):
        message = "autoUpgrade: patch cannot be said in the api-version of extensions that is used"
        raise InputError(message, hint="Say none, or compatible.")


def _refuse_secrets(plan: Plan) -> None:
    """Refuse a plan that would carry a protected setting's value into files that are kept."""
    values = [os.environ[name] for name in requests.variables(plan.targets) if os.environ.get(name)]
    place = Redactor(values).found(saved.document(plan)) if values else None
    if place is not None:
        message = f"the value of a protected setting also stands in plain in the plan, at {place}"
        raise RefusedError(message, hint="Take it out of the plain settings.")
