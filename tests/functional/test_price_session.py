"""What a customer is quoted stands: within a session whatever moves, and by the day within a step.

"The same cart and session gives the same price" begins with the first personal price of a session:
the published price is a promise to everybody and kept for nobody.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.core.catalogue import Product
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.kinds import SHOWN
from chalicelib.core.price_rules import Adjustment
from chalicelib.core.rules import Rules
from tests.signals import counting
from tests.storefront import MUGS, Storefront, open_storefront
from tests.unit.core.situations import MUG, NOW

SCARCE = Adjustment(name="scarce", max_stock=2, discount_basis_points=-400)
PLENTY = Adjustment(name="plenty", min_stock=100, discount_basis_points=1_000)
CUP = Product("CUP", "USD", base_price_minor=1000, floor_minor=500)
MORE = {"lines": [*MUGS["lines"], {"sku": "CUP", "quantity": 1, "unit_price": 1000}]}


@pytest.fixture
def shop() -> Iterator[Storefront]:
    """A shop whose discount of 5 % follows the stock of its mugs."""
    with open_storefront(rules=counting(SCARCE, PLENTY)) as storefront:
        yield storefront


@pytest.fixture
def stepped() -> Iterator[Storefront]:
    """The same, with a largest step of 2 % of the published price in a day."""
    rules = counting(SCARCE, PLENTY, max_step_basis_points_per_day=200)
    with open_storefront(rules=rules) as storefront:
        yield storefront


def stock(shop: Storefront, pieces: int, **changes: Any) -> None:
    """So many mugs are left."""
    shop.knows(replace(MUG, stock=pieces, **changes))


def prices(answer: dict[str, Any]) -> dict[str, int]:
    """Unit prices by article."""
    return {line["sku"]: line["unit_price"] for line in answer["price"]["lines"]}


def test_a_session_keeps_its_price_while_stock_moves(shop: Storefront) -> None:
    """Long after its quote has expired, too; the next session sees what moved."""
    first = shop.decide()
    stock(shop, 1)
    shop.clock.forward(1_000)

    assert prices(shop.decide()) == prices(first) == {"MUG": 1900}
    assert prices(shop.decide(session_id="s-2")) == {"MUG": 1980}


def test_a_changed_cart_keeps_its_prices_and_prices_its_new_lines(shop: Storefront) -> None:
    """The mug costs what it cost; the cup is priced as it is now."""
    shop.decide()
    stock(shop, 1)
    shop.knows(CUP)

    answer = shop.decide(cart=MORE)

    assert prices(answer) == {"MUG": 1900, "CUP": 950}
    assert answer["price"]["reason"] == "session_kept"


@pytest.mark.parametrize(
    ("changes", "unit"),
    [
        ({"base_price_minor": 1800}, 1710),
        ({"floor_minor": 1950}, 1950),
        ({"currency": "EUR"}, 2000),
    ],
)
def test_what_the_shop_changes_ends_what_was_quoted(
    shop: Storefront, changes: dict[str, Any], unit: int
) -> None:
    """A new published price, a higher floor: the quote proves the old price until it expires."""
    shop.decide()
    stock(shop, 50, **changes)
    shop.clock.forward(1_000)

    assert prices(shop.decide()) == {"MUG": unit}


def test_an_opt_out_ends_it_at_once(shop: Storefront) -> None:
    """Whoever objects in the middle of a session pays the published price from then on."""
    shop.decide()

    answer = shop.decide(gpc=True)

    assert prices(answer) == {"MUG": 2000}
    assert answer["price"]["reason"] == "opted_out"


def test_a_record_holds_what_the_session_kept(shop: Storefront) -> None:
    """And re-executes with it."""
    shop.decide()
    stock(shop, 1)
    shop.knows(CUP)
    answer = shop.decide(cart=MORE)
    path = f"/v1/decisions/{answer['decision_id']}"

    assert shop.call("POST", f"{path}/replay").json_body["same"] is True
    shown = shop.call("GET", path).json_body["situation"]
    assert shown["held"]["prices"] == {"MUG": 1900}


# --- the step of a day --------------------------------------------------------------------------


def test_a_customer_sees_a_price_move_by_one_step_a_day(stepped: Storefront) -> None:
    """Whatever stock does: 2 % of 20.00 up or down, and the next day from where it stood."""
    seen = [prices(stepped.decide(session_id="a"))["MUG"]]
    for name, pieces in (("b", 1), ("c", 500), ("d", 1)):
        stock(stepped, pieces)
        seen.append(prices(stepped.decide(session_id=name))["MUG"])
    stepped.clock.forward(DAY_SECONDS)
    stock(stepped, 500)
    seen.append(prices(stepped.decide(session_id="e"))["MUG"])

    assert seen == [1900, 1940, 1900, 1940, 1900]


def test_what_stopped_a_price_is_said(stepped: Storefront) -> None:
    """The line names the step, so that nobody looks for a broken rule."""
    stepped.decide(session_id="a")
    stock(stepped, 500)

    [line] = stepped.decide(session_id="b")["price"]["lines"]

    assert (line["unit_price"], line["reason"]) == (1860, "step_limited")


def test_the_step_costs_no_further_call(stepped: Storefront) -> None:
    """One key more in the read, one item more in the write."""
    stepped.decide()

    assert stepped.calls() == ["read", "write"]
    assert set(stepped.store.all(SHOWN.name)) == {"q#c#c-1"}


def test_without_the_rule_nothing_is_remembered(shop: Storefront) -> None:
    """The shipped policy keeps no prices of anybody."""
    shop.decide()

    assert shop.store.all(SHOWN.name) == {}


def test_two_checkouts_at_once_keep_within_one_step(stepped: Storefront) -> None:
    """Whoever loses the race sees what the other was quoted."""
    stepped.decide(session_id="a")

    def meanwhile() -> None:
        stock(stepped, 500)
        stepped.decide(session_id="b")

    stock(stepped, 1)
    stepped.store.before_write = meanwhile
    mine = prices(stepped.decide(session_id="c"))["MUG"]

    [shown] = stepped.store.all(SHOWN.name).values()
    assert shown["MUG"].high - shown["MUG"].low <= 40
    assert shown["MUG"].low <= mine <= shown["MUG"].high


def test_an_objection_keeps_it_out_of_decision_and_record(stepped: Storefront) -> None:
    """What somebody was quoted is knowledge of that person, too."""
    stepped.decide(session_id="a")

    answer = stepped.decide(session_id="b", gpc=True)

    record = stepped.store.all("record")[f"d#{answer['decision_id']}"]
    assert record["situation"]["shown"] == {}


def test_an_erasure_takes_it_away(stepped: Storefront) -> None:
    """Together with the decisions in which it was quoted."""
    stepped.decide()
    assert stepped.store.all(SHOWN.name) != {}

    told = stepped.call("DELETE", "/v1/customers/c-1").json_body

    assert told["state"] == "ERASED"
    assert stepped.store.all(SHOWN.name) == {}


# --- the price before ---------------------------------------------------------------------------


def test_a_reduction_is_claimed_where_thirty_days_are_known() -> None:
    """The lowest of them, and a percentage that is computed from it."""
    known = replace(
        MUG, prices=((NOW - 60 * DAY_SECONDS, 1950), (NOW - 9 * DAY_SECONDS, 2000)), said_at=NOW
    )
    rules: Rules = counting()
    with open_storefront(rules=rules) as shop:
        shop.knows(known)
        [line] = shop.decide()["price"]["lines"]
        shop.knows(replace(known, prices=known.prices[1:]))
        [silent] = shop.decide(session_id="s-2")["price"]["lines"]

    assert (line["unit_price"], line["was"], line["percent_off"]) == (1900, 1950, 2)
    assert (silent["unit_price"], "was" in silent, "percent_off" in silent) == (1900, False, False)


# --- what breaks --------------------------------------------------------------------------------


def test_a_broken_article_falls_back_and_rings(shop: Storefront) -> None:
    """What cannot be a price is none: the shop's own, the reason, and a metric with an alarm."""
    shop.knows(replace(MUG, base_price_minor=10**15))

    [line] = shop.decide()["price"]["lines"]

    assert (line["unit_price"], line["reason"]) == (2000, "catalogue_unusable")
    [told] = shop.lines()
    assert told["PriceRulesFailed"] == 1
