"""The account's rate and quota, counted for all workers together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.pace import (
    SLICE_MS,
    UNEVEN_MS,
    Full,
    Limits,
    Pace,
    pace_from_json,
    pace_to_json,
    take_slot,
)

NOW = 1_772_000_000
NOW_MS = NOW * 1_000
SLICE = NOW_MS // SLICE_MS


def run(moments_ms: list[int], limits: Limits) -> tuple[list[int], Pace]:
    """The moments at which a slot was granted, of those at which one was asked for."""
    pace, granted = Pace(), []
    for now_ms in moments_ms:
        slot = take_slot(pace, limits, now_ms=now_ms)
        if isinstance(slot, Pace):
            pace = slot
            granted.append(now_ms)
    return granted, pace


@given(
    st.lists(st.integers(min_value=0, max_value=6_000), max_size=200),
    st.integers(1, 9),
    st.integers(0, 10**6),
)
def test_no_second_holds_more_than_the_rate(offsets: list[int], rate: int, start: int) -> None:
    """Whoever asks when: any second, whenever it begins, stays under it, also if mails lag."""
    granted, _ = run([NOW_MS + start + each for each in sorted(offsets)], Limits(per_second=rate))

    for end in granted:
        assert sum(end - 1_000 - UNEVEN_MS < at <= end for at in granted) <= rate


@pytest.mark.parametrize("rate", [1, 2, 14, 90])
def test_who_asks_often_gets_nearly_all_of_the_rate(rate: int) -> None:
    """More than nine tenths of it, over a minute."""
    granted, _ = run(list(range(NOW_MS, NOW_MS + 60_000, 2)), Limits(per_second=rate))

    assert len(granted) >= 0.9 * rate * 60


def test_who_asks_often_gets_nearly_all_of_the_quota() -> None:
    """24 of 25 parts, over ten days."""
    moments = list(range(NOW_MS, NOW_MS + 10 * 86_400_000, 60_000))
    granted, _ = run(moments, Limits(per_day=500))

    assert len(granted) >= 0.9 * 500 * 10


@given(st.lists(st.integers(min_value=0, max_value=4 * 86_400), max_size=300), st.integers(1, 40))
def test_no_24_hours_hold_more_than_the_quota(offsets: list[int], quota: int) -> None:
    """Any 24 hours, not just calendar days."""
    granted, _ = run([NOW_MS + 1_000 * each for each in sorted(offsets)], Limits(per_day=quota))

    for end in granted:
        assert sum(end - 86_400_000 < at <= end for at in granted) <= quota


def test_it_says_when_there_is_a_slot_again() -> None:
    """The second in which the oldest mail leaves the window, or the hour in which mails do."""
    full = take_slot(Pace({SLICE: 2}), Limits(per_second=2), now_ms=NOW_MS)
    assert full == Full("rate", NOW + 2)  # 1,090 ms later, in whole seconds
    assert isinstance(take_slot(Pace({SLICE: 2}), Limits(2), now_ms=NOW_MS + 1_089), Full)
    assert isinstance(take_slot(Pace({SLICE: 2}), Limits(2), now_ms=NOW_MS + 1_090), Pace)

    pace = Pace({SLICE: 1}, {NOW // 3600 - 20: 5, NOW // 3600: 5})
    spent = take_slot(pace, Limits(per_day=10), now_ms=NOW_MS)
    assert isinstance(spent, Full)
    assert spent.reason == "quota"
    at_ms = spent.until * 1_000
    assert isinstance(take_slot(pace, Limits(per_day=10), now_ms=at_ms - 1), Full)
    assert isinstance(take_slot(pace, Limits(per_day=10), now_ms=at_ms), Pace)


@pytest.mark.parametrize("behind", [1, 300])
def test_a_clock_that_is_behind_gets_no_second_of_its_own(behind: int) -> None:
    """A worker five minutes late counts with the latest slot, not with a second long gone."""
    pace = Pace({SLICE: 2}, {NOW // 3600: 2})

    late = take_slot(pace, Limits(per_second=2), now_ms=NOW_MS - behind * 1_000)

    assert late == Full("rate", NOW + 2)


def test_a_pace_survives_storage() -> None:
    """What is stored comes back equal, and what no longer counts is forgotten."""
    pace = take_slot(Pace({1: 3}, {1: 9}), Limits(per_second=1), now_ms=NOW_MS)

    assert pace == Pace({SLICE: 1}, {NOW // 3600: 1})
    assert pace_from_json(pace_to_json(pace)) == pace


def test_what_was_counted_by_whole_seconds_keeps_its_hours() -> None:
    """An item from before slices: the quota goes on, the second begins anew."""
    stored = {"second": NOW, "in_second": 3, "by_hour": {str(NOW // 3600): 7}}

    assert pace_from_json(stored) == Pace({}, {NOW // 3600: 7})


@pytest.mark.parametrize(
    ("limits", "reason"), [(Limits(per_second=0), "rate"), (Limits(per_day=0), "quota")]
)
def test_a_limit_of_nothing_lets_nothing_through(limits: Limits, reason: str) -> None:
    """However long nobody sent anything."""
    full = take_slot(Pace(), limits, now_ms=NOW_MS)

    assert isinstance(full, Full)
    assert (full.reason, full.until > NOW) == (reason, True)


def test_without_limits_there_is_nothing_to_count() -> None:
    """A local stack has no quota."""
    assert not Limits().are_set
    assert Limits(per_day=1).are_set
