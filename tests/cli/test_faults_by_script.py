"""Whole rollouts by command against every fault that there is a name for, and every profile.

Whatever goes wrong: the run comes to a true end and its journal is sound, nothing is done twice,
and only what the world itself holds to be done is called Succeeded.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from fleet.model.cluster import Extension, ProvisioningState
from fleet.sim import faultfile, names, rivals
from fleet.sim.faultfile import FaultFile
from fleet.sim.recipe import ABSENT, Recipe, Special
from fleet.sim.repertoire import Fault
from fleet.sim.script import Script
from fleet.sim.server.serving import Served
from fleet.sim.world import Effect
from tests.rig import background, commands, serving
from tests.rig.commands import Ended, Shell, living

SCALE = 1800
WRITES = ["PUT", "PATCH", "DELETE"]
SITE = "store-0001-*"
"""Two clusters: on the first OSM is missing, on the second it is older."""
SOME = 6
MANY = 20
UP = "1.2.6"
ALL_WELL = {"Succeeded": SOME}

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
IMPATIENT = PLAN.replace("progressDeadline: 4d", "progressDeadline: 90m")
UNINSTALL = PLAN.replace("version: 1.2.6", "state: absent")


def recipe(count: int) -> Recipe:
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
class Found:
    """What came of a run."""

    run: Ended
    verified: Ended
    effects: tuple[Effect, ...]
    """What the service took, of ours and of everybody's."""
    clusters: Mapping[str, Extension | None]
    """As they are in the end."""
    met: Mapping[Fault, int]
    """How often which fault was met."""

    @property
    def counts(self) -> Any:
        return self.run.json["counts"]

    @property
    def ours(self) -> list[Effect]:
        """Our writes that changed something."""
        return [one for one in self.effects if one.is_change and one.call.caller != RIVAL]


RIVAL = rivals.identity(serving.CALM.seed)


def ran(root: Path, rules: Script | Sequence[Mapping[str, Any]], *flags: str, **more: Any) -> Found:
    """Carry a plan out where those rules hold, and look at what came of it."""
    script = rules if isinstance(rules, Script) else scripted(rules)
    told = dataclasses.replace(recipe(more.get("count", SOME)), script=script)
    with background.simulated(told, scale=more.get("scale", SCALE)) as served:
        shell = Shell(root=root, extra={"FLEET_ENDPOINT": served.endpoint})
        plan = commands.written(root / "plan.yaml", more.get("plan", PLAN))
        begin = ("run", plan, "--yes", "--run-id", "r1", "--json", *flags)
        run, verified = shell.many(begin, ("verify", "r1", "--json"))
        return found(served, run, verified)


def scripted(rules: Sequence[Mapping[str, Any]]) -> Script:
    """Return rules as a faults file has them."""
    written = {"apiVersion": "fleet/v1", "kind": "Faults", "rules": rules}
    return FaultFile.model_validate(written).script()


def found(served: Served, run: Ended, verified: Ended) -> Found:
    world, now = served.plane.azure.world, served.plane.now()
    return Found(
        run=run,
        verified=verified,
        effects=world.effects,
        clusters={one.name: next(iter(one.extensions), None) for one in world.clusters(now)},
        met=served.plane.tally.met_counts + world.tally.met_counts,
    )


def check(one: Found, *, is_there: bool = True) -> None:
    """Assert what holds whatever goes wrong."""
    told = one.run.json
    assert one.run.status in (0, 1), one.run.stderr
    assert told["isTerminal"]
    assert (one.run.status == 0) == (told["status"] == "Succeeded")
    assert one.verified.must(0).json["isComplete"]
    assert one.verified.json["status"] == told["status"]
    for target in told["targets"]:
        if target["status"] in ("Succeeded", "NoOp"):
            assert is_as_planned(one.clusters[target["clusterName"]], is_there=is_there), target
    requests = Counter(effect.call.client_request_id for effect in one.effects)
    assert set(requests.values()) <= {1}, "a request was heard twice"
    clusters = Counter(effect.call.cluster_id for effect in one.ours)
    assert set(clusters.values()) <= {1}, "a write was applied twice"


def is_as_planned(extension: Extension | None, *, is_there: bool) -> bool:
    if extension is None or not is_there:
        return (extension is not None) == is_there
    is_well = extension.provisioning_state is ProvisioningState.SUCCEEDED
    return is_well and extension.current_version == UP


# --- every fault -------------------------------------------------------------------------


def on_writes_and_some_others(fault: Fault, **more: Any) -> list[dict[str, Any]]:
    """Return rules for the first write of every cluster, and for every fifth request."""
    first = {"on": ["extension"], "methods": WRITES, "countedBy": "cluster", "last": 1}
    return [{"fault": fault.value, **first, **more}, {"fault": fault.value, "every": 5, **more}]


def on_a_site(fault: Fault, **more: Any) -> list[dict[str, Any]]:
    """Return a rule for the first write of two clusters."""
    return [{"fault": fault.value, "cluster": SITE, "countedBy": "cluster", "last": 1, **more}]


TWO_OF = {"Succeeded": SOME - 2}
CASES: Mapping[str, tuple[list[dict[str, Any]], Mapping[str, int]]] = {
    "throttled": (on_writes_and_some_others(Fault.THROTTLED, retryAfterSeconds=20), ALL_WELL),
    "providerThrottled": (on_writes_and_some_others(Fault.PROVIDER_THROTTLED), ALL_WELL),
    "internalError": (on_writes_and_some_others(Fault.INTERNAL_ERROR), ALL_WELL),
    "badGateway": (on_writes_and_some_others(Fault.BAD_GATEWAY), ALL_WELL),
    "unavailable": (on_writes_and_some_others(Fault.UNAVAILABLE), ALL_WELL),
    "gatewayTimeout": (on_writes_and_some_others(Fault.GATEWAY_TIMEOUT), ALL_WELL),
    "gatewayTimeoutAfter": (on_writes_and_some_others(Fault.GATEWAY_TIMEOUT_AFTER), ALL_WELL),
    "resetBefore": (on_writes_and_some_others(Fault.RESET_BEFORE), ALL_WELL),
    "resetAfter": (on_writes_and_some_others(Fault.RESET_AFTER), ALL_WELL),
    "slowAnswer": (on_writes_and_some_others(Fault.SLOW_ANSWER, seconds=60), ALL_WELL),
    "slowBody": (on_writes_and_some_others(Fault.SLOW_BODY, seconds=60), ALL_WELL),
    "cutBody": (on_writes_and_some_others(Fault.CUT_BODY), ALL_WELL),
    # A plan is not made from what cannot be read: there a command ends, and says so.
    "truncatedJson": (
        [
            on_writes_and_some_others(Fault.TRUNCATED_JSON)[0],
            {"fault": "truncatedJson", "on": ["cluster", "extension", "operation"], "every": 5},
        ],
        ALL_WELL,
    ),
    "htmlPage": (on_writes_and_some_others(Fault.HTML_PAGE, status=503), ALL_WELL),
    "htmlPage-200": (
        [{"fault": "htmlPage", "on": ["extension", "operation"], "every": 4, "status": 200}],
        ALL_WELL,
    ),
    "duplicateRows": ([{"fault": "duplicateRows", "rows": 2}], ALL_WELL),
    "conflict": (on_a_site(Fault.CONFLICT), ALL_WELL),
    "lateConflict": (on_a_site(Fault.LATE_CONFLICT), ALL_WELL),
    # Where nothing was installed, somebody else has installed it meanwhile: the plan meant an
    # install. Where it was, their settings are none that the plan owns.
    "competingWriter": (on_a_site(Fault.COMPETING_WRITER), {"Drifted": 1, "Succeeded": 5}),
    "reverted": (on_a_site(Fault.REVERTED), {"TimedOut": 2, **TWO_OF}),
    "operationFails": (on_a_site(Fault.OPERATION_FAILS), {"Failed": 2, **TWO_OF}),
    "stuckOperation": (on_a_site(Fault.STUCK_OPERATION), {"TimedOut": 2, **TWO_OF}),
    "silentFailure": (on_a_site(Fault.SILENT_FAILURE), {"Failed": 2, **TWO_OF}),
    "offlineMidway": (on_a_site(Fault.OFFLINE_MIDWAY, seconds=300), ALL_WELL),
    "offlineMidway-for-good": (on_a_site(Fault.OFFLINE_MIDWAY), {"TimedOut": 2, **TWO_OF}),
    "lateRead": (on_a_site(Fault.LATE_READ, seconds=90), ALL_WELL),
    # Two hours on, four back, and on again: before, while and after the plan is made.
    "clockJump": (
        [
            {"fault": "clockJump", "afterSeconds": 60 * minute, "seconds": seconds}
            for minute, seconds in zip(
                range(1, 49, 6), (7200, -14_400, 7200, 90_000) * 2, strict=True
            )
        ],
        ALL_WELL,
    ),
}
NEVER = ("reverted", "stuckOperation", "offlineMidway-for-good")
"""What only a deadline ends."""


def test_every_fault_is_met_by_some_rollout() -> None:
    assert {rule["fault"] for rules, _ in CASES.values() for rule in rules} == set(Fault)


@pytest.mark.parametrize("name", CASES)
def test_a_rollout_meets_a_fault_and_tells_the_truth(name: str, tmp_path: Path) -> None:
    rules, counts = CASES[name]

    one = ran(tmp_path, rules, plan=IMPATIENT if name in NEVER else PLAN)

    check(one)
    assert one.counts == counts
    assert set(one.met) == {Fault(rule["fault"]) for rule in rules} - {Fault.CLOCK_JUMP}


# --- every profile -----------------------------------------------------------------------

HEALED = ("calm", "throttled", "flaky", "outage")
"""What waiting, or asking again, cures."""


@pytest.mark.parametrize("name", faultfile.profiles())
def test_a_rollout_lives_through_a_profile(name: str, tmp_path: Path) -> None:
    # Ten minutes without a service are five seconds, and begin when the plan is made.
    is_long = name == "outage"
    plan = PLAN if name in HEALED else IMPATIENT
    scale, count = (120, SOME) if is_long else (SCALE, MANY)

    script = faultfile.profile(name).script()
    one = ran(tmp_path, script, plan=plan, count=count, scale=scale)

    check(one)
    assert (one.counts == {"Succeeded": count}) == (name in HEALED)
    assert bool(one.met) == bool(script.rules)


# --- what one fault alone does not show --------------------------------------------------


def test_a_body_that_is_slower_than_the_client_waits_is_an_answer_that_was_lost(
    tmp_path: Path,
) -> None:
    slow = {"on": ["extension"], "methods": WRITES, "first": 2, "last": 2, "seconds": 6 * 3600}

    one = ran(tmp_path, [{"fault": "slowBody", **slow}], "--request-timeout", "2")

    check(one)
    assert one.counts == ALL_WELL
    assert one.met == {Fault.SLOW_BODY: 1}


@pytest.mark.parametrize(
    ("fault", "counts"),
    [
        ("resetAfter", {"Succeeded": 4}),
        ("gatewayTimeoutAfter", {"Succeeded": 4}),
        ("lateConflict", {"Succeeded": 4}),
        ("competingWriter", {"Succeeded": 4}),
        ("reverted", {"TimedOut": 1, "Succeeded": 3}),
    ],
)
def test_an_uninstall_meets_the_same(fault: str, counts: Mapping[str, int], tmp_path: Path) -> None:
    rule = {"fault": fault, "on": ["extension"], "methods": ["DELETE"], "last": 1}
    impatient = UNINSTALL.replace("progressDeadline: 4d", "progressDeadline: 90m")
    plan = impatient if fault == "reverted" else UNINSTALL

    one = ran(tmp_path, [rule], plan=plan)

    check(one, is_there=False)
    assert one.counts == counts
    assert one.met == {Fault(fault): 1}


def test_a_takeover_after_the_clock_has_jumped_finds_what_was_done_meanwhile(
    tmp_path: Path,
) -> None:
    jump = scripted([{"fault": "clockJump", "afterSeconds": 0, "seconds": 30 * 24 * 3600}])
    plan = commands.written(tmp_path / "plan.yaml", PLAN.replace("4d", "8h"))
    with background.simulated(recipe(SOME), scale=SCALE // 3) as served:
        world = served.plane.azure.world
        shell = Shell(root=tmp_path, extra={"FLEET_ENDPOINT": served.endpoint})
        with living(shell, "run", plan, "--yes", "--run-id", "r1") as runner:
            commands.until(lambda: len(world.effects) > 1, what="that several are in flight")
            runner.process.kill()
        world.recipe = dataclasses.replace(world.recipe, script=jump)

        run, verified = shell.many(("run", "--run-id", "r1", "--json"), ("verify", "r1", "--json"))

        one = found(served, run, verified)
    check(one)
    assert one.counts == ALL_WELL
