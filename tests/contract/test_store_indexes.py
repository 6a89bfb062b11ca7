"""What both stores promise of their two indexes: who is due, and what was decided lately."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.aws.store import DynamoStore
from chalicelib.core.effects import Effect
from chalicelib.core.facts import Facts
from chalicelib.core.instants import Instant
from chalicelib.core.kinds import COUPON, EFFECT, FACTS, ORDER, RECORD
from chalicelib.core.offers import Coupon, Offer
from chalicelib.core.orders import OrderState
from chalicelib.core.storage import (
    WHATEVER,
    AtVersion,
    Delete,
    Put,
)
from chalicelib.core.subject import DUE_SHARDS, Subject, customer, guest
from tests.fakes import MemoryStore

AnyStore = MemoryStore | DynamoStore
NOW = Instant(1_764_000_000)
ANN, BOB = customer("ann"), customer("bob")


@pytest.mark.parametrize("condition", [AtVersion(1), WHATEVER])
def test_a_thing_enters_and_leaves_its_index(store: AnyStore, condition: AtVersion) -> None:
    """A subject is due while its facts hold a ``review_at``, and never after they hold none."""
    key, shard = FACTS.key(ANN.key), ANN.due_shard
    store.write([Put(key, Facts(ANN, review_at=NOW))], now=NOW)
    assert store.due(shard=shard, now=NOW, limit=10) == [(ANN, NOW)]

    store.write([Put(key, Facts(ANN), condition)], now=NOW)

    assert store.due(shard=shard, now=NOW, limit=10) == []


def test_due_names_the_oldest_first_and_no_more_than_asked(store: AnyStore) -> None:
    """Due subjects of one shard come oldest first, up to the limit, and none of the future."""
    in_shard = [s for s in map(customer, map(str, range(200))) if s.due_shard == 0][:6]
    for age, subject in enumerate(in_shard):
        facts = Facts(subject, review_at=Instant(NOW - 10 * age))
        store.write([Put(FACTS.key(subject.key), facts)], now=NOW)

    due = store.due(shard=0, now=NOW - 10, limit=4)

    assert due == [(in_shard[age], NOW - 10 * age) for age in (5, 4, 3, 2)]
    assert store.due(shard=1, now=NOW, limit=10) == []
    assert all(0 <= subject.due_shard < DUE_SHARDS for subject in in_shard)


def test_due_knows_nothing_of_expiry(store: AnyStore) -> None:
    """Expired facts stay in the index until TTL or their finder removes them; they read absent."""
    lena = guest("lena")
    key = FACTS.key(lena.key)
    store.write([Put(key, Facts(lena, review_at=NOW), expires_at=NOW + 1)], now=NOW)

    assert store.due(shard=lena.due_shard, now=NOW + 5, limit=10) == [(lena, NOW)]
    assert store.read([key], now=NOW + 5).value(key) is None

    store.write([Delete(key, WHATEVER)], now=NOW + 5)
    assert store.due(shard=lena.due_shard, now=NOW + 5, limit=10) == []


def test_recent_decisions_come_newest_first(store: AnyStore) -> None:
    """The ids of a subject's decisions come newest first, up to the limit, and nobody else's."""
    for number in range(4):
        store.write([_record(f"d-{number}", subject=ANN, decided_at=NOW + number)], now=NOW)
    store.write([_record("d-bob", subject=BOB, decided_at=NOW)], now=NOW)

    assert store.recent_decisions(ANN.key, limit=3) == ["d-3", "d-2", "d-1"]
    assert store.recent_decisions(customer("nobody").key, limit=3) == []


def test_belongings_are_found_by_whose_they_are(store: AnyStore) -> None:
    """Orders and merged guests in one table, effects and codes in another; nobody else's."""
    lena = guest("lena")
    offer = Offer("a", "CODE", "percent_off", 10, NOW + 9)
    effect = Effect("e-1", "offer", "a", ANN.key, "d-1", "c", NOW)
    for put in (
        Put(ORDER.key("o-1"), OrderState("o-1", ANN.key)),
        Put(ORDER.key("o-2"), OrderState("o-2", BOB.key)),
        Put(FACTS.key(lena.key), Facts(lena, merged_into=ANN.id)),
        Put(FACTS.key(ANN.key), Facts(ANN, review_at=NOW)),
        Put(EFFECT.key("e-1"), effect),
        Put(COUPON.key("CODE"), Coupon(offer, ANN.key, "d-1", NOW)),
    ):
        store.write([put], now=NOW)

    profiles = store.belongings(ANN.key, table="profiles")
    effects = store.belongings(ANN.key, table="effects")

    assert set(profiles) == {ORDER.key("o-1"), FACTS.key(lena.key)}
    assert set(effects) == {EFFECT.key("e-1"), COUPON.key("CODE")}


@pytest.mark.parametrize("condition", [AtVersion(1), WHATEVER])
def test_what_is_given_away_leaves_the_index(store: AnyStore, condition: AtVersion) -> None:
    """An order that turns out to be another's is found there, and no longer here."""
    key = ORDER.key("o-1")
    store.write([Put(key, OrderState("o-1", ANN.key))], now=NOW)

    store.write([Put(key, OrderState("o-1", BOB.key), condition)], now=NOW)

    assert store.belongings(ANN.key, table="profiles") == []
    assert store.belongings(BOB.key, table="profiles") == [key]


def _record(decision_id: str, *, subject: Subject, decided_at: int) -> Put[Any]:
    value = {"decision_id": decision_id, "subject": subject.key, "decided_at": decided_at}
    return Put(RECORD.key(decision_id), value)
