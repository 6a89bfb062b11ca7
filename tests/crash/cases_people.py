"""Cases about a person who is erased, and about all that comes afterwards from before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from chalicelib.core.consents import Statement
from chalicelib.core.errors import Transient
from chalicelib.core.subject import customer
from chalicelib.flows.consent import record_consent
from chalicelib.flows.erase import erase_customer
from chalicelib.flows.redeem import OfferCall, from_request
from tests.crash.cases import MET, Case, register
from tests.crash.cases_shop import checkout, shop_world, tell
from tests.crash.workers import Message
from tests.crash.world import Call, World
from tests.drops import order_row, orders_csv
from tests.fakes import SIGNING_KEYS
from tests.mail_events import notification, ses_event
from tests.makers import DAY_SECONDS, NOW, identify, order_event, track
from tests.persons import ANN, CANARY, EMAIL, GUEST
from tests.stores import no_sleep

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
    erasure = erase_customer(
        ANN,
        store=world.gated,
        keys=SIGNING_KEYS,
        new_key=lambda: "0a" * 16,
        pause=no_sleep,
        now=world.clock.now,
        key_id="k",
        correlation_id="erasing",
    )
    if not erasure.is_complete:
        raise Transient("there is more: ask again")
    if CANARY in world.store.dump().casefold():
        world.model.wrong("an erasure was called complete that left something behind")


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
    object_ = {"key": "orders/old.csv", "eTag": info.etag, "versionId": info.version_id}
    body = {"Records": [{"s3": {"bucket": {"name": "incoming"}, "object": object_}}]}
    world.put(Message("drops", body, world.clock.now))


def _asking(*calls: Call) -> Any:
    return lambda world: world.ask(*calls)


def _is_gone(world: World) -> Sequence[str]:
    wrong = []
    if any(tomb.pseudonym_key for tomb in world.store.all("tombstone").values()):
        wrong.append("the key of a pseudonym outlived the erasure")
    for coupon in world.store.all("coupon").values():
        if coupon.revoked_at is None and all(use.state == "reserved" for use in coupon.uses):
            wrong.append("a code of an erased person can still be used, or holds money")
    if world.ses.sent:
        wrong.append("somebody was mailed who is erased")
    if any(EMAIL in str(event.data) or ANN in str(event.data) for event in world.bus.events):
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

    def unless_erased(world: World) -> None:
        if not world.store.all("tombstone"):
            erase(world)

    world.ask(lambda world: tell(world, *late), unless_erased)


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
        modes=("stall", "meet"),
        pairs=False,
    ),
    Case(
        "event, erased meanwhile",
        "event",
        telling_world,
        _tell_late,
        check=_is_gone,
        modes=("stall", "meet"),
    ),
    Case("erase", "erase", known_world, _asking(erase, _afterwards), check=_is_gone, modes=MET),
    Case(
        "erase, a code in the cart",
        "erase",
        holding_a_code,
        _asking(erase),
        check=_is_gone,
        modes=MET,
    ),
    Case(
        "erase, and the old file",
        "erase",
        known_world,
        _asking(erase, _old_file),
        check=_is_gone,
        pairs=False,
    ),
)
