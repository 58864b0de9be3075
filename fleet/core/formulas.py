"""The little language of conditions: decimals, a few names, arithmetic, comparisons, logic.

It has a reader of its own, and nothing in it but what is written here: no attribute, no index, no
power, no text, no call but ``abs``. Decimals stay decimals. What a piece is, a number or a truth,
is known when it is read, so what is read can be worked out whatever the numbers are.

Errors:  ``ValueError`` with words for whoever wrote the text, and the character it is about.
"""

from __future__ import annotations

import dataclasses
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

NAMES = ("value", "baseline", "count", "min", "max", "sum", "mean")
_WORDS = ("and", "or", "not", "abs")
_DEEPEST = 20
"""Parentheses and signs inside of each other: as many calls deep is the reader."""
_MOST_DIGITS = 40
"""A power of ten has two."""

Values = Mapping[str, Decimal]
Truth = Callable[[Values], bool]
_Number = Callable[[Values], Decimal]
_Operation = Callable[[Decimal, Decimal], Any]
_Link = tuple[_Operation, _Number]


def read(text: str) -> tuple[Truth, frozenset[str]]:
    """Return how to work *text* out, and the names it needs.

    >>> truth, names = read("0 < value <= 1.5")
    >>> truth({"value": Decimal("1.5")}), sorted(names)
    (True, ['value'])

    Raises:
        ValueError: It is no condition.
    """
    return _Reader(text).whole()


class DividedByZeroError(ArithmeticError):
    """What a division is by came to nothing."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int
    """From 1."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Piece:
    is_truth: bool
    work: Callable[[Values], Any]
    at: int


class _Reader:
    """Reads by descent: one method for each level, from what binds least to what binds most."""

    def __init__(self, text: str) -> None:
        self._tokens = tuple(_tokens(text))
        self._place = 0
        self._depth = 0
        self._names: set[str] = set()

    def whole(self) -> tuple[Truth, frozenset[str]]:
        if self._next.kind == "end":
            raise ValueError(_EMPTY)
        piece = self._either()
        if self._next.kind != "end":
            raise _unexpected(self._next)
        if not piece.is_truth:
            raise ValueError(_NO_CONDITION)
        if not self._names - {"baseline"}:
            raise ValueError(_SAYS_NOTHING)
        return piece.work, frozenset(self._names)

    def _either(self) -> _Piece:
        return self._joined("or", self._both, any)

    def _both(self) -> _Piece:
        return self._joined("and", self._negated, all)

    def _joined(
        self, word: str, part: Callable[[], _Piece], join: Callable[[Iterator[bool]], bool]
    ) -> _Piece:
        pieces = [part()]
        while self._take(word):
            pieces.append(part())
        if len(pieces) == 1:
            return pieces[0]
        works: list[Truth] = [_truth(one, word) for one in pieces]
        return _Piece(True, lambda values: join(one(values) for one in works), pieces[0].at)

    def _negated(self) -> _Piece:
        at = self._next.at
        if not self._take("not"):
            return self._compared()
        work = _truth(self._inside(self._negated), "not")
        return _Piece(True, lambda values: not work(values), at)

    def _compared(self) -> _Piece:
        return self._row(_COMPARISONS, self._sum, _chain, is_truth=True)

    def _sum(self) -> _Piece:
        return self._row(_SUMS, self._product, _folded)

    def _product(self) -> _Piece:
        return self._row(_PRODUCTS, self._signed, _folded)

    def _row(
        self,
        signs: Mapping[str, _Operation],
        part: Callable[[], _Piece],
        join: Callable[[_Number, Sequence[_Link]], Callable[[Values], Any]],
        *,
        is_truth: bool = False,
    ) -> _Piece:
        first = part()
        links: list[_Link] = []
        while sign := self._take(*signs):
            _number(first, sign)
            links.append((signs[sign], _number(part(), sign)))
        return _Piece(is_truth, join(first.work, links), first.at) if links else first

    def _signed(self) -> _Piece:
        at = self._next.at
        sign = self._take("-", "+")
        if not sign:
            return self._atom()
        work = _number(self._inside(self._signed), sign)
        return _Piece(False, (lambda values: -work(values)) if sign == "-" else work, at)

    def _atom(self) -> _Piece:
        token = self._next
        if self._take("("):
            piece = self._inside(self._either)
            self._close(token)
            return dataclasses.replace(piece, at=token.at)
        if self._take("abs"):
            return self._absolute(token)
        if token.kind == "number":
            self._place += 1
            number = _literal(token)
            return _Piece(False, lambda _: number, token.at)
        if token.kind == "name" and token.text in NAMES:
            self._place += 1
            self._names.add(token.text)
            return _Piece(False, operator.itemgetter(token.text), token.at)
        raise _unexpected(token)

    def _absolute(self, word: _Token) -> _Piece:
        opening = self._next
        if not self._take("("):
            raise _fault(_NOT_OPENED, opening)
        work = _number(self._inside(self._either), "abs")
        self._close(opening)
        return _Piece(False, lambda values: abs(work(values)), word.at)

    def _close(self, opening: _Token) -> None:
        if not self._take(")"):
            if self._next.kind == "end":
                raise _fault(_NOT_CLOSED, opening)
            raise _unexpected(self._next)

    def _inside(self, part: Callable[[], _Piece]) -> _Piece:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _fault(f"is nested more than {_DEEPEST} deep", self._next)
        piece = part()
        self._depth -= 1
        return piece

    @property
    def _next(self) -> _Token:
        return self._tokens[self._place]

    def _take(self, *texts: str) -> str:
        """Go on if one of *texts* comes next; return which."""
        token = self._next
        if token.kind in ("name", "sign") and token.text in texts:
            self._place += 1
            return token.text
        return ""


def _truth(piece: _Piece, word: str) -> Truth:
    if not piece.is_truth:
        raise ValueError(f"wants a comparison beside {word!r}, not a number{_place(piece.at)}")
    return piece.work


def _number(piece: _Piece, word: str) -> _Number:
    if piece.is_truth:
        raise ValueError(f"wants a number beside {word!r}, not a comparison{_place(piece.at)}")
    return piece.work


def _folded(first: _Number, links: Sequence[_Link]) -> _Number:
    def work(values: Values) -> Decimal:
        number = first(values)
        for operation, other in links:
            number = operation(number, other(values))
        return number

    return work


def _chain(first: _Number, links: Sequence[_Link]) -> Truth:
    def work(values: Values) -> bool:
        left = first(values)
        for operation, other in links:
            right = other(values)
            if not operation(left, right):
                return False
            left = right
        return True

    return work


def _divided(left: Decimal, right: Decimal) -> Decimal:
    if not right:
        raise DividedByZeroError(_BY_ZERO)
    return left / right


_BY_ZERO = "divides by zero"
_COMPARISONS: Mapping[str, _Operation] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_SUMS: Mapping[str, _Operation] = {"+": operator.add, "-": operator.sub}
_PRODUCTS: Mapping[str, _Operation] = {"*": operator.mul, "/": _divided}

# --- tokens -------------------------------------------------------------------------------

_TOKEN = re.compile(
    r"(?P<number>\.?[0-9](?:[eE][+-](?=[0-9])|[A-Za-z0-9_.])*)"
    r"|(?P<name>[A-Za-z_][A-Za-z_0-9]*)|(?P<sign><=|>=|==|!=|[-+*/()<>])|(?P<odd>[^ \t\r\n])",
    re.ASCII,
)
_LITERAL = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE]([+-]?[0-9]{1,2}))?", re.ASCII)


def _tokens(text: str) -> Iterator[_Token]:
    for found in _TOKEN.finditer(text):
        yield _Token(str(found.lastgroup), found[0], found.start() + 1)
    yield _Token("end", "", len(text) + 1)


def _literal(token: _Token) -> Decimal:
    found = _LITERAL.fullmatch(token.text)
    if found is None:
        raise _fault(f"has {token.text[:40]!r}, which is no number", token)
    if len(found[1]) > _MOST_DIGITS:
        raise _fault(f"has a number of more than {_MOST_DIGITS} digits", token)
    return Decimal(token.text)


_EMPTY = "is empty"
_NO_CONDITION = "is a number and no condition: compare it, such as value >= 0.99"
_SAYS_NOTHING = "says nothing about what is measured: name value, or count, min, max, sum, mean"
_NOT_OPENED = "has abs without parentheses after it"
_NOT_CLOSED = "has a parenthesis that is not closed"


def _unexpected(token: _Token) -> ValueError:
    known, text = (*NAMES, *_WORDS), token.text[:40]
    if token.kind == "end":
        return _fault("ends where something is missing", token)
    if text in _ADVICE:
        return _fault(f"cannot have {text!r}: {_ADVICE[text]}", token)
    if token.kind == "name" and text not in known:
        if text.lower() in known:
            return _fault(f"has {text!r} in capitals: write {text.lower()}", token)
        return _fault(f"has an unknown name {text!r}: there are {', '.join(NAMES)}", token)
    return _fault(f"cannot have {text!r} there", token)


_ADVICE = {
    "=": "write == to compare",
    "&": "write and",
    "|": "write or",
    "!": "write not",
    "%": "write a share as a decimal, such as 0.99",
    "[": "write value, min, max, sum or mean",
    "^": "there are no powers",
}


def _fault(what: str, token: _Token) -> ValueError:
    return ValueError(f"{what}{_place(token.at)}")


def _place(at: int) -> str:
    return f" (at character {at})"
