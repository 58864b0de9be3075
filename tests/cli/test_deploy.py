"""What ``deploy/`` holds is what it says, and its command lines do what they are there for."""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
from ruamel.yaml import YAML

from fleet.cli import ending
from tests.rig import commands, schedule
from tests.rig.commands import ROOT, Ended, Shell

SYSTEMD = ROOT / "deploy" / "systemd"
MANIFESTS = ROOT / "deploy" / "kubernetes" / "fleet-due.yaml"
NOTHING_EXPOSED = 20
"""In tenths: what `systemd-analyze security` calls OK."""


def unit(name: str) -> configparser.ConfigParser:
    found = configparser.ConfigParser(strict=False, interpolation=None)
    found.optionxform = str  # type: ignore[assignment, method-assign]
    found.read_string((SYSTEMD / name).read_text())
    return found


SERVICE = unit("fleet-due.service")["Service"]
TIMER = unit("fleet-due.timer")["Timer"]


def manifests(path: Path = MANIFESTS) -> Iterator[dict[str, Any]]:
    with path.open() as file:
        for document in YAML(typ="safe", pure=True).load_all(file):
            # Plain values: ruamel's own are subclasses that a validator may not know.
            yield json.loads(json.dumps(document))


OBJECTS = {one["kind"]: one for one in manifests()}
POD = OBJECTS["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]
CLUSTER = {
    f"{kind} {one['metadata'].get('namespace', 'everywhere')} {one['kind']}": one
    for kind in ("reader", "writer", "openshift")
    for one in manifests(MANIFESTS.with_name(f"cluster-{kind}.yaml"))
}
"""What is bound inside the clusters that a plan file reaches into."""


def variables(name: str) -> Mapping[str, str]:
    lines = (SYSTEMD / name).read_text().splitlines()
    return dict(one.split("=", 1) for one in lines if one and not one.startswith("#"))


# --- systemd -------------------------------------------------------------------------------


def analyze(*args: str | Path) -> str:
    program = shutil.which("systemd-analyze")
    if program is None:
        assert not os.environ.get("CI"), "CI has systemd-analyze"
        pytest.skip("no systemd-analyze on this machine")
    ended = subprocess.run(
        [program, *map(str, args)], capture_output=True, text=True, timeout=30, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


@pytest.fixture
def units(tmp_path: Path) -> list[Path]:
    """The units, with a program that is there."""
    for name in ("fleet-due.service", "fleet-due.timer"):
        text = (SYSTEMD / name).read_text().replace("/opt/fleet/bin/fleet", sys.executable)
        commands.written(tmp_path / name, text)
    return sorted(tmp_path.glob("fleet-due.*"))


def test_systemd_reads_the_units_without_a_complaint(units: list[Path]) -> None:
    assert analyze("verify", "--man=no", "--recursive-errors=no", *units) == ""
    assert "Next elapse" in analyze("calendar", TIMER["OnCalendar"])


def test_systemd_calls_the_service_well_locked_in(units: list[Path]) -> None:
    (service,) = (one for one in units if one.suffix == ".service")

    analyze("security", "--offline=yes", f"--threshold={NOTHING_EXPOSED}", service)


def test_a_unit_that_is_wrong_is_complained_about(units: list[Path]) -> None:
    (service,) = (one for one in units if one.suffix == ".service")
    service.write_text(service.read_text().replace("Type=oneshot", "Type=onceshot"))

    with pytest.raises(AssertionError, match="onceshot"):
        assert analyze("verify", "--man=no", "--recursive-errors=no", *units) == ""


def test_the_service_calls_no_run_that_waits_or_was_stopped_a_failure_and_no_other_end_well() -> (
    None
):
    assert {int(one) for one in SERVICE["SuccessExitStatus"].split()} == {ending.EXIT_WAITING, 7}
    assert SERVICE["Type"] == "oneshot"
    assert SERVICE["TimeoutStartSec"] == "infinity"
    assert SERVICE["OOMPolicy"] == "continue"


def test_the_users_and_folders_of_the_service_are_those_that_are_made() -> None:
    kind, user, *_, home = shlex.split((SYSTEMD / "fleet.conf").read_text().splitlines()[-1])

    assert (kind, user, home) == ("u", SERVICE["User"], f"/var/lib/{SERVICE['StateDirectory']}")
    assert SERVICE["Environment"] == f"FLEET_STATE_DIR=%S/{SERVICE['StateDirectory']}"
    assert SERVICE["EnvironmentFile"] == "/etc/fleet/fleet.env"


# --- Kubernetes ----------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1.29", "1.36"])
@pytest.mark.parametrize("kind", sorted(OBJECTS))
def test_kubernetes_takes_the_manifests_without_a_key_too_many(kind: str, version: str) -> None:
    kubernetes_validate.validate(OBJECTS[kind], version, strict=True)


def test_a_manifest_with_a_misspelt_key_would_be_refused() -> None:
    wrong = json.loads(json.dumps(OBJECTS["CronJob"]).replace("concurrencyPolicy", "concurrency"))

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, "1.36", strict=True)


@pytest.mark.parametrize("version", ["1.29", "1.36"])
@pytest.mark.parametrize("name", sorted(CLUSTER))
def test_kubernetes_takes_the_roles_without_a_key_too_many(name: str, version: str) -> None:
    kubernetes_validate.validate(CLUSTER[name], version, strict=True)


def test_the_roles_are_bound_to_whom_the_pod_runs_as() -> None:
    account = OBJECTS["ServiceAccount"]["metadata"]
    subject = {"kind": "ServiceAccount", "name": account["name"], "namespace": "fleet"}
    bound = {name: one for name, one in CLUSTER.items() if name.endswith("Binding")}

    for name, one in bound.items():
        role = CLUSTER[name.removesuffix("Binding")]
        assert one["subjects"] == [subject]
        assert one["roleRef"] == {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": role["kind"],
            "name": role["metadata"]["name"],
        }
        assert one["metadata"].get("namespace") == role["metadata"].get("namespace")
    assert len(bound) == len(CLUSTER) / 2


def allowed(kind: str) -> set[tuple[str, str, str]]:
    """Return what a role allows: (verb, resource, its name or *)."""
    return {
        (verb, resource, name)
        for key, role in CLUSTER.items()
        if key.startswith(kind) and "rules" in role
        for rule in role["rules"]
        for verb in rule["verbs"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", ["*"])
    }


def test_the_reader_changes_nothing_and_no_role_reads_a_secret() -> None:
    assert {verb for verb, _, _ in allowed("reader")} == {"get", "list"}
    everything = allowed("reader") | allowed("writer") | allowed("openshift")
    assert not {"*", "secrets"} & {resource for _, resource, _ in everything}


def test_of_maps_the_reader_may_read_two_by_name() -> None:
    assert {one for one in allowed("reader") if one[1] == "configmaps"} == {
        ("get", "configmaps", "azure-clusterconfig"),
        ("get", "configmaps", "container-azm-ms-osmconfig"),
    }


def test_the_writer_may_do_what_works_do_and_nothing_else() -> None:
    assert allowed("writer") == {
        ("patch", "meshconfigs", "osm-mesh-config"),
        ("patch", "namespaces", "*"),
        ("patch", "pods", "*"),
        ("patch", "deployments", "*"),
        ("patch", "daemonsets", "*"),
        ("patch", "statefulsets", "*"),
        ("delete", "mutatingwebhookconfigurations", "arc-osm-webhook-osm"),
        ("delete", "validatingwebhookconfigurations", "osm-validator-mesh-osm"),
        ("patch", "configmaps", "container-azm-ms-osmconfig"),
        ("create", "configmaps", "*"),
    }
    assert allowed("openshift") == {
        ("get", "rolebindings", "*"),
        ("list", "rolebindings", "*"),
        ("create", "rolebindings", "*"),
        ("patch", "rolebindings", "openservicemesh-privileged"),
        ("delete", "rolebindings", "openservicemesh-privileged"),
        ("get", "clusterroles", "system:openshift:scc:privileged"),
        ("bind", "clusterroles", "system:openshift:scc:privileged"),
    }


def test_one_job_at_a_time_has_the_disk_and_no_share_will_do() -> None:
    job, claim = OBJECTS["CronJob"]["spec"], OBJECTS["PersistentVolumeClaim"]
    volumes = {one["name"]: one for one in POD["volumes"]}

    assert job["concurrencyPolicy"] == "Forbid"
    assert job["jobTemplate"]["spec"]["backoffLimit"] == 0
    assert "activeDeadlineSeconds" not in job["jobTemplate"]["spec"]
    assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]
    assert "file" not in claim["spec"]["storageClassName"]
    assert volumes["state"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]


def test_the_pod_runs_as_nobody_on_a_file_system_that_it_cannot_change() -> None:
    secure, inner = POD["securityContext"], CONTAINER["securityContext"]
    mounted = {one["mountPath"]: one for one in CONTAINER["volumeMounts"]}
    template = OBJECTS["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]

    assert secure["runAsNonRoot"]
    assert secure["seccompProfile"] == {"type": "RuntimeDefault"}
    assert inner == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not POD["automountServiceAccountToken"]
    assert mounted["/plans"]["readOnly"]
    assert template["metadata"]["labels"]["azure.workload.identity/use"] == "true"
    assert POD["serviceAccountName"] == OBJECTS["ServiceAccount"]["metadata"]["name"]


def test_the_image_is_made_of_what_is_there_and_runs_as_the_pod_does() -> None:
    lines = (ROOT / "deploy" / "Dockerfile").read_text().splitlines()
    copied = [
        name
        for one in lines
        if one.startswith("COPY ") and "--from" not in one
        for name in one.split()[1:-1]
    ]
    uid, gid = re.findall(r"^USER (\d+):(\d+)$", "\n".join(lines), re.MULTILINE)[0]

    assert all((ROOT / name).exists() for name in copied)
    assert (int(uid), int(gid)) == tuple(
        POD["securityContext"][key] for key in ("runAsUser", "runAsGroup")
    )
    assert lines[-1] == 'ENTRYPOINT ["fleet"]'


# --- the very command lines ----------------------------------------------------------------


def waiting(root: Path) -> Path:
    """Write a plan file whose occurrence has come, and whose run waits for days."""
    folder = schedule.plan_file(root, "osm-monthly")
    file = folder / "osm-monthly.yaml"
    file.write_text(f"{file.read_text()}  notBefore: 2026-12-05T02:00:00Z\n")
    return folder


def run_in(shell: Shell, args: list[str], given: Mapping[str, str]) -> Ended:
    extra = {name: value for name, value in given.items() if name != "FLEET_STATE_DIR"}
    return shell.with_(**extra)(*args)


def test_the_command_of_the_service_begins_what_is_due_and_its_wait_is_no_failure(
    tmp_path: Path,
) -> None:
    program, *args = shlex.split(SERVICE["ExecStart"])
    folder = waiting(tmp_path)
    shell = schedule.shell_at(tmp_path, schedule.IN_TIME)

    ended = run_in(
        shell,
        [str(folder) if one == "/etc/fleet/plans" else one for one in args],
        variables("fleet.env"),
    )

    assert program == "/opt/fleet/bin/fleet"
    assert str(ended.must(ending.EXIT_WAITING).status) in SERVICE["SuccessExitStatus"].split()
    assert f"run {schedule.RUN} waits until 2026-12-05 02:00 UTC" in ended.stderr
    assert re.search(
        rf"^{schedule.RUN} +begun +Waiting +6 +2026-12-05 02:00 UTC", ended.stdout, re.MULTILINE
    )


def test_the_command_of_the_job_begins_what_is_due_and_its_wait_is_well(tmp_path: Path) -> None:
    folder = waiting(tmp_path)
    shell = schedule.shell_at(tmp_path, schedule.IN_TIME)
    given = {one["name"]: one["value"] for one in CONTAINER["env"]}
    home = {**given, "HOME": str(tmp_path)}

    ended = run_in(
        shell, [str(folder) if one == "/plans" else one for one in CONTAINER["args"]], home
    )

    assert given["FLEET_STATE_DIR"].startswith("/state/")
    assert re.search(rf"^{schedule.RUN} +begun +Waiting +0 ", ended.must(0).stdout, re.MULTILINE)
