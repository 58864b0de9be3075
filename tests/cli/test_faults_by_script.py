"""Whole rollouts by command against every fault that there is a name for, and every profile.

Whatever goes wrong: the run comes to a true end and its journal is sound, nothing is done twice,
and only what the world itself holds to be done is called Succeeded.

Rollouts of a kind are typed in one process, one after another, each in a world of its own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from fleet.model.cluster import Extension, ProvisioningState
from fleet.sim import faultfile, names, rivals
from fleet.sim.calls import Call
from fleet.sim.faultfile import FaultFile
from fleet.sim.recipe import ABSENT, Recipe, Special
from fleet.sim.repertoire import Asked, Fault, Level
from fleet.sim.script import Script
from fleet.sim.server.serving import Served
from fleet.sim.world import World
from fleet.sim.writes import Effect
from tests.rig import background, commands, serving
from tests.rig.commands import Ended, Shell, living

SCALE = 1800
SOME = 6
MANY = 20
LIMIT_S = 240
"""For all the commands of a test, on however busy a machine."""
WRITES = ["PUT", "PATCH", "DELETE"]
READS = ["cluster", "extension", "operation"]
SITE = "store-0001-*"
"""Two clusters: on the first OSM is missing, on the second it is older."""
UP = "1.2.6"
RIVAL = rivals.identity(serving.CALM.seed)

PLAN = """\
apiVersion: fleet/v1
kind: Rollout
metadata: {name: faults, owner: mesh-sre@contoso.example, change: CHG1}
spec:
  targets: {tenant: true}
  extension: {profile: osm, version: 1.2.6}
  strategy:
    maxConcurrency: 10
    maxFailures: 100%
    # A second that this machine is busy with something else is half an hour of this fleet.
    startDeadline: 4d
    progressDeadline: 4d
    waves:
      - {name: canary, size: 1}
      - {name: rest, size: rest}
"""
UNINSTALL = PLAN.replace("version: 1.2.6", "state: absent")


def impatient(plan: str) -> str:
    """Return the plan for what only a deadline ends."""
    return plan.replace("progressDeadline: 4d", "progressDeadline: 2h")


def fleet(count: int) -> Recipe:
    """Return a fleet where every third cluster has no OSM."""
    absent = [names.cluster(number, count=count) for number in range(0, count, 3)]
    return dataclasses.replace(
        serving.CALM,
        cluster_count=count,
        subscription_count=2,
        distributions={"rancher_rke": 1, "aks": 1},
        specials=tuple(Special(cluster=one, installed={"osm": ABSENT}) for one in absent),
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A rollout, and what goes wrong meanwhile."""

    script: Script
    counts: Mapping[str, int] | None = None
    """How many targets end how; ``None``: as it comes."""
    plan: str = PLAN
    count: int = SOME
    """Of clusters."""
    scale: int = SCALE
    flags: tuple[str, ...] = ()

    @property
    def recipe(self) -> Recipe:
        return dataclasses.replace(fleet(self.count), script=self.script)

    @property
    def faults(self) -> set[Fault]:
        return {rule.fault for rule in self.script.rules}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What came of it."""

    run: Ended
    verified: Ended
    heard: tuple[Call, ...]
    """Writes that reached the service, in order, refused ones too."""
    effects: tuple[Effect, ...]
    """What the service took, of ours and of everybody's."""
    clusters: Mapping[str, Extension | None]
    """As they are in the end."""
    met: Mapping[Fault, int]
    """How often which fault was met."""

    @property
    def counts(self) -> Any:
        return self.run.json["counts"]


def scripted(*rules: Mapping[str, Any]) -> Script:
    """Return rules as a faults file has them."""
    written = {"apiVersion": "fleet/v1", "kind": "Faults", "rules": rules}
    return FaultFile.model_validate({**written, "rules": list(rules)}).script()


def ran(root: Path, cases: Mapping[str, Case]) -> Mapping[str, Found]:
    """Carry the plans out, and look at what came of each."""
    told: list[Sequence[str | Path]] = []
    with contextlib.ExitStack() as stack:
        served: dict[str, Served] = {}
        for name, case in cases.items():
            world = background.simulated(case.recipe, scale=case.scale)
            served[name] = stack.enter_context(world)
            plan = commands.written(root / f"{name}.yaml", case.plan)
            flags = ("--yes", "--json", "--endpoint", served[name].endpoint, *case.flags)
            told += [("run", plan, "--run-id", name, *flags), ("verify", name, "--json")]
        ended = iter(Shell(root=root).many(*told, limit_s=LIMIT_S))
        return {name: found(served[name], next(ended), next(ended)) for name in cases}


def found(served: Served, run: Ended, verified: Ended) -> Found:
    world, now = served.plane.azure.world, served.plane.now()
    return Found(
        run=run,
        verified=verified,
        heard=tuple(one.call for one in world.hearings),
        effects=world.effects,
        clusters={one.name: next(iter(one.extensions), None) for one in world.clusters(now)},
        met=served.plane.tally.met_counts + world.tally.met_counts,
    )


def check(one: Found, *, is_there: bool = True) -> None:
    """Assert what holds whatever goes wrong."""
    assert one.run.status in (0, 1), one.run.stderr
    told = one.run.json
    assert told["isTerminal"]
    assert (one.run.status == 0) == (told["status"] == "Succeeded")
    assert one.verified.must(0).json["isComplete"]
    assert one.verified.json["status"] == told["status"]
    for target in told["targets"]:
        if target["status"] in ("Succeeded", "NoOp"):
            assert is_as_planned(one.clusters[target["clusterName"]], is_there=is_there), target
    requests = Counter(call.client_request_id for call in one.heard)
    assert set(requests.values()) <= {1}, "a request was heard twice"
    ours = [each.call for each in one.effects if each.is_change and each.call.caller != RIVAL]
    assert set(Counter(call.cluster_id for call in ours).values()) <= {1}, "applied twice"
    last = {call.cluster_id: call for call in one.heard if call.caller != RIVAL}
    for call in ours:
        assert last[call.cluster_id] == call, "sent again after it took effect"


def is_as_planned(extension: Extension | None, *, is_there: bool) -> bool:
    if extension is None or not is_there:
        return (extension is not None) == is_there
    is_well = extension.provisioning_state is ProvisioningState.SUCCEEDED
    return is_well and extension.current_version == UP


# --- every fault -------------------------------------------------------------------------


def first_writes(fault: Fault, **more: Any) -> dict[str, Any]:
    """Return a rule for the first write of every cluster."""
    first = {"on": ["extension"], "methods": WRITES, "countedBy": "cluster", "last": 1}
    return {"fault": fault.value, **first, **more}


def cured(fault: Fault, **more: Any) -> Case:
    """Return a case for the first write of every cluster, and for every fifth of all requests."""
    often = {"fault": fault.value, "every": 5, **more}
    return well(first_writes(fault, **more), often)


def well(*rules: dict[str, Any]) -> Case:
    """Return a case that ends well all the same."""
    return Case(script=scripted(*rules), counts={"Succeeded": SOME})


def at_a_site(fault: Fault, **more: Any) -> dict[str, Any]:
    """Return a rule for the first write of two clusters."""
    return {"fault": fault.value, "cluster": SITE, "countedBy": "cluster", "last": 1, **more}


def lost(how: str, fault: Fault) -> Case:
    """Return a case where two clusters end that way, and the others well."""
    return Case(
        script=scripted(at_a_site(fault)),
        counts={how: 2, "Succeeded": SOME - 2},
        plan=impatient(PLAN) if how == "TimedOut" else PLAN,
    )


GROUPS: Mapping[str, Mapping[str, Case]] = {
    "throttling": {
        "throttled": cured(Fault.THROTTLED, retryAfterSeconds=20),
        "providerThrottled": cured(Fault.PROVIDER_THROTTLED),
    },
    "errors": {
        "internalError": cured(Fault.INTERNAL_ERROR),
        "badGateway": cured(Fault.BAD_GATEWAY),
        "unavailable": cured(Fault.UNAVAILABLE),
        "gatewayTimeout": cured(Fault.GATEWAY_TIMEOUT),
        "gatewayTimeoutAfter": cured(Fault.GATEWAY_TIMEOUT_AFTER),
    },
    "connections": {
        "resetBefore": cured(Fault.RESET_BEFORE),
        "resetAfter": cured(Fault.RESET_AFTER),
        "slowAnswer": cured(Fault.SLOW_ANSWER, seconds=60),
        "slowBody": cured(Fault.SLOW_BODY, seconds=60),
        "cutBody": cured(Fault.CUT_BODY),
    },
    "bodies": {
        # A plan is not made from what cannot be read: there a command ends, and says so.
        "truncatedJson": well(
            first_writes(Fault.TRUNCATED_JSON),
            {"fault": "truncatedJson", "on": READS, "every": 5},
        ),
        "htmlPage": cured(Fault.HTML_PAGE, status=503),
        "htmlPage-200": well({"fault": "htmlPage", "on": READS, "every": 4, "status": 200}),
        "duplicateRows": well({"fault": "duplicateRows", "rows": 2}),
    },
    "others": {
        "conflict": well(at_a_site(Fault.CONFLICT)),
        "lateConflict": well(at_a_site(Fault.LATE_CONFLICT)),
        # Where nothing was installed, somebody else has installed it meanwhile: the plan meant an
        # install. Where it was, their settings are none that the plan owns.
        "competingWriter": Case(
            script=scripted(at_a_site(Fault.COMPETING_WRITER)),
            counts={"Drifted": 1, "Succeeded": SOME - 1},
        ),
        "clockJump": well({"fault": "clockJump", "seconds": 7200}),
    },
    "agents": {
        "operationFails": lost("Failed", Fault.OPERATION_FAILS),
        "silentFailure": lost("Failed", Fault.SILENT_FAILURE),
        "offlineMidway": well(at_a_site(Fault.OFFLINE_MIDWAY, seconds=300)),
        "lateRead": well(at_a_site(Fault.LATE_READ, seconds=90)),
        # Long after the run is over.
        "relapse": well(at_a_site(Fault.RELAPSE, seconds=90_000_000)),
    },
    "deadlines": {
        "reverted": lost("TimedOut", Fault.REVERTED),
        "stuckOperation": lost("TimedOut", Fault.STUCK_OPERATION),
        "offlineMidway-for-good": lost("TimedOut", Fault.OFFLINE_MIDWAY),
    },
}


def test_every_fault_is_met_by_some_rollout() -> None:
    cases = itertools.chain(*(group.values() for group in GROUPS.values()))

    assert set[Fault]().union(*(case.faults for case in cases)) == set(Fault)


@pytest.mark.parametrize("group", GROUPS)
def test_a_rollout_meets_a_fault_and_tells_the_truth(
    group: str, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    cases = GROUPS[group]

    for name, one in ran(tmp_path, cases).items():
        with subtests.test(name):
            check(one)
            assert one.counts == cases[name].counts
            assert set(one.met) == cases[name].faults - {Fault.CLOCK_JUMP}


# --- every profile -----------------------------------------------------------------------

HEALED = ("calm", "throttled", "flaky", "outage", "insides")
_SCRIPTLESS = ("calm", "insides")
"""Profiles that do nothing to requests: insides breaks what this plan does not look into."""
"""What waiting, or asking again, cures."""


def from_the_start(script: Script, *on: str) -> Script:
    """Return a script whose times have come when a plan is made, and which leaves room for that."""
    asked = frozenset(map(Asked, on))
    rules = tuple(dataclasses.replace(rule, on=asked, after=None) for rule in script.rules)
    return dataclasses.replace(script, rules=rules)


def steady(script: Script) -> Script:
    """Return a script whose clock has jumped before anybody looks at it."""
    rules = (
        dataclasses.replace(rule, after=None) if rule.level is Level.CLOCK else rule
        for rule in script.rules
    )
    return dataclasses.replace(script, rules=tuple(rules))


def test_a_rollout_lives_through_every_profile(tmp_path: Path, subtests: pytest.Subtests) -> None:
    cases = {
        name: Case(
            script=faultfile.profile(name).script(),
            plan=PLAN if name in HEALED else impatient(PLAN),
            count=MANY,
        )
        for name in faultfile.profiles()
    }
    # Ten minutes, of which a machine that is busy may need some to get there, are five seconds.
    outage = from_the_start(cases["outage"].script, *READS)
    cases["outage"] = Case(script=outage, scale=120)
    # A token that is over while a plan is made ends the command, before anything has begun.
    hostile = steady(cases["hostile"].script)
    cases["hostile"] = dataclasses.replace(cases["hostile"], script=hostile)

    for name, one in ran(tmp_path, cases).items():
        with subtests.test(name):
            check(one)
            assert (one.counts == {"Succeeded": cases[name].count}) == (name in HEALED)
            assert bool(one.met) == (name not in _SCRIPTLESS)


# --- what one fault alone does not show --------------------------------------------------


def test_a_body_that_is_slower_than_the_client_waits_is_an_answer_that_was_lost(
    tmp_path: Path,
) -> None:
    second = {"on": ["extension"], "methods": WRITES, "first": 2, "last": 2}
    slow = scripted({"fault": "slowBody", "seconds": 6 * 3600, **second})

    case = Case(script=slow, flags=("--request-timeout", "2"))
    one = ran(tmp_path, {"slow": case})["slow"]

    check(one)
    assert one.counts == {"Succeeded": SOME}
    assert one.met == {Fault.SLOW_BODY: 1}


def test_an_uninstall_meets_the_same(tmp_path: Path, subtests: pytest.Subtests) -> None:
    ends = {
        "resetAfter": {"Succeeded": 4},
        "gatewayTimeoutAfter": {"Succeeded": 4},
        "lateConflict": {"Succeeded": 4},
        "competingWriter": {"Succeeded": 4},
        "reverted": {"TimedOut": 1, "Succeeded": 3},
    }
    first = {"on": ["extension"], "methods": ["DELETE"], "last": 1}
    cases = {
        fault: Case(
            script=scripted({"fault": fault, **first}),
            plan=impatient(UNINSTALL) if fault == "reverted" else UNINSTALL,
            counts=counts,
        )
        for fault, counts in ends.items()
    }

    for fault, one in ran(tmp_path, cases).items():
        with subtests.test(fault):
            check(one, is_there=False)
            assert one.counts == cases[fault].counts
            assert one.met == {Fault(fault): 1}


def jump(served: Served, seconds: int) -> None:
    """Let the service's clock be elsewhere from now on."""
    world = served.plane.azure.world
    script = scripted({"fault": "clockJump", "seconds": seconds})
    world.recipe = dataclasses.replace(world.recipe, script=script)


def test_a_clock_that_jumps_to_and_fro_confuses_no_run(tmp_path: Path) -> None:
    """Tokens end early, answers come from the past and from next year: targets end as they are."""
    plan = commands.written(tmp_path / "plan.yaml", PLAN)
    with background.simulated(fleet(SOME), scale=SCALE // 3) as served:
        world = served.plane.azure.world
        shell = Shell(root=tmp_path, extra={"FLEET_ENDPOINT": served.endpoint})
        with living(shell, "run", plan, "--yes", "--run-id", "r1", "--json") as runner:
            for count, seconds in ((1, 7200), (2, -14_400), (4, 90_000), (SOME, -400 * 24 * 3600)):
                until_written(world, count)
                jump(served, seconds)
            run = runner.end(limit_s=LIMIT_S)

        one = found(served, run, shell("verify", "r1", "--json"))
    check(one)
    assert one.counts == {"Succeeded": SOME}


def until_written(world: World, count: int) -> None:
    commands.until(lambda: len(world.effects) >= count, what=f"{count} writes")


def test_a_takeover_after_the_clock_has_jumped_finds_what_was_done_meanwhile(
    tmp_path: Path,
) -> None:
    plan = commands.written(tmp_path / "plan.yaml", PLAN)
    with background.simulated(fleet(SOME), scale=SCALE // 3) as served:
        world = served.plane.azure.world
        shell = Shell(root=tmp_path, extra={"FLEET_ENDPOINT": served.endpoint})
        with living(shell, "run", plan, "--yes", "--run-id", "r1") as runner:
            until_written(world, 2)
            runner.process.kill()
        done = {effect.call.cluster_id.rpartition("/")[2] for effect in world.effects}
        jump(served, 30 * 24 * 3600)

        run, verified = shell.many(("run", "--run-id", "r1", "--json"), ("verify", "r1", "--json"))

        one = found(served, run, verified)
    check(one)
    ends = {target["clusterName"]: target["status"] for target in run.json["targets"]}
    assert {ends[name] for name in done} == {"Succeeded"}
    # A month after it was meant to be sent, what had not arrived is not sent any more.
    assert {ends[name] for name in ends.keys() - done} <= {"Succeeded", "TimedOut"}


def test_doctor_tells_of_a_clock_that_has_jumped(tmp_path: Path) -> None:
    late = scripted({"fault": "clockJump", "afterSeconds": 1, "seconds": 3600})
    plan = commands.written(tmp_path / "plan.yaml", PLAN)
    with background.simulated(dataclasses.replace(fleet(SOME), script=late), scale=600) as served:
        ended = Shell(root=tmp_path)("doctor", plan, "--endpoint", served.endpoint, "--json")

    (clock,) = (one for one in ended.must(0).json if one["name"] == "clock")
    assert clock["verdict"] == "warn"
    assert re.fullmatch(r"3[56]\d\d s behind the service's", clock["detail"])
    assert clock["hint"].startswith("Set this machine's clock")
