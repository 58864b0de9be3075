"""The machine's clock set by hours, to and fro, under runners and between them; other time zones.

What measures in a process is left alone, as a kernel does it: see :mod:`tests.rig.stepping`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import itertools
import json
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from fleet.engine import clock
from fleet.sim import opening
from fleet.sim.recipe import Wire
from tests.rig import commands, lives, serving, trouble
from tests.rig.commands import Ended, Living, Shell
from tests.rig.lives import RUN
from tests.rig.stepping import WallClock

HOUR_S = 3600
STEPS_H = (6, -9, 20, -400, 0)
PLAN = commands.plan("patient")
SOAKING = "{name: canary, size: 1, soakTime: 10m}"
LONG_AGO = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
LIVELY_SCALE = 200


@pytest.fixture
def wall(tmp_path: Path) -> WallClock:
    return WallClock(tmp_path / "wall-clock")


@contextlib.contextmanager
def held(process: Living) -> Iterator[Living]:
    """Leave nothing running."""
    try:
        yield process
    finally:
        if process.is_alive:
            process.process.kill()
        process.process.wait()


def moments(shell: Shell) -> list[dt.datetime]:
    """Return when everything happened, in the journal's order."""
    lines = shell("log", RUN, "--json").must(0).stdout.splitlines()
    return [dt.datetime.fromisoformat(json.loads(line)["at"]) for line in lines]


def is_ordered(found: Iterable[dt.datetime]) -> bool:
    return all(one <= other for one, other in itertools.pairwise(found))


def effects(shell: Shell) -> Counter[tuple[str, str]]:
    """Return how often the world of a world file took a change, by cluster and step."""
    assert shell.world is not None
    with opening.opened(shell.world, state_dir=shell.state_dir, wall=LONG_AGO) as found:
        calls = [effect.call for effect in found.world.effects if effect.is_change]
    return Counter((call.cluster_id, call.correlation_id) for call in calls)


# --- under a runner ----------------------------------------------------------------------


def test_over_http_a_clock_that_is_set_again_and_again_moves_nothing(
    tmp_path: Path, wall: WallClock
) -> None:
    """Deadlines of four hours, and tokens that last as long: the steps would leave neither."""
    plan = PLAN.read_text().replace("2d", "4h")
    recipe = dataclasses.replace(serving.CALM, wire=Wire(token_s=4 * HOUR_S))
    with lives.fleet(tmp_path, recipe, plan, scale=600) as one:
        for nth, hours in enumerate(STEPS_H, start=1):
            set_it = trouble.passing(lambda hours=hours: wall.set(hours * HOUR_S))
            one.proxy.on("PATCH", r"/extensions/osm\?", set_it, nth=nth, count=1)
        with held(wall.start(one.shell, "run", *one.where)) as process:
            ended = process.end(limit_s=lives.LIMIT_S).must(0)

        assert ended.json["counts"].keys() == {"Succeeded"}
        assert Counter(got.trouble for got in one.proxy.got)["passes"] == len(STEPS_H)
        assert [got for got in one.proxy.got if got.status == 401] == []
        assert set(one.effects_by_step().values()) == {1}
        assert is_ordered(moments(one.shell))
        one.shell("verify", RUN).must(0)


def test_a_run_lasts_as_long_as_it_lasts_whatever_the_clock_says_meanwhile(
    lively: Shell, wall: WallClock
) -> None:
    began_s = time.monotonic()
    with held(wall.start(lively, "run", PLAN, "--yes", "--run-id", RUN, "--json")) as process:
        for text, hours in (("run r1", 5), ("wave rest  opened", -9), ("Succeeded: ", 200)):
            process.wait_for(text)
            wall.set(hours * HOUR_S)
        ended = process.end().must(0)
    passed_s = time.monotonic() - began_s

    assert ended.json["counts"] == {"Succeeded": 12}
    found = moments(lively)
    assert is_ordered(found)
    assert (found[-1] - found[0]).total_seconds() <= passed_s * LIVELY_SCALE
    lively("verify", RUN).must(0)


def test_a_run_is_held_by_who_lives_whatever_two_clocks_say(lively: Shell, wall: WallClock) -> None:
    """No lease ends by a clock: neither a year ahead nor behind is anybody's run taken over."""
    text = PLAN.read_text().replace("{name: canary, size: 1}", SOAKING.replace("10m", "29d"))
    plan = commands.written(lively.root / "plan.yaml", text)
    wall.set(5 * HOUR_S)
    now = clock.wall()
    with held(wall.start(lively, "run", plan, "--yes", "--run-id", RUN, "--json")) as runner:
        runner.wait_for("soaking until")
        for hours in (24 * 365, -24 * 365):
            wall.set(hours * HOUR_S)
            refused = wall.run(lively, "run", "--run-id", RUN).must(3)
            assert f"(pid {runner.pid})" in refused.stderr
            # And the runner did begin by the clock that was given to it.
            (since,) = re.findall(r"since (\S+Z)", refused.stderr)
            taken_at = dt.datetime.fromisoformat(since)
            ahead = taken_at - now
            assert dt.timedelta(hours=5) <= ahead < dt.timedelta(hours=5, minutes=5)
        # Whoever asks by another clock is answered by the runner, and by its clock.
        wall.run(lively, "skip", RUN, "--soak", "--reason", "enough").must(0)
        runner.end().must(0)
    assert is_ordered(moments(lively))


# --- between two runners -----------------------------------------------------------------


def killed(shell: Shell, wall: WallClock, plan: Path, text: str) -> None:
    """Begin a run, and kill its runner when it has said *text*."""
    with held(wall.start(shell, "run", plan, "--yes", "--run-id", RUN)) as process:
        process.wait_for(text)


def taken_over(shell: Shell, wall: WallClock) -> Ended:
    with held(wall.start(shell, "run", "--run-id", RUN, "--json")) as process:
        return process.end()


@pytest.mark.parametrize("hours", [-5, 5, 30 * 24])
def test_a_takeover_by_another_clock_goes_on_from_the_last_thing_that_was_written_down(
    lively: Shell, wall: WallClock, hours: int
) -> None:
    killed(lively, wall, PLAN, "wave rest  opened")
    done = {cluster for cluster, _ in effects(lively)}
    wall.set(hours * HOUR_S)

    ended = taken_over(lively, wall)

    ends = {one["clusterId"]: one["status"] for one in ended.json["targets"]}
    # An hour is eight days of this fleet: what was begun and not sent is not sent any more. What
    # was sent is looked at first.
    late = {"Succeeded", "TimedOut"} if hours > 0 else {"Succeeded"}
    assert {ends[one] for one in done} == {"Succeeded"}
    assert set(ends.values()) <= late
    assert ended.must(0 if set(ends.values()) == {"Succeeded"} else 1).json["isTerminal"]
    assert set(effects(lively).values()) == {1}
    assert is_ordered(moments(lively))
    lively("verify", RUN).must(0)


@pytest.mark.parametrize("hours", [-5, 5])
def test_a_soak_is_neither_begun_anew_nor_made_longer(
    lively: Shell, wall: WallClock, hours: int
) -> None:
    text = PLAN.read_text().replace("{name: canary, size: 1}", SOAKING)
    plan = commands.written(lively.root / "plan.yaml", text)
    killed(lively, wall, plan, "soaking until")
    soaked_at = moments(lively)[-1]
    wall.set(hours * HOUR_S)

    taken_over(lively, wall).must(0)

    opened_at = next(
        dt.datetime.fromisoformat(one["at"])
        for one in map(json.loads, lively("log", RUN, "--json").must(0).stdout.splitlines())
        if one["kind"] == "wave.opened" and one["wave"] == 1
    )
    left = opened_at - soaked_at
    ten, slack = dt.timedelta(minutes=10), dt.timedelta(hours=4)
    assert (ten <= left < ten + slack) if hours < 0 else left > dt.timedelta(days=30)
    assert is_ordered(moments(lively))


# --- time zones --------------------------------------------------------------------------


def test_runners_and_readers_in_other_time_zones_agree(tmp_path: Path) -> None:
    with lives.fleet(tmp_path, serving.CALM, PLAN.read_text(), scale=600) as one:
        kathmandu = one.shell.with_(TZ="Asia/Kathmandu")
        newfoundland = one.shell.with_(TZ="America/St_Johns")
        with commands.living(kathmandu, "run", *one.where) as process:
            process.wait_for("wave rest  opened")
            process.process.kill()
        ended = newfoundland("run", *one.where).must(0)
        assert ended.json["counts"].keys() == {"Succeeded"}

        found = moments(one.shell)
        assert is_ordered(found)
        assert {each.utcoffset() for each in found} == {dt.timedelta(0)}
        looks = (("log", RUN), ("status", RUN), ("verify", RUN), ("status", RUN, "--json"))
        assert kathmandu.many(*looks) == newfoundland.many(*looks)
        assert set(one.effects_by_step().values()) == {1}
