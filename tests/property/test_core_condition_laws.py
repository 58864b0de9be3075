"""Conditions against exact fractions, and against whatever anybody may type or answer."""

from __future__ import annotations

import ast
import contextlib
import operator
from fractions import Fraction
from typing import Any

from hypothesis import given, strategies as st

from fleet.core import conditions, formulas
from fleet.model.gates import Gate, Probe, ProbeKind, Reading, Verdict

PROBE = Probe(kind=ProbeKind.PROMETHEUS)

DECIMALS = st.decimals(-1000, 1000, places=3).map(lambda one: f"{one:f}")
POSITIVE = st.decimals(0, 1000, places=2).map(lambda one: f"{one:f}")
NUMBERS = st.recursive(
    POSITIVE | st.sampled_from(["value", "baseline", "max"]),
    lambda part: (
        st.tuples(part, st.sampled_from("+-*"), part).map(lambda one: f"({' '.join(one)})")
        | part.map(lambda one: f"-{one}")
        | part.map(lambda one: f"abs({one})")
    ),
    max_leaves=8,
)
COMPARED = st.lists(NUMBERS, min_size=2, max_size=3).flatmap(
    lambda some: st.tuples(
        *(st.sampled_from(["<", "<=", ">", ">=", "==", "!="]) for _ in some[1:])
    ).map(
        lambda signs: " ".join(part for two in zip(some, (*signs, ""), strict=True) for part in two)
    )
)
CONDITIONS = st.recursive(
    COMPARED,
    lambda part: (
        st.tuples(part, st.sampled_from(["and", "or"]), part).map(" ".join)
        | part.map(lambda one: f"not ({one})")
        | part.map(lambda one: f"({one})")
    ),
    max_leaves=4,
)


@given(text=CONDITIONS, value=DECIMALS, baseline=DECIMALS)
def test_agrees_with_exact_fractions(text: str, value: str, baseline: str) -> None:
    """Python's own grammar has the same levels; fractions round nothing."""
    gate = Gate(name="g", probe=PROBE, success=f"{text} or value != value", baseline=baseline)

    verdict, _ = conditions.judge(gate, Reading(values=(value,)))

    names = {"value": Fraction(value), "baseline": Fraction(baseline), "max": Fraction(value)}
    expected = _exactly(ast.parse(text.strip(), mode="eval").body, text.strip(), names)
    assert verdict is (Verdict.PASS if expected else Verdict.FAIL)


def _exactly(node: ast.expr, text: str, names: dict[str, Fraction]) -> Any:
    """Work *node* out by the rules of Python, with fractions for numbers."""

    def of(inner: ast.expr) -> Any:
        return _exactly(inner, text, names)

    match node:
        case ast.Constant():
            return Fraction(ast.get_source_segment(text, node) or "")
        case ast.Name(id=name):
            return names[name]
        case ast.UnaryOp(op=ast.Not()):
            return not of(node.operand)
        case ast.UnaryOp():
            return -of(node.operand)
        case ast.Call():
            return abs(of(node.args[0]))
        case ast.BinOp():
            return _SUMS[type(node.op)](of(node.left), of(node.right))
        case ast.BoolOp():
            return (all if isinstance(node.op, ast.And) else any)(of(one) for one in node.values)
        case ast.Compare():
            some = [of(one) for one in (node.left, *node.comparators)]
            links = zip(node.ops, some, some[1:], strict=False)
            return all(_COMPARED[type(op)](left, right) for op, left, right in links)
        case _:
            raise AssertionError(ast.dump(node))


_SUMS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}
_COMPARED = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}

SIGNS = ["(", ")", "+", "-", "*", "/", "**", "%", "<", ">=", "==", "=", ".", ",", "[", "'"]
WORDS = ["and", "or", "not", "abs", "x", "__class__"]
PIECES = st.sampled_from(
    [*formulas.NAMES, *SIGNS, *WORDS, "1", "0", "9" * 41, ".5", "1e99", "1e400"]
)
TYPED = st.text(max_size=60) | st.lists(PIECES, max_size=40).map(" ".join)
ANSWERED = (
    st.text(max_size=30)
    | st.floats().map(repr)
    | st.sampled_from(
        ["NaN", "sNaN", "-nan", "+Inf", "1e9999", "-1e-9999", "1e-400", "", "0", "1_0"]
    )
)


@given(
    success=TYPED,
    failure=TYPED,
    values=st.lists(ANSWERED, max_size=4).map(tuple),
    error=st.just("") | st.text(max_size=400),
    baseline=st.none() | ANSWERED,
)
def test_never_raises_whatever_is_typed_and_answered(
    success: str, failure: str, values: tuple[str, ...], error: str, baseline: str | None
) -> None:
    gate = Gate(name="g", probe=PROBE, success=success, failure=failure, baseline=baseline)

    verdict, detail = conditions.judge(gate, Reading(values=values, error=error))

    assert verdict in Verdict
    assert len(detail) <= 300


@given(text=TYPED)
def test_reads_nothing_but_numbers_names_of_its_own_and_signs(text: str) -> None:
    """What is accepted is, to Python as well, arithmetic and comparisons, and nothing else."""
    with contextlib.suppress(ValueError):
        conditions.parse(text)
        meant = ast.walk(ast.parse(" ".join(text.split()), mode="eval"))
        assert {type(one) for one in meant} <= _HARMLESS


_HARMLESS = {
    ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.UAdd,
    ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Compare, ast.Lt, ast.LtE, ast.Gt, ast.GtE,
    ast.Eq, ast.NotEq, ast.Constant, ast.Name, ast.Load, ast.Call,
}  # fmt: skip
