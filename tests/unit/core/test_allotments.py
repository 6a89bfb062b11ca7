"""Totals dealt out to shards: what is used never exceeds what was dealt, in any shard or in all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.allotments import (
    SHARDS,
    Allotment,
    allotment_from_json,
    allotment_to_json,
    deal_out,
    make_room,
    shard_of,
    shift,
)

totals = st.integers(0, 10_000)
takings = st.lists(st.tuples(st.integers(0, SHARDS - 1), st.integers(1, 900)), max_size=60)


def take(
    shards: dict[int, Allotment], home: int, amount: int, total: int
) -> dict[int, Allotment] | None:
    """Spend an amount from a shard; None when there is no room."""
    changed = make_room(shards, home=home, amount=amount, total=total)
    if isinstance(changed, str):
        assert changed == "exhausted"
        return None
    return shards | changed | {home: shift(changed[home], spent=amount)}


@given(total=totals, takings=takings)
def test_a_total_is_usable_to_the_end_and_no_further(
    total: int, takings: list[tuple[int, int]]
) -> None:
    """Whatever fits into the total is had, from any shard; whatever does not is refused."""
    shards, used = deal_out(total, {}), 0
    for home, amount in takings:
        taken = take(shards, home, amount, total)
        assert (taken is None) == (used + amount > total)
        if taken is not None:
            shards, used = taken, used + amount
        assert sum(shard.allotted for shard in shards.values()) == total
        assert sum(shard.used for shard in shards.values()) == used
        assert all(shard.used <= shard.allotted for shard in shards.values())


@given(total=totals, later=totals, takings=takings)
def test_another_total_is_dealt_out_anew(
    total: int, later: int, takings: list[tuple[int, int]]
) -> None:
    """What was used stays used; only what the new total has beyond it can be had."""
    shards = deal_out(total, {})
    for home, amount in takings:
        shards = take(shards, home, amount, total) or shards
    used = sum(shard.used for shard in shards.values())

    anew = deal_out(later, shards)

    assert sum(shard.used for shard in anew.values()) == used
    assert sum(shard.room for shard in anew.values()) == max(0, later - used)
    assert take(shards, 3, max(0, later - used) + 1, later) is None


def test_one_shard_answers_where_it_can() -> None:
    """With room in it nothing else need be read; otherwise, or before any is stored, all must."""
    shard = Allotment(160, 10)

    assert make_room({4: shard}, home=4, amount=10, total=160) == {4: shard}
    assert make_room({4: shard}, home=4, amount=11, total=160) == "look_at_all"
    assert make_room({4: shard}, home=4, amount=1, total=170) == "look_at_all"
    assert make_room({4: None}, home=4, amount=1, total=160) == "look_at_all"


def test_the_richest_give_half_of_what_they_have_left() -> None:
    """So a dry shard need not come back at once, and no more shards are written than must be."""
    shards = deal_out(160, {}) | {0: Allotment(160, 0), 5: Allotment(160, 20)}

    changed = make_room(shards, home=0, amount=1, total=160)

    assert changed == {0: Allotment(160, 10), 5: Allotment(160, 10)}


@pytest.mark.parametrize(
    "change", [{"held": 11}, {"spent": 11}, {"held": -1}, {"spent": -1}, {"held": 6, "spent": 5}]
)
def test_a_shard_gives_no_more_than_it_has(change: dict[str, int]) -> None:
    """And takes back no more than it gave."""
    with pytest.raises(ValueError, match="holds and spends what it has"):
        shift(Allotment(160, 10), **change)


def test_what_comes_back_ends_a_drought() -> None:
    """A shard that was marked as dry is asked again once something was given back to it."""
    assert shift(Allotment(160, 10, spent=10, dry_until=99), spent=-1).dry_until == 0


def test_shards_are_chosen_evenly_and_come_back_as_stored() -> None:
    """Every shard serves some; the stored form gives the same value back."""
    assert {shard_of("winback-10", f"c#{n}") for n in range(300)} == set(range(SHARDS))
    shard = Allotment(160, 10, 1, 2, 3)
    assert allotment_from_json(allotment_to_json(shard)) == shard
