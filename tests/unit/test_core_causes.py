from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from fleet.core import causes
from fleet.model import events as e
from fleet.model.statuses import HoldReason, Result
from fleet.sim import messages
from fleet.ui import eventlines
from tests.rig import reference

KNOWN: dict[str, str] = {
    # As they were recorded, or reported by users of several tools; shortened where they repeat.
    "The extension operation failed with the following error:  Failed to resolve the extension "
    "version from the given values. InnerError: 'Extension type 'microsoft.openservicemesh' does "
    "not support release train 'stable' for version '1.2.99'.": "VersionNotOffered",
    "Error: {failed to install chart from path [] for release [osm]: err [unable to build "
    "kubernetes objects from release manifest: no matches]} occurred while doing the operation : "
    "{Installing the extension} on the config": "ManifestRejected",
    "Unable to get the status from the local CRD with the error : {Error : Retry for given "
    "duration didn't get any results with err {status not populated}}": "StatusNotReported",
    "Unable to get response from the Agent in time, please ensure the extension agents on the "
    "cluster are able to connect to Azure services": "AgentSilent",
    "Error: [ InnerError: [Helm installation failed : Timed out waiting for the resource to come "
    "to a ready/completed state : InnerError [release osm failed, and has been uninstalled due to "
    "atomic being set: timed out waiting for the condition]]]": "PodsNotReady",
    "Helm installation failed : Unable to create/update Kubernetes resources for the extension : "
    "Recommendation Please check that there are no policies blocking": "BlockedByPolicy",
    "Failed to setup Helm client during helm chart upgrade : err [mcr.example/osm:1.4.0: not "
    "found]": "ChartNotFound",
    "Unable to render the Helm chart with the provided config settings : InnerError [template: "
    "osm-arc/templates/x.yaml:3]": "SettingsRejected",
    "UpdateFailed: Update failed for this resource, as there is a conflicting operation in "
    "progress. Please try after sometime.": "OperationInProgress",
    "(ResourceNotFound) Extension instance with name 'osm' not found.": "ExtensionMissing",
    "(ResourceNotFound) The Resource 'Microsoft.Kubernetes/connectedClusters/x' under resource "
    "group 'y' was not found. For more details please go to": "ClusterMissing",
    "cluster store-1: clusterAccess leads to another cluster: store-2 of resource group rg "
    "(subscription s)": "WrongCluster",
    "Helm upgrade failed : something new": "HelmFailed",
}


@pytest.mark.parametrize(("text", "code"), KNOWN.items(), ids=KNOWN.values())
def test_known_words_have_a_cause_in_any_case(text: str, code: str) -> None:
    found = causes.cause_of(text)

    assert found is not None
    assert found.code == code
    assert causes.cause_of(text.upper()) == found


def test_every_message_that_the_facts_list_has_a_cause_and_whose_move_it_is() -> None:
    """The rows of the table of errors that users see, beside the checkout."""
    facts = (reference.folder(".") / "wire-facts.md").read_text("utf-8")
    table = facts.partition("### 1.6")[2].partition("- **Both")[0]
    rows = [line for line in table.splitlines() if line.startswith("|")][2:]
    # Two rows only point at another: the same text, and the one of section 1.4.
    told = [line for line in rows if "same text" not in line] + [
        line.partition("Also helm:")[2] for line in rows if "same text" in line
    ]

    assert len(rows) == 11
    found = {one.code for line in told if (one := causes.cause_of(line)) is not None}
    assert [line for line in told if causes.cause_of(line) is None] == []
    # The rest of Helm's words, and what are ours and not the service's.
    assert found == set(KNOWN.values()) - {"HelmFailed", "WrongCluster"}


@pytest.mark.parametrize("text", ["", "Internal server error.", "TooManyRequests", "osm not found"])
def test_other_words_have_none(text: str) -> None:
    assert causes.cause_of(text) is None


def test_each_cause_is_known_by_some_words_and_says_whose_move_it_is() -> None:
    every = [cause for _, cause in causes._KNOWN]

    assert {one.code for one in every} == set(KNOWN.values())
    assert all(one.advice == f"{one.mover}: {one.next_step}" for one in every)
    # They are put into sentences.
    assert not [one for one in every if one.what.endswith(".") or one.next_step.endswith(".")]


@pytest.mark.parametrize(
    "text",
    [
        *messages.FAILURES,
        messages.AGENT_SILENT,
        messages.CONFLICT,
        messages.no_extension("osm"),
        messages.no_cluster(name="c", group="g"),
        messages.unresolved(extension_type="X.Y", train="stable", version="9"),
    ],
)
def test_whatever_the_simulator_says_of_a_failure_is_known(text: str) -> None:
    assert causes.cause_of(text) is not None


AT = dt.datetime(2026, 1, 10, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (e.StepFailed, "AgentSilent"),
        (e.StepHeld, "AgentSilent"),
        (Result.FAILED, "AgentSilent"),
        (Result.TIMED_OUT, "AgentSilent"),
        (Result.SUCCEEDED, None),
        (Result.NO_OP, None),
    ],
)
def test_only_an_event_of_a_failure_has_a_cause(event: Any, code: str | None) -> None:
    said = messages.AGENT_SILENT
    made: e.Event
    if event is e.StepFailed:
        made = e.StepFailed(at=AT, target=0, step=0, code="F360", message=said)
    elif event is e.StepHeld:
        made = e.StepHeld(
            at=AT,
            target=0,
            step=0,
            reason=HoldReason.CONFLICT,
            until=AT,
            code="F320",
            message=said,
        )
    else:
        made = e.TargetFinished(at=AT, target=0, result=event, detail=said)

    found = eventlines.cause(made)

    assert (found and found.code) == code
