"""The token bucket that holds a drop's writes to a rate, and the waits between its attempts."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.write_rate import MOST_AT_ONCE, MOST_ATTEMPTS, Bucket, full_jitter

_ASKED = st.lists(st.tuples(st.floats(0, 3), st.integers(1, MOST_AT_ONCE)), min_size=1, max_size=40)


@given(asked=_ASKED, per_second=st.floats(1, 5_000))
def test_no_span_of_time_holds_more_than_the_rate_and_one_transaction(
    asked: list[tuple[float, int]], per_second: float
) -> None:
    """Whoever asks when: between any two moments at most rate x time + 100 items are written."""
    bucket, now, written = Bucket(per_second), 0.0, []
    for pause, items in asked:
        now += pause
        bucket, wait_seconds = bucket.take(items, now_seconds=now)
        written.append((now + wait_seconds, items))

    for first in range(len(written)):
        for last in range(first, len(written)):
            span = written[last][0] - written[first][0]
            total = sum(items for _, items in written[first : last + 1])
            assert total <= MOST_AT_ONCE + per_second * span + 1e-6 * total


@given(asked=_ASKED, per_second=st.floats(1, 5_000))
def test_nobody_waits_longer_than_what_was_promised_before_takes(
    asked: list[tuple[float, int]], per_second: float
) -> None:
    """The rate is kept and not undercut; and who asked first writes first."""
    bucket, now, total, starts = Bucket(per_second), 0.0, 0, []
    for pause, items in asked:
        now += pause
        bucket, wait_seconds = bucket.take(items, now_seconds=now)
        total += items
        assert wait_seconds <= total / per_second + 1e-9
        starts.append(now + wait_seconds)

    assert all(later >= sooner - 1e-6 * (1 + sooner) for sooner, later in pairwise(starts))


def test_a_rest_is_worth_one_transaction_and_no_more() -> None:
    """An hour without writes lets a hundred items go at once, the next hundred in a second."""
    bucket, wait_seconds = Bucket(100, tokens=0).take(100, now_seconds=3_600)
    assert wait_seconds == 0

    _, wait_seconds = bucket.take(100, now_seconds=3_600)
    assert wait_seconds == 1


def test_a_clock_that_goes_back_gives_nothing_twice() -> None:
    """Time that was counted is not counted again."""
    bucket, _ = Bucket(10, tokens=0).take(10, now_seconds=1)
    bucket, wait_seconds = bucket.take(10, now_seconds=0)

    assert wait_seconds == 1
    assert bucket.at_seconds == 1


@pytest.mark.parametrize("attempt", range(1, 70))
def test_a_wait_is_any_moment_up_to_its_bound(attempt: int) -> None:
    """Nobody is made to wait for ever, and nobody must wait."""
    assert full_jitter(attempt, chance=0.0) == 0
    assert full_jitter(attempt, chance=1.0) <= 20
    assert full_jitter(attempt, chance=0.5) == full_jitter(attempt, chance=1.0) / 2


def test_all_attempts_together_are_short_against_a_function() -> None:
    """Giving up leaves the message time to come again."""
    longest = sum(full_jitter(attempt, chance=1.0) for attempt in range(1, MOST_ATTEMPTS))

    assert longest == pytest.approx(45.5)
