"""Planted bugs in the ledger, in what is announced and in what is queued."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chalicelib.core.errors import MailInDoubt, MailThrottled
from chalicelib.core.storage import Conflict
from tests.crash.gate import Bug, Perform, Request
from tests.crash.rewrites import (
    add_behaviour,
    add_rewrite,
    effects_changed,
    forgetful,
    left_out,
    of_state,
    unchecked,
    unconditional,
    unconditional_if,
)
from tests.crash.world import World

# --- the ledger ---------------------------------------------------------------------------------

ACT = ("act", "act, and SES tells")
add_rewrite(
    "claim without a condition",
    "A claim is saved whoever has the effect.",
    ACT,
    unconditional_if(of_state("CLAIMED")),
)
add_rewrite(
    "permission without a condition",
    "The write that enters SENDING does not ask whether the effect is still ours.",
    ACT,
    unconditional_if(of_state("SENDING")),
)
add_rewrite(
    "contact not checked",
    "The permission does not depend on the contact as it was read.",
    ["act, an erasure begun meanwhile"],
    unchecked("contact"),
)
add_rewrite(
    "address not checked",
    "The permission does not depend on the address as it was read.",
    ["act, unsubscribed meanwhile"],
    unchecked("address"),
)
add_rewrite(
    "switch not checked",
    "The permission does not depend on the kill switch as it was read.",
    ["act, switched off meanwhile"],
    unchecked("switch"),
)
add_rewrite(
    "cap counted without a condition",
    "The count of mails to an address is saved whoever counted meanwhile.",
    ["act, two for one address"],
    unconditional("mailed"),
)
add_rewrite(
    "cap not counted",
    "A permitted mail is not counted towards the cap.",
    ["act, two for one address"],
    left_out("mailed"),
)
add_rewrite(
    "doubt planned again",
    "A mail whose answer was lost is planned as if it were not out.",
    ACT,
    effects_changed(
        lambda e: replace(e, state="PLANNED", owner=None, lease_until=None), "IN_DOUBT"
    ),
)
add_rewrite(
    "lease without an end",
    "A claim is good for ever, so that nobody follows a dead worker.",
    ACT,
    effects_changed(lambda e: replace(e, lease_until=2**40), "CLAIMED"),
)
add_rewrite(
    "post not counted",
    "A transactional mail is posted and the post is not counted.",
    ["act", "act, and SES tells", "sweep"],
    effects_changed(lambda e: replace(e, posts=0), "SENDING", "IN_DOUBT"),
)
add_rewrite(
    "accepted not written",
    "What the provider took is not written down.",
    ACT,
    lambda w: None if of_state("ACCEPTED")(w) else w,
)
add_rewrite(
    "doubt called failed",
    "A mail whose answer was lost is called FAILED.",
    ACT,
    effects_changed(lambda e: replace(e, state="FAILED"), "IN_DOUBT"),
)
add_rewrite(
    "refused by nobody",
    "A mail is called ACCEPTED when it enters SENDING.",
    ACT,
    effects_changed(lambda e: replace(e, state="ACCEPTED"), "SENDING"),
)


def _fence_reused(world: World) -> Bug:
    def bug(request: Request, perform: Perform) -> Any:
        answer = perform(request)
        for write in request.what[0] if request.port == "write" else ():
            if of_state("CLAIMED", "SENDING")(write):
                row = world.store._rows[write.key]
                world.store._rows[write.key] = row._replace(version=row.version - 1)
        return answer

    return bug


add_behaviour(
    "fence reused",
    "A claim keeps the version that it followed, so two workers hold it.",
    ACT,
    _fence_reused,
)


def _send_first(_world: World) -> Bug:
    waiting: list[tuple[Request, Perform]] = []

    def bug(request: Request, perform: Perform) -> Any:
        if request.port == "write" and any(map(of_state("SENDING"), request.what[0])):
            waiting.append((request, perform))
            return None
        answer = perform(request)
        if request.port == "mail" and waiting:
            permission, write = waiting.pop()
            write(permission)
        return answer

    return bug


add_behaviour(
    "sent before the permission",
    "The mail is handed over, and then the permission is written.",
    ACT,
    _send_first,
)


def _conflict_ignored(_world: World) -> Bug:
    def bug(request: Request, perform: Perform) -> Any:
        permits = request.port == "write" and any(map(of_state("SENDING"), request.what[0]))
        try:
            return perform(request)
        except Conflict:
            if not permits:
                raise
            return None

    return bug


add_behaviour(
    "lost race ignored",
    "A permission that lost its race is taken for one.",
    [*ACT, "act, unsubscribed meanwhile"],
    _conflict_ignored,
)


def _mail_retried(_world: World) -> Bug:
    def bug(request: Request, perform: Perform) -> Any:
        try:
            return perform(request)
        except MailInDoubt:
            return perform(request)

    return bug


add_behaviour(
    "provider asked again", "The client retries a post whose answer was lost.", ACT, _mail_retried
)


def _doubt_is_throttling(_world: World) -> Bug:
    def bug(request: Request, perform: Perform) -> Any:
        try:
            return perform(request)
        except MailInDoubt:
            raise MailThrottled("not sent") from None

    return bug


add_behaviour(
    "doubt taken for throttling",
    "A lost answer is taken for a mail that was not taken.",
    ACT,
    _doubt_is_throttling,
)

# --- announcements and queues -------------------------------------------------------------------

add_behaviour(
    "nothing published",
    "An event is confirmed that was never published.",
    ["act, events together"],
    forgetful("publish"),
)


def _publish_late(_world: World) -> Bug:
    waiting: list[tuple[Request, Perform]] = []

    def bug(request: Request, perform: Perform) -> Any:
        if request.port == "publish":
            waiting.append((request, perform))
            return None
        answer = perform(request)
        if waiting and request.port == "write":
            event, publish = waiting.pop()
            publish(event)
        return answer

    return bug


add_behaviour(
    "published after the confirmation",
    "An event is confirmed first and published then.",
    ["act, events together", "act"],
    _publish_late,
)


def _renamed(_world: World) -> Bug:
    published = 0

    def bug(request: Request, perform: Perform) -> Any:
        nonlocal published
        if request.port != "publish":
            return perform(request)
        published += 1
        events = [replace(e, event_id=f"{e.event_id}-{published}") for e in request.what[0]]
        return perform(request.with_what(tuple(events)))

    return bug


add_behaviour(
    "a new id each time",
    "An event goes out under an id that is made when it is published.",
    ["act, events together"],
    _renamed,
)
add_behaviour(
    "nothing queued",
    "What is put off or swept is noted, and no message is sent.",
    ["sweep", "act"],
    forgetful("queue"),
)
add_behaviour(
    "a sweep that sees nothing",
    "The index of what stands still is not asked.",
    ["sweep"],
    forgetful("overdue", []),
)
