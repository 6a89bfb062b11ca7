"""A decision explained to whom it was about, and a person asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.core.catalogue import Product
from chalicelib.core.contact import Contact, Stamped
from chalicelib.core.storage import Conflict
from chalicelib.core.subject import customer
from tests.storefront import Storefront, open_storefront
from tests.unit.core.situations import NOW


@pytest.fixture
def shop() -> Iterator[Storefront]:
    """A shop that knows one buyer."""
    with open_storefront() as storefront:
        yield storefront


def record_of(shop: Storefront, answer: dict[str, Any]) -> dict[str, Any]:
    """The decision as support staff see it."""
    response = shop.call("GET", f"/v1/decisions/{answer['decision_id']}", scopes=("read",))
    assert response.status_code == 200, response.body
    record: dict[str, Any] = response.json_body
    return record


def ask(shop: Storefront, decision_id: str, **call: Any) -> Any:
    """Ask for a person."""
    return shop.call("POST", f"/v1/decisions/{decision_id}/review", **call)


def test_a_decision_is_explained_in_words_for_its_customer(shop: Storefront) -> None:
    """Procedure, main factors, the nearest change, and how to contest it."""
    told = record_of(shop, shop.decide())["explanation"]

    assert told["procedure"][0].startswith("An automated procedure made this decision")
    assert (
        "From your past orders, a statistical model placed you in the group “at risk”."
        in (told["procedure"])
    )
    assert "Your last order was 100 days before." in told["factors"]
    assert "You had placed 3 orders that count." in told["factors"]
    assert "The rules of US for personal prices applied." in told["factors"]
    assert (
        "Had you opted out of personalisation: price tier base, no action."
        in (told["nearest_change"])
    )
    assert "ask for a person" in told["review"]


@pytest.mark.parametrize(
    ("context", "sentence"),
    [
        ({"pricing_opt_out": True}, "You opted out of personalisation, so nothing about you was"),
        ({"country": "ZZ", "region": None}, "Price: the published price, since the rules of the"),
    ],
)
def test_why_nothing_personal_happened_is_said(
    shop: Storefront, context: dict[str, Any], sentence: str
) -> None:
    """An opt-out and an unknown place are named as what they are."""
    told = record_of(shop, shop.decide(**context))["explanation"]

    assert any(each.startswith(sentence) for each in told["procedure"])


def test_no_discount_is_told_that_was_not_given(shop: Storefront) -> None:
    """A tier that moved no price: what stands is the published one, and why."""
    shop.knows(Product("CUP", "USD", base_price_minor=2000))
    cart = {"lines": [{"sku": "CUP", "quantity": 1, "unit_price": 2000}]}

    answer = shop.decide(cart=cart)
    told = record_of(shop, answer)["explanation"]["procedure"]

    assert answer["price"]["tier"] == "winback"
    assert (
        "Price: the published price, since the catalogue names no floor, so there is no personal "
        "price." in told
    )


def test_a_discount_that_was_given_is_told(shop: Storefront) -> None:
    """By which group, and that it lies below the published price."""
    told = record_of(shop, shop.decide())["explanation"]["procedure"]

    assert any(each.startswith("Price: below the published price") for each in told)


def test_after_an_opt_out_no_factor_is_about_the_customer(shop: Storefront) -> None:
    """Nothing was read, so there is nothing to tell."""
    told = record_of(shop, shop.decide(pricing_opt_out=True))["explanation"]

    assert told["factors"] == ["The rules of US for personal prices applied."]


def test_somebody_unknown_is_told_so(shop: Storefront) -> None:
    """No orders, the usual treatment."""
    told = record_of(shop, shop.decide("nobody"))["explanation"]

    assert "No orders of yours were known, so the usual treatment was used." in told["procedure"]


def test_a_review_is_noted_once_and_told_on_the_bus(shop: Storefront) -> None:
    """Asking again changes nothing; the effect goes the way of all effects."""
    decision_id = shop.decide()["decision_id"]
    assert record_of(shop, {"decision_id": decision_id})["review"] is None

    first = ask(shop, decision_id)
    shop.clock.forward(60)
    again = ask(shop, decision_id)

    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json_body == again.json_body
    assert record_of(shop, {"decision_id": decision_id})["review"] == first.json_body
    [effect] = [e for e in shop.store.all("effect").values() if e.action == "Review Requested"]
    assert (effect.kind, effect.decision_id) == ("event", decision_id)
    assert [line["ReviewsRequested"] for line in shop.lines("review_requested")] == [1]


def test_whoever_loses_the_race_is_told_what_stands(shop: Storefront) -> None:
    """Two clerks at once: one request."""
    decision_id = shop.decide()["decision_id"]
    shop.store.fail_writes(Conflict([]))

    assert ask(shop, decision_id).status_code == 202


@pytest.mark.parametrize(
    ("decision_id", "scopes", "status"),
    [("d_none", ("privacy",), 404), ("d_none", ("read",), 403), ("d_none", ("decide",), 403)],
)
def test_who_may_not_ask_and_what_does_not_exist(
    shop: Storefront, decision_id: str, scopes: tuple[str, ...], status: int
) -> None:
    """By scope and by name."""
    assert ask(shop, decision_id, scopes=scopes).status_code == status


def test_of_an_erased_person_nothing_is_explained_or_reviewed(shop: Storefront) -> None:
    """The record stays without them."""
    shop.knows(Contact(customer("c-1"), {"first_name": Stamped("Ada", NOW)}))
    answer = shop.decide()
    assert shop.call("DELETE", "/v1/customers/c-1").status_code == 200

    assert record_of(shop, answer)["explanation"] is None
    response = ask(shop, answer["decision_id"])
    assert (response.status_code, response.json_body["reason"]) == (409, "ERASED")
