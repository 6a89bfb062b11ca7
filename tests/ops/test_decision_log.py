"""What a stage's tables say of outcomes: orders, codes, mails, and who a guest turned out to be."""

from __future__ import annotations

from typing import Any

import boto3
import pytest

from chalicelib.aws.store import DynamoStore
from chalicelib.core.effects import Effect
from chalicelib.core.facts import Facts
from chalicelib.core.kinds import COUPON, EFFECT, FACTS, ORDER
from chalicelib.core.offers import Coupon, Offer, Use
from chalicelib.core.orders import Amount, OrderState
from chalicelib.core.outcomes import Bought, Ledger
from chalicelib.core.storage import Put
from chalicelib.core.subject import Subject
from ops.decision_log import Tables, read_ledger
from tests.stack import Stack
from tests.unit.core.situations import NOW

ANN = "c#ann"


@pytest.fixture
def tables(stack: Stack) -> Tables:
    """The tables of a stack, empty."""
    return Tables(boto3.client("dynamodb"), stack.tables, NOW)


def stored(tables: Tables, *puts: Put[Any]) -> Ledger:
    """Store these things, and look through the tables."""
    store = DynamoStore(lambda: tables.dynamodb, tables=tables.names)
    for put in puts:
        store.write([put], now=NOW)
    return read_ledger(tables, currency="USD")


def order(order_id: str = "o-1", **changes: Any) -> Put[OrderState]:
    """An order of 30.00 USD."""
    given = {"subject_key": ANN, "completed": Amount(NOW, 3000, "USD"), **changes}
    return Put(ORDER.key(order_id), OrderState(order_id, **given))


def coupon(*uses: Use, subject_key: str = ANN) -> Put[Coupon]:
    """A code, and the orders that used it."""
    offer = Offer("a-0", "CODE", "percent_off", 5, NOW + 9)
    return Put(COUPON.key("CODE"), Coupon(offer, subject_key, "d_1", issued_at=NOW, uses=uses))


def redeemed(order_id: str = "o-1", **changes: Any) -> Use:
    """A redemption of 1.50."""
    return Use(**{"order_id": order_id, "state": "redeemed", "amount_minor": 150,
                  "budgeted": False, **changes})  # fmt: skip


def test_an_order_is_what_was_paid_and_with_which_code(tables: Tables) -> None:
    """When, how much, and what the code gave away."""
    ledger = stored(tables, order(), coupon(redeemed()))

    assert ledger.bought == {ANN: [Bought("o-1", NOW, 3000, {"CODE": 150})]}


@pytest.mark.parametrize(
    ("changes", "paid_minor"),
    [
        ({"refunds_minor": {"m": 1000}}, 2000),
        ({"updated": Amount(NOW + 1, 2500, "USD")}, 2500),
        ({"completed": Amount(NOW, 3000, "EUR")}, 0),
        ({"completed": Amount(NOW, 0, "USD")}, 0),
    ],
)
def test_what_was_paid_is_net_and_in_the_currency_of_the_policy(
    tables: Tables, changes: dict[str, Any], paid_minor: int
) -> None:
    """Another currency's order was made all the same; nothing is converted."""
    [bought] = stored(tables, order(**changes)).bought[ANN]

    assert bought.paid_minor == paid_minor


@pytest.mark.parametrize(
    "changes",
    [
        {"cancelled_at": NOW + 5},
        {"refunds_minor": {"m": None}},
        {"refunds_minor": {"m": 3000}},
        {"completed": None},
    ],
)
def test_what_was_taken_back_was_not_bought(tables: Tables, changes: dict[str, Any]) -> None:
    """Cancelled, refunded as a whole, or never completed."""
    assert stored(tables, order(**changes)).bought == {}


@pytest.mark.parametrize(
    ("use", "codes"),
    [
        (redeemed(amount_minor=0), {"CODE": 0}),
        (redeemed(state="rolled_back", rolled_back_minor=50), {"CODE": 100}),
        (redeemed(state="rolled_back", rolled_back_minor=150), {}),
        (redeemed(state="reserved", until=NOW + 60), {}),
    ],
)
def test_a_code_counts_as_far_as_it_was_used(
    tables: Tables, use: Use, codes: dict[str, int]
) -> None:
    """Free shipping gives nothing away in money; what was given back was not accepted."""
    [bought] = stored(tables, order(), coupon(use)).bought[ANN]

    assert bought.codes == codes


def test_a_code_that_was_redeemed_without_an_order_is_known_without_a_moment(
    tables: Tables,
) -> None:
    """The shop redeems by call and sends no events; a cancelled order stays cancelled."""
    only_called = stored(tables, order(completed=None), coupon(redeemed(), redeemed("o-2")))
    assert only_called.bought == {
        ANN: [Bought("o-1", None, 0, {"CODE": 150}), Bought("o-2", None, 0, {"CODE": 150})]
    }


def test_a_cancelled_order_has_used_no_code(tables: Tables) -> None:
    """Whether its completion was ever told or not."""
    for number, completed in enumerate((Amount(NOW, 3000, "USD"), None)):
        put = order(f"o-{number}", completed=completed, cancelled_at=NOW + 5)
        store = DynamoStore(lambda: tables.dynamodb, tables=tables.names)
        store.write([put], now=NOW)

    assert stored(tables, coupon(redeemed("o-0"), redeemed("o-1"))).bought == {}


def test_a_guest_is_known_as_the_customer_that_they_became(tables: Tables) -> None:
    """Their orders are the customer's."""
    guest = Subject("anonymous", "v-1")
    facts = Facts(guest, merged_into="ann")

    ledger = stored(tables, Put(FACTS.key(guest.key), facts), order(subject_key=guest.key))

    assert ledger.known_as == {guest.key: ANN}
    assert list(ledger.bought) == [ANN]


def test_mails_are_known_by_their_state_and_nothing_else_is(tables: Tables) -> None:
    """Offers and events of the ledger are no mails; what has expired is not there."""

    def effect(effect_id: str, **changes: Any) -> Effect:
        given = {"kind": "mail", "action": "a", "subject_key": ANN, "decision_id": "d",
                 "correlation_id": "r", "planned_at": NOW, "payload": {}, **changes}  # fmt: skip
        return Effect(effect_id=effect_id, **given)

    ledger = stored(
        tables,
        Put(EFFECT.key("m"), effect("m", state="DELIVERED"), expires_at=NOW + 1),
        Put(EFFECT.key("old"), effect("old"), expires_at=NOW),
        Put(EFFECT.key("o"), effect("o", kind="offer")),
    )

    assert ledger.mails == {"m": "DELIVERED"}
