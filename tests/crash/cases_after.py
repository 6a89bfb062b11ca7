"""Cases about what comes after a mail: feedback, the sweep, and who wants no more of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from chalicelib.core.address import AddressState
from chalicelib.core.consents import Statement
from chalicelib.core.kinds import ADDRESS, EFFECT
from chalicelib.core.offers import offer_to_json
from chalicelib.core.storage import WHATEVER, Put
from chalicelib.flows.act import from_messages
from chalicelib.flows.consent import record_consent
from chalicelib.flows.unsubscribe import act_on
from tests.coupon_makers import CODE
from tests.crash.cases import Case, register
from tests.crash.cases_mail import (
    BOB,
    MAIL,
    OFFER,
    ORDER_MAIL,
    SECOND,
    TOKEN,
    announce,
    mail_world,
    one_mail,
    rival,
    unsubscribe,
)
from tests.crash.cases_shop import issued, move, shop_world
from tests.crash.workers import HANDLERS, Message, look_after
from tests.crash.world import World
from tests.fakes import SIGNING_KEYS
from tests.mail_events import notification, ses_event
from tests.mail_makers import ADA, EMAIL, NOW, TEN_PERCENT, effect, hash_of, mail_effect, sqs_event

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
    world.meanwhile = _hear_beside
    return world


def _events() -> list[str]:
    """What SES says of both mails, each event in a message."""
    return [
        notification(ses_event(name, effect_id=effect_id))
        for effect_id, names in TOLD.items()
        for name in names
    ]


def _hear_beside(world: World) -> None:
    """Another worker has the same events, at the same time."""
    HANDLERS["feedback"](world, [Message("feedback", body) for body in _events()], "beside")


def tell(world: World) -> None:
    """SES says what became of both."""
    for body in _events():
        world.put(Message("feedback", body, NOW))
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
    world.meanwhile = _sweep_and_work
    return world


def _sweep_and_work(world: World) -> None:
    """Another run of the schedule, and a worker who has every message at once."""
    look_after(world)
    rival(world)


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


def lapsed_world() -> World:
    """A cart whose lock on a code has ended, and nobody has asked for the code since."""
    world = issued(shop_world())
    move("reserve", CODE, "o-1", 150, None)(world)
    world.clock.forward(1_000)
    return world


def _freed(world: World) -> Sequence[str]:
    coupon = world.store.all("coupon")[f"k#{CODE}"]
    held = [use for use in coupon.uses if use.state == "reserved"]
    return ["a code stayed with a cart that had lost it"] if held else []


# --- unsubscribe --------------------------------------------------------------------------------


def about_to_unsubscribe() -> World:
    """One marketing mail, and a mail program that posts beside the person."""
    world = one_mail()
    world.meanwhile = unsubscribe
    return world


def ask_to_unsubscribe(world: World) -> None:
    """Ada posts the form; only then the mail's message comes."""

    def post(world: World) -> None:
        page = act_on(
            TOKEN, store=world.gated, keys=SIGNING_KEYS, now=world.clock.now, form=b"choice=all"
        )
        state = world.store.all("address").get(f"h#{hash_of(EMAIL)}", AddressState())
        if page.status == 200 and "marketing_email" not in state.withdrawn:
            world.model.wrong("an unsubscription was confirmed that is not stored")
        announce(world)

    world.ask(post)


def _is_unsubscribed(world: World) -> Sequence[str]:
    wrong = []
    if world.ses.sent:
        wrong.append("somebody was mailed after unsubscribing")
    if ADDRESS.key(hash_of(EMAIL)) not in world.store.keys():
        wrong.append("an unsubscription was lost")
    return wrong


SAID_NO = Statement("marketing_email", False, "consent", "account-1", "account", NOW)


def tell_the_shop(world: World) -> None:
    """Ada says no in the shop; only then the mail's message comes."""

    def put(world: World) -> None:
        record_consent(
            ADA.id,
            SAID_NO,
            store=world.gated,
            keys=SIGNING_KEYS,
            now=world.clock.now,
            key_id="k",
            correlation_id="consenting",
        )
        told = [entry.statement for entry in world.store.all("consent").values()]
        if SAID_NO not in told or world.store.all("contact")[ADA.key].consent("marketing_email"):
            world.model.wrong("a withdrawal was answered that is not stored")
        announce(world)

    world.ask(put)


register(
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
        "sweep, a lapsed lock",
        "sweep",
        lapsed_world,
        lambda world: world.ask(look_after),
        check=_freed,
    ),
    Case(
        "unsubscribe",
        "unsubscribe",
        about_to_unsubscribe,
        ask_to_unsubscribe,
        same=("contact", "effect"),
        check=_is_unsubscribed,
    ),
    Case(
        "unsubscribe, told to the shop",
        "unsubscribe",
        about_to_unsubscribe,
        tell_the_shop,
        same=("contact", "effect"),
        check=_is_unsubscribed,
    ),
)
