"""Seeds: the same work duplicated, shuffled and done by several workers at once.

Every message and call comes two or three times, in an order that the seed chooses, to workers that
take turns from one call to the next as the seed says (``tests/baton.py``); some calls fail and are
not made. When all is quiet, tables and mails must be, in normal form, those of the run in which
each came once, in order, to one worker. Both schedules are part of the work, and so is a file that
tells of an order of which an event tells as well.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from random import Random
from typing import Any

from chalicelib import telemetry
from chalicelib.core.instants import Instant, format_instant
from chalicelib.core.kinds import CONTACT, EFFECT
from chalicelib.core.offers import offer_to_json
from chalicelib.core.storage import WHATEVER, Put
from chalicelib.core.subject import customer
from chalicelib.core.tokens import sign
from chalicelib.flows.unsubscribe import act_on
from chalicelib.mail.compose import UNSUBSCRIBE
from tests.baton import Switch, interleave
from tests.coupon_makers import CODE
from tests.crash.bugs import BUGS, planted
from tests.crash.cases_mail import BOB, EVENT, GRACE, MAIL, OFFER, ORDER_MAIL, UNWANTED
from tests.crash.cases_shop import (
    ANN,
    BUDGET,
    NEIGHBOUR,
    OTHER_BUYER,
    checkout,
    issued,
    move,
    shop_world,
    tell,
)
from tests.crash.gate import FaultGate
from tests.crash.model import Expected
from tests.crash.normal import difference, mails, tables
from tests.crash.run import nowhere
from tests.crash.workers import HANDLERS, Message, look_after, review
from tests.crash.world import Call, World, notice_of
from tests.drops import order_row, orders_csv
from tests.fakes import SIGNING_KEYS
from tests.mail_makers import TEN_PERCENT, contact_of, effect, hash_of, mail_effect
from tests.makers import DAY_SECONDS, NOW, facts_with_orders, identify, order_event, track

COMPARED = (
    "facts", "contact", "order", "message", "coupon", "allotment", "address", "breaker", "live",
    "record",
)  # fmt: skip
WORKERS = 4
MOST_FAILING = 3
MOST_CALLS = 400  # among which those that fail are chosen; so many are made at least
GRACES = sign(
    SIGNING_KEYS,
    purpose=UNSUBSCRIBE,
    payload={"a": hash_of("grace@example.com"), "p": "marketing_email", "e": UNWANTED},
)
SHOPPER = customer("c-7")
_turn = threading.local()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one seed came to.

    Attributes:
        line: how a replay names it.
        violations: what did not hold.
    """

    line: str
    violations: tuple[str, ...]


def seed_line(seed: int, bug_name: str | None = None) -> str:
    """What ``--replay`` understands."""
    return f"seed {seed}" + (f" with {bug_name}" if bug_name else "")


def read_seed(text: str) -> tuple[int, str | None]:
    """Undo ``seed_line``; raises ValueError."""
    found = re.fullmatch(r"seed (\d+)(?: with (.+))?", text.strip())
    if found is None or found[2] not in (None, *BUGS):
        raise ValueError(f"no run is called {text!r}")
    return int(found[1]), found[2]


def _said(world: World, says: Mapping[str, Sequence[str]]) -> None:
    world.says = lambda effect_id: says.get(effect_id, ("send",))


@cache
def _prepared() -> World:
    """Two codes, a customer at risk, three people with mails due, and nothing done yet."""
    silent = facts_with_orders(last_at=NOW - 100 * DAY_SECONDS, subject=SHOPPER)
    # Has bought before: whose only order is cancelled before another one comes is nobody's segment
    # for a while, and that is announced, as it should be.
    # In a segment that was announced: a file's first look at somebody announces nothing, and an
    # event's does.
    regular = replace(
        facts_with_orders(last_at=NOW - 5 * DAY_SECONDS, subject=customer("c-9")), segment="loyal"
    )
    # Nobody has looked at them since they fell silent.
    due = replace(
        facts_with_orders(last_at=NOW - 70 * DAY_SECONDS, subject=customer("c-14")),
        review_at=Instant(NOW),
    )
    world = issued(shop_world(silent, regular, due, counted=tuple(HANDLERS)))
    world.expected = Expected(budget_minor=BUDGET, hears=True)
    _said(world, {MAIL: ("send", "delivery"), ORDER_MAIL: ("send", "soft_bounce", "delivery")})
    people = [
        contact_of(),
        contact_of(BOB, email="bob@example.com"),
        contact_of(GRACE, email="grace@example.com"),
    ]
    planned = [
        mail_effect(MAIL, offer=None),
        mail_effect(ORDER_MAIL, subject=BOB, purpose="transactional", offer=None),
        effect("offer", OFFER, payload={"offer": offer_to_json(TEN_PERCENT)}),
        effect("event", EVENT, action="Segment Changed", payload={"segment": "loyal"}),
    ]
    puts = [Put(CONTACT.key(each.subject.key), each, WHATEVER) for each in people]
    world.store.write(puts, now=NOW)
    world.store.write([Put(EFFECT.key(e.effect_id), e, WHATEVER) for e in planned], now=NOW)
    world.waiting.clear()
    rows = [
        f"o-11,c-9,{format_instant(NOW - 25)},1,USD,30.00",
        order_row("f-1", "c-13", days_ago=5),
    ]
    info = world.objects.arrive(
        "incoming", key="orders/day.csv", body=orders_csv(*rows).encode(), last_modified=NOW
    )
    world.notes["file"] = notice_of(info, "orders/day.csv")
    return world


def _unsubscribes(world: World) -> None:
    act_on(GRACES, store=world.gated, keys=SIGNING_KEYS, now=world.clock.now)


def _telling(*messages: Any) -> Call:
    return lambda world: tell(world, *messages)


def _calls() -> list[Call]:
    """What callers ask for, in the order in which it happened."""
    return [
        _telling(track("Product Viewed", user="c-9", sku="MUG", at=NOW - 60)),
        _telling(identify(user="c-9", at=NOW - 50, **ANN)),
        _telling(order_event("Order Completed", "o-11", total=30, user="c-9", at=NOW - 40)),
        _telling(order_event("Order Completed", "o-12", total=20, user="c-9", at=NOW - 30)),
        _telling(order_event("Order Refunded", "o-11", total=10, user="c-9", at=NOW - 20)),
        _telling(order_event("Order Cancelled", "o-12", user="c-9", at=NOW - 10)),
        _telling(identify(user="c-9", lastName="Nine", at=NOW - 5)),
        move("redeem", CODE, "o-1", 100, "k-1"),
        _telling(
            order_event(
                "Order Completed",
                "o-2",
                total=9,
                user=OTHER_BUYER.id,
                coupon=NEIGHBOUR,
                discount="0.50",
                at=NOW - 4,
            )
        ),
        _telling(order_event("Order Refunded", "o-2", total="0.20", user="c-2", at=NOW - 3)),
        checkout(SHOPPER, "s-1", "k-7"),
        _unsubscribes,
        review,
        look_after,
    ]


def _work(world: World) -> list[Message]:
    """Everything that there is to do, in order."""
    effects = world.store.all("effect").values()
    streams = [Message("stream", each, world.clock.now) for each in effects]
    calls = [Message("http", call, world.clock.now) for call in _calls()]
    return [*streams, *calls, Message("drops", world.notes["file"], world.clock.now)]


@cache
def in_order() -> dict[str, Any]:
    """The tables and mails of the run in which all comes once and in order."""
    world = _prepared().fork(FaultGate())
    for message in _work(world):
        world.put(message)
        world.drain()
    with world.gate.unnumbered():
        world.settle()
    return _form(world)


def run_seed(seed: int, bug_name: str | None = None) -> Outcome:
    """Play one seed and compare."""
    telemetry.configure(stage="crash", stream=nowhere())
    expected = in_order()
    chance = Random(seed)  # noqa: S311 - replays
    failing = {
        chance.randint(1, MOST_CALLS): "error" for _ in range(chance.randint(0, MOST_FAILING))
    }
    world = _prepared().fork(FaultGate(failing))  # type: ignore[arg-type]
    world.gate.before = _give_way
    with planted(bug_name, world):
        _play(world, chance, expected)
    return Outcome(seed_line(seed, bug_name), tuple(world.model.violations))


def _play(world: World, chance: Random, expected: dict[str, Any]) -> None:
    try:
        _at_once(world, _work(world), chance)
        _at_once(world, world.waiting, chance)
        world.gate.before = lambda: None
        with world.gate.unnumbered():
            world.drain()
            world.settle()
        values = world.store.values()
        world.model.check(values, now=world.clock.now, text="")
        if (found := difference(expected, _form(world))) is not None:
            world.model.wrong(f"tables or mails differ from those of the run in order: {found}")
    except Exception as error:  # a worker broke: that is what this looks for
        world.model.wrong(f"{type(error).__name__}: {error}")


def _give_way() -> None:
    switch: Switch | None = getattr(_turn, "switch", None)
    if switch is not None:
        switch()


def _at_once(world: World, work: Sequence[Message], chance: Random) -> None:
    """Several workers at one heap of messages, each of which is there two or three times."""
    heap = [
        Message(each.queue, each.body, world.clock.now, each.then)
        for each in work
        for _ in range(chance.randint(2, 3))
    ]
    world.waiting = []
    chance.shuffle(heap)

    def worker() -> Callable[[Switch], None]:
        def task(switch: Switch) -> None:
            _turn.switch = switch
            while heap:
                world.work_on([heap.pop()])

        return task

    interleave([worker() for _ in range(WORKERS)], seed=chance.randrange(2**32))


def _form(world: World) -> dict[str, Any]:
    """Tables and mails; announcements of a transition by what they say, not by their ids."""
    form = tables(world, COMPARED)
    planned = {e.effect_id for e in _prepared().store.all("effect").values()}
    effects = tables(world, ["effect"])["effect"]
    form["planned"] = {name: e for name, e in effects.items() if e["effect_id"] in planned}
    form["announced"] = sorted(
        (e["kind"], e["action"], e["subject"], e["state"])
        for e in effects.values()
        if e["effect_id"] not in planned
    )
    form["mails"] = mails(world)
    return form
