"""What looks never do: raise, leave a rule out, or keep much of what they read."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import given, settings, strategies as st

from fleet.core import looks
from fleet.model.inside import CheckRule, Verdict
from fleet.model.objects import Seen, Sight
from fleet.spec import profiles
from tests.rig import insights
from tests.rig.insights import Cluster

RULES = (*insights.RULES, *profiles.load("flux").checks)
RUBBISH: tuple[Any, ...] = (
    None,
    "",
    "x" * 10_000,
    -1,
    2**70,
    1.5,
    True,
    [],
    {},
    [None],
    {"": None},
    [[]],
    ["a"],
)
NUMBER = st.integers(0, 2**32)


def everything() -> Cluster:
    """A healthy cluster, with what an uninstall leaves behind beside."""
    found = insights.healthy()
    found.put("pods", insights.app_pod("bare-1", image=None))
    found.put("daemonsets", insights.deployment("agent"))
    return found


def places(found: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every place in a document, as a container and a key."""
    inner = found.items() if isinstance(found, dict) else enumerate(found)
    for key, one in inner:
        yield found, key
        if isinstance(one, dict | list):
            yield from places(one)


def spoiler(seed: int) -> Callable[[Any], Any]:
    """Return what spoils up to eight places of an object: gone, or of another kind."""
    draw = random.Random(seed)  # noqa: S311 - no secret

    def spoil(one: Any) -> Any:
        for _ in range(draw.randint(0, 8)):
            some = list(places(one))
            if not some:
                break
            container, key = draw.choice(some)
            if draw.random() < 0.3:
                del container[key]
            else:
                container[key] = copy.deepcopy(draw.choice(RUBBISH))
        return one if draw.random() < 0.98 else draw.choice(RUBBISH)

    return spoil


@settings(max_examples=100, deadline=None)
@given(seed=NUMBER)
def test_says_one_thing_of_each_rule_in_order_whatever_a_server_answers(seed: int) -> None:
    subject = insights.subject(mesh_before="[]", settings={"osm.osm.enableEgress": "x"})
    cluster = everything()
    cluster.spoil = spoiler(seed)

    found = looks.judge(RULES, subject, cluster.seen(RULES, subject))

    assert [(one.check, one.severity) for one in found] == [(r.id, r.severity) for r in RULES]
    assert all((one.detail == "") == (one.verdict is Verdict.PASSED) for one in found)
    assert all(len(one.detail) < 1_300 for one in found)
    assert all(isinstance(text, str) for one in found for text in one.evidence.values())


GIVEN = st.dictionaries(
    st.sampled_from(("name", "namespace", "ports", "selector", "kind", "least", "a/b/c", "x")),
    st.sampled_from(("", " ", "osm", "1" * 40, "v1 since x", ",", "²", "a/b")),
)


@settings(max_examples=150, deadline=None)
@given(look=st.sampled_from((*looks.LOOKS, "none")), said=GIVEN)
def test_says_one_thing_of_any_rule_that_a_plan_may_hold(look: str, said: dict[str, str]) -> None:
    rule = CheckRule(id="x", look=look, title="-", severity=RULES[0].severity, given=said)
    subject, cluster = insights.subject(), insights.healthy()

    (found,) = looks.judge([rule], subject, cluster.seen([rule], subject))

    assert found.check == "x"


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_what_was_not_read_never_passes_what_the_cluster_says(data: st.DataObject) -> None:
    subject, cluster = insights.subject(), everything()
    seen: Seen = cluster.seen(insights.RULES, subject)
    wants = sorted(seen, key=repr)
    lost = set(data.draw(st.lists(st.sampled_from(wants), min_size=1)))
    partly = {want: Sight(error="no") if want in lost else one for want, one in seen.items()}

    for rule, result in zip(
        insights.RULES, looks.judge(insights.RULES, subject, partly), strict=True
    ):
        touched = lost & set(looks.wants([rule], subject, partly))
        assert not touched or result.verdict is not Verdict.PASSED
