from __future__ import annotations

import pytest

from fleet.core.wayback import wayback
from fleet.model.cluster import AutoUpgrade, Extension
from fleet.model.desired import Profile
from fleet.model.plan import Action, Rollback, Step, Verb
from tests.rig.fleets import PIN, PLAIN, automatic, extension
from tests.rig.rollouts import MESH

PATCH, DELETE = Verb.PATCH, Step(verb=Verb.DELETE)
SECRET = Step(verb=PATCH, protected={"token": "TOKEN"})
AUTO = Step(verb=PATCH, auto_upgrade=AutoUpgrade.COMPATIBLE)
HIDDEN = extension(protected_keys=("token",))


@pytest.mark.parametrize(
    ("action", "step", "found", "profile", "note"),
    [
        pytest.param(Action.INSTALL, PIN, None, MESH, "uninstall it", id="install"),
        pytest.param(
            Action.UPGRADE, PIN, extension(), PLAIN, "restore version 1.1.1", id="upgrade"
        ),
        pytest.param(
            Action.UPGRADE,
            PIN,
            automatic(),
            PLAIN,
            "restore version 1.1.1, auto-upgrade compatible",
            id="upgrade of one that was automatic",
        ),
        pytest.param(
            Action.RECONFIGURE,
            Step(verb=PATCH, settings={"a": "1", "b": "2"}),
            extension(),
            MESH,
            "restore 2 settings",
            id="settings",
        ),
        pytest.param(
            Action.RECONFIGURE,
            Step(verb=PATCH, release_train="preview"),
            extension(),
            MESH,
            "restore release train Stable",
            id="release train",
        ),
        pytest.param(
            Action.RECONFIGURE,
            SECRET,
            extension(),
            MESH,
            "restore no protected settings",
            id="the first protected settings",
        ),
        pytest.param(
            Action.ENABLE_AUTO_UPGRADE,
            AUTO,
            extension(),
            MESH,
            "restore auto-upgrade none, but not a version that was taken meanwhile",
            id="auto-upgrade",
        ),
        pytest.param(
            Action.UNINSTALL,
            DELETE,
            extension(settings={"a": "1"}),
            MESH,
            "install 1.1.1 with the same 1 settings",
            id="uninstall",
        ),
    ],
)
def test_a_way_back(
    action: Action, step: Step, found: Extension | None, profile: Profile, note: str
) -> None:
    assert wayback(action, (step,), found, profile=profile) == Rollback(is_possible=True, note=note)


@pytest.mark.parametrize(
    ("action", "step", "found", "note"),
    [
        pytest.param(
            Action.UPGRADE,
            PIN,
            extension(),
            "mesh cannot go back to 1.1.1; its settings and the auto-upgrade flag can be restored",
            id="it cannot go back",
        ),
        pytest.param(
            Action.RECONFIGURE,
            SECRET,
            HIDDEN,
            "the earlier protected values cannot be read back",
            id="protected values replaced",
        ),
        pytest.param(
            Action.UNINSTALL,
            DELETE,
            HIDDEN,
            "the values of the protected settings token cannot be read back",
            id="protected values deleted",
        ),
        pytest.param(
            Action.INSTALL, PIN, extension(), "the earlier state was a failure", id="repair"
        ),
    ],
)
def test_no_way_back(action: Action, step: Step, found: Extension, note: str) -> None:
    assert wayback(action, (step,), found, profile=MESH) == Rollback(
        is_possible=False, note=f"irreversible: {note}"
    )
