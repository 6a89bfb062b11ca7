"""What is read for the customers of a drop, and what the decisions on them need to know."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from chalicelib.core.identity import further_keys
from chalicelib.core.kinds import RECORD
from chalicelib.core.ports import Store
from chalicelib.core.reach import reach_keys
from chalicelib.core.storage import Found, Key, Stored
from chalicelib.flows.codes import code_keys
from chalicelib.flows.drop_fold import DropGiven, Folded, person_keys
from chalicelib.flows.drop_person import Person
from chalicelib.flows.heard_consent import heard_keys
from chalicelib.flows.refused_mail import refusal_keys
from chalicelib.flows.settled import switch_key
from chalicelib.flows.tombs import with_tombs


def gather_people(people: Iterable[Person], store: Store, about: DropGiven) -> Found:
    """Read everything that these people's rows concern, and what that points to."""
    standing: dict[Key[Any], Stored[Any] | None] = {}
    wanted: Iterable[Key[Any]] = [
        switch_key(about.given),
        *(key for person in people for key in person_keys(person)),
    ]
    while missing := [
        key for key in dict.fromkeys(with_tombs(wanted, about.given.keys)) if key not in standing
    ]:
        found = store.read(missing, now=about.given.now)
        standing |= {key: found.stored(key) for key in missing}
        policy = about.given.rules.policy
        wanted = (*further_keys(found, missing), *code_keys(found, missing, policy))
    return Found({key: at for key, at in standing.items() if at is not None}, now=about.given.now)


def decision_keys(each: Folded, about: DropGiven) -> tuple[Key[Any], ...]:
    """What a decision on this customer needs to know; nothing when no action could want them."""
    if not each.reachable:
        return ()
    gathered = reach_keys(
        each.settled.facts,
        each.contact,
        occasion=each.occasion,
        rules=about.given.rules,
        keys=about.given.keys,
    )
    return (*gathered, RECORD.key(each.occasion.decision_id))


def consent_keys(each: Folded, about: DropGiven) -> tuple[Key[Any], ...]:
    """Where it is kept what these rows say of consent: at the address, and in the ledger."""
    contacts = [changed.after for changed in each.changed_contacts]
    nos = refusal_keys(contacts, keys=about.given.keys)
    return (*nos, *heard_keys(each.changed_contacts))
