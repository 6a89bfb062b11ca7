"""Taking a code back: by whom, what it stops, and what is refused by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest

from chalicelib.api import answers
from chalicelib.core.coupons import state_of
from chalicelib.core.errors import Refused
from chalicelib.core.instants import DAY_SECONDS, format_instant
from chalicelib.flows.redeem import OfferCall
from chalicelib.flows.redeem import from_request as move
from tests.coupon_makers import BUYER, WINBACK, budget_of, check_books, limited, stored_coupon
from tests.storefront import Storefront, open_storefront
from tests.unit.core.situations import NOW, shipped_rules

BUDGET = 1000


def open_shop(**limits: Any) -> Any:
    """A shop whose winback offer is limited; it knows one buyer, c-1."""
    rules = shipped_rules(actions=limited(WINBACK, budget_minor=BUDGET, **limits))
    return open_storefront(rules=rules)


@pytest.fixture
def shop() -> Iterator[Storefront]:
    """A shop with a budget for its winback offer."""
    with open_shop() as storefront:
        yield storefront


def issue(shop: Storefront) -> str:
    """The code that c-1 is shown."""
    [offer] = shop.decide()["offers"]
    code: str = offer["code"]
    return code


def revoke(
    shop: Storefront, code: str, *, reason: Any = "leaked", status: int = 200, **more: Any
) -> dict[str, Any]:
    """Ask for a code to be taken back."""
    path = f"/v1/offers/{code}/revoke"
    response = shop.call("POST", path, body={"reason": reason}, **more)
    assert response.status_code == status, response.body
    told: dict[str, Any] = response.json_body
    return told


def revoking(shop: Storefront, code: str) -> Callable[[], None]:
    """What an operator does meanwhile."""

    def meanwhile() -> None:
        revoke(shop, code)

    return meanwhile


def use(shop: Storefront, operation: Any, code: str, order_id: str = "o-1") -> None:
    """Let a cart or an order of c-1 do something with a code."""
    asked = OfferCall(operation, code, BUYER, order_id, 200, "USD")
    move(asked, store=shop.store, rules=shop.rules, now=shop.clock())


def state(shop: Storefront, code: str) -> str:
    """How a code stands."""
    return state_of(stored_coupon(shop.store, code), now=shop.clock())


def test_a_revoked_code_serves_nobody(shop: Storefront) -> None:
    """Whatever a cart asks of it from then on is refused by one and the same name."""
    code = issue(shop)

    told = revoke(shop, f"{code[:4].lower()}-{code[4:]}")

    answers.OfferRevoked.model_validate(told)
    assert (told["state"], told["reason"], told["redeemed"]) == ("revoked", "leaked", 0)
    for operation in ("reserve", "redeem", "release"):
        with pytest.raises(Refused, match="code_revoked"):
            use(shop, operation, code)
    assert state(shop, code) == "revoked"


def test_a_cart_loses_the_code_and_its_money_is_free(shop: Storefront) -> None:
    """In the one write that revokes it."""
    code = issue(shop)
    use(shop, "reserve", code)
    assert budget_of(shop.store) == (200, 0)
    shop.calls()

    revoke(shop, code)

    assert shop.calls() == ["read", "read", "write"]
    assert budget_of(shop.store) == (0, 0)
    check_books(shop.store, budget_minor=BUDGET, now=NOW)


def test_revoking_again_changes_nothing(shop: Storefront) -> None:
    """The first reason and moment stand; it is counted as one move."""
    code = issue(shop)
    first = revoke(shop, code)
    shop.clock.forward(60)
    shop.calls()

    assert revoke(shop, code, reason="once more") == first
    assert first["revoked_at"] == format_instant(NOW)
    assert "write" not in shop.calls()
    assert [line["OfferMoves"] for line in shop.lines() if "OfferMoves" in line] == [1]


def test_what_cannot_be_revoked_is_refused_by_name(shop: Storefront) -> None:
    """Unknown, used, given back and expired codes; counted, and nothing is changed."""
    told = [revoke(shop, "0" * 12, status=404), revoke(shop, "x" * 5000, status=404)]
    code = issue(shop)
    use(shop, "redeem", code)
    told.append(revoke(shop, code, status=409))
    shop.store.calls.clear()
    told.append(revoke(shop, code, status=409))

    reasons = [each["reason"] for each in told]
    assert reasons == ["code_unknown", "code_unknown", "code_redeemed", "code_redeemed"]
    refused = shop.lines("offer_refused")
    assert [line["reason"] for line in refused] == reasons
    assert {line["operation"] for line in refused} == {"revoke"}
    assert "write" not in shop.calls()
    assert (state(shop, code), budget_of(shop.store)) == ("redeemed", (0, 200))


def test_an_expired_code_needs_no_revoking(shop: Storefront) -> None:
    """It is refused, and what a lock that ended still held is given back."""
    code = issue(shop)
    use(shop, "reserve", code)
    shop.clock.forward(14 * DAY_SECONDS)

    assert revoke(shop, code, status=409)["reason"] == "code_expired"
    assert budget_of(shop.store) == (0, 0)


def test_what_orders_have_used_of_a_code_stays_used() -> None:
    """A code for two orders, revoked after the first: no second one, and the first is spent."""
    with open_shop(redemptions_per_code=2) as shop:
        code = issue(shop)
        use(shop, "redeem", code)

        assert revoke(shop, code)["redeemed"] == 1

        with pytest.raises(Refused, match="code_revoked"):
            use(shop, "redeem", code, "o-2")
        assert budget_of(shop.store) == (0, 200)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "reason"),
        ({"reason": ""}, "reason"),
        ({"reason": "x" * 129}, "reason"),
        ({"reason": 7}, "reason"),
        ({"reason": "two\nlines"}, "reason"),
        ({"reason": "leaked", "force": True}, "force"),
        ([], "body"),
    ],
)
def test_a_revocation_says_why(shop: Storefront, body: Any, field: str) -> None:
    """422 that names the field, and nothing is asked of storage."""
    code = issue(shop)
    shop.calls()

    response = shop.call("POST", f"/v1/offers/{code}/revoke", body=body)

    assert response.status_code == 422
    assert response.json_body["errors"][0]["field"] == field
    assert shop.calls() == []


@pytest.mark.parametrize("scope", ["decide", "events", "read", "privacy"])
def test_only_an_operator_may_revoke(shop: Storefront, scope: str) -> None:
    """The checkout's own key, which is where a leak would be, cannot."""
    code = issue(shop)

    assert revoke(shop, code, status=403, scopes=[scope])["status"] == 403
    assert revoke(shop, code, scopes=["operate"])["state"] == "revoked"


def test_a_key_repeats_the_answer_and_refuses_another_reason(shop: Storefront) -> None:
    """As with every other call: 422 for another body, 400 for a malformed key."""
    code, key = issue(shop), {"Idempotency-Key": "k-1"}
    first = revoke(shop, code, headers=key)

    assert revoke(shop, code, headers=key) == first
    told = revoke(shop, code, reason="other", headers=key, status=422)
    assert told["type"] == "urn:segue:problem:idempotency-key-reused"
    assert revoke(shop, code, headers={"Idempotency-Key": ""}, status=400)["status"] == 400


def test_no_word_of_the_operator_and_no_code_gets_into_a_log(shop: Storefront) -> None:
    """Reasons are an operator's own words, and a code in a log would be a leak of its own."""
    code = issue(shop)
    for asked in (code, "QVKKA0000000", "quokka " * 30):
        for reason in ("quokka Ann", ["quokka"], "quokka\n"):
            body = {"reason": reason, "quokka": reason} if asked != code else {"reason": reason}
            path = f"/v1/offers/{quote(asked)}/revoke"
            shop.call("POST", path, body=body, headers={"Idempotency-Key": "quokka"})
    assert stored_coupon(shop.store, code).revoked_for == "quokka Ann"

    logged = shop.log.getvalue().casefold()
    assert "quokka" not in logged
    assert code.casefold() not in logged


@pytest.mark.parametrize("operation", ["reserve", "redeem"])
def test_a_cart_that_is_faster_is_seen_by_the_operator(shop: Storefront, operation: str) -> None:
    """A cart that locks the code meanwhile loses it; an order that used it has used it."""
    code = issue(shop)
    shop.store.before_write = lambda: use(shop, operation, code)

    revoke(shop, code, status=200 if operation == "reserve" else 409)

    assert state(shop, code) == ("revoked" if operation == "reserve" else "redeemed")
    check_books(shop.store, budget_minor=BUDGET, now=NOW)


@pytest.mark.parametrize("operation", ["reserve", "redeem"])
def test_an_operator_who_is_faster_is_seen_by_the_cart(shop: Storefront, operation: str) -> None:
    """Revoked between a cart's read and its write: refused by name, and nothing is held."""
    code = issue(shop)
    shop.store.before_write = revoking(shop, code)

    with pytest.raises(Refused, match="code_revoked"):
        use(shop, operation, code)

    assert (state(shop, code), budget_of(shop.store)) == ("revoked", (0, 0))
