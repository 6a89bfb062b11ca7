"""Cases about articles: views, orders and stock on their way to the catalogue."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from chalicelib.core.kinds import PRODUCT, SIGNAL
from chalicelib.core.storage import WHATEVER, Put
from tests.crash.cases import Case, register
from tests.crash.cases_shop import tell
from tests.crash.model import Expected
from tests.crash.workers import HANDLERS
from tests.crash.world import World
from tests.makers import NOW, order_event, track
from tests.signals import counting, demand_of
from tests.unit.core.situations import MUG

_relay = HANDLERS["stream"]


def articles_world() -> World:
    """A shop whose policy counts demand, with a mug and somebody else who looks at it."""
    world = World(NOW, counting(), Expected(), counted=frozenset({"http", "stream"}))
    world.store.write([Put(PRODUCT.key(MUG.sku), MUG, WHATEVER)], now=NOW)
    world.meanwhile = _somebody_looks
    return world


def _somebody_looks(world: World) -> None:
    """A view by another customer, once, and another shard's relay that counts it at once."""
    standing = list(world.waiting)
    seen = track("Product Viewed", user="c-9", sku="MUG", message_id="m-9")
    tell(world, seen, name="somebody")
    new = [m for m in world.waiting if m.queue == "stream" and m not in standing]
    failed = _relay(world, new, "another shard")
    world.waiting = [m for m in world.waiting if m not in new or new.index(m) in failed]


def views_and_orders(world: World) -> None:
    """Two requests about one mug: two views and three pieces; and what is left of it."""
    bought = [{"sku": "MUG", "quantity": 3, "price": 20}]
    views = [track("Product Viewed", user=f"c-{n}", sku="MUG", message_id=f"m-{n}") for n in (1, 2)]
    order = order_event("Order Completed", "o-1", total=60, user="c-1", products=bought)
    stock = track("Inventory Updated", sku="MUG", stock=4, message_id="m-4")
    world.ask(
        lambda world: tell(world, views[0], order, name="one"),
        lambda world: tell(world, views[1], stock, name="two"),
    )


def _counted(world: World) -> Sequence[str]:
    """Every view and every piece once, nothing left waiting, and the stock that was said."""
    wrong = []
    looked = 2 + ("m#m-9" in world.store.all("message"))
    if demand_of(world.store) != pytest.approx((looked, 3.0)):
        wrong.append("views or pieces do not count once each")
    if world.store.all(SIGNAL.name):
        wrong.append("a signal was never taken off")
    mug = world.store.one(PRODUCT.key("MUG"))
    if mug is None or mug.stock != 4:
        wrong.append("what the shop said of an article was lost")
    return wrong


register(
    Case(
        "event, about articles",
        "event",
        articles_world,
        views_and_orders,
        check=_counted,
    )
)
