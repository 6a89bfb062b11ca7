"""POST /v1/events: what a change sets off."""

from __future__ import annotations

import pytest

from chalicelib.core.address import AddressState, address_hash
from chalicelib.core.control import SWITCH_COPIES, Switches
from chalicelib.core.kinds import ADDRESS, SWITCH
from chalicelib.core.storage import Put
from chalicelib.core.subject import customer
from tests.fakes import SIGNING_KEYS
from tests.makers import DAY_SECONDS, HOUR_SECONDS, NOW, Raw, identify, order_event, track
from tests.shop import ANN, Shop, bought


@pytest.fixture
def shop() -> Shop:
    """A shop before its first message."""
    return Shop()


def test_the_first_segment_is_announced_with_nothing_before_it(shop: Shop) -> None:
    """A first assignment is a segment change whose previous segment is null."""
    shop.send(bought("c-1", "o-1"))

    (effect,) = shop.effects("Segment Changed")
    assert effect.kind == "event"
    assert effect.subject_key == "c#c-1"
    assert effect.correlation_id == "r-1"
    assert effect.payload == {
        "previous": None,
        "segment": "loyal",
        "model": "silence-1.0.0",
        "fallback": False,
        "as_of": "2026-11-18T11:06:40Z",
    }


def test_a_stored_transition_is_announced_once(shop: Shop) -> None:
    """Coming back from at_risk is one event, and further orders are none."""
    shop.send(bought("c-1", "o-1", days_ago=100))
    shop.send(bought("c-1", "o-2", days_ago=1))
    shop.send(bought("c-1", "o-3"))

    said = [(e.payload["previous"], e.payload["segment"]) for e in shop.effects("Segment Changed")]
    assert said == [(None, "at_risk"), ("at_risk", "loyal")]


def test_cancelling_the_only_order_takes_the_segment_back(shop: Shop) -> None:
    """Whoever has no counted order any more is unknown again, in the event, too."""
    shop.send(bought("c-1", "o-1"))
    shop.send(order_event("Order Cancelled", "o-1", user="c-1"))

    facts = shop.facts(customer("c-1"))
    assert facts.segment is None
    assert [e.payload["segment"] for e in shop.effects("Segment Changed")] == ["loyal", "unknown"]


def test_the_same_transition_in_the_same_second_is_announced_again(shop: Shop) -> None:
    """Transitions are told apart by the save that stores them, not by the clock."""
    for nth in range(2):
        shop.send(bought("c-1", f"o-{nth}"))
        shop.send(order_event("Order Cancelled", f"o-{nth}", user="c-1"))

    assert len(shop.effects("Segment Changed")) == 4


def test_a_change_that_the_policy_waits_for_is_decided_on_in_the_same_write(shop: Shop) -> None:
    """The win-back of a customer whose history arrives late is planned with the profile's save."""
    shop.send(identify(user="c-1", **ANN))
    shop.calls()

    shop.send(bought("c-1", "o-1", days_ago=100))

    # The second read asks what the decision must know: live codes, contacts, switches.
    assert shop.call_names() == ["read", "read", "write"]
    (mail,) = shop.mails()
    (record,) = shop.store.all("record").values()
    assert record["decision_id"] == mail.decision_id
    assert record["situation"]["trigger"] == "segment_changed"
    assert record["decision"]["chosen"] == ["winback-10"]
    assert mail.payload["offer"]["code"] in {
        key.removeprefix("k#") for key in shop.store.all("coupon")
    }


@pytest.mark.parametrize(
    "traits",
    [
        {"email": "ann@example.com"},
        {"email": "ann@example.com", "consent_marketing_email": False},
        {"consent_marketing_email": True},
        {**ANN, "consent_personalised_pricing": False},
    ],
)
def test_without_consent_or_address_nobody_decides(shop: Shop, traits: Raw) -> None:
    """The change is announced; no mail, no code, no record, and no read for them either."""
    shop.send(identify(user="c-1", **traits))
    shop.calls()

    shop.send(bought("c-1", "o-1", days_ago=100))

    assert shop.call_names() == ["read", "write"]
    assert len(shop.effects("Segment Changed")) == 1
    assert shop.store.all("record") == {}
    assert shop.effects("winback-10") == []


def test_who_objects_to_profiling_has_no_segment(shop: Shop) -> None:
    """An objection takes the segment away, and later orders bring none back."""
    shop.send(bought("c-1", "o-1"))
    shop.send(identify(user="c-1", consent_profiling=False))
    shop.send(bought("c-1", "o-2"))

    facts = shop.facts(customer("c-1"))
    assert facts.order_count == 2
    assert facts.segment is None
    assert facts.review_at is None
    assert [e.payload["segment"] for e in shop.effects("Segment Changed")] == ["loyal", "unknown"]


def test_the_offers_switch_keeps_the_mail_from_promising(shop: Shop) -> None:
    """With offers switched off the decision is made and recorded, and issues nothing."""
    off = Switches(offers=False)
    shop.store.write([Put(SWITCH.key(str(copy)), off) for copy in range(SWITCH_COPIES)], now=NOW)
    shop.send(identify(user="c-1", **ANN))

    shop.send(bought("c-1", "o-1", days_ago=100))

    (record,) = shop.store.all("record").values()
    assert ["winback-10", "rejected", "eligibility", "offers_switched_off"] in record["decision"][
        "candidates"
    ]
    assert shop.store.all("coupon") == {}


def test_two_accounts_with_one_address_are_mailed_once(shop: Shop) -> None:
    """The address is what was contacted, across requests, batches and spellings."""
    shop.send(
        identify(user="c-1", **ANN),
        identify(user="c-2", **{**ANN, "email": " Ann@Example.com"}),
    )

    shop.send(*(bought(f"c-{nth}", f"o-{nth}", days_ago=100) for nth in (1, 2)))

    assert len(shop.effects("Segment Changed")) == 2
    assert len(shop.mails()) == 1
    reasons = [
        reason
        for record in shop.store.all("record").values()
        for action, _, _, reason in record["decision"]["candidates"]
        if action == "winback-10"
    ]
    assert sorted(reasons) == ["contacted_recently", "highest_priority"]


def test_two_profiles_with_one_address_in_one_write_are_mailed_once(shop: Shop) -> None:
    """A guest and a customer whose order moves between them are settled together, one mail."""
    at = NOW - 100 * DAY_SECONDS
    shop.send(identify(visitor="g-1", **ANN), identify(user="c-1", **ANN))
    shop.send(order_event("Order Updated", "o-1", total="9", visitor="g-1", at=at))
    shop.calls()

    shop.send(
        order_event("Order Completed", "o-1", total="30", visitor="g-1", at=at),
        order_event("Order Completed", "o-2", total="30", visitor="g-1", at=at),
        order_event("Order Completed", "o-1", total="30", user="c-1", at=at),
    )

    assert shop.call_names() == ["read", "read", "write"]
    assert {e.subject_key for e in shop.effects("Segment Changed")} == {"a#g-1", "c#c-1"}
    assert len(shop.mails()) == 1


def test_a_cart_long_abandoned_is_noticed_by_the_message_that_tells_of_it(shop: Shop) -> None:
    """A checkout that arrives two hours late is abandoned at once; one of last month is history."""
    shop.send(identify(user="c-1", **ANN), identify(user="c-2", **ANN))

    shop.send(
        track("Product Viewed", user="c-1", sku="MUG", at=NOW - 3 * HOUR_SECONDS),
        track("Checkout Started", user="c-1", at=NOW - 2 * HOUR_SECONDS),
        track("Checkout Started", user="c-2", at=NOW - 30 * DAY_SECONDS),
    )

    (effect,) = shop.effects("Cart Abandoned")
    assert effect.subject_key == "c#c-1"
    assert effect.payload == {"checkout_started_at": "2026-11-18T09:06:40Z", "sku": "MUG"}
    (mail,) = shop.effects("cart-reminder")
    assert mail.payload["template"] == "cart-reminder"


def test_who_unsubscribed_by_mail_is_promised_nothing(shop: Shop) -> None:
    """A withdrawal by the owner of the address binds every account, whatever it still says."""
    key = ADDRESS.key(address_hash("ann@example.com", secret=SIGNING_KEYS.address_secret))
    shop.store.write([Put(key, AddressState({"marketing_email": NOW - 9}))], now=NOW)
    shop.send(identify(user="c-1", **ANN))

    shop.send(bought("c-1", "o-1", days_ago=100))

    assert len(shop.effects("Segment Changed")) == 1
    assert shop.mails() == []
    assert shop.store.all("coupon") == {}
    (record,) = shop.store.all("record").values()
    assert ["winback-10", "rejected", "eligibility", "no_consent"] in record["decision"][
        "candidates"
    ]
