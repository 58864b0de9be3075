"""A user's own profile: what a plan file makes of it, and what is said of one that will not do."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from fleet.model.desired import Desired, Profile
from fleet.model.inside import CheckMoment, CheckRule, Severity
from fleet.model.versions import VersionOrder
from fleet.spec import checks, planfile, profilefile, profiles, tomlfile
from fleet.spec.problems import SpecError

PLAN = """\
apiVersion: fleet/v1
kind: Rollout
metadata: {name: trial}
spec:
  targets: {tenant: true}
  extension:
    profileFile: ./agent.toml
    version: latest
"""
WHOLE = """\
extensionType = "Contoso.Agent"
scope = "namespace"
instanceName = "agent"
namespace = "agents"
hasOneInstance = true
versionOrder = "revision"
hasSequentialMinors = true
mayDowngrade = false
supportedMinorCount = 3
distributions = ["AKS", "k3s"]
clusterTypes = ["connectedClusters"]
catalogue = [
  "1.0.0",
  "1.0.0-1",
]
notes = ["it takes long"]

[[checks]]
id = "agent-pods"
look = "pods"
title = "the agent runs"
severity = "warn"
moment = "absent"
since = "1.0.0"
given = { selector = "app=agent" }

[distributionSettings.K3S]
"agent.a" = "1"
"""


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory to be in, with a plan file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plan.yaml").write_text(PLAN)
    return tmp_path


def desired(folder: Path, text: str) -> Desired:
    (folder / "agent.toml").write_text(text)
    return planfile.load_rollout(Path("plan.yaml")).desired


def told(folder: Path, text: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        desired(folder, text)
    return [str(one) for one in caught.value.problems]


def test_everything_that_a_profile_may_say_is_taken(beside: Path) -> None:
    found = desired(beside, WHOLE)

    assert found == Desired(
        profile=Profile(
            name="agent",
            extension_type="Contoso.Agent",
            instance_name="agent",
            namespace="agents",
            has_one_instance=True,
            version_order=VersionOrder.REVISION,
            has_sequential_minors=True,
            may_downgrade=False,
            distributions=("aks", "k3s"),
            supported_minor_count=3,
            catalogue=("1.0.0", "1.0.0-1"),
            distribution_settings={"k3s": {"agent.a": "1"}},
            is_namespaced=True,
            cluster_types=("connectedclusters",),
            checks=(
                CheckRule(
                    id="agent-pods",
                    look="pods",
                    title="the agent runs",
                    severity=Severity.WARN,
                    moment=CheckMoment.ABSENT,
                    since="1.0.0",
                    given={"selector": "app=agent"},
                ),
            ),
        ),
        name="agent",
        namespace="agents",
        version="latest",
    )


def test_only_the_type_has_to_be_said_and_then_nothing_is_claimed(beside: Path) -> None:
    (beside / "plan.yaml").write_text(PLAN + "    name: mine\n")

    found = desired(beside, 'extensionType = "Contoso.Agent"\n')

    assert found.profile == Profile(
        name="agent",
        extension_type="Contoso.Agent",
        instance_name=None,
        namespace=None,
        checks=checks.generic(),
    )
    assert (found.name, found.namespace) == ("mine", None)


def test_a_users_own_profile_goes_before_that_of_its_type(beside: Path) -> None:
    found = desired(beside, 'extensionType = "Microsoft.openservicemesh"\ninstanceName = "osm"\n')

    assert found.profile.may_downgrade
    assert not profiles.load("osm").may_downgrade


def test_its_path_starts_at_the_plan_file_wherever_the_command_is_typed(
    beside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (beside / "agent.toml").write_text(WHOLE)
    (beside / "elsewhere").mkdir()
    monkeypatch.chdir(beside / "elsewhere")

    assert planfile.load_rollout(Path("../plan.yaml")).desired.profile.name == "agent"


def test_a_rollout_keeps_what_a_profile_said_when_it_was_read(beside: Path) -> None:
    (beside / "agent.toml").write_text(WHOLE)
    file = planfile.read(Path("plan.yaml"))

    (beside / "agent.toml").unlink()

    assert file.rollout().desired.profile.supported_minor_count == 3


def test_a_profile_may_have_no_checks_at_all(beside: Path) -> None:
    found = desired(beside, 'extensionType = "Contoso.Agent"\nchecks = []\ninstanceName = "a"\n')

    assert found.profile.checks == ()


BAD = {
    "checks": (
        """\
extensionType = "Contoso.Agent"

[[checks]]
id = "one"
look = "deploymant"
title = "it runs"

[[checks]]
id = "one"
look = "deployment"
title = "it runs"
severity = "error"
[checks.given]
nam = "agent"

[[checks]]
id = "two"
look = "azure"
given = { name = "agent" }
""",
        [
            'agent.toml:5:8: checks[0].look: unknown look "deploymant"; did you mean "deployment"?',
            "agent.toml:8:3: checks[1]: the look deployment needs given.name",
            'agent.toml:9:6: checks[1].id: another check is called "one" too',
            'agent.toml:12:12: checks[1].severity: unknown value "error"; one of: gate, warn',
            (
                "agent.toml:14:1: checks[1].given.nam: the look does not know this; "
                'did you mean "name"?'
            ),
            "agent.toml:16:3: checks[2].title: this key is required",
            (
                "agent.toml:19:1: checks[2].given.name: the look does not know this; "
                "this look needs to know nothing"
            ),
        ],
    ),
    "nothing": ("", ["agent.toml:1:1: extensionType: this key is required"]),
    "misspelt": (
        'extensionType = "Contoso.Agent"\n\nmayDowngarde = false\n',
        ['agent.toml:3:1: mayDowngarde: unknown key; did you mean "mayDowngrade"?'],
    ),
    "several": (
        (
            'extensionType = "Contoso.Agent"\n'
            "  hasOneInstance = 'yes'\n"
            "supportedMinorCount = 0   # none\n"
            'versionOrder = "revison"\n'
            'distributions = "aks"\n'
            "namespace = 7 # lucky\n"
        ),
        [
            "agent.toml:2:20: hasOneInstance: expected true or false, found text; write true",
            "agent.toml:3:23: supportedMinorCount: must be greater than or equal to 1",
            'agent.toml:4:16: versionOrder: unknown value "revison"; did you mean "revision"?',
            (
                "agent.toml:5:17: distributions: expected a list, found text; "
                'write it as a list: ["aks"]'
            ),
            'agent.toml:6:13: namespace: expected text, found a number; quote it: "7"',
        ],
    ),
    "versions": (
        'extensionType = "Contoso.Agent"\ncatalogue = ["1.0.0",\n 1.10, "latest", "x"]\n',
        [
            "agent.toml:2:1: catalogue[1]: a number stands where a version belongs; quote it",
            (
                'agent.toml:2:1: catalogue[2]: "latest" is a wish, and no version; '
                "name versions that there are"
            ),
            'agent.toml:2:1: catalogue[3]: "x" is not a version; write it such as 1.2.6',
        ],
    ),
    "tables": (
        'extensionType = "Contoso.Agent"\n\n[distributionSettings.aks]\n"a.b" = true\n\n[scpe]\n',
        [
            (
                'agent.toml:4:9: distributionSettings.aks["a.b"]: expected text, found '
                'true or false; quote it: "true"'
            ),
            'agent.toml:6:2: scpe: unknown key; did you mean "scope"?',
        ],
    ),
    "no-toml": (
        'extensionType = "Contoso.Agent"\nscope: cluster\n',
        [
            "agent.toml:2:6: this is not TOML: expected '=' after a key in a key/value pair",
        ],
    ),
    "no-end": (
        'extensionType = "Contoso.Agent"\ndistributions = ["aks",\n',
        ["agent.toml:2:24: this is not TOML: invalid value"],
    ),
    "twice": (
        'extensionType = "Contoso.Agent"\nextensionType = "Contoso.Other"\n',
        ["agent.toml:2:32: this is not TOML: cannot overwrite a value"],
    ),
    "no-name": (
        'extensionType = "Contoso.Agent"\nscope = "namespace"\n',
        [
            "plan.yaml:6:3: spec.extension.name: this key is required: agent has no usual name",
            (
                "plan.yaml:6:3: spec.extension.namespace: this key is required: "
                "agent is installed for a namespace"
            ),
        ],
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_everything_that_is_wrong_with_a_profile_is_told_with_its_place(
    beside: Path, name: str
) -> None:
    text, problems = BAD[name]

    assert told(beside, text) == problems


def test_what_is_wrong_with_both_files_is_told_together(beside: Path) -> None:
    (beside / "plan.yaml").write_text(PLAN.replace("version:", "verison:"))

    assert told(beside, 'extensionType = "Contoso.Agent"\nextra = 1\n') == [
        (
            "agent.toml:2:1: extra: unknown key; one of: extensionType, scope, instanceName, "
            "namespace, "
            "hasOneInstance, versionOrder, hasSequentialMinors, mayDowngrade, supportedMinorCount, "
            "distributions, clusterTypes, catalogue, distributionSettings, needs, platforms, "
            "notice, notes, checks"
        ),
        'plan.yaml:8:5: spec.extension.verison: unknown key; did you mean "version"?',
    ]


def test_a_profile_that_cannot_be_read_is_a_problem_of_the_plan_file(beside: Path) -> None:
    with pytest.raises(SpecError) as caught:
        planfile.load_rollout(Path("plan.yaml"))

    assert str(caught.value) == (
        'plan.yaml:7:18: spec.extension.profileFile: the profile "./agent.toml" cannot be used: '
        "no such file; its path starts where this file is"
    )


@pytest.mark.parametrize(
    ("more", "key"),
    [("profile: osm", "profile"), ("extensionType: Contoso.Agent", "extensionType")],
)
def test_an_extension_is_named_in_one_way(beside: Path, more: str, key: str) -> None:
    (beside / "plan.yaml").write_text(f"{PLAN}    {more}\n")

    (problem,) = told(beside, WHOLE)

    assert "exclude each other; remove one" in problem
    assert key in problem


def test_deep_and_long_files_are_refused(beside: Path) -> None:
    deep = f"a = {'[' * 5000}{']' * 5000}\n"
    long = f"# {'x' * tomlfile.MAX_CHARACTERS}\n"

    assert "nested too deep, or a number too long" in told(beside, deep)[0]
    assert "longer than 100000 characters; nothing was read" in told(beside, long)[0]


def test_a_text_that_looks_like_keys_has_no_place_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text('a = """\nb = 1\n[c]\n"""\n[t]\n\'b\' = 2\nu."v w" = "x" # y\n')

    found = tomlfile.read(path)

    assert found.data == {"a": "b = 1\n[c]\n", "t": {"b": 2, "u": {"v w": "x"}}}
    assert {place: one.key for place, one in found.places.items()} == {
        ("a",): (1, 1),
        ("t",): (5, 2),
        ("t", "b"): (6, 1),
        ("t", "u", "v w"): (7, 1),
    }
    assert found.source(("t", "u", "v w")) == '"x"'


lines = st.sampled_from(
    [*WHOLE.splitlines(), "[", '"', "a.b = {c = 1}", "a = 1979-05-27", "\x00", "é"]
)


@settings(deadline=None, max_examples=150)
@given(content=st.binary(max_size=80) | st.lists(lines, max_size=8).map("\n".join).map(str.encode))
def test_whatever_a_file_holds_it_is_read_or_refused_as_input(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(content)
    try:
        profilefile.form(path)
    except SpecError as error:
        assert all(one.message and one.line >= 0 for one in error.problems)  # noqa: PT017
