"""Cases about profiles: event, silence and drop."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.core.kinds import EFFECT
from tests.crash.cases import Case, register
from tests.crash.cases_shop import ANN, shop_world, tell
from tests.crash.workers import Message, review
from tests.crash.world import World, notice_of
from tests.drops import order_row, orders_csv
from tests.makers import (
    DAY_SECONDS,
    NOW,
    identify,
    order_event,
    track,
)

# --- event --------------------------------------------------------------------------------------


def what_happened(world: World) -> None:
    """A guest who turns out to be a customer, orders, and what becomes of those."""
    first = [
        track("Product Viewed", visitor="g-1", sku="MUG", at=NOW - 50),
        order_event("Order Completed", "o-1", total=30, visitor="g-1", at=NOW - 40),
        identify(user="c-9", visitor="g-1", at=NOW - 30, **ANN),
    ]
    second = [
        order_event("Order Completed", "o-2", total=20, user="c-9", at=NOW - 20),
        order_event("Order Refunded", "o-1", total=10, user="c-9", at=NOW - 15),
        order_event("Order Cancelled", "o-2", user="c-9", at=NOW - 10),
    ]
    world.ask(lambda world: tell(world, *first), lambda world: tell(world, *second), _another_tab)


def _another_tab(world: World) -> None:
    """What the same customer does elsewhere at the same time."""
    tell(
        world,
        order_event("Order Completed", "o-3", total=7, user="c-9", at=NOW - 12),
        identify(user="c-9", lastName="Nine", timezone="Europe/Berlin", at=NOW - 12),
    )


def browsing_world() -> World:
    """Nobody is known, and a second tab is open."""
    world = shop_world()
    world.meanwhile = _another_tab
    return world


# --- silence ------------------------------------------------------------------------------------


def silent_world() -> World:
    """A customer who agreed to mail and bought, and sixty days without a word."""
    world = shop_world()
    tell(
        world,
        identify(user="c-1", **ANN),
        order_event("Order Completed", "o-1", total=30, user="c-1"),
    )
    world.waiting.clear()
    world.store._rows = {k: r for k, r in world.store._rows.items() if k.kind is not EFFECT}
    world.clock.forward(61 * DAY_SECONDS)
    world.meanwhile = review
    return world


def _reminded(world: World) -> Sequence[str]:
    effects = world.store.all("effect").values()
    wrong = []
    if sum(each.kind == "mail" for each in effects) != 1:
        wrong.append("silence planned another number of mails than one")
    if sum(each.action == "Segment Changed" for each in effects) != 1:
        wrong.append("a transition was announced another number of times than once")
    return wrong


# --- drop ---------------------------------------------------------------------------------------

DROPPED = orders_csv(
    order_row("d-1", "c-1", days_ago=100),
    order_row("d-2", "c-1", days_ago=130),
    order_row("d-3", "c-2", days_ago=5, amount="12.50"),
    order_row("d-1", "c-1", days_ago=100),
    order_row("d-4", "c-5", days_ago=90),
)


def drop_world() -> World:
    """Two customers who agreed to mail, and a file of orders that has just arrived."""
    world = shop_world(counted=("drops", "stream", "effects"))
    tell(
        world,
        identify(user="c-1", **ANN),
        identify(user="c-5", **{**ANN, "email": "eve@example.com"}),
    )
    world.waiting.clear()
    info = world.objects.arrive(
        "incoming", key="orders/day.csv", body=DROPPED.encode(), last_modified=NOW
    )
    world.notes["file"] = notice_of(info, "orders/day.csv")
    world.meanwhile = _says_meanwhile
    return world


def _says_meanwhile(world: World) -> None:
    """A customer of the file tells her name, whether or not the file is being worked on."""
    tell(world, identify(user="c-1", lastName="One", at=NOW - 5))


def drop_it(world: World) -> None:
    """S3 tells of the file."""
    world.put(Message("drops", world.notes["file"], world.clock.now))
    world.ask(_says_meanwhile, at=world.clock.now + 1)


def _scored(world: World) -> Sequence[str]:
    """The results are there and add up."""
    drops = list(world.store.all("drop").values())
    wrong = []
    if [drop.state for drop in drops] != ["COMPLETE"]:
        wrong.append("a drop did not end COMPLETE")
    elif drops[0].counts.get("records") != sum(
        drops[0].counts.get(name, 0) for name in ("folded", "duplicate", "rejected")
    ):
        wrong.append("the records of a drop do not add up")
    newest = [each["drop_id"] for each in world.store.all("newest_file").values()]
    if newest != [drop.drop_id for drop in drops]:
        wrong.append("a drop that ended is not the newest file of its kind")
    scores = [key for key in world.objects.keys("results") if key.endswith("scores.csv")]
    if len(scores) != 1 or world.objects.body("results", scores[0]).count(b"\n") != 4:
        wrong.append("the scores of a drop are not those of its customers")
    return wrong


register(
    Case(
        "event",
        "event",
        browsing_world,
        what_happened,
        same=("facts", "contact", "order", "message"),
    ),
    Case(
        "silence",
        "silence",
        silent_world,
        lambda world: world.ask(review),
        check=_reminded,
        same=("facts", "coupon", "plan"),
        names=False,
    ),
    Case(
        "drop",
        "drop",
        drop_world,
        drop_it,
        same=("facts", "order", "contact", "coupon", "plan", "results", "newest_file"),
        names=False,
        check=_scored,
    ),
)
