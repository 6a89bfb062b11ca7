"""The fault sweep: whatever breaks at whichever call, no mail is sent twice or lost unseen.

Every call that a worker makes is a place where it can die, or where a call can fail or be made
and its reply lost. After the fault the queue delivers again, to other workers, until all is
quiet; then the ledger must agree with what the provider and the bus have seen.
"""

from __future__ import annotations

import contextlib
import itertools

import pytest

from chalicelib.core.effects import TERMINAL
from chalicelib.core.errors import MailInDoubt, MailThrottled, Transient
from chalicelib.core.offers import offer_to_json
from chalicelib.core.subject import customer
from chalicelib.flows.act import LEASE_SECONDS, from_messages
from chalicelib.flows.sweep import SweepPorts, sweep
from tests.gate import Died, Gate, Hook, nothing
from tests.mail_makers import (
    NOW,
    TEN_PERCENT,
    World,
    contact_of,
    effect,
    mail_effect,
    sqs_event,
    world_with_a_mail,
)

MAIL, OFFER, UNWANTED = "e" * 32, "0" * 32, "f" * 32
MORE_OFFERS = ["1" * 32, "2" * 32]
VISIBILITY_SECONDS = 360
FAULTS = ("dies before", "dies after", "fails before", "reply lost")


def prepared() -> World:
    """One mail to send, one offer to announce, and one mail that nobody agreed to."""
    world = world_with_a_mail()
    stranger = customer("c-2")
    world.meet(contact_of(stranger, consents={}, email="grace@example.com"))
    world.plan(
        effect("offer", OFFER, payload={"offer": offer_to_json(TEN_PERCENT)}),
        mail_effect(UNWANTED, subject=stranger),
    )
    return world


def fault(kind: str, at: int) -> tuple[Hook, Hook]:
    """Hooks that break the call with this number."""

    def before(number: int, port: str) -> None:
        if number == at and kind == "dies before":
            raise Died
        if number == at and kind == "fails before":
            raise MailThrottled("not sent") if port == "mail" else Transient("not done")

    def after(number: int, port: str) -> None:
        if number == at and kind == "dies after":
            raise Died
        if number == at and kind == "reply lost":
            raise MailInDoubt("reply lost") if port == "mail" else Transient("reply lost")

    return before, after


def run(world: World, ids: list[str], *hooks: tuple[Hook, Hook]) -> list[list[str]]:
    """Deliver messages until none is left; the nth delivery runs behind the nth hooks.

    Returns the calls that each delivery made.
    """
    made: list[list[str]] = []
    left = list(ids)
    for delivery in range(10):
        before, after = hooks[delivery] if delivery < len(hooks) else (nothing, nothing)
        gate = Gate(before=before, after=after)
        now = NOW + delivery * VISIBILITY_SECONDS
        with contextlib.suppress(Died, Transient):
            answer = from_messages(
                sqs_event(*left), ports=gate.guard(world.ports), now=now, worker=f"w-{delivery}"
            )
            returned = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
            left = [name for index, name in enumerate(left) if f"m-{index}" in returned]
        made.append(gate.passed)
        left += [message["effect_id"] for message in world.later.drain()]
        if not left:
            return made
    raise AssertionError(f"still not quiet: {left}")


def swept(world: World, *, now: int) -> None:
    """One run of the sweep."""
    sweep(ports=SweepPorts(world.store, world.later), now=now, correlation_id="s")


def check(world: World) -> None:
    """The ledger agrees with the world outside."""
    mail, sent = world.effect(MAIL), world.mailer.sent
    assert len(sent) <= 1
    if mail.state == "ACCEPTED":
        assert [each.message_id for each in sent] == [mail.provider_id]
    else:
        assert mail.state == "IN_DOUBT"
        assert mail.reason in ("no_answer", "worker_vanished")


def check_others(world: World) -> None:
    """The offer was announced, under one id; who did not agree was not mailed."""
    assert world.effect(OFFER).state == "ACCEPTED"
    assert {event.event_id for event in world.bus.events} == {OFFER}
    assert world.effect(UNWANTED).reason == "no_consent"
    assert {mail.recipient for mail in world.mailer.sent} <= {"ada@example.com"}


def calls_of(ids: list[str]) -> list[str]:
    """The calls of a run in which nothing breaks."""
    (calls,) = run(prepared(), ids)
    return calls


def test_what_the_sweep_sweeps() -> None:
    """The calls of one batch, in order: every one of them is a place to break."""
    assert calls_of([MAIL, OFFER, UNWANTED]) == [
        *["read"] * 3,
        "write",  # claims the mail and the offer
        *["write", "mail", "write"],
        *["publish", "write"],
        "write",
    ]


@pytest.mark.parametrize("kind", FAULTS)
def test_one_fault_while_effects_are_taken_together(kind: str) -> None:
    """Claimed, published and confirmed in one call each: every event is out, whatever breaks."""

    def several() -> World:
        world = prepared()
        for effect_id in MORE_OFFERS:
            payload = {"offer": offer_to_json(TEN_PERCENT)}
            world.plan(effect("offer", effect_id, payload=payload))
        return world

    ids = [MAIL, OFFER, *MORE_OFFERS]
    (calls,) = run(several(), ids)
    assert calls == [*["read"] * 3, "write", "publish", *["write"] * 2, "mail", "write"]
    for at in range(1, len(calls) + 1):
        world = several()

        run(world, ids, fault(kind, at))

        check(world)
        assert {world.effect(each).state for each in ids[1:]} == {"ACCEPTED"}
        assert {event.event_id for event in world.bus.events} == set(ids[1:])


@pytest.mark.parametrize("kind", FAULTS)
def test_one_fault_at_any_call(kind: str) -> None:
    """At most one mail, no lost announcement, no mail without consent, and an honest ledger."""
    ids = [MAIL, OFFER, UNWANTED]
    for at in range(1, len(calls_of(ids)) + 1):
        world = prepared()

        run(world, ids, fault(kind, at))

        check(world)
        check_others(world)


@pytest.mark.sweep
def test_two_faults_at_any_two_calls() -> None:
    """The delivery after a fault may break as well, at any call, and still at most one mail."""
    # Dying after a call is dying before the next, so three kinds make all pairs.
    kinds = [kind for kind in FAULTS if kind != "dies after"]
    places = list(itertools.product(kinds, range(1, len(calls_of([MAIL])) + 1)))
    unfinished = [place for place in places if len(run(prepared(), [MAIL], fault(*place))) > 1]
    assert len(unfinished) >= len(places) / 2

    for first, second in itertools.product(unfinished, places):
        world = prepared()

        run(world, [MAIL], fault(*first), fault(*second))

        check(world)


def test_a_mail_is_lost_only_in_the_gap() -> None:
    """A mail ends in doubt only if its worker broke between permission and confirmation."""
    doubtful = set()
    for kind, at in itertools.product(FAULTS, range(1, len(calls_of([MAIL])) + 1)):
        world = prepared()
        run(world, [MAIL], fault(kind, at))
        if world.effect(MAIL).state == "IN_DOUBT":
            doubtful.add((kind, at))

    permitted, handed_over, confirmed = 5, 6, 7
    assert doubtful == {
        ("dies after", permitted),
        ("dies before", handed_over),
        ("dies after", handed_over),
        ("reply lost", handed_over),
        ("dies before", confirmed),
    }


@pytest.mark.parametrize("lateness_seconds", [0, LEASE_SECONDS - 1, LEASE_SECONDS])
def test_another_worker_at_any_call(lateness_seconds: int) -> None:
    """Two workers on one mail, the second between any two calls of the first: one mail."""
    for at in range(1, len(calls_of([MAIL])) + 1):
        world = prepared()

        def intrude(number: int, _port: str, *, at: int = at, world: World = world) -> None:
            if number == at:
                world.receive(sqs_event(MAIL), now=NOW + lateness_seconds, worker="intruder")

        run(world, [MAIL], (intrude, nothing))

        assert len(world.mailer.sent) == 1
        assert world.effect(MAIL).state == "ACCEPTED"


def test_unsubscribing_at_any_call() -> None:
    """From the moment of the withdrawal on, no mail is permitted any more."""
    for at in range(1, len(calls_of([MAIL])) + 1):
        world = prepared()

        def withdraw(number: int, _port: str, *, at: int = at, world: World = world) -> None:
            if number == at:
                world.withdraw()

        run(world, [MAIL], (withdraw, nothing))

        # Calls 1 to 3 look, 4 claims, 5 permits: a withdrawal before that write always holds.
        permitted_first = at > 5
        assert len(world.mailer.sent) == int(permitted_first)
        assert world.effect(MAIL).state == ("ACCEPTED" if permitted_first else "SUPPRESSED")


def test_the_kill_switch_at_any_call() -> None:
    """From the flip on no mail is permitted, and after it is undone none is missing."""
    for at in range(1, len(calls_of([MAIL])) + 1):
        world = prepared()

        def flip(number: int, _port: str, *, at: int = at, world: World = world) -> None:
            if number == at:
                world.switch(sending=False)

        gate = Gate(before=flip)
        ports = gate.guard(world.ports)
        answer = from_messages(sqs_event(MAIL), ports=ports, now=NOW, worker="w-0")

        assert answer == {"batchItemFailures": []}
        assert len(world.mailer.sent) == int(at > 5)
        assert (world.effect(MAIL).not_before == NOW + 900) == (at <= 5)
        assert len(world.later.messages) == 0

        world.switch(sending=True)
        swept(world, now=NOW + 900)
        queued = [each for each in world.later.drain() if each["effect_id"] == MAIL]
        assert len(queued) == int(at <= 5)
        world.receive(sqs_event(*queued), now=NOW + 900, worker="w-1")
        assert len(world.mailer.sent) == 1


def order_world() -> World:
    """One transactional mail to send."""
    world = world_with_a_mail()
    world.plan(mail_effect(purpose="transactional", offer=None))
    return world


def run_for_days(world: World, *hooks: tuple[Hook, Hook]) -> None:
    """Deliver as ``run`` does, with a sweep before each delivery, until nothing more is due."""
    left, now = [MAIL], NOW
    for delivery in range(300):
        before, after = hooks[delivery] if delivery < len(hooks) else (nothing, nothing)
        gate = Gate(before=before, after=after)
        with contextlib.suppress(Died, Transient):
            answer = from_messages(
                sqs_event(*left), ports=gate.guard(world.ports), now=now, worker=f"w-{delivery}"
            )
            left = left if answer["batchItemFailures"] else []
        now += VISIBILITY_SECONDS
        swept(world, now=now)
        left += [message["effect_id"] for message in world.later.drain()]
        if not left and (world.effect().state != "IN_DOUBT" or now > NOW + 3_600):
            return
    raise AssertionError("still not quiet")


@pytest.mark.sweep
def test_a_transactional_mail_is_sent_at_least_once_and_at_most_twice() -> None:
    """One fault at any call, then a second one at any call of each delivery that follows."""
    gate = Gate()
    from_messages(sqs_event(MAIL), ports=gate.guard(order_world().ports), now=NOW, worker="w")
    kinds = [kind for kind in FAULTS if kind != "dies after"]
    places = list(itertools.product(kinds, range(1, len(gate.passed) + 1)))
    counts = set()
    # The fourth delivery is the one that looks at a doubt when its time has come.
    for first, second, delivery in itertools.product([None, *places[::2]], places, (1, 4)):
        world = order_world()
        between = [(nothing, nothing)] * (delivery - 1)
        begin = (nothing, nothing) if first is None else fault(*first)

        run_for_days(world, begin, *between, fault(*second))

        effect = world.effect()
        counts.add(len(world.mailer.sent))
        # Without a mail only when two workers broke in the gap: nobody can tell, and it says so.
        assert len(world.mailer.sent) >= 1 or (effect.posts, effect.state) == (2, "IN_DOUBT")
        assert max(len(world.mailer.sent), effect.posts) <= 2, (first, second, delivery)
        assert effect.state in ("ACCEPTED", "IN_DOUBT")
    assert max(counts) == 2


def test_everything_ends() -> None:
    """Nothing stays PLANNED, CLAIMED or SENDING once the queue is quiet, whatever broke."""
    ids = [MAIL, OFFER, UNWANTED]
    for kind, at in itertools.product(FAULTS, range(1, len(calls_of(ids)) + 1)):
        world = prepared()
        run(world, ids, fault(kind, at))
        assert {world.effect(name).state for name in ids} <= TERMINAL | {"IN_DOUBT"}
