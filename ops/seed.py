"""The demo's files: real purchase histories moved to our time, and synthetic everything else.

Real: who of CDNOW's sample bought when, how many and for how much (``ops.datasets``), duplicates
and all. Synthetic, and derived from a seed alone: addresses (all at example.com, which RFC 2606
keeps from ever receiving mail), consent, places, and the catalogue. No name is made up; a mail
without a first name greets without one.

Histories move by whole weeks, so that weekdays stay what they were: the last order was placed on
one of the seven days before ``today``, as near to yesterday as that allows.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar

from chalicelib.core.canonical import share_of, short_hash
from chalicelib.core.instants import DAY_SECONDS
from ops.datasets import CDNOW_CURRENCY, Purchase, read_cdnow

T = TypeVar("T")

SEED = "segue-demo-1"
WEEK_DAYS = 7
SYNTHETIC = "Addresses, consent, places and the catalogue are synthetic; the histories are CDNOW's."

_MAIL_CONSENT = ((0.70, "true"), (0.18, "false"), (0.12, ""))
# Most customers never say anything about personal prices; a few object.
_PRICE_CONSENT = ((0.04, "false"), (0.26, "true"), (0.70, ""))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a customer lives: country, its subdivision (ISO 3166-2), and the IANA zone there."""

    country: str
    region: str
    time_zone: str


_PLACES: tuple[tuple[float, Place], ...] = (
    (0.16, Place("US", "NY", "America/New_York")),
    (0.18, Place("US", "CA", "America/Los_Angeles")),
    (0.12, Place("US", "TX", "America/Chicago")),
    (0.08, Place("US", "IL", "America/Chicago")),
    (0.07, Place("US", "WA", "America/Los_Angeles")),
    (0.06, Place("US", "CT", "America/New_York")),
    (0.05, Place("US", "CO", "America/Denver")),
    (0.04, Place("US", "MD", "America/New_York")),
    (0.08, Place("DE", "BE", "Europe/Berlin")),
    (0.06, Place("FR", "IDF", "Europe/Paris")),
    (0.06, Place("GB", "ENG", "Europe/London")),
    (0.04, Place("CA", "ON", "America/Toronto")),
)


@dataclass(frozen=True, slots=True)
class Contact:
    """One row of the demo's ``customers/`` file; consents as the file writes them."""

    customer_id: str
    email: str
    place: Place
    consent_marketing_email: str
    consent_personalised_pricing: str


@dataclass(frozen=True, slots=True)
class Article:
    """One row of the demo's ``catalog/`` file; prices in minor units."""

    sku: str
    title: str
    category: str
    base_price_minor: int
    floor_minor: int | None
    stock: int


# Twelve made-up articles; three have no floor, so they have no personal price.
CATALOGUE: tuple[Article, ...] = (
    Article("CD-1001", "Late Train to Harbour City", "jazz", 1599, 1299, 42),
    Article("CD-1002", "Seven Short Rains", "jazz", 1399, 1199, 17),
    Article("CD-1003", "Copper Wire Blues", "blues", 1499, 1249, 23),
    Article("CD-1004", "The Tin Orchestra Plays On", "classical", 1799, None, 9),
    Article("CD-1005", "Preludes for an Empty Hall", "classical", 1899, 1699, 31),
    Article("CD-1006", "Static in the Attic", "rock", 1299, 1099, 64),
    Article("CD-1007", "Loud Weather", "rock", 1399, 1149, 12),
    Article("CD-1008", "Paper Lantern Parade", "pop", 1199, 999, 88),
    Article("CD-1009", "Neon Orchard", "pop", 1299, 1249, 51),
    Article("CD-1010", "Nine Rooms", "electronic", 1499, 1199, 20),
    Article("BX-2001", "Harbour City, the box of five", "box sets", 5999, 4999, 6),
    Article("GC-3001", "Gift card", "gift cards", 2500, None, 1000),
)


@dataclass(frozen=True, slots=True)
class SeedFile:
    """A file to drop: its key in the bucket, its bytes, and how many records it holds."""

    key: str
    body: bytes
    records: int


@dataclass(frozen=True, slots=True)
class Seed:
    """The three files of the demo, and the contacts in them.

    Attributes:
        contacts: one for each customer, in file order.
        orders: the purchase histories, as the shop's old system would export them.
        moved_by_weeks: how far the histories were moved.
    """

    contacts: tuple[Contact, ...]
    customers: SeedFile
    catalogue: SeedFile
    orders: SeedFile
    moved_by_weeks: int


def build_seed(*, today: date, customers: int | None = None, seed: str = SEED) -> Seed:
    """Build the files; equal arguments give equal bytes.

    Args:
        today: the day before which the last order lies.
        customers: how many, spread evenly over the sample; None takes all 2,357.
        seed: what the synthetic columns are derived from.

    Raises:
        DatasetUnavailable: CDNOW is neither cached nor to be had.
    """
    purchases = read_cdnow("sample")
    weeks = weeks_to_move(purchases, today=today)
    chosen = spread(sorted({purchase.customer_id for purchase in purchases}), customers)
    kept = frozenset(chosen)
    contacts = tuple(make_contact(customer_id, seed=seed) for customer_id in chosen)
    return Seed(
        contacts=contacts,
        customers=_customers_file(contacts),
        catalogue=_catalogue_file(),
        orders=_orders_file([p for p in purchases if p.customer_id in kept], weeks=weeks),
        moved_by_weeks=weeks,
    )


def weeks_to_move(purchases: Iterable[Purchase], *, today: date) -> int:
    """The whole weeks after which the last order comes nearest to yesterday, never later."""
    last = max(_day_of(purchase) for purchase in purchases)
    return (today - timedelta(days=1) - last).days // WEEK_DAYS


def spread(ids: Sequence[str], count: int | None) -> Sequence[str]:
    """``count`` of the ids at even distances; all of them when None or more than there are."""
    if count is None or count >= len(ids):
        return ids
    return [ids[index * len(ids) // count] for index in range(count)]


def make_contact(customer_id: str, *, seed: str = SEED) -> Contact:
    """The synthetic contact of a customer; it depends on the id and the seed alone."""
    tag = short_hash(seed, "email", customer_id, digits=6)
    return Contact(
        customer_id=customer_id,
        email=f"customer.{customer_id}.{tag}@example.com",
        place=_pick(_PLACES, share_of(seed, "place", customer_id)),
        consent_marketing_email=_pick(_MAIL_CONSENT, share_of(seed, "mail", customer_id)),
        consent_personalised_pricing=_pick(_PRICE_CONSENT, share_of(seed, "price", customer_id)),
    )


def _pick(weighted: Sequence[tuple[float, T]], share: float) -> T:
    """The value in whose stretch of [0, 1) the share lies; the last takes what rounding leaves."""
    for weight, value in weighted:
        if share < weight:
            return value
        share -= weight
    return weighted[-1][1]


def _customers_file(contacts: Sequence[Contact]) -> SeedFile:
    header = ("customer_id", "email", "country", "region", "time_zone")
    consents = ("consent_marketing_email", "consent_personalised_pricing")
    rows = (
        (
            *(contact.customer_id, contact.email),
            *(contact.place.country, contact.place.region, contact.place.time_zone),
            *(contact.consent_marketing_email, contact.consent_personalised_pricing),
        )
        for contact in contacts
    )
    return SeedFile("customers/demo.csv", _csv([(*header, *consents), *rows]), len(contacts))


def _catalogue_file() -> SeedFile:
    header = ("sku", "title", "category", "currency", "base_price", "floor_price", "stock")
    rows = (
        (
            *(article.sku, article.title, article.category, CDNOW_CURRENCY),
            _major(article.base_price_minor),
            "" if article.floor_minor is None else _major(article.floor_minor),
            str(article.stock),
        )
        for article in CATALOGUE
    )
    return SeedFile("catalog/demo.csv", _csv([header, *rows]), len(CATALOGUE))


def _orders_file(purchases: Sequence[Purchase], *, weeks: int) -> SeedFile:
    """The columns of the original, whose order ids do not exist: the mapping derives them."""
    moved = timedelta(weeks=weeks)
    rows = (
        (
            purchase.customer_id,
            (_day_of(purchase) + moved).strftime("%Y%m%d"),
            str(purchase.quantity),
            _major(purchase.amount_minor),
        )
        for purchase in purchases
    )
    header = ("customer_id", "date", "number_of_cds", "dollar_value")
    return SeedFile("orders/cdnow/demo.csv", _csv([header, *rows]), len(purchases))


def _day_of(purchase: Purchase) -> date:
    return datetime.fromtimestamp(purchase.ordered_at // DAY_SECONDS * DAY_SECONDS, UTC).date()


def _major(amount_minor: int) -> str:
    return f"{amount_minor // 100}.{amount_minor % 100:02}"


def _csv(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
