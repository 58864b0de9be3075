from __future__ import annotations

import hashlib

import pytest

from fleet.core import chain
from fleet.model.plan import Digest


def linked(*bodies: bytes) -> list[tuple[int, bytes, bytes]]:
    records, head = [], chain.GENESIS
    for position, body in enumerate(bodies, start=1):
        head = chain.link(head, body)
        records.append((position, body, head))
    return records


def test_a_link_is_the_hash_of_the_one_before_and_the_stored_bytes() -> None:
    """Checked without our own code, as an auditor would."""
    first = hashlib.sha256(bytes(32) + b"a").digest()
    second = hashlib.sha256(first + b"b").digest()

    assert linked(b"a", b"b") == [(1, b"a", first), (2, b"b", second)]


def test_nothing_is_a_chain() -> None:
    assert chain.verify([]) == chain.Verdict(count=0, head=chain.GENESIS)


def test_a_cut_tail_is_a_valid_prefix() -> None:
    """Only an anchor kept elsewhere could prove that more was there: a verdict names the head."""
    records = linked(b"a", b"b", b"c")

    assert chain.verify(records[:2]) == chain.Verdict(count=2, head=records[1][2])


def test_names_the_record_that_does_not_fit() -> None:
    records = linked(b"a", b"b", b"c")
    records[1] = (2, b"B", records[1][2])

    assert chain.verify(records) == chain.Verdict(
        count=1,
        head=records[0][2],
        broken_at=2,
        problem="record 2 does not match its hash",
    )


def test_names_the_record_that_is_missing() -> None:
    first, _, third = linked(b"a", b"b", b"c")

    assert chain.verify([first, third]) == chain.Verdict(
        count=1,
        head=first[2],
        broken_at=2,
        problem="record 2 is missing: record 3 stands in its place",
    )


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        pytest.param({"b": 1, "a": None}, b'{"a":null,"b":1}', id="keys sorted"),
        pytest.param({"ü": "ü"}, '{"ü":"ü"}'.encode(), id="UTF-8, not escapes"),
        pytest.param(
            {"\ue000": 1, "\U00010000": 2}, '{"\ue000":1,"\U00010000":2}'.encode(), id="code points"
        ),
    ],
)
def test_there_is_one_encoding(value: object, encoded: bytes) -> None:
    assert chain.canonical(value) == encoded


def test_a_digest_names_its_kind() -> None:
    assert chain.digest({}) == Digest("sha256:" + hashlib.sha256(b"{}").hexdigest())
