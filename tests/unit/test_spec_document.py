from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from fleet.spec import document as documents
from fleet.spec.document import Document
from fleet.spec.problems import Problem, SpecError

FILE = "plan.yaml"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(content: bytes | str) -> Document:
    Path(FILE).write_bytes(content.encode() if isinstance(content, str) else content)
    return documents.load(Path(FILE))


def problems(content: bytes | str) -> list[Problem]:
    with pytest.raises(SpecError) as caught:
        load(content)
    return list(caught.value.problems)


def whole(message: str, hint: str | None = None) -> list[Problem]:
    return [Problem(FILE, 0, 0, "", message, hint)]


MARKS = "write the value out, or put it in quotes if it starts with & or *"
DEEP = "a" + "[0]" * 30


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param("", [Problem(FILE, 1, 1, "", "the file is empty")], id="empty"),
        pytest.param(" \n\n", [Problem(FILE, 1, 1, "", "the file is empty")], id="blank"),
        pytest.param(
            "# one\n\n  # two\n",
            [Problem(FILE, 1, 1, "", "the file has only comments")],
            id="only-comments",
        ),
        pytest.param("---\n", [Problem(FILE, 1, 1, "", "the file says nothing")], id="no-content"),
        pytest.param(
            b"a: 1\nb: \xe9\n",
            whole("not UTF-8 (byte 8 cannot be read)", "save it as UTF-8 text"),
            id="latin-1",
        ),
        pytest.param(
            b"\xef\xbb\xbfa: \xe9\n",
            whole("not UTF-8 (byte 6 cannot be read)", "save it as UTF-8 text"),
            id="latin-1-after-a-byte-order-mark",
        ),
        pytest.param(
            "a: 1\n".encode("utf-16"),
            whole("not a text file (byte 3 is zero)", "save it as UTF-8 text"),
            id="utf-16",
        ),
        pytest.param(
            b"\x7fELF\x02\x01\x01\x00\x00",
            whole("not a text file (byte 7 is zero)", "save it as UTF-8 text"),
            id="binary",
        ),
        pytest.param(
            "a: 1\nb: x\x07\n",
            [Problem(FILE, 2, 5, "", "the control character U+0007 cannot stand in a text file")],
            id="a-bell",
        ),
        pytest.param(
            "a: 1\nb:\n\tc: 2\n",
            [Problem(FILE, 3, 1, "", "a tab stands where none may", "indent with spaces")],
            id="tabs",
        ),
        pytest.param(
            "a: &x [1, 2]\nb: *x\n",
            [
                Problem(FILE, 1, 4, "a", "anchors and aliases are not read", MARKS),
                Problem(FILE, 2, 4, "b", "anchors and aliases are not read", MARKS),
            ],
            id="alias",
        ),
        pytest.param(
            "a: !!python/object/apply:os.system ['true']\n",
            [
                Problem(
                    FILE,
                    1,
                    4,
                    "a",
                    "tags are not read",
                    "leave the tag out, or put the value in quotes if it starts with !",
                )
            ],
            id="tag",
        ),
        pytest.param(
            "a: 1\n---\nb: 2\n",
            [
                Problem(
                    FILE, 2, 1, "", "a second document starts here", "put it into a file of its own"
                )
            ],
            id="two-documents",
        ),
        pytest.param(
            "%YAML 1.1\n---\na: 1\n",
            [Problem(FILE, 2, 1, "", "YAML directives are not read", "remove the lines with %")],
            id="directive",
        ),
        pytest.param(
            "- a\n- b\n",
            [Problem(FILE, 1, 1, "", "the top level must be a mapping, not a list")],
            id="list",
        ),
        pytest.param(
            "hello\n",
            [Problem(FILE, 1, 1, "", "the top level must be a mapping, not text")],
            id="text",
        ),
        pytest.param(
            "a: {b: 1, b: 2}\na: 3\n",
            [
                Problem(
                    FILE, 1, 11, "a.b", "duplicate key", "it stands on line 1, column 5 already"
                ),
                Problem(FILE, 2, 1, "a", "duplicate key", "it stands on line 1, column 1 already"),
            ],
            id="duplicate-keys",
        ),
        pytest.param(
            "1: a\nyes: b\ntrue: c\n",
            [
                Problem(FILE, 1, 1, "", "a key is text", "put the key in quotes"),
                Problem(FILE, 3, 1, "", "a key is text", "put the key in quotes"),
            ],
            id="keys-that-are-no-text",
        ),
        pytest.param(
            "a: {[b]: 1}\n",
            [Problem(FILE, 1, 5, "a", "a mapping or list cannot be a key")],
            id="a-list-as-a-key",
        ),
        pytest.param(
            "a: " + "[" * 1_000 + "]" * 1_000,
            [Problem(FILE, 1, 35, DEEP, "nested more than 32 levels deep")],
            id="deep",
        ),
        pytest.param(
            "a: [" + "1," * 100_000 + "]",
            [Problem(FILE, 1, 199_999, "a", "more than 100000 values")],
            id="many",
        ),
        pytest.param(
            "a: b: c\n",
            [Problem(FILE, 1, 5, "", "a colon stands where none may", "put the text in quotes")],
            id="a-colon-too-many",
        ),
        pytest.param(
            "a: 'x\n",
            [Problem(FILE, 2, 1, "", "the file ends inside a quoted text", "close the quote")],
            id="an-open-quote",
        ),
        pytest.param(
            "a: [1, 2\nb: 3\n",
            [Problem(FILE, 2, 2, "", "a bracket or brace is not closed, or a comma is missing")],
            id="an-open-bracket",
        ),
        pytest.param(
            '{"a": "\\ud83d"}',
            [Problem(FILE, 1, 7, "a", "an escape stands for half a character")],
            id="half-a-character",
        ),
        pytest.param(
            "a: !x!y z\n", [Problem(FILE, 1, 4, "", "this is not YAML")], id="an-undefined-tag"
        ),
    ],
)
def test_refuses_a_file_that_cannot_be_read(content: bytes | str, expected: list[Problem]) -> None:
    assert problems(content) == expected


@pytest.mark.timeout(10)
def test_refuses_an_alias_bomb_without_expanding_it() -> None:
    levels = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 20))

    found = problems("a0: &a0 lol\n" + levels)

    assert found[0] == Problem(FILE, 1, 5, "a0", "anchors and aliases are not read", MARKS)


def test_refuses_a_huge_file_without_reading_it() -> None:
    with Path(FILE).open("wb") as file:
        file.truncate(50_000_000)  # sparse: it takes no room on the disk

    with pytest.raises(SpecError) as caught:
        documents.load(Path(FILE))

    assert list(caught.value.problems) == whole("larger than 5 MB", "nothing was read")


def test_stops_reading_a_stream_that_does_not_end() -> None:
    with pytest.raises(SpecError, match=r"^/dev/zero: larger than 5 MB$"):
        documents.load(Path("/dev/zero"))


@pytest.mark.parametrize(
    ("path", "message"),
    [
        pytest.param("nowhere.yaml", "nowhere.yaml: no such file", id="missing"),
        pytest.param(".", ".: a directory, not a file", id="directory"),
        pytest.param("x\0y", "x\0y: not the name of a file", id="no-name"),
        pytest.param(
            "file/plan.yaml", "file/plan.yaml: cannot be read: Not a directory", id="under-a-file"
        ),
    ],
)
def test_says_why_there_is_no_file(path: str, message: str) -> None:
    Path("file").touch()

    with pytest.raises(SpecError) as caught:
        documents.load(Path(path))

    assert str(caught.value) == message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_says_that_a_file_may_not_be_read() -> None:
    Path(FILE).touch(mode=0)

    with pytest.raises(SpecError, match="this user may not read it"):
        documents.load(Path(FILE))


def test_reads_scalars_by_the_core_schema() -> None:
    text = """\
window: 22:00
country: NO
day: 2026-01-10
version: 1.2.6
number: 42
octal: 0o17
hexadecimal: 0xff
grouped: 1_000
fraction: 1.10
yes: yes
flag: true
nothing: ~
quoted: "42"
block: |
  line
"""
    assert load(text).data == {
        "window": "22:00",
        "country": "NO",
        "day": "2026-01-10",
        "version": "1.2.6",
        "number": 42,
        "octal": 15,
        "hexadecimal": 255,
        "grouped": "1_000",
        "fraction": 1.1,
        "yes": "yes",
        "flag": True,
        "nothing": None,
        "quoted": "42",
        "block": "line\n",
    }


def test_reads_json_with_tabs_and_a_byte_order_mark() -> None:
    document = load(b'\xef\xbb\xbf{\r\n\t"a": {\r\n\t\t"b": [1, "2", null]}}\r\n')

    assert document.data == {"a": {"b": [1, "2", None]}}
    assert document.position(("a", "b")) == (3, 8)


def test_knows_where_every_key_and_value_stands() -> None:
    document = load("spec:\n  waves:\n  - name: canary\n    size: 1\n")

    assert document.position(("spec", "waves", 0, "size")) == (4, 11)
    assert document.position(("spec", "waves", 0, "size"), of_key=True) == (4, 5)
    assert document.position(("spec", "waves", 0)) == (3, 5)
    # What is missing is expected where its parent is.
    assert document.position(("spec", "waves", 0, "match", "tags")) == (3, 5)
    assert document.position(("spec", "targets")) == (1, 1)
    assert document.position(()) == (1, 1)


def test_shows_nothing_of_a_file_in_its_repr() -> None:
    assert "hunter2" not in repr(load("password: hunter2\n"))


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    count: int


def test_validates_against_any_model() -> None:
    assert documents.validate(load("count: 3\n"), Part) == Part(count=3)

    with pytest.raises(SpecError) as caught:
        documents.validate(load("count: '3'\ncuont: 4\n"), Part)

    assert caught.value.problems == (
        Problem(
            FILE, 1, 8, "count", "expected a whole number, found text", "write it without quotes"
        ),
        Problem(FILE, 2, 1, "cuont", "unknown key", 'did you mean "count"?'),
    )


def test_makes_a_strange_key_harmless_to_a_terminal() -> None:
    with pytest.raises(SpecError) as caught:
        documents.validate(load('count: 3\n"a\\e[31m\\n": 1\n'), Part)

    assert caught.value.problems == (
        Problem(FILE, 2, 1, '["a\\x1b[31m\\n"]', "unknown key", "one of: count"),
    )
