"""The checks of every extension whose profile lists none of its own, as data.

Errors:  :exc:`~fleet.errors.InvariantError` for a packaged file that does not fit.
"""

from __future__ import annotations

import functools
import importlib.resources
import tomllib

from pydantic import ValidationError

from fleet.errors import InvariantError
from fleet.model.inside import CheckRule
from fleet.spec.checkform import CheckFile
from fleet.spec.explanation import FileModel

_FILE = "generic.toml"


class _ChecksFile(FileModel):
    checks: list[CheckFile]


@functools.cache
def generic() -> tuple[CheckRule, ...]:
    """Return what is looked at of any extension."""
    text = importlib.resources.files(__name__).joinpath(_FILE).read_text("utf-8")
    try:
        file = _ChecksFile.model_validate(tomllib.loads(text))
    except (ValidationError, ValueError) as error:
        message = f"the checks of any extension do not fit: {error}"
        raise InvariantError(message) from error
    return tuple(one.rule() for one in file.checks)
