"""Cases about mails: act, feedback, unsubscribe, and what happens while a worker stalls."""

from __future__ import annotations

import contextlib

from chalicelib.core.control import SWITCH_COPIES, Switches
from chalicelib.core.effects import Effect
from chalicelib.core.kinds import SWITCH
from chalicelib.core.offers import offer_to_json
from chalicelib.core.storage import WHATEVER, Put
from chalicelib.core.subject import customer
from chalicelib.core.tokens import sign
from chalicelib.flows.act import from_messages
from chalicelib.flows.unsubscribe import act_on
from chalicelib.mail.compose import UNSUBSCRIBE
from tests.crash.cases import Case, register
from tests.crash.model import Expected
from tests.crash.workers import Message, forget
from tests.crash.world import Call, World
from tests.fakes import SIGNING_KEYS
from tests.gate import Died, Gate
from tests.gated_store import GatedStore as SmallGatedStore
from tests.mail_makers import (
    ADA,
    EMAIL,
    NOW,
    TEN_PERCENT,
    contact_of,
    effect,
    hash_of,
    mail_effect,
    sqs_event,
)
from tests.mail_makers import World as MailWorld
from tests.makers import rules_with

MAIL, ORDER_MAIL, OFFER, UNWANTED, SECOND, EVENT = (letter * 32 for letter in "e20f31")
BOB, GRACE = customer("c-3"), customer("c-2")
TOKEN = sign(
    SIGNING_KEYS,
    purpose=UNSUBSCRIBE,
    payload={"a": hash_of(EMAIL), "p": "marketing_email", "e": MAIL},
)


def mail_world(*effects: Effect, hears: bool = False, most_mails: int = 4) -> World:
    """Ada and Bob, who agreed to mail, Grace, who did not, and what is planned for them."""
    world = World(NOW, rules_with(), Expected(hears=hears, most_mails=most_mails))
    world.policy = world.policy.model_copy(update={"max_marketing_mails": most_mails})
    given = MailWorld(store=world.store)
    given.meet(contact_of(), contact_of(BOB, email="bob@example.com"))
    given.meet(contact_of(GRACE, email="grace@example.com", consents={}))
    given.plan(*effects)
    world.waiting.clear()
    return world


def announce(world: World) -> None:
    """Let the stream tell of everything that is planned."""
    for each in world.store.all("effect").values():
        world.put(Message("stream", each, world.clock.now))


def mixed(**options: bool) -> World:
    """One effect of every sort."""
    return mail_world(
        mail_effect(MAIL),
        mail_effect(ORDER_MAIL, subject=BOB, purpose="transactional", offer=None),
        effect("offer", OFFER, payload={"offer": offer_to_json(TEN_PERCENT)}),
        mail_effect(UNWANTED, subject=GRACE),
        **options,
    )


def one_mail() -> World:
    """One marketing mail."""
    return mail_world(mail_effect(MAIL))


def two_for_one_address() -> World:
    """Two marketing mails to an address that may get one."""
    return mail_world(mail_effect(MAIL), mail_effect(SECOND), most_mails=1)


def events_alone() -> World:
    """Two events that are announced together."""
    return mail_world(
        effect("offer", OFFER, payload={"offer": offer_to_json(TEN_PERCENT)}),
        effect("event", EVENT, action="Segment Changed", payload={"segment": "loyal"}),
    )


# --- who acts while a call stalls ---------------------------------------------------------------


def unsubscribe(world: World) -> None:
    """Ada's mail program posts: only what her address says changes."""
    act_on(TOKEN, store=world.gated, keys=SIGNING_KEYS, now=world.clock.now)


def flip(world: World) -> None:
    """An operator stops sending, for an hour."""
    switch(world, sending=False)
    on_again = Message("http", lambda world: switch(world, sending=True), world.clock.now + 3600)
    world.put(on_again)


def switch(world: World, *, sending: bool) -> None:
    """Flip every copy of the switch."""
    for number in range(SWITCH_COPIES):
        put = Put(SWITCH.key(str(number)), Switches(sending=sending), WHATEVER)
        world.store.write([put], now=world.clock.now)


def erase_ada(world: World) -> None:
    """Ada is erased."""
    forget(world, ADA.id)


def begin_to_erase(world: World) -> None:
    """Ada's erasure dies after its first write, and is asked for again later."""
    died = False

    def die(_number: int, port: str) -> None:
        nonlocal died
        if port == "write" and not died:
            died = True
            raise Died

    with contextlib.suppress(Died):
        forget(world, ADA.id, store=SmallGatedStore(Gate(after=die), world.store))
    world.put(Message("http", erase_ada, world.clock.now + 3600))


def rival(world: World) -> None:
    """Another worker has the same messages, at the same time."""
    event = sqs_event(*(each.effect_id for each in world.store.all("effect").values()))
    from_messages(event, ports=world.act_ports(), now=world.clock.now, worker="rival")


def _stalled(name: str, meanwhile: Call) -> Case:
    def build() -> World:
        world = one_mail()
        world.meanwhile = meanwhile
        return world

    return Case(f"act, {name}", "act", build, announce)


register(
    Case("act", "act", mixed, announce, same=("contact",)),
    Case("act, and SES tells", "act", lambda: mixed(hears=True), announce),
    Case("act, two for one address", "act", two_for_one_address, announce),
    Case("act, events together", "act", events_alone, announce, same=("effect",)),
    _stalled("unsubscribed meanwhile", unsubscribe),
    _stalled("switched off meanwhile", flip),
    _stalled("erased meanwhile", erase_ada),
    _stalled("an erasure begun meanwhile", begin_to_erase),
    _stalled("a rival meanwhile", rival),
)
