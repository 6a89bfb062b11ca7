"""Which rows of a file are about a customer who was erased: they are rejected, and nothing is said.

A file is what a shop says of people, not what they do: a row of a customers file never begins a
new person where one was erased, however new the file is. Orders that are dated after the erasure
do, and so do events; from then on customers files count again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from chalicelib.core.identity import Profiles
from chalicelib.core.storage import Found
from chalicelib.core.tokens import SigningKeys
from chalicelib.core.tombstones import Tombstone
from chalicelib.files.records import OrderLine
from chalicelib.files.rejects import Reject
from chalicelib.flows.drop_person import Person
from chalicelib.flows.tombs import tomb_key

REASON = "is of a customer who was erased"


def without_the_erased(
    person: Person, found: Found, known: Profiles, *, keys: SigningKeys, as_of: int
) -> tuple[Person, list[Reject]]:
    """The rows that count, and the others as rejects without a word of what stood there."""
    tombstone = found.value(tomb_key(person.subject.key, keys))
    if tombstone is None:
        return person, []
    orders = dict(_kept_orders(person, tombstone, known))
    kept = {line.record for lines in orders.values() for line in lines}
    gone = [
        line.record for lines in person.orders.values() for line in lines if line.record not in kept
    ]
    change = person.change
    if change is not None and (
        tombstone.covers(as_of)
        or not (person.subject in known.facts or person.subject in known.contacts)
    ):
        change, gone = None, [*gone, person.record]
    rejects = [Reject(record, "customer_id", "", REASON) for record in gone]
    return replace(person, orders=orders, change=change), rejects


def _kept_orders(
    person: Person, tombstone: Tombstone, known: Profiles
) -> Iterator[tuple[str, list[OrderLine]]]:
    """Orders placed after the erasure, and corrections of orders that are stored."""
    for order_id, lines in person.orders.items():
        late = [line for line in lines if not tombstone.covers(line.at)]
        if order_id in known.orders or any(line.kind == "sale" for line in late):
            yield order_id, late
