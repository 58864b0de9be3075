"""Structural schemas: what a custom resource may hold, and what the API server says of it.

Unknown fields are pruned, defaults filled in, and then what is left is
validated, in this order, as the API server does it.

Source:  k8s.io/apiextensions-apiserver; messages from a kube-apiserver with the real definitions.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

Cause = tuple[str, str, str]
"""Reason, field, and what is said of it."""

_NAMES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """What one value may be."""

    type: str
    fields: Mapping[str, Schema] = dataclasses.field(default_factory=dict)
    """Of an object; empty: any."""
    item: Schema | None = None
    required: tuple[str, ...] = ()
    choices: tuple[str | bool, ...] = ()
    pattern: str = ""
    least: int | None = None
    most: int | None = None
    fewest: int = 0
    default: str | None = None


def pruned(value: Any, schema: Schema, *, path: str = "", lost: list[str] | None = None) -> Any:
    """Return *value* without what the schema does not know; *lost* hears what that was."""
    if isinstance(value, dict) and schema.fields:
        kept = {}
        for key, inner in value.items():
            place = f"{path}.{key}" if path else key
            if key in schema.fields:
                kept[key] = pruned(inner, schema.fields[key], path=place, lost=lost)
            elif lost is not None:
                lost.append(place)
        return kept
    if isinstance(value, list) and schema.item is not None:
        return [
            pruned(one, schema.item, path=f"{path}[{place}]", lost=lost)
            for place, one in enumerate(value)
        ]
    return value


def filled(value: Any, schema: Schema) -> Any:
    """Return *value* with the schema's defaults; an object that is not there stays away."""
    if not isinstance(value, dict) or not schema.fields:
        return value
    found = {
        key: filled(inner, schema.fields[key]) if key in schema.fields else inner
        for key, inner in value.items()
    }
    defaults = {
        key: inner.default
        for key, inner in schema.fields.items()
        if key not in found and inner.default is not None
    }
    return found | defaults


def flaws(value: Any, schema: Schema, *, path: str) -> Iterator[Cause]:
    """Yield what is wrong with *value*."""
    found = _name(value)
    if found != schema.type and not (found == "integer" and schema.type == "number"):
        said = f'{path} in body must be of type {schema.type}: "{found}"'
        yield "FieldValueTypeInvalid", path, f'Invalid value: "{found}": {said}'
        return
    if isinstance(value, dict):
        yield from _in_object(value, schema, path)
    elif isinstance(value, list):
        yield from _in_list(value, schema, path)
    else:
        yield from _in_scalar(value, schema, path)


def _name(value: Any) -> str:
    if value is None:
        return "null"
    return "object" if isinstance(value, dict) else _NAMES[type(value)]


def _in_object(value: Mapping[str, Any], schema: Schema, path: str) -> Iterator[Cause]:
    for key in schema.required:
        if key not in value:
            yield "FieldValueRequired", f"{path}.{key}", "Required value"
    for key in sorted(value.keys() & schema.fields.keys()):
        yield from flaws(value[key], schema.fields[key], path=f"{path}.{key}")


def _in_list(value: list[Any], schema: Schema, path: str) -> Iterator[Cause]:
    if len(value) < schema.fewest:
        said = f"{path} in body should have at least {schema.fewest} items"
        yield "FieldValueInvalid", path, f"Invalid value: {len(value)}: {said}"
    for place, one in enumerate(value):
        if schema.item is not None:
            yield from flaws(one, schema.item, path=f"{path}[{place}]")


def _in_scalar(value: Any, schema: Schema, path: str) -> Iterator[Cause]:
    shown = json.dumps(value, ensure_ascii=False)
    if schema.choices and value not in schema.choices:
        known = ", ".join(f'"{_choice(one)}"' for one in schema.choices)
        yield (
            "FieldValueNotSupported",
            path,
            f"Unsupported value: {shown}: supported values: {known}",
        )
    if schema.pattern and not re.search(schema.pattern, value):
        said = f"{path} in body should match '{schema.pattern}'"
        yield "FieldValueInvalid", path, f"Invalid value: {shown}: {said}"
    if schema.least is not None and value < schema.least:
        said = f"{path} in body should be greater than or equal to {schema.least}"
        yield "FieldValueInvalid", path, f"Invalid value: {shown}: {said}"
    if schema.most is not None and value > schema.most:
        said = f"{path} in body should be less than or equal to {schema.most}"
        yield "FieldValueInvalid", path, f"Invalid value: {shown}: {said}"


def _choice(value: str | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else value


def as_document(schema: Schema) -> dict[str, Any]:
    """Return the schema as a definition carries it."""
    document: dict[str, Any] = {"type": schema.type}
    if schema.fields:
        document["properties"] = {key: as_document(one) for key, one in schema.fields.items()}
    elif schema.type == "object":
        document["x-kubernetes-preserve-unknown-fields"] = True
    if schema.item is not None:
        document["items"] = as_document(schema.item)
    plain = {
        "required": list(schema.required),
        "enum": list(schema.choices),
        "pattern": schema.pattern,
        "minItems": schema.fewest,
    }
    document |= {key: value for key, value in plain.items() if value}
    bounds = {"minimum": schema.least, "maximum": schema.most, "default": schema.default}
    return document | {key: value for key, value in bounds.items() if value is not None}
