"""What a night follows besides orders: objections, scores, sources, and who is unknown."""

from __future__ import annotations

import gzip
import hashlib
import io
from collections.abc import Iterator
from dataclasses import replace
from itertools import count, islice
from pathlib import Path

import duckdb
import pytest

from chalicelib.core.address import AddressState, Suppression, address_hash, withdraw
from chalicelib.core.calibration import open_week, weeks_of
from chalicelib.core.canonical import canonical_json
from chalicelib.core.contact import Contact, Stamped
from chalicelib.core.erasure import erased_record
from chalicelib.core.fold import join_order, recount
from chalicelib.core.instants import DAY_SECONDS, Instant
from chalicelib.core.kinds import (
    ADDRESS,
    CALIBRATED,
    CONTACT,
    NEWEST_FILE,
    RECORD,
)
from chalicelib.core.log_line import line_of, logged_as
from chalicelib.core.measurement import (
    PROGRAMME,
)
from chalicelib.core.messages import OrderCompleted, OrderRefunded, parse_message
from chalicelib.core.orders import OrderState
from chalicelib.core.storage import WHATEVER, Put
from chalicelib.core.subject import Subject, customer, guest
from chalicelib.flows.chronicle import DECISIONS
from chalicelib.flows.night import STATE, NightPorts, work_through
from tests.chronicles import BUCKET
from tests.functional.test_night import (
    BASELINES,
    POLICY,
    TODAY,
    WINDOW,
    Town,
    lines,
    log,
    name_of,
    person,
    secret,
)
from tests.makers import order_event
from tests.unit.core.situations import NOW, buyer
from tests.unit.core.test_engagement_conditions import policy_with

__all__ = ["log"]  # the fixture


def test_revenue_is_what_was_paid_less_what_was_given_back() -> None:
    """The total of an order has its discount in it already; a refund of the next week comes off."""
    town = Town()
    noon = TODAY * DAY_SECONDS + DAY_SECONDS // 2
    told = [
        order_event(
            "Order Completed", "o-1", user="c-1", total=25, discount=5, at=noon + DAY_SECONDS
        ),
        order_event(
            "Order Refunded", "o-1", user="c-1", total=10, at=noon + (WINDOW + 1) * DAY_SECONDS
        ),
        order_event(
            "Order Completed", "o-2", user="c-1", total=99, at=noon + (WINDOW + 1) * DAY_SECONDS
        ),
    ]
    facts = person(1)
    states: dict[str, OrderState] = {}
    for raw in told:
        later = noon + 30 * DAY_SECONDS
        message = parse_message(raw, now=later, default_currency="USD")
        assert isinstance(message, OrderCompleted | OrderRefunded)
        before = states.get(message.order_id)
        after = join_order(before or OrderState(message.order_id, facts.subject.key), message)
        facts = recount(facts, before=before, after=after)
        states[message.order_id] = after
    town.decides(person(1))
    town.knows(facts)
    for day in range(TODAY, TODAY + WINDOW + 1):
        town.night(day)

    groups = town.measured(TODAY).compared[PROGRAMME]
    assert sum(group.sums["revenue_minor"].outcome for group in groups) == 1_500.0
    assert sum(group.events["conversion"] for group in groups) == 1


def objecting_town() -> Town:
    """Four people: one says no in the shop, one by a link in a mail, one complains, one stays."""
    town = Town(policy_with({"segments": ["at_risk"]}, exploration={"reward_window_days": WINDOW}))
    later = TODAY * DAY_SECONDS + DAY_SECONDS
    for number in range(4):
        town.decides(person(number))
        town.knows(person(number))
        fields = {"email": Stamped(f"p{number}@example.com", NOW)}
        if number == 0:
            fields["consent_marketing_email"] = Stamped(False, later)
        contact = Contact(customer(f"c-{number}"), fields)
        town.store.write([Put(CONTACT.key(f"c#c-{number}"), contact, WHATEVER)], now=NOW)
    by_link = withdraw(AddressState(), "marketing_email", at=later)
    complained = AddressState(suppressed={"marketing": Suppression("complained", later)})
    bounced = AddressState(suppressed={"marketing": Suppression("bounced", later)})
    for number, state in ((1, by_link), (2, complained), (3, bounced)):
        named = address_hash(f"p{number}@example.com", secret=secret())
        town.store.write([Put(ADDRESS.key(named), state, WHATEVER)], now=NOW)
    return town


def test_who_wants_no_more_mail_is_counted_wherever_they_said_so() -> None:
    """In the shop, by a link that a mail program followed, by a complaint; a bounce is no word."""
    town = objecting_town()
    for day in range(TODAY, TODAY + WINDOW + 1):
        town.night(day)

    groups = town.measured(TODAY).compared[PROGRAMME]
    assert sum(group.customers for group in groups) == 4
    assert sum(group.events["opted_out"] for group in groups) == 3


HORIZON = 10


def may_enter(subject: Subject, day: int, *, horizon_days: int = HORIZON) -> bool:
    """Whether a day is in somebody's week, by the pseudonym that the log has for them."""
    told = f"followed|{logged_as(subject.key, secret=secret())}".encode()
    mark = int.from_bytes(hashlib.md5(told, usedforsecurity=False).digest()[8:], "little")
    return mark % weeks_of(horizon_days) == open_week(day, horizon_days=horizon_days)


def who_may_enter(day: int, *, horizon_days: int = HORIZON) -> Iterator[int]:
    """Numbers of the customers in whose week a day is."""
    return (n for n in count() if may_enter(customer(f"c-{n}"), day, horizon_days=horizon_days))


def followed_town() -> Town:
    """Forty customers who are scored on two days of their week, and a guest.

    Every fourth comes back.
    """
    town = Town()
    town.baselines = replace(BASELINES, horizon_days=HORIZON)
    for nth, number in enumerate(islice(who_may_enter(TODAY), 40)):
        assert may_enter(customer(f"c-{number}"), TODAY + 1)
        town.decides(person(number))
        town.decides(person(number), day=TODAY + 1, name="again")
        bought = ((2.0, 500), (9.0, 500), (HORIZON + 0.1, 500)) if nth % 4 == 0 else ()
        town.knows(person(number, bought=bought))
    guests = (guest(f"g-{n}") for n in count())
    visitor = buyer(
        silent_days=100, subject=next(each for each in guests if may_enter(each, TODAY))
    )
    town.decides(visitor)
    town.knows(visitor)
    return town


def test_scores_are_held_against_what_followed_once_the_horizon_has_passed() -> None:
    """Each customer once while they are followed; who was erased, and a guest, are left out."""
    town = followed_town()
    record = town.records[4]  # of the third customer, who does not come back
    gone = erased_record(record, pseudonym="x#1", at=NOW)
    town.store.write([Put(RECORD.key(record["decision_id"]), gone, WHATEVER)], now=NOW)
    for day in range(TODAY, TODAY + HORIZON):
        town.night(day)
        assert town.store.all("calibrated") == {}

    town.night(TODAY + HORIZON)
    town.night(TODAY + HORIZON + 1)

    assert town.store.all("calibrated").keys() == {f"calibrated#{name_of(TODAY)}"}
    found = town.store.one(CALIBRATED.key(name_of(TODAY)))
    assert found is not None
    assert (found.model, found.horizon_days, found.left_out) == (BASELINES.model, HORIZON, 2)
    assert found.returned.customers == 39
    assert found.returned.outcome * 39 == pytest.approx(10)
    assert found.orders.outcome * 39 == pytest.approx(2 * found.returned.outcome * 39)
    scores = record["decision"]["scores"]
    assert found.returned.before == pytest.approx(1.0 - scores["churn"])
    assert found.orders.before == pytest.approx(scores["expected_orders"])
    assert sum(each.customers for each in found.bins) == 39


def test_whoever_was_followed_is_taken_up_again_afterwards() -> None:
    """Horizons of one customer never overlap, and none of them is the last."""
    town = Town(POLICY.model_copy(update={"experiments": ()}))
    town.baselines = replace(BASELINES, horizon_days=2)
    number = next(who_may_enter(TODAY, horizon_days=2))
    town.knows(person(number))
    for day in range(TODAY, TODAY + 7):
        town.decides(person(number), day=day)
        town.night(day)

    settled = town.store.all("calibrated")
    assert settled.keys() == {f"calibrated#{name_of(TODAY + n)}" for n in (0, 3)}


def test_whoever_comes_outside_of_their_week_waits_for_it() -> None:
    """Scored every day from a Wednesday on, and followed from the Monday of their own week."""
    town = Town(POLICY.model_copy(update={"experiments": ()}))
    town.baselines = replace(BASELINES, horizon_days=HORIZON)
    number = next(who_may_enter(TODAY + 14))
    monday = TODAY + 12
    town.knows(person(number))
    for day in range(TODAY, monday + HORIZON + 7):
        town.decides(person(number), day=day)
        town.night(day)

    assert town.store.all("calibrated").keys() == {f"calibrated#{name_of(monday)}"}
    found = town.store.one(CALIBRATED.key(name_of(monday)))
    assert found is not None
    assert found.returned.customers == 1


def test_the_log_knows_whose_week_it_is_as_the_pure_rule_does(tmp_path: Path) -> None:
    """Two days of each week of a cycle; everybody is taken up in one week of them, and once."""
    town = Town(POLICY.model_copy(update={"experiments": ()}))
    town.baselines = replace(BASELINES, horizon_days=HORIZON)
    followed: list[str] = []
    for day in (TODAY + 7 * week + more for week in range(weeks_of(HORIZON)) for more in (0, 1)):
        records = [town.decides(person(n), day=day) for n in range(40)]
        town.night(day)
        file = tmp_path / "followed.parquet"
        file.write_bytes(town.objects.body(BUCKET, f"{STATE}/date={name_of(day)}/{file.name}"))
        rows = duckdb.read_parquet(str(file)).filter(f"day = {day}").fetchall()
        found = {decision_id for decision_id, *_ in rows}
        on_time = {
            record["decision_id"]: record["subject"]
            for n, record in enumerate(records)
            if may_enter(customer(f"c-{n}"), day) and record["subject"] not in followed
        }
        assert found == on_time.keys()
        followed += on_time.values()

    assert sorted(followed) == sorted(f"c#c-{n}" for n in range(40))


def test_a_night_of_an_older_version_has_followed_nobody() -> None:
    """Its two files are taken as they are: nobody is counted anew."""
    town = followed_town()
    town.night(TODAY)
    del town.objects._objects[(BUCKET, f"{STATE}/date={name_of(TODAY)}/followed.parquet")]

    town.night(TODAY + 1)

    assert town.watched(TODAY).arms["x"]
    assert town.watched(TODAY + 1).arms == {}


def test_a_source_that_is_older_than_stated_rings(log: io.StringIO) -> None:
    """The newest file of a kind and the newest event, each beside its bound; what is fresh not."""
    town = Town()
    town.decides(replace(person(1), last_seen_at=Instant(TODAY * DAY_SECONDS)))
    for kind, hours in (("orders", 40), ("catalog", 2)):
        at = (TODAY + 1) * DAY_SECONDS - hours * 3600
        newest = {"drop_id": "d-1", "at": at}
        town.store.write([Put(NEWEST_FILE.key(kind), newest, WHATEVER)], now=NOW)
    stated = {"events": 24.0, "orders": 30.0, "catalog": 30.0, "customers": 500.0}
    behind = NightPorts(
        town.store,
        town.objects,
        BUCKET,
        lambda: town.baselines,
        secret,
        fresh_within_hours=stated,
    )
    work_through(ports=behind, policy=POLICY, now=(TODAY + 1) * DAY_SECONDS + 3 * 3600)

    [line] = lines(log, "day_watched")
    assert line["StaleData"] == 3
    assert line["kind"] == ["events", "orders", "customers"]
    assert set(town.watched(TODAY).newest_files) == {"orders", "catalog"}


def test_more_of_the_unknown_ring(log: io.StringIO) -> None:
    """A week in which nearly everybody is known, and a day on which half of them are not."""
    town = Town(POLICY.model_copy(update={"experiments": ()}))
    record = town.decides(person(1), day=TODAY - 20)
    line = line_of(record, secret=b"s" * 32, currency="USD")
    assert line is not None
    for back in range(8):
        day = TODAY - 7 + back
        unknown = 150 if back == 7 else 6
        told = [
            {
                **line,
                "decision_id": f"e_{back}_{n}",
                "subject": f"{back * 1_000 + n:032x}",
                "known": n >= unknown,
            }
            for n in range(300)
        ]
        body = gzip.compress(b"".join(canonical_json(one) + b"\n" for one in told))
        key = f"{DECISIONS}/date={name_of(day)}/0.jsonl.gz"
        town.objects.arrive(BUCKET, key=key, body=body)
        town.night(day)

    rung = [line.get("fields") for line in lines(log, "day_watched")]
    assert rung[:-1] == [None] * 7
    assert rung[-1] is not None
    assert "unknown" in rung[-1]
