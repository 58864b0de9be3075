"""What objects of built-in kinds must look like, as far as people can get it wrong here.

A value of a wrong type cannot be decoded, and then nothing else is said; what
can be decoded is validated, and every flaw is told.

Source:  k8s.io/apimachinery, package api/validation; a kube-apiserver that was asked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from fleet.sim.inside import refusals
from fleet.sim.inside.asking import Request, Target
from fleet.sim.inside.refusals import RefusedError
from fleet.sim.inside.schemas import Cause

_LABEL = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_LONGEST = 63
_A_LABEL = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or "
    f"'12345', regex used for validation is '{_LABEL.pattern}')"
)
_A_NAME = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used "
    f"for validation is '{_NAME.pattern}')"
)
_A_KEY = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name', "
    f" or 'KEY_NAME',  or 'key-name', regex used for validation is '{_KEY.pattern}')"
)
_TYPES = {bool: "bool", int: "number", float: "number", str: "string", list: "array"}


def check(found: Target, wanted: Any, request: Request) -> None:
    """Refuse an object that is not as its kind wants it.

    Raises:
        RefusedError: With what is wrong.
    """
    if (words := _undecodable(found, wanted)) is not None:
        raise _undecoded(found, wanted, request, words)
    kind, group = found.kind.kind, found.resource.group
    if wanted.get("kind", kind) != kind:
        version = found.resource.version
        message = f'{wanted["kind"]} in version "{version}" cannot be handled as a {kind}'
        raise refusals.bad_request(message)
    if causes := list(_flaws(found, wanted)):
        raise refusals.invalid(kind, group, wanted["metadata"].get("name", ""), causes)


def _undecodable(found: Target, wanted: Any) -> str | None:
    """Return the decoder's words for a value of a wrong type; ``None``: there is none."""
    kind = found.kind.kind
    metadata = wanted.get("metadata") if isinstance(wanted, Mapping) else None
    if not isinstance(metadata, Mapping):
        return _mistyped(wanted if metadata is None else metadata, f"{kind}.metadata", "ObjectMeta")
    texts = {f"ObjectMeta.metadata.{part}": metadata.get(part) for part in _PARTS}
    if found.resource == ("", "v1", "configmaps"):
        texts["ConfigMap.data"] = wanted.get("data")
    for place, value in texts.items():
        for one in (value or {}).values():
            if not isinstance(one, str):
                return _mistyped(one, place, "string")
    replicas = _replicas(found, wanted)
    if not isinstance(replicas, int) or isinstance(replicas, bool):
        return _mistyped(replicas, f"{kind}Spec.spec.replicas", "int32")
    return None


_PARTS = ("labels", "annotations")


def _replicas(found: Target, wanted: Mapping[str, Any]) -> Any:
    """Return how many pods a workload wants; 1 where that is not said, or is none."""
    spec = wanted.get("spec") if found.resource.group == "apps" else None
    asked = spec.get("replicas") if isinstance(spec, Mapping) else None
    return 1 if asked is None else asked


def _mistyped(value: Any, place: str, wanted: str) -> str:
    kind = "object" if isinstance(value, Mapping) else _TYPES.get(type(value), "null")
    return f"json: cannot unmarshal {kind} into Go struct field {place} of type {wanted}"


def _undecoded(found: Target, wanted: Any, request: Request, words: str) -> RefusedError:
    if request.method == "PATCH":
        said = f"Invalid value: {json.dumps(json.dumps(wanted))}: {words}"
        return refusals.invalid("", "", "", [("FieldValueInvalid", "patch", said)])
    kind, version = found.kind.kind, found.resource.version
    message = f'{kind} in version "{version}" cannot be handled as a {kind}: {words}'
    return refusals.bad_request(message)


def _flaws(found: Target, wanted: Mapping[str, Any]) -> Iterator[Cause]:
    metadata, plural = wanted["metadata"], found.resource.plural
    name = metadata.get("name", "")
    if plural == "namespaces" and name and not _fits(_NAME, name):
        yield _flaw("metadata.name", name, _A_NAME)
    for value in (metadata.get("labels") or {}).values():
        if not _fits(_LABEL, value):
            yield _flaw("metadata.labels", value, _A_LABEL)
    if found.resource == ("", "v1", "configmaps"):
        for key in wanted.get("data") or {}:
            if not _KEY.fullmatch(key):
                yield _flaw(f"data[{key}]", key, _A_KEY)
    replicas = _replicas(found, wanted)
    if replicas < 0:
        said = f"Invalid value: {replicas}: must be greater than or equal to 0"
        yield "FieldValueInvalid", "spec.replicas", said


def _fits(pattern: re.Pattern[str], text: str) -> bool:
    return len(text) <= _LONGEST and pattern.fullmatch(text) is not None


def _flaw(field: str, value: str, rule: str) -> Cause:
    return "FieldValueInvalid", field, f"Invalid value: {json.dumps(value)}: {rule}"
