"""What one customer of a drop comes to: a decision where some action wants them, and all writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.core.contact import Contact
from chalicelib.core.control import Switches
from chalicelib.core.decide import Decision
from chalicelib.core.kinds import CONTACT, FACTS, RECORD
from chalicelib.core.policy import Policy
from chalicelib.core.reach import reach_out
from chalicelib.core.record import decision_from_json
from chalicelib.core.storage import AtVersion, Check, Found, Key, Write, merged
from chalicelib.flows.drop_fold import DropGiven, Folded
from chalicelib.flows.heard_consent import heard_writes
from chalicelib.flows.learned import is_control
from chalicelib.flows.refused_mail import refusal_writes
from chalicelib.flows.settled import Review, review_writes

# Of these orders and corrections are left room for profile, contact, consent and a decision.
MOST_CHANGES = 54


@dataclass(frozen=True, slots=True)
class Planned:
    """One customer, ready to be written; ``writes`` is None where one transaction is too small."""

    folded: Folded
    writes: tuple[Write, ...] | None


def plan_person(each: Folded, known: Found, switches: Switches, about: DropGiven) -> Planned:
    """Everything that one customer's rows come to, as writes."""
    if len(each.writes) > MOST_CHANGES:
        return Planned(each, None)
    decided = _decide(each, known, switches, about)
    saved: tuple[Write, ...] = ()
    if each.changed:
        review = Review(each.settled, each.contact, each.version, None, ())
        saved, _ = review_writes([review], Found({}, now=about.given.now), about.given)
        each.outcome.effects["event"] += int(each.settled.transition is not None)
    said = _said_of_consent(each, known, about)
    writes = merged((*saved, *each.writes, *said, *decided))
    return Planned(each, (*writes, *_checks(each, writes)))


def _said_of_consent(each: Folded, known: Found, about: DropGiven) -> tuple[Write, ...]:
    """A no to mail under its address, and an entry in the ledger for each consent that changed."""
    given, changes = about.given, each.changed_contacts
    return (
        *refusal_writes([changed.after for changed in changes], known, keys=given.keys),
        *heard_writes(
            changes,
            known,
            source="file",
            reference=given.correlation_id,
            keys=given.keys,
            now=given.now,
        ),
    )


def _checks(each: Folded, writes: Iterable[Write]) -> Iterator[Write]:
    """That what was read and is not saved still stands.

    A file of orders and one of customers may come together: whoever is later must see the other,
    or neither would decide on a customer whose orders and whose address are both known.
    """
    subject_key = each.person.subject.key
    saved = {write.key for write in writes}
    read: list[tuple[Key[Any], int]] = [(CONTACT.key(subject_key), each.contact_version)]
    if each.version:  # that there was no profile is looked up once more, which costs less
        read.append((FACTS.key(subject_key), each.version))
    if saved:
        yield from each.tombs
        yield from (Check(key, AtVersion(version)) for key, version in read if key not in saved)


def _decide(each: Folded, known: Found, switches: Switches, about: DropGiven) -> tuple[Write, ...]:
    """Decide for those whom some action could want; what chose nothing is not recorded.

    Except where an action was withheld, and the policy learns from what became of that, or where an
    experiment kept something back: whoever is compared with must be known, too.
    """
    if not each.reachable:
        return ()
    record = known.value(RECORD.key(each.occasion.decision_id))
    if record is not None:  # an earlier attempt of this drop decided and stored it
        _note(each, decision_from_json(record["decision"]), about)
        return ()
    decision, writes = reach_out(
        each.settled.facts,
        each.contact,
        known,
        occasion=each.occasion,
        switches=switches,
        rules=about.given.rules,
        keys=about.given.keys,
        now=about.given.now,
    )
    policy = _note(each, decision, about)
    compared = decision.is_evidence or is_control(decision, policy)
    return writes if decision.chosen or compared else ()


def _note(each: Folded, decision: Decision, about: DropGiven) -> Policy:
    """Put action and reason into the customer's line, and what the decision sets in motion.

    Returns the policy that decided.
    """
    subject_key, at = each.person.subject.key, each.occasion.as_of
    policy = about.given.rules.under(subject_key, as_of=at).policy
    each.outcome.decided = bool(decision.chosen)
    each.outcome.fallback = each.outcome.decided and decision.scores.fallback
    each.outcome.effects += _effects_of(decision, each.contact, policy)
    if each.outcome.row is None or not decision.candidates:
        return policy
    told = next(
        (c for c in decision.candidates if c.outcome == "chosen" and c.layer != "fallback"),
        decision.candidates[0],
    )
    action = told.action if told.outcome == "chosen" else ""
    each.outcome.row = replace(each.outcome.row, action=action, reason=told.reason)
    return policy


def _effects_of(decision: Decision, contact: Contact | None, policy: Policy) -> Counter[str]:
    """How many effects of each kind a batch decision plans, whichever attempt stored it."""
    mailable = contact is not None and contact.text("email") is not None
    actions = [policy.action(action_id) for action_id in decision.chosen]
    mails = sum(action is not None and action.mail is not None for action in actions)
    planned = Counter(offer=len(decision.issued), mail=mails if mailable else 0)
    return +planned
