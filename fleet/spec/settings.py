"""A settings file: the flat JSON object of texts that the Azure CLI takes.

Strictly JSON, so that one file serves both tools. Problems with it are
returned, not raised: they are reported together with those of the plan file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

from fleet.spec import document as documents, flaws, nodes, recipes, rules, settingrules
from fleet.spec.document import Document
from fleet.spec.flaws import PROTECTED, Flaw, Path, below, quoted
from fleet.spec.nodes import Place
from fleet.spec.problems import Problem, SpecError

_KEY: Path = ("spec", "extension", "settingsFile")


def read(document: Document) -> tuple[dict[str, str], list[Problem]]:
    """Return the settings in the file that a plan file names, and what is wrong with them."""
    name = below(document.data, *_KEY)
    if not isinstance(name, str) or not name:
        return {}, []
    path = document.path.parent / name
    try:
        text = documents.text_of(path)
    except SpecError as error:
        return {}, [_unreadable(document, name, error)]
    extension = below(document.data, *_KEY[:-1])
    settings, problems = _parsed(path, text, extension=extension)
    against = map(document.problem, recipes.check_own(extension, settings))
    return settings, problems or list(against)


def _unreadable(document: Document, name: str, error: SpecError) -> Problem:
    problem = error.problems[0]
    message = f"the settings file {quoted(name)} cannot be used: {problem.message}"
    hint = problem.hint or "its path starts where this file is"
    return document.problem(Flaw(path=_KEY, message=message, hint=hint))


def _parsed(
    path: FilePath, text: str, *, extension: dict[str, Any]
) -> tuple[dict[str, str], list[Problem]]:
    try:
        pairs = json.loads(text, object_pairs_hook=_Pairs)
    except json.JSONDecodeError as error:
        return {}, [_not_json(path, text, error)]
    except (RecursionError, ValueError):
        return {}, [Problem(str(path), 0, 0, "", "nested too deep, or a number too long")]
    file = Document(path=path, text=text, data=None, places=_places(text))
    if not isinstance(pairs, _Pairs):
        message = f"the top level must be an object, not {flaws.kind_of(pairs)}"
        return {}, [file.problem(Flaw(path=(), message=message))]
    flawed = (*_flaws(pairs, extension, file), *_judged(pairs, extension))
    found = [file.problem(flaw) for flaw in flawed]
    return ({} if found else dict(pairs)), found


class _Pairs(list[tuple[str, Any]]):
    """A JSON object, with keys that come twice."""


def _not_json(path: FilePath, text: str, error: json.JSONDecodeError) -> Problem:
    if not text.strip():
        return Problem(str(path), 1, 1, "", "the file is empty", "write {} for no settings")
    # NB: the decoder's message names the kind of mistake and quotes nothing of the file.
    hint = f"this is not JSON: {error.msg[0].lower()}{error.msg[1:]}"
    return Problem(str(path), error.lineno, error.colno, "", hint)


def _judged(pairs: _Pairs, extension: dict[str, Any]) -> Iterator[Flaw]:
    beside = recipes.settings(extension)
    yield from settingrules.check(extension, dict(pairs), (), beside=beside)


def _flaws(pairs: _Pairs, extension: dict[str, Any], file: Document) -> Iterator[Flaw]:
    given = extension.get(PROTECTED)
    protected = given if isinstance(given, dict) else {}
    seen: set[str] = set()
    for key, value in pairs:
        if not key.strip():
            hint = settingrules.meant(extension, value)
            message = "the key of a setting is empty"
            yield Flaw(path=(key,), message=message, hint=hint, is_about_key=True)
        if _has_half(key) or (isinstance(value, str) and _has_half(value)):
            yield Flaw(path=(key,), message=nodes.HALF_CHARACTER, is_about_key=True)
        if key in seen:
            yield Flaw(path=(key,), message="duplicate key", hint="keep one", is_about_key=True)
        elif key in protected:
            yield rules.in_both((key,))
        elif not isinstance(value, str):
            yield _no_text(key, value, file)
        seen.add(key)


def _has_half(text: str) -> bool:
    try:
        nodes.joined(text)
    except UnicodeDecodeError:
        return True
    return False


def _no_text(key: str, value: Any, file: Document) -> Flaw:
    if isinstance(value, list):
        kind = "an object" if isinstance(value, _Pairs) else "a list"
        hint = "write one flat key for each value, such as osm.osm.enableEgress"
        return Flaw(path=(key,), message=f"expected text, found {kind}", hint=hint)
    source = file.source((key,)) or json.dumps(value)
    message = f"expected text, found {flaws.kind_of(value)}"
    return Flaw(path=(key,), message=message, hint=f"quote it: {quoted(source)}")


def _places(text: str) -> dict[Path, Place]:
    """Return where keys stand, as far as the YAML reader understands this JSON."""
    return dict(nodes.read(text).places)
