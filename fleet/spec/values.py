"""The kinds of values that a plan file has, each with the hint for whoever gets it wrong.

Each is an annotated type for pydantic: a function that takes what YAML read
and returns what the model wants, and a piece of JSON Schema for editors.

Errors:  those of :func:`fleet.spec.explanation.refusal`.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from fleet.model import versions
from fleet.spec import flaws
from fleet.spec.amounts import shown
from fleet.spec.explanation import refusal
from fleet.spec.flaws import quoted

LATEST = "latest"
TAG = "tag:"
MAX_DURATION = dt.timedelta(days=30)

_DURATION = re.compile(
    r"(?=[0-9])(?:([0-9]{1,9})d)?(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s)?"
)
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?")
_GROUPING = ("location", "subscription", "distribution", "resourceGroup")
_ORDERING = ("name", *_GROUPING)
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Source: names of management groups, in the rules of Azure's resource names.
_MANAGEMENT_GROUP = re.compile(r"[A-Za-z0-9_().-]{1,89}[A-Za-z0-9_()-]|[A-Za-z0-9_()-]")
_GROUPS_PATH = "/providers/microsoft.management/managementgroups/"
_LOCATION = re.compile(r"[a-z0-9]{1,60}")
# Source: POSIX 8.1; capitals only, so that a secret that is pasted here by mistake is refused.
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,127}")
_EXTENSION_TYPE = r"[A-Za-z][A-Za-z0-9._-]{2,127}"
_EXTENSION_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
# Source: RFC 1123 labels, as Kubernetes checks them.
_NAMESPACE = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# Source: the labels kubernetes.io/os and kubernetes.io/arch, in Go's words.
_PLATFORM = r"[a-z]+/[a-z0-9]+"
_DURATION_SCHEMA = r"^(?=[0-9])([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$"


def _duration(value: Any) -> dt.timedelta:
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        message = f"expected a duration, found {shown(value)}"
        raise refusal(message, "write it with its unit, such as 90s, 30m, 1h30m or 2d")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    # NB: added up as an integer: a timedelta of so many days would overflow.
    total_s = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if total_s > MAX_DURATION.total_seconds():
        raise refusal(f"{quoted(value)} is longer than {MAX_DURATION.days}d")
    return dt.timedelta(seconds=total_s)


def span(value: Any) -> dt.timedelta | None:
    """Return the duration that *value* is written as; ``None``: it is none."""
    try:
        return _duration(value)
    except PydanticCustomError:
        return None


def _deadline(value: Any) -> dt.timedelta:
    duration = _duration(value)
    if not duration:
        message = "a deadline cannot be zero"
        raise refusal(message, "leave it out for the default")
    return duration


def _version(value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        message = "a number stands where a version belongs"
        raise refusal(message, "quote it:", shows_source=True)
    if not isinstance(value, str):
        raise refusal(f"expected a version, found {flaws.kind_of(value)}")
    if value == LATEST:
        return value
    return _parsed_version(value)


def _exact_version(value: Any) -> str:
    if value == LATEST:
        message = f"{quoted(LATEST)} is a wish, and no version"
        raise refusal(message, "name versions that there are")
    if isinstance(value, int | float) and not isinstance(value, bool):
        message = "a number stands where a version belongs"
        raise refusal(message, "quote it")
    if isinstance(value, str) and versions.parse_or_none(value) is None:
        raise refusal(f"{quoted(value)} is not a version", "write it such as 1.2.6")
    return _version(value)


def _parsed_version(text: str) -> str:
    try:
        version = versions.parse(text)
    except ValueError:
        near = flaws.nearest(text, [LATEST])
        hint = f"did you mean {quoted(near)}?" if near else 'write 1.2.6, or "latest"'
        raise refusal(f"{quoted(text)} is not a version", hint) from None
    # The service compares versions as text, and publishes none with a "v".
    if version.text.startswith("v") or not version.text.isascii():
        plain = version.text.removeprefix("v")
        raise refusal(f"{quoted(text)} is not a version", f"did you mean {quoted(plain)}?")
    return version.text


def _name(value: Any) -> Any:
    if not isinstance(value, str) or _NAME.fullmatch(value):
        return value
    message = f"{quoted(value)} is not a name: use a-z, 0-9, - and ., at most 63 characters"
    near = re.sub(r"[^a-z0-9.-]+", "-", value.lower())[:63].strip("-.")
    raise refusal(message, f"did you mean {quoted(near)}?" if near else None)


def _guid(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if not _GUID.fullmatch(value.lower()):
        hint = "`az account list` shows the ids"
        raise refusal(f"{quoted(value)} is not a subscription id", hint)
    return value.lower()


def _management_group(value: Any) -> Any:
    if not isinstance(value, str) or _MANAGEMENT_GROUP.fullmatch(value):
        return value
    hint = "the id is the last part of its path, not the name that is displayed"
    if value.lower().startswith(_GROUPS_PATH):
        hint = f"did you mean {quoted(value[len(_GROUPS_PATH) :])}?"
    raise refusal(f"{quoted(value)} is not the id of a management group", hint)


def _location(value: Any) -> Any:
    if not isinstance(value, str) or _LOCATION.fullmatch(value.lower()):
        return value.lower() if isinstance(value, str) else value
    near = re.sub(r"[^a-z0-9]", "", value.lower())[:60]
    hint = f"did you mean {quoted(near)}?" if near else None
    raise refusal(f"{quoted(value)} is not the name of a location", hint)


def _fitting(pattern: str, what: str) -> BeforeValidator:
    def check(value: Any) -> Any:
        if isinstance(value, str) and not re.fullmatch(pattern, value):
            raise refusal(f"{quoted(value)} is not {what}")
        return value

    return BeforeValidator(check)


def _printable(value: str) -> str:
    if not value.isprintable() or not value.strip():
        message = "expected text on one line, without control characters"
        raise refusal(message)
    return value


def _setting(value: Any) -> Any:
    if isinstance(value, dict | list):
        message = f"expected text, found {flaws.kind_of(value)}"
        raise refusal(message, "write one flat key for each value, such as osm.osm.enableEgress")
    return value


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _label(value: Any) -> Any:
    if not isinstance(value, str) or value in _GROUPING:
        return value
    return _tag_label(value, _GROUPING)


def _sort_key(value: Any) -> Any:
    if not isinstance(value, str) or value.removeprefix("-") in _ORDERING:
        return value
    sign = "-" if value.startswith("-") else ""
    return sign + _tag_label(value.removeprefix("-"), _ORDERING)


def _tag_label(value: str, known: tuple[str, ...]) -> str:
    name = value.removeprefix(TAG)
    if value.startswith(TAG) and name.strip() and name.isprintable():
        return value
    near = flaws.nearest(value, known)
    hint = f"did you mean {quoted(near)}?" if near else f"one of: {', '.join(known)}, tag:NAME"
    raise refusal(f"unknown label {quoted(value)}", hint)


def _variable(value: Any) -> str:
    if not isinstance(value, str) or not _VARIABLE.fullmatch(value):
        # NB: not quoted, since it may be the secret itself.
        message = "fromEnv takes the name of an environment variable"
        raise refusal(message, "write it in capitals, such as OSM_TOKEN")
    return value


_DURATION_JSON = {"type": "string", "pattern": _DURATION_SCHEMA, "examples": ["30m", "1h30m"]}

Duration = Annotated[dt.timedelta, PlainValidator(_duration), WithJsonSchema(_DURATION_JSON)]
Deadline = Annotated[dt.timedelta, PlainValidator(_deadline), WithJsonSchema(_DURATION_JSON)]
VersionText = Annotated[
    str,
    PlainValidator(_version),
    WithJsonSchema({"type": "string", "examples": ["1.2.6", LATEST]}),
]
ExactVersion = Annotated[
    str,
    PlainValidator(_exact_version),
    WithJsonSchema({"type": "string", "examples": ["1.2.6"]}),
]
Text = Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(_printable)]
Name = Annotated[
    str, BeforeValidator(_name), Field(json_schema_extra={"pattern": f"^{_NAME.pattern}$"})
]
Guid = Annotated[str, BeforeValidator(_guid), Field(json_schema_extra={"format": "uuid"})]
ManagementGroup = Annotated[
    str,
    BeforeValidator(_management_group),
    Field(json_schema_extra={"pattern": f"^({_MANAGEMENT_GROUP.pattern})$"}),
]
Location = Annotated[str, BeforeValidator(_location)]
Distribution = Annotated[str, BeforeValidator(_lower), StringConstraints(min_length=1)]
Platform = Annotated[
    str,
    _fitting(_PLATFORM, "a platform such as linux/amd64"),
    Field(json_schema_extra={"pattern": f"^{_PLATFORM}$"}),
]
ExtensionType = Annotated[
    str,
    _fitting(_EXTENSION_TYPE, "an extension type such as Microsoft.Dapr"),
    Field(json_schema_extra={"pattern": f"^{_EXTENSION_TYPE}$"}),
]
ExtensionName = Annotated[
    str,
    _fitting(_EXTENSION_NAME, "the name of an extension: use letters, digits, ., _ and -"),
    Field(json_schema_extra={"pattern": f"^{_EXTENSION_NAME}$"}),
]
Namespace = Annotated[
    str,
    _fitting(_NAMESPACE, "a namespace: use a-z, 0-9 and -, at most 63 characters"),
    Field(json_schema_extra={"pattern": f"^{_NAMESPACE}$"}),
]
Label = Annotated[
    str,
    BeforeValidator(_label),
    Field(json_schema_extra={"pattern": f"^({'|'.join(_GROUPING)}|tag:.*[^ ].*)$"}),
]
SortKey = Annotated[
    str,
    BeforeValidator(_sort_key),
    Field(json_schema_extra={"pattern": f"^-?({'|'.join(_ORDERING)}|tag:.*[^ ].*)$"}),
]
Setting = Annotated[str, BeforeValidator(_setting)]
Variable = Annotated[
    str,
    PlainValidator(_variable),
    WithJsonSchema({"type": "string", "pattern": f"^{_VARIABLE.pattern}$"}),
]
