from __future__ import annotations

from fleet.core import steps
from fleet.core.gaps import Gap
from fleet.model.cluster import AutoUpgrade
from fleet.model.plan import Action, Change, Step, Verb
from fleet.model.versions import parse
from tests.rig.fleets import PIN, automatic, extension


def test_the_version_names_the_action_before_anything_else() -> None:
    settings = {"a": "1"}

    assert steps.action_of(Gap(hops=(parse("1.2.6"),), settings=settings)) is Action.UPGRADE
    assert steps.action_of(Gap(hops=(parse("1.1.1"),), is_older=True)) is Action.DOWNGRADE
    assert steps.action_of(Gap(has_pin=True, settings=settings)) is Action.PIN
    assert steps.action_of(Gap(auto_upgrade=AutoUpgrade.PATCH)) is Action.ENABLE_AUTO_UPGRADE
    assert steps.action_of(Gap(settings=settings)) is Action.RECONFIGURE
    assert steps.action_of(Gap(has_protected=True)) is Action.RECONFIGURE


def test_a_diff_shows_the_last_word_of_several_steps() -> None:
    hops = (
        Step(verb=Verb.PATCH, version="1.1.1", auto_upgrade=AutoUpgrade.NONE),
        Step(verb=Verb.PATCH, version="1.2.6", auto_upgrade=AutoUpgrade.NONE),
    )

    assert steps.diff_of(hops, automatic("1.0.0")) == (
        Change(path="version", before="1.0.0", after="1.2.6"),
        Change(path="autoUpgrade", before="compatible", after="none"),
    )


def test_a_diff_shows_only_what_changes() -> None:
    """The train is sent with a pin, and is the same in another casing."""
    assert steps.diff_of((PIN,), extension("1.1.1")) == (
        Change(path="version", before="1.1.1", after="1.2.6"),
    )


def test_a_diff_of_settings_shows_what_is_removed_only_where_the_map_is_whole() -> None:
    found = extension(settings={"a": "0", "b": "2"})
    owned = Step(verb=Verb.PATCH, settings={"a": "1"})
    exact = Step(verb=Verb.PUT, settings={"a": "1"}, is_exact=True)
    changed = Change(path="settings.a", before="0", after="1")

    assert steps.diff_of((owned,), found) == (changed,)
    assert steps.diff_of((exact,), found) == (
        changed,
        Change(path="settings.b", before="2", after=None),
    )


def test_a_diff_never_shows_a_protected_value() -> None:
    step = Step(verb=Verb.PATCH, protected={"token": "TOKEN"})

    assert steps.diff_of((step,), extension()) == (
        Change(path="protectedSettings.token", before=None, after="(not shown)"),
    )


def test_a_diff_of_an_uninstall_is_the_version_that_goes() -> None:
    assert steps.diff_of((Step(verb=Verb.DELETE),), extension("1.1.1")) == (
        Change(path="version", before="1.1.1", after=None),
    )


def test_nothing_to_do_differs_in_nothing() -> None:
    assert steps.diff_of((), None) == ()
