"""A YAML or JSON file, and everything that is wrong with it at once.

:func:`load` reads a file whose shape is not known yet; :func:`validate` checks
it against a pydantic model. Each reports all problems together, with file,
line, column and path. What the YAML reader accepts: :mod:`fleet.spec.nodes`.

Errors:  :exc:`~fleet.spec.problems.SpecError`, and nothing else, whatever the bytes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from fleet.spec import explanation, flaws, nodes
from fleet.spec.explanation import FileModel
from fleet.spec.flaws import Flaw, Path, Position
from fleet.spec.nodes import Place
from fleet.spec.problems import MAX_PROBLEMS, Problem, SpecError

MAX_BYTES = 5_000_000

Model = TypeVar("Model", bound=BaseModel)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A file that was read."""

    path: FilePath
    # NB: not in repr: a file may hold, by mistake, what nobody may see.
    text: str = dataclasses.field(repr=False)
    data: Any = dataclasses.field(repr=False)
    """Mappings, lists, text, integers, floats, booleans, ``None``."""
    places: Mapping[Path, Place] = dataclasses.field(repr=False)
    flaws: tuple[Flaw, ...] = ()
    """What the reader refused; empty after :func:`load`."""
    is_complete: bool = True
    """Whether all of it was read."""

    def position(self, path: Path, *, of_key: bool = False) -> Position:
        """Return line and column of what stands at *path*, else of what should hold it."""
        while path and path not in self.places:
            path, of_key = path[:-1], True
        place = self.places.get(path, Place(None, (1, 1)))
        return place.key if of_key and place.key is not None else place.value

    def source(self, path: Path) -> str | None:
        """Return how the scalar at *path* was written, without its quotes."""
        place = self.places.get(path)
        return place.source if place else None

    def problem(self, flaw: Flaw) -> Problem:
        """Return *flaw* with this file's name, and its place in it."""
        line, column = flaw.position or self.position(flaw.path, of_key=flaw.is_about_key)
        path = flaws.dotted(flaws.without_secrets(flaw.path, self.data))
        return Problem(str(self.path), line, column, path, flaw.message, flaw.hint)


def load(path: FilePath) -> Document:
    """Read a file; its top level is a mapping."""
    document = read(path)
    if document.flaws:
        raise SpecError(map(document.problem, document.flaws))
    return document


def read(path: FilePath) -> Document:
    """Read a file, for :func:`validate` to report what is wrong with its syntax too."""
    text = text_of(path)
    tree = nodes.read(text)
    found, is_mapping = tree.flaws, isinstance(tree.data, dict)
    if not found and not is_mapping:
        found = (Flaw(path=(), message=_no_mapping(text, tree.data), position=(1, 1)),)
    return Document(
        path=path,
        text=text,
        data=tree.data,
        places=tree.places,
        flaws=found,
        is_complete=tree.is_complete and is_mapping,
    )


def validate(document: Document, model: type[Model], *, more: Sequence[Problem] = ()) -> Model:
    """Return the document as a *model*.

    Args:
        document: From :func:`load`.
        model: What it has to fit; a :class:`~fleet.spec.explanation.FileModel` may add checks.
        more: Problems that were found elsewhere, to be reported with the others.

    Raises:
        SpecError: With every problem.
    """
    problems = [*more, *map(document.problem, document.flaws)]
    # NB: what was half read would be full of keys that are missing only because reading stopped.
    if not document.is_complete:
        raise SpecError(problems)
    checked, found, unseen = _checked(document, model)
    refused_at = {(problem.line, problem.column) for problem in problems}
    problems += [one for one in found if (one.line, one.column) not in refused_at]
    if problems or checked is None:
        raise SpecError(problems, unseen=unseen)
    return checked


def text_of(path: FilePath) -> str:
    """Return what a file says; it is refused by its size before it is read."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _unusable(path, f"larger than {MAX_BYTES // 1_000_000} MB", "nothing was read")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _unusable(path, _reason(error)) from None
    except ValueError:
        raise _unusable(path, "not the name of a file") from None
    if len(content) > MAX_BYTES:
        raise _unusable(path, f"larger than {MAX_BYTES // 1_000_000} MB")
    return _decoded(path, content)


def _decoded(path: FilePath, content: bytes) -> str:
    if b"\0" in content:
        at = content.index(b"\0")
        raise _unusable(path, f"not a text file (byte {at} is zero)", "save it as UTF-8 text")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        bom = len(content) - len(content.removeprefix(b"\xef\xbb\xbf"))
        message = f"not UTF-8 (byte {error.start + bom} cannot be read)"
    raise _unusable(path, message, "save it as UTF-8 text")


def _checked(document: Document, model: type[Model]) -> tuple[Model | None, list[Problem], int]:
    checked, errors = _parsed(document.data, model)
    # Looking for the nearest key takes time; nobody will read the rest.
    seen = errors[: MAX_PROBLEMS * 2]
    found = [explanation.explain(one, model, document.data, document.source) for one in seen]
    if issubclass(model, FileModel):
        found += [*model.cross_check(document.data), *explanation.no_values(document.data)]
    problems = [document.problem(flaw) for flaw in explanation.without_echoes(found)]
    return checked, problems, len(errors) - len(seen)


def _parsed(data: Any, model: type[Model]) -> tuple[Model | None, list[ErrorDetails]]:
    """Return the model, or what is wrong.

    pydantic's own exception is dropped here: it carries the input, secrets included.
    """
    try:
        return model.model_validate(data), []
    except ValidationError as error:
        return None, error.errors(include_url=False)


def _unusable(path: FilePath, message: str, hint: str | None = None) -> SpecError:
    return SpecError([Problem(str(path), 0, 0, "", message, hint)])


def _reason(error: OSError) -> str:
    return {
        "FileNotFoundError": "no such file",
        "IsADirectoryError": "a directory, not a file",
        "PermissionError": "this user may not read it",
    }.get(type(error).__name__, f"cannot be read: {error.strerror or 'unknown reason'}")


def _no_mapping(text: str, data: Any) -> str:
    if data is not None:
        return f"the top level must be a mapping, not {flaws.kind_of(data)}"
    if not text.strip():
        return "the file is empty"
    has_only_comments = all(
        line.lstrip().startswith("#") for line in text.split("\n") if line.strip()
    )
    return "the file has only comments" if has_only_comments else "the file says nothing"
