"""The schedule: what silence alone changes is noticed, once, with time passed in."""

from __future__ import annotations

import pytest

from chalicelib.core.control import SWITCH_COPIES, Switches
from chalicelib.core.kinds import FACTS, GUEST_WINDOW_SECONDS, SWITCH
from chalicelib.core.scorecard import Scorecard
from chalicelib.core.storage import Put, Write
from chalicelib.core.subject import customer
from chalicelib.documents import Documents
from chalicelib.scoring.load import load_scorer
from tests.makers import (
    DAY_SECONDS,
    HOUR_SECONDS,
    NOW,
    SilenceScorer,
    identify,
    order_event,
    rules_with,
    track,
)
from tests.shop import ANN, Shop, bought, segments


@pytest.fixture
def shop() -> Shop:
    """A shop with one customer who agreed to mail and has just bought."""
    shop = Shop()
    shop.send(identify(user="c-1", **ANN), bought("c-1", "o-1"))
    shop.calls()
    return shop


# --- lapsing ------------------------------------------------------------------------------------


def test_a_customer_lapses_by_silence_alone_and_gets_one_win_back(shop: Shop) -> None:
    """However often the schedule runs, one change is announced and one mail planned."""
    for day in range(60):
        shop.now = NOW + day * DAY_SECONDS
        assert shop.review()["transitions"] == 0
    assert shop.mails() == []

    for day in range(60, 90):
        shop.now = NOW + day * DAY_SECONDS
        shop.review()

    assert segments(shop) == [(None, "loyal"), ("loyal", "at_risk")]
    (mail,) = shop.mails()
    assert mail.action == "winback-10"
    assert mail.payload["segment"] == "at_risk"
    assert mail.planned_at == NOW + 61 * DAY_SECONDS  # the first run after the hour of the lapse
    assert shop.facts(customer("c-1")).segment == "at_risk"


def test_two_years_of_silence_run_through_every_segment_once(shop: Shop) -> None:
    """Each stored transition is announced, then nothing is due any more."""
    for week in range(104):
        shop.now = NOW + week * 7 * DAY_SECONDS
        shop.review()

    assert segments(shop)[1:] == [("loyal", "at_risk"), ("at_risk", "hibernating")]
    assert [mail.action for mail in shop.mails()] == ["winback-10", "reawaken-15"]
    assert shop.facts(customer("c-1")).review_at is None


def test_the_moment_of_review_is_exact_to_the_hour(shop: Shop) -> None:
    """A lapse is found within an hour after it happens, and not before."""
    lapses_at = NOW + 60 * DAY_SECONDS
    due = [shop.facts(customer("c-1")).review_at]
    while due[-1] is not None and due[-1] < lapses_at:
        shop.now = due[-1]
        shop.review()
        due.append(shop.facts(customer("c-1")).review_at)

    assert due[-1] is not None
    assert lapses_at <= due[-1] <= lapses_at + HOUR_SECONDS


def test_an_order_in_time_keeps_the_customer(shop: Shop) -> None:
    """Who buys again before they lapse is neither announced nor mailed."""
    shop.now = NOW + 59 * DAY_SECONDS
    shop.send(order_event("Order Completed", "o-2", total="30", user="c-1", at=shop.now))

    shop.now = NOW + 61 * DAY_SECONDS
    shop.review()

    assert segments(shop) == [(None, "loyal")]
    assert shop.mails() == []


def test_an_event_that_comes_before_the_schedule_settles_the_lapse(shop: Shop) -> None:
    """Whoever touches a lapsed profile first announces it; the schedule then finds it settled."""
    shop.now = NOW + 61 * DAY_SECONDS
    shop.send(track("Product Viewed", user="c-1", sku="MUG", at=shop.now))

    assert shop.review()["due"] == 0
    assert segments(shop) == [(None, "loyal"), ("loyal", "at_risk")]
    assert len(shop.mails()) == 1


def test_churn_that_rises_after_the_segment_changed_still_sets_the_action_off() -> None:
    """Who enters at_risk with a low churn is won back when churn reaches what the action asks."""
    shop = Shop(rules=rules_with(SilenceScorer(at_risk_after_days=20)))
    shop.send(identify(user="c-1", **ANN), bought("c-1", "o-1"))

    mailed_on: dict[int, int] = {}
    for day in range(150):
        shop.now = NOW + day * DAY_SECONDS
        shop.review()
        mailed_on.setdefault(len(shop.mails()), day)

    # 1 - exp(-days / 60) reaches one half after 41.6 days; later thresholds are of other actions.
    assert mailed_on == {0: 0, 1: 42}
    assert segments(shop) == [(None, "loyal"), ("loyal", "at_risk")]


def test_churn_that_rises_in_another_segment_sets_nothing_off(shop: Shop) -> None:
    """Thresholds of actions for other segments pass without a decision."""
    shop.now = NOW + 59 * DAY_SECONDS  # churn is 0.63, past what a win-back asks of at_risk

    counts = shop.review()

    assert (counts["settled"], counts["decisions"]) == (1, 0)
    assert shop.call_names().count("read") == 1


def test_a_customer_of_the_packaged_model_lapses_once() -> None:
    """The model that ships, over two years of silence: each change once, one mail for each."""
    scorer = load_scorer("portable", Documents().model("cdnow-1.0.0"))
    shop = Shop(rules=rules_with(scorer))
    shop.send(identify(user="c-1", **ANN), *(bought("c-1", f"o-{n}", days_ago=n) for n in (0, 30)))

    for week in range(105):
        shop.now = NOW + week * 7 * DAY_SECONDS
        shop.review()

    assert [after for _, after in segments(shop)] == ["new", "at_risk"]
    assert [mail.action for mail in shop.mails()] == ["welcome", "winback-10"]
    assert shop.facts(customer("c-1")).review_at is None


def test_the_scorecard_lapses_customers_as_well() -> None:
    """Without a model the rules of the policy run through silence the same way."""
    policy = rules_with().policy
    shop = Shop(rules=rules_with(Scorecard(policy)))
    shop.send(*(bought("c-1", f"o-{nth}", days_ago=nth) for nth in range(3)))

    for week in range(60):
        shop.now = NOW + week * 7 * DAY_SECONDS
        shop.review()

    assert [after for _, after in segments(shop)] == ["loyal", "at_risk", "hibernating"]


# --- carts --------------------------------------------------------------------------------------


def test_a_checkout_left_alone_becomes_one_event_and_one_mail(shop: Shop) -> None:
    """An hour after the checkout began it counts as abandoned, once."""
    shop.send(
        track("Product Viewed", user="c-1", sku="MUG", at=NOW + 1),
        track("Checkout Started", user="c-1", at=NOW + 2),
    )
    shop.now = NOW + 2 + HOUR_SECONDS - 1
    assert shop.review()["due"] == 0

    for minute in range(5):
        shop.now = NOW + 2 + HOUR_SECONDS + 60 * minute
        shop.review()

    (effect,) = shop.effects("Cart Abandoned")
    assert effect.payload == {"checkout_started_at": "2026-11-18T11:06:42Z", "sku": "MUG"}
    (mail,) = shop.mails()
    assert (mail.action, mail.payload["sku"]) == ("cart-reminder", "MUG")


@pytest.mark.parametrize("cancelled", [False, True])
def test_an_order_closes_the_checkout_even_if_it_is_cancelled(shop: Shop, cancelled: bool) -> None:
    """Who has ordered did not leave the cart alone."""
    shop.send(track("Checkout Started", user="c-1", at=NOW + 1))
    shop.send(order_event("Order Completed", "o-2", total="9", user="c-1", at=NOW + 2))
    if cancelled:
        shop.send(order_event("Order Cancelled", "o-2", user="c-1", at=NOW + 3))

    shop.now = NOW + 2 * HOUR_SECONDS
    shop.review()

    assert shop.effects("Cart Abandoned") == []
    assert shop.mails() == []


def test_a_second_checkout_is_abandoned_by_itself(shop: Shop) -> None:
    """Each checkout is announced; the mail about it keeps its interval."""
    for day in range(2):
        shop.now = NOW + day * DAY_SECONDS + 1
        shop.send(track("Checkout Started", user="c-1", at=shop.now))
        shop.now += 2 * HOUR_SECONDS
        shop.review()

    assert len(shop.effects("Cart Abandoned")) == 2
    assert len(shop.mails()) == 1


def test_a_guests_cart_is_announced_and_nobody_is_mailed(shop: Shop) -> None:
    """A guest without an address is an event; looking at them does not keep them alive."""
    shop.send(track("Checkout Started", visitor="g-1", at=NOW))
    shop.now = NOW + HOUR_SECONDS
    shop.calls()

    shop.review()

    (effect,) = shop.effects("Cart Abandoned")
    assert effect.subject_key == "a#g-1"
    assert shop.mails() == []
    stored = shop.store.read([FACTS.key("a#g-1")], now=shop.now).stored(FACTS.key("a#g-1"))
    assert stored is not None
    assert stored.expires_at == NOW + GUEST_WINDOW_SECONDS


def test_without_consent_the_event_goes_out_and_no_mail(shop: Shop) -> None:
    """Other systems hear of the cart; the customer did not agree to hear from us."""
    shop.send(identify(user="c-1", at=NOW + 1, consent_marketing_email=False))
    shop.send(track("Checkout Started", user="c-1", at=NOW + 1))

    shop.now = NOW + 2 * HOUR_SECONDS
    shop.review()

    assert len(shop.effects("Cart Abandoned")) == 1
    assert shop.mails() == []
    assert shop.store.all("record") == {}


def test_lapse_and_cart_in_one_review_are_two_decisions(shop: Shop) -> None:
    """After an outage of the schedule both have come due; each is announced and decided on."""
    lapses_at = NOW + 60 * DAY_SECONDS
    shop.now = lapses_at - 1800
    shop.send(track("Checkout Started", user="c-1", at=shop.now))
    assert shop.mails() == []

    shop.now = lapses_at + 3 * HOUR_SECONDS
    counts = shop.review()

    assert (counts["transitions"], counts["abandoned"], counts["decisions"]) == (1, 1, 2)
    assert [mail.action for mail in shop.mails()] == ["winback-10", "cart-reminder"]


# --- switches, addresses ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("switches", "planned"),
    [(Switches(sending=False), ["winback-10"]), (Switches(offers=False), [])],
)
def test_sending_is_the_workers_business_and_offers_ours(
    shop: Shop, switches: Switches, planned: list[str]
) -> None:
    """With sending off mails are planned and wait; with offers off nothing is promised."""
    copies: list[Write] = [Put(SWITCH.key(str(n)), switches) for n in range(SWITCH_COPIES)]
    shop.store.write(copies, now=NOW)

    shop.now = NOW + 61 * DAY_SECONDS
    shop.review()

    assert [mail.action for mail in shop.mails()] == planned
    assert bool(shop.store.all("coupon")) == bool(planned)


def test_two_accounts_with_one_address_lapse_and_are_mailed_once(shop: Shop) -> None:
    """The second account of one run loses the race for the address and is decided anew."""
    shop.send(identify(user="c-2", **{**ANN, "email": "ANN@example.com"}), bought("c-2", "o-9"))

    shop.now = NOW + 61 * DAY_SECONDS
    counts = shop.review()

    assert (counts["transitions"], counts["decisions"]) == (2, 2)
    assert len(shop.mails()) == 1
