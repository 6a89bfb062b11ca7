"""Stored attacks: whatever a shop's customers, files or tools can write stays words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ops.seed import SeedFile
from ops.story.play import await_drop, put_file
from ops.story.telling import Telling
from tests.e2e.browser.conftest import PACKAGED, Desk

if TYPE_CHECKING:
    from ops.visit import Visit

pytestmark = pytest.mark.e2e
SCRIPT = "<script>window.owned=1</script>"
IMAGE = "<img src=x onerror=window.owned=1>"
VECTOR = '"><svg onload=window.owned=1>'
QUOTED = "' autofocus onfocus=window.owned=1 x='"
SUPPLIED = "<svg onload=window.owned=1>"
FILE = f"{SCRIPT.replace('/', '_')}.csv"
TEMPLATE = "{{ 191 * 7 }}"
# An address cannot hold brackets or double quotes; what it can hold ends an attribute.
ADDRESS = "evil'onfocus='window.owned=1'@example.com"
EVIL = f"{SCRIPT}{IMAGE}{VECTOR}{QUOTED}"
WHO = f"{VECTOR}{TEMPLATE}"
# What would be there if a value had become a part of the page.
FOREIGN = "img, iframe, object, embed, base, style, [onload], [onerror], [onfocus], svg[onload]"


@pytest.fixture(scope="module")
def attacked(desk: Desk) -> dict[str, str]:
    """Addresses of pages on which the attacks appear, by what they show."""
    traits = {
        "firstName": EVIL,
        "email": ADDRESS,
        "country": "US",
        "region": "NY",
    }
    shop = desk.venue.shop
    sent = shop.send(
        [
            {"type": "identify", "userId": WHO, "messageId": "hostile-1", "traits": traits},
            {
                "type": "track",
                "event": "Product Viewed",
                "userId": WHO,
                "messageId": "hostile-2",
                "properties": {"sku": SCRIPT},
            },
            {
                "type": "track",
                "event": "Order Completed",
                "userId": WHO,
                "messageId": "hostile-3",
                "properties": {"order_id": IMAGE, "total": "12.00", "currency": "USD"},
            },
        ]
    )
    assert sent.body["accepted"] == 3, sent.body
    cart = {"lines": [{"sku": SCRIPT, "quantity": 1, "unit_price": 1999}]}
    context = {"country": "US", "region": "NY", "currency": "USD", "session_id": VECTOR}
    decided = shop.decide({"customer_id": WHO, "context": context, "cart": cart}).body
    drop_file(desk, "customers/features.csv", f"customer_id,shoe_size\n{in_csv(WHO)},{SUPPLIED}\n")
    header = "order_id,customer_id,ordered_at,quantity,currency,amount\n"
    row = f"order-1,{in_csv(WHO)},2026-01-01T00:00:00Z,1,USD,{in_csv(VECTOR + TEMPLATE)}\n"
    drop_id = drop_file(desk, f"orders/{FILE}", header + row)
    policy_hash = desk.store_policy(name="hostile-words", quote_valid_seconds=1200)
    simulation = {
        "subject": "hostile words",
        "figures": {"policy": policy_hash, SCRIPT: IMAGE, VECTOR: EVIL},
    }
    told = desk.call("POST", f"/v1/policies/{policy_hash}/simulations", simulation)
    assert told.status == 201, told.body
    return {
        "decision": f"/decisions/{decided['decision_id']}",
        "drop": f"/drops/{drop_id}",
        "policy": f"/policies/{policy_hash}",
    }


def in_csv(words: str) -> str:
    """A cell of a CSV that holds these words."""
    return '"' + words.replace('"', '""') + '"'


def drop_file(desk: Desk, key: str, text: str) -> str:
    """Drop a file of one record and wait for its end; the id of the drop."""
    drop_id, file = put_file(desk.venue, SeedFile(key, text.encode(), 1))
    await_drop(desk.venue, drop_id, file, Telling())
    return drop_id


def assert_inert(visit: Visit, *literally: str) -> None:
    """Nothing ran, nothing became a part of the page, and the words are read as written."""
    page = visit.page
    assert page.evaluate("window.owned") is None
    assert page.locator(FOREIGN).count() == 0
    assert page.locator('[href^="javascript"], [action^="javascript"]').count() == 0
    # Nobody of that name, or not what was asked for, is an answer that the browser notes.
    assert [each for each in visit.notes.complaints if "Failed to load resource" not in each] == []
    assert visit.notes.elsewhere == []
    text = page.locator("body").inner_text()
    for words in literally:
        assert words in text, words
    assert str(191 * 7) not in text


def customer_path(visit: Visit, who: str) -> str:
    """Look a customer up by the form; where that leads."""
    visit.go("/customers")
    visit.page.get_by_label("Customer id or e-mail address").fill(who)
    visit.press("Look up")
    return visit.path


def test_a_customer_who_attacks_is_looked_up_and_read(
    operator: Visit, attacked: dict[str, str]
) -> None:
    """Id, first name, address, features, order and article stand there as words."""
    customer_path(operator, WHO)

    assert_inert(operator, WHO, EVIL, ADDRESS, SUPPLIED, IMAGE, SCRIPT)


def test_erasing_them_asks_with_their_words(operator: Visit, attacked: dict[str, str]) -> None:
    """And what was typed wrongly is not repeated as markup."""
    path = customer_path(operator, WHO)
    operator.go(f"{path}/erase")
    assert_inert(operator, WHO)
    operator.page.get_by_label("Type the customer's id").fill(EVIL)
    operator.press("Erase for good")

    assert_inert(operator, WHO, "Nothing was erased.")


@pytest.mark.parametrize(
    ("page", "literally"),
    [
        ("decision", (WHO, SCRIPT)),
        ("drop", (VECTOR + TEMPLATE, FILE)),
        ("policy", (SCRIPT, IMAGE)),
    ],
)
def test_what_leads_to_them_is_inert_too(
    operator: Visit, attacked: dict[str, str], page: str, literally: tuple[str, ...]
) -> None:
    """A decision with their cart, a file that was named and filled so, a simulation's figures."""
    operator.go(attacked[page])

    assert_inert(operator, *literally)


def test_what_is_typed_comes_back_as_words(operator: Visit) -> None:
    """In the field and in the page that says that nobody is called so."""
    for words in (SCRIPT, IMAGE, VECTOR, QUOTED):
        customer_path(operator, words)

        field = operator.page.get_by_label("Customer id or e-mail address")
        assert field.input_value() == words
        assert_inert(operator)


def test_an_address_that_names_nothing_is_not_repeated_as_markup(operator: Visit) -> None:
    """Ids, states, parameters: what a link from elsewhere could bring along."""
    for path in (
        f"/customers/{VECTOR.replace('/', '')}",
        f"/decisions/{IMAGE}",
        f"/messages?state={IMAGE}",
        f"/policies/{IMAGE}",
        f"/drops?drop_id={IMAGE}",
        f"/switches/{IMAGE}",
        f"/sign-in?expired={IMAGE}",
    ):
        operator.go(path)
        assert_inert(operator)


def test_a_policy_cannot_be_called_so(desk: Desk) -> None:
    """Names of policies, tiers and features are refused before they are stored."""
    document = {**PACKAGED.model_dump(mode="json"), "name": IMAGE}

    refused = desk.call("POST", "/v1/policies", document)

    assert refused.status == 422
    assert "name" in json.dumps(refused.body)
    listed = desk.call("GET", "/v1/policies").body["policies"]
    assert IMAGE not in [each["name"] for each in listed]
