"""The notes of the sweep: many in one write, and none that is not so."""

from __future__ import annotations

from itertools import count, islice

import pytest

from chalicelib.core.overdue import GRACE_SECONDS, open_index
from chalicelib.core.storage import Conflict
from tests.functional.test_sweep import EVERY_SECONDS, MAIL, swept
from tests.mail_makers import NOW, World, contact_of, mail_effect, world_with_a_mail

ALIKE = [open_index(mail_effect("0" * 32))]


def alike(most: int) -> list[str]:
    """Names of effects that stand in one shard of the index."""
    names = (f"{number:032x}" for number in count())
    return list(islice((name for name in names if open_index(mail_effect(name)) in ALIKE), most))


def test_notes_are_written_a_hundred_at_a_time() -> None:
    """A backlog costs a read, its messages and one write for each hundred, in every shard."""
    world = World()
    names = alike(250)
    world.plan(*(mail_effect(each) for each in names))
    world.store.calls.clear()

    assert swept(world, now=NOW + GRACE_SECONDS, most_per_shard=250)["queued"] == 250

    writes = [size for name, size in world.store.calls if name == "write"]
    reads = [size for name, size in world.store.calls if name == "read"]
    assert (reads, writes) == ([100, 100, 50], [100, 100, 50])
    assert {world.effect(each).queued_times for each in names} == {1}
    assert swept(world, now=NOW + GRACE_SECONDS + EVERY_SECONDS)["due"] == 0


def test_who_is_quicker_than_the_notes_costs_the_others_none() -> None:
    """Two of five are taken before the notes are written: three are noted, in a second write."""
    world = World()
    world.meet(contact_of())
    names = alike(5)
    world.plan(*(mail_effect(each) for each in names))

    def take_two() -> None:
        for each in names[1:3]:
            world.act(each, now=NOW + GRACE_SECONDS)

    world.store.before_write = take_two

    counts = swept(world, now=NOW + GRACE_SECONDS)

    assert (counts["queued"], counts["moved_on"]) == (5, 2)
    assert [world.effect(each).queued_times for each in names] == [1, 0, 0, 1, 1]
    assert {world.effect(each).state for each in names[1:3]} == {"ACCEPTED"}


def test_notes_that_contend_with_somebody_unknown_come_next_time() -> None:
    """A conflict that names nobody is a trouble of this shard; nothing is noted that is not so."""
    world = world_with_a_mail()
    world.store.fail_writes(Conflict([]))

    with pytest.raises(Conflict):
        swept(world, now=NOW + GRACE_SECONDS)

    assert world.effect(MAIL).queued_at is None
    assert swept(world, now=NOW + GRACE_SECONDS + EVERY_SECONDS)["queued"] == 1
