"""PromQL: an instant query of any server that speaks Prometheus' API, Azure's managed one too.

Source:  https://prometheus.io/docs/prometheus/latest/querying/api/ and what Thanos, Mimir and
         VictoriaMetrics answer alike; Azure's wants a token, and takes GET and POST.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from yarl import URL

from fleet.errors import RemoteError
from fleet.model.gates import Reading
from fleet.net.words import line
from fleet.outside import readings
from fleet.outside.fetching import Question, Reply

WHAT = "Prometheus"
_PATH = "/api/v1/query"
_LONGEST_URL = 2000
"""Beyond that a query is posted: servers, and what stands before them, cut URLs off."""
_NAMED = 3


def question(url: str, query: str, *, timeout_s: float) -> Question:
    """Return what is sent for *query* to the server at *url*."""
    # NB: a number of seconds with a point in it is no duration there.
    form = urlencode({"query": query, "timeout": f"{max(round(timeout_s * 1000), 1)}ms"})
    address = _address(url)
    asked = f"{address}{'&' if '?' in address else '?'}{form}"
    if len(asked) <= _LONGEST_URL:
        return Question(url=asked, what=WHAT)
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    return Question(method="POST", url=address, what=WHAT, headers=kind, body=form.encode())


def reading(reply: Reply) -> Reading:
    """Return the numbers of an answer; warnings are told beside them."""
    body = _body(reply)
    data = body.get("data")
    if not isinstance(data, Mapping):
        raise RemoteError(f"{reply.who}: the answer has no data")
    values = list(_values(data.get("resultType"), data.get("result"), reply.who))
    return readings.of_values(values, who=reply.who, detail=_warnings(body.get("warnings")))


def _address(url: str) -> str:
    try:
        found = URL(url.strip())
        path = found.path.rstrip("/")
        path = path if path.endswith(_PATH) else f"{path}{_PATH}"
        return str(found.with_path(path, keep_query=True))
    except ValueError:
        return url  # whoever sends it says that it is no URL


def _body(reply: Reply) -> Mapping[str, Any]:
    """Return the body of an answer that is no error, and raise for one that is."""
    is_well = reply.status == HTTPStatus.OK
    try:
        body = reply.json()
    except RemoteError:
        if is_well:
            raise
        raise _refused(reply, "") from None
    if not isinstance(body, Mapping):
        raise RemoteError(f"{reply.who}: the answer ({reply.status}) is JSON, but no object")
    if is_well and body.get("status") == "success":
        return body
    kind, said = body.get("errorType"), body.get("error")
    if isinstance(said, Mapping):  # Source: Azure's front door words errors as all of Azure does.
        kind, said = said.get("code"), said.get("message")
    raise _refused(reply, ": ".join(str(one) for one in (kind, said) if one))


def _refused(reply: Reply, said: str) -> RemoteError:
    told = f": {line(said)}" if said else ""
    return RemoteError(f"{reply.who}: the answer was {reply.status}{told}", status=reply.status)


def _values(kind: object, result: Any, who: str) -> Iterable[Any]:
    if kind in ("scalar", "string"):
        return [_sample(result, who)]
    if kind not in ("vector", "matrix") or not isinstance(result, list):
        raise RemoteError(f"{who}: the answer's result cannot be read")
    key = "value" if kind == "vector" else "values"
    return [_of_series(one, key, who) for one in result]


def _of_series(series: Any, key: str, who: str) -> Any:
    if not isinstance(series, Mapping):
        raise RemoteError(f"{who}: the answer's result cannot be read")
    if "histogram" in series or "histograms" in series:
        message = f"{who}: the answer is a histogram, which is no number"
        raise RemoteError(message, hint="Let the query make one: histogram_quantile(...).")
    found = series.get(key)
    if key == "values":  # the latest of a range
        found = found[-1] if isinstance(found, list) and found else None
    return _sample(found, who)


def _sample(sample: Any, who: str) -> Any:
    match sample:
        case [_, str() as value]:
            return value
        case _:
            raise RemoteError(f"{who}: the answer's result cannot be read")


def _warnings(said: Any) -> str:
    if not isinstance(said, list) or not said:
        return ""
    more = f" and {len(said) - _NAMED} more" if len(said) > _NAMED else ""
    return f"warning: {line('; '.join(map(str, said[:_NAMED])))}{more}"
