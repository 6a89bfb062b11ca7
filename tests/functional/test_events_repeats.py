"""``POST /v1/events`` with an Idempotency-Key: several writes, one answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from chalice.test import HTTPResponse

from chalicelib.core.errors import Transient
from chalicelib.flows.once import LEASE_SECONDS
from tests.makers import order_event
from tests.storefront import Storefront, open_storefront

BODY = {"batch": [order_event("Order Completed", f"o-{n}", total=9, user="c-9") for n in range(3)]}
KEY = {"Idempotency-Key": "batch-1"}


@pytest.fixture
def shop() -> Iterator[Storefront]:
    """A shop."""
    with open_storefront() as storefront:
        yield storefront


def post(shop: Storefront, body: object = BODY, **headers: str) -> HTTPResponse:
    """Send a batch under the key."""
    return shop.call("POST", "/v1/events", body=body, headers=headers or KEY)


def test_a_repeat_is_answered_as_the_first(shop: Storefront) -> None:
    """Accepted the first time is accepted every time, and nothing is folded again."""
    first = post(shop)
    shop.calls()

    again = post(shop)

    assert (again.status_code, again.json_body) == (202, first.json_body)
    assert again.json_body["accepted"] == 3
    assert shop.calls() == ["read"]


def test_another_body_is_422_and_a_malformed_key_400(shop: Storefront) -> None:
    """Both name the header and change nothing."""
    post(shop)

    other = post(shop, {"batch": BODY["batch"][:1]})
    malformed = post(shop, **{"Idempotency-Key": " "})

    assert [other.status_code, malformed.status_code] == [422, 400]
    assert other.json_body["type"] == "urn:segue:problem:idempotency-key-reused"
    assert malformed.json_body["errors"][0]["field"] == "Idempotency-Key"


def test_a_call_under_way_is_409_until_it_must_be_dead(shop: Storefront) -> None:
    """A claim whose call never ended stops repeats for a while, and then no more."""
    shop.store.fail_writes(None, Transient("gone"), Transient("gone"))
    assert post(shop).status_code == 503

    refused = post(shop)
    assert (refused.status_code, refused.json_body["reason"]) == (409, "in_flight")

    shop.clock.forward(LEASE_SECONDS)
    assert post(shop).json_body["accepted"] == 3


def test_a_failed_call_frees_its_key(shop: Storefront) -> None:
    """Storage was away for a moment: the repeat is taken at once."""
    shop.store.fail_writes(None, Transient("gone"))
    assert post(shop).status_code == 503

    assert post(shop).json_body["accepted"] == 3


def test_a_refused_body_frees_its_key_for_any_body(shop: Storefront) -> None:
    """Whoever mends the body may send it under the same key."""
    assert post(shop, {"batch": []}).status_code == 422

    assert post(shop).json_body["accepted"] == 3
