"""Planted bugs that ask storage, provider, bus or queue for something else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeGuard

from chalicelib.core.effects import Effect
from chalicelib.core.errors import MailInDoubt, MailThrottled, Transient
from chalicelib.core.storage import WHATEVER, Check, Conflict, Delete, Found, Put, Write
from tests.crash.bugs import Planted, add
from tests.crash.gate import Bug, Perform, Request
from tests.crash.world import World

Change = Callable[[Write], Write | None]


def writes_changed(change: Change) -> Callable[[World], Bug]:
    """Every write passes through a change; None leaves it out."""

    def plant(_world: World) -> Bug:
        def bug(request: Request, perform: Perform) -> Any:
            if request.port != "write":
                return perform(request)
            changed = [new for old in request.what[0] if (new := change(old)) is not None]
            return perform(request.with_what(tuple(changed))) if changed else None

        return bug

    return plant


def is_put(write: Write, *kinds: str) -> TypeGuard[Put[Any]]:
    """Whether something of these kinds is saved."""
    return isinstance(write, Put) and write.key.kind.name in kinds


def unconditional(*kinds: str) -> Change:
    """Saves of these kinds ask for nothing."""
    return lambda write: replace(write, condition=WHATEVER) if is_put(write, *kinds) else write


def left_out(*kinds: str) -> Change:
    """Saves of these kinds are forgotten."""
    return lambda write: None if is_put(write, *kinds) else write


def unchecked(*kinds: str) -> Change:
    """Checks of these kinds are forgotten."""
    return lambda w: None if isinstance(w, Check) and w.key.kind.name in kinds else w


def of_state(*states: str) -> Callable[[Write], bool]:
    """Whether an effect is saved in one of these states."""
    return lambda write: is_put(write, "effect") and write.value.state in states


def effects_changed(change: Callable[[Effect], Effect], *states: str) -> Change:
    """Effects that are saved in these states are saved as something else."""
    fits = of_state(*states)

    def changed(write: Write) -> Write:
        if not (fits(write) and isinstance(write, Put)):
            return write
        return replace(write, value=change(write.value))

    return changed


def _gate(name: str, sentence: str, cases: Sequence[str], change: Change) -> None:
    add(Planted(name, sentence, cases, plant=writes_changed(change)))


def _any(name: str, sentence: str, cases: Sequence[str], plant: Callable[[World], Bug]) -> None:
    add(Planted(name, sentence, cases, plant=plant))


def forgetful(port: str, answer: Any = None) -> Callable[[World], Bug]:
    """Calls of a port are taken for made, and are not."""

    def plant(_world: World) -> Bug:
        return lambda request, perform: answer if request.port == port else perform(request)

    return plant


def _unconditional_if(fits: Callable[[Write], bool]) -> Change:
    return lambda w: replace(w, condition=WHATEVER) if isinstance(w, Put) and fits(w) else w


# --- the ledger ---------------------------------------------------------------------------------

ACT = ("act", "act, and SES tells")
_gate("claim without a condition", "A claim is saved whoever has the effect.", ACT,
      _unconditional_if(of_state("CLAIMED")))  # fmt: skip
_gate("permission without a condition", "The write that enters SENDING does not ask whether the "
      "effect is still ours.", ACT, _unconditional_if(of_state("SENDING")))  # fmt: skip
_gate("contact not checked", "The permission does not depend on the contact as it was read.",
      ["act, an erasure begun meanwhile"], unchecked("contact"))  # fmt: skip
_gate("address not checked", "The permission does not depend on the address as it was read.",
      ["act, unsubscribed meanwhile"], unchecked("address"))  # fmt: skip
_gate("switch not checked", "The permission does not depend on the kill switch as it was read.",
      ["act, switched off meanwhile"], unchecked("switch"))  # fmt: skip
_gate("cap counted without a condition", "The count of mails to an address is saved whoever "
      "counted meanwhile.", ["act, two for one address"], unconditional("mailed"))  # fmt: skip
_gate("cap not counted", "A permitted mail is not counted towards the cap.",
      ["act, two for one address"], left_out("mailed"))  # fmt: skip
_gate("doubt planned again", "A mail whose answer was lost is planned as if it were not out.", ACT,
      effects_changed(lambda e: replace(e, state="PLANNED", owner=None, lease_until=None),
                      "IN_DOUBT"))  # fmt: skip
_gate("lease without an end", "A claim is good for ever, so that nobody follows a dead worker.",
      ACT, effects_changed(lambda e: replace(e, lease_until=2**40), "CLAIMED"))  # fmt: skip
_gate("post not counted", "A transactional mail is posted and the post is not counted.",
      ["act", "act, and SES tells", "sweep"],
      effects_changed(lambda e: replace(e, posts=0), "SENDING", "IN_DOUBT"))  # fmt: skip
_gate("accepted not written", "What the provider took is not written down.", ACT,
      lambda w: None if of_state("ACCEPTED")(w) else w)  # fmt: skip
_gate("doubt called failed", "A mail whose answer was lost is called FAILED.", ACT,
      effects_changed(lambda e: replace(e, state="FAILED"), "IN_DOUBT"))  # fmt: skip
_gate("refused by nobody", "A mail is called ACCEPTED when it enters SENDING.", ACT,
      effects_changed(lambda e: replace(e, state="ACCEPTED"), "SENDING"))  # fmt: skip


def _fence_reused(world: World) -> Bug:
    def bug(request: Request, perform: Perform) -> Any:
        answer = perform(request)
        for write in request.what[0] if request.port == "write" else ():
            if of_state("CLAIMED", "SENDING")(write):
                row = world.store._rows[write.key]
                world.store._rows[write.key] = row._replace(version=row.version - 1)
        return answer

    return bug


_any("fence reused", "A claim keeps the version that it followed, so two workers hold it.",
     ACT, _fence_reused)  # fmt: skip


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


_any("sent before the permission", "The mail is handed over, and then the permission is written.",
     ACT, _send_first)  # fmt: skip


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


_any("lost race ignored", "A permission that lost its race is taken for one.",
     [*ACT, "act, unsubscribed meanwhile"], _conflict_ignored)  # fmt: skip


def _mail_retried(_world: World) -> Bug:
    def bug(request: Request, perform: Perform) -> Any:
        try:
            return perform(request)
        except MailInDoubt:
            return perform(request)

    return bug


_any("provider asked again", "The client retries a post whose answer was lost.", ACT,
     _mail_retried)  # fmt: skip


def _doubt_is_throttling(_world: World) -> Bug:
    def bug(request: Request, perform: Perform) -> Any:
        try:
            return perform(request)
        except MailInDoubt:
            raise MailThrottled("not sent") from None

    return bug


_any("doubt taken for throttling", "A lost answer is taken for a mail that was not taken.", ACT,
     _doubt_is_throttling)  # fmt: skip

# --- announcements and queues -------------------------------------------------------------------

_any("nothing published", "An event is confirmed that was never published.",
     ["act, events together"], forgetful("publish"))  # fmt: skip


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


_any("published after the confirmation", "An event is confirmed first and published then.",
     ["act, events together", "act"], _publish_late)  # fmt: skip


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


_any("a new id each time", "An event goes out under an id that is made when it is published.",
     ["act, events together"], _renamed)  # fmt: skip
_any("nothing queued", "What is put off or swept is noted, and no message is sent.",
     ["sweep", "act"], forgetful("queue"))  # fmt: skip
_any("a sweep that sees nothing", "The index of what stands still is not asked.", ["sweep"],
     forgetful("overdue", []))  # fmt: skip

# --- decisions and codes ------------------------------------------------------------------------


def _one_by_one(_world: World) -> Bug:
    def bug(request: Request, perform: Perform) -> Any:
        if request.port != "write":
            return perform(request)
        for write in request.what[0]:
            perform(request.with_what((write,)))
        return None

    return bug


_any("a transaction in pieces", "The writes of a decision are made one after the other.",
     ["decide", "redeem"], _one_by_one)  # fmt: skip
_gate("created over what is there", "Records and effects are saved whether or not they exist.",
      ["decide", "silence"],
      _unconditional_if(lambda w: is_put(w, "record", "effect", "live", "issued", "session",
                                         "facts", "allotment", "coupon", "contacted")))  # fmt: skip
_gate("live code not kept", "A code is issued and not kept as the customer's live one.",
      ["decide"], left_out("live", "issued"))  # fmt: skip
_gate("live code without a condition", "A code is issued whether or not the customer has one.",
      ["decide"], unconditional("live", "issued", "allotment"))  # fmt: skip
_gate("code not stored", "A code is shown that is not stored.", ["decide"],
      left_out("coupon"))  # fmt: skip
_gate("effect not stored", "A code is issued and its announcement is not planned.", ["decide"],
      left_out("effect"))  # fmt: skip
_gate("code and money without a condition", "A redemption saves code and budget whoever moved "
      "them meanwhile.", ["redeem", "redeem, by an order"],
      unconditional("coupon", "allotment", "live", "order"))  # fmt: skip
_gate("money without a condition", "A redemption saves the budget whoever took from it "
      "meanwhile.", ["redeem", "redeem, by an order"], unconditional("allotment"))  # fmt: skip
_gate("money not moved", "A redemption moves the code and forgets the money.", ["redeem"],
      left_out("allotment"))  # fmt: skip
_gate("order not noted", "A redemption is not noted with its order.", ["redeem"],
      left_out("order"))  # fmt: skip

# --- events, files and silence ------------------------------------------------------------------

_gate("facts without a condition", "A profile is saved whoever folded into it meanwhile.",
      ["event"], unconditional("facts"))  # fmt: skip
_gate("contact without a condition", "A contact is saved whoever changed it meanwhile.",
      ["event"], unconditional("contact", "facts", "order"))  # fmt: skip
_gate("message not remembered", "A message is folded and not remembered.", ["event"],
      left_out("message"))  # fmt: skip
_gate("orders not stored", "An order is counted and its item is not saved.", ["event", "drop"],
      left_out("order"))  # fmt: skip
_gate("drop ended early", "A file is called COMPLETE when its work begins.", ["drop"],
      lambda w: replace(w, value=replace(w.value, state="COMPLETE"))
      if is_put(w, "drop") and isinstance(w, Put) else w)  # fmt: skip
_any("results not left", "A file is called COMPLETE and its results are not written.", ["drop"],
     forgetful("put"))  # fmt: skip

# --- feedback and unsubscribing -----------------------------------------------------------------

_gate("feedback without a condition", "An event is counted whoever counted it meanwhile.",
      ["feedback"], unconditional("effect", "breaker", "address"))  # fmt: skip
_gate("bounce not counted", "A bounce moves the mail and is not counted by the breaker.",
      ["feedback"], left_out("breaker"))  # fmt: skip
_gate("complaint without consequence", "A complaint does not suppress the address.",
      ["feedback"], left_out("address"))  # fmt: skip
_gate("unsubscription not stored", "An unsubscription is confirmed and not stored.",
      ["unsubscribe"], left_out("address"))  # fmt: skip


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


_any("unsubscription taken for stored", "Storage did not answer, and the page says done.",
     ["unsubscribe"], _hopeful)  # fmt: skip

# --- erasure ------------------------------------------------------------------------------------

_gate("tombstone not checked", "A fold does not depend on nobody having been erased meanwhile.",
      ["event, erased meanwhile"],
      lambda w: unchecked("tombstone")(
          replace(w, condition=WHATEVER) if is_put(w, "facts", "contact") else w  
      ))  # fmt: skip


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


_any("tombstone not read", "A fold does not ask who was erased.", ["erase"],
     _tombstones_unseen)  # fmt: skip
_gate("contact left behind", "An erasure leaves the contact where it is.", ["erase"],
      lambda w: None if isinstance(w, Delete) and w.key.kind.name == "contact" else w)  # fmt: skip
_any("decisions left behind", "An erasure does not look for decisions.", ["erase"],
     forgetful("recent_decisions", []))  # fmt: skip
_any("belongings left behind", "An erasure does not look for orders and effects.", ["erase"],
     forgetful("belongings", []))  # fmt: skip
_gate("no tombstone", "An erasure sets no tombstone.", ["erase"],
      left_out("tombstone"))  # fmt: skip
