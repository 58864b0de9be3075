"""What holds for every chain: one that was touched is found out, at the first place touched."""

from __future__ import annotations

from hypothesis import assume, given, strategies as st

from fleet.core import chain

Record = tuple[int, bytes, bytes]

bodies = st.lists(st.binary(max_size=20), min_size=1, max_size=12)


def linked(stored: list[bytes]) -> list[Record]:
    records, head = [], chain.GENESIS
    for position, body in enumerate(stored, start=1):
        head = chain.link(head, body)
        records.append((position, body, head))
    return records


@given(stored=bodies)
def test_what_was_not_touched_fits(stored: list[bytes]) -> None:
    records = linked(stored)

    assert chain.verify(records) == chain.Verdict(count=len(records), head=records[-1][2])


@given(stored=bodies, data=st.data())
def test_a_changed_bit_is_found_where_it_is(stored: list[bytes], data: st.DataObject) -> None:
    records = linked(stored)
    at = data.draw(st.integers(0, len(records) - 1))
    position, body, link = records[at]
    whole = bytearray(body + link)
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    whole[bit // 8] ^= 1 << bit % 8
    records[at] = (position, bytes(whole[: len(body)]), bytes(whole[len(body) :]))

    verdict = chain.verify(records)
    assert (verdict.broken_at, verdict.count) == (at + 1, at)


@given(stored=bodies, data=st.data())
def test_any_other_order_is_found(stored: list[bytes], data: st.DataObject) -> None:
    records = linked(stored)
    shuffled = data.draw(st.permutations(records))
    assume(shuffled != records)

    first = next(
        n for n, (old, new) in enumerate(zip(records, shuffled, strict=True)) if old != new
    )
    assert chain.verify(shuffled).broken_at == first + 1


@given(stored=bodies, data=st.data())
def test_renumbering_does_not_hide_another_order(stored: list[bytes], data: st.DataObject) -> None:
    records = linked(stored)
    shuffled = data.draw(st.permutations(records))
    assume(shuffled != records)
    renumbered = [(n, body, link) for n, (_, body, link) in enumerate(shuffled, start=1)]

    assert chain.verify(renumbered).broken_at is not None


@given(stored=bodies, data=st.data())
def test_one_taken_out_is_found_unless_nothing_follows(
    stored: list[bytes], data: st.DataObject
) -> None:
    records = linked(stored)
    at = data.draw(st.integers(0, len(records) - 1))
    is_last = at == len(records) - 1
    del records[at]

    verdict = chain.verify(records)
    assert (verdict.count, verdict.broken_at) == (at, None if is_last else at + 1)


@given(stored=bodies, foreign=st.binary(max_size=20), data=st.data())
def test_one_put_in_is_found(stored: list[bytes], foreign: bytes, data: st.DataObject) -> None:
    """Also where it is linked rightly: what follows it no longer fits."""
    records = linked(stored)
    at = data.draw(st.integers(0, len(records) - 1))
    before = records[at - 1][2] if at else chain.GENESIS
    assume(foreign != records[at][1])
    later = [(n + 1, body, link) for n, body, link in records[at:]]
    forged = [*records[:at], (at + 1, foreign, chain.link(before, foreign)), *later]

    assert chain.verify(forged).broken_at == at + 2


@given(value=st.dictionaries(st.text(), st.one_of(st.text(), st.integers(-(2**53), 2**53))))
def test_the_encoding_does_not_depend_on_the_order_of_keys(value: dict[str, object]) -> None:
    assume(not any("\ud800" <= c <= "\udfff" for c in str(value)))
    backwards = dict(reversed(value.items()))

    assert chain.canonical(backwards) == chain.canonical(value)
