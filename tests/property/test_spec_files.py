"""Whatever a file holds: it is read, or refused as input, and no secret of it is ever told."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings, strategies as st

from fleet.model.desired import Rollout
from fleet.spec import document as documents, flaws, nodes, planfile
from fleet.spec.problems import SpecError

GOOD = Path(__file__).parents[1] / "data" / "plans" / "good" / "every-key.yaml"
TEXT = GOOD.read_text("utf-8")
DATA = documents.load(GOOD).data
GATED = documents.load(GOOD.with_name("gates-and-approvals.yaml")).data
CANARY = "hunter2-Zq8"

# Files are written and read; how long that takes is the disk's business.
unhurried = settings(deadline=None)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.sampled_from(["rest", "10%", "0%", "latest", "1.2.6", "30m", "osm", "fast", "*", "../x"]),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("plans") / "plan.yaml"


def outcome(file: Path, content: bytes) -> Rollout | SpecError:
    file.write_bytes(content)
    try:
        return planfile.load_rollout(file)
    except SpecError as error:
        found = error
    assert found.problems
    assert all(one.message and one.line >= 0 for one in found.problems)
    # It can be printed, and stored as JSON.
    assert json.loads(orjson.dumps(found.message)) == found.message
    return found


@unhurried
@given(content=st.binary(max_size=300))
@example(content=b"%YAML 1.2\n---\n")
@example(content=b"? ? ? :\n")
@example(content=b"a: !<tag:yaml.org,2002:int> x\n")
@example(content=b"a: " + b"9" * 5_000)
@example(content=b"'" * 3)
def test_any_bytes_are_read_or_refused(file: Path, content: bytes) -> None:
    outcome(file, content)


@unhurried
@given(text=st.text(alphabet="abk:-?{}[],&*!|>'\"%@#~ \t\n\\019.", max_size=60))
def test_any_text_made_of_yaml_marks_is_read_or_refused(file: Path, text: str) -> None:
    outcome(file, text.encode())


@unhurried
@given(at=st.integers(0, len(TEXT)), length=st.integers(0, 40), new=st.text(max_size=10))
def test_a_damaged_plan_file_is_read_or_refused(file: Path, at: int, length: int, new: str) -> None:
    damaged = TEXT[:at] + new + TEXT[at + length :]

    outcome(file, damaged.encode("utf-8", "surrogatepass"))


@unhurried
@given(data=st.data())
def test_a_plan_file_with_anything_in_any_place_is_read_or_refused(
    file: Path, data: st.DataObject
) -> None:
    mutated = copy.deepcopy(data.draw(st.sampled_from([DATA, GATED])))
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(list(_paths(mutated))))
        holder = flaws.below(mutated, *path[:-1])
        key = data.draw(st.sampled_from([path[-1]] if isinstance(holder, list) else _keys(path)))
        holder[key] = data.draw(values)

    outcome(file, json.dumps(mutated).encode())


@unhurried
@given(
    value=st.recursive(
        st.just(CANARY),
        lambda inner: (
            st.lists(inner | scalars, min_size=1, max_size=3)
            | st.dictionaries(
                st.sampled_from(["fromEnv", "value", CANARY, "settings", "protectedSettings"]),
                inner | scalars,
                min_size=1,
                max_size=3,
            )
        ),
        max_leaves=5,
    ),
    is_whole=st.booleans(),
    cut=st.integers(0, 30),
)
def test_no_message_tells_what_a_protected_setting_holds(
    file: Path, value: Any, is_whole: bool, cut: int
) -> None:
    mutated = copy.deepcopy(DATA)
    extension = mutated["spec"]["extension"]
    # A secret may be the value of a setting, or of them all; its name is not secret.
    extension["protectedSettings"] = (
        value if is_whole and not isinstance(value, dict) else {"token": value}
    )
    text = json.dumps(mutated)

    for content in (text, text[: len(text) - cut]):
        found = outcome(file, content.encode())

        assert CANARY not in str(found)
        assert CANARY not in repr(getattr(found, "problems", ""))


@unhurried
@given(
    value=st.recursive(
        st.just(CANARY) | st.just(f"Bearer {CANARY}"),
        lambda inner: (
            st.lists(inner | scalars, min_size=1, max_size=3)
            | st.dictionaries(
                st.sampled_from(["fromEnv", "value", CANARY, "headers"]),
                inner | scalars,
                min_size=1,
                max_size=3,
            )
        ),
        max_leaves=5,
    )
)
def test_no_message_tells_what_a_header_holds(file: Path, value: Any) -> None:
    mutated = copy.deepcopy(GATED)
    mutated["spec"]["gates"][0]["prometheus"]["headers"] = {"Authorization": value}

    found = outcome(file, json.dumps(mutated).encode())

    assert isinstance(found, SpecError)
    assert CANARY not in str(found)
    assert CANARY not in repr(found.problems)


@unhurried
@given(mark=st.sampled_from(["&", "*", "!", "!!", "@", "%", "`", "|", ">", "'", '"', "- ", "? "]))
def test_no_message_tells_a_secret_that_looks_like_yaml(file: Path, mark: str) -> None:
    text = TEXT.replace("{fromEnv: OSM_TOKEN}", mark + CANARY)

    found = outcome(file, text.encode())

    assert isinstance(found, SpecError)
    assert CANARY not in str(found)


@unhurried
@given(
    data=st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(10**18), 10**18)
        | st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4)
        ),
        max_leaves=20,
    )
)
@example(data={"\U00010000": "\U0001f600"})
def test_json_is_read_as_json_says(data: Any) -> None:
    tree = nodes.read(json.dumps({"data": data}))

    assert tree.flaws == ()
    assert tree.data == {"data": data}


def _paths(data: Any, path: flaws.Path = ()) -> Iterator[flaws.Path]:
    for key, value in data.items() if isinstance(data, dict) else enumerate(data):
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from _paths(value, (*path, key))


def _keys(path: flaws.Path) -> list[str | int]:
    return [path[-1], "extra", "", "kql", f"{path[-1]}x"]
