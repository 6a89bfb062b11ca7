"""Codes on DynamoDB (moto): the calls that go out, and what stands there then."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from chalicelib import telemetry, wiring
from chalicelib.adapters import aws_adapters
from chalicelib.api import answers
from chalicelib.aws.clients import Clients
from chalicelib.core.allotments import SHARDS
from chalicelib.core.kinds import COUPON, FACTS, LIVE_OFFER
from chalicelib.core.limits import allotment_key
from chalicelib.core.storage import WHATEVER, Put
from chalicelib.settings import read_settings
from tests.coupon_makers import WINBACK, limited
from tests.functional.test_checkout_aws import Till
from tests.stack import Stack
from tests.unit.core.situations import NOW, buyer, shipped_rules

USE = {"customer_id": "c-1", "order_id": "o-1", "amount": 190, "currency": "USD"}


@pytest.fixture
def till(stack: Stack, clients: Clients) -> Iterator[Till]:
    """The app on moto, whose winback offer is limited in every way; it knows one buyer."""
    settings = read_settings(stack.environment)
    parts = wiring.Parts(settings, aws_adapters(settings, clients), clock=lambda: NOW)
    limits = {"codes": 100, "codes_per_customer": 1, "budget_minor": 10_000}
    parts.__dict__["rules"] = shipped_rules(actions=limited(WINBACK, **limits))
    facts = buyer(silent_days=100)
    parts.adapters.store.write([Put(FACTS.key(facts.subject.key), facts, WHATEVER)], now=NOW)
    wiring.install(parts)
    till = Till(parts, clients)
    till.decide(customer_id="warm-up")
    try:
        yield till
    finally:
        till.close(clients)
        wiring.install(None)
        telemetry.configure(stage="unset")


def test_a_limited_code_is_issued_in_one_transaction(till: Till) -> None:
    """A count that is dealt out already costs no call more."""
    till.decide(customer_id="c-1")  # deals the count out
    facts = buyer(silent_days=100)
    store = wiring.parts().adapters.store
    live = LIVE_OFFER.key(facts.subject.key, WINBACK)
    assert store.read([live], now=NOW).value(live) is not None

    other = buyer(silent_days=100, subject=type(facts.subject)("customer", "c-2"))
    store.write([Put(FACTS.key(other.subject.key), other, WHATEVER)], now=NOW)
    answer, operations = till.decide(customer_id="c-2")

    assert len(answer["offers"]) == 1
    assert operations == ["BatchGetItem", "TransactWriteItems"]


def test_a_code_is_reserved_redeemed_and_its_budget_spent(till: Till) -> None:
    """Two reads and one transaction for each call; the second time nothing is written."""
    answer, _ = till.decide(customer_id="c-1")
    [offer] = answer["offers"]
    path = f"/v1/offers/{offer['code']}"

    seen = []
    for operation in ("reserve", "redeem", "redeem"):
        till.operations.clear()
        told = till.call("POST", f"{path}/{operation}", json.dumps(USE).encode())
        seen.append((told["state"], till.operations[1:]))
        answers.OfferStanding.model_validate(told)

    reads = ["BatchGetItem", "BatchGetItem"]
    assert seen == [
        # The first reservation ever deals the budget out to all shards.
        ("reserved", [*reads, "BatchGetItem", "TransactWriteItems"]),
        ("redeemed", [*reads, "TransactWriteItems"]),
        ("redeemed", reads),
    ]
    store = wiring.parts().adapters.store
    keys = [allotment_key(WINBACK, "money", number) for number in range(SHARDS)]
    found = store.read([COUPON.key(offer["code"]), *keys], now=NOW)
    shards = [found.value(key) for key in keys]
    assert sum(shard.spent for shard in shards if shard) == 190
    assert sum(shard.allotted for shard in shards if shard) == 10_000
