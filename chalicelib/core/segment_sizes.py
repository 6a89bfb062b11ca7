"""How many customers each segment had, night by night."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chalicelib.core.instants import DAY_SECONDS, format_instant

KEPT_SECONDS = 400 * DAY_SECONDS


@dataclass(frozen=True, slots=True)
class Sizes:
    """One night.

    Attributes:
        at: when the counting began.
        counts: customers and guests by segment, as far as the night has come.
        is_whole: whether every segment was counted.
    """

    at: int
    counts: Mapping[str, int] = field(default_factory=dict)
    is_whole: bool = False

    @property
    def total(self) -> int:
        """All who were counted."""
        return sum(self.counts.values())


def day_of(moment: int) -> str:
    """How storage names the night that a moment lies in: ``2026-11-27``."""
    return format_instant(moment)[:10]


def days_until(moment: int, *, days: int) -> list[str]:
    """The names of so many nights, the one of ``moment`` last."""
    return [day_of(moment - back * DAY_SECONDS) for back in reversed(range(days))]


def to_be_counted(segments: Sequence[str], past: Iterable[Sizes]) -> list[str]:
    """Segments that somebody may be in: those named now, and those that had anybody of late.

    A profile keeps the name that an earlier model gave it until it is looked at again.
    """
    left = {name for sizes in past for name, count in sizes.counts.items() if count}
    return [*segments, *sorted(left - set(segments))]


def sizes_to_json(sizes: Sizes) -> dict[str, Any]:
    """The stored form."""
    return {"at": sizes.at, "counts": dict(sizes.counts), "is_whole": sizes.is_whole}


def sizes_from_json(stored: Mapping[str, Any]) -> Sizes:
    """Undo ``sizes_to_json``."""
    return Sizes(stored["at"], stored["counts"], stored["is_whole"])
