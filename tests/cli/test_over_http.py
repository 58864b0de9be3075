"""The ordinary life of a rollout, with the service as a process of its own and HTTP in between."""

from __future__ import annotations

import dataclasses
import itertools
import json
import signal
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_secrets_nowhere import CANARY, _leaks
from tests.rig import commands, serving, trouble
from tests.rig.commands import Living, Shell, living, until
from tests.rig.proxying import Got, Proxy, proxying

CLUSTERS = 6
SUBSCRIPTIONS = 20
SCALE = "300"
WORLD = commands.world("lively")
PATIENT = commands.plan("patient").read_text()
UNDER_WAY = "wave rest  opened"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Six clusters in a subscription of their own, and a directory to type commands in."""

    shell: Shell
    """It knows the endpoint."""
    plan: Path
    endpoint: str

    @property
    def stranger(self) -> Shell:
        """The same directory, without a word about the endpoint."""
        return Shell(root=self.shell.root)

    def at(self, endpoint: str) -> Site:
        """Return the same site, with another way to it."""
        shell = self.shell.with_(FLEET_ENDPOINT=endpoint)
        return dataclasses.replace(self, shell=shell, endpoint=endpoint)

    def events(self, *kinds: str) -> list[dict[str, Any]]:
        """Return what the journal of its run holds."""
        lines = self.stranger("log", "r1", "--json").must(0).stdout.splitlines()
        return [one for one in map(json.loads, lines) if one["kind"] in kinds]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A simulated Azure, as it describes itself."""
    yield from _served(Shell(root=tmp_path_factory.mktemp("server")))


def _served(shell: Shell, *flags: str) -> Generator[Any]:
    process, document = serving.started(
        shell,
        *("--world", str(WORLD), "--time-scale", SCALE),
        *("--clusters", str(CLUSTERS * SUBSCRIPTIONS), "--subscriptions", str(SUBSCRIPTIONS)),
        *flags,
    )
    try:
        yield document
    finally:
        process.send(signal.SIGTERM)
        process.end().must(0)


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    return itertools.count()


@pytest.fixture
def site(server: Any, numbers: Iterator[int], tmp_path: Path) -> Site:
    return _site(server, next(numbers), tmp_path)


def _site(server: Any, number: int, root: Path) -> Site:
    subscription = server["subscriptions"][number]
    text = PATIENT.replace("tenant: true", f"subscriptions: [{subscription}]")
    shell = Shell(root=root, extra={"FLEET_ENDPOINT": server["endpoint"]})
    plan = commands.written(root / "plan.yaml", text)
    return Site(shell=shell, plan=plan, endpoint=server["endpoint"])


@pytest.fixture
def proxy(server: Any) -> Iterator[Proxy]:
    with proxying(server["endpoint"]) as found:
        yield found


def _kill(process: Living) -> None:
    process.process.kill()
    process.process.wait()


# --- one process after another -----------------------------------------------------------


def test_a_rollout_from_the_first_look_to_the_audit(site: Site) -> None:
    shell, plan = site.shell, site.plan
    seen = shell("discover", plan, "--json").must(0).json
    shell("plan", plan, "--detailed-exitcode").must(10)
    ran = shell("run", plan, "--yes", "--run-id", "r1", "--json").must(0)

    after, again, verified, listed, status = shell.many(
        ("discover", plan, "--json"),
        ("plan", plan, "--detailed-exitcode"),
        ("verify", "r1", "--json"),
        ("runs", "--json"),
        ("status", "r1", "--json"),
    )
    nothing = shell("run", plan, "--yes").must(0)

    assert len(seen) == CLUSTERS
    assert ran.json["counts"] == {"Succeeded": CLUSTERS}
    assert [_osm(one) for one in after.must(0).json] == ["1.2.6"] * CLUSTERS
    again.must(0)
    assert "No changes" in nothing.stderr
    assert verified.must(0).json["isComplete"]
    assert [one["runId"] for one in listed.must(0).json] == ["r1"]
    assert status.must(0).json["targets"] == ran.json["targets"]
    (header,) = site.events("run.created")
    assert (header["endpoint"], header["cloud"]) == (site.endpoint, "simulated")
    assert header["at"] < "2026-02"  # the simulator's time, not this machine's


def _osm(cluster: dict[str, Any]) -> str | None:
    found = [one for one in cluster["extensions"] if one["name"] == "osm"]
    return found[0]["currentVersion"] if found else None


def test_a_saved_plan_is_run_under_its_own_digest(site: Site) -> None:
    saved = site.shell("plan", site.plan, "--json", "--out", "saved.json").must(0).json

    ran = site.shell("run", "saved.json", "--yes", "--run-id", "r1", "--json").must(0).json

    assert ran["planDigest"] == saved["digest"]
    assert ran["counts"] == {"Succeeded": CLUSTERS}


def test_a_run_that_was_killed_is_taken_over_without_naming_the_endpoint(
    site: Site, proxy: Proxy
) -> None:
    here = site.at(proxy.url)
    with living(here.shell, "run", here.plan, "--yes", "--run-id", "r1") as process:
        process.wait_for(UNDER_WAY)
        until(lambda: sum(proxy.effects().values()) > 2, what="that several are in flight")
        _kill(process)

    taken = here.stranger("run", "--run-id", "r1", "--json").must(0)

    assert taken.json["counts"] == {"Succeeded": CLUSTERS}
    assert proxy.url in taken.stderr
    ids = [one.client_request_id for one in proxy.got if one.is_write and one.has_effect]
    steps = {(one["target"], one["step"]) for one in here.events("step.intended")}
    assert len(ids) == len(set(ids)) == len(steps)
    here.stranger("verify", "r1").must(0)


def test_a_run_is_carried_on_at_its_own_endpoint_only(site: Site, proxy: Proxy) -> None:
    here = site.at(proxy.url)
    with living(here.shell, "run", here.plan, "--yes", "--run-id", "r1") as process:
        process.wait_for(UNDER_WAY)
        _kill(process)

    elsewhere = site.shell("run", "--run-id", "r1").must(3)

    assert f"began with endpoint {proxy.url}, not {site.endpoint}" in elsewhere.stderr
    in_a_world = here.stranger("run", "--run-id", "r1", "--world", WORLD).must(3)
    assert "began with endpoint" in in_a_world.stderr
    here.stranger("run", "--run-id", "r1").must(0)


def test_a_run_is_carried_on_as_its_own_identity_only(
    tmp_path: Path, numbers: Iterator[int]
) -> None:
    """Another world at the same port knows the same client as somebody else."""
    root = tmp_path / "server"
    root.mkdir()
    first = _served(Shell(root=root))
    served = next(first)
    site = _site(served, 0, tmp_path)
    with living(site.shell, "run", site.plan, "--yes", "--run-id", "r1") as process:
        process.wait_for(UNDER_WAY)
        _kill(process)
    first.close()
    port = served["endpoint"].rpartition(":")[2]

    second = _served(Shell(root=root), "--seed", "77", "--port", port)
    next(second)
    ended = site.stranger("run", "--run-id", "r1").must(3)
    second.close()

    assert "began with principals" in ended.stderr


# --- several at once ---------------------------------------------------------------------


def test_a_run_is_paused_resumed_and_stopped_from_another_process(site: Site) -> None:
    # The wave soaks for two minutes of ours: however slow the commands are, there is time for them.
    soaking = site.plan.read_text().replace("name: canary,", "name: canary, soakTime: 10h,")
    plan = commands.written(site.plan, soaking)
    with living(site.shell, "run", plan, "--yes", "--run-id", "r1", "--json") as runner:
        runner.wait_for("wave canary  opened")
        site.stranger("pause", "r1", "--reason", "lunch").must(0)
        runner.wait_for("run paused")
        status = site.stranger("status", "r1", "--json").must(0).json
        site.stranger("resume", "r1").must(0)
        runner.wait_for("resumed")
        site.stranger("stop", "r1", "--reason", "enough").must(0)
        ended = runner.end().must(7)

    assert status["status"] == "Paused"
    assert "lunch" in status["reasons"][0]
    assert "enough" in ended.json["reasons"][0]
    assert not {"Failed", "TimedOut", "Unknown"} & set(ended.json["counts"])
    site.stranger("verify", "r1").must(0)


def test_a_service_that_is_gone_is_waited_for_and_nobody_fails(tmp_path: Path) -> None:
    root = tmp_path / "server"
    root.mkdir()
    process, served = serving.started(
        Shell(root=root), "--world", str(WORLD), "--time-scale", SCALE, "--subscriptions", "2"
    )
    site = _site(served, 0, tmp_path)
    # It goes while nothing is in flight: of those that start then, none gets so far as to be read.
    soaking = site.plan.read_text().replace("name: canary,", "name: canary, soakTime: 30m,")
    plan = commands.written(site.plan, soaking)
    with living(site.shell, "run", plan, "--yes", "--run-id", "r1") as runner:
        runner.wait_for("soaking until")
        _kill(process)
        held = "step.held"
        until(lambda: len(_written(site, held)) > 2, what="that it waits")
        runner.send(signal.SIGTERM)
        left = runner.end().must(6)

    assert "fleet run --run-id r1 carries on" in left.stderr
    assert {one["code"] for one in site.events(held)} == {"F330"}
    assert site.events("step.failed") == []
    assert "no connection" in site.events(held)[-1]["message"]
    gone = site.stranger("run", "--run-id", "r1").must(4)
    assert gone.stderr.startswith("error F330: ")


def _written(site: Site, *kinds: str) -> list[dict[str, Any]]:
    ended = site.stranger("log", "r1", "--json")
    return [one for one in map(json.loads, ended.stdout.splitlines()) if one["kind"] in kinds]


# --- where, and as whom ------------------------------------------------------------------


def test_tls_is_spoken_where_the_authority_is_known(tmp_path: Path) -> None:
    root = tmp_path / "server"
    root.mkdir()
    for served in _served(Shell(root=root), "--tls"):
        site = _site(served, 0, tmp_path)
        trusting = site.shell.with_(FLEET_CA_FILE=served["caFile"])

        ran = trusting("run", site.plan, "--yes", "--run-id", "r1", "--json").must(0)
        stranger = site.shell("plan", site.plan).must(4)
        mistaken, meant_for_nobody, plain = trusting.many(
            ("plan", site.plan, "--ca-file", site.plan),
            ("plan", site.plan, "--credential", "cli"),
            ("plan", site.plan, "--endpoint", served["endpoint"].replace("https", "http")),
        )

        assert served["endpoint"].startswith("https://")
        assert ran.json["counts"] == {"Succeeded": CLUSTERS}
        assert stranger.stderr.startswith("error F300: ")
        assert "hint: Is a proxy in between" in stranger.stderr
        assert "--ca-file" in stranger.stderr
        assert "cannot be used" in mistaken.must(2).stderr
        assert "its audience is not named" in meant_for_nobody.must(3).stderr
        assert plain.must(4).stdout == ""


def test_a_real_token_never_leaves_for_where_it_could_be_read_or_is_not_meant_for(
    site: Site, proxy: Proxy
) -> None:
    told = {
        ("--endpoint", proxy.url, "--credential", "cli"): (3, "not encrypted"),
        ("--endpoint", proxy.url, "--credential", "env", "--audience", "https://a"): (
            3,
            "not encrypted",
        ),
        ("--endpoint", "http://management.azure.com"): (3, "not encrypted"),
        ("--endpoint", "http://192.0.2.7:8080"): (3, "not encrypted"),
        ("--endpoint", "https://192.0.2.7:8080"): (3, "audience"),
        (
            *("--endpoint", "https://arm.example", "--audience", "https://a"),
            *("--credential", "simulator"),
        ): (3, "simulator's credential"),
        ("--endpoint", proxy.url, "--world", str(WORLD)): (2, "both named"),
        ("--cloud", "AzureCloud", "--world", str(WORLD)): (2, "both named"),
        ("--endpoint", f"{proxy.url}/subscriptions"): (2, "path or a query"),
        ("--endpoint", proxy.url.replace("//", "//alice:pw@")): (2, "user name or a password"),
        ("--endpoint", "ftp://127.0.0.1"): (2, "no http or https URL"),
        ("--endpoint", "127.0.0.1:80"): (2, "no http or https URL"),
        ("--endpoint", "http://127.0.0.1:99999"): (2, "no URL"),
    }

    typed: list[Sequence[str | Path]] = [("plan", site.plan, *flags) for flags in told]
    found = site.stranger.many(*typed)

    for ended, (status, words) in zip(found, told.values(), strict=True):
        assert words in ended.must(status).stderr
        assert "\nhint: " in ended.stderr
    assert not any(one.has_token or "/oauth2/" in one.path for one in proxy.got)


# --- what is on the wire -----------------------------------------------------------------


def test_all_requests_of_a_step_bear_its_correlation_id_and_location_is_left_alone(
    site: Site, proxy: Proxy
) -> None:
    here = site.at(proxy.url)
    proxy.on("PUT PATCH", "/extensions/", trouble.LOCATION_ELSEWHERE)

    ran = here.shell("run", here.plan, "--yes", "--run-id", "r1", "--json").must(0)

    assert proxy.trapped == []
    targets = ran.json["targets"]
    intended = here.events("step.intended")
    assert len(intended) >= CLUSTERS
    for place, target in enumerate(targets):
        asked = [one for one in proxy.got if one.cluster == target["clusterName"]]
        steps = [one["correlationId"] for one in intended if one["target"] == place]
        assert list(dict.fromkeys(one.correlation_id for one in asked)) == steps
        assert [_kinds(asked, step) for step in steps] == [{"GET", "write", "poll"}] * len(steps)
    sent = [one.client_request_id for one in proxy.got if one.is_write]
    assert sent == [one["clientRequestId"] for one in sorted(intended, key=_order(sent))]
    assert all(one.has_token for one in proxy.got if one.cluster)


def _kinds(asked: list[Got], correlation_id: str) -> set[str]:
    return {
        "write" if one.is_write else "poll" if "/operations/" in one.path else one.method
        for one in asked
        if one.correlation_id == correlation_id
    }


def _order(sent: list[str | None]) -> Any:
    return lambda one: sent.index(one["clientRequestId"])


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_protected_value_reaches_the_service_and_no_file_and_no_stream(
    site: Site, proxy: Proxy, log_format: str
) -> None:
    here = site.at(proxy.url)
    text = here.plan.read_text()
    here.plan.write_text(
        text.replace("1.2.6}", "1.2.6, protectedSettings: {gateway.token: {fromEnv: OSM_TOKEN}}}")
    )
    shell = here.shell.with_(OSM_TOKEN=CANARY, FLEET_LOG_LEVEL="debug", FLEET_LOG_FORMAT=log_format)

    with living(shell, "run", here.plan, "--yes", "--run-id", "r1") as process:
        process.wait_for(UNDER_WAY)
        _kill(process)
    shell("run", "--run-id", "r1").must(0)
    shell.many(("log", "r1", "--json"), ("status", "r1", "-o", "yaml"), ("verify", "r1"))

    received = {one.cluster for one in proxy.got if json.dumps(CANARY).encode() in one.body}
    assert len(received) == CLUSTERS
    assert _leaks(site.shell.root) == []
    said = [path.read_text() for path in (site.shell.root / ".said").iterdir()]
    assert not [part for part in proxy.tokens | proxy.signatures if part in "\n".join(said)]
