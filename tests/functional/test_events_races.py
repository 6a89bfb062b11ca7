"""POST /v1/events: races, crashes and big batches."""

from __future__ import annotations

import pytest

from chalicelib.core.contact import Contact
from chalicelib.core.errors import Transient
from chalicelib.core.kinds import MESSAGE
from chalicelib.core.storage import Conflict
from chalicelib.core.subject import customer, guest
from chalicelib.flows.events import MOST_ROUNDS
from tests.makers import NOW, identify, track
from tests.shop import ANN, Shop, accepted, bought


@pytest.fixture
def shop() -> Shop:
    """A shop before its first message."""
    return Shop()


def test_a_writer_that_lost_a_race_reads_again_and_starts_over(shop: Shop) -> None:
    """Two requests that fold into one profile at once both count."""
    shop.rival_sends(bought("c-1", "o-2"))

    answer = shop.send(bought("c-1", "o-1"))

    assert accepted(answer) == 1
    facts = shop.facts(customer("c-1"))
    assert facts.order_count == 2
    assert len(shop.effects("Segment Changed")) == 1


def test_a_duplicate_that_races_its_original_is_counted_as_one(shop: Shop) -> None:
    """Whoever comes second finds the message stored."""
    order = bought("c-1", "o-1")
    shop.rival_sends(order)

    assert shop.post(order) == {"accepted": 0, "duplicates": 1, "rejected": []}


def test_a_message_that_races_the_merge_of_its_guest_is_not_lost(shop: Shop) -> None:
    """Even one that says nothing new of the guest must find the customer."""
    shop.send(track("Product Viewed", visitor="g-1", sku="MUG"))
    merge = identify(user="c-1", visitor="g-1")
    shop.rival_sends(merge)

    shop.send(identify(visitor="g-1", at=NOW - 99, **ANN))

    contact = shop.contact(customer("c-1"))
    assert contact.text("email") == "ann@example.com"
    assert shop.contact(guest("g-1")) == Contact(guest("g-1"))


def test_a_profile_that_stays_busy_sends_the_caller_away(shop: Shop) -> None:
    """After so many lost races the request fails; none of it is stored, so it can come again."""
    shop.store.fail_writes(*[Conflict(())] * MOST_ROUNDS)

    with pytest.raises(Transient, match="keep writing"):
        shop.send(bought("c-1", "o-1"))

    assert shop.store.count("write") == MOST_ROUNDS
    assert accepted(shop.send(bought("c-1", "o-1"))) == 1


def test_our_own_write_whose_reply_was_lost_is_no_duplicate(shop: Shop) -> None:
    """A conflict with what this very request has stored counts as accepted."""
    shop.store.lose_replies(Conflict(()))

    assert shop.send(bought("c-1", "o-1")) == {"accepted": 1, "duplicates": 0, "rejected": []}


def test_what_a_failed_request_has_stored_is_not_stored_twice(shop: Shop) -> None:
    """Storage that fails after the first customer: sending all again completes the rest."""
    orders = [bought(f"c-{nth}", f"o-{nth}") for nth in range(3)]
    shop.store.fail_writes(None, Transient("gone"))
    with pytest.raises(Transient):
        shop.send(*orders)

    assert shop.send(*orders) == {"accepted": 2, "duplicates": 1, "rejected": []}
    assert len(shop.effects("Segment Changed")) == 3


def test_a_hundred_orders_of_one_customer_take_a_few_writes_and_one_announcement(
    shop: Shop,
) -> None:
    """A big batch is stored in several transactions and settled by the last."""
    shop.send(*(bought("c-1", f"o-{nth}", days_ago=nth) for nth in range(100)))

    sizes = [size for name, size in shop.calls() if name == "write"]
    assert len(sizes) <= 4
    assert max(sizes) <= 100
    assert len(shop.effects("Segment Changed")) == 1
    facts = shop.facts(customer("c-1"))
    assert facts.order_count == 100
    assert len(shop.store.all("message")) == 100


def test_a_hundred_merges_into_one_customer_fit(shop: Shop) -> None:
    """Every guest of a batch is merged, however many things that touches."""
    shop.send(
        *(track("Product Viewed", visitor=f"g-{nth}", sku="MUG") for nth in range(50)),
        *(identify(visitor=f"g-{nth}", first_name="Ann") for nth in range(50)),
    )
    shop.send(*(identify(user="c-1", visitor=f"g-{nth}") for nth in range(50)))

    assert {shop.facts(guest(f"g-{nth}")).merged_into for nth in range(50)} == {"c-1"}
    assert shop.contact(guest("g-49")) == Contact(guest("g-49"))


def test_a_batch_cut_short_is_due_at_once(shop: Shop) -> None:
    """A crash between the writes of a big batch leaves the profile to the schedule."""
    orders = [bought("c-1", f"o-{nth}", days_ago=nth) for nth in range(60)]
    shop.store.fail_writes(None, Transient("gone"))
    with pytest.raises(Transient):
        shop.send(*orders)

    facts = shop.facts(customer("c-1"))
    assert facts.order_count > 0
    assert facts.segment is None
    assert facts.review_at == NOW
    assert shop.send(*orders)["rejected"] == []
    facts = shop.facts(customer("c-1"))
    assert (facts.order_count, facts.segment) == (60, "loyal")


def test_nothing_personal_is_kept_of_a_message_id(shop: Shop) -> None:
    """The dedupe item says which request folded the message, and nothing else."""
    shop.send(identify(user="c-1", message_id="m-1", **ANN))

    assert shop.store.read([MESSAGE.key("m-1")], now=NOW).value(MESSAGE.key("m-1")) == {
        "source": "r-1"
    }
