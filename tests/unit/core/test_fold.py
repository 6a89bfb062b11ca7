"""The fold: messages and orders into facts, whatever order they come in."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.core.facts import RECENT_ORDERS, Facts
from chalicelib.core.features import describe
from chalicelib.core.fold import fold, merge_facts, recount
from chalicelib.core.messages import parse_message
from chalicelib.core.orders import Amount, OrderState, cancel_order, refund_order, update_order
from chalicelib.core.subject import customer, guest
from tests.makers import NOW, identify, order_event, track

ANN, VISITOR = Facts(customer("c-1")), Facts(guest("g-1"))


def order(nth: int, *, at: int | None = None, currency: str = "USD") -> OrderState:
    """The nth order, placed at its number unless said otherwise."""
    amount = Amount(nth if at is None else at, 100 + nth, currency)
    return OrderState(f"o-{nth}", "c#c-1", completed=amount)


def counting(orders: Iterable[OrderState], *, into: Facts = ANN) -> Facts:
    """Facts that count these orders."""
    return reduce(lambda facts, each: recount(facts, before=None, after=each), orders, into)


def shuffled(count: int, seed: int) -> list[int]:
    """The numbers below ``count`` in some order."""
    numbers = list(range(count))
    Random(seed).shuffle(numbers)  # noqa: S311
    return numbers


@pytest.mark.parametrize(
    ("raw", "field", "value"),
    [
        (track("Product Viewed", user="c-1", sku="MUG"), "last_product", (NOW, "MUG")),
        (track("Checkout Started", user="c-1"), "last_checkout_at", NOW),
        (order_event("Order Completed", "o-1", total=1, user="c-1"), "last_completed_at", NOW),
        (order_event("Order Cancelled", "o-1", user="c-1"), "last_completed_at", None),
        (identify(user="c-1"), "last_checkout_at", None),
    ],
)
def test_a_message_leaves_its_own_trace(raw: dict[str, object], field: str, value: object) -> None:
    """Every message says that the customer was here, and some say more."""
    message = parse_message(raw, now=NOW, default_currency="USD")

    facts = fold(ANN, message)

    assert facts.last_seen_at == NOW
    assert getattr(facts, field) == value
    assert fold(facts, message) == facts


@given(st.permutations(range(5)))
def test_the_latest_of_each_kind_stands(arrival: list[int]) -> None:
    """Moments join by maximum, and of two products at one moment the greater name stands."""
    raws = [
        track("Product Viewed", user="c-1", sku="MUG", at=NOW - 9),
        track("Product Viewed", user="c-1", sku="TEA", at=NOW - 9),
        track("Checkout Started", user="c-1", at=NOW - 8),
        track("Checkout Started", user="c-1", at=NOW - 20),
        track("Song Played", user="c-1", at=NOW - 30),
    ]
    messages = [parse_message(raws[nth], now=NOW, default_currency="USD") for nth in arrival]

    facts = reduce(fold, messages, ANN)

    assert facts.last_product == (NOW - 9, "TEA")
    assert (facts.last_checkout_at, facts.last_seen_at) == (NOW - 8, NOW - 8)


@settings(max_examples=100)
@given(st.integers(0, 3 * RECENT_ORDERS), st.integers(0, 2**32))
def test_orders_count_the_same_in_any_order(count: int, seed: int) -> None:
    """However many there are, the latest are known one by one and the others as sums."""
    arrived = counting(order(nth) for nth in shuffled(count, seed))

    assert arrived == counting(order(nth) for nth in range(count))
    assert arrived.order_count == count
    assert [o.at for o in arrived.recent] == list(range(count))[-RECENT_ORDERS:]
    older = range(max(0, count - RECENT_ORDERS))
    assert arrived.older_amounts_minor == ({"USD": sum(100 + n for n in older)} if older else {})
    assert arrived.older_first_at == (0 if older else None)


@settings(max_examples=100)
@given(st.integers(1, 60), st.integers(0, 2**32))
def test_corrected_amounts_are_exact_however_old_the_order(count: int, seed: int) -> None:
    """Updated and refunded orders, recent or older, count as if that had been said at once."""
    corrected = {
        nth: update_order(refund_order(order(nth), 7, message_id="m"), Amount(99, 50 + nth, "USD"))
        for nth in shuffled(count, seed)[: count // 2]
    }
    facts = counting(order(nth) for nth in range(count))

    for nth, state in corrected.items():
        facts = recount(facts, before=order(nth), after=state)

    assert facts == counting(corrected.get(nth, order(nth)) for nth in range(count))


@settings(max_examples=100)
@given(st.integers(1, RECENT_ORDERS), st.integers(0, 2**32), st.integers(0, 2**32))
def test_cancelled_orders_are_gone_without_a_trace(count: int, seed: int, other: int) -> None:
    """With up to RECENT_ORDERS orders, cancelling some is as if they had never been."""
    gone = set(shuffled(count, seed)[: count // 2])
    facts = counting(order(nth) for nth in shuffled(count, other))

    for nth in gone:
        facts = recount(facts, before=order(nth), after=cancel_order(order(nth), 99))

    assert facts == counting(order(nth) for nth in range(count) if nth not in gone)


@settings(max_examples=100)
@given(st.integers(RECENT_ORDERS + 1, 80), st.integers(0, 2**32))
def test_the_bound_beyond_that_is_what_the_facts_promise(count: int, seed: int) -> None:
    """Cancelling older orders keeps number, amounts and the last date; the first date may stay."""
    gone = set(shuffled(count, seed)[: RECENT_ORDERS - 1])
    kept = [nth for nth in range(count) if nth not in gone]
    facts = counting(order(nth) for nth in range(count))

    for nth in gone:
        facts = recount(facts, before=order(nth), after=cancel_order(order(nth), 99))

    exact = counting(order(nth) for nth in kept)
    assert facts.order_count == exact.order_count
    ours, theirs = (describe(f, as_of=1000, currency="USD") for f in (facts, exact))
    assert (ours.frequency, ours.monetary_minor) == (theirs.frequency, theirs.monetary_minor)
    assert facts.last_order_at == kept[-1]
    assert facts.first_order_at in (0, kept[0])


def test_an_order_that_moves_to_an_earlier_date_is_counted_there() -> None:
    """A second message may say that the order was placed earlier than first said."""
    facts = counting([order(5), order(6)])

    moved = recount(facts, before=order(6), after=order(6, at=4))

    assert [o.at for o in moved.recent] == [4, 5]


def test_nothing_is_uncounted_that_was_never_counted() -> None:
    """A correction of an order that a profile does not hold takes nothing away from it."""
    facts = counting([order(1)])

    assert recount(facts, before=order(2), after=cancel_order(order(2), 9)) == facts
    assert recount(facts, before=order(2), after=order(2)) == counting([order(1), order(2)])


def test_an_order_counts_in_its_own_currency() -> None:
    """Sums are kept apart, and a currency without orders leaves no zero behind."""
    mixed = counting(order(nth, currency="EUR" if nth % 2 else "USD") for nth in range(36))

    assert mixed.older_counts == {"USD": 2, "EUR": 2}
    for nth in (0, 2):
        before = order(nth)
        mixed = recount(mixed, before=before, after=cancel_order(before, 9))
    assert mixed.older_counts == {"EUR": 2}
    assert mixed.older_amounts_minor == {"EUR": 204}


def test_the_last_older_order_takes_the_sums_with_it() -> None:
    """Without older orders there is no first date among them either."""
    facts = counting(order(nth) for nth in range(RECENT_ORDERS + 1))

    facts = recount(facts, before=order(0), after=cancel_order(order(0), 99))

    assert facts == counting(order(nth) for nth in range(1, RECENT_ORDERS + 1))


@settings(max_examples=100)
@given(st.integers(0, 100), st.integers(0, 2**32), st.integers(0, 100))
def test_a_merge_is_as_if_there_had_never_been_a_guest(count: int, seed: int, split: int) -> None:
    """Orders of guest and customer, however many and however mixed, add up to one history."""
    numbers = shuffled(count, seed)
    theirs = counting((order(nth) for nth in numbers[:split]), into=VISITOR)
    ours = counting(order(nth) for nth in numbers[split:])

    assert merge_facts(ours, theirs) == counting(order(nth) for nth in range(count))


def test_a_merge_joins_behaviour_by_the_latest() -> None:
    """Moments of either, and of two products the later one; the guest's segment is forgotten."""
    say = [
        parse_message(raw, now=NOW, default_currency="USD")
        for raw in (
            track("Product Viewed", visitor="g-1", sku="MUG", at=NOW - 5),
            track("Checkout Started", visitor="g-1", at=NOW - 4),
        )
    ]
    visited = reduce(fold, say, VISITOR)

    merged = merge_facts(ANN, visited)

    assert merged.subject == ANN.subject
    assert merged.last_product == (NOW - 5, "MUG")
    assert (merged.last_checkout_at, merged.last_seen_at) == (NOW - 4, NOW - 4)
    assert merge_facts(merged, visited) == merged
    assert merge_facts(ANN, VISITOR) == ANN
