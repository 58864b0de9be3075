from __future__ import annotations

import inspect
import re

import pytest

from fleet import errors
from fleet.errors import FleetError

CLASSES: list[type[FleetError]] = [one for _, one in inspect.getmembers(errors, inspect.isclass)]
TREE = re.findall(r"^( +)(\w+) +(F\d+)(?: +(\d+))?(?: |$)", errors.__doc__ or "", re.MULTILINE)


def test_every_class_stands_in_the_printed_tree() -> None:
    assert {name: code for _, name, code, _ in TREE} == {
        one.__name__: one.code for one in CLASSES if one is not FleetError
    }


def test_the_printed_tree_is_the_tree() -> None:
    above: dict[int, str] = {}
    for indent, name, _, exit_status in TREE:
        above[len(indent)] = name
        parent = above.get(len(indent) - 2, "FleetError")
        cls = getattr(errors, name)
        assert cls.__base__.__name__ == parent
        assert not exit_status or cls.exit_status == int(exit_status)


def test_codes_are_unique() -> None:
    assert len({one.code for one in CLASSES}) == len(CLASSES)


@pytest.mark.parametrize("cls", CLASSES)
def test_the_docstring_is_the_default_message(cls: type[FleetError]) -> None:
    error = cls()

    assert error.message == str(error) == (cls.__doc__ or "").strip()
    assert error.hint == cls.advice


def test_a_message_and_a_hint_are_kept() -> None:
    error = errors.InputError("plan.yaml is empty", hint="Write something.")

    assert (str(error), error.hint) == ("plan.yaml is empty", "Write something.")


def test_a_remote_error_keeps_what_the_service_said() -> None:
    error = errors.ThrottledError(status=429, retry_after_s=17, correlation_id="c")

    assert (error.status, error.retry_after_s, error.correlation_id) == (429, 17, "c")
    assert error.exit_status == 4
