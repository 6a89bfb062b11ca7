"""The account's rate and quota, counted for all workers together."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.pace import Full, Limits, Pace, pace_from_json, pace_to_json, take_slot

NOW = 1_772_000_000


def run(moments: list[int], limits: Limits) -> tuple[list[int], Pace]:
    """The moments at which a slot was granted, of those at which one was asked for."""
    pace, granted = Pace(), []
    for now in moments:
        slot = take_slot(pace, limits, now=now)
        if isinstance(slot, Pace):
            pace = slot
            granted.append(now)
    return granted, pace


@given(st.lists(st.integers(min_value=NOW, max_value=NOW + 20), max_size=200), st.integers(1, 9))
def test_no_second_holds_more_than_the_rate(moments: list[int], rate: int) -> None:
    """Whoever asks when: each second stays under the rate, and no slot is wasted in order."""
    granted, _ = run(sorted(moments), Limits(per_second=rate))

    assert all(count <= rate for count in Counter(granted).values())
    assert Counter(granted) == {s: min(n, rate) for s, n in Counter(moments).items()}


@given(st.lists(st.integers(min_value=0, max_value=4 * 86_400), max_size=300), st.integers(1, 40))
def test_no_24_hours_hold_more_than_the_quota(offsets: list[int], quota: int) -> None:
    """Any 24 hours, not just calendar days."""
    granted, _ = run([NOW + each for each in sorted(offsets)], Limits(per_day=quota))

    for end in granted:
        assert sum(end - 86_400 < at <= end for at in granted) <= quota


def test_it_says_when_there_is_a_slot_again() -> None:
    """The next second, or the hour in which the oldest mails leave the window."""
    full = take_slot(Pace(NOW, 2, {}), Limits(per_second=2), now=NOW)
    assert full == Full("rate", NOW + 1)

    pace = Pace(NOW, 1, {NOW // 3600 - 20: 5, NOW // 3600: 5})
    spent = take_slot(pace, Limits(per_day=10), now=NOW)
    assert isinstance(spent, Full)
    assert spent.reason == "quota"
    assert isinstance(take_slot(pace, Limits(per_day=10), now=spent.until - 1), Full)
    assert isinstance(take_slot(pace, Limits(per_day=10), now=spent.until), Pace)


@pytest.mark.parametrize("behind", [1, 300])
def test_a_clock_that_is_behind_gets_no_second_of_its_own(behind: int) -> None:
    """A worker five minutes late counts with the latest second, not with one long gone."""
    pace = Pace(NOW, 2, {NOW // 3600: 2})

    assert take_slot(pace, Limits(per_second=2), now=NOW - behind) == Full("rate", NOW + 1)


def test_a_pace_survives_storage() -> None:
    """What is stored comes back equal, and hours that no longer count are forgotten."""
    pace = take_slot(Pace(0, 0, {1: 9}), Limits(per_second=1), now=NOW)

    assert pace == Pace(NOW, 1, {NOW // 3600: 1})
    assert pace_from_json(pace_to_json(pace)) == pace


def test_without_limits_there_is_nothing_to_count() -> None:
    """A local stack has no quota."""
    assert not Limits().are_set
    assert Limits(per_day=1).are_set
