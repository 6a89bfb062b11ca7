"""How fast mails leave: under the account's rate per second, and its quota in 24 hours.

All workers share one count. A slot is taken before a mail is handed over and never given back: a
worker that dies with one has cost a slot, not a mail, so what is kept is always the limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

HOUR_SECONDS = 3600
# The hour that begins a window of 24 hours is counted whole, so up to 25 of them are kept.
HOURS_KEPT = 25


@dataclass(frozen=True, slots=True)
class Limits:
    """What the account may send; None where nothing limits it.

    Attributes:
        per_second: mails in one second.
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
        second: the latest second in which a slot was taken, in epoch seconds.
        in_second: how many in that second.
        by_hour: how many in each hour, hours since 1970-01-01T00:00:00Z.
    """

    second: int = 0
    in_second: int = 0
    by_hour: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Full:
    """There is no slot before ``until``."""

    reason: Literal["rate", "quota"]
    until: int


def take_slot(pace: Pace, limits: Limits, *, now: int) -> Pace | Full:
    """Take a slot for one mail, or say when there may be one again.

    A worker whose clock is behind the latest slot counts with that slot's second.
    """
    second = max(now, pace.second)
    in_second = pace.in_second if second == pace.second else 0
    hour = second // HOUR_SECONDS
    by_hour = {each: n for each, n in pace.by_hour.items() if each > hour - HOURS_KEPT}
    if limits.per_day is not None and sum(by_hour.values()) >= limits.per_day:
        oldest = min(by_hour, default=hour)
        return Full("quota", (oldest + HOURS_KEPT) * HOUR_SECONDS)
    if limits.per_second is not None and in_second >= limits.per_second:
        return Full("rate", second + 1)
    return Pace(second, in_second + 1, {**by_hour, hour: by_hour.get(hour, 0) + 1})


def pace_to_json(pace: Pace) -> dict[str, Any]:
    """The stored form."""
    return {
        "second": pace.second,
        "in_second": pace.in_second,
        "by_hour": {str(hour): number for hour, number in pace.by_hour.items()},
    }


def pace_from_json(stored: Mapping[str, Any]) -> Pace:
    """Undo ``pace_to_json``."""
    by_hour = {int(hour): number for hour, number in stored["by_hour"].items()}
    return Pace(stored["second"], stored["in_second"], by_hour)
