"""Floors of the figures: read from ``floors.toml``, and judged without measuring anything."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FLOORS = Path(__file__).with_name("floors.toml")
_KEYS = frozenset({"figure", "least", "most", "short", "why"})


class FloorsUnreadable(Exception):
    """A floor says something that is no floor."""


@dataclass(frozen=True, slots=True)
class Floor:
    """One bar.

    Attributes:
        figure: the figure's key, a point before a key within.
        bar: what it is held against.
        is_least: whether the figure must be at least so large, else at most.
        short: whether the short form measures it.
        why: what whoever breaks it should know.
    """

    figure: str
    bar: float
    is_least: bool
    short: bool
    why: str

    @property
    def says(self) -> str:
        """The bar in words."""
        return f"at {'least' if self.is_least else 'most'} {self.bar:g}"

    def holds(self, value: float) -> bool:
        """Whether a figure is on the right side; NaN is on none."""
        return value >= self.bar if self.is_least else value <= self.bar


@dataclass(frozen=True, slots=True)
class Breach:
    """A floor that does not hold, or that nothing was measured for."""

    floor: Floor
    value: float | None

    def __str__(self) -> str:
        """The figure, what it must be, and why."""
        found = "was not measured" if self.value is None else f"is {self.value:.4g}"
        return f"{self.floor.figure} {found}, must be {self.floor.says}: {self.floor.why}"


def read_floors(text: str) -> tuple[Floor, ...]:
    """Read floors; raises FloorsUnreadable naming the figure whose floor is none."""
    floors = []
    for entry in tomllib.loads(text)["floor"]:
        bars = [key for key in ("least", "most") if key in entry]
        if set(entry) - _KEYS or not {"figure", "why"} <= set(entry) or len(bars) != 1:
            raise FloorsUnreadable(f"{entry.get('figure')}: takes figure, why, and least or most")
        short = entry.get("short", True)
        floors.append(
            Floor(entry["figure"], entry[bars[0]], bars[0] == "least", short, entry["why"])
        )
    return tuple(floors)


def judge(figures: Mapping[str, Any], floors: Sequence[Floor], *, short: bool) -> Iterator[Breach]:
    """Every floor that does not hold; what was to be measured and was not is a breach too."""
    for floor in floors:
        value = _figure(figures, floor.figure)
        if value is None:
            if floor.short or not short:
                yield Breach(floor, None)
        elif not floor.holds(value):
            yield Breach(floor, value)


def left_out(figures: Mapping[str, Any], floors: Sequence[Floor]) -> list[str]:
    """The floors that the short form leaves to the long one, by figure."""
    return [
        floor.figure
        for floor in floors
        if not floor.short and _figure(figures, floor.figure) is None
    ]


def _figure(figures: Mapping[str, Any], name: str) -> float | None:
    value: Any = figures
    for key in name.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return None if value is None else float(value)
