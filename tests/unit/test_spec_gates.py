from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import jsonschema
import pytest

from fleet.core import conditions
from fleet.model.approvals import ApprovalRule
from fleet.model.gates import Gate, Moment, OnVerdict, Probe, ProbeKind
from fleet.model.strategy import RollbackRule, RollbackScope
from fleet.spec import document as documents, gatefile, gates, planfile, schemas

FILE = Path(__file__).parents[1] / "data" / "plans" / "good" / "gates-and-approvals.yaml"
MINUTE, HOUR = dt.timedelta(minutes=1), dt.timedelta(hours=1)
SECOND = dt.timedelta(seconds=1)

CANNED = [(name, provider) for name in gates.names() for provider in gates.PROVIDERS]


def test_every_key_of_a_gate_reaches_the_rollout() -> None:
    rate = gates.keys("osm-request-success-rate", "prometheus")["query"]
    latency = gates.keys("osm-request-latency-p90", "logAnalytics")["query"]

    assert planfile.load_rollout(FILE).gates == (
        Gate(
            name="everything",
            probe=Probe(
                kind=ProbeKind.PROMETHEUS,
                url="https://prometheus.contoso.example/base",
                query='up{cluster=~"${clusters}"}',
                headers={"X-Scope-OrgID": "TENANT"},
                timeout=5 * SECOND,
            ),
            success="min >= 0.9",
            failure="max < 0.5",
            interval=30 * SECOND,
            count=4,
            initial_delay=MINUTE,
            failure_limit=-1,
            inconclusive_limit=2,
            consecutive_error_limit=0,
            consecutive_success_limit=3,
            is_dry_run=True,
            on_fail=OnVerdict.ROLLBACK,
            on_inconclusive=OnVerdict.STOP,
            on_no_data=OnVerdict.CONTINUE,
            on_error=OnVerdict.STOP,
        ),
        Gate(
            name="canned",
            probe=Probe(
                kind=ProbeKind.PROMETHEUS,
                url="https://contoso.westeurope.prometheus.monitor.azure.com",
                query=rate,
                is_azure=True,
            ),
            success="value >= 0.99",
            failure="value < 0.95",
            interval=MINUTE,
            count=5,
            initial_delay=5 * MINUTE,
            failure_limit=1,
            inconclusive_limit=1,
        ),
        Gate(
            name="canned-and-changed",
            probe=Probe(
                kind=ProbeKind.LOG_ANALYTICS,
                workspace="00000000-0000-0000-0000-00000000000a",
                query=latency,
            ),
            failure="value > 2000",
            interval=5 * MINUTE,
            count=3,
            initial_delay=30 * MINUTE,
            inconclusive_limit=1,
        ),
        Gate(
            name="web",
            probe=Probe(
                kind=ProbeKind.HTTP,
                url="http://localhost:8080/x?since=${window}",
                pointer="/a/0",
                headers={"A": "B"},
            ),
        ),
        Gate(
            name="own-query",
            probe=Probe(kind=ProbeKind.PROMETHEUS, url="http://a.example", query="vector(1)"),
            success="value <= 1000",
            interval=MINUTE,
            count=5,
            initial_delay=5 * MINUTE,
            failure_limit=1,
            inconclusive_limit=1,
        ),
        Gate(
            name="program",
            probe=Probe(kind=ProbeKind.COMMAND, argv=("check", "${wave}"), pointer="/share"),
            success="value == 1",
        ),
        Gate(
            name="index",
            probe=Probe(
                kind=ProbeKind.RESOURCE_GRAPH, query="resources | summarize value = count()"
            ),
            failure="value > 3",
        ),
        Gate(
            name="own",
            probe=Probe(kind=ProbeKind.EXTENSION),
            success="value == 1",
            interval=MINUTE,
        ),
    )


def test_every_key_of_approvals_and_soaks_reaches_the_rollout() -> None:
    found = planfile.load_rollout(FILE)

    both = ApprovalRule(when=Moment.BEFORE, quorum=2, by=("alice", "bob"))
    after = ApprovalRule(when=Moment.AFTER, not_author=False, life=12 * HOUR)
    assert (found.before_gates, found.soak_gates, found.after_gates) == (
        ("web",),
        ("own",),
        ("everything", "program"),
    )
    assert found.approvals == {"": (both,), "first": (both, after), "tenth": (both, after)}
    plan = found.strategy
    assert (plan.min_success_time, plan.min_observations, plan.observe_every, plan.rollback) == (
        2 * MINUTE,
        10,
        90 * SECOND,
        RollbackRule(scope=RollbackScope.WAVE),
    )
    first, tenth_1, tenth_2, rest = plan.waves
    assert (first.min_success_time, first.min_observations, first.observe_every) == (
        5 * MINUTE,
        20,
        30 * SECOND,
    )
    assert (first.before_gates, first.soak_gates, first.after_gates, first.approvals) == (
        (),
        ("own", "canned"),
        ("canned-and-changed",),
        None,
    )
    assert (tenth_1.name, tenth_1.min_observations, tenth_1.before_gates) == ("tenth-1", 0, None)
    assert tenth_2.soak_gates is None
    assert rest.approvals == (ApprovalRule(when=Moment.AFTER),)
    assert rest.min_success_time == dt.timedelta(0)


def test_an_editor_takes_what_the_reader_takes() -> None:
    validator = jsonschema.Draft202012Validator(schemas.rollout_schema())

    validator.validate(documents.load(FILE).data)


def test_an_editor_offers_the_canned_gates() -> None:
    uses = schemas.rollout_schema()["$defs"]["GateFile"]["properties"]["uses"]

    assert uses["enum"] == ["osm-request-latency-p90", "osm-request-success-rate"]


@pytest.mark.parametrize(("name", "provider"), CANNED)
def test_canned_gates_are_whole(name: str, provider: str) -> None:
    """As a plan file would say them: with a query, conditions, an interval and an end."""
    found = gatefile.canned(name, provider)

    assert found.interval is not None
    assert found.count is not None
    assert "value" in conditions.parse(found.success or "").names
    query = gates.keys(name, provider)["query"]
    assert set(re.findall(r"\$\{([^}]*)\}", query)) == {"clusters"}
    assert all(line.strip() for line in query.splitlines())


def test_a_canned_gate_has_no_key_that_a_file_could_not_have() -> None:
    known = set(schemas.rollout_schema()["$defs"]["GateFile"]["properties"])

    for name in gates.names():
        assert gates.read(name).keys() <= known
