"""Selectors of labels and of fields, as a request's query carries them.

Errors:  :exc:`ValueError` with the API server's words for one that cannot be read.
Source:  k8s.io/apimachinery, packages labels and fields.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any

Rule = Callable[[Mapping[str, str]], bool]

_TERMS = re.compile(r",(?![^()]*\))")
_SET = re.compile(r"(?P<key>\S+)\s+(?P<how>in|notin)\s*\((?P<values>[^()]*)\)")
_EQUAL = re.compile(r"(?P<key>[^!=\s]+)\s*(?P<how>==|=|!=)\s*(?P<value>[^=!\s]*)")
_KEY = re.compile(r"(?P<not>!?)\s*(?P<key>[A-Za-z0-9][A-Za-z0-9._/-]*)")
_FIELDS = ("metadata.name", "metadata.namespace")
_OF_PODS = ("spec.nodeName", "status.phase")


@functools.lru_cache(maxsize=256)
def of_labels(text: str) -> Rule:
    """Return what tells whether labels fit a selector.

    >>> fits = of_labels("app in (cart, shop),!old,tier!=db")
    >>> fits({"app": "cart"}), fits({"app": "cart", "old": ""})
    (True, False)
    """
    rules = [_rule(one.strip()) for one in _TERMS.split(text) if one.strip()]
    return lambda labels: all(rule(labels) for rule in rules)


def of_fields(text: str, *, has_pods: bool) -> Callable[[Mapping[str, Any]], bool]:
    """Return what tells whether an object fits a selector of fields."""
    rules: list[tuple[tuple[str, ...], str, bool]] = []
    for term in filter(None, (one.strip() for one in text.split(","))):
        match = _EQUAL.fullmatch(term)
        if match is None:
            message = f"invalid selector: '{text}'; can't understand '{term}'"
            raise ValueError(message)
        known = _FIELDS + (_OF_PODS if has_pods else ())
        if match["key"] not in known:
            message = f"field label not supported: {match['key']}"
            raise ValueError(message)
        rules.append((tuple(match["key"].split(".")), match["value"], match["how"] != "!="))
    return lambda found: all((_field(found, path) == value) is same for path, value, same in rules)


def _field(found: Mapping[str, Any], path: tuple[str, ...]) -> str:
    value: Any = found
    for key in path:
        value = value.get(key, {}) if isinstance(value, Mapping) else {}
    return value if isinstance(value, str) else ""


def _rule(term: str) -> Rule:
    if match := _SET.fullmatch(term):
        key, wants = match["key"], match["how"] == "in"
        values = frozenset(one.strip() for one in match["values"].split(","))
        # Source: "notin" and "!=" take objects without the label as well.
        return lambda labels: (labels[key] in values) is wants if key in labels else not wants
    if match := _EQUAL.fullmatch(term):
        key, value, same = match["key"], match["value"], match["how"] != "!="
        return lambda labels: (labels[key] == value) is same if key in labels else not same
    if match := _KEY.fullmatch(term):
        key, is_there = match["key"], not match["not"]
        return lambda labels: (key in labels) is is_there
    message = f"unable to parse requirement: found '{term}', expected: identifier, '!', or ','"
    raise ValueError(message)
