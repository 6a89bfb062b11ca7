"""A dropped file: what is folded, what is scored, what is set in motion, and that it adds up."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.core.control import Drop
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.kinds import CONTACT, PRODUCT
from chalicelib.core.scorecard import Scorecard
from chalicelib.core.subject import customer
from tests.drops import DataTeam, order_row, orders_csv, zipped
from tests.unit.core.situations import NOW

CUSTOMERS = """customer_id,email,country,region,consent_marketing_email,shoe_size,club
c-1,ann@example.com,US,NY,true,38.5,gold
c-2,bob@example.com,US,TX,false,,
"""
LAPSED = orders_csv(
    order_row("o-1", "c-1", days_ago=190),
    order_row("o-2", "c-1", days_ago=100),
    order_row("o-3", "c-2", days_ago=100),
    order_row("o-4", "c-3", days_ago=1, amount="12.34"),
)


@pytest.fixture
def team() -> DataTeam:
    """A data team before its first drop."""
    return DataTeam()


def counts(drop: Drop, *names: str) -> tuple[int, ...]:
    """Some of the counts."""
    return tuple(drop.counts[name] for name in names)


def test_orders_become_profiles_scores_and_effects(team: DataTeam) -> None:
    """Everybody in the file is scored; whom an action wants gets it, with one decision each."""
    team.drop("customers/all.csv", CUSTOMERS)

    drop = team.drop("orders/all.csv", LAPSED)

    assert drop.state == "COMPLETE"
    assert counts(drop, "records", "folded", "duplicate", "rejected") == (4, 4, 0, 0)
    assert counts(drop, "customers", "scored", "unscored", "decisions") == (3, 3, 0, 2)
    assert counts(drop, "effects_mail", "effects_offer") == (1, 2)
    facts = team.facts("c-1")
    assert facts is not None
    assert (facts.order_count, facts.segment) == (2, "at_risk")
    scores = team.scores(drop)
    assert scores["c-1"]["action"] == "winback-10"
    assert scores["c-1"]["tier"] == "winback"
    assert (scores["c-2"]["action"], scores["c-2"]["reason"]) == ("", "no_consent")
    assert scores["c-3"]["segment"] == "champions"


def test_a_customers_file_brings_contacts_consents_and_supplied_features(team: DataTeam) -> None:
    """Known columns are contact fields, others are supplied features; empty cells say nothing."""
    drop = team.drop("customers/all.csv", CUSTOMERS)

    assert counts(drop, "folded", "scored", "unscored") == (2, 0, 2)
    assert team.summary(drop)["unscored"] == {"no_orders": 2}
    assert team.unscored(drop) == [("c-1", "no_orders"), ("c-2", "no_orders")]
    key = CONTACT.key(customer("c-1").key)
    contact = team.store.read([key], now=NOW).value(key)
    assert contact is not None
    assert contact.text("email") == "ann@example.com"
    assert contact.consent("marketing_email") is True
    assert contact.supplied["shoe_size"].value == 38.5
    assert contact.supplied["club"].value == "gold"


def test_a_catalogue_brings_prices_and_floors(team: DataTeam) -> None:
    """A later statement stands; an older file changes nothing any more."""
    new = "sku,base_price,floor_price,currency,stock\nMUG,20.00,15.00,USD,3\nCUP,9.5,,USD,\n"
    team.drop("catalog/new.csv", new)
    old = "sku,base_price,currency\nMUG,99.00,USD\n"

    drop = team.drop("catalog/old.csv", old, as_of=NOW - DAY_SECONDS)

    assert counts(drop, "records", "folded") == (1, 1)
    keys = [PRODUCT.key("MUG"), PRODUCT.key("CUP")]
    found = team.store.read(keys, now=NOW)
    mug, cup = (found.value(key) for key in keys)
    assert mug is not None
    assert cup is not None
    assert (mug.base_price_minor, mug.floor_minor, mug.stock) == (2000, 1500, 3)
    assert (cup.base_price_minor, cup.floor_minor) == (950, None)


def test_a_finished_drop_is_never_done_again(team: DataTeam) -> None:
    """A redelivered notification costs one read and changes nothing."""
    arrived = team.put("orders/all.csv", LAPSED)
    first = team.handle(arrived)
    team.store.calls.clear()

    again = team.handle(arrived, now=NOW + 600)

    assert again == first
    assert team.store.calls == [("read", 1)]


def test_an_order_counts_once_however_often_it_is_exported(team: DataTeam) -> None:
    """The same rows under another key are duplicates, and the profile stays as it was."""
    team.drop("orders/monday.csv", LAPSED)
    before = team.facts("c-1")

    drop = team.drop("orders/tuesday.csv", LAPSED + order_row("o-9", "c-1", days_ago=2) + "\n")

    assert counts(drop, "records", "folded", "duplicate") == (5, 1, 4)
    after = team.facts("c-1")
    assert before is not None
    assert after is not None
    assert (before.order_count, after.order_count) == (2, 3)


def test_lines_of_one_order_add_up_and_exact_repetitions_do_not(team: DataTeam) -> None:
    """Rows with one order id are its lines; a row that stands twice counts once."""
    line = order_row("o-1", "c-1", days_ago=5, amount="10.00")
    other = order_row("o-1", "c-1", days_ago=5, amount="2.50")

    drop = team.drop("orders/lines.csv", orders_csv(line, line, other))

    assert counts(drop, "folded", "duplicate") == (2, 1)
    facts = team.facts("c-1")
    assert facts is not None
    assert [order.amount_minor for order in facts.recent] == [1250]


def test_rows_without_an_id_are_told_apart_by_their_occurrence(team: DataTeam) -> None:
    """Two equal purchases on one day are two orders, and re-exporting them adds none."""
    text = "customer_id,date,number_of_cds,dollar_value\n" + "0004,19970101,2,29.33\n" * 2

    first = team.drop("orders/cdnow/one.csv", text)
    second = team.drop("orders/cdnow/two.csv", text)

    assert counts(first, "folded", "duplicate") == (2, 0)
    assert counts(second, "folded", "duplicate") == (0, 2)
    facts = team.facts("0004")
    assert facts is not None
    assert facts.order_count == 2


def test_the_published_file_can_be_dropped_as_it_is(team: DataTeam) -> None:
    """Columns aligned with blanks and no header are a mapping away."""
    text = " 00004 0001 19970101  2   29.33\n 00004 0001 19970118  2   29.73\n"

    drop = team.drop("orders/cdnow-original/sample.txt", text)

    assert (drop.state, drop.reason) == ("COMPLETE", None)
    facts = team.facts("00004")
    assert facts is not None
    assert [order.amount_minor for order in facts.recent] == [2933, 2973]


def test_a_legacy_export_with_its_own_habits(team: DataTeam) -> None:
    """Semicolons, decimal commas, Latin-1, cancellations and returns, all through a mapping."""
    header = "Auftrag;Kunde;Datum;Menge;Einzelpreis;Status;Bemerkung"
    rows = (
        "A1;c-1;03.02.2026;2;10,50;bezahlt;für Jürgen",
        "A1;c-1;05.02.2026;-1;10,50;bezahlt;zurück",
        "A2;c-1;04.02.2026;1;99,00;storniert;",
    )
    body = "\r\n".join((header, *rows)).encode("latin-1")

    drop = team.drop("orders/semicolon-latin1/export.csv", body)

    assert (drop.state, drop.reason) == ("COMPLETE", None)
    assert counts(drop, "records", "folded", "rejected") == (3, 3, 0)
    facts = team.facts("c-1")
    assert facts is not None
    assert [(o.amount_minor, o.currency) for o in facts.recent] == [(1050, "EUR")]


@pytest.mark.parametrize(
    ("key", "body"),
    [
        ("orders/a.csv.gz", zipped(LAPSED)),
        (
            "orders/a.jsonl",
            '{"order_id":"o-1","customer_id":"c-1","ordered_at":"2026-01-01","quantity":1,'
            '"currency":"USD","amount":12.5}\n',
        ),
        (
            "orders/a.ndjson.gz",
            zipped(
                '{"order_id":"o-1","customer_id":"c-1","ordered_at":"2026-01-01","quantity":2,'
                '"currency":"USD","unit_price":"6.25"}\n'
            ),
        ),
    ],
)
def test_every_format_is_read(team: DataTeam, key: str, body: Any) -> None:
    """CSV and JSONL, plain and gzip, come to the same kind of profile."""
    drop = team.drop(key, body)

    assert (drop.state, drop.reason) == ("COMPLETE", None)
    assert drop.counts["folded"] == drop.counts["records"] > 0
    assert team.facts("c-1") is not None


def test_an_order_of_another_customer_is_rejected(team: DataTeam) -> None:
    """One order id belongs to one customer."""
    team.drop("orders/a.csv", orders_csv(order_row("o-1", "c-1", days_ago=9)))

    drop = team.drop("orders/b.csv", orders_csv(order_row("o-1", "c-2", days_ago=9)))

    assert counts(drop, "folded", "rejected") == (0, 1)
    assert team.rejects(drop)[0]["reason"] == "belongs to another customer"


def test_a_changed_segment_is_announced_and_a_first_one_is_not(team: DataTeam) -> None:
    """An import announces nothing; a later file that changes somebody's segment does."""
    first = team.drop("orders/a.csv", orders_csv(order_row("o-1", "c-1", days_ago=100)))

    second = team.drop("orders/b.csv", orders_csv(order_row("o-2", "c-1", days_ago=1)))

    assert "effects_event" not in first.counts
    assert second.counts["effects_event"] == 1


def test_two_accounts_with_one_address_are_mailed_once(team: DataTeam) -> None:
    """The frequency of mail follows the address, within one file too."""
    team.drop(
        "customers/a.csv",
        "customer_id,email,country,consent_marketing_email\n"
        "c-1,ann@example.com,US,true\nc-2,Ann@Example.com,US,true\n",
    )
    rows = (order_row("o-1", "c-1", days_ago=100), order_row("o-2", "c-2", days_ago=100))

    drop = team.drop("orders/a.csv", orders_csv(*rows))

    assert counts(drop, "scored", "effects_mail") == (2, 1)
    assert sorted(row["reason"] for row in team.scores(drop).values()) == [
        "contacted_recently",
        "highest_priority",
    ]


def test_a_file_about_the_past_is_scored_and_sets_nothing_in_motion(team: DataTeam) -> None:
    """``as-of`` decides the scores; a profile is never turned back by it, and nobody is mailed."""
    team.drop("customers/all.csv", CUSTOMERS)
    as_of = NOW - 95 * DAY_SECONDS
    rows = (order_row("o-1", "c-1", days_ago=190), order_row("o-2", "c-1", days_ago=100))

    drop = team.drop("orders/past.csv", orders_csv(*rows), as_of=as_of)

    assert drop.as_of == as_of
    assert team.scores(drop)["c-1"]["segment"] == "champions"
    facts = team.facts("c-1")
    assert facts is not None
    assert facts.segment == "at_risk"
    assert drop.counts["decisions"] == 0


def test_decisions_without_the_model_are_counted(
    team: DataTeam, capsys: pytest.CaptureFixture[str]
) -> None:
    """While the scorecard serves, a drop counts its decisions as fallbacks."""
    team.rules = replace(team.rules, scorer=Scorecard(team.rules.policy))
    rows = [order_row(f"o-{n}", "c-1", days_ago=n + 1) for n in range(6)]

    drop = team.drop("orders/a.csv", orders_csv(*rows))

    assert team.scores(drop)["c-1"]["segment"] == "champions"
    assert team.summary(drop)["fallback"] is True
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (finished,) = [line for line in lines if line["event"] == "drop_finished"]
    assert (finished["Decisions"], finished["Fallbacks"]) == (1, 1)


def test_more_orders_than_one_transaction_holds(team: DataTeam) -> None:
    """A customer with 250 orders is folded whole, in several writes."""
    rows = [order_row(f"o-{n}", "c-1", days_ago=n + 1, amount="1.00") for n in range(250)]

    drop = team.drop("orders/many.csv", orders_csv(*rows))

    assert counts(drop, "records", "folded", "duplicate", "scored") == (250, 250, 0, 1)
    facts = team.facts("c-1")
    assert facts is not None
    assert facts.order_count == 250


def test_calls_are_counted_by_the_hundred(team: DataTeam) -> None:
    """A chunk of customers shares its reads, and their writes share transactions."""
    rows = [order_row(f"o-{n}", f"c-{n:03}", days_ago=20) for n in range(100)]
    team.store.calls.clear()

    team.drop("orders/a.csv", orders_csv(*rows))

    # Of the drop, of 401 keys for the chunk, of 300 for its decisions, each hundred one call, and
    # of the newest file of its kind.
    assert team.store.count("read") == 1 + 5 + 3 + 1
    # Four phases of the drop, its being the newest, and its end; 100 customers of six things and
    # two checks each, 12 in a transaction.
    assert team.store.count("write") == 6 + 9
