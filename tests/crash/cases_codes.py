"""Cases about codes that are taken back: by an operator, and because a guest has a second one."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.core.subject import guest
from chalicelib.flows.revoke import Revocation, from_request
from tests.coupon_makers import BUYER, CODE, coupon, issue
from tests.crash.cases import Case, register
from tests.crash.cases_shop import NEIGHBOUR, OTHER_BUYER, issued, move, shop_world, tell
from tests.crash.world import Call, World
from tests.makers import identify

VISITOR, VISITORS = guest("g-1"), "G" + "0" * 11


def take_back(code: str, key: str | None) -> Call:
    """An operator revokes a code; what is answered must be stored."""

    def ask(world: World) -> None:
        repeat_of = None if key is None else ("operator", "route", key)
        asked = Revocation(code, "leaked", repeat_of)
        from_request(asked, store=world.gated, now=world.clock.now)
        if world.store.all("coupon")[f"k#{code}"].revoked_at is None:
            world.model.wrong("a revocation was answered that is not stored")

    return ask


def leaked_code(world: World) -> None:
    """A code that a cart holds is taken back, twice, and its order comes too late."""
    world.ask(
        move("reserve", NEIGHBOUR, "o-9", 10, None, OTHER_BUYER),
        move("reserve", CODE, "o-1", 150, "k-1"),
        take_back(CODE, "k-2"),
        take_back(CODE, None),
        move("redeem", CODE, "o-1", 150, None),
    )


def _taken_back(world: World) -> Sequence[str]:
    """Nobody has it, and nobody has used it."""
    code = world.store.all("coupon")[f"k#{CODE}"]
    return [] if code.revoked_at is not None and not code.uses else ["a revoked code was used"]


def with_a_guest(world: World) -> World:
    """The same world, in which a guest has a code of the same action."""
    issue(world.store, coupon(VISITORS, subject=VISITOR))
    return world


def guest_logs_in(world: World) -> None:
    """A guest with a code in the cart turns out to be a customer who has one, and orders."""
    world.ask(
        move("reserve", NEIGHBOUR, "o-9", 10, None, OTHER_BUYER),
        move("reserve", VISITORS, "o-5", 20, None, VISITOR),
        lambda world: tell(world, identify(user="c-1", visitor="g-1"), name="login"),
        move("redeem", VISITORS, "o-5", 20, "k-5"),
    )


def _one_code(world: World) -> Sequence[str]:
    """The code in the cart was used, and the other one is gone."""
    codes = world.store.all("coupon")
    own, theirs = codes[f"k#{CODE}"], codes[f"k#{VISITORS}"]
    wrong = []
    if own.revoked_at is None or theirs.revoked_at is not None:
        wrong.append("of two codes of one person not the one in the cart was kept")
    if theirs.subject_key != BUYER.key:
        wrong.append("a guest's code did not become the customer's")
    return wrong


register(
    Case(
        "redeem, a leaked code",
        "redeem",
        lambda: issued(shop_world()),
        leaked_code,
        same=("order", "facts", "allotment"),
        check=_taken_back,
    ),
    Case(
        "redeem, a guest logs in",
        "redeem",
        lambda: with_a_guest(issued(shop_world())),
        guest_logs_in,
        same=("order", "facts", "allotment", "live"),
        check=_one_code,
    ),
)
