"""Conditions of a policy: a small closed language over declared features, typed when it is read.

::

    segment in ['at_risk', 'hibernating'] and churn >= 0.6
    not known(churn) or 30 <= recency_days < 90
    'shoes' in cart_categories and cart_minor >= 5000

It is written like Python, whose parser reads it, and holds nothing but names of features, numbers,
texts, ``true`` and ``false``, comparisons, ``in``, ``and``, ``or``, ``not``, ``known(feature)``.
Nothing is ever evaluated as code. What is not known makes a comparison neither true nor false
(Kleene's three-valued logic), and a condition holds only where it is true.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

Values = Mapping[str, Any]
Test = Callable[[Values], bool | None]
Comparator = Literal["==", "!=", "<", "<=", ">", ">="]
_COMPARE: Mapping[Comparator, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class Compared:
    """A feature beside a constant."""

    feature: str
    comparator: Comparator
    constant: float | str | bool


@dataclass(frozen=True, slots=True)
class OneOf:
    """A feature among constants."""

    feature: str
    constants: tuple[float | str, ...]


@dataclass(frozen=True, slots=True)
class Contains:
    """A constant among the values of a feature that has several."""

    feature: str
    constant: str


@dataclass(frozen=True, slots=True)
class Known:
    """Whether a feature is known at all."""

    feature: str


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite; of the unknown, unknown."""

    part: Node


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part."""

    parts: tuple[Node, ...]


Node = Compared | OneOf | Contains | Known | Not | AllOf | AnyOf


@dataclass(frozen=True)
class Condition:
    """A condition that was read and typed.

    Attributes:
        text: as it was written.
        node: what it means.
    """

    text: str
    node: Node

    @cached_property
    def features(self) -> frozenset[str]:
        """The features that it names."""
        return frozenset(_features(self.node))

    @cached_property
    def parts(self) -> tuple[Condition, ...]:
        """What must hold, one by one, where parts are joined by ``and``; else itself."""
        if isinstance(self.node, AllOf):
            return tuple(Condition(self.text, part) for part in self.node.parts)
        return (self,)

    @cached_property
    def test(self) -> Test:
        """True, False, or None where it depends on what is not known."""
        return _compiled(self.node)

    def failed(self, values: Values) -> str | None:
        """Why it does not hold, as a reason code; None where it holds.

        The reason names the first part that does not hold, by its feature: ``churn_unknown`` where
        that is not known, else ``churn_not_met``.
        """
        for part in self.parts:
            outcome = part.test(values)
            if outcome is not True:
                name = next(_features(part.node))
                return f"{name}_unknown" if outcome is None else f"{name}_not_met"
        return None

    def constants_of(self, feature: str) -> frozenset[float | str | bool]:
        """The constants beside which a feature is put, such as the thresholds of a number."""
        return frozenset(_constants(self.node, feature))


def _features(node: Node) -> Iterator[str]:
    match node:
        case Not(part):
            yield from _features(part)
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from _features(part)
        case Compared() | OneOf() | Contains() | Known():
            yield node.feature


def _constants(node: Node, feature: str) -> Iterator[float | str | bool]:
    match node:
        case Not(part):
            yield from _constants(part, feature)
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from _constants(part, feature)
        case Compared() | Contains() if node.feature == feature:
            yield node.constant
        case OneOf() if node.feature == feature:
            yield from node.constants


def _compiled(node: Node) -> Test:
    """Closures, since a decision asks hundreds of conditions within microseconds."""
    match node:
        case Known(feature):
            return lambda values: values.get(feature) is not None
        case Compared(feature, comparator, constant):
            return _if_known(feature, _COMPARE[comparator], constant)
        case OneOf(feature, constants):
            return _if_known(feature, lambda value, among: value in among, frozenset(constants))
        case Contains(feature, constant):
            return _if_known(feature, lambda values, one: one in values, constant)
        case Not(part):
            return _negated(_compiled(part))
        case AllOf(parts):
            return _joined([_compiled(part) for part in parts], decisive=False)
        case AnyOf(parts):
            return _joined([_compiled(part) for part in parts], decisive=True)


def _if_known(feature: str, compare: Callable[[Any, Any], bool], constant: Any) -> Test:
    def test(values: Values) -> bool | None:
        value = values.get(feature)
        return None if value is None else compare(value, constant)

    return test


def _negated(part: Test) -> Test:
    def test(values: Values) -> bool | None:
        outcome = part(values)
        return None if outcome is None else not outcome

    return test


def _joined(parts: list[Test], *, decisive: bool) -> Test:
    """One part with the decisive outcome settles it; else the unknown stays unknown."""

    def test(values: Values) -> bool | None:
        outcome: bool | None = not decisive
        for part in parts:
            found = part(values)
            if found is decisive:
                return decisive
            if found is None:
                outcome = None
        return outcome

    return test
