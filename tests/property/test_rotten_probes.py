"""Rotten answers to probes: a number that was there, or an error; never a number that was not."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from hypothesis import given, strategies as st

from fleet.errors import RemoteError
from fleet.model.gates import Reading
from fleet.outside import httpjson, loganalytics, prometheus
from fleet.outside.fetching import Reply
from tests.rig import rotting
from tests.rig.rotting import Place, Rotten, rotten
from tests.rig.scripted import Say
from tests.rig.tasting import SOME

GOOD = ("0.125", "17")
PROMETHEUS = Say(
    body={
        "status": "success",
        "data": {
            "resultType": "vector",
            "result": [
                {"metric": {"cluster": "a"}, "value": [1700000000.5, GOOD[0]]},
                {"metric": {"cluster": "b"}, "value": [1700000000.5, GOOD[1]]},
            ],
        },
    }
)
LOGS = Say(
    body={
        "tables": [
            {
                "name": "PrimaryResult",
                "columns": [{"name": "cluster", "type": "string"}, {"name": "n", "type": "real"}],
                "rows": [["a", 0.125], ["b", 17]],
            }
        ]
    }
)
HTTP = Say(body={"data": {"values": [0.125, 17], "other": "x"}})
_DATA: Place = ("data",)


def came(rot: Rotten, read: Callable[[Reply], Reading]) -> Reading | RemoteError:
    """Return a reading, or the error that it is."""
    body = rotting._payload(rot.say)
    reply = Reply(who="X", status=rot.say.status, kind="application/json", body=body)
    try:
        return read(reply)
    except RemoteError as error:
        return error


def check(rot: Rotten, read: Callable[[Reply], Reading], *places: Place) -> None:
    """Assert what holds; *places* are what is read."""
    found = came(rot, read)
    if isinstance(found, RemoteError):
        assert len(found.message) < 600
        assert "SPOILED SPOILED" not in found.message[400:]
        return
    assert found.error == ""
    for value in found.values:
        Decimal(value)
    if rot.spares(*places):
        assert found.values == GOOD
    elif not rot.is_whole:
        assert is_in(found.values, rot.document)


def is_in(values: tuple[str, ...], document: Any) -> bool:
    """Tell whether each number stands somewhere in a JSON value."""
    numbers = set(leaves(document))
    return all(_same(value, numbers) for value in values)


def leaves(value: Any) -> Any:
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from leaves(one)
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield str(value)


def _same(value: str, numbers: set[str]) -> bool:
    wanted = Decimal(value)
    for text in numbers:
        try:
            number = Decimal(text.strip().replace("Inf", "Infinity") if "Inf" in text else text)
        except ArithmeticError:
            continue
        # NB: as floats: no number of JSON is read more exactly than that.
        if float(number) == float(wanted) or (number.is_nan() and wanted.is_nan()):
            return True
    return False


@SOME
@given(rot=rotten(PROMETHEUS))
def test_a_rotten_answer_of_prometheus(rot: Rotten) -> None:
    check(rot, prometheus.reading, ("status",), _DATA)


@SOME
@given(rot=rotten(LOGS))
def test_a_rotten_answer_of_log_analytics(rot: Rotten) -> None:
    check(rot, loganalytics.reading, ("tables",), ("error",))


@SOME
@given(rot=rotten(HTTP))
def test_a_rotten_answer_of_anybody(rot: Rotten) -> None:
    check(rot, lambda one: httpjson.reading(one, "/data/values"), (*_DATA, "values"))


@SOME
@given(body=st.binary(max_size=200), status=st.integers(100, 599))
def test_bytes_of_any_kind(body: bytes, status: int) -> None:
    rot = Rotten(say=Say(status=status, body=body), is_whole=True)

    for read in (
        prometheus.reading,
        loganalytics.reading,
        lambda one: httpjson.reading(one, ""),
    ):
        check(rot, read)
