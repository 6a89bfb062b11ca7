"""DynamoDB's arithmetic: sizes, rounding, transactions, index entries."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.cost.units import (
    READ_UNIT_BYTES,
    WRITE_UNIT_BYTES,
    Index,
    index_units,
    item_bytes,
    read_units,
    save_units,
    stored_bytes,
    value_bytes,
    write_units,
)

SIZES = st.integers(min_value=0, max_value=400_000)
ITEMS = st.dictionaries(
    st.text(min_size=1, max_size=8), st.builds(lambda text: {"S": text}, st.text(max_size=40))
)
BY_OWNER = Index("by_owner", ("owned_by",), ("owned_by", "pk", "sk"))


def item(**attributes: str) -> dict[str, dict[str, str]]:
    """An item of strings."""
    return {name: {"S": value} for name, value in attributes.items()}


@given(SIZES)
def test_a_write_is_rounded_up_to_whole_kilobytes(size: int) -> None:
    """The units hold the item, one fewer would not, and nothing is less than one."""
    units = write_units(size)

    assert units >= 1
    assert units * WRITE_UNIT_BYTES >= size
    assert units == 1 or (units - 1) * WRITE_UNIT_BYTES < size


@given(SIZES)
def test_a_transaction_takes_every_unit_twice(size: int) -> None:
    """Rounding comes first, doubling afterwards."""
    assert write_units(size, transactional=True) == 2 * write_units(size)


@given(SIZES)
def test_a_read_is_rounded_up_to_four_kilobytes(size: int) -> None:
    """The same for reads; an eventually consistent one is half of it."""
    units = read_units(size)

    assert units * READ_UNIT_BYTES >= size
    assert units == 1 or (units - 1) * READ_UNIT_BYTES < size
    assert read_units(size, consistent=False) == units / 2


@given(SIZES, SIZES)
def test_a_larger_item_is_never_cheaper(one: int, other: int) -> None:
    """Units grow with size."""
    small, large = sorted((one, other))

    assert write_units(small) <= write_units(large)
    assert read_units(small) <= read_units(large)


@given(ITEMS, ITEMS)
def test_the_size_of_an_item_is_the_sum_of_its_attributes(
    one: dict[str, dict[str, str]], other: dict[str, dict[str, str]]
) -> None:
    """Attributes are counted each by itself, names included, in bytes of UTF-8."""
    rest = {name: value for name, value in other.items() if name not in one}

    assert item_bytes(one | rest) == item_bytes(one) + item_bytes(rest)
    assert item_bytes(one) == sum(len((n + v["S"]).encode()) for n, v in one.items())


@given(ITEMS, ITEMS)
def test_a_save_is_billed_by_the_larger_side(
    before: dict[str, dict[str, str]], after: dict[str, dict[str, str]]
) -> None:
    """An update that shrinks an item still pays for what stood there."""
    larger = max(item_bytes(before), item_bytes(after))

    assert save_units(before, after, transactional=False) == write_units(larger)


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ({"S": "Grüße"}, 7),
        ({"N": "1"}, 2),
        ({"N": "1795801078"}, 6),
        ({"N": "-12.50"}, 4),
        ({"N": "1000"}, 2),
        ({"B": base64.b64encode(b"12345").decode()}, 5),
        ({"B": b"12345"}, 5),
        ({"BOOL": True}, 1),
        ({"NULL": True}, 1),
        ({"SS": ["a", "bc"]}, 3),
        ({"L": [{"S": "ab"}, {"BOOL": True}]}, 8),
        ({"M": {"k": {"S": "v"}}}, 6),
    ],
)
def test_values_have_the_documented_sizes(value: dict[str, object], size: int) -> None:
    """Hand-counted: bytes of text, two digits a byte and one more, three for a list or a map."""
    assert value_bytes(value) == size


def test_an_unknown_type_is_refused() -> None:
    """A type whose size nobody has stated is an error and not nothing."""
    with pytest.raises(ValueError, match="type XX"):
        value_bytes({"XX": 1})


def test_an_index_entry_comes_changes_and_goes() -> None:
    """One unit to come or go, two to change its key, none when only other attributes change."""
    mine = item(pk="e#1", sk="effect", owned_by="c#1", body="a")
    changed = mine | item(body="b")
    moved = mine | item(owned_by="c#2")
    bare = item(pk="e#1", sk="effect", body="a")

    assert index_units(None, mine, [BY_OWNER]) == 1
    assert index_units(mine, changed, [BY_OWNER]) == 0
    assert index_units(mine, moved, [BY_OWNER]) == 2
    assert index_units(mine, bare, [BY_OWNER]) == 1
    assert index_units(None, bare, [BY_OWNER]) == 0
    assert index_units(mine, None, [BY_OWNER]) == 1


def test_storage_counts_overhead_for_the_item_and_every_entry() -> None:
    """A hundred bytes beside each, as AWS states it."""
    mine = item(pk="12", sk="34", owned_by="56")
    entry = item_bytes(mine)

    assert stored_bytes(mine, [BY_OWNER]) == 2 * (entry + 100)
    assert stored_bytes(mine, []) == entry + 100
    assert stored_bytes(None, [BY_OWNER]) == 0


def test_three_kilobytes_in_a_transaction_are_six_units() -> None:
    """AWS's own example on the pricing page."""
    assert write_units(3 * 1024, transactional=True) == 6
    assert write_units(3 * 1024) == 3
    assert read_units(8 * 1024) == 2
