"""The JSON Schemas that are published: of plan files, and of the computed plan.

The first is generated from the models that check a plan file, so the two
cannot part. The second is written by hand: it is a promise to those who read
``fleet plan -o json``, and changes only on purpose.

Source:  https://json-schema.org/draft/2020-12
"""

from __future__ import annotations

import importlib.resources
import json
from typing import Any

from fleet.spec import gaterules, gates, profiles, strategies
from fleet.spec.calendarform import CalendarsFile
from fleet.spec.calendarrules import KEYS, KINDS
from fleet.spec.form import RolloutFile

DIALECT = "https://json-schema.org/draft/2020-12/schema"
ROLLOUT_ID = "urn:arc-fleet:schema:rollout:v1"
CALENDARS_ID = "urn:arc-fleet:schema:calendars:v1"

_REQUIRED_ONE_OF: dict[str, tuple[tuple[str, ...], ...]] = {
    "TargetsFile": (("subscriptions",), ("managementGroups",), ("tenant",)),
    "ExtensionFile": (("profile",), ("profileFile",), ("extensionType",)),
    "RequiredFile": (("profile",), ("extensionType",)),
    "WaveFile": (("size",), ("match",), ("targets",)),
    "GateFile": tuple((key,) for key in gaterules.SOURCES),
    "NotifyFile": (("webhook",), ("command",)),
    "ScheduleFile": (("cron",), ("rrule", "starts")),
}
"""``{model: sets of keys}``: exactly one set must be there."""
_REQUIRED_SOME_OF: dict[str, tuple[str, ...]] = {
    "SpreadFile": ("maxConcurrency", "maxFailures"),
    "CalendarFile": ("allow", "deny", "byTag"),
    "TagValueFile": ("allow", "deny"),
    "NamespacesFile": ("add", "remove", "metrics", "noMetrics"),
    "AzureMonitorFile": ("add", "remove"),
}
"""``{model: keys}``: at least one must be there."""


def rollout_schema() -> dict[str, Any]:
    """Return the JSON Schema of a plan file.

    What it lets through may still be refused: rules between keys, such as a
    version pinned while auto-upgrade is on, are checked by ``fleet validate``.
    """
    schema = RolloutFile.model_json_schema()
    parts = schema["$defs"]
    _require_keys(parts)
    parts["NotifyFile"]["dependentRequired"] = {"secret": ["webhook"]}
    extension = parts["ExtensionFile"]["properties"]
    _one_of_names(extension["profile"], profiles.names())
    extension["settings"] |= {"propertyNames": {"minLength": 1}}
    required = parts["RequiredFile"]["properties"]
    _one_of_names(required["profile"], profiles.names())
    required["settings"] |= {"propertyNames": {"minLength": 1}}
    _one_of_names(parts["SpecFile"]["properties"]["strategy"], strategies.names())
    _one_of_names(parts["GateFile"]["properties"]["uses"], gates.names())
    parts["TargetsFile"]["properties"]["tenant"] |= {"const": True}
    return {"$schema": DIALECT, "$id": ROLLOUT_ID, **_without_null(schema)}


def calendars_schema() -> dict[str, Any]:
    """Return the JSON Schema of a file of calendars that bind every run."""
    schema = CalendarsFile.model_json_schema()
    _require_keys(schema["$defs"])
    del schema["$defs"]["CalendarFile"]["properties"]["level"]
    return {"$schema": DIALECT, "$id": CALENDARS_ID, **_without_null(schema)}


def plan_schema() -> dict[str, Any]:
    """Return the JSON Schema of a plan as ``fleet plan -o json`` prints it."""
    file = importlib.resources.files(__name__).joinpath("plan.schema.json")
    schema: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return schema


def _require_keys(parts: dict[str, Any]) -> None:
    for part, choices in _REQUIRED_ONE_OF.items():
        if part in parts:
            parts[part]["oneOf"] = [{"required": list(keys)} for keys in choices]
    for part, keys in _REQUIRED_SOME_OF.items():
        if part in parts:
            parts[part]["anyOf"] = [{"required": [key]} for key in keys]
    parts["CalendarFile"]["allOf"] = [
        {"if": {"required": ["byTag"]}, "then": _none_of("level", "allow", "deny")},
        {"if": {"required": ["byTag"]}, "else": _none_of("zoneTag", "values", "untagged")},
    ]
    parts["RuleFile"]["oneOf"] = [
        {"required": [kind, *needed], **_none_of(*sorted(KEYS - {kind, *needed, *possible}))}
        for kind, (needed, possible) in KINDS.items()
    ]


def _none_of(*keys: str) -> dict[str, Any]:
    return {"properties": dict.fromkeys(keys, False)}


def _one_of_names(part: dict[str, Any], names: tuple[str, ...]) -> None:
    for key in ("anyOf", "oneOf"):
        for choice in part.get(key, ()):
            if choice.get("type") == "string":
                choice.clear()
                choice["enum"] = list(names)


def _without_null(part: Any) -> Any:
    """Return *part* without what pydantic says of keys that may be left out.

    In Python such a field is ``None``; in a file, a key without a value is an error.
    """
    if isinstance(part, list):
        return [_without_null(one) for one in part]
    if not isinstance(part, dict):
        return part
    kept = {
        key: _without_null(one)
        for key, one in part.items()
        if not (key == "default" and one is None)
    }
    choices = kept.get("anyOf")
    if isinstance(choices, list) and {"type": "null"} in choices:
        choices.remove({"type": "null"})
        if len(choices) == 1:
            del kept["anyOf"]
            kept = {**choices[0], **kept}
    return kept
