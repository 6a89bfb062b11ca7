"""Counts of an hour: added up, each batch once, bounded, and the same after storage."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.canonical import canonical_json
from chalicelib.core.rollup import (
    MOST_BATCHES,
    MOST_COUNTS,
    OTHER,
    Batch,
    Counted,
    Rollup,
    add,
    hour_of,
    name_of,
    names_of_day,
    rollup_from_json,
    rollup_to_json,
    total,
)
from tests.unit.core.situations import NOW

HOUR = name_of(hour_of(NOW), "decisions")


def counted(*numbers: int, name: str = "a") -> list[Counted]:
    """Records with these sequence numbers."""
    return [Counted(number, HOUR, (name,)) for number in numbers]


def taken(rollup: Rollup, *numbers: int, name: str = "a") -> Rollup:
    """A batch with these numbers, added."""
    return add(rollup, counted(*numbers, name=name), batch=Batch(numbers[0], numbers[-1]))


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4)), max_size=30),
)
def test_each_batch_counts_once_however_often_it_comes(
    batches: list[tuple[int, int]],
) -> None:
    """Ten batches, some of them again and in any order: every record that came counts once."""
    rollup = Rollup()
    for place, more in batches:
        rollup = taken(rollup, *range(place * 10, place * 10 + more + 1))

    longest = {place: 0 for place, _ in batches}
    for place, more in batches:
        longest[place] = max(longest[place], more + 1)
    assert sum(rollup.counts.values()) == sum(longest.values())


def test_a_batch_of_before_is_the_same_rollup() -> None:
    """So that nothing has to be written."""
    rollup = taken(Rollup(), 1, 2, 3)

    assert taken(rollup, 1, 2, 3) is rollup
    assert taken(rollup, 1, 2) is rollup


def test_batches_of_other_shards_do_not_push_one_out_at_once() -> None:
    """Each shard's last batch is remembered while up to ``MOST_BATCHES`` take turns."""
    rollup = taken(Rollup(), 1)
    for shard in range(1, MOST_BATCHES):
        rollup = taken(rollup, shard * 100)

    assert taken(rollup, 1) is rollup
    assert len(taken(rollup, 9_999).batches) == MOST_BATCHES


def test_what_is_beyond_the_bound_is_counted_together() -> None:
    """An item stays small; the sum stays right."""
    rollup = Rollup()
    for number in range(MOST_COUNTS + 10):
        rollup = taken(rollup, number, name=f"n-{number}")

    assert len(rollup.counts) == MOST_COUNTS + 1
    assert rollup.counts[OTHER] == 10


def test_storage_gives_the_same_back() -> None:
    """Sequence numbers of 24 digits among it."""
    rollup = taken(taken(Rollup(), 10**23 + 7, 10**23 + 9), 3)

    stored = json.loads(canonical_json(rollup_to_json(rollup)))

    assert rollup_from_json(stored) == rollup


def test_hours_join() -> None:
    """A day is the sum of its hours, each of the three streams by itself."""
    assert total([taken(Rollup(), 1), taken(Rollup(), 1, 2), taken(Rollup(), 5, name="b")]) == {
        "a": 3,
        "b": 1,
    }
    names = names_of_day(HOUR[:10])
    assert len(set(names)) == 72
    assert HOUR in names
