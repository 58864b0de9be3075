"""What is read out of answers: each shape that a server may send, and what is none."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from fleet.errors import InputError, RemoteError
from fleet.model.gates import Reading
from fleet.outside import httpjson, loganalytics, pointers, prometheus
from fleet.outside.fetching import Reply
from fleet.outside.pointers import ABSENT


def reply(body: Any, *, status: int = 200, kind: str = "application/json") -> Reply:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(who="X", status=status, kind=kind, body=content)


def told(body: Any, **fields: Any) -> str:
    with pytest.raises(RemoteError) as caught:
        prometheus.reading(reply(body, **fields))
    return caught.value.message


# --- Prometheus ------------------------------------------------------------------------------


UNREADABLE = "X: the answer's result cannot be read"


def promql(kind: str, result: Any, **fields: Any) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": kind, "result": result}, **fields}


def series(*values: str, **labels: str) -> dict[str, Any]:
    return {"metric": labels, "values": [[n, value] for n, value in enumerate(values)]}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(promql("scalar", [1.5, "0.25"]), ("0.25",), id="scalar"),
        pytest.param(promql("string", [1.5, "7"]), ("7",), id="string"),
        pytest.param(promql("vector", []), (), id="no series"),
        pytest.param(
            promql("vector", [{"metric": {"a": "b"}, "value": [1, "2"]}, {"value": [1, "NaN"]}]),
            ("2", "NaN"),
            id="vector",
        ),
        pytest.param(promql("vector", [{"value": [1, "+Inf"]}]), ("Infinity",), id="infinite"),
        pytest.param(promql("vector", [{"value": [1, "-Inf"]}]), ("-Infinity",), id="below all"),
        pytest.param(promql("matrix", [series("1", "2"), series("3")]), ("2", "3"), id="matrix"),
    ],
)
def test_each_type_of_result_is_read(body: Any, expected: tuple[str, ...]) -> None:
    assert prometheus.reading(reply(body)) == Reading(values=expected)


def test_warnings_are_told_beside_the_number() -> None:
    body = promql("scalar", [1, "1"], warnings=["a", "b\nc", "d" * 500, "e"], infos=["f"])
    found = prometheus.reading(reply(body))

    assert found.values == ("1",)
    assert found.detail.startswith("warning: a; b c; ddd")
    assert found.detail.endswith("… and 1 more")
    assert len(found.detail) < 350


@pytest.mark.parametrize(
    ("body", "fields", "expected"),
    [
        pytest.param(
            {"status": "error", "errorType": "bad_data", "error": 'parse error: unexpected "}"'},
            {"status": 400},
            'X: the answer was 400: bad_data: parse error: unexpected "}"',
            id="a query that is none",
        ),
        pytest.param(
            {"status": "error", "errorType": "timeout", "error": "query timed out"},
            {},
            "X: the answer was 200: timeout: query timed out",
            id="an error with status 200",
        ),
        pytest.param(
            {"error": {"code": "Forbidden", "message": "No."}},
            {"status": 403},
            "X: the answer was 403: Forbidden: No.",
            id="Azure's words",
        ),
        pytest.param(b"upstream", {"status": 502}, "X: the answer was 502", id="a gateway"),
        pytest.param(
            promql("vector", [{"histogram": [1, {}]}]),
            {},
            "X: the answer is a histogram, which is no number",
            id="histogram",
        ),
        pytest.param(
            promql("string", [1, "up and running"]),
            {},
            "X: the answer has 14 characters of text where a number is needed",
            id="text",
        ),
        pytest.param(promql("vector", None), {}, UNREADABLE, id="null"),
        pytest.param(promql("streams", []), {}, UNREADABLE, id="type"),
        pytest.param(promql("vector", [7]), {}, UNREADABLE, id="row"),
        pytest.param(promql("scalar", [1, 2]), {}, UNREADABLE, id="no text"),
        pytest.param(promql("matrix", [series()]), {}, UNREADABLE, id="empty"),
        pytest.param({"status": "success"}, {}, "X: the answer has no data", id="no data"),
        pytest.param([1], {}, "X: the answer (200) is JSON, but no object", id="a list"),
        pytest.param(
            promql("vector", [{"value": [1, "1"]}] * 1001),
            {},
            "X: the answer has more than 1000 values",
            id="many",
        ),
    ],
)
def test_an_answer_without_numbers_says_why(body: Any, fields: Any, expected: str) -> None:
    assert told(body, **fields) == expected


# --- Log Analytics ---------------------------------------------------------------------------


def table(columns: list[str], *rows: list[Any], name: str = "PrimaryResult") -> dict[str, Any]:
    named = [{"name": one, "type": "dynamic"} for one in columns]
    return {"name": name, "columns": named, "rows": list(rows)}


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        pytest.param([table(["n"], [3])], ("3",), id="one"),
        pytest.param([table(["c", "n"], ["x", 1], ["y", 2.5])], ("1", "2.5"), id="the last"),
        pytest.param([table(["Value", "n"], [1, "x"])], ("1",), id="by name"),
        pytest.param([table(["n"], [None], [2])], ("2",), id="null"),
        pytest.param([table(["n"], ["NaN"], ["Infinity"])], ("NaN", "Infinity"), id="words"),
        pytest.param([table(["n"], ["1.25"])], ("1.25",), id="a decimal"),
        pytest.param([table(["n"])], (), id="no rows"),
        pytest.param(
            [table(["n"], [1], name="Other"), table(["n"], [2])], ("2",), id="the primary one"
        ),
        pytest.param([table(["n"], [1], name="T")], ("1",), id="the first one"),
    ],
)
def test_the_column_that_is_meant_is_read(tables: Any, expected: tuple[str, ...]) -> None:
    assert loganalytics.reading(reply({"tables": tables})) == Reading(values=expected)


PARTIAL = {
    "code": "PartialError",
    "message": "There were some errors when processing your query.",
    "innererror": {"code": "X", "innererror": {"message": "Out of memory."}},
}


@pytest.mark.parametrize(
    ("body", "fields", "expected"),
    [
        pytest.param(
            {"tables": [table(["n"], [1])], "error": PARTIAL},
            {},
            "X: the answer is not whole: PartialError: There were some errors when processing your "
            "query.: X: Out of memory.",
            id="partial",
        ),
        pytest.param(
            {"error": {"code": "BadArgumentError", "innererror": {"code": "SemanticError"}}},
            {"status": 400},
            "X: the answer was 400: BadArgumentError: SemanticError",
            id="refused",
        ),
        pytest.param(b"no", {"status": 504}, "X: the answer was 504", id="a gateway"),
        pytest.param([], {}, "X: the answer (200) is JSON, but no object", id="a list"),
        pytest.param({}, {}, "X: the answer's table cannot be read", id="no table"),
        pytest.param({"tables": [7]}, {}, "X: the answer's table cannot be read", id="a number"),
        pytest.param(
            {"tables": [{"columns": [{"name": None}], "rows": []}]},
            {},
            "X: the answer's table cannot be read",
            id="no names",
        ),
        pytest.param(
            {"tables": [table(["a", "b"], [1])]},
            {},
            "X: the answer's rows cannot be read",
            id="row",
        ),
        pytest.param(
            {"tables": [table(["n"], [{"x": 1}])]},
            {},
            "X: the answer has an object where a number is needed",
            id="an object",
        ),
        pytest.param(
            {"tables": [table(["n"], [True])]},
            {},
            "X: the answer has true or false where a number is needed",
            id="a flag",
        ),
    ],
)
def test_logs_that_hold_no_number_say_why(body: Any, fields: Any, expected: str) -> None:
    with pytest.raises(RemoteError) as caught:
        loganalytics.reading(reply(body, **fields))

    assert caught.value.message == expected


# --- any JSON --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "pointer", "expected"),
    [
        (7, "", Reading(values=("7",))),
        ({"a": [1, "2", None]}, "/a", Reading(values=("1", "2"))),
        ({"a": [1, {"b": 0.5}]}, "/a/1/b", Reading(values=("0.5",))),
        ({"a": None}, "/a", Reading()),
        ([], "", Reading()),
        ({"a": 1}, "/b", Reading(detail="there is nothing at /b")),
    ],
)
def test_a_number_or_a_list_of_them_is_read(body: Any, pointer: str, expected: Reading) -> None:
    assert httpjson.reading(reply(body), pointer) == expected


@pytest.mark.parametrize(
    ("status", "expected"), [(201, "201"), (404, "404"), (301, "301, a redirect")]
)
def test_only_a_200_is_read(status: int, expected: str) -> None:
    with pytest.raises(RemoteError, match=f"the answer was {expected}"):
        httpjson.reading(reply(1, status=status), "")


def test_no_content_is_no_data() -> None:
    assert httpjson.reading(reply(b"", status=204), "/a") == Reading()


# Source: RFC 6901, section 5.
DOCUMENT = {
    "foo": ["bar", "baz"],
    "": 0,
    "a/b": 1,
    "c%d": 2,
    "e^f": 3,
    "g|h": 4,
    "i\\j": 5,
    'k"l': 6,
    " ": 7,
    "m~n": 8,
}


@pytest.mark.parametrize(
    ("pointer", "expected"),
    [
        ("", DOCUMENT),
        ("/foo", ["bar", "baz"]),
        ("/foo/0", "bar"),
        ("/", 0),
        ("/a~1b", 1),
        ("/c%d", 2),
        ("/e^f", 3),
        ("/g|h", 4),
        ("/i\\j", 5),
        ('/k"l', 6),
        ("/ ", 7),
        ("/m~0n", 8),
        ("/foo/2", ABSENT),
        ("/foo/-", ABSENT),
        ("/foo/01", ABSENT),
        ("/foo/-1", ABSENT),
        ("/foo/\N{ARABIC-INDIC DIGIT ONE}", ABSENT),
        ("/foo/0/x", ABSENT),
        ("/nothing", ABSENT),
    ],
)
def test_a_pointer_leads_where_the_standard_says(pointer: str, expected: Any) -> None:
    assert pointers.found(DOCUMENT, pointer) == expected


@pytest.mark.parametrize("pointer", ["foo", "/~", "/~2", "#/foo", " /foo"])
def test_what_is_no_pointer_is_refused(pointer: str) -> None:
    with pytest.raises(InputError, match="is no JSON Pointer"):
        pointers.found(DOCUMENT, pointer)


@given(keys=st.lists(st.text(), min_size=1))
def test_any_key_can_be_pointed_at(keys: list[str]) -> None:
    value: Any = 5
    for key in reversed(keys):
        value = {key: value}
    pointer = "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys)

    assert pointers.found(value, pointer) == 5


@given(pointer=st.text())
def test_whatever_a_pointer_is_it_leads_somewhere_or_is_refused(pointer: str) -> None:
    with contextlib.suppress(InputError):
        pointers.found(DOCUMENT, pointer)
