"""Orders from files and orders from events are the same orders, whichever come first."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest

from chalicelib.core.control import Drop
from chalicelib.core.facts import Facts
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.subject import customer, guest
from chalicelib.flows.drop_plan import MOST_CHANGES
from chalicelib.flows.redeem import OfferCall, from_request
from tests.coupon_makers import (
    CODE,
    OTHER_CODE,
    budget_of,
    check_books,
    coupon,
    issue,
    limited,
)
from tests.drops import DataTeam, order_row, orders_csv
from tests.makers import NOW, identify, order_event, track
from tests.shop import Shop
from tests.unit.core.situations import shipped_rules

GERMAN = "Auftrag;Kunde;Datum;Menge;Einzelpreis;Status"


@pytest.fixture
def team() -> DataTeam:
    """A data team before its first drop."""
    return DataTeam()


@pytest.fixture
def shop(team: DataTeam) -> Shop:
    """The same shop's events."""
    return Shop(store=team.store, rules=team.rules)


def counts(drop: Drop) -> tuple[int, ...]:
    """Records, and what became of them."""
    return tuple(drop.counts[name] for name in ("records", "folded", "duplicate", "rejected"))


def facts_of(team: DataTeam, customer_id: str = "c-1") -> Facts:
    """What is known of a customer."""
    facts = team.facts(customer_id)
    assert facts is not None
    return facts


def amounts(facts: Facts) -> list[int]:
    """What each counted order is worth, oldest first."""
    return [order.amount_minor for order in facts.recent]


# --- files and events ---------------------------------------------------------------------------


@pytest.mark.parametrize("order_of_arrival", list(permutations(range(3))))
def test_a_file_and_events_about_one_order_give_one_profile(
    order_of_arrival: tuple[int, ...],
) -> None:
    """The earliest completion stands, a correction counts, in any order of arrival."""
    team = DataTeam()
    shop = Shop(store=team.store, rules=team.rules)
    row = order_row("o-1", "c-1", days_ago=10, amount="30.00")
    later = NOW - 10 * DAY_SECONDS + 3600
    sources = (
        lambda: team.drop("orders/a.csv", orders_csv(row)),
        lambda: shop.send(order_event("Order Completed", "o-1", total=31, user="c-1", at=later)),
        lambda: shop.send(order_event("Order Refunded", "o-1", total=5, user="c-1", at=NOW - 60)),
    )

    for index in order_of_arrival:
        sources[index]()

    facts = facts_of(team)
    assert amounts(facts) == [2500]
    assert facts.last_order_at == NOW - 10 * DAY_SECONDS
    assert (facts.segment, facts.last_seen_at) == ("champions", NOW - 60)


def test_an_order_that_an_event_brought_is_a_duplicate(team: DataTeam, shop: Shop) -> None:
    """It counts once, and whose completion it was does not change."""
    shop.send(order_event("Order Completed", "o-1", total=30, user="c-1", message_id="m-1"))

    drop = team.drop("orders/a.csv", orders_csv(order_row("o-1", "c-1", days_ago=1)))

    assert counts(drop) == (1, 0, 1, 0)
    order = shop.order("o-1")
    assert order is not None
    assert order.source == "m-1"
    assert facts_of(team).order_count == 1


def test_a_guests_order_is_the_customers_who_placed_it(team: DataTeam, shop: Shop) -> None:
    """A file knows the customer of an order that the events knew by a guest alone."""
    shop.send(order_event("Order Completed", "o-1", total=30, visitor="g-1", at=NOW - DAY_SECONDS))

    drop = team.drop("orders/a.csv", orders_csv(order_row("o-1", "c-1", days_ago=1)))

    assert counts(drop) == (1, 0, 1, 0)
    assert facts_of(team).order_count == 1
    assert shop.facts(guest("g-1")).order_count == 0
    assert (drop.counts["scored"], drop.counts["customers"]) == (1, 1)


def test_an_order_of_a_guest_who_has_become_the_customer_counts_once(
    team: DataTeam, shop: Shop
) -> None:
    """The order still names the guest; the file's row is the same order all the same."""
    shop.send(
        order_event("Order Completed", "o-1", total=30, visitor="g-1", at=NOW - DAY_SECONDS),
        identify(user="c-1", visitor="g-1", at=NOW - 100),
    )

    drop = team.drop("orders/a.csv", orders_csv(order_row("o-1", "c-1", days_ago=1)))

    assert counts(drop) == (1, 0, 1, 0)
    assert amounts(facts_of(team)) == [3000]


def test_an_order_after_the_upload_keeps_its_segment(team: DataTeam, shop: Shop) -> None:
    """A file from before somebody came back neither lapses them again nor mails them."""
    team.drop("orders/old.csv", orders_csv(order_row("o-1", "c-1", days_ago=100)))
    shop.send(
        identify(user="c-1", email="ann@example.com", consent_marketing_email=True, country="US"),
        order_event("Order Completed", "o-2", total=30, user="c-1", at=NOW - 30),
    )
    announced = len(shop.effects("Segment Changed"))
    row = order_row("o-3", "c-1", days_ago=150)

    drop = team.drop("orders/new.csv", orders_csv(row), at=NOW - 600)

    assert facts_of(team).segment == "champions"
    assert len(shop.effects("Segment Changed")) == announced
    assert team.scores(drop)["c-1"]["segment"] == "at_risk"  # as of the upload
    assert team.scores(drop)["c-1"]["action"] != "winback-10"
    assert shop.effects("winback-10") == []


def test_a_checkout_left_alone_is_left_to_the_schedule(team: DataTeam, shop: Shop) -> None:
    """A file says nothing of a checkout; it is announced once, with its mail, by who looks."""
    shop.now = NOW - 2 * 3600
    shop.send(track("Checkout Started", user="c-1", at=shop.now))

    team.drop("orders/a.csv", orders_csv(order_row("o-1", "c-1", days_ago=20)))

    assert shop.effects("Cart Abandoned") == []
    shop.now = NOW
    shop.review()
    assert len(shop.effects("Cart Abandoned")) == 1


# --- whole orders -------------------------------------------------------------------------------


def test_an_order_with_a_bad_row_does_not_count_in_part(team: DataTeam) -> None:
    """What is missing of an order could never be made good, so all of it waits for a good file."""
    good = order_row("o-1", "c-1", days_ago=5, amount="10.00")
    bad = order_row("o-1", "c-1", days_ago=5, amount="-1")
    unreadable = order_row("o-2", "c-1", days_ago=5, amount="ten")
    other = order_row("o-2", "c-1", days_ago=5, amount="7.00")
    fine = order_row("o-3", "c-1", days_ago=5, amount="3.00")

    drop = team.drop("orders/a.csv", orders_csv(good, bad, unreadable, other, fine))

    assert counts(drop) == (5, 1, 0, 4)
    assert amounts(facts_of(team)) == [300]
    reasons = {int(row["record"]): row["reason"] for row in team.rejects(drop)}
    assert reasons[1] == "is of an order whose record 2 was rejected"
    assert reasons[4] == "is of an order whose record 3 was rejected"

    mended = team.drop("orders/b.csv", orders_csv(good, order_row("o-1", "c-1", days_ago=5)))

    assert counts(mended) == (2, 2, 0, 0)
    assert sorted(amounts(facts_of(team))) == [300, 4000]


@pytest.mark.parametrize("parallel_writes", [1, 8])
def test_an_order_of_two_customers_is_nobodys(parallel_writes: int) -> None:
    """Which of them is right nobody can tell here, and chance must not."""
    team = DataTeam()
    team.limits = team.limits.__class__(parallel_writes=parallel_writes)
    rows = [order_row("o-1", name, days_ago=3) for name in ("c-2", "c-1", "c-2")]

    drop = team.drop("orders/a.csv", orders_csv(*rows, order_row("o-2", "c-1", days_ago=3)))

    assert counts(drop) == (4, 1, 0, 3)
    assert {row["reason"] for row in team.rejects(drop)} == {"stands with more than one customer"}
    assert team.facts("c-2") is None


def test_an_order_in_two_currencies_is_rejected(team: DataTeam) -> None:
    """Nothing is converted, so its rows do not add up."""
    rows = [order_row("o-1", "c-1", days_ago=3, currency=code) for code in ("USD", "EUR")]

    drop = team.drop("orders/a.csv", orders_csv(*rows))

    assert counts(drop) == (2, 0, 0, 2)
    assert [(row["column"], row["value"]) for row in team.rejects(drop)] == [
        ("currency", "USD"),
        ("currency", "EUR"),
    ]
    assert drop.counts["unscored"] == 1
    assert team.summary(drop)["unscored"] == {"no_orders": 1}


# --- corrections --------------------------------------------------------------------------------


def german(*rows: str) -> bytes:
    """A legacy export."""
    return "\n".join((GERMAN, *rows)).encode("latin-1")


def test_a_correction_counts_once_in_however_many_files(team: DataTeam) -> None:
    """Returns and cancellations are folded once; in a later file they are duplicates."""
    rows = (
        "A1;c-1;03.02.2026;2;10,50;bezahlt",
        "A1;c-1;05.02.2026;-1;10,50;bezahlt",
        "A1;c-1;06.02.2026;-1;4,00;bezahlt",
        "A2;c-1;04.02.2026;1;99,00;storniert",
        "A2;c-1;04.02.2026;2;1,00;storniert",
    )

    first = team.drop("orders/semicolon-latin1/monday.csv", german(*rows))
    second = team.drop("orders/semicolon-latin1/tuesday.csv", german(*rows))

    assert counts(first) == (5, 5, 0, 0)
    assert counts(second) == (5, 0, 5, 0)
    assert amounts(facts_of(team)) == [650]


def test_a_code_is_given_back_by_a_file_too(team: DataTeam) -> None:
    """A return in a file gives its part of the discount back, a cancellation all of it, once."""
    team.rules = shipped_rules(actions=limited("winback-10", budget_minor=1000))
    issue(team.store, coupon(), coupon(OTHER_CODE, subject=customer("c-2")))
    for number, code in ((1, CODE), (2, OTHER_CODE)):
        call = OfferCall("redeem", code, customer(f"c-{number}"), f"A{number}", 200, "EUR")
        policy = team.rules.policy.model_copy(update={"default_currency": "EUR"})
        from_request(call, store=team.store, rules=replace(team.rules, policy=policy), now=NOW)
    rows = (
        "A1;c-1;03.02.2026;1;10,00;bezahlt",
        "A1;c-1;05.02.2026;-1;2,50;bezahlt",
        "A2;c-2;04.02.2026;1;99,00;storniert",
    )

    for name in ("monday", "tuesday"):
        team.drop(f"orders/semicolon-latin1/{name}.csv", german(*rows))

    assert budget_of(team.store) == (0, 150)
    check_books(team.store, budget_minor=1000, now=NOW)


def test_corrections_may_come_before_their_order(team: DataTeam) -> None:
    """A cancellation of an order that is still to come counts when it comes."""
    corrections = german("A1;c-1;05.02.2026;-1;4,00;x", "A2;c-1;05.02.2026;1;1,00;storniert")
    sales = german("A1;c-1;03.02.2026;1;10,00;x", "A2;c-1;03.02.2026;1;1,00;x")
    team.drop("orders/semicolon-latin1/a.csv", corrections)

    drop = team.drop("orders/semicolon-latin1/b.csv", sales)

    assert counts(drop) == (2, 2, 0, 0)
    assert amounts(facts_of(team)) == [600]


def test_more_corrections_than_one_write_holds(team: DataTeam) -> None:
    """Somebody who sends everything back is folded whole, and only once."""
    many = MOST_CHANGES + 15
    sales = [f"A{n};c-1;03.02.2026;1;10,00;x" for n in range(many)]
    returns = [f"A{n};c-1;04.02.2026;-1;10,00;x" for n in range(many - 1)]

    first = team.drop("orders/semicolon-latin1/a.csv", german(*sales, *returns))
    second = team.drop("orders/semicolon-latin1/b.csv", german(*sales, *returns))

    assert counts(first) == (2 * many - 1, 2 * many - 1, 0, 0)
    assert counts(second) == (2 * many - 1, 0, 2 * many - 1, 0)
    facts = facts_of(team)
    assert facts.order_count == many
    assert facts.segment is not None
    assert facts.review_at is None or facts.review_at > NOW
    assert sum(amounts(facts)) + facts.older_amounts_minor.get("EUR", 0) == 1000


def test_an_empty_history_has_no_segment(team: DataTeam) -> None:
    """Whoever cancelled everything is named and not scored."""
    drop = team.drop("orders/semicolon-latin1/a.csv", german("A2;c-1;04.02.2026;1;9,00;storniert"))

    assert (drop.counts["customers"], drop.counts["scored"], drop.counts["unscored"]) == (1, 0, 1)
    assert team.scores(drop) == {}
    assert facts_of(team).segment is None


# --- derived ids --------------------------------------------------------------------------------


def test_increments_without_ids_add_only_what_is_new(team: DataTeam) -> None:
    """A day exported again with one more equal purchase adds that one."""
    header = "customer_id,date,number_of_cds,dollar_value\n"
    once = "0004,20260101,2,29.33\n"

    team.drop("orders/cdnow/a.csv", header + once + "0005,20260101,2,29.33\n")
    drop = team.drop("orders/cdnow/b.csv", header + once * 2 + "0004,20260102,2,29.33\n")

    assert counts(drop) == (3, 2, 1, 0)
    assert facts_of(team, "0004").order_count == 3
    assert customer("0005").key in team.store.all("facts")
