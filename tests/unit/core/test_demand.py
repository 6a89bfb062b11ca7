"""Demand decays by half in a half-life, and does not care in which order it was counted."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.demand import LARGEST_DEMAND, Demand, decayed, joined
from chalicelib.core.price_rules import Adjustment, DemandTerms

HOUR = 3600
EVENTS = st.lists(
    st.builds(
        Demand,
        views=st.floats(0, 1000),
        pieces=st.floats(0, 1000),
        at=st.integers(0, 30 * HOUR),
    ),
    min_size=1,
    max_size=12,
)


def total(events: list[Demand], *, half_life_seconds: int) -> Demand:
    """Everything joined, one after the other."""
    sum_of_all: Demand | None = None
    for each in events:
        sum_of_all = joined(sum_of_all, each, half_life_seconds=half_life_seconds)
    assert sum_of_all is not None
    return sum_of_all


@given(EVENTS, st.permutations(range(12)), st.integers(60, 100 * HOUR), st.integers(0, 40 * HOUR))
def test_the_order_of_counting_does_not_matter(
    events: list[Demand], order: list[int], half_life: int, later: int
) -> None:
    """Any order, any grouping: the sum is Σ w · 2^(-(t - s) / half-life) at every later moment."""
    shuffled = [events[number] for number in order if number < len(events)]
    middle = len(events) // 2
    halves = [part for part in (events[:middle], events[middle:]) if part]
    grouped = [total(part, half_life_seconds=half_life) for part in halves]
    now = max(each.at for each in events) + later
    views = sum(each.views * 0.5 ** ((now - each.at) / half_life) for each in events)
    pieces = sum(each.pieces * 0.5 ** ((now - each.at) / half_life) for each in events)

    for counted in (events, shuffled, grouped):
        joint = total(counted, half_life_seconds=half_life)
        found = decayed(joint, at=now, half_life_seconds=half_life)
        assert found.views == pytest.approx(views, rel=1e-9, abs=1e-9)
        assert found.pieces == pytest.approx(pieces, rel=1e-9, abs=1e-9)


def test_an_earlier_moment_does_not_raise_demand() -> None:
    """A message from a clock that is ahead counts as one of now."""
    ahead = Demand(4.0, 1.0, at=1000)

    assert decayed(ahead, at=400, half_life_seconds=60) == ahead


def test_demand_has_an_end() -> None:
    """However much is counted, the sum stays a number that prices can be made with."""
    most = Demand(LARGEST_DEMAND, LARGEST_DEMAND, 0)

    assert joined(most, most, half_life_seconds=60) == most


def test_the_longest_silence_leaves_nothing() -> None:
    """Years without a view are no error."""
    gone = decayed(Demand(1e12, 1.0, at=0), at=10**10, half_life_seconds=60)

    assert (gone.views, gone.pieces) == (0.0, 0.0)


def test_views_and_pieces_weigh_what_the_policy_says() -> None:
    """One half-life later: half of 1 × 100 views and 5 × 8 pieces."""
    terms = DemandTerms(half_life_minutes=60, view=1.0, piece=5.0)

    assert terms.level(Demand(100.0, 8.0, at=0), as_of=HOUR) == 70.0
    assert terms.level(None, as_of=HOUR) is None


@given(st.floats(), st.floats())
def test_whatever_was_counted_is_read_without_an_error(views: float, pieces: float) -> None:
    """What is no number meets no bound, and nothing raises."""
    terms = DemandTerms(half_life_minutes=1)
    any_demand = Adjustment(name="any", min_demand=0.0, discount_basis_points=1)

    level = terms.level(Demand(views, pieces, at=0), as_of=60)

    assert level is not None
    assert any_demand.holds(None, level) == (not math.isnan(level) and level >= 0)
