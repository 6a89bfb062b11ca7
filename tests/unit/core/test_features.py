"""Features: what the model sees of a customer at one moment, and nothing after it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.facts import CountedOrder, Facts
from chalicelib.core.features import FEATURE_NAMES, NO_FEATURES, Features, describe, main_currency
from chalicelib.core.fold import recount
from chalicelib.core.instants import DAY_SECONDS, Instant
from chalicelib.core.orders import Amount, OrderState
from chalicelib.core.subject import customer

NOBODY = Facts(customer("c-1"))


def facts_of(*orders: tuple[int, int, str]) -> Facts:
    """Facts of orders given as (day, minor units, currency)."""
    facts = NOBODY
    for nth, (day, amount_minor, currency) in enumerate(orders):
        amount = Amount(day * DAY_SECONDS, amount_minor, currency)
        order = OrderState(f"o-{nth}", facts.subject.key, completed=amount)
        facts = recount(facts, before=None, after=order)
    return facts


def described(facts: Facts, *, day: float) -> Features:
    """The features at a day, in US dollars."""
    return describe(facts, as_of=int(day * DAY_SECONDS), currency="USD")


def test_features_are_days_counts_and_mean_values() -> None:
    """Recency, frequency, monetary value, tenure and gap of three orders."""
    facts = facts_of((0, 1000, "USD"), (10, 2000, "USD"), (30, 3000, "USD"))

    assert described(facts, day=40.5) == Features(10.5, 3.0, 2000.0, 40.5, 15.0)


def test_one_order_has_no_gap() -> None:
    """What is not known is missing, not zero."""
    assert described(facts_of((0, 1000, "USD")), day=2) == Features(2.0, 1.0, 1000.0, 2.0, None)


@pytest.mark.parametrize("facts", [NOBODY, facts_of((5, 1000, "USD"))])
def test_before_the_first_order_only_the_count_is_known(facts: Facts) -> None:
    """Nobody has recency before they bought."""
    assert described(facts, day=4) == Features(frequency=0.0)


def test_orders_after_the_moment_do_not_exist_yet() -> None:
    """A description of the past does not know the future."""
    early, later = (0, 1000, "USD"), (10, 5000, "USD")

    assert described(facts_of(early, later), day=9) == described(facts_of(early), day=9)


def test_only_orders_in_the_models_currency_have_a_value() -> None:
    """Nothing is converted; an order in another currency counts and has no value."""
    mixed = facts_of((0, 1000, "USD"), (1, 999_999, "JPY"))

    assert described(mixed, day=2).frequency == 2.0
    assert described(mixed, day=2).monetary_minor == 1000.0
    assert described(facts_of((0, 9, "EUR")), day=2).monetary_minor is None


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 10**6)), min_size=1, max_size=60))
def test_older_orders_count_like_recent_ones(orders: list[tuple[int, int]]) -> None:
    """Forty orders, most of them only sums by now, are described as if each were known."""
    features = described(facts_of(*((day, minor, "USD") for day, minor in orders)), day=301)

    days, amounts = [day for day, _ in orders], [minor for _, minor in orders]
    assert features.recency_days == 301 - max(days)
    assert features.tenure_days == 301 - min(days)
    assert features.frequency == len(orders)
    assert features.monetary_minor == sum(amounts) / len(orders)
    if len(orders) > 1:
        assert features.mean_gap_days == pytest.approx((max(days) - min(days)) / (len(orders) - 1))


def test_the_recent_ones_alone_may_be_gone() -> None:
    """Where only sums are left, the first of them is the only date that is known."""
    facts = Facts(
        customer("c-1"),
        older_count=2,
        older_amounts_minor={"USD": 300},
        older_counts={"USD": 2},
        older_first_at=Instant(0),
    )

    assert described(facts, day=3) == Features(3.0, 2.0, 150.0, 3.0, 0.0)


def test_the_tuple_follows_the_names() -> None:
    """The order of the features is the order of the document."""
    values = Features(1.0, 2.0, 3.0, 4.0, 5.0)

    assert values.as_tuple() == tuple(getattr(values, name) for name in FEATURE_NAMES)
    assert NO_FEATURES.as_tuple() == (None,) * 5


def test_the_main_currency_is_that_of_most_orders() -> None:
    """Ties go to the first by alphabet; nobody without orders has one."""
    assert main_currency(NOBODY) is None
    assert main_currency(facts_of((0, 1, "USD"), (1, 1, "EUR"))) == "EUR"
    assert main_currency(facts_of((0, 1, "USD"), (1, 1, "EUR"), (2, 1, "USD"))) == "USD"
    older = Facts(customer("c-1"), (CountedOrder(1, "m", 5, "EUR"),), 2, {"JPY": 5}, {"JPY": 2})
    assert main_currency(older) == "JPY"
