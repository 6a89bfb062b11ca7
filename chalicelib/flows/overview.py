"""What the console opens on: the last hour, segments and budgets over the days, in one read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.core.budgets import Budget, Budgets
from chalicelib.core.instants import DAY_SECONDS, format_instant
from chalicelib.core.kinds import BUDGETS, ROLLUP, WATCHED
from chalicelib.core.policy import Policy
from chalicelib.core.ports import Store
from chalicelib.core.rollup import HOUR_SECONDS, SEPARATOR, Rollup, hour_of, name_of
from chalicelib.core.storage import Found, Key
from chalicelib.flows.activity import Activity, activity_keys, activity_of
from chalicelib.flows.budgets import budget_keys, budgets_of

DAYS = 28
HOURS = 24


@dataclass(frozen=True, slots=True)
class Overview:
    """How everything moves.

    Attributes:
        activity: the last hour by minute.
        hours: decisions by segment of each of the last ``HOURS`` hours that had any, by its beginning.
        days: customers who came by, by segment, of the last ``DAYS`` days that were looked through.
        budgets: how the deciding policy's budgets stand now.
        noted: how they stood in the nights, oldest first.
    """

    activity: Activity
    hours: Mapping[int, Mapping[str, int]]
    days: Mapping[str, Mapping[str, int]]
    budgets: tuple[Budget, ...]
    noted: tuple[Budgets, ...]


def read_overview(store: Store, *, policy: Policy, now: int) -> Overview:
    """Read all of it by key; raises Transient."""
    days, hours = _days(now), _hours(now)
    keys: list[Key[Any]] = [
        *activity_keys(now),
        *hours.values(),
        *map(WATCHED.key, days),
        *map(BUDGETS.key, days),
        *budget_keys(policy),
    ]
    found = store.read(keys, now=now)
    by_hour = {hour: by_segment(found.value(key)) for hour, key in hours.items()}
    return Overview(
        activity=activity_of(found, now),
        hours={hour: counts for hour, counts in by_hour.items() if counts},
        days=_watched(days, found),
        budgets=budgets_of(policy, found),
        noted=tuple(noted for day in days if (noted := found.value(BUDGETS.key(day))) is not None),
    )


def by_segment(rollup: Rollup | None) -> Mapping[str, int]:
    """The decisions of an hour by segment, over all placements."""
    counts: Counter[str] = Counter()
    for name, count in () if rollup is None else rollup.counts.items():
        what, *more = name.split(SEPARATOR)
        if what == "decisions":
            counts[more[-1]] += count
    return counts


def _watched(days: list[str], found: Found) -> Mapping[str, Mapping[str, int]]:
    known = ((day, found.value(WATCHED.key(day))) for day in days)
    return {day: watched.segments for day, watched in known if watched and watched.segments}


def _days(now: int) -> list[str]:
    """The last days by name, today among them."""
    return [format_instant(now - back * DAY_SECONDS)[:10] for back in range(DAYS - 1, -1, -1)]


def _hours(now: int) -> dict[int, Key[Rollup]]:
    first = hour_of(now) - (HOURS - 1) * HOUR_SECONDS
    hours = range(first, hour_of(now) + 1, HOUR_SECONDS)
    return {hour: ROLLUP.key(name_of(hour, "decisions")) for hour in hours}
