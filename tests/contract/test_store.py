"""What every store promises: the same tests over ``MemoryStore`` and over DynamoDB.

Flows are tested on ``MemoryStore``, so whatever they rely on stands here and holds for DynamoDB, on
moto and, in ``make e2e``, on the local stack. What only a real connection can do (stall, lose a
reply, throttle) is in ``functional/test_aws_*``.
"""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.aws.store import DynamoStore
from chalicelib.core.catalogue import Product
from chalicelib.core.contact import Contact
from chalicelib.core.control import Switches
from chalicelib.core.facts import Facts
from chalicelib.core.instants import Instant
from chalicelib.core.kinds import (
    CONTACT,
    FACTS,
    MESSAGE,
    PRODUCT,
    SWITCH,
)
from chalicelib.core.ports import Store
from chalicelib.core.storage import (
    ABSENT,
    PRESENT,
    WHATEVER,
    AtVersion,
    Check,
    Conflict,
    Delete,
    Key,
    Put,
    Write,
)
from chalicelib.core.subject import customer
from tests.fakes import MemoryStore

NOW = Instant(1_764_000_000)
ANN, BOB = customer("ann"), customer("bob")


AnyStore = MemoryStore | DynamoStore


def test_each_store_is_what_flows_take(store: AnyStore) -> None:
    """Both stores satisfy the protocol that flows are written against."""
    flows_take: Store = store

    assert flows_take.read([], now=NOW).version(FACTS.key("nobody")) == 0


def test_absent_things_are_not_found(store: AnyStore) -> None:
    """What was never saved has no value and stands at version 0."""
    found = store.read([FACTS.key(ANN.key)], now=NOW)

    assert found.value(FACTS.key(ANN.key)) is None
    assert found.stored(FACTS.key(ANN.key)) is None
    assert found.version(FACTS.key(ANN.key)) == 0


def test_saved_things_come_back_with_their_version(store: AnyStore) -> None:
    """A value comes back equal, at version 1 after its first save and one more after each."""
    key, latest = FACTS.key(ANN.key), Facts(ANN, segment="loyal")

    store.write([Put(key, Facts(ANN, segment="new"))], now=NOW)
    store.write([Put(key, latest, AtVersion(1))], now=NOW)

    stored = store.read([key], now=NOW).stored(key)
    assert stored is not None
    assert (stored.value, stored.version, stored.expires_at) == (latest, 2, None)


def test_one_read_spans_tables_and_kinds(store: AnyStore) -> None:
    """One read brings back things of several tables, and two kinds under one partition key."""
    facts, contact, product = FACTS.key(ANN.key), CONTACT.key(ANN.key), PRODUCT.key("A1")
    store.write([Put(facts, Facts(ANN)), Put(contact, Contact(ANN))], now=NOW)
    store.write([Put(product, Product("A1", "USD", 1999))], now=NOW)

    found = store.read([facts, contact, product, SWITCH.key("3")], now=NOW)

    assert found.value(facts) == Facts(ANN)
    assert found.value(contact) == Contact(ANN)
    assert found.value(product) == Product("A1", "USD", 1999)
    assert found.value(SWITCH.key("3")) is None


def test_a_key_may_be_asked_for_twice(store: AnyStore) -> None:
    """The same key twice in one read is one key."""
    key = FACTS.key(ANN.key)
    store.write([Put(key, Facts(ANN))], now=NOW)

    assert store.read([key, key], now=NOW).value(key) == Facts(ANN)


def test_more_than_a_hundred_keys_are_one_read(store: AnyStore) -> None:
    """A read takes any number of keys and returns what stands under each."""
    keys = [PRODUCT.key(f"sku-{n}") for n in range(230)]
    for n in range(0, 230, 115):
        store.write([Put(keys[n], Product(f"sku-{n}", "USD", n))], now=NOW)

    found = store.read(keys, now=NOW)

    assert [key.partition for key in keys if found.value(key) is not None] == [
        "sku#sku-0",
        "sku#sku-115",
    ]


@pytest.mark.parametrize("condition", [ABSENT, AtVersion(2)])
def test_a_failed_condition_is_a_conflict_and_changes_nothing(
    store: AnyStore, condition: AtVersion
) -> None:
    """A save at another version than stands raises Conflict, names itself, and saves nothing."""
    key = FACTS.key(ANN.key)
    store.write([Put(key, Facts(ANN))], now=NOW)
    late = Put(key, Facts(ANN, segment="loyal"), condition)

    with pytest.raises(Conflict) as conflict:
        store.write([late], now=NOW)

    assert conflict.value.failed == (late,)
    assert conflict.value.lost(key)
    assert store.read([key], now=NOW).value(key) == Facts(ANN)


def test_a_version_of_something_absent_is_a_conflict(store: AnyStore) -> None:
    """A save that expects a version conflicts when nothing stands there."""
    with pytest.raises(Conflict):
        store.write([Put(FACTS.key(ANN.key), Facts(ANN), AtVersion(1))], now=NOW)


def test_two_callers_that_save_the_same_do_not_both_win(store: AnyStore) -> None:
    """Creating a thing twice conflicts even when the two are equal: only one of them created it.

    A claim is a creation, and two workers may want the very same bytes.
    """
    key = MESSAGE.key("m-1")
    store.write([Put(key, {"source": "events"})], now=NOW)

    with pytest.raises(Conflict):
        store.write([Put(key, {"source": "events"})], now=NOW)


def test_a_conflict_names_every_loser_and_no_one_else(store: AnyStore) -> None:
    """All writes of a call happen or none, and the conflict names exactly those that lost."""
    store.write([Put(FACTS.key(ANN.key), Facts(ANN))], now=NOW)
    store.write([Put(CONTACT.key(ANN.key), Contact(ANN))], now=NOW)
    fresh = Put(MESSAGE.key("m-1"), {"source": "events"})
    losers: list[Write] = [
        Put(FACTS.key(ANN.key), Facts(ANN, segment="loyal")),
        Delete(CONTACT.key(ANN.key), AtVersion(7)),
        Check(SWITCH.key("0"), AtVersion(1)),
    ]

    with pytest.raises(Conflict) as conflict:
        store.write([fresh, *losers], now=NOW)

    assert list(conflict.value.failed) == losers
    assert not conflict.value.lost(fresh.key)
    found = store.read([fresh.key, FACTS.key(ANN.key), CONTACT.key(ANN.key)], now=NOW)
    assert found.value(fresh.key) is None
    assert found.value(FACTS.key(ANN.key)) == Facts(ANN)
    assert found.value(CONTACT.key(ANN.key)) == Contact(ANN)


def test_writes_to_several_tables_happen_together(store: AnyStore) -> None:
    """One call writes to several tables, with saves, deletions and checks side by side."""
    store.write([Put(CONTACT.key(BOB.key), Contact(BOB))], now=NOW)
    store.write([Put(SWITCH.key("0"), Switches())], now=NOW)

    store.write(
        [
            Put(FACTS.key(BOB.key), Facts(BOB)),
            Put(PRODUCT.key("A1"), Product("A1", "EUR", 500), WHATEVER),
            Delete(CONTACT.key(BOB.key), AtVersion(1)),
            Check(SWITCH.key("0"), AtVersion(1)),
        ],
        now=NOW,
    )

    keys: list[Key[Any]] = [
        FACTS.key(BOB.key),
        PRODUCT.key("A1"),
        CONTACT.key(BOB.key),
        SWITCH.key("0"),
    ]
    found = store.read(keys, now=NOW)
    assert [found.version(key) for key in keys] == [1, 1, 0, 1]


def test_what_expires_is_absent_from_that_moment(store: AnyStore) -> None:
    """A thing is there until ``expires_at`` and absent from then on, whatever TTL has left."""
    key = MESSAGE.key("m-1")
    store.write([Put(key, {"source": "events"}, expires_at=NOW + 10)], now=NOW)

    stored = store.read([key], now=NOW + 9).stored(key)
    assert stored is not None
    assert stored.expires_at == NOW + 10
    assert store.read([key], now=NOW + 10).value(key) is None
    assert store.read([key], now=NOW + 10).version(key) == 0


def test_what_has_expired_may_be_created_again(store: AnyStore) -> None:
    """Creating conflicts while the old thing lives and succeeds once it has expired."""
    key = MESSAGE.key("m-1")
    store.write([Put(key, {"source": "events"}, expires_at=NOW + 10)], now=NOW)

    with pytest.raises(Conflict):
        store.write([Put(key, {"source": "again"})], now=NOW + 9)
    store.write([Put(key, {"source": "again"})], now=NOW + 10)

    stored = store.read([key], now=NOW + 10).stored(key)
    assert stored is not None
    assert (stored.value, stored.version, stored.expires_at) == ({"source": "again"}, 1, None)


@pytest.mark.parametrize("condition", [AtVersion(1), WHATEVER])
def test_a_deleted_thing_is_absent(store: AnyStore, condition: AtVersion) -> None:
    """After a deletion nothing stands there, and it can be created anew."""
    key = FACTS.key(ANN.key)
    store.write([Put(key, Facts(ANN))], now=NOW)

    store.write([Delete(key, condition)], now=NOW)

    assert store.read([key], now=NOW).value(key) is None
    store.write([Put(key, Facts(ANN))], now=NOW)


def test_deleting_another_version_conflicts(store: AnyStore) -> None:
    """A deletion at another version conflicts and deletes nothing; one of nothing does nothing."""
    key = FACTS.key(ANN.key)
    store.write([Put(key, Facts(ANN))], now=NOW)

    with pytest.raises(Conflict):
        store.write([Delete(key, AtVersion(2))], now=NOW)
    store.write([Delete(FACTS.key(BOB.key), WHATEVER)], now=NOW)

    assert store.read([key], now=NOW).value(key) == Facts(ANN)


@pytest.mark.parametrize(("version", "holds"), [(1, True), (2, False), (0, False)])
def test_a_check_alone_only_asks(store: AnyStore, version: int, holds: bool) -> None:
    """A check by itself succeeds or conflicts, and leaves the thing at its version."""
    key = SWITCH.key("0")
    store.write([Put(key, Switches())], now=NOW)

    if holds:
        store.write([Check(key, AtVersion(version))], now=NOW)
    else:
        with pytest.raises(Conflict):
            store.write([Check(key, AtVersion(version))], now=NOW)

    assert store.read([key], now=NOW).version(key) == 1


def test_a_thing_is_present_at_any_version_until_it_is_gone(store: AnyStore) -> None:
    """Presence holds however often a thing was saved; deleted, expired or never stored it fails."""
    key, guest_key = FACTS.key(ANN.key), FACTS.key(BOB.key)
    store.write([Put(key, Facts(ANN))], now=NOW)
    store.write([Check(key, PRESENT)], now=NOW)
    store.write([Put(key, Facts(ANN, review_at=Instant(NOW)), AtVersion(1))], now=NOW)
    store.write([Check(key, PRESENT), Put(SWITCH.key("0"), Switches())], now=NOW)

    store.write([Delete(key, AtVersion(2))], now=NOW)
    with pytest.raises(Conflict):
        store.write([Check(key, PRESENT), Put(SWITCH.key("1"), Switches())], now=NOW)
    store.write([Put(guest_key, Facts(BOB), expires_at=NOW + 10)], now=NOW)
    store.write([Check(guest_key, PRESENT)], now=NOW + 9)
    with pytest.raises(Conflict):
        store.write([Check(guest_key, PRESENT)], now=NOW + 10)
    assert store.read([SWITCH.key("1")], now=NOW).value(SWITCH.key("1")) is None


def test_unconditional_saves_still_count_versions(store: AnyStore) -> None:
    """The last unconditional save wins and counts the version up, so no reader is overtaken."""
    key = PRODUCT.key("A1")
    store.write([Put(key, Product("A1", "USD", 1))], now=NOW)
    store.write([Put(key, Product("A1", "USD", 2), WHATEVER, expires_at=NOW + 5)], now=NOW)
    store.write([Put(key, Product("A1", "USD", 3), WHATEVER)], now=NOW)

    stored = store.read([key], now=NOW + 9).stored(key)
    assert stored is not None
    assert (stored.value.base_price_minor, stored.version, stored.expires_at) == (3, 3, None)
    with pytest.raises(Conflict):
        store.write([Put(key, Product("A1", "USD", 4), AtVersion(1))], now=NOW)


def test_a_hundred_writes_are_one_call_and_more_are_refused(store: AnyStore) -> None:
    """One call takes 100 writes; 101 are refused before anything is written."""
    puts = [Put(MESSAGE.key(f"m-{n}"), {"source": "drop"}) for n in range(101)]

    with pytest.raises(ValueError, match="101 writes"):
        store.write(puts, now=NOW)
    assert store.read([puts[0].key], now=NOW).value(puts[0].key) is None

    store.write(puts[:100], now=NOW)
    found = store.read([put.key for put in puts], now=NOW)
    assert [found.version(put.key) for put in puts] == [1] * 100 + [0]


def test_two_writes_to_one_key_are_refused(store: AnyStore) -> None:
    """One call writes each key once; twice is a mistake in the caller."""
    key = FACTS.key(ANN.key)

    with pytest.raises(ValueError, match="two writes to one key"):
        store.write([Put(key, Facts(ANN)), Check(key, ABSENT)], now=NOW)


def test_no_writes_are_nothing(store: AnyStore) -> None:
    """An empty write succeeds and does nothing."""
    key = FACTS.key(ANN.key)
    store.write([Put(key, Facts(ANN))], now=NOW)

    store.write([], now=NOW)

    assert store.read([key], now=NOW).version(key) == 1
