"""What is said of plan files that cannot be used: the whole of it, word for word.

``tests/data/plans/bad`` holds each file beside the text that it must lead to.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.errors import InputError
from fleet.spec import planfile
from fleet.spec.problems import Problem, SpecError

BAD = Path(__file__).parents[1] / "data" / "plans" / "bad"


@pytest.mark.parametrize("name", sorted(file.stem for file in BAD.glob("*.yaml")))
def test_reports_every_problem_with_its_place_and_the_way_out(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(BAD)

    with pytest.raises(SpecError) as caught:
        planfile.load_rollout(Path(f"{name}.yaml"))

    assert str(caught.value) + "\n" == Path(f"{name}.txt").read_text("utf-8")
    assert str(caught.value) == "\n".join(map(str, caught.value.problems))
    assert "canary" not in repr(caught.value).lower()
    # A vendor's exception would carry the file's values along.
    assert caught.value.__cause__ is caught.value.__context__ is None


def test_a_problem_knows_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BAD)

    with pytest.raises(InputError) as caught:
        planfile.load_rollout(Path("a-duplicate-key-and-an-unknown-one.yaml"))

    assert isinstance(caught.value, SpecError)
    assert caught.value.exit_status == 2
    assert caught.value.problems == (
        Problem(
            file="a-duplicate-key-and-an-unknown-one.yaml",
            line=9,
            column=5,
            path="spec.extension.version",
            message="duplicate key",
            hint="it stands on line 8, column 5 already",
        ),
        Problem(
            file="a-duplicate-key-and-an-unknown-one.yaml",
            line=10,
            column=5,
            path="spec.extension.verison",
            message="unknown key",
            hint='did you mean "version"?',
        ),
    )
    assert str(caught.value.problems[1]) == (
        "a-duplicate-key-and-an-unknown-one.yaml:10:5: spec.extension.verison: unknown key; "
        'did you mean "version"?'
    )


def test_says_how_many_more_there_are_after_a_hundred(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text("".join(f"key{n}: 1\n" for n in range(1_000)), encoding="utf-8")

    with pytest.raises(SpecError) as caught:
        planfile.load_rollout(file)

    assert len(caught.value.problems) == 100
    # A thousand unknown keys, and the four that a plan file has.
    assert caught.value.message.splitlines()[-1] == "and 904 more"
