"""What the parts of a divided drop tell each other, and how many parts there are."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.files.census import Census
from chalicelib.files.cutting import Head
from chalicelib.flows.big_documents import (
    BigPlan,
    BigRange,
    Joined,
    PartDone,
    done_from_json,
    done_json,
    joined_from_json,
    joined_json,
    plan_from_json,
    plan_json,
)
from chalicelib.flows.big_done import done_key, read_done
from chalicelib.flows.big_end import told
from chalicelib.flows.big_places import Places
from chalicelib.flows.big_sizes import MOST_PARTITIONS, MOST_RANGE_BYTES, Sizes
from chalicelib.flows.drop_manifest import ResultFile
from chalicelib.flows.drop_report import Tally

PLACES = Places("d" * 32)
PLAN = BigPlan(
    kind="orders",
    as_of=7,
    ranges=tuple(BigRange(n, n * 10, n * 10 + 10, n, 3) for n in range(1, 4)),
    partitions=2,
    head=Head(b"\xefa,b\n", 2, "latin-1"),
    recut=False,
    size_bytes=99,
)


@pytest.mark.parametrize("head", [PLAN.head, None])
def test_a_plan_comes_back_as_it_was(head: Head | None) -> None:
    """Bytes of the header and all."""
    plan = BigPlan("orders", 7, PLAN.ranges, 2, head, head is None, 99)

    assert plan_from_json(plan_json(plan)) == plan


def test_what_came_of_a_part_comes_back_as_it_was() -> None:
    """Counters, census and files; an empty one too."""
    done = PartDone(
        3,
        Tally(records=5, unscored=Counter(no_orders=2), effects=Counter(mail=1), per_record=True),
        Census(("a", "b"), 5, 4, (4, 0)),
        (ResultFile("scores/part-00003.csv", 2, 90, "ab"),),
        rejects=True,
        rows=((0, 4), (4, 9)),
        moments=("ordered_at",),
        refused="file: is empty",
    )

    for one in (done, PartDone(1)):
        found = done_from_json(done_json(one))
        assert found.tally == one.tally
        assert [tuple(each) for each in found.rows] == list(one.rows)
        assert (found.census, found.files, found.moments) == (one.census, one.files, one.moments)
        assert (found.number, found.rejects, found.refused) == (
            one.number,
            one.rejects,
            one.refused,
        )


def test_what_the_ranges_have_in_common_comes_back_as_it_was() -> None:
    """Numbers are keys, which JSON makes texts of."""
    joined = Joined({1: 0, 2: 4}, ("a",), {1: ("a",)}, {1: ((0, 1),)}, {}, ("at",), None)

    found = joined_from_json(joined_json(joined))

    assert (found.before, found.fields, found.moments) == ({1: 0, 2: 4}, ("a",), ("at",))
    assert found.rows[1][0] == [0, 1]  # type: ignore[comparison-overlap]


def test_a_listing_alone_tells_what_is_done_and_of_how_many_records() -> None:
    """What is no marker is passed by, and a part counts once though two workers left a marker."""
    keys = [
        done_key(PLACES, "ranges", 1, Tally(records=10, rejected=1)),
        done_key(PLACES, "ranges", 3, Tally(records=20)),
        done_key(PLACES, "ranges", 3, Tally(records=21)),
        done_key(PLACES, "partitions", 2, Tally(folded=7, duplicate=2, rejected=1)),
        f"{PLACES.done}ranges/notes.txt",
    ]

    done = read_done(PLACES, keys)

    assert done.missing(PLAN) == {"ranges": [2], "contests": [1, 2], "partitions": [1]}
    assert done.progress(PLAN) == {
        "records": 30,
        "folded": 7,
        "duplicate": 2,
        "rejected": 2,
        "ranges": 3,
        "ranges_done": 2,
        "partitions": 2,
        "partitions_done": 1,
    }


def test_the_first_of_many_missing_parts_are_named() -> None:
    """A reason has to stay readable; the summary names all."""
    assert told({"ranges": [2], "partitions": [5, 6]}) == ["range 2", "partition 5", "partition 6"]
    assert told({"ranges": list(range(1, 101))})[-2:] == ["range 20", "80 more"]


@given(size=st.integers(1, 10**13), above=st.integers(1, 10**9))
def test_parts_are_many_but_never_tiny_nor_huge(size: int, above: int) -> None:
    """A few hundred ranges, until they would be too long for a disk; partitions are bounded."""
    sizes = Sizes(above)

    assert sizes.part_bytes <= sizes.range_bytes(size)
    assert sizes.range_bytes(size) <= max(MOST_RANGE_BYTES, sizes.part_bytes)
    assert 1 <= sizes.partitions(size) <= MOST_PARTITIONS


def test_300_mb_are_at_least_thirty_ranges() -> None:
    """With the threshold that a stage has unless somebody sets another."""
    assert 300_000_000 // Sizes().range_bytes(300_000_000) >= 30
