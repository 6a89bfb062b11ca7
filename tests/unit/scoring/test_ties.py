from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.scoring.ties import nearest

DISTANCES = st.lists(st.floats(0, 1e6), min_size=1, max_size=10)


@given(DISTANCES)
def test_the_winner_is_as_near_as_the_nearest(distances: list[float]) -> None:
    """No centroid is nearer than the chosen one by the tie distance or more."""
    winner = nearest(distances, tie_distance=1e-9)

    assert distances[winner] - min(distances) < 1e-9


@given(DISTANCES)
def test_nothing_before_the_winner_is_as_near(distances: list[float]) -> None:
    """Every centroid before the chosen one is farther than the nearest by the tie distance."""
    winner = nearest(distances, tie_distance=1e-9)

    assert all(d - min(distances) >= 1e-9 for d in distances[:winner])


@pytest.mark.parametrize(
    ("distances", "winner"),
    [([1.0], 0), ([1.0, 1.0], 0), ([1.0, 1.0 - 1e-10], 0), ([1.0, 1.0 - 1e-8], 1), ([2, 1, 1], 1)],
)
def test_ties_go_to_the_lowest_index(distances: list[float], winner: int) -> None:
    """Closer than 1e-9 is a tie, farther is not."""
    assert nearest(distances, tie_distance=1e-9) == winner
