"""How much an article is wanted: views and pieces sold, each counting half after a half-life.

What is kept is one pair of sums and the moment they are true at. The sum at moment t of events of
weight w at moments s is ``Σ w · 2^(-(t - s) / half_life)``, so it does not matter in which order,
or through how many hands, events are joined. Forrester's exponential smoothing is the same sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

# Far above any shop's; a sum beyond it would only be somebody's fault.
LARGEST_DEMAND = 1e12


class Demand(NamedTuple):
    """Decayed counts of one article, true at ``at`` (epoch seconds)."""

    views: float
    pieces: float
    at: int


def decayed(demand: Demand, *, at: int, half_life_seconds: float) -> Demand:
    """The same demand as it stands later; an earlier moment changes nothing.

    >>> decayed(Demand(8.0, 2.0, at=0), at=7200, half_life_seconds=3600)
    Demand(views=2.0, pieces=0.5, at=7200)
    """
    if at <= demand.at:
        return demand
    left = 0.5 ** ((at - demand.at) / half_life_seconds)
    return Demand(demand.views * left, demand.pieces * left, at)


def joined(ours: Demand | None, theirs: Demand, *, half_life_seconds: float) -> Demand:
    """Both together, at the later of their moments."""
    if ours is None:
        return theirs
    at = max(ours.at, theirs.at)
    mine = decayed(ours, at=at, half_life_seconds=half_life_seconds)
    other = decayed(theirs, at=at, half_life_seconds=half_life_seconds)
    return Demand(
        min(mine.views + other.views, LARGEST_DEMAND),
        min(mine.pieces + other.pieces, LARGEST_DEMAND),
        at,
    )


def demand_from_json(stored: Sequence[Any] | None) -> Demand | None:
    """A stored pair of sums back; it is stored as the list that a tuple becomes."""
    return None if stored is None else Demand(*stored)
