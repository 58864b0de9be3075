"""Continuous access evaluation over HTTP: tokens that were good are refused while work goes on."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from fleet.azure import clouds, entra, service
from fleet.azure.credentials import Kind, scope_of
from fleet.azure.service import AzureService
from fleet.errors import AuthError, TransientError
from fleet.model.cluster import ClusterId
from fleet.model.plan import Verb
from fleet.model.scope import Scope
from fleet.net.network import Network
from fleet.ports import ExtensionRef, Write
from fleet.sim.recipe import Challenge, Wire
from tests.rig.scripted import IDS
from tests.rig.serving import CALM, CLUSTERS, TENANT, Stage, staged

REVOKED = Challenge(after_s=600)
STEP_UP = Challenge(after_s=0, methods=("PUT", "PATCH", "DELETE"), context="c1")
QUERIES = Challenge(after_s=600, methods=("POST",), context="c2")
NEVER = Challenge(after_s=0, methods=("PATCH",), context="c3", is_met=False)


@asynccontextmanager
async def spoken(*challenges: Challenge) -> AsyncIterator[tuple[AzureService, Stage]]:
    """Speak to a world with *challenges*, whose clock is ours."""
    recipe = dataclasses.replace(CALM, wire=Wire(challenges=challenges))
    async with staged(recipe) as stage:
        place = clouds.place(cloud=None, endpoint=stage.base, audience=None)
        async with service.connected(place, clock=stage.clock) as azure:
            yield azure, stage


def ref_of(stage: Stage) -> ExtensionRef:
    return ExtensionRef(cluster_id=ClusterId(stage.cluster()), name="osm")


PIN = Write(
    verb=Verb.PATCH,
    extension_type="microsoft.openservicemesh",
    namespace="arc-osm-system",
    location="westeurope",
    version="1.2.6",
)


async def version_of(azure: AzureService, stage: Stage) -> str | None:
    found = await azure.get(ref_of(stage), IDS)
    return found.version if found else None


async def test_a_read_is_challenged_once_and_then_goes_on_with_another_token() -> None:
    async with spoken(REVOKED) as (azure, stage):
        before = await azure.get(ref_of(stage), IDS)
        first = await azure.wire.tokens.current()
        stage.wait(seconds=600)
        with pytest.raises(TransientError) as caught:
            await azure.get(ref_of(stage), IDS)
        after = await azure.get(ref_of(stage), IDS)
        second = await azure.wire.tokens.current()

    assert caught.value.status == 401
    assert caught.value.correlation_id == IDS.correlation_id
    assert before == after
    assert first.text != second.text


@pytest.mark.parametrize("challenge", [REVOKED, QUERIES], ids=["revoked", "a context"])
async def test_a_query_of_resource_graph_is_asked_again_by_itself(challenge: Challenge) -> None:
    async with spoken(challenge) as (azure, stage):
        before = await azure.inventory(Scope(), extension_type="x", release_train=None)
        stage.wait(seconds=600)
        after = await azure.inventory(Scope(), extension_type="x", release_train=None)

    assert len(before.clusters) == CALM.cluster_count
    assert [one.id for one in before.clusters] == [one.id for one in after.clusters]


async def test_a_write_is_never_repeated_by_itself_and_was_not_done() -> None:
    async with spoken(STEP_UP) as (azure, stage):
        before = await version_of(azure, stage)
        with pytest.raises(TransientError) as caught:
            await azure.write(ref_of(stage), PIN, IDS)
        meanwhile = await version_of(azure, stage)
        accepted = await azure.write(ref_of(stage), PIN, IDS)
        stage.wait(seconds=90)
        after = await version_of(azure, stage)

    assert type(caught.value) is TransientError
    assert (before, meanwhile, after) == ("1.1.1", "1.1.1", "1.2.6")
    assert accepted.operation_url


async def test_a_challenge_without_end_ends_in_words_for_a_person() -> None:
    async with spoken(NEVER) as (azure, stage):
        errors = []
        for _ in range(4):
            with pytest.raises((TransientError, AuthError)) as caught:
                await azure.write(ref_of(stage), PIN, IDS)
            errors.append(caught.value)
            # Reads are taken all the time: that is no sign that writes will be.
            assert await version_of(azure, stage) == "1.1.1"

    assert [type(one) for one in errors] == [TransientError] * 3 + [AuthError]
    assert "4 times in a row" in errors[-1].message
    assert errors[-1].correlation_id == IDS.correlation_id


async def test_who_cannot_answer_a_challenge_is_sent_none() -> None:
    recipe = dataclasses.replace(CALM, wire=Wire(challenges=(REVOKED,)))
    async with staged(recipe) as stage:
        stage.wait(seconds=600)
        heard = await stage.caller.get(stage.cluster(), api_version=CLUSTERS)

    assert heard.status == 401
    assert 'error="invalid_token"' in heard.headers["WWW-Authenticate"]
    assert "claims=" not in heard.headers["WWW-Authenticate"]


@pytest.mark.parametrize("claims", ["{", "[]", '{"access_token": 1}'])
async def test_claims_that_are_none_get_no_token(claims: str) -> None:
    async with staged() as stage:
        form = {
            "grant_type": "client_credentials",
            "client_id": "me",
            "client_secret": "any",
            "scope": f"{stage.base}/.default",
            "claims": claims,
        }
        path = f"{stage.base}/{TENANT}/oauth2/v2.0/token"
        async with stage.stranger.session.post(path, data=form) as answer:
            document = await answer.json()

    assert (answer.status, document["error_codes"]) == (400, [9002313])


async def test_the_sdk_s_own_credential_answers_challenges_and_renews_without_its_cache(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    claims = json.dumps({"access_token": {"acrs": {"essential": True, "value": "c7"}}})
    async with staged(has_tls=True) as stage:
        for name, value in {
            "AZURE_TENANT_ID": TENANT,
            "AZURE_CLIENT_ID": "me",
            "AZURE_CLIENT_SECRET": "any",
            "AZURE_AUTHORITY_HOST": stage.base,
        }.items():
            monkeypatch.setenv(name, value)
        place = clouds.place(cloud=None, endpoint=stage.base, audience=stage.base)
        network = Network(ca_file=stage.served.ca_file)
        async with entra.issuer(place, kind=Kind.ENV, network=network) as issuer:
            first = await issuer.fetch()
            stage.wait(seconds=1)
            second = await issuer.fetch()
            third = await issuer.fetch(claims)
        read = stage.served.plane.tokens._read
        found = [read(one.text) or {} for one in (first, second, third)]

    assert scope_of(place) == f"{stage.base}/.default"
    assert [one["xms_cc"] for one in found] == [["CP1"]] * 3
    assert found[1]["iat"] - found[0]["iat"] == dt.timedelta(seconds=1).total_seconds()
    assert [one.get("acrs") for one in found] == [None, None, ["c7"]]
