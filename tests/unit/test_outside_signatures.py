"""Signatures and events, read by libraries that nobody here wrote."""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
from typing import Any
from urllib.parse import urlsplit

import pytest
import standardwebhooks
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given, settings, strategies as st

from fleet.core import addresses
from fleet.core.notices import AboutWave
from fleet.engine import clock
from fleet.model import codec
from fleet.outside import cloudevents, signatures
from tests.rig import receiving
from tests.rig.receiving import AT

NOW = int(clock.wall().timestamp())

bodies = st.text(min_size=1).map(lambda text: json.dumps({"x": text}).encode())
keys = st.binary(min_size=24, max_size=64)


@settings(max_examples=40)
@given(key=keys, body=bodies, sequence=st.integers(1))
def test_a_strangers_library_verifies_what_is_signed(
    key: bytes, body: bytes, sequence: int
) -> None:
    spelled = f"whsec_{base64.b64encode(key).decode()}"
    id_ = signatures.message_id("urn:x", f"osm-1.2.6/{sequence}")

    headers = signatures.headers(signatures.key_of(spelled), message_id=id_, at=NOW, body=body)

    assert standardwebhooks.Webhook(spelled).verify(body, dict(headers)) == json.loads(body)


@settings(max_examples=40)
@given(key=keys, body=bodies, change=st.sampled_from(["webhook-id", "webhook-timestamp", "body"]))
def test_a_strangers_library_refuses_what_was_changed(key: bytes, body: bytes, change: str) -> None:
    headers = dict(signatures.headers(key, message_id="fleet_1", at=NOW, body=body))
    if change == "body":
        body += b" "
    else:
        headers[change] = {"webhook-id": "fleet_2", "webhook-timestamp": str(NOW + 1)}[change]

    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(key).verify(body, headers)


def test_signs_as_the_specification_s_own_example_is_signed() -> None:
    """As the published libraries' tests have it: one key, one body, one signature."""
    headers = signatures.headers(
        signatures.key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        at=1614265330,
        body=b'{"test": 2432232314}',
    )

    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_without_a_key_nothing_is_signed() -> None:
    assert signatures.headers(None, message_id="fleet_1", at=5, body=b"") == {
        "webhook-id": "fleet_1",
        "webhook-timestamp": "5",
    }


@settings(max_examples=40)
@given(key=keys, is_padded=st.booleans(), prefix=st.sampled_from(["whsec_", ""]))
def test_reads_a_key_however_it_is_spelled(key: bytes, is_padded: bool, prefix: str) -> None:
    text = base64.b64encode(key).decode()
    spelled = prefix + (text if is_padded else text.rstrip("="))

    assert signatures.key_of(f" {spelled}\n") == key


@pytest.mark.parametrize(
    "text",
    [
        "",
        "whsec_",
        "canary",
        "whsec_canary!canary!canary!canary!canary",
        base64.b64encode(b"x" * 23).decode(),
        base64.b64encode(b"x" * 65).decode(),
        "naïve" * 10,
    ],
)
def test_what_is_no_key_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="whsec_ and base64 of 24 to 64 random bytes") as caught:
        signatures.key_of(text)

    assert "canary" not in str(caught.value)


@settings(max_examples=40)
@given(st.text("ab._-/1", min_size=1), st.text("ab._-/1", min_size=1))
def test_ids_in_headers_have_no_dot_and_are_one_for_one_event(left: str, right: str) -> None:
    one, other = (signatures.message_id("urn:x", id_) for id_ in (left, right))

    assert re.fullmatch(r"fleet_[0-9a-f]{32}", one)
    assert (one == other) == (left == right)


# --- events ------------------------------------------------------------------------------

WAVE = AboutWave(name="canary", number=1, targets=2)
NOTICES = [
    receiving.notice(),
    receiving.notice(kind="wave.opened", wave=WAVE, counts={}),
    receiving.notice(kind="gate.passed", wave=WAVE, gate="errors", counts={}),
]

# Source: CloudEvents 1.0.2, "Required Attributes", "Optional Attributes" and "Naming Conventions";
# the JSON event format, sections 2 and 3. Nothing that they do not name is sent.
RULES: dict[str, Any] = {
    "specversion": lambda one: one == "1.0",
    "id": lambda one: isinstance(one, str) and one,
    "source": lambda one: isinstance(one, str) and urlsplit(one).scheme,
    "type": lambda one: re.fullmatch(r"io\.github\.arc-fleet\.[a-z]+\.[a-zA-Z]+", one),
    "subject": lambda one: isinstance(one, str) and one,
    "time": lambda one: re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", one),
    "datacontenttype": lambda one: one == "application/json",
    "data": lambda one: isinstance(one, dict),
}


@pytest.mark.parametrize("notice", NOTICES, ids=lambda one: one.kind)
def test_an_event_is_what_the_specification_says(notice: Any) -> None:
    event = json.loads(cloudevents.encoded(notice))

    assert event.keys() == RULES.keys()
    assert [name for name, holds in RULES.items() if not holds(event[name])] == []
    assert all(re.fullmatch("[a-z0-9]{1,20}", name) for name in event)


@pytest.mark.parametrize("notice", NOTICES, ids=lambda one: one.kind)
def test_a_strangers_library_reads_the_same(notice: Any) -> None:
    event = JSONFormat().read(CloudEvent, cloudevents.encoded(notice))

    assert event.get_attributes() == {
        "specversion": "1.0",
        "id": "osm-1.2.6/7",
        "source": "urn:arc-fleet:run:osm-1.2.6",
        "type": f"io.github.arc-fleet.{notice.kind}",
        "subject": {"run.paused": "run", "wave.opened": "wave/canary"}.get(
            notice.kind, "wave/canary/gate/errors"
        ),
        "time": AT,
        "datacontenttype": "application/json",
    }
    assert event.get_data() == codec.to_json(notice)


def test_the_same_notice_is_the_same_to_the_letter() -> None:
    later = receiving.notice(at=AT.astimezone(dt.timezone(dt.timedelta(hours=2))))

    assert cloudevents.encoded(receiving.notice()) == cloudevents.encoded(later)
    assert "naïve ☃".encode() in cloudevents.encoded(later)


# --- addresses ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example/x?y=z",
        "https://hooks.example:8443",
        "https://[2001:db8::1]/x",
        "http://localhost:8080/x",
        "http://127.3.2.1/x",
        "http://[::1]/",
    ],
)
def test_addresses_that_will_do(url: str) -> None:
    assert addresses.flaw(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example",
        "http://hooks.example/",
        "http://localhost.example/",
        "http://127.0.0.1.example/",
        "http://10.0.0.1/",
        "https://",
        "https:///x",
        "https://user@hooks.example/",
        "https://user:pass@hooks.example/",
        "https://@hooks.example/",
        "https://hooks.example\\@evil.example/",
        "https://hooks.example/#x",
        "https://hooks.example:99999/",
        "https://hooks.example/\nx",
        "https://hooks.exämple/",
        "https://[::1/",
        "ftp://hooks.example/",
        "https://hooks.example/" + "x" * 2_000,
    ],
)
def test_addresses_that_will_not(url: str) -> None:
    wrong = addresses.flaw(url)

    assert wrong
    assert "example" not in wrong


@settings(max_examples=40)
@given(st.text())
def test_any_text_is_judged_and_none_is_quoted(text: str) -> None:
    wrong = addresses.flaw(text)

    assert wrong is None or len(text) < 12 or text not in wrong
