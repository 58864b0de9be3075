"""Reading an extension against a step: may the write go, did it take effect, is it proved?

The service's own fields prove little one by one: ``currentVersion`` is set
while Creating and on Failed, and a read may be older than the write. So success
is Succeeded, *and* everything the step names, *and* a reading that is newer
than the write: one that differs from the reading before it, or that is the
state the write's own answer showed, grown terminal.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping

from fleet.core import facts, required
from fleet.model.cluster import AutoUpgrade, Extension, ProvisioningState
from fleet.model.plan import Action, Facts, Step, Target, Verb
from fleet.model.statuses import Finding


class Proof(enum.Enum):
    """What a reading after the write says."""

    PROVED = enum.auto()
    FAILED = enum.auto()
    NOT_YET = enum.auto()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What a reading before a write, or instead of its answer, says."""

    finding: Finding
    detail: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """An extension, and what was known of it earlier."""

    found: Extension | None
    mark_before: str | None = None
    """Of the reading just before the write."""
    mark_accepted: str | None = None
    """Of the write's own answer."""

    @property
    def is_newer(self) -> bool:
        """Whether it can have seen the write."""
        mark = facts.mark(self.found)
        return mark != self.mark_before or mark == self.mark_accepted


def check(target: Target, step: int, reading: Reading, *, is_in_doubt: bool) -> Check:
    """Judge a reading before the write of *step*.

    Args:
        target: As planned.
        step: Which of its steps.
        reading: The extension now.
        is_in_doubt: Whether a write of this step is out whose effect is unknown.
    """
    found, other = reading.found, target.steps[step].other
    if other is not None:
        finding, detail = required.seen(other, found)
        return Check(finding=finding, detail=detail)
    if found is not None and not found.provisioning_state.is_terminal:
        return Check(finding=Finding.BUSY, detail=f"it is {found.provisioning_state}")
    if is_in_doubt:
        return _permitted(_after_doubt(target, step, reading), found)
    if is_done(target, step, found):
        return Check(finding=Finding.DONE, detail="it is so already")
    if target.is_unsure and _is_past(target, step, found):
        return Check(finding=Finding.DONE, detail="it is past this step already")
    return _permitted(_drift(target, step, found), found)


def prove(target: Target, step: int, reading: Reading, *, error: str | None) -> tuple[Proof, str]:
    """Judge a reading after the write of *step*.

    Args:
        target: As planned.
        step: Which of its steps.
        reading: The extension now.
        error: What the operation said, if it failed. The extension has the last word.
    """
    found, wanted = reading.found, target.steps[step]
    if wanted.verb is Verb.DELETE and found is None:
        return Proof.PROVED, "the service knows no such extension any more"
    if found is None:
        return (Proof.FAILED, error) if error else (Proof.NOT_YET, "it is not there yet")
    if not found.provisioning_state.is_terminal:
        return Proof.NOT_YET, f"it is still {found.provisioning_state}"
    if not reading.is_newer:
        verdict = Proof.FAILED if error else Proof.NOT_YET
        return verdict, error or "the reading is not newer than the write"
    if wanted.other is not None and (fault := required.fault(wanted.other, found)):
        return Proof.FAILED, fault
    if facts.is_failed(found):
        return Proof.FAILED, found.error or error or _state_of(found)
    if is_done(target, step, found, are_names_enough=True):
        return Proof.PROVED, "as planned"
    return (Proof.FAILED if error else Proof.NOT_YET), error or _difference(target, step, found)


def relapse(target: Target, found: Extension | None) -> str:
    """Say what is wrong with a target's extension that was proved to be as planned; empty: nothing.

    One that is being changed now says nothing: its end will.
    """
    last = max((n for n, step in enumerate(target.steps) if step.is_own), default=None)
    if found is not None and not found.provisioning_state.is_terminal:
        return ""
    if last is None:
        return _unsound(found)
    if is_done(target, last, found, are_names_enough=True):
        return ""
    if fault := _unsound(found):
        return fault
    if found is None or target.steps[last].verb is Verb.DELETE:
        return _BACK
    return _difference(target, last, found)


_BACK = "it is there again"


def _unsound(found: Extension | None) -> str:
    if found is None:
        return "it is not there any more"
    return found.error or _state_of(found) if facts.is_failed(found) else ""


def _state_of(found: Extension) -> str:
    return f"it is {found.provisioning_state}"


def is_done(
    target: Target, step: int, found: Extension | None, *, are_names_enough: bool = False
) -> bool:
    """Tell whether everything that a step brings about is true.

    Protected values cannot be read back: that their names are there is enough
    after a write, and never enough to leave one out.
    """
    is_delete = target.steps[step].verb is Verb.DELETE
    if is_delete or found is None:
        return is_delete and found is None
    return not _difference(target, step, found, are_names_enough=are_names_enough)


def evidence(found: Extension | None) -> Mapping[str, str]:
    """Return what a person needs to see of a reading; no setting's value among it."""
    if found is None:
        return {"extension": "missing"}
    shown = {
        "provisioningState": found.provisioning_state.value,
        "version": found.version,
        "currentVersion": found.current_version,
        "autoUpgrade": found.auto_upgrade.value,
        "releaseTrain": found.release_train,
        "modifiedAt": found.modified_at,
        "error": found.error,
    }
    return {key: value for key, value in shown.items() if value is not None}


def expected(target: Target, step: int) -> Facts:
    """Return the facts that the steps before *step* lead to."""
    known = target.facts
    for done in target.steps[:step]:
        known = _after(known, done) if done.is_own else known
    return known


def _after(known: Facts, done: Step) -> Facts:
    """Return what *done* makes of an extension of which *known* is known."""
    if done.verb is Verb.DELETE:
        return Facts(is_present=False)
    auto_upgrade = done.auto_upgrade or known.auto_upgrade
    is_chosen = auto_upgrade not in (None, AutoUpgrade.NONE)
    # Source: what is left out of a protected map that is sent is deleted, and a PUT sends all.
    is_whole = done.protected is not None or done.verb is Verb.PUT
    return dataclasses.replace(
        known,
        is_present=True,
        is_failed=False,
        # Source: an extension whose version the service chooses reads back with a null version.
        version=None if is_chosen else done.version or known.version,
        current_version=done.version or known.current_version,
        is_version_open=is_chosen and (known.is_version_open or not known.is_present),
        auto_upgrade=auto_upgrade,
        release_train=(done.release_train or known.release_train or "").lower(),
        settings=dict(done.settings or {})
        if done.is_exact
        else {**known.settings, **(done.settings or {})},
        protected_keys=tuple(sorted(done.protected or {})) if is_whole else known.protected_keys,
    )


def _after_doubt(target: Target, step: int, reading: Reading) -> Check:
    found = reading.found
    if facts.mark(found) == reading.mark_before:
        return Check(finding=Finding.PROCEED, detail="the write took no effect")
    if is_done(target, step, found, are_names_enough=True):
        return Check(finding=Finding.DONE, detail="the write took effect")
    if found is not None and facts.is_failed(found):
        return Check(
            finding=Finding.FAILED, detail=found.error or "the write took effect and failed"
        )
    return _drift(target, step, found)


def _permitted(judged: Check, found: Extension | None) -> Check:
    """Let nothing be written to what nobody but its manager may write to.

    NB: Resource Graph and older api-versions do not tell it, so a plan may not have known.
    """
    barred = facts.barred(found) if judged.finding is Finding.PROCEED and found else ""
    return Check(finding=Finding.DRIFTED, detail=barred) if barred else judged


def _drift(target: Target, step: int, found: Extension | None) -> Check:
    known = expected(target, step)
    if target.is_unsure:
        return _unsure(target.steps[step], known, found)
    now = facts.facts_of(found, target.steps, owned=target.owned)
    changed = [
        f"{field.name.replace('_', ' ')} was {_shown(was)}, is {_shown(value)}"
        for field in dataclasses.fields(Facts)
        if field.name not in _not_compared(known)
        and (was := getattr(known, field.name)) != (value := getattr(now, field.name))
    ]
    # NB: keys only: a setting's value may be nobody's business.
    keys = {*known.settings, *now.settings}
    changed += [
        f"settings.{key} changed"
        for key in sorted(keys)
        if known.settings.get(key) != now.settings.get(key)
    ]
    if changed:
        return Check(finding=Finding.DRIFTED, detail="; ".join(changed))
    return Check(finding=Finding.PROCEED)


def _not_compared(known: Facts) -> tuple[str, ...]:
    # Settings are told by their keys.
    open_ones = ("current_version",) if known.is_version_open else ()
    return ("settings", "is_version_open", *open_ones)


def _unsure(step: Step, known: Facts, found: Extension | None) -> Check:
    """Judge what an earlier change left behind: anything may be written to, and nothing lost."""
    if found is None:
        is_gone = known.is_present and step.verb is not Verb.DELETE
        gone = Check(finding=Finding.DRIFTED, detail="it is not there any more")
        return gone if is_gone else Check(finding=Finding.PROCEED)
    kept = {*(step.protected or {}), *known.protected_keys}
    lost = sorted(set(found.protected_keys) - kept) if step.verb is Verb.PUT else ()
    if lost:
        detail = f"a PUT would delete the protected settings {', '.join(lost)}"
        return Check(finding=Finding.DRIFTED, detail=detail)
    return Check(finding=Finding.PROCEED)


def _is_past(target: Target, step: int, found: Extension | None) -> bool:
    """Whether an extension in an unknown state stands beyond *step*, so it is not led back to it.

    So it is when everything is as the last step makes it, and when this step only takes a
    version on the way to one that shows already. Going back, a version on the way that failed is
    left for the next one: it would only fail again.
    """
    here, later = target.steps[step], target.steps[step + 1 :]
    if found is None or not later:
        return False
    versions = [one.version for one in (here, *later) if one.version]
    if is_done(target, len(target.steps) - 1, found):
        return bool(versions) and found.current_version == versions[-1]
    is_hop = here.verb is Verb.PATCH and here.settings is None and here.protected is None
    is_between = here.version is not None and len(versions) > 1
    beyond = versions if target.action is Action.DOWNGRADE else versions[1:]
    return is_hop and is_between and found.installed_version in beyond


def _shown(value: object) -> str:
    return "nothing" if value is None or value == () else str(value)


def _difference(
    target: Target, number: int, found: Extension, *, are_names_enough: bool = True
) -> str:
    """Say in what *found* is not as the step makes it; empty: in nothing."""
    step = target.steps[number]
    if step.other is not None or found.provisioning_state is not ProvisioningState.SUCCEEDED:
        return required.fault(step.other, found) if step.other else _state_of(found)
    if found.current_version is None or step.version not in (None, found.current_version):
        return f"it shows version {found.current_version}, not {step.version}"
    if step.auto_upgrade not in (None, found.auto_upgrade):
        return f"auto-upgrade is {found.auto_upgrade}, not {step.auto_upgrade}"
    if step.release_train and step.release_train.lower() != found.release_train.lower():
        return f"the release train is {found.release_train}, not {step.release_train}"
    unequal = _unequal_settings(target, number, found)
    if unequal:
        return f"settings differ: {', '.join(unequal)}"
    extra = sorted(set(found.protected_keys) - set(step.protected or {}))
    if step.is_exact and extra:
        return f"protected settings are still there: {', '.join(extra)}"
    absent = sorted(set(step.protected or {}) - set(found.protected_keys))
    if absent or (step.protected and not are_names_enough):
        return f"protected settings are not there: {', '.join(absent)}"
    return ""


def _unequal_settings(target: Target, number: int, found: Extension) -> list[str]:
    """Return the owned settings that are not as they shall be by the end of this step."""
    own = [(n, step) for n, step in enumerate(target.steps) if step.is_own]
    writers = [n for n, step in own if step.settings is not None]
    if writers and number < writers[0]:
        return []  # they are a later step's business
    wanted = target.owned
    is_exact = any(step.is_exact for _, step in own)
    keys = {*wanted, *found.settings} if is_exact else set(wanted)
    return sorted(key for key in keys if wanted.get(key) != found.settings.get(key))
