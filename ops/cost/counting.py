"""What a night's counting of segments is billed as: a query that counts reads what it counts.

DynamoDB hands back no entries, and bills their size: a megabyte with each page at most, eventually
consistent, so half a unit for every 4 KB.

>>> night(10_000_000)
Night(entry_bytes=65, pages=620, read_units=79350.5, dollars=0.0099)
"""

from __future__ import annotations

from typing import NamedTuple

from chalicelib.aws.items import item_of
from chalicelib.core.facts import Facts
from chalicelib.core.instants import Instant
from chalicelib.core.kinds import FACTS
from chalicelib.core.storage import Put
from chalicelib.core.subject import customer
from ops.cost.prices import read_prices
from ops.cost.units import Index, item_bytes, read_units

BY_GROUP = Index("by_group", ("in_group", "grouped_at"), ("in_group", "grouped_at", "pk", "sk"))
PAGE_BYTES = 1_048_576


class Night(NamedTuple):
    """One night.

    Attributes:
        entry_bytes: of the index, of one customer.
        pages: calls that return something.
        read_units: of all of them.
        dollars: for that.
    """

    entry_bytes: int
    pages: int
    read_units: float
    dollars: float


def night(customers: int) -> Night:
    """What counting so many customers takes, all of them with a segment."""
    size = entry_bytes()
    on_a_page = PAGE_BYTES // size
    whole, rest = divmod(customers, on_a_page)
    units = whole * read_units(on_a_page * size, consistent=False)
    units += read_units(rest * size, consistent=False) if rest else 0
    dollars = read_prices().dollars("dynamodb.read_unit", units)
    return Night(size, whole + bool(rest), units, round(dollars, 4))


def entry_bytes() -> int:
    """The size of an index entry, as the store writes it, of a customer with an id of 8 digits."""
    facts = Facts(customer("10000000"), segment="hibernating", segment_at=Instant(1_795_000_001))
    entry = BY_GROUP.entry(item_of(Put(FACTS.key(facts.subject.key), facts), version=1))
    if entry is None:
        raise ValueError("a profile with a segment stands in no group")
    return item_bytes(entry)
