"""POST /v1/events: whose an order is, and guests who turn out to be customers."""

from __future__ import annotations

import pytest

from chalicelib.core.contact import Contact
from chalicelib.core.facts import Facts
from chalicelib.core.kinds import GUEST_WINDOW_SECONDS
from chalicelib.core.subject import customer, guest
from tests.makers import NOW, identify, order_event, track
from tests.shop import ANN, Shop, accepted, bought


@pytest.fixture
def shop() -> Shop:
    """A shop before its first message."""
    return Shop()


def test_an_order_of_another_customer_is_refused_and_nothing_of_the_message_is_kept(
    shop: Shop,
) -> None:
    """One order has one customer; the message of the other names the field and changes nothing."""
    shop.send(bought("c-1", "o-1"))

    answer = shop.send(bought("c-2", "o-1"), track("Product Viewed", user="c-2", sku="MUG"))

    assert answer["accepted"] == 1
    assert answer["rejected"] == [
        {
            "index": 0,
            "errors": [{"field": "properties.order_id", "problem": "belongs to another customer"}],
        }
    ]
    facts = shop.facts(customer("c-2"))
    assert facts.order_count == 0
    assert facts.last_completed_at is None


def test_a_correction_reaches_the_order_wherever_it_counts(shop: Shop) -> None:
    """A guest's order that the shop's server cancels under the customer's id is cancelled."""
    shop.send(order_event("Order Completed", "o-1", total="30", visitor="g-1"))

    accepted(shop.send(order_event("Order Cancelled", "o-1", user="c-1")))

    facts = shop.facts(guest("g-1"))
    assert facts.order_count == 0


def test_a_guest_is_merged_once_and_leaves_a_tombstone(shop: Shop) -> None:
    """Orders, behaviour and contact move to the customer; a second identify moves nothing."""
    shop.send(
        order_event("Order Completed", "o-1", total="30", visitor="g-1", at=NOW - 50),
        identify(visitor="g-1", at=NOW - 40, **ANN),
        bought("c-1", "o-2"),
    )

    shop.send(identify(user="c-1", visitor="g-1", at=NOW - 30))
    shop.send(identify(user="c-1", visitor="g-1", at=NOW - 20))
    shop.send(identify(user="c-2", visitor="g-1", at=NOW - 10))

    facts, visitor = shop.facts(customer("c-1")), shop.facts(guest("g-1"))
    assert facts.order_count == 2
    assert visitor == Facts(guest("g-1"), merged_into="c-1")
    assert shop.contact(guest("g-1")) == Contact(guest("g-1"))
    contact = shop.contact(customer("c-1"))
    assert contact.text("email") == "ann@example.com"


def test_late_messages_of_a_merged_guest_are_the_customers(shop: Shop) -> None:
    """What a browser sends late finds its way, for one more read; the tombstone stays."""
    shop.send(identify(user="c-1", visitor="g-1", at=NOW - 10))
    shop.calls()

    shop.send(track("Product Viewed", visitor="g-1", sku="MUG", at=NOW - 20))

    assert shop.call_names() == ["read", "read", "write"]
    facts = shop.facts(customer("c-1"))
    assert facts.last_product == (NOW - 20, "MUG")


def test_a_merged_guests_order_can_be_corrected_under_either_id(shop: Shop) -> None:
    """The order item of a guest keeps working once its guest is a customer."""
    shop.send(order_event("Order Completed", "o-1", total="30", visitor="g-1"))
    shop.send(order_event("Order Completed", "o-2", total="30", visitor="g-1"))
    shop.send(identify(user="c-1", visitor="g-1"))

    accepted(shop.send(order_event("Order Refunded", "o-1", total="10", user="c-1")))
    accepted(shop.send(order_event("Order Cancelled", "o-2", visitor="g-1")))

    facts = shop.facts(customer("c-1"))
    assert [order.amount_minor for order in facts.recent] == [2000]


def test_an_order_outlives_its_guest_and_the_tombstone(shop: Shop) -> None:
    """After the guest has expired the customer's own profile says that the order is theirs."""
    shop.send(order_event("Order Completed", "o-1", total="30", visitor="g-1"))
    shop.send(order_event("Order Completed", "o-2", total="30", visitor="g-2"))
    shop.send(identify(user="c-1", visitor="g-1"))
    shop.now += GUEST_WINDOW_SECONDS

    accepted(shop.send(order_event("Order Cancelled", "o-1", user="c-1", at=shop.now)))
    accepted(shop.send(order_event("Order Refunded", "o-2", total="5", user="c-1", at=shop.now)))

    facts = shop.facts(customer("c-1"))
    assert [order.amount_minor for order in facts.recent] == [2500]


def test_guests_expire_thirty_days_after_their_last_sign_of_life(shop: Shop) -> None:
    """What is known of a guest has an end, which every message puts off; customers have none."""
    shop.send(identify(visitor="g-1", **ANN), identify(user="c-1", **ANN))
    shop.now += GUEST_WINDOW_SECONDS - 1
    shop.send(track("Product Viewed", visitor="g-1", sku="MUG", at=shop.now))
    shop.now += 1

    assert shop.facts(guest("g-1")).last_product is not None
    shop.now += GUEST_WINDOW_SECONDS
    assert shop.facts(guest("g-1")) == Facts(guest("g-1"))
    assert shop.contact(guest("g-1")) == Contact(guest("g-1"))
    assert shop.contact(customer("c-1")).text("email") == "ann@example.com"
