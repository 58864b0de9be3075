"""What a profile may say of checks inside clusters: which look, at what, and what follows.

What looks there are, and what each needs to know: :mod:`fleet.core.looks`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from fleet.core import looks
from fleet.model.inside import CheckMoment, CheckRule, Severity
from fleet.spec import flaws
from fleet.spec.explanation import FileModel, refusal
from fleet.spec.flaws import Flaw, Path, quoted
from fleet.spec.values import ExactVersion, Name, Text

# NB: strict mode takes no text for an enum; these fields read it by its value.
_BY_VALUE = Field(strict=False)


def _look(name: str) -> str:
    if name in looks.LOOKS:
        return name
    raise refusal(f"unknown look {quoted(name)}", flaws.suggestion(name, looks.LOOKS))


class CheckFile(FileModel):
    """A check inside clusters."""

    id: Name
    """What it is called, such as controller-pods."""
    look: Annotated[Text, AfterValidator(_look)]
    """How to look, such as deployments."""
    title: Text
    """What is in order where it passes."""
    severity: Annotated[Severity, _BY_VALUE] = Severity.GATE
    """gate: a target is not proved where it fails; warn: it is told."""
    moment: Annotated[CheckMoment, _BY_VALUE] = CheckMoment.PRESENT
    """present: the extension is there; absent: it was uninstalled."""
    since: ExactVersion | None = None
    """The first version of the extension that it is for."""
    given: dict[Text, Text] = Field(default_factory=dict)
    """What the look needs to know, such as a name."""

    def rule(self) -> CheckRule:
        """Return it as looks read it."""
        return CheckRule(
            id=self.id,
            look=self.look,
            title=self.title,
            severity=self.severity,
            moment=self.moment,
            since=self.since,
            given=self.given,
        )


def check(path: Path, found: Any) -> Iterator[Flaw]:
    """Yield what is wrong between the keys of checks, and between checks."""
    known: set[str] = set()
    for number, one in enumerate(found if isinstance(found, list) else ()):
        if not isinstance(one, dict):
            continue
        yield from _given((*path, number), one)
        name = one.get("id")
        if isinstance(name, str):
            if name in known:
                message = f"another check is called {quoted(name)} too"
                yield Flaw(path=(*path, number, "id"), message=message)
            known.add(name)


def _given(path: Path, one: dict[str, Any]) -> Iterator[Flaw]:
    name, given = one.get("look"), one.get("given", {})
    look = looks.LOOKS.get(name) if isinstance(name, str) else None
    if look is None or not isinstance(given, dict):
        return
    for key in look.required:
        if key not in given:
            message = f"the look {name} needs given.{key}"
            yield Flaw(path=path, message=message, is_absence=True)
    known = (*look.required, *look.optional)
    for key in () if look.has_own_keys else given:
        if key not in known:
            yield _unknown((*path, "given", key), key, known)


def _unknown(path: Path, key: str, known: Sequence[str]) -> Flaw:
    hint = flaws.suggestion(key, known) if known else "this look needs to know nothing"
    return Flaw(path=path, message="the look does not know this", hint=hint, is_about_key=True)
