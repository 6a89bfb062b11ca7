"""What a checkout shows once a code was taken back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.core.errors import Refused
from chalicelib.core.instants import DAY_SECONDS
from tests.coupon_makers import WINBACK
from tests.functional.test_offers_revoke import issue, open_shop, revoke, revoking, use
from tests.storefront import MUGS, Storefront

MORE = {"lines": [*MUGS["lines"], {"sku": "CUP", "quantity": 1, "unit_price": 1000}]}


@pytest.fixture
def shop() -> Iterator[Storefront]:
    """A shop with a budget for its winback offer; it knows one buyer, c-1."""
    with open_shop() as storefront:
        yield storefront


@pytest.mark.parametrize("session_id", ["s-1", "s-2", None])
@pytest.mark.parametrize("cart", [MUGS, MORE], ids=["the same cart", "another cart"])
def test_no_session_shows_a_revoked_code(
    shop: Storefront, session_id: str | None, cart: Any
) -> None:
    """Neither the session that had it nor another one; and no second code is issued for it."""
    code = issue(shop)
    assert shop.decide(session_id=None)["offers"][0]["code"] == code
    revoke(shop, code)

    answer = shop.decide(session_id=session_id, cart=cart)

    assert answer["offers"] == []
    [why] = [each for each in answer["reasons"] if each["action"] == WINBACK]
    assert (why["layer"], why["reason"]) == ("limits", "code_revoked")
    assert len(shop.store.all("coupon")) == 1


def test_a_checkout_under_way_is_the_last_that_shows_the_code(shop: Storefront) -> None:
    """It had read before the code was revoked; the refresh of what it showed shows nothing."""
    code = issue(shop)
    shop.store.before_write = revoking(shop, code)

    shown = [shop.decide(session_id="s-2")["offers"] for _ in range(2)]

    assert [len(offers) for offers in shown] == [1, 0]
    with pytest.raises(Refused, match="code_revoked"):
        use(shop, "reserve", code)


def test_the_same_price_stays_without_the_code(shop: Storefront) -> None:
    """The session keeps its tier; it is the code alone that is gone."""
    shown = shop.decide()
    revoke(shop, shown["offers"][0]["code"])

    answer = shop.decide()

    assert answer["price"]["tier"] == shown["price"]["tier"]
    assert answer["price"]["reason"] == "session_kept"


def test_after_its_date_the_customer_may_have_another(shop: Storefront) -> None:
    """Until the revoked code would have expired there is no second one; then there is."""
    code = issue(shop)
    revoke(shop, code)

    seen = []
    for days in (13, 1):
        shop.clock.forward(days * DAY_SECONDS)
        seen.append([offer["code"] for offer in shop.decide()["offers"]])

    assert seen[0] == []
    assert len(seen[1]) == 1
    assert seen[1] != [code]


def test_a_decision_after_a_revocation_replays_to_the_same(shop: Storefront) -> None:
    """That the code was revoked is part of the record."""
    revoke(shop, issue(shop))
    decided = shop.decide()

    path = f"/v1/decisions/{decided['decision_id']}/replay"
    assert shop.call("POST", path).json_body == {"same": True, "differences": []}
