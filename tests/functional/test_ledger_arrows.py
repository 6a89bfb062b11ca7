"""The whole table of transitions, as storage sees it: every arrow is taken, and each is fenced."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from chalicelib.aws.deadline import Deadline
from chalicelib.core.effects import TRANSITIONS, Effect, State
from chalicelib.core.errors import MailInDoubt, MailRefused, MailThrottled
from chalicelib.core.feedback import outcome_of
from chalicelib.core.kinds import ADDRESS, CONTACT, EFFECT, MAILED, SWITCH, TOMBSTONE
from chalicelib.core.storage import WHATEVER, AtVersion, Check, Conflict, Put, Write
from chalicelib.core.tombstones import Tombstone, subject_hash
from chalicelib.core.untouched import RESEND_AFTER_SECONDS
from chalicelib.flows.act import LEASE_SECONDS
from chalicelib.flows.erase import erase_customer
from chalicelib.flows.sweep import SweepPorts, sweep
from tests.fakes import SIGNING_KEYS, MemoryStore
from tests.mail_events import hear, ses_event
from tests.mail_makers import (
    ADA,
    NOW,
    World,
    contact_of,
    effect,
    hash_of,
    mail_effect,
    sqs_event,
)

ID = "e" * 32
Arrow = tuple[State, State]
ALL: set[Arrow] = {(before, after) for before, afters in TRANSITIONS.items() for after in afters}


@dataclass(frozen=True, slots=True)
class Move:
    """One save of an effect that storage has taken, with all that was written with it."""

    before: Effect
    after: Effect
    version: int
    put: Put[Effect]
    together: tuple[Write, ...]

    @property
    def arrow(self) -> Arrow:
        """From which state to which."""
        return self.before.state, self.after.state


@dataclass
class WatchedStore(MemoryStore):
    """Storage that notes every save of an effect that is there already."""

    moves: list[Move] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def write(self, writes: Sequence[Write], *, now: int, deadline: Deadline | None = None) -> None:
        """As ``MemoryStore.write``."""
        puts = [each for each in writes if isinstance(each, Put) and each.key.kind is EFFECT]
        standing = {put.key: self.read([put.key], now=now).stored(put.key) for put in puts}
        super().write(writes, now=now, deadline=deadline)
        for put in puts:
            if (before := standing[put.key]) is not None:
                move = Move(before.value, put.value, before.version, put, tuple(writes))
                self.moves.append(move)


def world_with(planned: Effect) -> World:
    """Ada, who agreed to marketing, and an effect that stands as it is given."""
    world = World(store=WatchedStore())
    world.meet(contact_of())
    world.plan(planned)
    moves_of(world).clear()
    return world


def moves_of(world: World) -> list[Move]:
    """What storage has noted."""
    assert isinstance(world.store, WatchedStore)
    return world.store.moves


def mail(state: State = "PLANNED", *, purpose: str = "marketing_email", **changes: Any) -> Effect:
    """A mail without an offer in a state."""
    return replace(mail_effect(purpose=purpose, offer=None), state=state, **changes)


DEAD: dict[str, Any] = {"owner": "dead", "lease_until": NOW, "changed_at": NOW - LEASE_SECONDS}
DOUBT: dict[str, Any] = {"posts": 1, "changed_at": NOW - 90_000, "reason": "no_answer"}


def sends() -> World:
    """A mail that goes out."""
    world = world_with(mail())
    world.act()
    return world


def is_held() -> World:
    """The switch is off, twice; then it is on, and the rate is full."""
    world = world_with(mail())
    world.switch(sending=False)
    world.act()
    world.act(now=NOW + 900)
    return world


def is_held_after_the_claim() -> World:
    """The switch is flipped while the mail is rendered."""
    return _meanwhile(lambda world: world.switch(sending=False))


def is_suppressed_after_the_claim() -> World:
    """The address withdraws while the mail is rendered."""
    return _meanwhile(lambda world: world.withdraw())


def _meanwhile(change: Callable[[World], None]) -> World:
    world = world_with(mail())

    def after_the_claim() -> None:
        world.store.before_write = lambda: change(world)

    world.store.before_write = after_the_claim
    world.act()
    return world


def is_erased() -> World:
    """Only the tombstone of an erasure is there yet."""
    world = world_with(mail())
    key = TOMBSTONE.key("s", subject_hash(ADA.key, secret=SIGNING_KEYS.address_secret))
    world.store.write([Put(key, Tombstone(NOW, "0a" * 16), WHATEVER)], now=NOW)
    world.act()
    return world


def is_taken_over() -> World:
    """A dead claim."""
    world = world_with(mail("CLAIMED", **DEAD))
    world.act()
    return world


def has_no_words() -> World:
    """The address has a line in it, so that no mail can be made of it."""
    world = world_with(mail())
    world.meet(contact_of(email="ada\n@example.com"))
    world.act()
    return world


def fails(error: Exception, *, lost: bool = False, **changes: Any) -> Callable[[], World]:
    """The provider says no, or nothing."""

    def scenario() -> World:
        world = world_with(mail(**changes))
        (world.mailer.lose_replies if lost else world.mailer.fail_next)(error)
        world.receive(sqs_event(ID))
        return world

    return scenario


def stands(planned: Effect, *, now: int = NOW) -> Callable[[], World]:
    """What somebody else has left behind."""

    def scenario() -> World:
        world = world_with(planned)
        world.act(now=now)
        return world

    return scenario


def erased(state: State, **changes: Any) -> Callable[[], World]:
    """The customer is erased, whatever their effect is doing."""

    def scenario() -> World:
        world = world_with(mail(state, **changes))
        erase_customer(
            ADA.id,
            store=world.store,
            keys=SIGNING_KEYS,
            new_key=lambda: "0a" * 16,
            now=NOW,
            key_id="k",
            correlation_id="erasing",
            pause=lambda _seconds: None,
        )
        return world

    return scenario


def is_swept() -> World:
    """A plan that no message covers: a note and no move."""
    world = world_with(mail())
    sweep(ports=SweepPorts(world.store, world.later), now=NOW + 300, correlation_id="s")
    return world


def is_announced() -> World:
    """Two events together, and one alone."""
    world = World(store=WatchedStore())
    for digit in "123":
        world.plan(effect("event", digit * 32, action="Segment Changed", payload={}))
    moves_of(world).clear()
    world.receive(sqs_event("1" * 32, "2" * 32))
    world.act("3" * 32)
    return world


# Each of SES's words by the name of a canned event; what was heard before puts a mail where it is.
SAID = {
    "send": "send",
    "soft_bounce": "bounce_transient_mailboxfull",
    "delivery": "delivery",
    "bounce": "bounce_permanent_general",
    "reject": "reject",
    "complaint": "complaint_abuse",
}
OPEN: tuple[State, ...] = ("CLAIMED", "SENDING", "IN_DOUBT", "ABANDONED")


def told(state: State, heard: tuple[str, ...], name: str) -> Callable[[], World]:
    """SES's word meets a mail that stands so."""

    def scenario() -> World:
        world = world_with(mail(state, posts=1, changed_at=NOW, heard=heard))
        hear(world, ses_event(name))
        return world

    return scenario


SCENARIOS: Mapping[str, Callable[[], World]] = {
    "sends": sends,
    "held": is_held,
    "held after the claim": is_held_after_the_claim,
    "suppressed after the claim": is_suppressed_after_the_claim,
    "erasure begun": is_erased,
    "taken over": is_taken_over,
    "cannot be made": has_no_words,
    "throttled": fails(MailThrottled("slow down")),
    "refused": fails(MailRefused("message_rejected")),
    "no answer": fails(MailInDoubt("ReadTimeoutError"), lost=True),
    "dead sending": stands(mail("SENDING", **DEAD, posts=1)),
    "given up": stands(mail("IN_DOUBT", **DOUBT)),
    "posted again": stands(mail("IN_DOUBT", **DOUBT, purpose="transactional")),
    "throttled again": fails(
        MailThrottled("slow down"), state="IN_DOUBT", **DOUBT, purpose="transactional"
    ),
    "swept": is_swept,
    "announced": is_announced,
    "erased, planned": erased("PLANNED"),
    "erased, claimed": erased("CLAIMED", **DEAD),
    "erased, in doubt": erased("IN_DOUBT", **DOUBT),
    **{f"{name} meets {state}": told(state, (), name) for state in OPEN for name in SAID},
    **{
        f"{name} after {first}": told(outcome_of([word])[0], (word,), name)
        for first, word in SAID.items()
        for name in SAID
    },
}  # fmt: skip


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_save_of_an_effect_is_fenced_by_the_version_that_was_read(name: str) -> None:
    """The version is the fence: it counts saves, so it stands for the state and for its owner.

    Whoever has not seen the last save changes nothing, and neither does the same save again.
    """
    world = SCENARIOS[name]()

    for move in moves_of(world):
        assert move.put.condition == AtVersion(move.version)
        assert move.arrow in ALL or move.before.state == move.after.state
    rows = dict(world.store._rows)
    for move in moves_of(world):
        with pytest.raises(Conflict):
            MemoryStore.write(world.store, move.together, now=NOW + 10**6)
    assert world.store._rows == rows


def test_every_arrow_of_the_table_is_taken_and_no_other() -> None:
    """The table allows nothing that no flow does, and no flow does what it does not allow."""
    taken = {
        move.arrow
        for scenario in SCENARIOS.values()
        for move in moves_of(scenario())
        if move.arrow in ALL or move.before.state != move.after.state
    }

    assert taken == ALL


@pytest.mark.parametrize("purpose", ["marketing_email", "transactional"])
@pytest.mark.parametrize("again", [False, True])
def test_what_the_permission_depends_on_stands_in_the_transaction_that_enters_sending(
    purpose: str, again: bool
) -> None:
    """Consent and zone by the contact, suppression by the address' HMAC, the cap, one switch."""
    planned = mail(purpose=purpose)
    if again:
        planned = mail("IN_DOUBT", purpose=purpose, posts=1, changed_at=NOW - RESEND_AFTER_SECONDS)
    world = world_with(planned)
    world.act()

    entering = [move for move in moves_of(world) if move.after.state == "SENDING"]
    assert len(entering) == int(not again or purpose == "transactional")
    for move in entering:
        asked = {write.key: write.condition for write in move.together if isinstance(write, Check)}
        [switch] = [key for key in asked if key.kind is SWITCH]
        assert asked == {
            CONTACT.key(ADA.key): AtVersion(1),
            ADDRESS.key(hash_of("ada@example.com")): AtVersion(0),
            switch: AtVersion(0),
        }
        counted = [write for write in move.together if write.key.kind is MAILED]
        if purpose == "transactional":
            assert counted == []
        else:
            [count] = counted
            assert isinstance(count, Put)
            assert count.key == MAILED.key(hash_of("ada@example.com"))
            assert count.condition == AtVersion(0)
        assert len(move.together) == 1 + len(asked) + len(counted)
