from __future__ import annotations

import base64
import json
import urllib.parse

import pytest

from fleet.core import chain
from fleet.model.redaction import MARK, NOT_SECRET, Redactor

SECRET = 'p@ss w0rd/with+all"of\\it'  # noqa: S105
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl-_x"


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(SECRET, id="as it is"),
        pytest.param(json.dumps(SECRET), id="in JSON"),
        pytest.param(json.dumps(json.dumps(SECRET)), id="in JSON in JSON"),
        pytest.param(urllib.parse.quote(SECRET), id="in a URL"),
        pytest.param(urllib.parse.quote(SECRET, safe=""), id="in a URL, every sign"),
        pytest.param(urllib.parse.quote_plus(SECRET), id="in a form"),
        pytest.param(
            urllib.parse.quote(SECRET, safe="").lower().replace("p%40", "p%40"), id="lower"
        ),
        pytest.param(base64.b64encode(SECRET.encode()).decode(), id="in base64"),
        pytest.param(base64.urlsafe_b64encode(SECRET.encode()).decode(), id="in base64 for URLs"),
        pytest.param(base64.b64encode(f"user:{SECRET}".encode()).decode(), id="behind a user"),
        pytest.param(base64.b64encode(f"ab{SECRET}cd".encode()).decode(), id="between others"),
        pytest.param(base64.b64encode(f"a{SECRET}b".encode()).decode(), id="one further"),
    ],
)
def test_takes_a_known_value_out_however_it_is_written(written: str) -> None:
    text = f"helm said {written} twice: {written}."
    core = written.strip('"').rstrip("=")

    clean = Redactor([SECRET]).text(text)

    assert core not in clean
    assert core[4:-4] not in clean
    assert clean.startswith("helm said ")
    assert MARK in clean


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("401: Bearer abc.def-123456 expired", "401: Bearer *** expired"),
        ("Authorization: Basic dXNlcjpwYXNz", "Authorization: ***"),
        ('{\\"Authorization\\": \\"Bearer x9\\"}', '{\\"Authorization\\": \\"***\\"}'),
        (f"got {JWT}, wanted none", "got ***, wanted none"),
        ("SharedAccessSignature sr=x&sig=y&se=1 is old", "SharedAccessSignature *** is old"),
        ("SharedAccessSignature=sv=1&sig=2;x", "SharedAccessSignature=***;x"),
        ("https://x/y?api-version=1&sig=a%2Bb&se=2", "https://x/y?api-version=1&sig=***&se=2"),
        (
            "GET https://x/operations/1?api-version=1&t=1&c=MII&s=ab_c&h=d-e failed",
            "GET https://x/operations/1?api-version=1&t=***&c=***&s=***&h=*** failed",
        ),
        ("https://x/?a=1\\u0026s=sig\\u0026b=2", "https://x/?a=1\\u0026s=***\\u0026b=2"),
        ("https://x/?a=1&amp;s=sig", "https://x/?a=1&amp;s=***"),
        ("next=https%3A%2F%2Fx%3Fa%26sig%3Dabc", "next=https%3A%2F%2Fx%3Fa%26sig%3D***"),
        ("grant_type=x&client_secret=a~b.c&scope=s", "grant_type=x&client_secret=***&scope=s"),
        ("Server=x;Password=hunter2;Port=1", "Server=x;Password=***;Port=1"),
        ("AccountKey=abc+/d==;EndpointSuffix=x", "AccountKey=***;EndpointSuffix=x"),
        ('body: {"db_password": "a b\\"c", "x": 1}', 'body: {"db_password": "***", "x": 1}'),
        (
            'said {\\"apiKey\\":\\"a\\\\\\"b\\",\\"x\\":1}',
            'said {\\"apiKey\\":\\"***\\",\\"x\\":1}',
        ),
        ("password: 'hunter 2' was wrong", "password: '***' was wrong"),
        ("pull https://ann:hunter2@registry/x", "pull https://ann:***@registry/x"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY----- x", "*** x"),
    ],
)
def test_takes_out_what_looks_like_a_secret(text: str, clean: str) -> None:
    assert Redactor().text(text) == clean


@pytest.mark.parametrize(
    "text",
    [
        "Bearer authentication is required",
        "the password is wrong",
        'secret "osm-ca-bundle" not found',
        "configmaps is forbidden: User x cannot list resource",
        "see https://aka.ms/k8s-extensions-TSG?page=2",
        "failed to install chart: timed out waiting for the condition",
        "protectedSettings: {token: {fromEnv: OSM_TOKEN}}",
        "a key=value that is nobody's business",
        "1.2.6",
        "",
    ],
)
def test_leaves_what_people_need_to_read(text: str) -> None:
    assert Redactor(["hunter22"]).text(text) == text


def test_is_idempotent() -> None:
    redactor = Redactor([SECRET])
    text = f"{SECRET} Bearer abc12345 &sig=x password=y ://a:b@c {JWT}"

    assert redactor.text(redactor.text(text)) == redactor.text(text)


def test_values_that_overlap_leave_nothing_of_either() -> None:
    assert Redactor(["abcdXYZ", "XYZefgh"]).text("<abcdXYZefgh>") == "<***>"


def test_a_short_value_goes_only_where_it_is_the_whole_text() -> None:
    redactor = Redactor(["xy"])

    assert (redactor.text("xy"), redactor.text("oxygen")) == (MARK, "oxygen")


@pytest.mark.parametrize("word", sorted(NOT_SECRET))
def test_a_word_that_everybody_knows_is_no_secret(word: str) -> None:
    text = f"enabled is {word}"

    assert Redactor([word, word.title()]).text(text) == text


def test_a_value_from_a_file_is_found_without_its_last_newline() -> None:
    assert Redactor(["hunter22\n"]).text("hunter22 is wrong") == "*** is wrong"


def test_each_long_line_of_a_value_is_one() -> None:
    kubeconfig = "users:\n- user:\n    token-data: c2VjcmV0LXRva2VuLWRhdGE\n"

    assert Redactor([kubeconfig]).text("bad: c2VjcmV0LXRva2VuLWRhdGE!") == "bad: ***!"


def test_empty_values_are_nothing() -> None:
    assert Redactor(["", " ", "\n"]).text("a b") == "a b"


# --- encoded -----------------------------------------------------------------------------


def test_returns_the_very_bytes_where_there_is_nothing_to_take_out() -> None:
    body = b'{"kind":"x","message":"all is well"}'

    assert Redactor([SECRET]).encoded(body) is body


def test_cleans_values_and_keys_at_any_depth() -> None:
    body = chain.canonical({"a": [{"b": f"x{SECRET}"}], "c": {SECRET: SECRET}, "n": 1, "z": None})

    assert Redactor([SECRET]).encoded(body) == chain.canonical(
        {"a": [{"b": "x***"}], "c": {MARK: MARK}, "n": 1, "z": None}
    )


def test_takes_out_what_stands_under_a_key_that_says_so() -> None:
    body = chain.canonical({"evidence": {"db.password": "x", "apiKey": "", "tokens": "3"}})

    assert Redactor().encoded(body) == chain.canonical(
        {"evidence": {"db.password": MARK, "apiKey": "", "tokens": "3"}}
    )


def test_keeps_what_it_is_told_to_keep() -> None:
    body = chain.canonical({"at": "hunter22", "message": "hunter22"})

    assert Redactor(["hunter22"]).encoded(body, keep={"at"}) == chain.canonical(
        {"at": "hunter22", "message": MARK}
    )


# --- found -------------------------------------------------------------------------------


def test_says_where_a_known_value_stands() -> None:
    value = {"targets": [{}, {"settings": {"a.b": "x hunter22 y"}}]}

    assert Redactor(["hunter22"]).found(value) == "$.targets[1].settings.a.b"
    assert Redactor(["other-value"]).found(value) is None


def test_values_under_eight_characters_count_only_as_a_whole_text() -> None:
    redactor = Redactor(["1234", "abc"])

    assert redactor.found({"name": "store-1234", "digest": "ab1234cd", "n": "abc"}) is None
    assert redactor.found({"pin": "1234"}) == "$.pin"


def test_a_value_that_is_no_text_is_found_all_the_same() -> None:
    """A variable of the environment may hold any bytes."""
    assert Redactor(["hunter2\udc80"]).text("it was hunter2\udc80 again") == "it was *** again"
