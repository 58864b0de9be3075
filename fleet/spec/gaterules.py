"""What must hold between the keys of gates, of approvals, and of the waves that name them.

As in :mod:`fleet.spec.rules`, anything may have any shape here.
"""

from __future__ import annotations

import datetime as dt
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fleet.spec import flaws, gateform, gates, strategies, values
from fleet.spec.flaws import Flaw, Path, below, quoted

SOURCES = ("prometheus", "logAnalytics", "http", "command", "resourceGraph", "extension")
LISTS = ("beforeGates", "soakGates", "afterGates")
_LONGEST_TIMEOUT = dt.timedelta(minutes=10)


def check(data: Any) -> Iterator[Flaw]:
    """Yield every broken rule of a plan file's gates, approvals and soaks."""
    spec = below(data, "spec")
    found = below(spec, "gates")
    named = _named(found)
    for n, gate in enumerate(found if isinstance(found, list) else ()):
        if isinstance(gate, dict):
            yield from _gate(("spec", "gates", n), gate)
    yield from _twice(("spec", "gates"), found, "gates")
    for key in LISTS:
        yield from _list(("spec", key), below(spec, key), key, named)
    strategy = spec.get("strategy", strategies.DEFAULT) if isinstance(spec, dict) else None
    waves = _waves(strategy)
    if isinstance(strategy, dict):
        yield from _strategy(("spec", "strategy"), strategy, waves, named)
    yield from _run_approvals(("spec", "approvals"), below(spec, "approvals"), waves)


def may_roll_back(data: Any) -> bool:
    """Tell whether any gate leads to a rollback."""
    found = below(data, "spec", "gates")
    return any(
        below(gate, key) == "rollback"
        for gate in (found if isinstance(found, list) else ())
        for key in _ACTIONS
    )


_ACTIONS = ("onFail", "onInconclusive", "onNoData", "onError")


def _named(found: Any) -> dict[str, Mapping[str, Any]]:
    return {
        name: gate
        for gate in (found if isinstance(found, list) else ())
        if isinstance(name := below(gate, "name"), str)
    }


def _waves(strategy: Any) -> Sequence[Any]:
    if isinstance(strategy, str) and strategy in strategies.names():
        return list(strategies.block(strategy)["waves"])
    waves = below(strategy, "waves")
    return waves if isinstance(waves, list) else ()


# --- a gate -------------------------------------------------------------------------------


def _gate(path: Path, gate: dict[str, Any]) -> Iterator[Flaw]:
    given = [key for key in SOURCES if key in gate]
    if not given:
        hint = f"add one of {', '.join(SOURCES)}"
        yield Flaw(path=path, message="what is asked is not said", hint=hint, is_absence=True)
    for key in given[1:]:
        yield flaws.excluded(path, key, by=given[0])
    for key in given[:1]:
        yield from _source(path, gate, key)
    yield from _numbers(path, gate, _canned(gate, given))


def _canned(gate: dict[str, Any], given: Sequence[str]) -> Mapping[str, Any]:
    uses = gate.get("uses")
    is_known = isinstance(uses, str) and uses in gates.names()
    is_asked = bool(given) and given[0] in gates.PROVIDERS
    return gates.keys(str(uses), given[0]) if is_known and is_asked else {}


def _source(path: Path, gate: dict[str, Any], key: str) -> Iterator[Flaw]:
    uses, asked = gate.get("uses"), gate[key]
    if isinstance(uses, str) and uses not in gates.names():
        message = f"unknown gate {quoted(uses)}"
        yield Flaw(
            path=(*path, "uses"), message=message, hint=flaws.suggestion(uses, gates.names())
        )
    elif isinstance(uses, str) and key not in gates.PROVIDERS:
        message = f"{uses} cannot be asked of {key}"
        hint = f"one of: {', '.join(gates.PROVIDERS)}"
        yield Flaw(path=(*path, "uses"), message=message, hint=hint)
    if isinstance(asked, dict):
        if key in gates.PROVIDERS and "query" not in asked and "uses" not in gate:
            hint = "add it, or uses: with the name of a canned gate"
            yield Flaw(path=(*path, key, "query"), message="this key is required", hint=hint)
        yield from _secrets((*path, key), asked)


def _secrets(path: Path, asked: dict[str, Any]) -> Iterator[Flaw]:
    has_token, headers = asked.get("azureToken") is True, asked.get("headers")
    url = asked.get("url")
    if (has_token or headers) and isinstance(url, str) and not _is_safe(url):
        message = "a secret is sent by https only"
        yield Flaw(path=(*path, "url"), message=message, hint="use https, or remove the secret")
    if has_token and isinstance(headers, dict):
        for name in headers:
            if isinstance(name, str) and name.lower() == "authorization":
                yield flaws.excluded((*path, "headers"), name, by="azureToken")


def _is_safe(url: str) -> bool:
    try:
        return urllib.parse.urlsplit(url).scheme != "http" or gateform.is_safe(url)
    except ValueError:
        return True  # no URL at all, which is said elsewhere


def _numbers(path: Path, gate: dict[str, Any], canned: Mapping[str, Any]) -> Iterator[Flaw]:
    def said(key: str) -> Any:
        return gate.get(key, canned.get(key))

    count, row = said("count"), said("consecutiveSuccessLimit")
    if type(count) is int and count > 1 and said("interval") is None:
        hint = "add interval, such as 1m"
        message = "between measurements there must be an interval"
        yield Flaw(path=(*path, "count"), message=message, hint=hint)
    if type(count) is int and type(row) is int and row > count:
        message = f"so many cannot pass in a row: there are {count} measurements"
        place = "consecutiveSuccessLimit" if "consecutiveSuccessLimit" in gate else "count"
        yield Flaw(path=(*path, place), message=message, hint="raise count, or lower it")
    if (values.span(gate.get("timeout")) or _LONGEST_TIMEOUT) > _LONGEST_TIMEOUT:
        message = "a measurement cannot take longer than 10m"
        yield Flaw(path=(*path, "timeout"), message=message, hint="lower it")


def _is_endless(gate: Mapping[str, Any]) -> bool:
    """Tell whether nothing but the end of a soak ends a gate that passes."""
    canned = _canned(dict(gate), [key for key in SOURCES if key in gate])
    said = {**canned, **gate}
    return "interval" in said and "count" not in said and not said.get("consecutiveSuccessLimit")


# --- waves --------------------------------------------------------------------------------


def _list(
    path: Path, names: Any, key: str, named: Mapping[str, Mapping[str, Any]]
) -> Iterator[Flaw]:
    """Yield what is wrong with a list of gates."""
    for n, name in enumerate(names if isinstance(names, list) else ()):
        if not isinstance(name, str):
            continue
        if name not in named:
            message = f"there is no gate {quoted(name)}"
            hint = flaws.suggestion(name, named) or "add it to spec.gates"
            yield Flaw(path=(*path, n), message=message, hint=hint)
        elif name in names[:n]:
            message = f"{quoted(name)} stands there twice"
            yield Flaw(path=(*path, n), message=message, hint="keep one")
        elif key != "soakGates" and _is_endless(named[name]):
            message = f"{quoted(name)} is measured without an end, and only a soak ends by itself"
            hint = "give the gate a count, or consecutiveSuccessLimit"
            yield Flaw(path=(*path, n), message=message, hint=hint)


def _strategy(
    path: Path,
    strategy: dict[str, Any],
    waves: Sequence[Any],
    named: Mapping[str, Mapping[str, Any]],
) -> Iterator[Flaw]:
    for n, wave in enumerate(waves):
        if not isinstance(wave, dict):
            continue
        place = (*path, "waves", n)
        for key in LISTS:
            yield from _list((*place, key), wave.get(key), key, named)
        yield from _soak(place, wave, strategy)
        yield from _approvals((*place, "approvals"), wave.get("approvals"))
    spans = [strategy, *(wave for wave in waves if isinstance(wave, dict))]
    if not any(_has_time(one) for one in spans):
        for key in ("minObservations", "observeEvery"):
            if strategy.get(key):
                yield _timeless((*path, key), key)


def _soak(path: Path, wave: dict[str, Any], strategy: dict[str, Any]) -> Iterator[Flaw]:
    has_soak = bool(values.span(wave.get("soakTime")))
    if wave.get("soakGates") and not has_soak:
        message = "there is no soak in which these could be measured"
        hint = "add soakTime, or measure them in afterGates"
        yield Flaw(path=(*path, "soakGates"), message=message, hint=hint, is_about_key=True)
    if "observeEvery" in wave and not has_soak:
        yield _timeless((*path, "observeEvery"), "observeEvery")
    has_time = has_soak or _has_time({"minSuccessTime": strategy.get("minSuccessTime"), **wave})
    if wave.get("minObservations") and not has_time:
        yield _timeless((*path, "minObservations"), "minObservations")


def _has_time(part: Mapping[str, Any]) -> bool:
    return any(values.span(part.get(key)) for key in ("soakTime", "minSuccessTime"))


def _timeless(path: Path, key: str) -> Flaw:
    times = "soakTime" if key == "observeEvery" else "soakTime or minSuccessTime"
    message = f"{key} says nothing without {times}"
    return Flaw(path=path, message=message, hint=f"add {times}", is_about_key=True)


# --- approvals ----------------------------------------------------------------------------


def _approvals(path: Path, rules: Any) -> Iterator[Flaw]:
    for n, rule in enumerate(rules if isinstance(rules, list) else ()):
        people, quorum = below(rule, "by"), below(rule, "quorum")
        quorum = 1 if quorum is None else quorum
        if isinstance(people, list) and people and type(quorum) is int:
            count = len({str(one) for one in people})
            if count < quorum:
                message = f"{quorum} must agree, and by names {count}"
                hint = "name more people, or lower quorum"
                yield Flaw(path=(*path, n, "by"), message=message, hint=hint)


def _run_approvals(path: Path, rules: Any, waves: Sequence[Any]) -> Iterator[Flaw]:
    yield from _approvals(path, rules)
    named = {below(one, "name"): one for one in waves if isinstance(below(one, "name"), str)}
    for n, rule in enumerate(rules if isinstance(rules, list) else ()):
        listed = below(rule, "waves")
        for m, name in enumerate(listed if isinstance(listed, list) else ()):
            if not isinstance(name, str):
                continue
            place = (*path, n, "waves", m)
            if name not in named:
                message = f"there is no wave {quoted(name)}"
                yield Flaw(path=place, message=message, hint=flaws.suggestion(name, named))
            elif "approvals" in named[name]:
                message = f"the wave {quoted(name)} says itself which approvals it needs"
                yield Flaw(path=place, message=message, hint="say it in one place")


def _twice(path: Path, items: Any, what: str) -> Iterator[Flaw]:
    seen: dict[str, int] = {}
    for n in range(len(items) if isinstance(items, list) else 0):
        name = below(items, n, "name")
        if isinstance(name, str) and (first := seen.setdefault(name.lower(), n)) != n:
            message = f"two {what} are called {quoted(name)}"
            hint = f"the first is {path[-1]}[{first}]"
            yield Flaw(path=(*path, n, "name"), message=message, hint=hint)
