"""The schedule: what a run costs, who wins a race, and what goes wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest

from chalicelib.aws.deadline import Deadline
from chalicelib.core.errors import Broken, Transient
from chalicelib.core.instants import Instant
from chalicelib.core.kinds import CONTACT, FACTS, GUEST_WINDOW_SECONDS
from chalicelib.core.storage import AtVersion, Conflict, Found, Key, Put
from chalicelib.core.subject import DUE_SHARDS, Subject, customer, guest
from chalicelib.flows.events import EventPorts
from chalicelib.flows.silence import MOST_ROUNDS, review_due
from tests.fakes import SIGNING_KEYS, MemoryStore
from tests.makers import DAY_SECONDS, NOW, identify, order_event, track
from tests.shop import ANN, Shop, bought, segments


@pytest.fixture
def shop() -> Shop:
    """A shop with one customer who agreed to mail and has just bought."""
    shop = Shop()
    shop.send(identify(user="c-1", **ANN), bought("c-1", "o-1"))
    shop.calls()
    return shop


def same_shard(count: int) -> list[Subject]:
    """So many customers of one shard of the due index, the shop's first one among them."""
    first = customer("c-1")
    others = (customer(f"c-{nth}") for nth in range(2, 10**6))
    return [first, *islice((s for s in others if s.due_shard == first.due_shard), count - 1)]


def test_a_shard_costs_two_reads_and_a_write_for_each_profile(shop: Shop) -> None:
    """Profiles are read together, what decisions need is read together, each write is its own."""
    subjects = same_shard(3)
    for nth, subject in enumerate(subjects[1:]):
        shop.send(
            identify(user=subject.id, **{**ANN, "email": f"{nth}@example.com"}),
            bought(subject.id, f"o-{subject.id}"),
        )
    shop.now = NOW + 61 * DAY_SECONDS
    shop.calls()

    assert shop.review()["settled"] == 3

    names = shop.call_names()
    assert names.count("due") == DUE_SHARDS
    assert names.count("read") == 2
    assert names.count("write") == 3


def test_nothing_due_costs_the_look_at_the_index_alone(shop: Shop) -> None:
    """An idle minute reads no profile."""
    assert shop.review()["due"] == 0
    assert shop.call_names() == ["due"] * DUE_SHARDS


def test_one_run_takes_on_so_many_and_leaves_the_rest_to_the_next(shop: Shop) -> None:
    """The limit of a run holds for each shard; nothing that is left over is lost."""
    for subject in same_shard(3)[1:]:
        shop.send(bought(subject.id, f"o-{subject.id}"))
    shop.now = NOW + 61 * DAY_SECONDS

    settled = [
        review_due(
            ports=EventPorts(shop.store),
            rules=shop.rules,
            keys=SIGNING_KEYS,
            now=shop.now,
            correlation_id="run",
            most_per_shard=2,
        )["settled"]
        for _ in range(3)
    ]

    assert settled == [2, 1, 0]


def test_a_concurrent_fold_wins_and_is_believed(shop: Shop) -> None:
    """An order that is stored while the schedule looks keeps the customer."""
    shop.now = NOW + 61 * DAY_SECONDS
    shop.rival_sends(order_event("Order Completed", "o-2", total="9", user="c-1", at=shop.now))

    counts = shop.review()

    assert (counts["settled"], counts["not_due"]) == (0, 1)
    assert segments(shop) == [(None, "loyal")]
    assert shop.mails() == []


def test_a_profile_that_stays_busy_waits_for_the_next_run(shop: Shop) -> None:
    """After so many lost races the profile is still due, and the next run settles it."""
    shop.now = NOW + 61 * DAY_SECONDS
    shop.store.fail_writes(*[Conflict(())] * MOST_ROUNDS)

    assert shop.review()["postponed"] == 1
    assert shop.review()["settled"] == 1
    assert len(shop.mails()) == 1


def test_a_stale_review_is_repaired(shop: Shop) -> None:
    """A profile that is due without reason, as after a change of model, gets its true moment."""
    stale = replace(shop.facts(customer("c-1")), review_at=Instant(NOW + 5))
    version = shop.store.read([FACTS.key("c#c-1")], now=NOW).version(FACTS.key("c#c-1"))
    shop.store.write([Put(FACTS.key("c#c-1"), stale, AtVersion(version))], now=NOW)
    shop.now = NOW + 10

    counts = shop.review()

    assert (counts["settled"], counts["transitions"]) == (1, 0)
    due = shop.facts(customer("c-1")).review_at
    assert due is not None
    assert due > NOW + DAY_SECONDS


def test_the_expired_and_the_merged_are_left_alone(shop: Shop) -> None:
    """Who is gone is taken out of the index; who is somebody else by now is not in it."""
    shop.send(track("Checkout Started", visitor="g-1", at=NOW))
    shop.send(track("Checkout Started", visitor="g-2", at=NOW))
    shop.send(identify(user="c-2", visitor="g-2", at=NOW))
    shop.now = NOW + GUEST_WINDOW_SECONDS

    counts = shop.review()

    # The guest who expired, and the customer whose checkout is too old to be reminded of.
    assert (counts["due"], counts["gone"], counts["abandoned"]) == (2, 1, 0)
    assert "a#g-1" not in shop.store.all("facts")
    assert shop.review()["due"] == 0


def test_who_comes_back_while_being_removed_stays(shop: Shop) -> None:
    """A guest who acts in the moment in which their expired facts are removed is kept."""
    shop.send(track("Checkout Started", visitor="g-1", at=NOW))
    shop.now = NOW + GUEST_WINDOW_SECONDS
    shop.rival_sends(track("Product Viewed", visitor="g-1", sku="MUG", at=shop.now))

    assert shop.review()["gone"] == 1
    assert shop.facts(guest("g-1")).last_product == (shop.now, "MUG")


def test_a_shard_that_fails_does_not_hold_up_the_others(shop: Shop) -> None:
    """The run goes on and then fails, so that somebody is told; what failed is still due."""
    others = (customer(f"x-{nth}") for nth in range(10**6))
    other = next(s for s in others if s.due_shard > customer("c-1").due_shard)
    shop.send(bought(other.id, "o-x"))
    shop.now = NOW + 61 * DAY_SECONDS
    shop.store.fail_reads(Transient("throttled"))

    with pytest.raises(Transient, match="throttled"):
        shop.review()

    assert shop.facts(customer("c-1")).segment == "loyal"
    assert shop.facts(other).segment == "at_risk"
    assert shop.review()["settled"] == 1


class DamagedStore(MemoryStore):
    """A store in which what one customer said of themselves cannot be decoded any more."""

    damaged: Key[Any] | None = None

    def read(
        self, keys: Sequence[Key[Any]], *, now: int, deadline: Deadline | None = None
    ) -> Found:
        """Fail on the damaged item, as the real store does."""
        if self.damaged in keys:
            raise Broken("stored contact is unreadable (KeyError)")
        return super().read(keys, now=now, deadline=deadline)


def test_one_unreadable_profile_does_not_hold_up_its_neighbours() -> None:
    """Everybody else of the shard is settled; the run then fails with what is broken."""
    store = DamagedStore()
    shop, subjects = Shop(store=store), same_shard(4)
    for subject in subjects:
        shop.send(bought(subject.id, f"o-{subject.id}"))
    store.damaged = CONTACT.key(subjects[1].key)
    shop.now = NOW + 61 * DAY_SECONDS

    with pytest.raises(Broken, match="unreadable"):
        shop.review()

    said = [shop.facts(subject).segment for subject in subjects]
    assert said == ["at_risk", "loyal", "at_risk", "at_risk"]
