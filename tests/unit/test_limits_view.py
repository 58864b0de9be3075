from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from fleet.model.desired import Membership, OnDrift
from fleet.model.notices import Subscriber, Topic
from fleet.model.plan import (
    Pool,
    Retry,
    Rollback,
    Spread,
    SpreadGroup,
    Undo,
)
from fleet.model.strategy import FailureClass, FailureMode, OnBreach, RollbackScope
from fleet.ui import limitsview, planview
from tests.rig.fleets import limits, plan, target, wave

MINUTE = dt.timedelta(minutes=1)
ONE_WAY = Rollback(is_possible=False, note="irreversible: it forbids downgrades")
BACK = Rollback(is_possible=True, note="restore version 1.1.1")
TIMES = "times: accepted within 30m, proved within 30m more"


def group(value: str, count: int, at_once: int | None, failures: int | None = None) -> SpreadGroup:
    return SpreadGroup(
        value=value, target_count=count, max_concurrency=at_once, max_failures=failures
    )


def test_a_run_that_says_nothing_shows_what_holds_all_the_same() -> None:
    run = limits(max_concurrency=2, max_failures=1)

    found = list(limitsview.lines(plan([wave(9)], run=run)))

    assert found == [
        "worst case: 3 of 9 fail before the run's budget ends it",
        "success: all 9 must succeed",
        TIMES,
    ]


def test_who_is_told_is_shown_and_what_is_started_for_it() -> None:
    told = (
        Subscriber(name="ops", on=(Topic.GATE, Topic.BREACH), url_from="URL", signed_with="KEY"),
        Subscriber(name="chat", on=(Topic.RUN,), url="https://hooks.example/c4nary"),
        Subscriber(name="pager", on=(Topic.APPROVAL,), argv=("page", "--to", "the team")),
    )

    found = list(limitsview.lines(plan([wave(1)], notify=told)))

    assert found[-3:] == [
        "told: ops, by the webhook in URL, signed: gate, breach",
        "told: chat, by a webhook, unsigned: run",
        "told: pager, by page --to 'the team': approval",
    ]


def test_everything_that_was_asked_for_is_shown() -> None:
    run = limits(
        max_failures=2,
        failure_mode=FailureMode.STRICT,
        on_breach=OnBreach.ROLLBACK,
        min_success=8,
        run_timeout=dt.timedelta(days=1),
        stalled_after=7 * MINUTE,
        retry=Retry(attempts=3, backoff=MINUTE, on=tuple(FailureClass)),
        undo=Undo(scope=RollbackScope.TARGET, max_concurrency=5),
    )
    targets = [target(n, rollback=ONE_WAY if n else BACK) for n in range(9)]
    made = plan(
        [wave(9)],
        run=run,
        targets=targets,
        on_drift=OnDrift.REPLAN,
        membership=Membership.FOLLOW,
        pools=(Pool(name="wan", max_concurrency=4),),
    )

    assert list(limitsview.lines(made)) == [
        "worst case: 3 of 9 fail before the run's budget ends it",
        "success: at least 8 of 9 must succeed",
        f"{TIMES}, called stalled after 7m, the run within 1d",
        (
            "retry: up to 3 times where a target failed or timed out or was refused, after 1m, "
            "each wait twice the one before"
        ),
        (
            "on breach: the targets that failed are taken back, the newest wave first, "
            "at most 5 at once"
        ),
        "rollback: 1 of 9 can be taken back; 8 irreversible",
        "pool wan: at most 4 at once, in all runs that share it",
        "drift: a cluster that changed since the plan was made is judged anew",
        "membership: clusters join and leave the run while it is under way",
    ]


def test_the_largest_groups_of_a_spread_are_shown_and_the_others_counted() -> None:
    groups = [group(f"s{n}", n, 1, n // 2) for n in range(1, 13)]
    made = plan([wave(1)], spreads=(Spread(by="tag:site", groups=tuple(groups)),))

    (table,) = limitsview.spreads(made)

    assert table.title == "Spread by tag:site"
    assert table.header == ("site", "targets", "at once", "max failures")
    assert table.rows[0] == ("s12", "12", "1", "6")
    assert table.rows[-2:] == [("s3", "3", "1", "1"), ("and 2 more", "1 to 2", "1", "0 to 1")]
    assert len(table.rows) == limitsview.GROUPS_SHOWN + 1


@pytest.mark.parametrize(
    ("found", "row"),
    [
        pytest.param(group("", 4, 1, 0), ("(no location)", "4", "1", "0"), id="no value"),
        pytest.param(group("x", 4, None, 0), ("x", "4", "-", "0"), id="no cap"),
        pytest.param(group("x", 4, 2), ("x", "4", "2", "-"), id="no budget"),
    ],
)
def test_a_group_is_a_row(found: SpreadGroup, row: Any) -> None:
    made = plan([wave(1)], spreads=(Spread(by="location", groups=(found,)),))

    assert limitsview.spreads(made)[0].rows == [row]


def test_a_wave_shows_its_timeout_and_what_cannot_be_taken_back_where_there_is_any() -> None:
    plain = plan([wave(2), wave(1, name="w1")])
    full = plan(
        [wave(2, timeout=90 * MINUTE), wave(1, name="w1")],
        targets=[target(n, rollback=ONE_WAY if n != 1 else BACK) for n in range(3)],
    )

    assert planview.waves(plain).header == (
        "wave", "targets", "at once", "max failures", "worst case", "soak",
    )  # fmt: skip
    assert planview.waves(full).header[6:] == ("within", "irreversible")
    assert [row[6:] for row in planview.waves(full).rows] == [("1h30m", "1"), ("-", "1")]
