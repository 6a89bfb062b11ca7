"""An occasion on which somebody is decided on unasked, and all that is known of them then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.core.actions import Action, Placement, Trigger
from chalicelib.core.address import address_hash
from chalicelib.core.contact import PURPOSES, Contact
from chalicelib.core.contact_policy import mails_left
from chalicelib.core.control import Switches
from chalicelib.core.facts import Facts
from chalicelib.core.kinds import ADDRESS, CONTACTED, LEARNING_KEY, LIVE_OFFER, MAILED
from chalicelib.core.limits import Limits, limit_keys, weigh
from chalicelib.core.observed import supplied_of
from chalicelib.core.offers import Offer, last_use, still_good
from chalicelib.core.rules import Rules
from chalicelib.core.situation import Context, Permissions, Situation, permissions_of, place_of
from chalicelib.core.storage import Found, Key
from chalicelib.core.tokens import SigningKeys


@dataclass(frozen=True, slots=True)
class Occasion:
    """What sets a decision off that nobody asked for.

    Attributes:
        decision_id: derived from the occasion, so that its repetition is the same decision.
        placement: ``mail`` for a trigger, ``batch`` for a drop.
        trigger: what happened; None for a drop.
        as_of: the moment at which the customer is described.
        correlation_id: ties effects to the message, file or schedule that began it.
    """

    decision_id: str
    placement: Placement
    trigger: Trigger | None
    as_of: int
    correlation_id: str


@dataclass(frozen=True, slots=True)
class Approach:
    """One customer on one occasion.

    Attributes:
        facts: brought up to date.
        contact: what they said of themselves.
        occasion: what sets the decision off.
        rules: what decides for this customer.
        address: their address by its HMAC, None where none is known.
    """

    facts: Facts
    contact: Contact | None
    occasion: Occasion
    rules: Rules
    address: str | None

    @property
    def actions(self) -> tuple[Action, ...]:
        """What the placement knows."""
        return self.rules.policy.actions_at(self.occasion.placement)

    def keys(self) -> tuple[Key[Any], ...]:
        """What must be known before deciding: codes, limits, recent contacts, withdrawn consent."""
        actions, subject_key = self.actions, self.facts.subject.key
        wanted: list[Key[Any]] = [*self._code_keys().values()]
        wanted += limit_keys(actions, subject_key, whole=True)
        if self.rules.policy.exploration is not None:
            wanted.append(LEARNING_KEY)
        if self.address is not None:
            wanted += [CONTACTED.key(self.address, action.id) for action in actions if action.mail]
            wanted += [ADDRESS.key(self.address), MAILED.key(self.address)]
        return tuple(wanted)

    def limits(self, found: Found, *, now: int) -> Limits:
        """What limits leave of what the placement may offer."""
        return weigh(self.actions, self.facts.subject.key, found, now=now, whole=True)

    def alone(self) -> Situation:
        """The situation as far as it is known without asking storage."""
        return self._situation(permissions=permissions_of(self.contact))

    def situation(
        self, found: Found, limits: Limits, switches: Switches, *, now: int, planned: int
    ) -> Situation:
        """The situation with what stands under ``keys``.

        ``planned`` is how many marketing mails the same write plans for them already.
        """
        codes = self._codes(found)
        return self._situation(
            limited=limits.refused,
            permissions=self._permissions(found),
            switches=switches,
            live_offers=still_good(codes, now=now),
            contacted=frozenset(
                action.id
                for action in self.actions
                if action.mail is not None
                and self.address is not None
                and found.stored(CONTACTED.key(self.address, action.id)) is not None
            ),
            redeemed_at=last_use(codes.values()),
            mails_left=self._mails_left(found, now=now, planned=planned),
            learned=None if self.rules.policy.exploration is None else found.value(LEARNING_KEY),
        )

    def _situation(self, **gathered: Any) -> Situation:
        occasion = self.occasion
        return Situation(
            decision_id=occasion.decision_id,
            subject=self.facts.subject,
            placement=occasion.placement,
            trigger=occasion.trigger,
            as_of=occasion.as_of,
            context=place_of(Context(), self.contact),
            facts=self.facts,
            supplied=supplied_of(self.contact, self.rules.policy.supplied_types),
            **gathered,
        )

    def _code_keys(self) -> Mapping[str, Key[Offer]]:
        names = self.rules.policy.codes_at(self.occasion.placement)
        return {name: LIVE_OFFER.key(self.facts.subject.key, name) for name in names}

    def _codes(self, found: Found) -> Mapping[str, Offer]:
        known = {name: found.value(key) for name, key in self._code_keys().items()}
        return {name: offer for name, offer in known.items() if offer is not None}

    def _permissions(self, found: Found) -> Permissions:
        """What the customer agreed to, less what the owner of the address said no to since."""
        said, contact = permissions_of(self.contact), self.contact
        address = None if self.address is None else found.value(ADDRESS.key(self.address))
        if contact is None or address is None:
            return said
        forbidden = [
            purpose
            for purpose in PURPOSES
            if address.forbids(
                purpose,
                subject_key=contact.subject.key,
                agreed_at=contact.agreed_at(purpose),
            )
        ]
        return replace(said, consents={**said.consents, **dict.fromkeys(forbidden, False)})

    def _mails_left(self, found: Found, *, now: int, planned: int) -> int | None:
        if self.address is None:
            return None
        policy, mailed = self.rules.policy.contact_policy, found.value(MAILED.key(self.address))
        return max(0, mails_left(mailed, policy=policy, now=now) - planned)


def approach(
    facts: Facts,
    contact: Contact | None,
    *,
    occasion: Occasion,
    rules: Rules,
    keys: SigningKeys | None = None,
) -> Approach:
    """A customer on an occasion; without ``keys`` nothing of their address is looked at."""
    email = None if contact is None or keys is None else contact.text("email")
    named = None
    if email is not None and keys is not None:
        named = address_hash(email, secret=keys.address_secret)
    mine = rules.under(facts.subject.key, as_of=occasion.as_of)
    return Approach(facts, contact, occasion, mine, named)
