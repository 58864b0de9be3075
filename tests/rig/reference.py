"""Azure's own descriptions of itself: OpenAPI files, their examples, recorded traffic.

They are read where they lie, beside the checkout, and never copied; where they are absent tests
skip, and nothing is tested at all where the environment says ``CI``.

Shapes:  an :class:`Interaction` is one recorded request with its answer.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

_ROOT = Path(__file__).parents[2].parent / "shared" / "reference"
_AZURE = _ROOT / "azure"


def folder(name: str) -> Path:
    """Return a folder of the reference."""
    return _found(_AZURE / name)


def mesh(name: str) -> Path:
    """Return a folder of the reference of Open Service Mesh."""
    return _found(_ROOT / "osm" / name)


def _found(folder: Path) -> Path:
    if not folder.is_dir():
        pytest.skip(f"the reference is not here: {folder.name}")
    return folder


def is_here() -> bool:
    """Tell whether there is a reference."""
    return _AZURE.is_dir()


def require() -> None:
    """End all tests where nothing may be left out and the reference is missing."""
    if os.environ.get("CI") and not is_here():
        raise pytest.UsageError(f"the reference is not here: {_AZURE}")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """A request that somebody sent to Azure, and what came back."""

    recording: str
    """The file's name up to its date."""
    number: int
    method: str
    uri: str
    sent: Any
    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: Any

    @property
    def path(self) -> str:
        """The path as it was sent."""
        return urlsplit(self.uri).path

    @property
    def query(self) -> Mapping[str, str]:
        """The query; names as they were sent."""
        return dict(parse_qsl(urlsplit(self.uri).query, keep_blank_values=True))

    @property
    def version(self) -> str:
        """The api-version."""
        return next(one for name, one in self.query.items() if name.lower() == "api-version")


@functools.cache
def interactions() -> tuple[Interaction, ...]:
    """Return everything that was recorded, in order."""
    if not is_here():
        return ()
    found: list[Interaction] = []
    for path in sorted((_AZURE / "recordings").glob("*.json")):
        name = path.name.partition(".recorded")[0]
        recorded = json.loads(path.read_text(encoding="utf-8"))["interactions"]
        found += [_interaction(name, number, one) for number, one in enumerate(recorded)]
    return tuple(found)


def _interaction(name: str, number: int, one: Any) -> Interaction:
    asked, answered = one["request"], one["response"]
    return Interaction(
        recording=name,
        number=number,
        method=asked["method"],
        uri=asked["uri"],
        sent=asked.get("body"),
        status=answered["status"],
        headers={key.lower(): value[0] for key, value in answered["headers"].items()},
        body=answered["body"],
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A request out of the official examples, as the specification has it."""

    name: str
    """File and api-version."""
    operation: str
    method: str
    template: str
    """The path, with names in braces."""
    version: str
    arguments: Mapping[str, Any]
    """Every parameter, the body among them."""
    body_name: str | None
    """What the body's parameter is called."""
    queries: tuple[str, ...]
    """Which parameters stand in the query."""
    answers: Mapping[int, Any]
    """``{status: body}`` that the example answers with."""

    @property
    def statuses(self) -> tuple[int, ...]:
        """That it answers with."""
        return tuple(sorted(self.answers))


@functools.cache
def examples() -> tuple[Example, ...]:
    """Return every example whose file is there, once for each operation it is of."""
    files = sorted((_AZURE / "specification").glob("**/*.json")) if is_here() else []
    swaggers = [path for path in files if "examples" not in path.parts]
    return tuple(one for path in swaggers for one in _examples(path))


def _examples(path: Path) -> list[Example]:
    swagger = json.loads(path.read_text(encoding="utf-8"))
    found = []
    for template, operations in swagger.get("paths", {}).items():
        for method, operation in operations.items():
            if method != "parameters":
                for one in operation.get("x-ms-examples", {}).values():
                    file = path.parent / one["$ref"]
                    if file.is_file():
                        found.append(_example(path, file, template, method, operation))
    return found


def _example(path: Path, file: Path, template: str, method: str, operation: Any) -> Example:
    version = path.parent.name
    content = json.loads(file.read_text(encoding="utf-8"))
    parameters = [_resolved(path, one) for one in operation.get("parameters", ())]
    bodies = [one["name"] for one in parameters if one["in"] == "body"]
    return Example(
        name=f"{version}/{file.stem}",
        operation=operation["operationId"],
        method=method.upper(),
        template=template,
        version=version,
        arguments=content["parameters"],
        body_name=bodies[0] if bodies else None,
        queries=tuple(one["name"] for one in parameters if one["in"] == "query"),
        answers={int(status): one.get("body") for status, one in content["responses"].items()},
    )


def _resolved(path: Path, parameter: Any) -> Any:
    """Return a parameter, wherever it is defined."""
    if "$ref" not in parameter:
        return parameter
    file, _, pointer = parameter["$ref"].partition("#/")
    found = json.loads((path.parent / file if file else path).read_text(encoding="utf-8"))
    for key in pointer.split("/"):
        found = found[key]
    return found
