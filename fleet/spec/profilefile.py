"""A user's own profile: a TOML file beside the plan file that names it.

It says what the packaged ones say, and is read as strictly as a plan file. Problems with it are
returned, not raised: they are reported together with those of the plan file.
"""

from __future__ import annotations

from pathlib import Path as FilePath

from fleet.model.desired import Profile
from fleet.spec import document as documents, rules, tomlfile
from fleet.spec.document import Document
from fleet.spec.flaws import Flaw, Path, below, quoted
from fleet.spec.problems import Problem, SpecError
from fleet.spec.profileform import ProfileFile

_EXTENSION: Path = ("spec", "extension")
_KEY: Path = (*_EXTENSION, "profileFile")


def read(document: Document) -> tuple[Profile | None, list[Problem]]:
    """Return the profile in the file that a plan file names, and what is wrong with it."""
    name = below(document.data, *_KEY)
    if not isinstance(name, str) or not name:
        return None, []
    path = document.path.parent / name
    try:
        profile = form(path).profile(path.stem)
    except SpecError as error:
        return None, [_told(document, name, one) for one in error.problems]
    found = rules.unsaid(profile, below(document.data, *_EXTENSION))
    return profile, list(map(document.problem, found))


def form(path: FilePath) -> ProfileFile:
    """Return what a file says; :exc:`~fleet.spec.problems.SpecError` with all that is wrong."""
    return documents.validate(tomlfile.read(path), ProfileFile)


def _told(document: Document, name: str, problem: Problem) -> Problem:
    """Return a *problem* in the file, or with the file as a problem of the plan file."""
    if problem.line:
        return problem
    message = f"the profile {quoted(name)} cannot be used: {problem.message}"
    hint = problem.hint or "its path starts where this file is"
    return document.problem(Flaw(path=_KEY, message=message, hint=hint))
