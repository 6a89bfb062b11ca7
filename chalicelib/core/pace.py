"""How fast mails leave: under the account's rate per second, and its quota in 24 hours.

All workers share one count. A slot is taken before a mail is handed over and never given back: a
worker that dies with one has cost a slot, not a mail, so what is kept is always the limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

# Windows slide, counts do not: what begins a window is counted whole, and so one more is kept. A
# slot is taken just before a write and the post, which take one worker longer than another: a
# second is kept that much longer. That leaves nine tenths of the rate, and 24 of 25 parts of the
# quota.
SLICE_MS = 10
UNEVEN_MS = 80
SLICES_KEPT = (1_000 + UNEVEN_MS) // SLICE_MS + 1
HOUR_SECONDS = 3600
HOURS_KEPT = 24 + 1


@dataclass(frozen=True, slots=True)
class Limits:
    """What the account may send; None where nothing limits it.

    Attributes:
        per_second: mails in any second, whenever it begins.
        per_day: mails in any 24 hours.
    """

    per_second: int | None = None
    per_day: int | None = None

    @property
    def are_set(self) -> bool:
        """Whether there is anything to count."""
        return self.per_second is not None or self.per_day is not None


@dataclass(frozen=True, slots=True)
class Pace:
    """What was handed over of late.

    Attributes:
        by_slice: how many in each slice of the last second, slices since 1970-01-01T00:00:00Z.
        by_hour: how many in each hour, hours since then.
    """

    by_slice: Mapping[int, int] = field(default_factory=dict)
    by_hour: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Full:
    """There is no slot before ``until``, in epoch seconds."""

    reason: Literal["rate", "quota"]
    until: int


def take_slot(pace: Pace, limits: Limits, *, now_ms: int) -> Pace | Full:
    """Take a slot for one mail, or say when there may be one again.

    A worker whose clock is behind the latest slot counts with that slot's slice.
    """
    latest = max(now_ms // SLICE_MS, *pace.by_slice, 0)
    by_slice = {each: n for each, n in pace.by_slice.items() if each > latest - SLICES_KEPT}
    hour = latest * SLICE_MS // 1_000 // HOUR_SECONDS
    by_hour = {each: n for each, n in pace.by_hour.items() if each > hour - HOURS_KEPT}
    if limits.per_day is not None and sum(by_hour.values()) >= limits.per_day:
        oldest = min(by_hour, default=hour)
        return Full("quota", (oldest + HOURS_KEPT) * HOUR_SECONDS)
    if limits.per_second is not None and sum(by_slice.values()) >= limits.per_second:
        free_at = min(by_slice) + SLICES_KEPT if by_slice else latest + 1
        return Full("rate", -(-free_at * SLICE_MS // 1_000))
    return Pace(
        {**by_slice, latest: by_slice.get(latest, 0) + 1},
        {**by_hour, hour: by_hour.get(hour, 0) + 1},
    )


def pace_to_json(pace: Pace) -> dict[str, Any]:
    """The stored form."""
    return {
        "by_slice": {str(each): number for each, number in pace.by_slice.items()},
        "by_hour": {str(hour): number for hour, number in pace.by_hour.items()},
    }


def pace_from_json(stored: Mapping[str, Any]) -> Pace:
    """Undo ``pace_to_json``; what was counted by whole seconds is a second old soon enough."""
    return Pace(
        {int(each): number for each, number in stored.get("by_slice", {}).items()},
        {int(hour): number for hour, number in stored["by_hour"].items()},
    )
