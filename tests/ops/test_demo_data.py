"""The demo's files: what is real in them stays real, and what is made up is made up for good."""

from __future__ import annotations

import csv
import io
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.contact import check_field
from chalicelib.core.money import parse_amount
from ops.datasets import Purchase, read_cdnow
from ops.seed import CATALOGUE, Seed, SeedFile, build_seed, make_contact, spread, weeks_to_move

TODAY = date(2026, 11, 22)


@pytest.fixture(scope="module")
def seed() -> Seed:
    """The whole demo as of one day."""
    return build_seed(today=TODAY)


@pytest.fixture(scope="module")
def purchases() -> tuple[Purchase, ...]:
    """The histories as they were published."""
    return read_cdnow("sample")


def rows_of(file: SeedFile) -> list[dict[str, str]]:
    """A file's records by column name."""
    return list(csv.DictReader(io.StringIO(file.body.decode(), newline="")))


def test_every_history_is_there(seed: Seed, purchases: tuple[Purchase, ...]) -> None:
    """All 6,919 orders of 2,357 customers are in the file, exact duplicates included."""
    orders = rows_of(seed.orders)

    assert len(orders) == seed.orders.records == len(purchases) == 6_919
    assert len(seed.contacts) == seed.customers.records == 2_357
    repeats = Counter(tuple(row.values()) for row in orders)
    assert sum(count - 1 for count in repeats.values()) == 21


def test_orders_differ_from_the_original_in_their_date_alone(
    seed: Seed, purchases: tuple[Purchase, ...]
) -> None:
    """Customers, quantities, amounts and weekdays are the published ones, in the same order."""
    for row, purchase in zip(rows_of(seed.orders), purchases, strict=True):
        day = datetime.strptime(row["date"], "%Y%m%d").replace(tzinfo=UTC)
        moved = timedelta(weeks=seed.moved_by_weeks)

        assert int(day.timestamp()) == purchase.ordered_at + int(moved.total_seconds())
        assert row["customer_id"] == purchase.customer_id
        assert row["number_of_cds"] == str(purchase.quantity)
        amount_minor = parse_amount(row["dollar_value"], currency="USD", field="dollar_value")
        assert amount_minor == purchase.amount_minor


@given(today=st.dates(min_value=date(1998, 7, 8), max_value=date(2100, 1, 1)))
def test_the_last_order_lies_in_the_week_before_today(today: date) -> None:
    """Whatever the day of the week, the last order is yesterday's or up to six days older."""
    last = date(1998, 6, 30)
    midnight = int(datetime(1998, 6, 30, tzinfo=UTC).timestamp())
    purchase = Purchase("cdnow-1", "1", midnight, 1, 100)  # type: ignore[arg-type]

    moved = last + timedelta(weeks=weeks_to_move([purchase], today=today))

    assert timedelta(days=1) <= today - moved <= timedelta(days=7)
    assert moved.weekday() == last.weekday()


def test_the_same_day_gives_the_same_bytes(seed: Seed) -> None:
    """The files depend on the day and the seed alone."""
    again = build_seed(today=TODAY)

    assert again == seed
    assert build_seed(today=TODAY, seed="other").customers != seed.customers


def test_every_contact_is_one_that_segue_accepts(seed: Seed) -> None:
    """Each synthetic field passes the check that a customers file has to pass."""
    for contact in seed.contacts:
        for name, value in (
            ("email", contact.email),
            ("country", contact.place.country),
            ("region", contact.place.region),
            ("time_zone", contact.place.time_zone),
        ):
            assert check_field(name, value, field=name) == value


def test_no_address_can_receive_mail(seed: Seed) -> None:
    """All addresses are distinct and lie at example.com, which is reserved."""
    addresses = {contact.email for contact in seed.contacts}

    assert len(addresses) == 2_357
    assert all(address.endswith("@example.com") for address in addresses)


def test_consent_and_places_have_the_stated_shares(seed: Seed) -> None:
    """About 70 % agreed to mail, some refused, some never said; New York is well represented."""
    said = Counter(contact.consent_marketing_email for contact in seed.contacts)
    in_new_york = sum(contact.place.region == "NY" for contact in seed.contacts)

    assert 0.66 < said["true"] / 2_357 < 0.74
    assert said["false"] > 200
    assert said[""] > 100
    assert 0.12 < in_new_york / 2_357 < 0.20


def test_a_contact_does_not_depend_on_who_else_is_in_the_file(seed: Seed) -> None:
    """A smaller demo has the same customers with the same contacts, and their whole histories."""
    small = build_seed(today=TODAY, customers=60)
    chosen = {contact.customer_id for contact in small.contacts}

    assert len(small.contacts) == 60
    assert set(small.contacts) <= set(seed.contacts)
    assert rows_of(small.orders) == [
        row for row in rows_of(seed.orders) if row["customer_id"] in chosen
    ]
    assert make_contact(small.contacts[7].customer_id) == small.contacts[7]


def test_prices_leave_room_below_the_published_one() -> None:
    """Floors lie below their base price, and some articles have none."""
    floors = [article.floor_minor for article in CATALOGUE]

    assert all(
        article.floor_minor < article.base_price_minor
        for article in CATALOGUE
        if article.floor_minor is not None
    )
    assert 0 < floors.count(None) < len(CATALOGUE)
    assert len({article.sku for article in CATALOGUE}) == len(CATALOGUE) == 12


@given(count=st.integers(min_value=0, max_value=40))
def test_spread_takes_as_many_as_asked_in_order(count: int) -> None:
    """At most all of the ids come back, in order and none twice."""
    ids = [f"{index:02}" for index in range(25)]

    taken = spread(ids, count)

    assert len(taken) == min(count, 25)
    assert list(taken) == sorted(set(taken))
