"""What both stores promise of values: whatever was saved comes back equal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.aws.store import DynamoStore
from chalicelib.core.contact import Contact, Stamped
from chalicelib.core.control import ApiKey, Drop, Switches
from chalicelib.core.facts import CountedOrder, Facts
from chalicelib.core.instants import Instant
from chalicelib.core.kinds import (
    API_KEY,
    CONTACT,
    DROP,
    FACTS,
    RECORD,
    SESSION,
    SWITCH,
)
from chalicelib.core.offers import Offer
from chalicelib.core.sessions import Session
from chalicelib.core.storage import (
    WHATEVER,
    Put,
)
from chalicelib.core.subject import Subject, customer
from tests.fakes import MemoryStore

AnyStore = MemoryStore | DynamoStore
NOW = Instant(1_764_000_000)
ANN, BOB = customer("ann"), customer("bob")


def test_compressed_things_come_back_whole(store: AnyStore) -> None:
    """Kinds whose body is compressed come back equal, beyond ASCII and beyond a few kilobytes."""
    record = _record("d-1", subject=ANN, decided_at=NOW)
    long = replace(record, value={**record.value, "note": "für Ännchen · 100 % 🎁 " * 500})
    session = Session(
        "d-1", "h", "winback", (Offer("a", "CODE", "percent_off", 10, NOW),), {}, known=True
    )

    store.write([long, Put(SESSION.key("s"), session)], now=NOW)

    found = store.read([long.key, SESSION.key("s")], now=NOW)
    assert found.value(long.key) == long.value
    assert found.value(SESSION.key("s")) == session


def test_control_items_come_back_equal(store: AnyStore) -> None:
    """Keys, drops and switches come back as they were saved."""
    puts: list[Put[Any]] = [
        Put(API_KEY.key("ab"), ApiKey("key-1", ("decide", "read"), NOW)),
        Put(DROP.key("d"), Drop("d", "orders/x.csv", "RUNNING", NOW, NOW, NOW, {"records": 2})),
        Put(SWITCH.key("15"), Switches(sending=False)),
    ]

    for put in puts:
        store.write([put], now=NOW)

    found = store.read([put.key for put in puts], now=NOW)
    assert [found.value(put.key) for put in puts] == [put.value for put in puts]


_moments = st.integers(min_value=0, max_value=253_402_300_799)
_texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
_amounts = st.integers(min_value=-(2**53), max_value=2**53)
_subjects = st.builds(Subject, st.sampled_from(["customer", "anonymous"]), _texts)
_orders = st.builds(CountedOrder, _moments, _texts, _amounts, st.sampled_from(["USD", "JPY"]))
_facts = st.builds(
    Facts,
    _subjects,
    recent=st.lists(_orders, max_size=4).map(tuple),
    older_count=st.integers(1, 99),
    older_amounts_minor=st.dictionaries(st.sampled_from(["USD", "JPY"]), _amounts),
    older_first_at=_moments,
    last_product=st.tuples(_moments, _texts),
    segment=st.none() | _texts,
    review_at=st.none() | _moments,
)
_scalars = _texts | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | _amounts
_said = st.dictionaries(_texts, st.builds(Stamped, _scalars, _moments), max_size=4)
_contacts = st.builds(Contact, _subjects, _said, _said)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(facts=_facts, contact=_contacts)
def test_any_profile_comes_back_equal(store: AnyStore, facts: Facts, contact: Contact) -> None:
    """Whatever was folded or said comes back equal, to the last bit of a number."""
    puts: list[Put[Any]] = [
        Put(FACTS.key(facts.subject.key), facts, WHATEVER),
        Put(CONTACT.key(facts.subject.key), contact, WHATEVER),
    ]

    store.write(puts, now=NOW)

    found = store.read([put.key for put in puts], now=NOW)
    assert [found.value(put.key) for put in puts] == [put.value for put in puts]


def _record(decision_id: str, *, subject: Subject, decided_at: int) -> Put[Any]:
    value = {"decision_id": decision_id, "subject": subject.key, "decided_at": decided_at}
    return Put(RECORD.key(decision_id), value)
