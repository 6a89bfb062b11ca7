"""Facts: small, stored and brought back whole, and true about first, last and open."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.canonical import canonical_json
from chalicelib.core.facts import (
    RECENT_ORDERS,
    CountedOrder,
    Facts,
    facts_from_json,
    facts_to_json,
)
from chalicelib.core.instants import Instant
from chalicelib.core.subject import customer, guest

_MOMENT = st.none() | st.integers(0, 2**31).map(Instant)
_FACTS = st.builds(
    Facts,
    subject=st.sampled_from([customer("c-1"), guest("g-1")]),
    recent=st.lists(
        st.builds(
            CountedOrder,
            st.integers(0, 2**31),
            st.just("50314b8e9bcf"),
            st.integers(0, 10**12),
            st.sampled_from(["USD", "JPY"]),
        ),
        max_size=2,
    ).map(tuple),
    last_seen_at=_MOMENT,
    last_product=st.none() | st.tuples(st.integers(0, 2**31), st.text(max_size=3)),
    segment=st.none() | st.just("at_risk"),
    review_at=_MOMENT,
    merged_into=st.none() | st.just("c-1"),
)


@given(_FACTS)
def test_facts_survive_storage(facts: Facts) -> None:
    """What is stored comes back equal."""
    assert facts_from_json(json.loads(canonical_json(facts_to_json(facts)))) == facts


def test_older_sums_survive_storage() -> None:
    """So do the sums of orders that are no longer known one by one."""
    facts = Facts(customer("c-1"), (), 2, {"USD": 5}, {"USD": 2}, Instant(7))

    assert facts_from_json(json.loads(canonical_json(facts_to_json(facts)))) == facts


def test_a_full_profile_stays_near_four_kilobytes() -> None:
    """However much a customer buys, their profile is small."""
    orders = tuple(
        CountedOrder(1_795_000_000 + n, f"{n:012x}", 10**12, "USD") for n in range(RECENT_ORDERS)
    )
    now = Instant(1_795_000_000)
    facts = Facts(
        customer("c" * 128), orders, 10**6, {"USD": 10**18}, {"USD": 10**6}, now, now, now, now,
        (now, "s" * 128), now, "hibernating", "cdnow-1.0.0", now,
    )  # fmt: skip

    assert len(canonical_json(facts_to_json(facts))) < 4096


def order_at(at: int) -> CountedOrder:
    """Any order at this moment."""
    return CountedOrder(at, "m", 1, "USD")


@pytest.mark.parametrize(
    ("recent", "older_first_at", "first", "last"),
    [
        ((), None, None, None),
        ((), 5, 5, 5),
        ((order_at(7), order_at(9)), None, 7, 9),
        ((order_at(7), order_at(9)), 5, 5, 9),
        ((order_at(7), order_at(9)), 8, 7, 9),
    ],
)
def test_first_and_last_order_are_found_among_recent_and_older(
    recent: tuple[CountedOrder, ...],
    older_first_at: int | None,
    first: int | None,
    last: int | None,
) -> None:
    """An older order may be the first one; the last one is recent while any recent one counts."""
    facts = Facts(
        customer("c-1"),
        recent,
        older_count=0 if older_first_at is None else 1,
        older_first_at=None if older_first_at is None else Instant(older_first_at),
    )

    assert (facts.first_order_at, facts.last_order_at) == (first, last)
    assert facts.order_count == facts.older_count + len(recent)


@pytest.mark.parametrize(
    ("checkout", "ordered", "completed", "open_at"),
    [
        (None, None, None, None),
        (5, None, None, 5),
        (5, 4, 4, 5),
        (5, 5, 5, None),
        (5, 6, None, None),  # ordered by a file row, which is no "Order Completed"
        (5, None, 6, None),  # the order was cancelled since
    ],
)
def test_a_checkout_is_open_until_an_order_closes_it(
    checkout: int | None, ordered: int | None, completed: int | None, open_at: int | None
) -> None:
    """An order at the same moment or later closes it, by whichever way it came."""
    facts = Facts(
        customer("c-1"),
        () if ordered is None else (order_at(ordered),),
        last_checkout_at=None if checkout is None else Instant(checkout),
        last_completed_at=None if completed is None else Instant(completed),
    )

    assert facts.open_checkout_at == open_at
