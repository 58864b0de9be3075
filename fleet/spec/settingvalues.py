"""Values of settings, as a chart reads them: text to the service, and typed to Helm.

Errors are returned, as a message and perhaps a hint; ``None``: nothing is wrong.
"""

from __future__ import annotations

import ipaddress
import re

from fleet.spec import flaws
from fleet.spec.charts import Kind, Setting
from fleet.spec.flaws import quoted

Complaint = tuple[str, str | None]

# Source: helm.sh/helm pkg/strvals, typedVal: what --set makes of an unquoted value.
_INTEGER = re.compile(r"0|[+-]?[1-9][0-9]*")
_BOOLEANS = ("true", "false")
_NULL = "null"
_CPU = re.compile(r"[0-9]+(?:\.[0-9]+)?m?")
# Source: kubernetes.io, Resource Management for Pods and Containers: quantities.
_MEMORY = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:[kMGTPE]|[KMGTPE]i|m)?")
_SPOKEN = {"yes": "true", "on": "true", "1": "true", "no": "false", "off": "false", "0": "false"}
_PORTS = (1, 65535)
# NB: Helm reads 64 bits; what is longer stays text.
_DIGITS = 18


def complaint(setting: Setting, value: str, *, kind: Kind | None = None) -> Complaint | None:
    """Return what is wrong with the *value* of a setting that is no map.

    Args:
        setting: What it is a value of.
        value: As written.
        kind: That of an item, where the setting is a list.
    """
    kind = kind or setting.kind
    if kind is Kind.BOOLEAN:
        return _boolean(value)
    if kind in (Kind.NUMBER, Kind.PORT):
        low, high = _PORTS if kind is Kind.PORT else (setting.low, setting.high)
        return _number(value, low, high)
    if setting.choices and value not in setting.choices:
        hint = flaws.suggestion(value, [one for one in setting.choices if one])
        return f"unknown value {quoted(value)}", hint
    return _text(kind, value) if kind is not Kind.ANY else None


def _boolean(value: str) -> Complaint | None:
    if value.lower() in _BOOLEANS:
        return None
    near = _SPOKEN.get(value.lower()) or flaws.nearest(value, _BOOLEANS)
    hint = f"write {quoted(near)}" if near else None
    return f"expected true or false, found {quoted(value)}", hint


def _number(value: str, low: int | None, high: int | None) -> Complaint | None:
    is_number = _INTEGER.fullmatch(value) and len(value) <= _DIGITS
    if is_number and (low is None or int(value) >= low) and (high is None or int(value) <= high):
        return None
    wanted = "a whole number"
    if low is not None:
        wanted += f" from {low} to {high}" if high is not None else f" of {low} or more"
    return f"expected {wanted}, found {quoted(value)}", None


def _text(kind: Kind, value: str) -> Complaint | None:
    read_as = _read_as(value)
    if read_as:
        message = f"the chart wants text, and reads {quoted(value)} as {read_as}"
        return message, _as_text(kind, value)
    if kind is Kind.CPU and not _CPU.fullmatch(value):
        return f"expected an amount of CPU such as 500m or 1.5, found {quoted(value)}", None
    if kind is Kind.MEMORY and not _MEMORY.fullmatch(value):
        return f"expected an amount of memory such as 128M or 1Gi, found {quoted(value)}", None
    if kind is Kind.CIDR and not _is_range(value):
        return f"expected a range of addresses such as 10.0.0.0/8, found {quoted(value)}", None
    return None


def _read_as(value: str) -> str:
    """Return what Helm takes *value* for; empty: text."""
    if _INTEGER.fullmatch(value):
        return "a number"
    if value.lower() in _BOOLEANS:
        return "true or false"
    return "nothing" if value.lower() == _NULL else ""


def _as_text(kind: Kind, value: str) -> str | None:
    is_number = _INTEGER.fullmatch(value)
    if kind is Kind.CPU and is_number:
        return f"write {quoted(value + '000m')}" if value != "0" else 'write "0m"'
    if kind is Kind.MEMORY and is_number:
        return 'write it with its unit, such as "128M"'
    return None


def _is_range(value: str) -> bool:
    try:
        return "/" in value and bool(ipaddress.IPv4Network(value, strict=False))
    except ValueError:
        return False
