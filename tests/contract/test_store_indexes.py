"""What both stores promise of their indexes: who is due, what was decided, what stands still."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.aws.store import DynamoStore
from chalicelib.core.contact import Contact, Stamped
from chalicelib.core.control import Drop, Switches, drop_id_at
from chalicelib.core.effects import Effect, State, effect_id
from chalicelib.core.facts import Facts
from chalicelib.core.groups import UNDATED, address_group, segment_group
from chalicelib.core.instants import Instant
from chalicelib.core.kinds import (
    CONTACT,
    COUPON,
    DROP,
    EFFECT,
    FACTS,
    ORDER,
    RECORD,
    SWITCH,
)
from chalicelib.core.mail_list import SHARDS as LIST_SHARDS
from chalicelib.core.mail_list import Standing, effect_id_at, listed_under
from chalicelib.core.offers import Coupon, Offer
from chalicelib.core.orders import OrderState
from chalicelib.core.overdue import GRACE_SECONDS, LANES, SHARDS, open_shard
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


def test_a_profile_stands_in_the_group_of_its_segment_alone(store: AnyStore) -> None:
    """It moves with the segment, the latest comes first, and without a segment it is in none."""
    for number, subject in enumerate((ANN, BOB)):
        facts = Facts(subject, segment="loyal", segment_at=Instant(NOW + number))
        store.write([Put(FACTS.key(subject.key), facts)], now=NOW)
    ann, bob = (segment_group("loyal", each.due_shard) for each in (ANN, BOB))

    found = dict([*store.members(ann, limit=5), *store.members(bob, limit=5)])
    assert found == {ANN: NOW, BOB: NOW + 1}

    moved = Facts(BOB, segment="at_risk", review_at=NOW)
    store.write([Put(FACTS.key(BOB.key), moved, AtVersion(1))], now=NOW)
    assert BOB not in dict(store.members(bob, limit=5))
    at_risk = segment_group("at_risk", BOB.due_shard)
    assert store.members(at_risk, limit=5) == [(BOB, UNDATED)]
    assert store.count_group(at_risk) == 1
    assert store.due(shard=BOB.due_shard, now=NOW, limit=5) == [(BOB, NOW)]

    store.write([Put(FACTS.key(BOB.key), Facts(BOB), AtVersion(2))], now=NOW)
    assert store.members(at_risk, limit=5) == []
    assert store.count_group(at_risk) == 0


def test_members_come_latest_first_and_no_more_than_asked(store: AnyStore) -> None:
    """All are counted, however many are listed."""
    in_shard = [s for s in map(customer, map(str, range(200))) if s.due_shard == 0][:6]
    for age, subject in enumerate(in_shard):
        facts = Facts(subject, segment="loyal", segment_at=Instant(NOW - age))
        store.write([Put(FACTS.key(subject.key), facts)], now=NOW)
    group = segment_group("loyal", 0)

    assert store.members(group, limit=3) == [(in_shard[age], NOW - age) for age in range(3)]
    assert store.count_group(group) == 6
    assert store.count_group(segment_group("loyal", 1)) == 0
    assert store.count_group(segment_group("loya", 0)) == 0


@pytest.mark.parametrize("condition", [AtVersion(1), WHATEVER])
def test_accounts_stand_in_the_group_of_their_address(
    store: AnyStore, condition: AtVersion
) -> None:
    """Until they have another one or are gone; a profile of the same person is not among them."""
    said = {"email": Stamped("a@example.com", NOW)}
    for subject in (ANN, BOB):
        put = Put(CONTACT.key(subject.key), Contact(subject, said, address_hash="f" * 40))
        store.write([put, Put(FACTS.key(subject.key), Facts(subject))], now=NOW)
    group = address_group("f" * 40)
    assert sorted(store.members(group, limit=5), key=str) == [(ANN, NOW), (BOB, NOW)]

    store.write([Put(CONTACT.key(ANN.key), Contact(ANN), condition)], now=NOW)
    assert store.members(group, limit=5) == [(BOB, NOW)]

    store.write([Delete(CONTACT.key(BOB.key), AtVersion(1))], now=NOW)
    assert store.members(group, limit=5) == []


def test_an_effect_stands_in_its_index_until_it_is_done(store: AnyStore) -> None:
    """Planned, then taken, then done: it moves from lane to lane, and is gone at the end."""
    key = EFFECT.key(MAIL.effect_id)
    due_at = NOW + GRACE_SECONDS

    store.write([Put(key, MAIL)], now=NOW)
    assert _overdue(store, now=due_at - 1) == {}
    assert _overdue(store, now=due_at) == {"waiting": [MAIL.effect_id]}

    taken = replace(MAIL, state="CLAIMED", owner="w-1", lease_until=NOW + 300)
    store.write([Put(key, taken, AtVersion(1))], now=NOW)
    assert _overdue(store, now=due_at) == {}
    assert _overdue(store, now=NOW + 300) == {"taken": [MAIL.effect_id]}

    store.write([Put(key, replace(taken, state="ACCEPTED"), AtVersion(2))], now=NOW)
    assert _overdue(store, now=NOW + 10**6) == {}


def test_an_unconditional_write_takes_an_effect_out_of_its_indexes(store: AnyStore) -> None:
    """Whatever way it is saved, what is no longer true is no longer found."""
    key = EFFECT.key(MAIL.effect_id)
    store.write([Put(key, MAIL)], now=NOW)

    store.write([Put(key, replace(MAIL, kind="event", state="ACCEPTED"), WHATEVER)], now=NOW)

    assert _overdue(store, now=NOW + 10**6) == {}
    assert _listed(store, "OPEN") == _listed(store, "ACCEPTED") == []


def test_overdue_names_the_oldest_first_and_no_more_than_asked(store: AnyStore) -> None:
    """Effects of one shard come oldest first, up to the limit, and no thing of another kind."""
    effects = [_mail(number, planned_at=NOW - number) for number in range(80)]
    for each in effects:
        store.write([Put(EFFECT.key(each.effect_id), each)], now=NOW)
    shard = open_shard("waiting", 0)
    now = NOW + GRACE_SECONDS

    found = store.overdue(EFFECT, shard=shard, now=now, limit=100)

    planned_at = {each.effect_id: each.planned_at for each in effects}
    assert found == sorted(found, key=planned_at.__getitem__)
    assert store.overdue(EFFECT, shard=shard, now=now, limit=3) == found[:3]
    assert store.overdue(COUPON, shard=shard, now=now, limit=100) == []
    assert sum(map(len, _overdue(store, now=now).values())) == len(effects)


def test_mails_are_listed_newest_first_by_standing(store: AnyStore) -> None:
    """Each mail stands once, under its standing, and moves when its state does."""
    states: list[State] = ["PLANNED", "CLAIMED", "SENDING", "ACCEPTED", "SUPPRESSED", "FAILED"]
    for number in range(24):
        each = _mail(number, state=states[number % 6], changed_at=Instant(NOW + number))
        store.write([Put(EFFECT.key(each.effect_id), each)], now=NOW)
    event = replace(MAIL, kind="event", effect_id="e" * 32)
    store.write([Put(EFFECT.key(event.effect_id), event)], now=NOW)

    assert len(_listed(store, "OPEN")) == 12
    assert _listed(store, "SUPPRESSED") == [effect_id(str(n)) for n in (22, 16, 10, 4)]
    assert _listed(store, "HELD") == []


def test_a_page_of_the_list_begins_after_a_position(store: AnyStore) -> None:
    """Mails of one moment are told apart by id, so no page repeats or skips one."""
    for number in range(40):
        each = _mail(number, state="FAILED", changed_at=NOW)
        store.write([Put(EFFECT.key(each.effect_id), each)], now=NOW)
    under = listed_under("FAILED", 1)
    everything = store.listed(under=under, before=None, limit=100)

    pages, before = [], None
    while page := store.listed(under=under, before=before, limit=3):
        pages += page
        before = page[-1]

    assert pages == everything == sorted(everything, reverse=True)
    assert len(everything) > 3


@pytest.mark.parametrize("condition", [AtVersion(1), WHATEVER])
def test_drops_are_listed_by_when_they_were_begun(store: AnyStore, condition: AtVersion) -> None:
    """Newest first, by id among equals; what becomes of one does not move it."""
    begun = {f"{number:032}": NOW + number // 2 for number in range(7)}
    for drop_id, at in begun.items():
        drop = Drop(drop_id, "orders/a.csv", "RUNNING", NOW, started_at=at, changed_at=at)
        store.write([Put(DROP.key(drop_id), drop)], now=NOW)
        ended = replace(drop, state="COMPLETE", changed_at=NOW + 9_999)
        store.write([Put(DROP.key(drop_id), ended, condition)], now=NOW)
    store.write([Put(SWITCH.key("0"), Switches(), WHATEVER)], now=NOW)

    pages, before = [], None
    while page := store.recent_drops(before=before, limit=3):
        pages.append([drop_id_at(place) for place in page])
        before = page[-1]

    assert [len(page) for page in pages] == [3, 3, 1]
    assert [each for page in pages for each in page] == sorted(begun, reverse=True)


MAIL = Effect(effect_id("mail"), "mail", "winback", ANN.key, "d-1", "r-1", planned_at=NOW)


def _mail(number: int, **changes: Any) -> Effect:
    return replace(MAIL, effect_id=effect_id(str(number)), **changes)


def _overdue(store: AnyStore, *, now: int) -> dict[str, list[str]]:
    """What stands still, by lane."""
    found = {
        lane: [
            each
            for shard in range(SHARDS)
            for each in store.overdue(EFFECT, shard=open_shard(lane, shard), now=now, limit=100)
        ]
        for lane in LANES
    }
    return {lane: names for lane, names in found.items() if names}


def _listed(store: AnyStore, standing: Standing) -> list[str]:
    """The ids of all mails with a standing, newest first."""
    places = [
        place
        for shard in range(LIST_SHARDS)
        for place in store.listed(under=listed_under(standing, shard), before=None, limit=100)
    ]
    return [effect_id_at(place) for place in sorted(places, reverse=True)]


def _record(decision_id: str, *, subject: Subject, decided_at: int) -> Put[Any]:
    value = {"decision_id": decision_id, "subject": subject.key, "decided_at": decided_at}
    return Put(RECORD.key(decision_id), value)
