"""Orders: all messages about one add up, in any order and any number."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import reduce
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.core.canonical import canonical_json
from chalicelib.core.facts import CountedOrder
from chalicelib.core.orders import (
    Amount,
    OrderState,
    cancel_order,
    complete_order,
    order_from_json,
    order_mark,
    order_to_json,
    refund_order,
    update_order,
)

NEW = OrderState("o-1", "c#c-1")
Step = Callable[[OrderState], OrderState]


def completed(at: int, amount_minor: int = 3000, currency: str = "USD") -> Step:
    """The order was placed; the first message of several stays the source."""
    return lambda state: complete_order(state, Amount(at, amount_minor, currency), source="s")


def updated(at: int, amount_minor: int) -> Step:
    """The order is worth another amount."""
    return lambda state: update_order(state, Amount(at, amount_minor, "USD"))


def refunded(name: str, amount_minor: int | None, currency: str | None = None) -> Step:
    """Money went back."""
    return lambda state: refund_order(state, amount_minor, message_id=name, currency=currency)


def cancelled(at: int) -> Step:
    """The order does not count."""
    return lambda state: cancel_order(state, at)


def after(*steps: Step) -> OrderState:
    """The order once all of it was said."""
    return reduce(lambda state, step: step(state), steps, NEW)


_STEPS = [
    completed(10),
    completed(10, 2000),
    completed(5),
    completed(5, 3000, "EUR"),
    updated(11, 2500),
    updated(11, 2600),
    updated(3, 100),
    refunded("m-1", 500),
    refunded("m-2", 700, "USD"),
    refunded("m-3", 900, "EUR"),
    refunded("m-4", None),
    cancelled(12),
    cancelled(20),
]


@settings(max_examples=250)
@given(st.lists(st.sampled_from(_STEPS), max_size=8), st.integers(0, 2**32))
def test_what_is_said_of_an_order_joins_in_any_order(steps: list[Step], seed: int) -> None:
    """Shuffled and repeated messages give the same order."""
    arrival = [*steps, *steps]
    Random(seed).shuffle(arrival)  # noqa: S311

    assert after(*steps) == after(*arrival)


@given(st.lists(st.sampled_from(_STEPS), max_size=8))
def test_an_order_survives_storage(steps: list[Step]) -> None:
    """What is stored comes back equal."""
    state = after(*steps)

    assert order_from_json(json.loads(canonical_json(order_to_json(state)))) == state


@pytest.mark.parametrize(
    ("steps", "amount_minor"),
    [
        ([completed(1)], 3000),
        ([completed(1), updated(2, 2500)], 2500),
        ([completed(1), refunded("m-1", 1000), refunded("m-2", 500)], 1500),
        ([completed(1), refunded("m-1", 1000), refunded("m-1", 1000)], 2000),
        ([completed(1), refunded("m-1", 9000)], 0),
        ([completed(1), refunded("m-1", None)], 0),
        ([completed(1), refunded("m-1", None, "EUR")], 0),
        ([completed(1), refunded("m-1", 1000, "EUR")], 3000),
        ([completed(1), updated(2, 2500), refunded("m-1", 500, "USD")], 2000),
    ],
)
def test_an_order_is_worth_its_latest_amount_less_its_refunds(
    steps: list[Step], amount_minor: int
) -> None:
    """Refunds count once by their message, never below zero, and in the order's currency only."""
    assert after(*steps).counted == CountedOrder(1, order_mark("o-1"), amount_minor, "USD")


@pytest.mark.parametrize(
    "steps",
    [
        [],
        [updated(2, 2500)],
        [refunded("m-1", 1)],
        [cancelled(2)],
        [completed(1), cancelled(2)],
        [cancelled(2), completed(5)],
    ],
)
def test_an_order_counts_from_its_completion_until_it_is_cancelled(steps: list[Step]) -> None:
    """Corrections that come first wait; a cancelled order stays cancelled."""
    assert after(*steps).counted is None


def test_the_earliest_completion_says_when_and_which_message() -> None:
    """A client and a server that both report an order report one, placed at the earlier moment."""
    state = complete_order(NEW, Amount(10, 3000, "USD"), source="server")
    state = complete_order(state, Amount(9, 3000, "USD"), source="client")

    assert (state.completed, state.source) == (Amount(9, 3000, "USD"), "client")


def test_marks_tell_orders_apart() -> None:
    """A mark is short and stable."""
    assert order_mark("o-1") == order_mark("o-1") != order_mark("o-2")
    assert len(order_mark("o-1")) == 12
