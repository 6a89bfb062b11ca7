"""Cases about mails: act, feedback, unsubscribe, and what happens while a worker stalls."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from chalicelib.core.address import AddressState
from chalicelib.core.control import SWITCH_COPIES, Switches
from chalicelib.core.effects import Effect
from chalicelib.core.kinds import ADDRESS, EFFECT, SWITCH
from chalicelib.core.offers import offer_to_json
from chalicelib.core.storage import WHATEVER, Put
from chalicelib.core.subject import customer
from chalicelib.core.tokens import sign
from chalicelib.flows.act import from_messages
from chalicelib.flows.erase import erase_customer
from chalicelib.flows.unsubscribe import act_on
from chalicelib.mail.compose import UNSUBSCRIBE
from tests.crash.cases import Case, register
from tests.crash.model import Expected
from tests.crash.workers import Message, look_after
from tests.crash.world import Call, World
from tests.fakes import SIGNING_KEYS
from tests.gate import Died, Gate
from tests.gated_store import GatedStore as SmallGatedStore
from tests.mail_events import notification, ses_event
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
from tests.stores import no_sleep

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
    _erase(world, world.gated)


def begin_to_erase(world: World) -> None:
    """Ada's erasure dies after its first write, and is asked for again later."""
    died = False

    def die(_number: int, port: str) -> None:
        nonlocal died
        if port == "write" and not died:
            died = True
            raise Died

    with contextlib.suppress(Died):
        _erase(world, SmallGatedStore(Gate(after=die), world.store))
    world.put(Message("http", erase_ada, world.clock.now + 3600))


def _erase(world: World, store: Any) -> None:
    erase_customer(
        ADA.id,
        store=store,
        keys=SIGNING_KEYS,
        new_key=lambda: "0a" * 16,
        pause=no_sleep,
        now=world.clock.now,
        key_id="k",
        correlation_id="erasing",
    )


def rival(world: World) -> None:
    """Another worker has the same messages, at the same time."""
    event = sqs_event(*(each.effect_id for each in world.store.all("effect").values()))
    from_messages(event, ports=world.act_ports(), now=world.clock.now, worker="rival")


def _stalled(name: str, meanwhile: Call) -> Case:
    def build() -> World:
        world = one_mail()
        world.meanwhile = meanwhile
        return world

    return Case(f"act, {name}", "act", build, announce, modes=("stall", "meet"), pairs=False)


# --- feedback -----------------------------------------------------------------------------------

TOLD = {
    MAIL: ("send", "delivery", "click", "complaint"),
    ORDER_MAIL: ("send", "soft_bounce", "bounce"),
}


def with_mails_out() -> World:
    """Two mails that were handed over; of one the answer was lost."""
    world = mail_world(
        mail_effect(MAIL),
        mail_effect(ORDER_MAIL, subject=BOB, purpose="transactional", offer=None),
        mail_effect(SECOND),
    )
    from_messages(sqs_event(MAIL, ORDER_MAIL), ports=world.act_ports(), now=NOW, worker="w-0")
    key = EFFECT.key(MAIL)
    standing = world.store.all("effect")[key.partition]
    doubt = replace(standing, state="IN_DOUBT", reason="no_answer", provider_id=None)
    world.store.write([Put(key, doubt, WHATEVER)], now=NOW)
    world.waiting.clear()
    world.counted = frozenset({"feedback"})
    return world


def tell(world: World) -> None:
    """SES says what became of both, each event in a message."""
    for effect_id, names in TOLD.items():
        for name in names:
            world.put(Message("feedback", notification(ses_event(name, effect_id=effect_id)), NOW))
    later = world.store.all("effect")[f"e#{SECOND}"]
    world.put(Message("stream", later, NOW + 7_200))
    unknown = notification(ses_event("bounce", effect_id="9" * 32))
    world.put(Message("feedback", unknown, NOW))


def _heard(world: World) -> Sequence[str]:
    """The complaint and the bounce stand, and bind the addresses."""
    wrong = []
    effects = world.store.all("effect")
    if effects[f"e#{MAIL}"].state != "COMPLAINED":
        wrong.append("a complaint was lost")
    state = world.store.all("address").get(f"h#{hash_of(EMAIL)}", AddressState())
    if "marketing" not in state.suppressed:
        wrong.append("a complaint does not suppress the address")
    return wrong


# --- sweep --------------------------------------------------------------------------------------


def standing_still() -> World:
    """What dead workers left in every state, and a plan that no message covers."""
    dead: dict[str, Any] = {
        "owner": "dead",
        "lease_until": NOW + 120,
        "changed_at": NOW,
        "attempts": 1,
    }
    world = mail_world(
        replace(mail_effect(MAIL), state="CLAIMED", **dead),
        replace(
            mail_effect(ORDER_MAIL, subject=BOB, purpose="transactional", offer=None),
            **{**dead, "state": "SENDING", "posts": 1},
        ),
        effect("offer", OFFER, payload={"offer": offer_to_json(TEN_PERCENT)}),
        replace(mail_effect(SECOND), state="IN_DOUBT", posts=1, **dead),
    )
    world.model.permissions.update([ORDER_MAIL, SECOND])
    world.clock.forward(1_000)
    return world


def _swept(world: World) -> Sequence[str]:
    wrong = []
    effects = world.store.all("effect")
    if effects[f"e#{MAIL}"].state not in ("ACCEPTED", "ABANDONED"):
        wrong.append("a dead claim was not taken up")
    if effects[f"e#{SECOND}"].state != "ABANDONED":
        wrong.append("a doubt was not given up")
    if not world.model.taken[ORDER_MAIL] and effects[f"e#{ORDER_MAIL}"].posts < 2:
        wrong.append("a transactional mail in doubt was not sent again")
    if effects[f"e#{OFFER}"].state != "ACCEPTED":
        wrong.append("an effect that no message covered was lost")
    return wrong


# --- unsubscribe --------------------------------------------------------------------------------


def ask_to_unsubscribe(world: World) -> None:
    """Ada posts the form; only then the mail's message comes."""

    def post(world: World) -> None:
        page = act_on(
            TOKEN, store=world.gated, keys=SIGNING_KEYS, now=world.clock.now, form=b"choice=all"
        )
        state = world.store.all("address").get(f"h#{hash_of(EMAIL)}", AddressState())
        if page.status == 200 and "marketing_email" not in state.withdrawn:
            world.model.wrong("an unsubscription was confirmed that is not stored")
        for each in world.store.all("effect").values():
            world.put(Message("stream", each, world.clock.now))

    world.ask(post)


def _is_unsubscribed(world: World) -> Sequence[str]:
    wrong = []
    if world.ses.sent:
        wrong.append("somebody was mailed after unsubscribing")
    if ADDRESS.key(hash_of(EMAIL)) not in world.store.keys():
        wrong.append("an unsubscription was lost")
    return wrong


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
    Case(
        "feedback",
        "feedback",
        with_mails_out,
        tell,
        same=("effect", "address", "breaker", "engagement"),
        check=_heard,
    ),
    Case("sweep", "sweep", standing_still, lambda world: world.ask(look_after), check=_swept),
    Case(
        "unsubscribe",
        "unsubscribe",
        one_mail,
        ask_to_unsubscribe,
        same=("contact", "effect"),
        check=_is_unsubscribed,
    ),
)
