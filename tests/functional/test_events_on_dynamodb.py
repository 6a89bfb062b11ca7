"""Events and silence on DynamoDB: the same stories, through codec, transactions and index."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.aws.clients import Clients
from chalicelib.aws.store import DynamoStore
from chalicelib.core.facts import Facts
from chalicelib.core.kinds import CONTACT, FACTS
from chalicelib.core.storage import Found
from chalicelib.core.subject import customer, guest
from chalicelib.flows.events import EventPorts, from_request
from chalicelib.flows.silence import review_due
from ops.moto_in_turns import moto_in_turns
from tests.fakes import SIGNING_KEYS
from tests.makers import DAY_SECONDS, HOUR_SECONDS, NOW, Raw, identify, rules_with, track
from tests.shop import ANN, bought
from tests.stack import create_tables

RULES = rules_with()


@pytest.fixture
def store(clients: Clients) -> Iterator[DynamoStore]:
    """The real store on moto, empty."""
    with moto_in_turns():
        tables = create_tables(clients.dynamodb_patient())
        yield DynamoStore(clients.dynamodb_patient, tables=tables)


def send(store: DynamoStore, *batch: Raw) -> dict[str, Any]:
    """One request."""
    return from_request(
        {"batch": list(batch)},
        ports=EventPorts(store),
        rules=RULES,
        keys=SIGNING_KEYS,
        now=NOW,
        correlation_id="r-1",
    )


def review(store: DynamoStore, *, now: int) -> dict[str, int]:
    """One run of the schedule."""
    return review_due(
        ports=EventPorts(store), rules=RULES, keys=SIGNING_KEYS, now=now, correlation_id="run-1"
    )


def read(store: DynamoStore, *subjects: Any) -> Found:
    """Facts and contacts."""
    keys = [kind.key(subject.key) for subject in subjects for kind in (FACTS, CONTACT)]
    return store.read(keys, now=NOW)


def test_a_guest_becomes_a_customer(store: DynamoStore) -> None:
    """Merge, tombstone and late messages survive the way through items and back."""
    send(store, track("Product Viewed", visitor="g-1", sku="MUG"), identify(visitor="g-1", **ANN))
    assert send(store, identify(user="c-1", visitor="g-1"))["accepted"] == 1
    late = track("Checkout Started", visitor="g-1", at=NOW - 60)

    assert send(store, late, late) == {"accepted": 1, "duplicates": 1, "rejected": []}

    found = read(store, customer("c-1"), guest("g-1"))
    facts, contact = found.value(FACTS.key("c#c-1")), found.value(CONTACT.key("c#c-1"))
    assert facts is not None
    assert contact is not None
    assert (facts.last_product, facts.last_checkout_at) == ((NOW, "MUG"), NOW - 60)
    assert contact.text("email") == "ann@example.com"
    assert found.value(FACTS.key("a#g-1")) == Facts(guest("g-1"), merged_into="c-1")
    assert found.value(CONTACT.key("a#g-1")) is None


def test_a_hundred_orders_are_several_transactions(store: DynamoStore) -> None:
    """The limit of a transaction is the real one."""
    orders = [bought("c-1", f"o-{nth}", days_ago=nth) for nth in range(100)]

    assert send(store, *orders)["accepted"] == 100
    assert send(store, *orders)["duplicates"] == 100

    facts = read(store, customer("c-1")).value(FACTS.key("c#c-1"))
    assert facts is not None
    assert (facts.order_count, facts.segment) == (100, "loyal")


def test_silence_is_found_through_the_due_index(store: DynamoStore) -> None:
    """A lapse and a cart left alone come up by themselves, and leave the index when settled."""
    send(store, identify(user="c-1", **ANN), bought("c-1", "o-1"))
    send(store, track("Checkout Started", visitor="g-1", at=NOW))
    assert review(store, now=NOW + HOUR_SECONDS - 1)["due"] == 0

    assert review(store, now=NOW + HOUR_SECONDS)["abandoned"] == 1
    lapsed = review(store, now=NOW + 61 * DAY_SECONDS)

    assert (lapsed["transitions"], lapsed["decisions"]) == (1, 1)
    assert review(store, now=NOW + 61 * DAY_SECONDS)["due"] == 0
    (decision_id,) = store.recent_decisions("c#c-1", limit=5)
    assert decision_id.startswith("d_")
