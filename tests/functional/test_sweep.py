"""The sweep: what stands still is queued again in time, once, and nothing else is touched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, get_args

import pytest

from chalicelib.aws.deadline import Deadline
from chalicelib.core.coupons import RESERVED_SHARDS
from chalicelib.core.effects import TERMINAL, EffectKind, State, claim
from chalicelib.core.errors import Broken, Transient
from chalicelib.core.kinds import EFFECT, EFFECT_WINDOW_SECONDS
from chalicelib.core.overdue import (
    FIRST_PATIENCE_SECONDS,
    GRACE_SECONDS,
    LANES,
    SHARDS,
)
from chalicelib.core.storage import WHATEVER, Found, Key, Put
from chalicelib.core.untouched import ABANDON_AFTER_SECONDS
from chalicelib.flows.act import LEASE_SECONDS
from chalicelib.flows.sweep import STEPS, Run, SweepPorts, sweep
from tests.fakes import MemoryQueue, MemoryStore
from tests.mail_makers import (
    NOW,
    World,
    effect,
    mail_effect,
    message_of,
    sqs_event,
    world_with_a_mail,
)

MAIL = "e" * 32
EVERY_SECONDS = 60


def swept(world: World, *, now: int, most_per_shard: int = 100) -> dict[str, int]:
    """One run of the sweep; what it queues comes to the world's own queue."""
    ports = SweepPorts(world.store, world.later)
    return sweep(ports=ports, now=now, correlation_id="s-1", most_per_shard=most_per_shard)


def deliver(world: World, *, now: int, worker: str = "w-2") -> None:
    """Let a worker have everything that is queued."""
    world.receive(sqs_event(*world.later.drain()), now=now, worker=worker)


def stands(state: State, **changes: Any) -> World:
    """A world whose one mail stands in this state."""
    world = world_with_a_mail()
    world.plan(replace(world.effect(MAIL), state=state, **changes))
    world.store.calls.clear()
    return world


def test_an_effect_that_no_message_covers_is_queued() -> None:
    """A message lost between stream and queue is made up for when its grace is over."""
    world = world_with_a_mail()

    early = swept(world, now=NOW + GRACE_SECONDS - 1)
    late = swept(world, now=NOW + GRACE_SECONDS)

    assert (early["due"], late["queued"]) == (0, 1)
    assert list(world.later.messages) == [message_of(world.effect(MAIL))]
    deliver(world, now=NOW + GRACE_SECONDS + 1)
    assert world.effect(MAIL).state == "ACCEPTED"


def test_a_dead_claim_is_queued_and_performed() -> None:
    """Nothing was sent under it: whoever gets the message sends the mail."""
    world = stands("CLAIMED", owner="dead", lease_until=NOW + LEASE_SECONDS, changed_at=NOW)

    assert swept(world, now=NOW + LEASE_SECONDS - 1)["due"] == 0
    assert swept(world, now=NOW + LEASE_SECONDS)["queued"] == 1

    deliver(world, now=NOW + LEASE_SECONDS + 1)
    assert len(world.mailer.sent) == 1


def test_a_dead_sending_ends_in_doubt() -> None:
    """The sweep decides nothing: the worker that it calls records the doubt, and sends nothing."""
    world = stands("SENDING", owner="dead", lease_until=NOW + LEASE_SECONDS, changed_at=NOW)

    swept(world, now=NOW + LEASE_SECONDS)

    assert world.effect(MAIL).state == "SENDING"
    deliver(world, now=NOW + LEASE_SECONDS + 1)
    assert (world.effect(MAIL).state, world.mailer.sent) == ("IN_DOUBT", [])


def test_a_claim_that_was_given_up_has_its_grace() -> None:
    """The provider was busy and the message is still queued; only if that is lost, too, we act."""
    world = stands("CLAIMED", changed_at=NOW + 50)

    assert swept(world, now=NOW + 50 + GRACE_SECONDS - 1)["due"] == 0
    assert swept(world, now=NOW + 50 + GRACE_SECONDS)["queued"] == 1


def test_a_doubt_that_nothing_settled_is_given_up() -> None:
    """A marketing mail in doubt is not sent again; after a day its row says how it ended."""
    world = stands("IN_DOUBT", reason="no_answer", changed_at=NOW, posts=1)
    over = NOW + ABANDON_AFTER_SECONDS

    assert swept(world, now=over - 1)["due"] == 0
    assert swept(world, now=over)["queued"] == 1

    deliver(world, now=over + 1)
    stored = world.effect(MAIL)
    assert (stored.state, stored.reason, world.mailer.sent) == ("ABANDONED", "unresolved", [])


def test_a_hold_that_is_over_is_taken_up() -> None:
    """The sweep alone brings a held mail back, by the first run after the hold."""
    world = stands("PLANNED", reason="quiet_hours", not_before=NOW + 3600, changed_at=NOW)

    assert swept(world, now=NOW + 3600 - 1)["due"] == 0
    assert swept(world, now=NOW + 3600)["queued"] == 1

    deliver(world, now=NOW + 3600 + 1)
    assert world.effect(MAIL).state == "ACCEPTED"


def test_a_hold_of_seconds_whose_message_is_lost_is_taken_up() -> None:
    """A wait for the rate has a message of its own, and a grace for it; then the sweep helps."""
    world = stands("PLANNED", reason="rate", not_before=NOW + 2, changed_at=NOW)

    assert swept(world, now=NOW + 2 + GRACE_SECONDS - 1)["due"] == 0
    assert swept(world, now=NOW + 2 + GRACE_SECONDS)["queued"] == 1

    deliver(world, now=NOW + 2 + GRACE_SECONDS + 1)
    assert world.effect(MAIL).state == "ACCEPTED"


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_what_is_done_is_never_looked_at(state: State) -> None:
    """Whatever has no work left for a worker has left the index, for good."""
    world = stands(state, lease_until=NOW, changed_at=NOW)

    assert swept(world, now=NOW + EFFECT_WINDOW_SECONDS * 2)["due"] == 0
    assert not world.later.messages


@pytest.mark.parametrize("offset_seconds", range(0, EVERY_SECONDS, 7))
@pytest.mark.parametrize("state", ["PLANNED", "CLAIMED", "SENDING"])
def test_nothing_lies_still_for_longer_than_a_lease_and_one_sweep(
    state: State, offset_seconds: int
) -> None:
    """Whenever the minute of the sweep falls, an orphan is on its way by then."""
    held = {} if state == "PLANNED" else {"lease_until": NOW + LEASE_SECONDS, "changed_at": NOW}
    world = stands(state, **held)

    now = NOW + offset_seconds
    while not swept(world, now=now)["queued"]:
        now += EVERY_SECONDS

    assert GRACE_SECONDS <= LEASE_SECONDS
    assert now - NOW <= LEASE_SECONDS + EVERY_SECONDS


def test_a_backlog_is_not_queued_again_each_minute() -> None:
    """In a day of sweeps an effect that nobody takes is queued a handful of times, ever rarer."""
    world = world_with_a_mail()

    queued_at = [
        now - NOW
        for now in range(NOW, NOW + 86_400, EVERY_SECONDS)
        if swept(world, now=now)["queued"]
    ]

    waits = [later - earlier for earlier, later in pairwise(queued_at)]
    assert queued_at[0] == GRACE_SECONDS
    assert waits == [FIRST_PATIENCE_SECONDS * factor for factor in (1, 2, 4, 8, 16, 32)]
    assert world.effect(MAIL).changed_at is None


def test_patience_ends_with_the_first_worker() -> None:
    """Whoever takes it and dies starts the lease anew, however long it had waited before."""
    world = world_with_a_mail()
    for now in range(NOW, NOW + 40_000, EVERY_SECONDS):
        swept(world, now=now)
    taken_at = NOW + 40_000
    world.plan(claim(world.effect(MAIL), owner="dead", now=taken_at, lease_seconds=LEASE_SECONDS))

    assert swept(world, now=taken_at + LEASE_SECONDS)["queued"] == 1
    assert world.effect(MAIL).queued_times == 1


def test_a_worker_that_is_quicker_than_the_note_is_believed() -> None:
    """It took the message before the sweep had written that it sent one; its claim stands."""
    world = world_with_a_mail()

    def take() -> None:
        deliver(world, now=NOW + GRACE_SECONDS)

    world.store.before_write = take
    counts = swept(world, now=NOW + GRACE_SECONDS)

    assert (counts["queued"], counts["moved_on"]) == (1, 1)
    assert (world.effect(MAIL).state, len(world.mailer.sent)) == ("ACCEPTED", 1)


def test_two_sweeps_at_once_do_no_harm() -> None:
    """Both queue it, one notes it, and one mail goes out."""
    world = world_with_a_mail()

    def another() -> None:
        swept(world, now=NOW + GRACE_SECONDS)

    world.store.before_write = another
    counts = swept(world, now=NOW + GRACE_SECONDS)

    assert counts["moved_on"] == 1
    assert len(world.later.messages) == 2
    deliver(world, now=NOW + GRACE_SECONDS + 1)
    assert len(world.mailer.sent) == 1
    assert swept(world, now=NOW + GRACE_SECONDS + 60)["due"] == 0


def test_a_sending_worker_that_was_only_slow_still_confirms() -> None:
    """The note of the sweep does not keep the one who knows from writing what became of a mail."""
    world = world_with_a_mail()
    late = NOW + LEASE_SECONDS

    class Slow:
        """A provider whose answer comes after the lease."""

        def send(self, raw: bytes, **given: Any) -> str:
            assert swept(world, now=late)["queued"] == 1
            return world.mailer.send(raw, **given)

    world.act(MAIL, mailer=Slow())

    assert world.effect(MAIL).state == "ACCEPTED"
    assert len(world.mailer.sent) == 1


def test_one_run_takes_on_so_much_and_the_next_the_rest() -> None:
    """A backlog is worked off in portions, one read and one message batch for each shard."""
    world = World()
    ids = [f"{number:032x}" for number in range(200)]
    world.plan(*(mail_effect(each) for each in ids))
    now = NOW + GRACE_SECONDS
    world.store.calls.clear()

    first = swept(world, now=now, most_per_shard=10)
    reads = world.store.count("read")
    second = swept(world, now=now + EVERY_SECONDS, most_per_shard=100)

    assert (first["queued"], second["queued"]) == (10 * SHARDS, 200 - 10 * SHARDS)
    assert reads == SHARDS
    assert {message["effect_id"] for message in world.later.messages} == set(ids)


def test_a_backlog_does_not_hide_what_a_dead_worker_left() -> None:
    """What a worker had stands in shards of its own, and comes first."""
    world = stands("CLAIMED", owner="dead", lease_until=NOW + LEASE_SECONDS, changed_at=NOW)
    world.plan(*(mail_effect(f"{number:032x}") for number in range(100)))

    swept(world, now=NOW + LEASE_SECONDS, most_per_shard=1)

    assert world.later.messages[0]["effect_id"] == MAIL


@pytest.mark.parametrize("error", [Transient("throttled"), Broken("throttled")])
def test_a_shard_that_fails_does_not_hold_up_the_others(error: Exception) -> None:
    """The run goes on and then fails, so that somebody is told; what failed comes next time."""
    world = World()
    world.plan(*(mail_effect(f"{number:032x}") for number in range(40)))
    world.later.fail_next(error)
    now = NOW + GRACE_SECONDS

    with pytest.raises(type(error), match="throttled"):
        swept(world, now=now)

    before = len(world.later.messages)
    assert 0 < before < 40
    assert swept(world, now=now + EVERY_SECONDS)["queued"] == 40 - before


class DamagedStore(MemoryStore):
    """A store in which one effect cannot be decoded any more."""

    damaged: Key[Any] | None = None

    def read(
        self, keys: Sequence[Key[Any]], *, now: int, deadline: Deadline | None = None
    ) -> Found:
        """Fail on the damaged item, as the real store does."""
        if self.damaged in keys:
            raise Broken("stored effect is unreadable (KeyError)")
        return super().read(keys, now=now, deadline=deadline)


def test_one_unreadable_effect_does_not_hold_up_its_neighbours() -> None:
    """All others of its shard are queued; the run then fails with what is broken."""
    store = DamagedStore()
    world = World(store=store)
    ids = [f"{number:032x}" for number in range(40)]
    world.plan(*(mail_effect(each) for each in ids))
    store.damaged = EFFECT.key(ids[7])

    with pytest.raises(Broken, match="unreadable"):
        swept(world, now=NOW + GRACE_SECONDS)

    assert {message["effect_id"] for message in world.later.messages} == {*ids} - {ids[7]}


def test_what_has_expired_is_taken_out_of_the_index() -> None:
    """TTL deletes days late; an effect that is past its time is not performed any more."""
    world = World()
    put = Put(EFFECT.key(MAIL), mail_effect(), WHATEVER, expires_at=NOW + GRACE_SECONDS)
    world.store.write([put], now=NOW)

    counts = swept(world, now=NOW + GRACE_SECONDS)

    assert (counts["gone"], counts["queued"]) == (1, 0)
    assert swept(world, now=NOW + GRACE_SECONDS)["due"] == 0


def test_every_kind_of_effect_is_looked_after() -> None:
    """Events, offers and tiers are lost as easily as mails."""
    world = World()
    kinds = get_args(EffectKind)
    payload = mail_effect().payload
    world.plan(*(effect(kind, kind * 4, payload=payload) for kind in kinds))

    assert swept(world, now=NOW + GRACE_SECONDS)["queued"] == len(kinds)


def test_a_run_without_work_asks_each_shard_once() -> None:
    """Nothing is read, written or sent, and no table is scanned."""
    store = MemoryStore()

    sweep(ports=SweepPorts(store, MemoryQueue()), now=NOW, correlation_id="s-1")

    assert [name for name, _ in store.calls] == ["overdue"] * (
        len(LANES) * SHARDS + RESERVED_SHARDS
    )


def test_a_step_takes_on_another_kind_of_thing() -> None:
    """Each gets the run, notes what went wrong in it, and does not hold up the next."""
    world = world_with_a_mail()
    seen: list[int] = []

    def failing(run: Run) -> None:
        seen.append(run.now)
        run.troubles.append(Transient("one of another kind"))

    ports = SweepPorts(world.store, world.later)
    with pytest.raises(Transient, match="another kind"):
        sweep(ports=ports, now=NOW + GRACE_SECONDS, correlation_id="s", steps=(failing, *STEPS))

    assert seen == [NOW + GRACE_SECONDS]
    assert len(world.later.messages) == 1
