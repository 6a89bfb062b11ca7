"""The end of many holds at once: as many mails come back as may leave until the next sweep."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import count

import pytest

from chalicelib.core.overdue import SHARDS, open_index
from chalicelib.flows.sweep import EVERY_SECONDS, MORE_UNTIL_SECONDS, SweepPorts, sweep
from tests.mail_makers import NOW, World, mail_effect

HELD = 400
MORNING = NOW + 60


def night() -> World:
    """Many mails wait for the same morning."""
    world = World()
    world.plan(
        *(
            replace(
                mail_effect(f"{number:032x}"),
                not_before=MORNING,
                reason="quiet_hours",
                changed_at=NOW,
            )
            for number in range(HELD)
        )
    )
    world.store.calls.clear()
    return world


def swept(world: World, *, mails_per_second: int | None, seconds_a_look: float = 0.0) -> int:
    """How many one sweep brings back that takes on two of each shard besides."""
    looks = count()
    told = sweep(
        ports=SweepPorts(world.store, world.later, mails_per_second),
        now=MORNING,
        correlation_id="s",
        most_per_shard=2,
        clock=lambda: next(looks) * seconds_a_look,
    )
    assert told["due"] == told["queued"] == len(world.later.messages)
    return told["queued"]


@pytest.mark.parametrize("mails_per_second", [2, 4])
def test_as_many_come_back_as_may_leave_until_the_next_sweep(mails_per_second: int) -> None:
    """The rate says how many that is; shards are as good as even."""
    found = swept(night(), mails_per_second=mails_per_second)

    assert found == pytest.approx(mails_per_second * EVERY_SECONDS, rel=0.1)


def test_without_a_rate_a_sweep_takes_its_portion() -> None:
    """Nobody knows then how many may leave."""
    assert swept(night(), mails_per_second=None) == 2 * SHARDS


def test_a_fast_account_gets_all_of_them_back() -> None:
    """Nothing is queued twice, and the next sweep finds nothing."""
    world = night()

    assert swept(world, mails_per_second=1_000) == HELD
    world.later.drain()
    assert swept(world, mails_per_second=1_000) == 0


def test_a_sweep_that_takes_long_leaves_the_rest_to_the_next() -> None:
    """Each shard has had its portion by then, and the codes still have their time."""
    world = night()

    first = swept(world, mails_per_second=1_000, seconds_a_look=MORE_UNTIL_SECONDS)
    queued = [world.effect(message["effect_id"]) for message in world.later.drain()]
    second = swept(world, mails_per_second=1_000)

    shards = Counter(open_index(replace(each, queued_at=None))["open_shard"] for each in queued)
    assert list(shards.values()) == [2] * SHARDS
    assert (first, second) == (2 * SHARDS, HELD - 2 * SHARDS)


def test_more_is_for_what_was_held_alone() -> None:
    """Plans whose message was lost, and what dead workers left, keep to their portion."""
    world = World()
    world.plan(*(mail_effect(f"{number:032x}") for number in range(HELD)))
    told = sweep(
        ports=SweepPorts(world.store, world.later, 1_000),
        now=NOW + 3_600,
        correlation_id="s",
        most_per_shard=2,
        clock=lambda: 0.0,
    )

    assert told["queued"] == 2 * SHARDS
