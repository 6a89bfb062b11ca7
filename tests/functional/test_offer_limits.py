"""Limits where codes are issued: counted in the decision's one write, refused with a reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from chalicelib.core.allotments import DRY_SECONDS, SHARDS
from chalicelib.core.errors import BadInput
from chalicelib.core.policy import policy_from_json
from chalicelib.core.subject import customer
from chalicelib.flows.redeem import OfferCall, from_request
from tests.coupon_makers import WINBACK, budget_of, limited, stored_coupon
from tests.makers import DAY_SECONDS, identify, rules_with
from tests.shop import ANN, Shop, bought
from tests.storefront import Storefront, open_storefront
from tests.unit.core.situations import NOW, buyer, default_policy, shipped_rules


@contextmanager
def storefront(**limits: Any) -> Iterator[Storefront]:
    """A shop whose winback offer has these limits; its customers are silent for 100 days."""
    with open_storefront(rules=shipped_rules(actions=limited(WINBACK, **limits))) as shop:
        yield shop


def ask(shop: Storefront, number: int, **context: Any) -> str | None:
    """What customer c-NUMBER is offered: a code, or None."""
    subject = customer(f"c-{number}")
    if number != 1:
        shop.knows(buyer(silent_days=100, subject=subject))
    offers = shop.decide(subject.id, **context)["offers"]
    return offers[0]["code"] if offers else None


def reason(shop: Storefront, number: int) -> str:
    """Why c-NUMBER is not offered the winback action."""
    answer = shop.decide(f"c-{number}")
    [told] = [each for each in answer["reasons"] if each["action"] == WINBACK]
    assert told["layer"] == "limits"
    text: str = told["reason"]
    return text


def use(shop: Storefront, code: str, number: int, amount: int) -> None:
    """Let an order of c-NUMBER use a code."""
    call = OfferCall("redeem", code, customer(f"c-{number}"), f"o-{number}", amount, "USD")
    from_request(call, store=shop.store, rules=shop.rules, now=shop.clock())


def test_a_count_is_issued_to_the_last_and_no_further() -> None:
    """40 codes go to 40 customers, whichever shards serve them; all others are told why not."""
    with storefront(codes=40) as shop:
        codes = [ask(shop, number) for number in range(1, 61)]

        assert [code is not None for code in codes] == [True] * 40 + [False] * 20
        assert budget_of(shop.store, "codes") == (0, 40)
        assert reason(shop, 60) == "limit_reached"


def test_issuing_under_a_limit_is_one_read_and_one_write() -> None:
    """The shard is part of the one read; all shards are read only where it cannot say."""
    with storefront(codes=1000, budget_minor=10_000) as shop:
        ask(shop, 1)
        assert shop.calls() == ["read", "read", "write"]  # the first ever deals all shards out

        for number in range(2, 12):
            ask(shop, number)
            assert shop.calls()[-2:] == ["read", "write"]
        assert ("read", SHARDS) not in shop.store.calls


def test_a_used_up_count_is_looked_up_once_a_minute() -> None:
    """A shard that has found all of them dry says so by itself for a while."""
    with storefront(codes=1) as shop:
        ask(shop, 1)
        ask(shop, 2)
        shop.calls()

        shop.decide("c-2", session_id="s-2")
        assert shop.calls() == ["read", "write"]

        shop.clock.forward(DRY_SECONDS)
        shop.decide("c-2", session_id="s-3")
        assert shop.calls() == ["read", "read", "write"]


def test_a_raised_limit_counts_at_once() -> None:
    """Another policy deals what is left out anew; what was issued stays issued."""
    with storefront(codes=1) as shop:
        ask(shop, 1)
        assert ask(shop, 2) is None

        shop.rules = shipped_rules(actions=limited(WINBACK, codes=2))
        shop.start()

        assert ask(shop, 2, session_id="s-2") is not None
        assert ask(shop, 3) is None


def test_a_customer_gets_no_more_codes_than_the_limit() -> None:
    """When the first code has expired there is a second, and never a third."""
    with storefront(codes_per_customer=2) as shop:
        codes = []
        for day in (0, 15, 30):
            shop.clock.now = NOW + day * 86_400
            codes.append(ask(shop, 1))

        assert len(set(codes) - {None}) == 2
        assert codes[2] is None
        assert reason(shop, 1) == "limit_reached"


def test_an_exhausted_budget_offers_nothing() -> None:
    """A code that no cart could reserve is not promised; asking alone spends nothing."""
    with storefront(budget_minor=1000) as shop:
        code = ask(shop, 1)
        assert budget_of(shop.store) == (0, 0)
        assert code is not None
        use(shop, code, 1, 1000)

        assert ask(shop, 2) is None
        assert reason(shop, 2) == "budget_exhausted"


ASKING: dict[str, Callable[[Storefront, int], dict[str, Any]]] = {
    "sessions": lambda shop, n: shop.decide(session_id=f"s-{n % 500}"),
    "refreshes": lambda shop, _: shop.decide(),
    "carts": lambda shop, n: shop.decide(cart=_cart(1 + n % 200)),
    "no cart": lambda shop, n: shop.decide(cart=None, session_id=f"s-{n}"),
    "keys": lambda shop, n: shop.decide(headers={"Idempotency-Key": f"k-{n}"}),
    "places": lambda shop, n: shop.decide(region=("TX", "CA", "WA")[n % 3], session_id=f"s-{n}"),
    "no session": lambda shop, _: _later(shop).decide(session_id=None),
}


def _cart(quantity: int) -> dict[str, Any]:
    return {"lines": [{"sku": "MUG", "quantity": quantity, "unit_price": 2000}]}


def _later(shop: Storefront) -> Storefront:
    shop.clock.forward(901)  # past the quote, so that each is a decision of its own
    return shop


@pytest.mark.parametrize("how", ASKING)
def test_a_bot_gets_one_code(how: str) -> None:
    """1,000 asks of one customer, however it asks: one code, one count, no money."""
    with storefront(codes=100, codes_per_customer=1, budget_minor=1000) as shop:
        codes = {offer["code"] for n in range(1000) for offer in ASKING[how](shop, n)["offers"]}

        assert len(codes) == 1
        assert len(shop.store.all("coupon")) == 1
        assert budget_of(shop.store, "codes") == (0, 1)
        assert budget_of(shop.store) == (0, 0)


def test_new_names_get_nothing_of_an_offer_to_a_segment() -> None:
    """A segment is of people who bought something, and a name that is new has bought nothing."""
    with storefront() as shop:
        for number in range(300):
            assert shop.decide(None, anonymous_id=f"bot-{number}")["offers"] == []
            assert shop.decide(f"bot-{number}")["offers"] == []


def test_new_names_get_of_an_open_offer_what_its_count_allows() -> None:
    """Where a policy offers to strangers, a bot can take the codes that it counts, never money."""
    actions = tuple(
        action.model_copy(update={"segments": (), "min_churn": None})
        if action.id == WINBACK
        else action
        for action in limited(WINBACK, codes=40, budget_minor=1000)
    )
    with open_storefront(rules=shipped_rules(actions=actions)) as shop:
        for number in range(300):
            shop.decide(None, anonymous_id=f"bot-{number}")

        assert len(shop.store.all("coupon")) == 40
        assert (budget_of(shop.store, "codes"), budget_of(shop.store)) == ((0, 40), (0, 0))


def test_two_sessions_at_once_issue_one_code_and_count_it_once() -> None:
    """Whoever writes second shows what the first was given."""
    with storefront(codes=10, codes_per_customer=1) as shop:
        won: list[str | None] = []
        shop.store.before_write = lambda: won.append(ask(shop, 1, session_id="s-2"))

        assert [ask(shop, 1, session_id="s-1")] == won
        assert budget_of(shop.store, "codes") == (0, 1)


def test_customers_who_race_for_a_shard_are_all_served() -> None:
    """Who loses a shard takes from another one; nobody is turned away before the count is used."""
    with storefront(codes=16) as shop:
        numbers = list(range(2, 18))

        def meanwhile() -> None:
            if numbers:
                number = numbers.pop()
                shop.knows(buyer(silent_days=100, subject=customer(f"c-{number}")))
                shop.store.before_write = meanwhile
                ask(shop, number)

        shop.store.before_write = meanwhile
        ask(shop, 1)

        spent = budget_of(shop.store, "codes")[1]
        assert spent == len(shop.store.all("coupon")) == 16


def test_a_decision_under_a_limit_replays_to_the_same() -> None:
    """What limits left is part of the record."""
    with storefront(codes=1) as shop:
        ask(shop, 1)
        shop.knows(buyer(silent_days=100, subject=customer("c-2")))
        for name in ("c-1", "c-2"):
            decided = shop.decide(name, session_id="other")
            path = f"/v1/decisions/{decided['decision_id']}/replay"
            assert shop.call("POST", path).json_body == {"same": True, "differences": []}


def test_limits_hold_for_mails_too() -> None:
    """Triggered decisions in one run of the schedule share the count; the third has no code."""
    shop = Shop(rules=rules_with(actions=limited(WINBACK, codes=2)))
    for name in ("c-1", "c-2", "c-3"):
        told = {**ANN, "email": f"{name}@example.com"}
        shop.send(identify(user=name, **told), bought(name, f"o-{name}"))

    shop.now = NOW + 61 * DAY_SECONDS
    shop.review()

    assert len(shop.store.all("coupon")) == 2
    assert budget_of(shop.store, "codes") == (0, 2)


def test_a_code_for_several_orders_is_used_that_often() -> None:
    """The policy says how many orders a code serves; the code remembers it."""
    with storefront(redemptions_per_code=2) as shop:
        code = ask(shop, 1)
        assert code is not None
        assert stored_coupon(shop.store, code).redemptions == 2
        use(shop, code, 1, 10)
        assert ask(shop, 1, session_id="s-2") == code


@pytest.mark.parametrize(
    "limits",
    [
        {"codes": 0},
        {"budget_minor": 0},
        {"redemptions_per_code": 0},
        {"lock_minutes": 0},
        {"codes": 1, "codes_per_customer": 2},
        {"budget": 5},
    ],
)
def test_impossible_limits_are_refused(limits: dict[str, int]) -> None:
    """A policy names the field that is wrong with it."""
    document = default_policy().model_dump(mode="json")
    document["actions"][0]["offer"]["limits"] = limits

    with pytest.raises(BadInput, match="limits"):
        policy_from_json(document)


def test_a_budget_below_the_offers_value_is_refused() -> None:
    """It could never be used."""
    document = default_policy().model_dump(mode="json")
    offer = {"kind": "amount_off", "value": 500, "valid_days": 7, "limits": {"budget_minor": 499}}
    document["actions"][0]["offer"] = offer

    with pytest.raises(BadInput, match="budget_minor"):
        policy_from_json(document)
