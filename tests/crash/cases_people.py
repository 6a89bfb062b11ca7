"""Cases about a person who is erased, and about all that comes afterwards from before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from chalicelib.core.consents import Statement
from chalicelib.core.subject import customer
from chalicelib.flows import act
from chalicelib.flows.consent import record_consent
from chalicelib.flows.redeem import OfferCall, from_request
from tests.crash.cases import Case, register
from tests.crash.cases_shop import checkout, move, shop_world, tell
from tests.crash.workers import Message, forget, review
from tests.crash.world import Call, World, notice_of
from tests.drops import order_row, orders_csv
from tests.fakes import SIGNING_KEYS
from tests.mail_events import notification, ses_event
from tests.mail_makers import sqs_event
from tests.makers import DAY_SECONDS, NOW, identify, order_event, track
from tests.persons import ANN, CANARY, EMAIL, GUEST

AT = NOW - 100 * DAY_SECONDS
TOLD = (
    track("Product Viewed", visitor=GUEST, sku="canary-sku", at=AT),
    order_event("Order Completed", "canary-o-0", visitor=GUEST, total=30, at=AT),
    identify(
        user=ANN, visitor=GUEST, email=EMAIL, firstName="Canaryann", consent_marketing_email=True,
        at=AT + 1,
    ),
    order_event("Order Completed", "canary-o-1", user=ANN, total=30, at=AT + 2),
    order_event("Order Refunded", "canary-o-1", user=ANN, total=3, at=AT + 3),
)  # fmt: skip
# The same once more, under ids that no memory of messages knows.
AGAIN = tuple({**message, "messageId": f"again-{n}"} for n, message in enumerate(TOLD))
AGREED = Statement("marketing_email", True, "consent", "newsletter-3", "form", NOW - 60)


def known_world() -> World:
    """Ann, of whom everything is stored that can be, with a code in her cart and effects due."""
    world = shop_world(counted=("http",))
    world.expected = replace(world.expected, canary=CANARY)
    tell(world, *TOLD)
    record_consent(
        ANN,
        AGREED,
        store=world.gated,
        keys=SIGNING_KEYS,
        now=NOW,
        key_id="k",
        correlation_id="consenting",
    )
    checkout(customer(ANN), "s-1", "k-1")(world)
    world.notes["effects"] = [effect.effect_id for effect in world.store.all("effect").values()]
    world.waiting.clear()
    world.meanwhile = _late_message
    return world


def _late_message(world: World) -> None:
    """Something that Ann's browser had kept to itself."""
    late = identify(user=ANN, email=EMAIL, firstName="Canary", at=NOW - 9)
    tell(world, late)


def erase(world: World) -> None:
    """Ann asks to be forgotten, until it is done."""
    forget(world, ANN)
    if CANARY in world.store.text(now=world.clock.now):
        world.model.wrong("an erasure was called complete that left something behind")
    world.notes.setdefault("out", _out(world))


def _out(world: World) -> tuple[int, int]:
    """How many mails and events are out."""
    return len(world.ses.sent), len(world.bus.events)


def _afterwards(world: World) -> None:
    """The old messages again, a late bounce, and every effect out of the dead letters."""
    with world.gate.unnumbered():
        tell(world, *TOLD)
        tell(world, *AGAIN)
        for effect_id in world.notes["effects"]:
            late = notification(ses_event("bounce", effect_id=effect_id, sent_at=NOW))
            world.put(Message("feedback", late, world.clock.now))
            body = {"effect_id": effect_id, "correlation_id": "redriven"}
            world.put(Message("effects", body, world.clock.now))


def _old_file(world: World) -> None:
    """A file from before, dropped again."""
    rows = [order_row("canary-o-9", ANN, days_ago=9), order_row("b-1", "bob", days_ago=9)]
    info = world.objects.arrive(
        "incoming", key="orders/old.csv", body=orders_csv(*rows).encode(), last_modified=NOW
    )
    world.put(Message("drops", notice_of(info, "orders/old.csv"), world.clock.now))


def _asking(*calls: Call) -> Any:
    return lambda world: world.ask(*calls)


def _is_gone(world: World) -> Sequence[str]:
    wrong = []
    for coupon in world.store.all("coupon").values():
        usable = coupon.revoked_at is None and coupon.offer.expires_at > world.clock.now
        if usable and all(use.state == "reserved" for use in coupon.uses):
            wrong.append("a code of an erased person can still be used, or holds money")
    mails, events = world.notes.get("out", (0, 0))
    if world.ses.sent[mails:]:
        wrong.append("somebody was mailed who is erased")
    after = world.bus.events[events:]
    if any(EMAIL in str(event.data) or ANN in str(event.data) for event in after):
        wrong.append("an erased person was announced")
    return wrong


def holding_a_code() -> World:
    """Ann's cart holds her code, and with it money of the budget."""
    world = known_world()
    (coupon,) = world.store.all("coupon").values()
    from_request(
        OfferCall("reserve", coupon.offer.code, customer(ANN), "canary-cart", 50, "USD"),
        store=world.gated,
        rules=world.rules,
        now=NOW,
    )
    world.waiting.clear()
    return world


def telling_world() -> World:
    """Ann's shop keeps a few messages for later, and she is erased before they are folded."""
    world = known_world()
    world.meanwhile = erase
    return world


def _tell_late(world: World) -> None:
    late = [
        identify(user=ANN, email=EMAIL, firstName="Canary", at=NOW - 9),
        order_event("Order Completed", "canary-o-2", user=ANN, total=9, at=NOW - 8),
    ]
    world.ask(lambda world: tell(world, *late), _unless_erased)


def _unless_erased(world: World) -> None:
    tombs = world.store.all("tombstone").values()
    if not tombs or not all(tomb.is_complete for tomb in tombs):
        erase(world)
    world.notes.setdefault("out", _out(world))


def dropping_world() -> World:
    """Ann is in a file that is being worked on while she is erased."""
    world = telling_world()
    world.counted = frozenset({"drops"})
    return world


def _drop_and_erase(world: World) -> None:
    _old_file(world)
    world.ask(_unless_erased, at=world.clock.now + 200)


def silent_world() -> World:
    """Ann has been silent for so long that she is due while she is erased."""
    world = telling_world()
    world.clock.forward(101 * DAY_SECONDS)
    return world


def redeeming_world() -> World:
    """Ann's order is being paid with her code while she is erased."""
    world = holding_a_code()
    world.meanwhile = erase
    return world


def _redeem_and_erase(world: World) -> None:
    (coupon,) = world.store.all("coupon").values()
    redeem = move("redeem", coupon.offer.code, "canary-cart", 50, None, customer(ANN))
    world.ask(redeem, _unless_erased)


def mailed_world() -> World:
    """Ann was mailed, and SES tells of it while she is erased."""
    world = telling_world()
    world.counted = frozenset({"feedback"})
    act.from_messages(
        sqs_event(*world.notes["effects"]), ports=world.act_ports(), now=NOW, worker="w-0"
    )
    world.waiting.clear()
    return world


def _hear_and_erase(world: World) -> None:
    (mail,) = world.ses.sent
    for name in ("send", "delivery", "open", "click", "complaint"):
        event = ses_event(name, effect_id=mail.tags["effect_id"], sent_at=NOW)
        world.put(Message("feedback", notification(event), world.clock.now))
    world.ask(_unless_erased, at=world.clock.now + 200)


def _decide_late(world: World) -> None:
    """A checkout of hers, an erasure, and another that takes what the shop said since."""
    world.ask(checkout(customer(ANN), "s-2", "k-2"), erase, erase)


register(
    Case(
        "decide, erased meanwhile",
        "decide",
        telling_world,
        _decide_late,
        check=_is_gone,
    ),
    Case(
        "event, erased meanwhile",
        "event",
        telling_world,
        _tell_late,
        check=_is_gone,
    ),
    Case(
        "drop, erased meanwhile",
        "drop",
        dropping_world,
        _drop_and_erase,
        check=_is_gone,
    ),
    Case(
        "silence, erased meanwhile",
        "silence",
        silent_world,
        _asking(review, _unless_erased),
        check=_is_gone,
    ),
    Case(
        "redeem, erased meanwhile",
        "redeem",
        redeeming_world,
        _redeem_and_erase,
        check=_is_gone,
    ),
    Case(
        "feedback, erased meanwhile",
        "feedback",
        mailed_world,
        _hear_and_erase,
        check=_is_gone,
    ),
    Case("erase", "erase", known_world, _asking(erase, _afterwards), check=_is_gone),
    Case(
        "erase, a code in the cart",
        "erase",
        holding_a_code,
        _asking(erase),
        check=_is_gone,
    ),
    Case(
        "erase, and the old file",
        "erase",
        known_world,
        _asking(erase, _old_file),
        check=_is_gone,
    ),
)
