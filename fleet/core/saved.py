"""A plan as a document: what ``fleet plan -o json`` prints and ``--out`` saves, and the way back.

Errors:  :exc:`~fleet.errors.InputError` for what is no plan of ours,
         :exc:`~fleet.errors.TamperedError` for a plan that was changed after it was made.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from fleet.core import planner
from fleet.errors import InputError, TamperedError
from fleet.model import codec
from fleet.model.plan import Plan, PlanHead, Target

API_VERSION = "fleet/v1"
KIND = "Plan"
_HINT = "Make it again with `fleet plan FILE --out PLAN`."


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Targets:
    targets: tuple[Target, ...]


def document(plan: Plan) -> dict[str, Any]:
    """Return *plan* as JSON values; its schema is ``fleet schema --kind plan``."""
    head = codec.to_json(plan.head)
    head["waves"] = [
        {**codec.to_json(wave), "targets": [target.cluster_id for target in targets]}
        for wave, targets in plan.by_wave()
    ]
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "digest": plan.digest,
        **head,
        "targets": list(codec.each_to_json(Target, plan.targets)),
    }


def is_plan(data: object) -> bool:
    """Tell whether *data* claims to be a saved plan."""
    return isinstance(data, dict) and data.get("kind") == KIND


def plan_of(data: dict[str, Any]) -> Plan:
    """Read a saved plan; its digest must be that of its content."""
    fields = {key: value for key, value in data.items() if key not in ("kind", "targets", "digest")}
    if fields.pop("apiVersion", None) != API_VERSION:
        message = f"the plan is not of apiVersion {API_VERSION}: another release made it"
        raise InputError(message, hint=_HINT)
    try:
        order = [wave.pop("targets", ()) for wave in _copied_waves(fields)]
        head = codec.from_json(PlanHead, fields)
        targets = codec.from_json(_Targets, {"targets": data.get("targets")}).targets
        listed = [list(ids) for ids in order]
    except (ValueError, AttributeError, TypeError) as error:
        message = f"the plan cannot be read: {error}"
        raise InputError(message, hint=_HINT) from error
    plan = planner.sealed(head, targets)
    told = [[target.cluster_id for target in members] for _, members in plan.by_wave()]
    if plan.digest != data.get("digest") or told != listed:
        message = f"the plan was changed after it was made: its content is {plan.digest}"
        raise TamperedError(message, hint=_HINT)
    return plan


def _copied_waves(fields: dict[str, Any]) -> list[dict[str, Any]]:
    fields["waves"] = [dict(wave) for wave in fields.get("waves") or ()]
    waves: list[dict[str, Any]] = fields["waves"]
    return waves
