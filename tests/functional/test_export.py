"""The portable copy: everything that is stored of a customer, and nothing of anybody else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.api.views import Export
from chalicelib.core.kinds import RECORD
from chalicelib.core.storage import WHATEVER, Put
from tests.coupon_makers import limited
from tests.makers import identify, order_event
from tests.persons import ANN, EMAIL, GUEST, settle_in
from tests.storefront import Storefront, open_storefront
from tests.unit.core.situations import NOW, shipped_rules


@pytest.fixture
def shop() -> Iterator[Storefront]:
    """A shop that knows Ann, and somebody else."""
    with open_storefront() as storefront:
        settle_in(storefront)
        other = [
            identify(user="stranger", email="stranger@example.com", firstName="Strange", at=NOW),
            order_event("Order Completed", "strange-o", user="stranger", total=9, at=NOW),
        ]
        storefront.call("POST", "/v1/events", body={"batch": other})
        storefront.decide("stranger")
        yield storefront


def export(shop: Storefront, customer_id: str = ANN) -> dict[str, Any]:
    """The copy, held against its model."""
    response = shop.call("GET", f"/v1/customers/{customer_id}/export")
    assert response.status_code == 200, response.body
    Export.model_validate(response.json_body)
    body: dict[str, Any] = response.json_body
    return body


def test_everything_of_hers_is_in_it(shop: Storefront) -> None:
    """Facts, contact, consent with proof, guests, orders, decisions, effects and codes."""
    told = export(shop)

    assert told["contact"]["email"]["value"] == EMAIL
    assert told["contact"]["first_name"]["value"] == "Canaryann"
    assert told["guests"] == [GUEST]
    assert {order["order_id"] for order in told["orders"]} == {"canary-o-0", "canary-o-1"}
    said = [(entry["source"], entry["wording"]) for entry in told["consent_ledger"]]
    assert said == [("event", None), ("form", "newsletter-3")]
    assert told["consent_ledger_intact"]
    assert (told["address_ledger"], told["address_ledger_intact"]) == ([], True)
    assert {each["placement"] for each in told["decisions"]} == {"mail", "checkout"}
    assert {each["kind"] for each in told["effects"]} >= {"event", "mail", "offer"}
    assert told["coupons"]
    assert told["facts"]["last_product"][1] == "canary-sku"
    assert told["codes_issued"] == {}
    assert told["left_out"] == {}


def test_nothing_of_anybody_else_is_in_it(shop: Storefront) -> None:
    """Not a word of another customer."""
    assert "strange" not in json.dumps(export(shop)).casefold()


def test_every_table_has_been_asked(shop: Storefront) -> None:
    """Whatever an erasure finds of hers, the copy held: nothing is stored beyond it."""
    told = export(shop)

    counts = shop.call("DELETE", f"/v1/customers/{ANN}").json_body["counts"]

    assert counts["order"] == len(told["orders"])
    assert counts["record"] == len(told["decisions"])
    assert counts["effect"] == len(told["effects"])
    assert counts["coupon"] == len(told["coupons"])
    assert counts["consent"] == len(told["consent_ledger"])


def test_nobody_is_404(shop: Storefront) -> None:
    """Of whom nothing is stored there is no copy."""
    assert shop.call("GET", "/v1/customers/nobody/export").status_code == 404


def test_codes_that_are_counted_are_told() -> None:
    """Where the policy limits how many codes a customer gets, the count is theirs to know."""
    rules = shipped_rules(actions=limited("winback-10", codes_per_customer=2))
    with open_storefront(rules=rules) as counting:
        settle_in(counting)

        assert export(counting)["codes_issued"] == {"winback-10": 1}


def test_a_record_from_before_an_erasure_is_nobodys(shop: Storefront) -> None:
    """Stored by a checkout behind the erasure's back: there is no copy of it."""
    name, record = next(
        (name, each) for name, each in shop.store.all("record").items() if ANN in each["subject"]
    )
    shop.call("DELETE", f"/v1/customers/{ANN}")
    put = Put(RECORD.key(name.removeprefix("d#")), record, WHATEVER)
    shop.store.write([put], now=NOW)

    assert shop.call("GET", f"/v1/customers/{ANN}/export").status_code == 404
