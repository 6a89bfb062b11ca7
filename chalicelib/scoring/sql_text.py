"""How SQL writes numbers, texts, names and linear predictors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wording:
    """What is said in more than one way.

    Attributes:
        linear: an intercept and weights over columns.
        segment: the name of a segment as a value.
    """

    linear: Callable[[Sequence[float], Sequence[str]], str]
    segment: Callable[[str], str]


def anywhere() -> Wording:
    """What DuckDB, Spark and Trino all know."""
    return Wording(linear=_terms, segment=literal)


def duckdb_alone(segments: Sequence[str]) -> Wording:
    """What DuckDB alone knows, and is quicker with.

    One dot product of two lists is a third of the ten operations that it stands for, and a list
    that several ask for is made once. An ENUM is written to Parquet as a text, but its dictionary
    is known before.
    """
    kind = f"ENUM({', '.join(map(literal, segments))})"
    return Wording(linear=_dot, segment=lambda name: f"CAST({literal(name)} AS {kind})")


def _terms(weights: Sequence[float], columns: Sequence[str]) -> str:
    intercept, *slopes = weights
    terms = (f"{plus(slope)} * {column}" for slope, column in zip(slopes, columns, strict=True))
    return number(intercept) + "".join(terms)


def _dot(weights: Sequence[float], columns: Sequence[str]) -> str:
    listed = ", ".join(map(number, weights))
    return f"list_dot_product([1e0, {', '.join(columns)}], [{listed}])"


def number(value: float) -> str:
    """Write a double so that every dialect reads this very double, and none a decimal.

    >>> number(86_400), number(-0.1), number(1e-09)
    ('86400.0e0', '-0.1e0', '1e-09')
    """
    written = repr(float(value))
    return written if "e" in written else f"{written}e0"


def plus(value: float) -> str:
    """A value to be added to what stands before it."""
    return f" - {number(-value)}" if value < 0 else f" + {number(value)}"


def literal(value: str) -> str:
    """A text as SQL writes it."""
    return "'" + value.replace("'", "''") + "'"


def quoted(column: str) -> str:
    """A column by its name, whatever that holds."""
    return '"' + column.replace('"', '""') + '"'


def select_of(*columns: str, of: str) -> str:
    """A select, one column a line."""
    listed = ",\n  ".join(columns)
    return f"SELECT {listed}\nFROM {of}"


def nested(query: str) -> str:
    """A select to stand behind FROM."""
    return f"(\n{query}\n)"
