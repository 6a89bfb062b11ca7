"""A file of customers: who they are, what they agreed to, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from chalicelib.core.address import address_hash
from chalicelib.core.contact import Contact
from chalicelib.core.control import Drop
from chalicelib.core.groups import address_group
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.kinds import CONTACT
from chalicelib.core.storage import WHATEVER, Put
from chalicelib.core.subject import customer
from tests.drops import DataTeam, order_row, orders_csv
from tests.fakes import SIGNING_KEYS
from tests.makers import NOW, identify
from tests.shop import Shop, segments

ANN = "customer_id,email,country,consent_marketing_email\nc-1,ann@example.com,US,true\n"
LAPSED = orders_csv(order_row("o-1", "c-1", days_ago=100))


@pytest.fixture
def team() -> DataTeam:
    """A data team before its first drop."""
    return DataTeam()


def contact_of(team: DataTeam, customer_id: str = "c-1") -> Contact:
    """What somebody said."""
    key = CONTACT.key(customer(customer_id).key)
    contact = team.store.read([key], now=NOW).value(key)
    assert contact is not None
    return contact


def mails(team: DataTeam) -> int:
    """How many mails are planned."""
    return sum(effect.kind == "mail" for effect in team.store.all("effect").values())


def first_orders(team: DataTeam) -> Drop:
    """Orders, then the customer that they are of."""
    team.drop("orders/a.csv", LAPSED)
    return team.drop("customers/a.csv", ANN)


def first_customers(team: DataTeam) -> Drop:
    """A customer, then the orders."""
    team.drop("customers/a.csv", ANN)
    return team.drop("orders/a.csv", LAPSED)


@pytest.mark.parametrize("order_of_arrival", [first_orders, first_customers])
def test_whichever_file_comes_second_sets_the_mail_in_motion(
    team: DataTeam, order_of_arrival: Callable[[DataTeam], Drop]
) -> None:
    """A mail needs orders and an address; whoever completes the pair decides, once."""
    drop = order_of_arrival(team)

    assert (drop.counts["scored"], drop.counts["decisions"], drop.counts["effects_mail"]) == (
        1,
        1,
        1,
    )
    assert mails(team) == 1


@pytest.mark.parametrize(
    ("slow", "fast"),
    [
        (("orders/a.csv", LAPSED), ("customers/a.csv", ANN)),
        (("customers/a.csv", ANN), ("orders/a.csv", LAPSED)),
    ],
)
def test_files_that_come_together_see_each_other(
    team: DataTeam, slow: tuple[str, str], fast: tuple[str, str]
) -> None:
    """Both are read before either is written: the later write notices, and decides."""
    arrived, other = team.put(*slow), team.put(*fast)

    def other_comes() -> None:
        team.handle(other)

    def meanwhile() -> None:  # the slow drop says that it runs; before its next write, it has read
        team.store.before_write = other_comes

    team.store.before_write = meanwhile
    drop = team.handle(arrived)

    assert drop.state == "COMPLETE"
    assert mails(team) == 1


def test_what_was_said_later_stands(team: DataTeam) -> None:
    """A file speaks as of its upload: a later word of the customer is not undone by it."""
    shop = Shop(store=team.store, rules=team.rules)
    shop.send(identify(user="c-1", at=NOW - 60, consent_marketing_email=False, country="DE"))

    team.drop("customers/a.csv", ANN, at=NOW - DAY_SECONDS)

    contact = contact_of(team)
    assert contact.consent("marketing_email") is False
    assert contact.text("country") == "DE"
    assert contact.text("email") == "ann@example.com"


def test_every_account_of_a_file_is_named_by_its_address(team: DataTeam) -> None:
    """Those from before the index as well, with the first file that speaks of them again."""
    team.drop("customers/a.csv", ANN)
    named = address_hash("ann@example.com", secret=SIGNING_KEYS.address_secret)
    assert contact_of(team).address_hash == named
    put = Put(CONTACT.key("c#c-1"), replace(contact_of(team), address_hash=None), WHATEVER)
    team.store.write([put], now=NOW)
    assert team.store.members(address_group(named), limit=9) == []

    team.drop("customers/again.csv", ANN)

    assert [who.id for who, _ in team.store.members(address_group(named), limit=9)] == ["c-1"]


def test_empty_cells_take_nothing_back(team: DataTeam) -> None:
    """A later file that leaves a cell empty says nothing about it."""
    team.drop("customers/a.csv", ANN, at=NOW - DAY_SECONDS)

    drop = team.drop("customers/b.csv", "customer_id,email,country\nc-1,,\nc-2,,\n")

    assert (drop.counts["folded"], drop.counts["unscored"]) == (2, 2)
    assert contact_of(team).text("email") == "ann@example.com"
    assert customer("c-2").key not in team.store.all("contact")


def test_who_objects_to_profiling_is_named_and_not_scored(team: DataTeam) -> None:
    """The segment that they had goes, which is announced; nothing is decided about them."""
    team.drop("orders/a.csv", LAPSED)
    shop = Shop(store=team.store, rules=team.rules)
    text = "customer_id,email,consent_marketing_email,consent_profiling\n"

    drop = team.drop("customers/a.csv", text + "c-1,ann@example.com,true,false\n")

    assert team.summary(drop)["unscored"] == {"no_consent_to_profiling": 1}
    assert team.unscored(drop) == [("c-1", "no_consent_to_profiling")]
    assert team.scores(drop) == {}
    facts = team.facts("c-1")
    assert facts is not None
    assert (facts.segment, facts.review_at) == (None, None)
    assert segments(shop) == [("at_risk", "unknown")]
    assert drop.counts["decisions"] == 0


@pytest.mark.parametrize(
    ("columns", "values", "reason", "tier"),
    [
        ("email", "ann@example.com", "no_consent", "winback"),
        ("country", "US", "no_address", "winback"),
        (
            "email,consent_marketing_email,consent_personalised_pricing",
            "ann@example.com,true,false",
            "opted_out",
            "base",
        ),
    ],
)
def test_why_nothing_was_done_stands_with_the_scores(
    team: DataTeam, columns: str, values: str, reason: str, tier: str
) -> None:
    """The reason is that of the action which came furthest; the tier is what a checkout gives."""
    team.drop("orders/a.csv", LAPSED)

    drop = team.drop("customers/a.csv", f"customer_id,{columns}\nc-1,{values}\n")

    row = team.scores(drop)["c-1"]
    assert (row["action"], row["reason"], row["tier"]) == ("", reason, tier)
    assert (row["segment"], drop.counts["decisions"]) == ("at_risk", 0)


def test_a_holdout_is_scored_and_left_alone(team: DataTeam) -> None:
    """Whom nothing is personalised for gets no action, no tier, and the reason."""
    policy = team.rules.policy
    everybody = policy.holdout.model_copy(update={"share_percent": 50.0})
    team.rules = team.rules.__class__(
        policy.model_copy(update={"holdout": everybody}),
        team.rules.jurisdictions,
        team.rules.jurisdictions_hash,
        team.rules.scorer,
    )
    ids = [f"c-{n}" for n in range(12)]
    people = "".join(f"{each},{each}@example.com,US,true\n" for each in ids)
    team.drop("customers/a.csv", ANN.splitlines()[0] + "\n" + people)

    drop = team.drop(
        "orders/a.csv", orders_csv(*(order_row(f"o-{each}", each, days_ago=100) for each in ids))
    )

    rows = team.scores(drop).values()
    held = [row for row in rows if row["reason"] == "global_holdout"]
    assert 0 < len(held) < len(ids)
    assert {(row["action"], row["tier"]) for row in held} == {("", "base")}
    assert drop.counts["decisions"] == mails(team) == len(ids) - len(held)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("customer_id,First Name", "must be named in lower_snake_case"),
        ("customer_id,consent_tracking", "names no purpose"),
        ("customer_id,email,EMAIL", "must be named in lower_snake_case"),
    ],
)
def test_a_header_that_no_customer_fits_refuses_the_file(
    team: DataTeam, header: str, words: str
) -> None:
    """One reason for the file instead of one for each of its rows."""
    drop = team.drop("customers/a.csv", f"{header}\nc-1{',x' * header.count(',')}\n")

    assert drop.state == "REJECTED"
    assert words in str(drop.reason)
    assert drop.counts["records"] == 0
