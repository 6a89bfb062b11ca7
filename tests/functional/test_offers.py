"""The routes of a code: reserve, redeem, release, and what each refuses by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.api import answers
from chalicelib.core.instants import DAY_SECONDS
from tests.coupon_makers import budget_of, limited
from tests.makers import order_event
from tests.storefront import Storefront, open_storefront
from tests.unit.core.situations import shipped_rules

WHO = {"customer_id": "c-1"}


@pytest.fixture
def shop() -> Iterator[Storefront]:
    """A shop whose winback offer has a budget of 1,000 minor units; it knows one buyer, c-1."""
    rules = shipped_rules(actions=limited("winback-10", budget_minor=1000))
    with open_storefront(rules=rules) as storefront:
        yield storefront


def issue(shop: Storefront, customer_id: str = "c-1") -> str:
    """A code that a checkout has just been shown."""
    [offer] = shop.decide(customer_id)["offers"]
    code: str = offer["code"]
    return code


def ask(
    shop: Storefront,
    operation: str,
    code: str,
    *,
    order: str = "o-1",
    amount: int = 200,
    status: int = 200,
    **more: Any,
) -> dict[str, Any]:
    """Ask something of a code."""
    body: dict[str, Any] = {**WHO, "order_id": order}
    if operation != "release":
        body |= {"amount": amount, "currency": "USD"}
    headers = more.pop("headers", None)
    path = f"/v1/offers/{code}/{operation}"
    response = shop.call("POST", path, body=body | more, headers=headers)
    assert response.status_code == status, response.body
    told: dict[str, Any] = response.json_body
    return told


def test_a_code_is_reserved_and_redeemed(shop: Storefront) -> None:
    """The amount is held while the cart has the code, and spent once the order has used it."""
    code = issue(shop)

    held = ask(shop, "reserve", code)
    assert (held["state"], held["amount"], budget_of(shop.store)) == ("reserved", 200, (200, 0))
    done = ask(shop, "redeem", code, amount=150)

    assert (done["state"], done["amount"], budget_of(shop.store)) == ("redeemed", 150, (0, 150))
    answers.OfferStanding.model_validate(done)


def test_a_released_code_is_live_and_its_money_free(shop: Storefront) -> None:
    """A release gives everything back, and a second one has nothing left to do."""
    code = issue(shop)
    ask(shop, "reserve", code)

    told = [ask(shop, "release", code) for _ in range(2)]

    assert [each["state"] for each in told] == ["live", "live"]
    assert budget_of(shop.store) == (0, 0)


def test_the_same_call_again_has_no_second_effect(shop: Storefront) -> None:
    """Each call may be repeated for the same order, and is answered the same."""
    code = issue(shop)

    for operation in ("reserve", "redeem"):
        first = ask(shop, operation, code)
        shop.clock.forward(30)
        shop.calls()
        assert ask(shop, operation, code) == first
        assert "write" not in shop.calls()
    assert budget_of(shop.store) == (0, 200)


def test_what_is_not_allowed_is_refused_by_name(shop: Storefront) -> None:
    """A problem document with 409 and the reason, counted, and nothing is changed."""
    code = issue(shop)
    ask(shop, "reserve", code, order="o-1")

    elsewhere = ask(shop, "redeem", code, order="o-2", status=409)
    others = ask(shop, "redeem", code, status=409, customer_id="c-2")
    foreign = ask(shop, "redeem", code, status=409, currency="EUR")
    ask(shop, "redeem", code)
    late = ask(shop, "release", code, status=409)
    twice = ask(shop, "reserve", code, order="o-2", status=409)
    more = ask(shop, "redeem", code, amount=201, status=409)

    reasons = [each["reason"] for each in (elsewhere, others, foreign, late, twice, more)]
    assert reasons == [
        "code_reserved_elsewhere",
        "not_your_code",
        "wrong_currency",
        "release_after_redemption",
        "code_redeemed",
        "redeemed_for_another_amount",
    ]
    assert [line["reason"] for line in shop.lines("offer_refused")] == reasons
    assert budget_of(shop.store) == (0, 200)


def test_an_order_of_another_customer_is_refused(shop: Storefront) -> None:
    """A code that it used could never be given back by it; a guest's order may be anybody's."""
    code = issue(shop)
    for who, order_id in (({"userId": "c-2"}, "o-2"), ({"anonymousId": "g-1"}, "o-g")):
        message = order_event("Order Completed", order_id, total=9)
        told = shop.call("POST", "/v1/events", body={**message, **who})
        assert told.json_body["accepted"] == 1

    for operation in ("reserve", "redeem"):
        assert ask(shop, operation, code, order="o-2", status=409)["reason"] == "not_your_order"
    assert budget_of(shop.store) == (0, 0)
    assert ask(shop, "redeem", code, order="o-g")["state"] == "redeemed"


def test_a_code_that_does_not_exist_is_404(shop: Storefront) -> None:
    """Named, counted, and nothing is written."""
    told = ask(shop, "redeem", "NOSUCHCODE00", status=404)

    assert told["reason"] == "code_unknown"
    assert [line["OfferRefusals"] for line in shop.lines("offer_refused")] == [1]
    assert shop.calls() == ["read"]


def test_an_expired_code_is_refused(shop: Storefront) -> None:
    """From the moment that the offer named."""
    code = issue(shop)
    shop.clock.forward(14 * DAY_SECONDS)

    assert ask(shop, "reserve", code, status=409)["reason"] == "code_expired"


def test_a_lock_ends_by_itself(shop: Storefront) -> None:
    """After 15 minutes another cart may have the code, and what the first held is given back."""
    code = issue(shop)
    ask(shop, "reserve", code, order="o-1", amount=700)
    shop.clock.forward(15 * 60)

    ask(shop, "reserve", code, order="o-2", amount=300)

    assert budget_of(shop.store) == (300, 0)


def test_a_refusal_still_gives_lapsed_money_back(shop: Storefront) -> None:
    """Whoever touches a code whose lock has ended frees what it held, even when refused."""
    code = issue(shop)
    ask(shop, "reserve", code, amount=700)
    shop.clock.forward(14 * DAY_SECONDS)

    ask(shop, "redeem", code, order="o-2", status=409)

    assert budget_of(shop.store) == (0, 0)


def test_a_budget_is_usable_to_the_end_and_no_further(shop: Storefront) -> None:
    """One code may take what all shards have together, and the next is refused."""
    first = issue(shop)
    ask(shop, "reserve", first, amount=1001, status=409)
    ask(shop, "redeem", first, amount=1000)

    assert budget_of(shop.store) == (0, 1000)


def test_a_key_repeats_the_answer_and_refuses_another_body(shop: Storefront) -> None:
    """With an Idempotency-Key the first answer stands; another body is 422, a bad key 400."""
    code, key = issue(shop), {"Idempotency-Key": "k-1"}
    first = ask(shop, "reserve", code, headers=key)
    ask(shop, "release", code)

    assert ask(shop, "reserve", code, headers=key) == first
    told = ask(shop, "reserve", code, amount=1, headers=key, status=422)
    assert told["type"] == "urn:segue:problem:idempotency-key-reused"
    ask(shop, "reserve", code, headers={"Idempotency-Key": " "}, status=400)
    assert budget_of(shop.store) == (0, 0)


def test_a_used_code_is_shown_no_more(shop: Storefront) -> None:
    """A refresh in the same session shows no code that was used, and issues no second one."""
    code = issue(shop)
    ask(shop, "redeem", code)

    answer = shop.decide()

    assert answer["offers"] == []
    assert {"action": "winback-10", "reason": "code_used"}.items() <= answer["reasons"][0].items()
    assert len(shop.store.all("coupon")) == 1
