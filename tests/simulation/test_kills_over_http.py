"""Kill the runner over HTTP too: the client for Azure, the simulated server, and virtual time.

A request that was on its way when its sender died is answered all the same, as it would be.
"""

from __future__ import annotations

import pytest

from tests.rig import loopback, sameness
from tests.rig.deaths import Deaths
from tests.rig.entering import SCENARIOS

EVERY = 4
"""Fewer kills than without sockets: a request costs twenty times as much."""


@pytest.mark.parametrize(
    ("scenario", "seed"), [("calm", 2), ("stormy", 0), ("breach-takes-back", 1), ("retries", 0)]
)
def test_a_kill_over_http_changes_nothing_in_the_end(scenario: str, seed: int) -> None:
    with sameness.naming(scenario, seed):
        case = SCENARIOS[scenario](seed)
        whole = loopback.told(case)
        sameness.require_lawful(case, whole)

        for life in range(1 + seed, whole.append_count + 1, EVERY):
            story = loopback.told(case, Deaths(lives=[life]))

            sameness.require_lawful(case, story)
            sameness.require_alike(whole, story)
