"""POST /v1/events: what one request costs, and what it answers."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from chalicelib.core.errors import BadInput
from chalicelib.core.subject import customer
from tests.makers import NOW, Raw, identify, order_event, track
from tests.shop import ANN, Shop, accepted, bought


@pytest.fixture
def shop() -> Shop:
    """A shop before its first message."""
    return Shop()


@pytest.mark.parametrize(
    ("message", "keys", "writes"),
    [
        (track("Product Viewed", user="c-1", sku="MUG"), 5, 3),
        (track("Product Viewed", visitor="g-1", sku="MUG"), 5, 3),
        (identify(user="c-1", **ANN), 6, 6),  # a word of consent: the ledger, its entry
        (identify(user="c-1", visitor="g-1"), 11, 5),  # three actions may have given codes
        (order_event("Order Cancelled", "o-1", user="c-1"), 6, 4),
    ],
)
def test_a_message_costs_one_read_and_one_write(
    shop: Shop, message: Raw, keys: int, writes: int
) -> None:
    """All that a message concerns, tombstones, ledger and alias too, is read at once."""
    shop.post(message)

    assert shop.calls() == [("read", keys), ("write", writes)]


def test_a_batch_costs_one_read_and_one_write_for_each_customer(shop: Shop) -> None:
    """Customers share the read; each has a write of their own, so that none holds up another."""
    shop.send(
        *(bought(f"c-{nth}", f"o-{nth}") for nth in range(3)),
        track("Product Viewed", user="c-0", sku="MUG"),
    )

    assert shop.call_names() == ["read", "write", "write", "write"]


def test_messages_are_folded_into_facts(shop: Shop) -> None:
    """Orders, views and checkouts of a customer end up in their facts."""
    shop.send(
        bought("c-1", "o-1", days_ago=3),
        bought("c-1", "o-2", days_ago=2, total="12.50"),
        track("Product Viewed", user="c-1", sku="TEA", at=NOW - 5),
        track("Checkout Started", user="c-1", at=NOW - 4),
    )

    facts = shop.facts(customer("c-1"))
    assert [order.amount_minor for order in facts.recent] == [3000, 1250]
    assert facts.last_product == (NOW - 5, "TEA")
    assert facts.open_checkout_at == NOW - 4


def test_an_identify_is_stored_as_contact(shop: Shop) -> None:
    """Address, place and consents are stored with the moment at which they were said."""
    shop.post(identify(user="c-1", at=NOW - 9, **ANN, plan="gold"))

    contact = shop.contact(customer("c-1"))
    assert contact.text("email") == "ann@example.com"
    assert contact.consent("marketing_email") is True
    assert {said.at for said in contact.fields.values()} == {NOW - 9}


def test_a_single_message_and_a_batch_of_one_are_answered_alike(shop: Shop) -> None:
    """A body is one message or a batch, with whatever Segment's libraries put beside it."""
    message = bought("c-1", "o-1")
    beside = {"sentAt": "2026-11-18T00:00:00Z", "context": {"library": {"name": "x"}}}

    assert shop.post(message) == {"accepted": 1, "duplicates": 0, "rejected": []}
    assert shop.post({"batch": [message], **beside}) == {
        "accepted": 0,
        "duplicates": 1,
        "rejected": [],
    }


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (None, "body"),
        ([], "body"),
        ("track", "body"),
        ({}, "body"),
        ({"messages": []}, "body"),
        ({"batch": {}}, "batch"),
        ({"batch": []}, "batch"),
        ({"batch": [{}] * 101}, "batch"),
        ({"batch": [{}], "dryRun": True}, "dryRun"),
        (track("Sale", user="c-1", message_id="m-1", total=math.nan), "properties.total"),
        ({"batch": [{}, {"a": [1, -math.inf]}]}, "batch[1].a[1]"),
        (math.inf, "body"),
        (json.loads('{"a":' * 500 + "1" + "}" * 500), "body"),
    ],
)
def test_a_body_that_is_neither_is_refused_as_a_whole(shop: Shop, body: object, field: str) -> None:
    """What is neither a message nor a batch, or is no JSON, is refused and touches nothing."""
    with pytest.raises(BadInput) as refused:
        shop.post(body)

    assert [error.field for error in refused.value.errors] == [field]
    assert shop.calls() == []


def test_bottomless_nesting_is_refused_not_a_crash(shop: Shop) -> None:
    """A body that the encoder cannot follow is the sender's fault."""
    body: Any = {"type": "track"}
    for _ in range(100_000):
        body = {"properties": body}

    with pytest.raises(BadInput, match="nested too deeply"):
        shop.post(body)


def test_a_bad_message_is_named_and_the_others_go_on(shop: Shop) -> None:
    """Each message is judged alone; the answer says which one is wrong, where and why."""
    answer = shop.send(
        bought("c-1", "o-1"),
        order_event("Order Completed", "o-2", total=-5, user="c-1"),
        track("Product Viewed", user="c-1", sku="MUG"),
        {"type": "track", "event": "Product Viewed"},
    )

    assert answer["accepted"] == 2
    assert [(r["index"], r["errors"][0]["field"]) for r in answer["rejected"]] == [
        (1, "properties.total"),
        (3, "userId"),
    ]
    assert shop.order("o-2") is None


def test_a_batch_of_nothing_but_mistakes_touches_no_storage(shop: Shop) -> None:
    """Where nothing can be folded, nothing is read."""
    assert len(shop.send({"type": "track"}, {"type": "alias"})["rejected"]) == 2
    assert shop.calls() == []


def test_a_message_counts_once_within_and_across_requests(shop: Shop) -> None:
    """The same messageId is a duplicate, in one batch or a day later, and writes nothing."""
    view = track("Product Viewed", user="c-1", sku="MUG")
    assert shop.send(view, view) == {"accepted": 1, "duplicates": 1, "rejected": []}
    shop.calls()

    assert shop.send(view) == {"accepted": 0, "duplicates": 1, "rejected": []}
    assert shop.call_names() == ["read"]


def test_an_order_counts_once_by_its_id(shop: Shop) -> None:
    """Two messages that complete the same order, by client and by server, are one order."""
    shop.send(
        bought("c-1", "o-1", days_ago=1),
        order_event("Order Completed", "o-1", total="30.00", user="c-1", message_id="other"),
    )

    facts = shop.facts(customer("c-1"))
    assert facts.order_count == 1


def test_a_refused_message_may_come_back_corrected_under_its_id(shop: Shop) -> None:
    """Only what was folded is remembered."""
    bad = order_event("Order Completed", "o-1", total="-1", user="c-1", message_id="m-1")
    good = order_event("Order Completed", "o-1", total="1", user="c-1", message_id="m-1")

    assert shop.send(bad)["accepted"] == 0
    assert accepted(shop.send(good)) == 1
