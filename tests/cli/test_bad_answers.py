"""Whatever an endpoint answers: a run goes on, or ends with a reason, and nothing is done twice.

Each case is one thing that goes wrong with one kind of request. Those of a
kind are run together, for speed; each is looked at by a test of its own.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import signal
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.rig import scenes, trouble
from tests.rig.commands import Ended, living, until
from tests.rig.proxying import Got, Rule
from tests.rig.scenes import CLUSTERS, Scene, Stage
from tests.rig.trouble import Trouble

EXTENSION = r"/extensions/osm(\?|$)"
QUICK = ("--request-timeout", "1")
"""What ends a request that hangs; the others may take their time, on however busy a machine."""
DONE = ("1.2.6",) * CLUSTERS
BEFORE = (None, "1.1.1") * (CLUSTERS // 2)
ONCE_EACH = (1,) * CLUSTERS
NEVER = (0,) * CLUSTERS


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Something that goes wrong, and what comes of it."""

    step: str
    """Which requests."""
    trouble: Trouble
    code: str | None = None
    """Of the error that a command ends with, or a target; ``None``: as if nothing had been."""
    count: int | None = 1
    """How many requests in a row meet it; ``None``: it stays."""

    def __str__(self) -> str:
        return f"{self.step}-{self.trouble.name}{'' if self.count else ' for good'}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What came of it."""

    scene: Scene
    rules: tuple[Rule, ...]
    ended: Ended
    verified: Ended | None = None
    log: tuple[dict[str, Any], ...] = ()
    written: str = ""
    """The log, as it was printed."""

    @property
    def said(self) -> str:
        return self.ended.stderr


Command = Sequence[str | Path]
Commands = Sequence[Command]
Plans = Mapping[Case | None, Found]
"""``None``: what met no trouble."""
Runs = Plans

# What waiting, or asking again, cures.
CURED = (
    trouble.REFUSED,
    trouble.HANGS,
    trouble.RESET,
    trouble.HALF_A_BODY,
    trouble.html(502),
    trouble.throttled(),
    trouble.throttled(5),
    trouble.throttled(5, as_date=True),
    trouble.failing(408, "RequestTimeout", "It took too long."),
    trouble.failing(500, "InternalServerError", "Something went wrong."),
    trouble.failing(502),
    trouble.failing(503, "ServiceUnavailable", "Come again."),
    trouble.failing(504, "GatewayTimeout", "The provider took too long."),
    trouble.GARBAGE,
    trouble.LONG_HEADER,
    trouble.NOT_PACKED,
    trouble.dripping(3),
)
# The same where the time is asked for: until it is known, waits are those of this machine.
CURED_SOON = (
    trouble.HANGS,
    trouble.RESET,
    trouble.HALF_A_BODY,
    trouble.throttled(1),
    trouble.failing(500, "InternalServerError", "Something went wrong."),
)
SLOW = (trouble.HANGS, trouble.HANGS.after(), trouble.dripping(3))
# What nobody should even notice.
UNNOTICED = (trouble.WRONG_TYPE, trouble.dripping(0.2))
MISFIT_KINDS = ("a number as value", "wrong types")
MISFITS = tuple(map(trouble.wrong_json, MISFIT_KINDS))
"""JSON that says something else than it should: to ask again would not help."""
GARBLED = (
    trouble.html(200),
    *(trouble.wrong_json(kind) for kind in trouble.WRONG_JSON if kind not in MISFIT_KINDS),
)
"""What is no object at all was made, or cut off, on its way."""
REDIRECT = trouble.redirect()
TOKEN_ENDS = (trouble.EXPIRED, trouble.REJECTED)


# --- looking and planning ----------------------------------------------------------------

PLANNING = {
    "time": ("GET", "/metadata/simulation"),
    "token": ("POST", "/oauth2/v2.0/token"),
    "graph": ("POST", "/Microsoft.ResourceGraph/resources"),
    "versions": ("GET", "/extensionTypes/[^/]+/versions"),
}
REFUSALS: Mapping[Trouble, Mapping[str, str | None]] = {
    trouble.EXPIRED: {"graph": None, "versions": None, "time": None},
    trouble.REJECTED: {"graph": None, "versions": None, "time": None},
    trouble.NO_CLIENT: {"token": "F340"},
    trouble.DENIED: {"token": "F340", "graph": "F341", "versions": None, "time": None},
    trouble.NO_CLUSTER: {"token": "F340", "graph": "F300", "versions": None, "time": None},
    trouble.CONFLICT: {"token": "F340", "graph": "F320", "versions": "F320", "time": "F320"},
    REDIRECT: {"token": "F340", "graph": "F370", "versions": "F370", "time": "F370"},
}
"""What asking again does not cure. A list of versions that may not be read is done without; where
nobody tells the time, the machine's own is taken; and a token that is refused is fetched anew,
once, before a person is asked for another."""


def _passing_plans() -> Iterator[Case]:
    for step in PLANNING:
        for one in (*(CURED_SOON if step == "time" else CURED), *UNNOTICED):
            yield Case(step=step, trouble=one)
        for one in GARBLED[: 2 if step == "time" else None]:
            yield Case(step=step, trouble=one)
        for one in MISFITS:
            yield Case(step=step, trouble=one, code="F370")
    for one, codes in REFUSALS.items():
        for step, code in codes.items():
            yield Case(step=step, trouble=one, code=code)
    yield Case(step="versions", trouble=trouble.NEXT_PAGE_ELSEWHERE, code="F370")


def _staying_plans() -> Iterator[Case]:
    yield Case(step="time", trouble=trouble.HALF_A_BODY, code="F330", count=None)
    for step in ("token", "graph", "versions"):
        for one in (trouble.REFUSED, trouble.RESET, trouble.HALF_A_BODY, trouble.html(502)):
            yield Case(step=step, trouble=one, code="F330", count=None)
        yield Case(step=step, trouble=trouble.throttled(), code="F310", count=None)
        yield Case(step=step, trouble=trouble.html(200), code="F370", count=None)
    for one in TOKEN_ENDS:
        for step in ("graph", "versions"):
            yield Case(step=step, trouble=one, code="F340", count=None)
    yield Case(step="token", trouble=trouble.HANGS, code="F330", count=None)
    # Whoever is told to come again in an hour is told so, instead of waiting.
    yield Case(step="graph", trouble=trouble.throttled(3600), code="F310", count=None)


PLANS = (*_passing_plans(), *_staying_plans())


def _planned(stage: Stage, cases: Iterable[Case]) -> Plans:
    """Plan with each of *cases*, and without any."""
    asked = [(case, stage.scene()) for case in _quick_ones_first((None, *cases))]
    ruled = [() if case is None else _ruled_plan(case, scene) for case, scene in asked]
    told: Commands = [
        ("plan", scene.plan(), "--json", *scene.where, *_limit(case)) for case, scene in asked
    ]
    ended = _in_turn(stage, told)
    return {
        case: Found(scene=scene, rules=rules, ended=one)
        for (case, scene), rules, one in zip(asked, ruled, ended, strict=True)
    }


def _ruled_plan(case: Case, scene: Scene) -> tuple[Rule, ...]:
    methods, path = PLANNING[case.step]
    return (scene.proxy.on(methods, path, case.trouble, count=case.count),)


def _limit(case: Case | None) -> Sequence[str]:
    return QUICK if case and case.trouble in SLOW else ()


def _quick_ones_first(cases: Iterable[Case | None]) -> list[Case | None]:
    return sorted(cases, key=lambda case: len(_limit(case)))


def _in_turn(stage: Stage, told: Commands, *, each: int = 1) -> list[Ended]:
    """Type commands in three processes, those that wait in one of their own; return all in order.

    Args:
        stage: Where.
        told: The commands.
        each: How many in a row belong into one process.
    """
    slow = next((at for at, one in enumerate(told) if QUICK[0] in one), len(told))
    half = slow // each // 2 * each
    batches = [stage.started(part) for part in (told[:half], told[half:slow], told[slow:])]
    return [one for batch in batches for one in batch.ended()]


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Where each test has a scene for itself."""
    with scenes.staged(tmp_path_factory.mktemp("apart")) as found:
        yield found


@pytest.fixture(scope="module", params=PLANNING)
def plans(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Plans:
    """Plans that met trouble in one kind of request; with ``None``, one that met none."""
    with scenes.staged(tmp_path_factory.mktemp("plans")) as stage:
        return _planned(stage, [case for case in PLANS if case.step == request.param])


def _wrong(plans: Plans, check: Callable[[Found, Case, Found], None]) -> list[str]:
    """Return what *check* says of each case that is not as it should be."""
    wrong = []
    for case, found in plans.items():
        if case is not None:
            try:
                check(found, case, plans[None])
            except AssertionError as error:
                wrong.append(f"{case}: {str(error)[:1500]}")
    return wrong


def _targets(found: Found, *fields: str) -> list[tuple[Any, ...]]:
    """Return what a document says of the four clusters, by their place in the scene."""
    listed = found.ended.json["targets"]
    rows = ((found.scene.place(one["clusterName"]), one) for one in listed)
    return sorted((place, *(one[field] for field in fields)) for place, one in rows)


def _check_discretion(found: Found) -> None:
    """What went by is told to nobody, and nobody went where no one should."""
    proxy = found.scene.proxy
    told = (found.ended.stdout, found.said, found.written)
    assert scenes.leaks(told, proxy.tokens | proxy.signatures) == []
    assert proxy.trapped == []


def _check_plan(found: Found, case: Case, calm: Found) -> None:
    assert all(rule.met for rule in found.rules)
    _check_discretion(found)
    assert found.scene.changes() == NEVER
    if case.code is None:
        found.ended.must(0)
        assert _targets(found, "action", "from", "to") == _targets(calm, "action", "from", "to")
    else:
        found.ended.must(4)
        assert found.ended.stdout == ""
        assert f"error {case.code}: " in found.said


def test_a_plan_is_made_as_if_nothing_had_been_or_ends_with_4_and_a_code(plans: Plans) -> None:
    plans[None].ended.must(0)
    assert _wrong(plans, _check_plan) == []


def test_whatever_ends_a_plan_names_where_it_was_asked(plans: Plans) -> None:
    """The endpoint, or the subscription: whoever reads a job's log has many of both."""
    nameless = [
        f"{case}: {found.said}"
        for case, found in plans.items()
        if found.ended.status == 4
        and found.scene.subscription not in found.said
        and found.scene.proxy.url.partition("://")[2] not in found.said
    ]

    assert nameless == []


def test_whatever_ends_a_plan_says_what_can_be_done(plans: Plans) -> None:
    hintless = [
        f"{case}: {found.said}"
        for case, found in plans.items()
        if found.ended.status == 4 and "\nhint: " not in found.said
    ]

    assert hintless == []


def test_nothing_is_blotted_out_of_a_message_that_holds_no_secret(plans: Plans) -> None:
    assert [f"{case}: {one.said}" for case, one in plans.items() if "***" in one.said] == []


# --- running -----------------------------------------------------------------------------

RUNNING = {
    "check": ("GET", EXTENSION, 1),
    "write": ("PUT PATCH", EXTENSION, 1),
    "operation": ("GET", "/operations/", 1),
    "proof": ("GET", EXTENSION, 2),
    "cluster": ("GET", r"\?", 1),
}
"""Methods, what follows the cluster's name in the path, and which of them of each cluster."""
KINDS = ("half an object", "a list", "a number as value", "wrong types", "empty")
MEANINGLESS = (trouble.html(200), *map(trouble.wrong_json, KINDS))
LATE = tuple(one.after() for one in (*CURED, *MEANINGLESS) if not one.is_after)
"""The service has done it, and the answer says something else, or never comes."""
FAILURES: Mapping[Trouble, Mapping[str, str]] = {
    trouble.DENIED: dict.fromkeys(("check", "write", "cluster"), "F341"),
    # Before the write nobody's error: a finding.
    trouble.NO_CLUSTER: {"check": "", "cluster": "", "write": "F350"},
    REDIRECT: {},
}


def _passing_runs() -> Iterator[Case]:
    for step in RUNNING:
        for one in (*CURED, *UNNOTICED, *MEANINGLESS, trouble.CONFLICT):
            yield Case(step=step, trouble=one)
        for one, codes in FAILURES.items():
            yield Case(step=step, trouble=one, code=codes.get(step))
        for one in TOKEN_ENDS:
            yield Case(step=step, trouble=one)
    for one in (*LATE, trouble.OPERATION_ELSEWHERE):
        yield Case(step="write", trouble=one)
    yield Case(step="proof", trouble=trouble.NO_EXTENSION)
    yield Case(step="operation", trouble=trouble.NO_EXTENSION)


PASSING_RUNS = tuple(_passing_runs())


def _ruled(case: Case, scene: Scene) -> tuple[Rule, ...]:
    methods, path, nth = RUNNING[case.step]
    return tuple(
        scene.proxy.on(
            methods,
            f"/{name}{path}" if case.step == "cluster" else f"/{name}/.*{path}",
            case.trouble,
            nth=nth,
            count=case.count,
        )
        # NB: several requests may bear one token, and a second token that is refused as well is
        # another case.
        for name in scene.clusters[: 1 if case.trouble in TOKEN_ENDS else None]
    )


def _run(
    stage: Stage, cases: Iterable[Case], *, change: Callable[[str], str] = lambda text: text
) -> Runs:
    """Run with each of *cases*, and without any; *change* is made to the plan files."""
    asked = [(case, stage.scene()) for case in _quick_ones_first((None, *cases))]
    _save(stage, [scene for case, scene in asked if case and case.step == "cluster"], change)
    ruled = [() if case is None else _ruled(case, scene) for case, scene in asked]
    told: list[Command] = []
    for case, scene in asked:
        what = _saved(scene) if case and case.step == "cluster" else scene.plan(change)
        told += [
            ("run", what, "--yes", "--run-id", scene.run, "--json", *scene.where, *_limit(case)),
            ("verify", scene.run, "--json"),
            ("log", scene.run, "--json"),
        ]
    ended = _in_turn(stage, told, each=3)
    return {
        case: _found(scene, rules, *ended[3 * number : 3 * number + 3])
        for number, ((case, scene), rules) in enumerate(zip(asked, ruled, strict=True))
    }


def _found(
    scene: Scene, rules: tuple[Rule, ...], ended: Ended, verified: Ended, log: Ended
) -> Found:
    return Found(
        scene=scene,
        rules=rules,
        ended=ended,
        verified=verified,
        log=tuple(map(json.loads, log.stdout.splitlines())),
        written=log.stdout,
    )


def _save(stage: Stage, scenes_: Sequence[Scene], change: Callable[[str], str]) -> None:
    """Save plans: whether clusters are still connected is asked again before they are run."""
    told: Commands = [
        ("plan", one.plan(change), "--out", _saved(one), *one.where) for one in scenes_
    ]
    for ended in stage.started(told).ended():
        ended.must(0)


def _saved(scene: Scene) -> Path:
    return scene.stage.root / f"saved-{scene.number}.json"


@pytest.fixture(scope="module", params=RUNNING)
def runs(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Runs:
    """Runs that met trouble in one kind of request; with ``None``, one that met none."""
    cases = [case for case in PASSING_RUNS if case.step == request.param]
    with scenes.staged(tmp_path_factory.mktemp("runs"), scenes=len(cases) + 1) as stage:
        return _run(stage, cases)


NOTED = {
    Case(step="write", trouble=trouble.HANGS): ("step.lost", "F331"),
    Case(step="write", trouble=trouble.RESET): ("step.lost", "F331"),
    Case(step="write", trouble=trouble.RESET.after()): ("step.lost", "F331"),
    Case(step="write", trouble=trouble.failing(502)): ("step.lost", "F331"),
    Case(step="write", trouble=trouble.html(200)): ("step.lost", "F370"),
    Case(step="write", trouble=trouble.throttled(5)): ("step.held", "F310"),
    Case(step="write", trouble=trouble.CONFLICT): ("step.held", "F320"),
    Case(step="check", trouble=trouble.throttled(5)): ("step.held", "F310"),
    Case(step="check", trouble=trouble.html(502)): ("step.held", "F330"),
    Case(step="proof", trouble=trouble.html(200)): ("step.held", "F370"),
    Case(step="proof", trouble=trouble.DENIED): ("step.held", "F341"),
    Case(step="proof", trouble=trouble.NO_CLUSTER): ("step.held", "F350"),
    Case(step="cluster", trouble=trouble.HANGS): ("step.held", "F330"),
}
"""What the journal says of some of them: the event, and the code."""


def _check_run(found: Found, case: Case, calm: Found) -> None:
    assert all(rule.met for rule in found.rules)
    _check_discretion(found)
    found.ended.must(1 if case.code is not None else 0)
    _check_journal(found)
    if case in NOTED:
        kind, code = NOTED[case]
        assert set(_codes(found, kind)) == {code}
    if case.code is None:
        assert _targets(found, "status", "from", "to") == _targets(calm, "status", "from", "to")
        assert found.scene.versions() == DONE
        assert found.scene.changes() == ONCE_EACH
        return
    assert _statuses(found) == ["Failed"] * CLUSTERS
    assert _codes(found, "step.failed") == ([case.code] * CLUSTERS if case.code else [])
    assert found.scene.changes() == NEVER
    failures = [line for line in found.said.splitlines() if "Failed: " in line]
    for name in found.scene.clusters:
        assert any(name in line for line in failures)


def _check_journal(found: Found) -> None:
    assert found.verified is not None
    assert found.verified.must(0).json["isComplete"]


def _codes(found: Found, *kinds: str) -> list[str]:
    return [one["code"] for one in found.log if one["kind"] in kinds]


def _statuses(found: Found) -> list[str]:
    return [status for _, status in _targets(found, "status")]


def test_a_run_ends_as_if_nothing_had_been_or_names_the_targets_that_failed(runs: Runs) -> None:
    calm = runs[None]

    calm.ended.must(0)
    assert (calm.scene.versions(), calm.scene.changes()) == (DONE, ONCE_EACH)
    assert _codes(calm, "step.held", "step.lost", "step.failed") == []
    assert _wrong(runs, _check_run) == []


def test_what_is_noted_of_some_cases_is_looked_at() -> None:
    assert set(NOTED) <= set(PASSING_RUNS)


def test_when_all_has_ended_no_file_holds_a_token_or_a_signed_url(runs: Runs) -> None:
    proxies = [one.scene.proxy for one in runs.values()]
    secrets = frozenset().union(*(one.tokens | one.signatures for one in proxies))

    assert len(secrets) > len(runs)
    assert scenes.leaking_files(runs[None].scene.stage.root, secrets) == []


def test_an_answer_about_another_cluster_is_not_believed(apart: Stage) -> None:
    """As from a cache or a gateway that mixes them up: it looks as if the work were done."""
    answer = trouble.somebody_elses("1.2.6")
    cases = [Case(step=step, trouble=answer) for step in ("check", "write", "proof")]

    found = _run(apart, cases, change=lambda text: text.replace("4d", "2h"))

    assert _wrong(found, _check_run) == []


# --- trouble that stays ------------------------------------------------------------------

UNAVAILABLE = trouble.failing(503, "ServiceUnavailable", "Come again.")
ENDINGS: Mapping[Case, tuple[str, tuple[int, ...]]] = {
    Case(step="check", trouble=UNAVAILABLE, count=None): ("TimedOut", NEVER),
    Case(step="cluster", trouble=UNAVAILABLE, count=None): ("TimedOut", NEVER),
    Case(step="write", trouble=UNAVAILABLE, count=None): ("TimedOut", NEVER),
    Case(step="write", trouble=trouble.throttled(60), count=None): ("TimedOut", NEVER),
    Case(step="write", trouble=trouble.RESET, count=None): ("TimedOut", NEVER),
    Case(step="write", trouble=trouble.HANGS, count=None): ("TimedOut", NEVER),
    Case(step="write", trouble=trouble.html(200), count=None): ("TimedOut", NEVER),
    # Whatever became of the answers: the extension itself tells.
    Case(step="write", trouble=trouble.RESET.after(), count=None): ("Succeeded", ONCE_EACH),
    Case(step="operation", trouble=UNAVAILABLE, count=None): ("Succeeded", ONCE_EACH),
    Case(step="operation", trouble=trouble.HANGS, count=None): ("Succeeded", ONCE_EACH),
    Case(step="operation", trouble=trouble.html(200), count=None): ("Succeeded", ONCE_EACH),
    Case(step="proof", trouble=UNAVAILABLE, count=None): ("TimedOut", ONCE_EACH),
    Case(step="proof", trouble=trouble.html(200), count=None): ("TimedOut", ONCE_EACH),
    # What was accepted has not failed because nobody may look at it any more.
    Case(step="proof", trouble=trouble.DENIED, count=None): ("TimedOut", ONCE_EACH),
    Case(step="proof", trouble=trouble.NO_CLUSTER, count=None): ("TimedOut", ONCE_EACH),
}
"""How the targets end, and how often they were changed."""


def _check_end(found: Found, case: Case, _calm: Found) -> None:
    status, changes = ENDINGS[case]
    assert all(rule.met for rule in found.rules)
    _check_discretion(found)
    found.ended.must(0 if status == "Succeeded" else 1)
    _check_journal(found)
    assert _statuses(found) == [status] * CLUSTERS
    assert found.scene.changes() == changes


def _within_half_an_hour(text: str) -> str:
    return text.replace("4d", "30m")


def test_trouble_that_stays_is_ended_by_the_deadlines(apart: Stage) -> None:
    found = _run(apart, ENDINGS, change=_within_half_an_hour)

    assert _wrong(found, _check_end) == []


def _begun(scene: Scene, *flags: str) -> Command:
    return ("run", scene.plan(), "--yes", "--run-id", scene.run, *scene.where, *flags)


def _ends_well(scene: Scene) -> Ended:
    """Carry the run on, now that the trouble is over: it ends as if nothing had been."""
    scene.proxy.clear()
    ended = scene.stage.shell("run", "--run-id", scene.run, "--json").must(0)
    assert ended.json["counts"] == {"Succeeded": CLUSTERS}
    assert (scene.versions(), scene.changes()) == (DONE, ONCE_EACH)
    assert scene.stage.shell("verify", scene.run, "--json").must(0).json["isComplete"]
    return ended


def test_a_run_that_nobody_answers_any_more_is_left_and_carried_on_later(apart: Stage) -> None:
    scene = apart.scene()
    silence = scene.proxy.on("", "", trouble.RESET, nth=12)

    with living(apart.shell, *_begun(scene)) as process:
        until(lambda: silence.met > 8, what="that nobody answers")
        process.send(signal.SIGTERM)
        left = process.end().must(6)

    assert f"fleet run --run-id {scene.run} carries on" in left.stderr
    _ends_well(scene)


def test_a_runner_that_is_killed_while_its_writes_hang_sends_none_of_them_again(
    apart: Stage,
) -> None:
    scene = apart.scene()
    scene.proxy.on("PUT PATCH", EXTENSION, trouble.HANGS.after())

    with living(apart.shell, *_begun(scene)) as process:
        until(lambda: scene.changes() == ONCE_EACH, what="that all writes took effect")
        process.process.kill()
        process.process.wait()

    _ends_well(scene)
    assert len(scene.proxy.sent("PUT PATCH")) == CLUSTERS


def test_where_one_write_is_denied_one_target_fails_and_the_others_go_on(apart: Stage) -> None:
    scene = apart.scene()
    denied = scene.proxy.on("PUT PATCH", f"/{scene.clusters[1]}/", trouble.DENIED)

    ended = apart.shell(*_begun(scene, "--json")).must(1)

    assert denied.met == 1
    assert ended.json["status"] == "SucceededWithFailures"
    found = {one["clusterName"]: one for one in ended.json["targets"]}
    assert [found[name]["status"] for name in scene.clusters] == [
        "Succeeded",
        "Failed",
        "Succeeded",
        "Succeeded",
    ]
    assert "not allowed" in found[scene.clusters[1]]["detail"]
    log = apart.shell("log", scene.run, "--json").must(0).stdout
    failed = [one for one in map(json.loads, log.splitlines()) if one["kind"] == "step.failed"]
    assert [one["code"] for one in failed] == ["F341"]


def test_nobody_comes_again_before_retry_after_is_over(apart: Stage) -> None:
    waits = [(wait_s, as_date) for wait_s in (900, 1500) for as_date in (False, True)]
    asked = [
        (apart.scene(), wait_s, Case(step=step, trouble=trouble.throttled(wait_s, as_date=as_date)))
        for step, (wait_s, as_date) in zip(
            ("check", "write", "operation", "proof"), waits, strict=True
        )
    ]
    rules = [rule for scene, _, case in asked for rule in _ruled(case, scene)]

    batches = [apart.started([_begun(scene)]) for scene, _, _ in asked]
    for batch in batches:
        batch.ended()[0].must(0)

    assert [rule.met for rule in rules] == [1] * len(rules)
    for scene, wait_s, _ in asked:
        for name in scene.clusters:
            on_it = scene.proxy.sent(path=f"/{name}/")
            at = next(number for number, one in enumerate(on_it) if one.trouble is not None)
            # NB: a millisecond of this machine is three seconds there.
            assert on_it[at + 1].at_s - on_it[at].at_s >= wait_s / scenes.SCALE - 0.005


def test_trouble_on_a_later_page_loses_nobody(apart: Stage) -> None:
    """Pages of 40: the service says that larger ones are too large for it."""
    everybody = apart.scene()
    plan = everybody.plan(_of_everybody)
    troubles = (None, trouble.RESET, trouble.throttled(5), trouble.failing(500))
    asked = [(one, apart.scene()) for one in troubles]
    for one, scene in asked[1:]:
        assert one is not None
        path = PLANNING["graph"][1]
        scene.proxy.on("POST", path, trouble.TOO_LARGE, count=2)
        scene.proxy.on("POST", path, one, nth=3, count=2)

    told: Commands = [("plan", plan, "--json", *scene.where) for _, scene in asked]
    calm, *others = [one.must(0).json for one in apart.started(told).ended()]

    assert [scene.proxy.got[-1].trouble for _, scene in asked] == [None] * len(asked)
    assert len(calm["targets"]) == CLUSTERS * scenes.SUBSCRIPTIONS
    assert [one["targets"] for one in others] == [calm["targets"]] * len(others)


def test_extensions_that_cannot_be_read_stop_their_clusters_and_nobody_else(apart: Stage) -> None:
    scene = apart.scene()
    scene.proxy.on("POST", PLANNING["graph"][1], trouble.FLAGS_UNKNOWN, count=None)

    told: Commands = [
        ("plan", scene.plan(), "--json", *scene.where),
        ("discover", scene.plan(), *scene.where),
    ]
    planned, listed = apart.started(told).ended()

    found = {one["clusterName"]: one for one in planned.must(0).json["targets"]}
    actions = [found[name]["action"] for name in scene.clusters]
    assert actions == ["install", "blocked"] * (CLUSTERS // 2)
    assert found[scene.clusters[1]]["reason"] == (
        "what Azure says of extension osm cannot be read: autoUpgradeMinorVersion is missing or "
        "cannot be read"
    )
    assert listed.must(0).stdout.count("(unreadable)") == CLUSTERS // 2
    assert "warning: what Azure says of Microsoft.openservicemesh cannot be read" in listed.stderr


def _of_everybody(text: str) -> str:
    targets, _, rest = text.partition("  extension:")
    return f"{targets.partition('{subscriptions')[0]}{{tenant: true}}\n  extension:{rest}"


def test_an_endpoint_that_is_not_there_ends_with_4_and_what_to_check(apart: Stage) -> None:
    scene = apart.scene()
    # Bound, and nobody listens: a port that is free would soon be somebody else's.
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        ended = apart.shell("plan", scene.plan(), "--endpoint", url).must(4)

    assert ended.stderr.startswith("error F330: ")
    assert "nothing was sent, no connection" in ended.stderr
    assert "hint: Check the endpoint" in ended.stderr


# --- who we are --------------------------------------------------------------------------

TOKEN = PLANNING["token"][1]


@pytest.fixture(scope="module")
def brief(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Where tokens are good for seven minutes of a fleet whose time is slower.

    Three seconds of ours are more than a plan takes, several at once and on a busy machine; and
    there is most of a second between the moment a token is to be renewed and its end.
    """
    root = tmp_path_factory.mktemp("brief")
    with scenes.staged(root, scale=120, token=dt.timedelta(seconds=400), scenes=12) as found:
        yield found


def _one_by_one(scene: Scene) -> Command:
    """Return a run that lasts longer than a token."""
    scene.plan(lambda text: text.replace("maxConcurrency: 4", "maxConcurrency: 1"))
    plan = scene.stage.root / f"plan-{scene.number}.yaml"
    return ("run", plan, "--yes", "--run-id", scene.run, "--json", *scene.where)


def test_a_token_that_ends_is_renewed_without_anybody_noticing(brief: Stage) -> None:
    troubles = (None, trouble.RESET, trouble.html(200), UNAVAILABLE, trouble.NO_CLIENT)
    asked = [(one, brief.scene()) for one in troubles]
    rules = [scene.proxy.on("POST", TOKEN, one, nth=2, count=1) for one, scene in asked if one]

    batches = [brief.started([_one_by_one(scene)]) for _, scene in asked]
    ended = [one for batch in batches for one in batch.ended()]

    assert [one.must(0).json["counts"] for one in ended] == [{"Succeeded": CLUSTERS}] * len(asked)
    assert [rule.met for rule in rules] == [1] * len(rules)
    for _, scene in asked:
        assert scene.changes() == ONCE_EACH
        assert len({one.headers["authorization"] for one in _to_arm(scene)}) > 1


def _to_arm(scene: Scene) -> list[Got]:
    return scene.proxy.sent(path="/Microsoft.Kubernetes")


def _was_left_as_nobody(scene: Scene, left: Ended) -> None:
    """The process says who has to do what, and no target paid for it."""
    assert left.stderr.splitlines()[-3].startswith("error F340: ")
    assert f"fleet run --run-id {scene.run} carries on" in left.stderr.splitlines()[-1]
    status = scene.stage.shell("status", scene.run, "--json").must(0).json
    assert status["status"] == "Running"
    assert not {"Failed", "TimedOut", "Drifted", "Skipped"} & set(status["counts"])
    _ends_well(scene)


def test_where_no_token_is_given_any_more_the_process_leaves_with_4(brief: Stage) -> None:
    scene = brief.scene()
    scene.proxy.on("POST", TOKEN, trouble.NO_CLIENT, nth=2)

    left = brief.shell(*_one_by_one(scene)).must(4)

    assert sum(scene.changes()) > 0
    _was_left_as_nobody(scene, left)


@pytest.mark.parametrize("nth", [4, 7, 9, 14], ids=lambda nth: f"from request {nth}")
def test_where_tokens_are_rejected_for_good_the_process_leaves_with_4(
    apart: Stage, nth: int
) -> None:
    """From the first check on, from a write on, while operations are followed, at the proof."""
    scene = apart.scene()
    scene.proxy.on("", "/connectedClusters/", trouble.REJECTED, nth=nth)

    left = apart.shell(*_begun(scene)).must(4)

    _was_left_as_nobody(scene, left)


def test_a_saved_plan_whose_first_request_is_rejected_is_left_too(apart: Stage) -> None:
    scene = apart.scene()
    _save(apart, [scene], str)
    scene.proxy.on("", "/connectedClusters/", trouble.REJECTED)

    left = apart.shell("run", _saved(scene), "--yes", "--run-id", scene.run, *scene.where).must(4)

    assert scene.changes() == NEVER
    _was_left_as_nobody(scene, left)


def test_where_the_token_endpoint_is_away_the_run_waits_for_it(brief: Stage) -> None:
    scene = brief.scene()
    away = scene.proxy.on("POST", TOKEN, UNAVAILABLE, nth=2)

    with living(brief.shell, *_one_by_one(scene)) as process:
        until(lambda: away.met > 8, what="that the old token has ended")
        scene.proxy.clear()
        ended = process.end().must(0)

    assert json.loads(ended.stdout)["counts"] == {"Succeeded": CLUSTERS}
    assert scene.changes() == ONCE_EACH
