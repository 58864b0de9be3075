"""MeshConfig as a plan file gives it: judged by the fields that are known, and as a JSON Schema.

What is known of each field: :mod:`fleet.core.works.meshfields`. A merge takes any part of it, so
nothing is required here; what belongs together is the API server's to say, in a dry run.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any

from fleet.core.works.meshfields import FIELDS, GROUPS, Field, FieldKind
from fleet.model import versions
from fleet.spec import flaws
from fleet.spec.flaws import Flaw, Path, quoted

_SINCE = versions.parse("1.1.0")
"""The first version of the mesh that has the newer fields."""
_SCALARS: Mapping[FieldKind, dict[str, Any]] = {
    FieldKind.TEXT: {"type": "string", "minLength": 1},
    FieldKind.NUMBER: {"type": "integer"},
    FieldKind.BOOLEAN: {"type": "boolean"},
    FieldKind.CIDR: {"type": "string", "pattern": r"^([0-9]{1,3}\.){3}[0-9]{1,3}/[0-9]{1,2}$"},
    FieldKind.TABLE: {"type": "object", "additionalProperties": {"type": ["string", "integer"]}},
}


def check(path: Path, config: Mapping[str, Any], *, version: object = None) -> Iterator[Flaw]:
    """Yield what is wrong with a part of MeshConfig.

    Args:
        path: Where it stands.
        config: What stands there.
        version: As the plan file pins it; anything else says nothing.
    """
    yield from _group(path, config, "", _is_old(version))


def schema(group: str = "") -> dict[str, Any]:
    """Return the JSON Schema of a group of fields; of all of them where none is named."""
    names = _below(group)
    return {
        "type": "object",
        "additionalProperties": False,
        "minProperties": 1,
        "properties": {name: _schema(_joined(group, name)) for name in names},
    }


def _group(path: Path, config: Mapping[str, Any], group: str, is_old: bool) -> Iterator[Flaw]:
    if not config:
        yield Flaw(path=path, message="may not be empty")
    for key, value in config.items():
        here, name = (*path, key), _joined(group, key)
        if name in GROUPS:
            yield from _below_group(here, value, name, is_old)
        elif name not in FIELDS:
            yield _unknown(here, group, str(key))
        elif FIELDS[name].is_new and is_old:
            message = "MeshConfig has this from 1.1 on, and an older version is pinned"
            yield Flaw(path=here, message=message, hint="remove it", is_about_key=True)
        elif value is not None:
            yield from _value(here, value, FIELDS[name])


def _below_group(path: Path, value: Any, group: str, is_old: bool) -> Iterator[Flaw]:
    if isinstance(value, dict):
        yield from _group(path, value, group, is_old)
    elif value is not None:
        hint = f"below it are {', '.join(_below(group))}"
        yield Flaw(path=path, message=_expected("a mapping", value), hint=hint)


def _unknown(path: Path, group: str, key: str) -> Flaw:
    near = flaws.nearest(key, _below(group))
    places = [name for name in (*FIELDS, *GROUPS) if name.rpartition(".")[2] == key]
    hint = flaws.suggestion(key, _below(group))
    if not near and len(places) == 1:
        top = len(path) - 1 - (group.count(".") + 1 if group else 0)
        place = places[0].split(".")[:-1]
        hint = f"it belongs in {flaws.dotted((*path[:top], *place))}"
    return Flaw(path=path, message="unknown key", hint=hint, is_about_key=True)


def _value(path: Path, value: Any, field: Field) -> Iterator[Flaw]:
    if field.kind is FieldKind.TABLE:
        yield from _table(path, value)
    elif not field.is_list:
        yield from _one(path, value, field)
    elif isinstance(value, list):
        for n, one in enumerate(value):
            yield from _one((*path, n), one, field)
    else:
        hint = None if isinstance(value, dict) else "write it as a list: [ ... ]"
        yield Flaw(path=path, message=_expected("a list", value), hint=hint)


def _table(path: Path, value: Any) -> Iterator[Flaw]:
    if not isinstance(value, dict):
        such = 'such as {cpu: "500m", memory: 128M}'
        yield Flaw(path=path, message=_expected("a mapping", value), hint=such)
        return
    for key, one in value.items():
        if isinstance(one, bool) or not isinstance(one, str | int | None):
            hint = "quote it" if isinstance(one, float) else None
            yield Flaw(path=(*path, key), message=_expected("an amount", one), hint=hint)


def _one(path: Path, value: Any, field: Field) -> Iterator[Flaw]:
    if value is None:
        return
    if field.kind is FieldKind.BOOLEAN:
        yield from _boolean(path, value)
    elif field.kind is FieldKind.NUMBER:
        yield from _number(path, value, field)
    elif not isinstance(value, str):
        is_scalar = isinstance(value, int | float)
        hint = "quote it" if is_scalar else None
        yield Flaw(path=path, message=_expected("text", value), hint=hint)
    elif field.choices and value not in field.choices:
        hint = flaws.suggestion(value, field.choices)
        yield Flaw(path=path, message=f"unknown value {quoted(value)}", hint=hint)
    elif field.kind is FieldKind.CIDR and not _is_range(value):
        message = f"expected {field.kind.value}, found {quoted(value)}"
        yield Flaw(path=path, message=message)


def _boolean(path: Path, value: Any) -> Iterator[Flaw]:
    if isinstance(value, bool):
        return
    is_word = isinstance(value, str) and value.lower() in ("true", "false")
    hint = "write it without quotes" if is_word else None
    yield Flaw(path=path, message=_expected("true or false", value), hint=hint)


def _number(path: Path, value: Any, field: Field) -> Iterator[Flaw]:
    bounds = f" from {field.low} to {field.high}" if field.low is not None else ""
    wanted = field.kind.value + bounds
    if isinstance(value, bool) or not isinstance(value, int):
        is_quoted = isinstance(value, str) and value.isdecimal()
        hint = "write it without quotes" if is_quoted else None
        found = str(value) if isinstance(value, float) else flaws.kind_of(value)
        yield Flaw(path=path, message=f"expected {wanted}, found {found}", hint=hint)
    elif not (field.low or value) <= value <= (field.high or value):
        yield Flaw(path=path, message=f"expected {wanted}, found {value}")


def _is_range(value: str) -> bool:
    try:
        return "/" in value and bool(ipaddress.IPv4Network(value, strict=False))
    except ValueError:
        return False


def _is_old(version: object) -> bool:
    pinned = versions.parse_or_none(version) if isinstance(version, str) else None
    return pinned is not None and pinned.minor_line < _SINCE.minor_line


def _expected(wanted: str, value: object) -> str:
    return f"expected {wanted}, found {flaws.kind_of(value)}"


def _joined(group: str, name: str) -> str:
    return f"{group}.{name}" if group else str(name)


def _below(group: str) -> list[str]:
    depth = group.count(".") + 1 if group else 0
    inside = [name for name in FIELDS if not group or name.startswith(f"{group}.")]
    return list(dict.fromkeys(name.split(".")[depth] for name in inside))


def _schema(name: str) -> dict[str, Any]:
    if name in GROUPS:
        return schema(name)
    field = FIELDS[name]
    one = dict(_SCALARS[field.kind])
    if field.choices:
        one = {"enum": list(field.choices)}
    if field.low is not None:
        one |= {"minimum": field.low, "maximum": field.high}
    return {"type": "array", "items": one} if field.is_list else one
