"""Until when certificates are good, of those that others made."""

from __future__ import annotations

import base64
import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given, settings, strategies as st

from fleet.core import looks
from fleet.core.looks import certificates
from fleet.model.inside import Verdict
from tests.rig import insights

KEY = ec.generate_private_key(ec.SECP256R1())
MOMENTS = st.datetimes(dt.datetime(1960, 1, 1), dt.datetime(9998, 1, 1))  # noqa: DTZ001 - X.509's


def certificate(until: dt.datetime) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "osm-ca.openservicemesh.io")])
    made = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=KEY.public_key())
        .serial_number(7)
        .not_valid_before(min(until, dt.datetime(1955, 1, 1)))  # noqa: DTZ001 - X.509's
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(KEY, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def bundle(*untils: dt.datetime) -> str:
    return base64.b64encode(b"".join(map(certificate, untils))).decode()


SOON = dt.datetime(2026, 1, 11)  # noqa: DTZ001 - X.509's
DER = base64.b64decode(b"".join(certificate(SOON).splitlines()[1:-1]))


@settings(max_examples=25, deadline=None)
@given(until=MOMENTS)
def test_reads_what_a_library_wrote(until: dt.datetime) -> None:
    until = until.replace(microsecond=0)

    assert certificates.good_until(bundle(until)) == f"{until.isoformat()}Z"


def test_the_longest_of_a_bundle_counts() -> None:
    early, late = dt.datetime(2026, 1, 1), dt.datetime(2036, 1, 1)  # noqa: DTZ001 - X.509's

    assert certificates.good_until(bundle(early, late, early)) == "2036-01-01T00:00:00Z"


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_says_nothing_of_what_is_none_and_never_raises(data: st.DataObject) -> None:
    der = bytearray(DER)
    for place in data.draw(st.lists(st.integers(0, len(der) - 1), min_size=1, max_size=4)):
        der[place] = data.draw(st.integers(0, 255))
    der = der[: data.draw(st.integers(0, len(der)))]
    body = base64.b64encode(bytes(der))
    pem = b"-----BEGIN CERTIFICATE-----\n" + body + b"\n-----END CERTIFICATE-----\n"

    found = certificates.good_until(base64.b64encode(pem).decode())

    assert found == "" or len(found) == len("2036-01-10T02:00:00Z")


@pytest.mark.parametrize("text", ["", "A" * 1845, "ü", "LS0tLS1CRUdJTg=="])
def test_what_is_no_certificate_is_good_until_nobody_knows(text: str) -> None:
    assert certificates.good_until(text) == ""


def test_a_webhook_with_an_expired_certificate_has_failed() -> None:
    (rule,) = insights.rules("ca-bundle")
    cluster = insights.healthy()
    config = cluster.at("mutating", "arc-osm-webhook-osm")["webhooks"][0]["clientConfig"]
    config["caBundle"] = bundle(SOON, SOON)
    told = []
    for day in (10, 12):
        subject = insights.subject(now=dt.datetime(2026, 1, day, tzinfo=dt.UTC))
        (found,) = looks.judge([rule], subject, cluster.seen([rule], subject))
        told.append((found.verdict, found.detail))

    assert told == [
        (Verdict.PASSED, ""),
        (
            Verdict.FAILED,
            (
                "the certificates are expired in arc-osm-webhook-osm (2026-01-11T00:00:00Z): no "
                "pod starts in the mesh until they are renewed: restart what makes the webhook"
            ),
        ),
    ]
