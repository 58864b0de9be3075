from __future__ import annotations

import datetime as dt

import pytest

from fleet.core.timers import Timers
from tests.rig.fleets import T0, seconds


def moments(**due: int) -> Timers[str]:
    timers: Timers[str] = Timers()
    for key, count in due.items():
        timers.set(key, T0 + seconds(count))
    return timers


def test_nothing_is_due_where_nothing_is_set() -> None:
    timers = moments()

    assert (timers.next_at, list(timers.due(T0))) == (None, [])


def test_what_is_due_is_due_at_its_very_moment_and_after() -> None:
    timers = moments(a=10, b=20, c=30)

    assert list(timers.due(T0 + seconds(9))) == []
    assert set(timers.due(T0 + seconds(20))) == {"a", "b"}
    assert timers.next_at == T0 + seconds(10)


def test_a_key_has_one_moment() -> None:
    timers = moments(a=10)

    timers.set("a", T0 + seconds(40))

    assert timers.next_at == T0 + seconds(40)
    assert list(timers.due(T0 + seconds(39))) == []
    assert list(timers.due(T0 + seconds(40))) == ["a"]


def test_a_moment_may_be_set_again_as_it_was() -> None:
    timers = moments(a=10)

    timers.set("a", T0 + seconds(10))

    assert list(timers.due(T0 + seconds(10))) == ["a"]


def test_what_is_cancelled_is_forgotten_and_cancelling_twice_is_harmless() -> None:
    timers = moments(a=10, b=20)

    timers.cancel("a")
    timers.cancel("a")
    timers.cancel("never set")

    assert timers.next_at == T0 + seconds(20)
    assert timers.moments() == {"b": T0 + seconds(20)}


def test_asking_changes_nothing() -> None:
    timers = moments(a=10, b=20)

    first = list(timers.due(T0 + seconds(99)))

    assert list(timers.due(T0 + seconds(99))) == first
    assert timers == moments(b=20, a=10)


@pytest.mark.parametrize("other", [None, {"a": T0}, dt.timedelta(0)])
def test_timers_equal_only_timers(other: object) -> None:
    assert moments(a=0) != other
