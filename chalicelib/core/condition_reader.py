"""Reading a condition: Python's own parser, a closed choice of what it may find, and the types."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.core.conditions import (
    AllOf,
    AnyOf,
    Comparator,
    Compared,
    Condition,
    Contains,
    Known,
    Node,
    Not,
    OneOf,
)
from chalicelib.core.declared import Declared, FeatureType

LONGEST_CONDITION = 1_000
DEEPEST_CONDITION = 32
_MIRRORED: Mapping[Comparator, Comparator] = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_OPERATORS: Mapping[type[ast.cmpop], Comparator] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}


class ConditionError(ValueError):
    """A condition that cannot be used; says what is wrong with it and what would be right."""


def parse_condition(text: str, declared: Mapping[str, Declared]) -> Condition:
    """Read and type a condition; raises ConditionError."""
    if len(text) > LONGEST_CONDITION:
        raise ConditionError(f"is longer than {LONGEST_CONDITION} characters")
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise ConditionError(
            "is no condition; write for instance: segment == 'at_risk' and churn >= 0.6"
        ) from None
    try:
        return Condition(text.strip(), _Reader(declared).read(tree.body))
    except RecursionError:  # of what is no condition, which an error would have to spell out
        raise ConditionError(f"is nested more than {DEEPEST_CONDITION} times") from None


@dataclass(frozen=True, slots=True)
class _Reader:
    declared: Mapping[str, Declared]

    def read(self, tree: ast.expr, depth: int = 0) -> Node:
        if depth > DEEPEST_CONDITION:
            raise ConditionError(f"is nested more than {DEEPEST_CONDITION} times")
        match tree:
            case ast.BoolOp(op=op, values=values):
                parts = tuple(self.read(value, depth + 1) for value in values)
                return AllOf(parts) if isinstance(op, ast.And) else AnyOf(parts)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return Not(self.read(operand, depth + 1))
            case ast.Compare():
                return self._comparison(tree)
            case ast.Name(id=name):
                self._feature(name, "flag")
                return Compared(name, "==", True)
            case ast.Call(func=ast.Name(id="known"), args=[ast.Name(id=name)], keywords=[]):
                self._feature(name)
                return Known(name)
            case _:
                raise ConditionError(
                    f"has a part that is no condition: {ast.unparse(tree)}; there are comparisons, "
                    "in, and, or, not and known(feature)"
                )

    def _comparison(self, tree: ast.Compare) -> Node:
        sides = [tree.left, *tree.comparators]
        parts = [
            self._pair(left, op, right)
            for left, op, right in zip(sides, tree.ops, sides[1:], strict=False)
        ]
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _pair(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> Node:
        if isinstance(op, ast.In | ast.NotIn):
            node = self._membership(left, right)
            return Not(node) if isinstance(op, ast.NotIn) else node
        comparator = _OPERATORS.get(type(op))
        if comparator is None:
            raise ConditionError("compares by identity; write == or !=")
        name, constant = self._name(left), right
        if name is None:
            name, constant = self._name(right), left
            comparator = _MIRRORED.get(comparator, comparator)
        if name is None:
            raise ConditionError(f"compares no feature: {ast.unparse(left)}, {ast.unparse(right)}")
        return self._compared(name, comparator, self._constant(constant))

    def _compared(self, name: str, comparator: Comparator, constant: float | str | bool) -> Node:
        declared = self._feature(name)
        if declared.type == "texts":
            raise ConditionError(f"{name} has several values; write: 'value' in {name}")
        self._typed(name, declared, constant)
        if declared.type != "number" and comparator not in ("==", "!="):
            raise ConditionError(f"{name} is a {declared.type}; it knows only == and !=")
        return Compared(name, comparator, constant)

    def _membership(self, left: ast.expr, right: ast.expr) -> Node:
        name = self._name(right)
        if name is not None:
            declared, constant = self._feature(name, "texts"), self._constant(left)
            self._typed(name, declared, constant)
            return Contains(name, str(constant))
        name = self._name(left)
        if name is None or not isinstance(right, ast.List | ast.Tuple) or not right.elts:
            raise ConditionError("asks for in without a feature and a list such as ['a', 'b']")
        declared = self._feature(name)
        if declared.type not in ("number", "text"):
            raise ConditionError(f"{name} is a {declared.type}, which is in no list")
        constants = tuple(self._constant(element) for element in right.elts)
        for constant in constants:
            self._typed(name, declared, constant)
        return OneOf(name, constants)

    def _feature(self, name: str, wanted: FeatureType | None = None) -> Declared:
        declared = self.declared.get(name)
        if declared is None:
            raise ConditionError(
                f"names the unknown feature {name}; known are {', '.join(sorted(self.declared))}"
            )
        if wanted is not None and declared.type != wanted:
            raise ConditionError(f"{name} is a {declared.type}, not a {wanted}")
        return declared

    def _name(self, tree: ast.expr) -> str | None:
        if isinstance(tree, ast.Name) and tree.id not in ("true", "false"):
            return tree.id
        return None

    def _constant(self, tree: ast.expr) -> float | str | bool:
        match tree:
            case ast.Name(id="true") | ast.Constant(value=True):
                return True
            case ast.Name(id="false") | ast.Constant(value=False):
                return False
            case ast.Constant(value=int() | float() | str() as value):
                return value if isinstance(value, str) else _finite(value)
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
                return -_finite(value)
            case _:
                raise ConditionError(f"compares with {ast.unparse(tree)}, which is no constant")

    def _typed(self, name: str, declared: Declared, constant: float | str | bool) -> None:
        kind = _kind(constant)
        wanted = "text" if declared.type == "texts" else declared.type
        if kind != wanted:
            raise ConditionError(f"{name} is a {wanted}, and {constant!r} is a {kind}")
        if declared.values is not None and constant not in declared.values:
            raise ConditionError(
                f"{name} is never {constant!r}; it is {', '.join(declared.values)}"
            )


def _finite(value: float) -> float:
    # 1e999 is read as infinity, beside which a comparison says nothing.
    if not -1e308 <= value <= 1e308:
        raise ConditionError("names a number that is not finite")
    return value


def _kind(constant: float | str | bool) -> FeatureType:
    if isinstance(constant, bool):
        return "flag"
    return "text" if isinstance(constant, str) else "number"
