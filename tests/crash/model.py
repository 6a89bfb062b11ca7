"""The reference model: what must hold whatever broke, said without the product's own rules.

It watches every write as storage takes it and every mail as the provider takes it, and at the end
it looks at the tables. It knows keys and fields, and decides nothing by the functions that the
flows decide by.

* A marketing mail is taken at most once, a transactional one at most twice.
* A mail is taken only under a permission: a stored SENDING that followed a claim by its owner, and
  never more mails than permissions. No permission follows a stored no, a suppression, an erasure,
  a kill switch that was flipped whole, or as many mails as the cap allows.
* Every row is terminal or held: an effect ended, or waits for a moment that is still to come; no
  lock of a code outlives its end and one sweep; a file was worked through or refused; an erasure
  that was begun is complete.
* What ended leaves its end only for what the provider says. What the ledger calls taken was taken.
  With SES's events the reverse holds too, without them a mail may be left over in doubt or
  abandoned, and is counted.
* An event is announced at least once, under the id of an effect that is then ACCEPTED.
* A code is in one state; its redemptions keep to its limit; held + spent ≤ budget, shard by shard
  and together, equal to what the codes say; a customer has one live code for an action.
* A consent ledger hangs together, and says nothing twice.
* An account is saved with the keyed hash of its own address, and a guest with none.
* What an answer promised is stored. Nothing of an erased person comes back, and nothing is decided
  from what they did.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chalicelib.core.address import AddressState, address_hash
from chalicelib.core.contact import Contact
from chalicelib.core.control import SWITCH_COPIES
from chalicelib.core.effects import Effect
from chalicelib.core.kinds import ADDRESS, CONSENT, CONTACT, EFFECT, RECORD, SWITCH, TOMBSTONE
from chalicelib.core.ports import BusEvent
from chalicelib.core.storage import Key, Put, Write
from chalicelib.core.tombstones import subject_hash
from tests.crash.books import books, ledgers, under_way
from tests.fakes import SIGNING_KEYS

TAKEN = {"ACCEPTED", "DELIVERED", "BOUNCED", "COMPLAINED", "REJECTED"}
ENDED = TAKEN | {"FAILED", "SUPPRESSED", "ABANDONED"}
Rows = Mapping[Key[Any], Any]


@dataclass(frozen=True, slots=True)
class Expected:
    """What the model is told of a case.

    Attributes:
        budget_minor: the money that codes may cost; None where nobody set any.
        most_mails: the cap on marketing mails to an address.
        canary: a word that only things of the erased person hold; None where nobody is erased.
        hears: whether SES's events arrive, so that no doubt may remain about what was taken.
    """

    budget_minor: int | None = None
    most_mails: int = 4
    canary: str | None = None
    hears: bool = False


@dataclass(slots=True)
class Model:
    """What was seen of one run.

    Attributes:
        expected: what the model was told.
        violations: what did not hold.
        permissions: how often each mail was permitted.
        taken: how often the provider took each mail.
        announced: how often the bus took each event.
        inherited: mails that were permitted before the run began; their fate is not the run's.
    """

    expected: Expected = field(default_factory=Expected)
    violations: list[str] = field(default_factory=list)
    permissions: Counter[str] = field(default_factory=Counter)
    taken: Counter[str] = field(default_factory=Counter)
    inherited: set[str] = field(default_factory=set)
    announced: Counter[str] = field(default_factory=Counter)

    def wrong(self, what: str) -> None:
        """Note a violation, once."""
        if what not in self.violations:
            self.violations.append(what)

    # --- while it runs --------------------------------------------------------------------------

    def saw_write(self, before: Rows, writes: Sequence[Write], *, now: int) -> None:
        """Judge a write that storage has just taken, by what stood before it."""
        for write in writes:
            if isinstance(write, Put) and write.key.kind is EFFECT:
                old = before.get(write.key)
                self._saw_effect(old, write.value, before, now)
            if isinstance(write, Put) and write.key.kind is RECORD and write.key not in before:
                self._saw_record(write.value, before)
            if isinstance(write, Put) and write.key.kind is CONSENT and write.key in before:
                self.wrong("an entry of a consent ledger was written over")
            if isinstance(write, Put) and write.key.kind is CONTACT:
                self._saw_contact(write.value)

    def saw_mail(self, tags: Mapping[str, str]) -> None:
        """Judge a mail that the provider has just taken."""
        effect_id = tags.get("effect_id", "?")
        self.taken[effect_id] += 1
        if self.taken[effect_id] > self.permissions[effect_id]:
            self.wrong("a mail was taken without a permission of its own")

    def saw_events(self, events: Iterable[BusEvent]) -> None:
        """Note what the bus has taken."""
        for event in events:
            self.announced[event.event_id] += 1

    def _saw_contact(self, contact: Contact) -> None:
        email = contact.text("email")
        is_account = email is not None and contact.subject.kind == "customer"
        own = address_hash(email or "", secret=SIGNING_KEYS.address_secret) if is_account else None
        if contact.address_hash != own:
            self.wrong("an account is found by another address than its own, or by none")

    def _saw_effect(self, old: Effect | None, new: Effect, before: Rows, now: int) -> None:
        if old is None:
            return
        if new.state == "SENDING" and old.state != "SENDING":
            self._saw_permission(old, new, before, now)
        if old.state in ENDED and new.state not in {old.state, *TAKEN}:
            self.wrong(f"an effect left its end: {old.state} → {new.state}")
        if old.state in ("SENDING", "IN_DOUBT") and new.state == "PLANNED":
            self.wrong(f"a mail that may be out was planned again: {old.state} → PLANNED")
        if old.state == "CLAIMED" and new.state == "CLAIMED" and old.owner not in (None, new.owner):
            if old.lease_until is not None and old.lease_until > now:
                self.wrong("a living claim was taken over")

    def _saw_record(self, record: Mapping[str, Any], before: Rows) -> None:
        named = subject_hash(record["subject"], secret=SIGNING_KEYS.address_secret)
        tomb = before.get(TOMBSTONE.key("s", named))
        known = record["situation"].get("facts") is not None
        if known and tomb is not None and record["decided_at"] <= tomb.at:
            self.wrong("a decision was stored that was made from what an erased person did")

    def _saw_permission(self, old: Effect, new: Effect, before: Rows, now: int) -> None:
        self.permissions[new.effect_id] += 1
        if old.state == "CLAIMED" and old.owner != new.owner:
            self.wrong("a mail was permitted to somebody who had not claimed it")
        if old.state not in ("CLAIMED", "IN_DOUBT"):
            self.wrong(f"a mail was permitted without a claim: {old.state} → SENDING")
        why = self._forbids(new, before, now)
        if why is not None:
            self.wrong(f"a mail was permitted in spite of {why}")

    def _forbids(self, effect: Effect, rows: Rows, now: int) -> str | None:
        """Why nobody may be mailed by what is stored, None when they may."""
        contact: Contact | None = rows.get(CONTACT.key(effect.subject_key))
        if contact is None or contact.text("email") is None:
            return "a contact without an address"
        tomb = TOMBSTONE.key(
            "s", subject_hash(effect.subject_key, secret=SIGNING_KEYS.address_secret)
        )
        if tomb in rows and effect.planned_at <= rows[tomb].at:
            return "an erasure"
        switches = [rows.get(SWITCH.key(str(copy))) for copy in range(SWITCH_COPIES)]
        if all(each is not None and not each.sending for each in switches):
            return "the kill switch"
        return self._unwanted(effect, contact, rows)

    def _unwanted(self, effect: Effect, contact: Contact, rows: Rows) -> str | None:
        """What the person, or the owner or provider of the address, has against it."""
        purpose = effect.payload.get("purpose", "")
        transactional = purpose == "transactional"
        named = address_hash(contact.text("email") or "", secret=SIGNING_KEYS.address_secret)
        address: AddressState = rows.get(ADDRESS.key(named)) or AddressState()
        if purpose in address.withdrawn and not address.regranted.get(purpose):
            return "a withdrawal"
        if ("transactional" if transactional else "marketing") in address.suppressed:
            return "a suppression"
        if contact.consent(purpose) is False:
            return "a no"
        if transactional:
            return None
        if contact.consent(purpose) is not True:
            return "a missing yes"
        return "the cap" if self._lately(effect, contact, rows) else None

    def _lately(self, effect: Effect, contact: Contact, rows: Rows) -> bool:
        """Whether the address was permitted as many other marketing mails as it may get."""
        others = [
            other
            for key, other in rows.items()
            if key.kind is EFFECT
            and other.effect_id != effect.effect_id
            and other.kind == "mail"
            and other.payload.get("purpose") != "transactional"
            and self.permissions[other.effect_id]
            and (them := rows.get(CONTACT.key(other.subject_key))) is not None
            and them.text("email") == contact.text("email")
        ]
        return len(others) >= self.expected.most_mails

    # --- in the end -----------------------------------------------------------------------------

    def check(self, rows: Rows, *, now: int, text: str) -> None:
        """Look at the tables once all is quiet; ``text`` is all that is stored."""
        effects = [value for key, value in rows.items() if key.kind is EFFECT]
        for effect in effects:
            self._check_effect(effect, now)
        known = {effect.effect_id for effect in effects}
        for name in self.announced.keys() | self.taken.keys():
            if name not in known:
                self.wrong("something was sent of which no ledger knows")
        for what in (
            *under_way(rows, now=now),
            *books(rows, self.expected.budget_minor, now=now),
            *ledgers(rows),
        ):
            self.wrong(what)
        if self.expected.canary is not None and self.expected.canary in text:
            self.wrong("something of an erased person came back")

    def lost(self, rows: Rows) -> int:
        """Marketing mails that were permitted, never taken, and are not tried again."""
        return sum(
            key.kind is EFFECT
            and value.state in ("IN_DOUBT", "ABANDONED")
            and self.permissions[value.effect_id]
            and value.effect_id not in self.inherited
            and not self.taken[value.effect_id]
            for key, value in rows.items()
        )

    def in_doubt(self, rows: Rows) -> int:
        """Mails that were taken, and of which the ledger does not know it."""
        return sum(
            key.kind is EFFECT
            and value.state in ("IN_DOUBT", "ABANDONED")
            and value.effect_id not in self.inherited
            and self.taken[value.effect_id] > 0
            for key, value in rows.items()
        )

    def _check_effect(self, effect: Effect, now: int) -> None:
        held = effect.state == "PLANNED" and (effect.not_before or 0) > now
        if effect.state not in ENDED and not held:
            self.wrong(f"an effect neither ended nor is held: {effect.state}")
        if effect.kind == "mail":
            self._check_mail(effect, self.taken[effect.effect_id])
        elif (effect.state == "ACCEPTED") != bool(self.announced[effect.effect_id]):
            self.wrong("ledger and bus disagree about an announcement")

    def _check_mail(self, effect: Effect, times: int) -> None:
        transactional = effect.payload.get("purpose") == "transactional"
        if times > (2 if transactional else 1):
            self.wrong(f"a mail was taken {times} times")
        told_taken = effect.state in TAKEN
        told_not = effect.state in ("FAILED", "SUPPRESSED", "PLANNED")
        if (told_taken and not times) or (told_not and times):
            self.wrong(f"the ledger says {effect.state}, and a mail was taken {times} times")
        if self.expected.hears and times and not told_taken:
            self.wrong(f"SES told that it took a mail, and the ledger says {effect.state}")
        unknown = effect.reason in ("no_answer", "worker_vanished", "unresolved")
        if transactional and unknown and not (told_taken or times) and effect.posts < 2:
            self.wrong("a transactional mail was given up with a post left")
