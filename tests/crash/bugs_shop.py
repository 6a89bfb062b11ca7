"""Planted bugs about codes, messages, files, feedback, unsubscribing and erasure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chalicelib.core.errors import Transient
from chalicelib.core.storage import WHATEVER, Conflict, Delete, Found, Put
from tests.crash.gate import Bug, Perform, Request
from tests.crash.rewrites import (
    add_behaviour,
    add_rewrite,
    forgetful,
    is_put,
    left_out,
    unchecked,
    unconditional,
    unconditional_if,
)
from tests.crash.world import World

# --- decisions and codes ------------------------------------------------------------------------


def _one_by_one(_world: World) -> Bug:
    def bug(request: Request, perform: Perform) -> Any:
        if request.port != "write":
            return perform(request)
        for write in request.what[0]:
            perform(request.with_what((write,)))
        return None

    return bug


add_behaviour(
    "a transaction in pieces",
    "The writes of a decision are made one after the other.",
    ["decide", "redeem"],
    _one_by_one,
)
add_rewrite(
    "created over what is there",
    "Records and effects are saved whether or not they exist.",
    ["decide", "silence"],
    unconditional_if(
        lambda w: is_put(
            w,
            "record",
            "effect",
            "live",
            "issued",
            "session",
            "facts",
            "allotment",
            "coupon",
            "contacted",
        )
    ),
)
add_rewrite(
    "live code not kept",
    "A code is issued and not kept as the customer's live one.",
    ["decide"],
    left_out("live", "issued"),
)
add_rewrite(
    "live code without a condition",
    "A code is issued whether or not the customer has one.",
    ["decide"],
    unconditional("live", "issued", "allotment"),
)
add_rewrite(
    "code not stored", "A code is shown that is not stored.", ["decide"], left_out("coupon")
)
add_rewrite(
    "effect not stored",
    "A code is issued and its announcement is not planned.",
    ["decide"],
    left_out("effect"),
)
add_rewrite(
    "code and money without a condition",
    "A redemption saves code and budget whoever moved them meanwhile.",
    ["redeem", "redeem, by an order"],
    unconditional("coupon", "allotment", "live", "order"),
)
add_rewrite(
    "money without a condition",
    "A redemption saves the budget whoever took from it meanwhile.",
    ["redeem", "redeem, by an order"],
    unconditional("allotment"),
)
add_rewrite(
    "money not moved",
    "A redemption moves the code and forgets the money.",
    ["redeem"],
    left_out("allotment"),
)
add_rewrite(
    "order not noted", "A redemption is not noted with its order.", ["redeem"], left_out("order")
)

# --- events, files and silence ------------------------------------------------------------------

add_rewrite(
    "facts without a condition",
    "A profile is saved whoever folded into it meanwhile.",
    ["event"],
    unconditional("facts"),
)
add_rewrite(
    "contact without a condition",
    "A contact is saved whoever changed it meanwhile.",
    ["event"],
    unconditional("contact", "facts", "order"),
)
add_rewrite(
    "account not named",
    "A contact is saved without the hash of its address, so nobody finds the account by it.",
    ["event", "drop"],
    lambda w: (
        replace(w, value=replace(w.value, address_hash=None))
        if is_put(w, "contact") and isinstance(w, Put)
        else w
    ),
)
add_rewrite(
    "message not remembered",
    "A message is folded and not remembered.",
    ["event"],
    left_out("message"),
)
add_rewrite(
    "orders not stored",
    "An order is counted and its item is not saved.",
    ["event", "drop"],
    left_out("order"),
)
add_rewrite(
    "drop ended early",
    "A file is called COMPLETE when its work begins.",
    ["drop"],
    lambda w: (
        replace(w, value=replace(w.value, state="COMPLETE"))
        if is_put(w, "drop") and isinstance(w, Put)
        else w
    ),
)
add_behaviour(
    "results not left",
    "A file is called COMPLETE and its results are not written.",
    ["drop"],
    forgetful("put"),
)

# --- feedback and unsubscribing -----------------------------------------------------------------

add_rewrite(
    "feedback without a condition",
    "An event is counted whoever counted it meanwhile.",
    ["feedback"],
    unconditional("effect", "breaker", "address"),
)
add_rewrite(
    "bounce not counted",
    "A bounce moves the mail and is not counted by the breaker.",
    ["feedback"],
    left_out("breaker"),
)
add_rewrite(
    "complaint without consequence",
    "A complaint does not suppress the address.",
    ["feedback"],
    left_out("address"),
)
add_rewrite(
    "unsubscription not stored",
    "An unsubscription is confirmed and not stored.",
    ["unsubscribe"],
    left_out("address"),
)


add_rewrite(
    "ledger without a condition",
    "An entry of the consent ledger is saved over the one that somebody else made meanwhile.",
    ["unsubscribe", "unsubscribe, told to the shop"],
    unconditional("consent", "ledger_head", "address", "contact"),
)
add_rewrite(
    "consent without proof",
    "A statement is folded into the contact and not entered into the ledger.",
    ["unsubscribe, told to the shop"],
    left_out("consent", "ledger_head"),
)


def _hopeful(_world: World) -> Bug:
    def bug(request: Request, perform: Perform) -> Any:
        concerns = request.port == "write" and any(is_put(w, "address") for w in request.what[0])
        try:
            return perform(request)
        except Conflict:
            raise
        except Transient:
            if not concerns:
                raise
            return None

    return bug


add_behaviour(
    "unsubscription taken for stored",
    "Storage did not answer, and the page says done.",
    ["unsubscribe"],
    _hopeful,
)

# --- erasure ------------------------------------------------------------------------------------

add_rewrite(
    "tombstone not checked",
    "A fold does not depend on nobody having been erased meanwhile.",
    ["event, erased meanwhile"],
    lambda w: unchecked("tombstone")(
        replace(w, condition=WHATEVER) if is_put(w, "facts", "contact") else w
    ),
)


add_rewrite(
    "checkout past an erasure",
    "A checkout is stored though its customer was erased since it was gathered.",
    ["decide, erased meanwhile"],
    unchecked("facts", "contact"),
)


def _tombstones_unseen(_world: World) -> Bug:
    def bug(request: Request, perform: Perform) -> Any:
        keys = request.what[0] if request.port == "read" else ()
        if not any(key.kind.name == "message" for key in keys):
            return perform(request)
        found: Found = perform(request)
        kept = {
            key: stored
            for key in keys
            if key.kind.name != "tombstone" and (stored := found.stored(key)) is not None
        }
        return Found(kept, now=request.options["now"])

    return bug


add_behaviour(
    "tombstone not read", "A fold does not ask who was erased.", ["erase"], _tombstones_unseen
)
add_rewrite(
    "contact left behind",
    "An erasure leaves the contact where it is.",
    ["erase"],
    lambda w: None if isinstance(w, Delete) and w.key.kind.name == "contact" else w,
)
add_behaviour(
    "decisions left behind",
    "An erasure does not look for decisions.",
    ["erase"],
    forgetful("recent_decisions", []),
)
add_behaviour(
    "belongings left behind",
    "An erasure does not look for orders and effects.",
    ["erase"],
    forgetful("belongings", []),
)
add_rewrite("no tombstone", "An erasure sets no tombstone.", ["erase"], left_out("tombstone"))
