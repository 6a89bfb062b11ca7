"""Planned mails, the people they go to, and what the worker needs: shared by the mail tests."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from html import unescape
from typing import Any, cast

from chalicelib.core.address import AddressState, address_hash
from chalicelib.core.contact import Contact, Stamped
from chalicelib.core.control import SWITCH_COPIES, Switches
from chalicelib.core.effects import Effect, EffectKind
from chalicelib.core.kinds import ADDRESS, CONTACT, EFFECT, SWITCH
from chalicelib.core.offers import Offer, offer_to_json
from chalicelib.core.storage import WHATEVER, Put
from chalicelib.core.subject import Subject, customer
from chalicelib.flows.act import ActPorts, from_messages, perform
from chalicelib.flows.act_log import Outcome
from chalicelib.mail.compose import Composed, MailSettings, compose
from tests.fakes import SIGNING_KEYS, MemoryBus, MemoryMailer, MemoryQueue, MemoryStore

NOW = 1_772_000_000  # 2026-02-25T06:13:20Z
EMAIL = "ada@example.com"
ADA = customer("c-1")
NEW_YORK = "THIS PRICE WAS SET BY AN ALGORITHM USING YOUR PERSONAL DATA"
POSTAL_ADDRESS = "Record Exchange, 12 High Street, Springfield, IL 62701, USA"
SETTINGS = MailSettings(
    sender="Record Exchange <hello@records.example>",
    postal_address=POSTAL_ADDRESS,
    public_url="https://a1b2c3.execute-api.eu-west-1.amazonaws.com/api",
    currency="USD",
)
TEN_PERCENT = Offer("winback-10", "7Q4MZX9KTB2H", "percent_off", 10, expires_at=NOW + 1_209_600)


def mail_payload(**changes: Any) -> dict[str, Any]:
    """What planning writes for a win-back mail with an offer; None takes a field away."""
    payload: dict[str, Any] = {
        "template": "winback",
        "purpose": "marketing_email",
        "segment": "at_risk",
        "disclosures": [NEW_YORK],
        "offer": offer_to_json(TEN_PERCENT),
        **changes,
    }
    return {name: value for name, value in payload.items() if value is not None}


def mail_effect(effect_id: str = "e" * 32, *, subject: Subject = ADA, **changes: Any) -> Effect:
    """A planned mail."""
    return effect("mail", effect_id, payload=mail_payload(**changes), subject=subject)


def effect(
    kind: EffectKind,
    effect_id: str = "e" * 32,
    *,
    action: str = "winback-10",
    payload: Mapping[str, Any],
    subject: Subject = ADA,
) -> Effect:
    """A planned effect of any kind."""
    return Effect(effect_id, kind, action, subject.key, "d-1", "correlation-1", NOW, payload)


def contact_of(
    subject: Subject = ADA, *, consents: Mapping[str, bool] | None = None, **texts: str | None
) -> Contact:
    """A customer with an address who agreed to marketing; None takes a text away."""
    said: dict[str, str | None] = {"email": EMAIL, "first_name": "Ada", **texts}
    agreed = {"marketing_email": True} if consents is None else consents
    return Contact(
        subject,
        {
            **{name: Stamped(text, 1) for name, text in said.items() if text is not None},
            **{f"consent_{purpose}": Stamped(yes, 1) for purpose, yes in agreed.items()},
        },
    )


def hash_of(email: str) -> str:
    """The name of an address."""
    return address_hash(email, secret=SIGNING_KEYS.address_secret)


def composed(planned: Effect, contact: Contact | None = None, **changes: Any) -> Composed:
    """Compose a planned mail."""
    arguments: dict[str, Any] = {
        "contact": contact or contact_of(),
        "address_hash": hash_of(EMAIL),
        "product": None,
        "settings": SETTINGS,
        "keys": SIGNING_KEYS,
        "now": NOW,
        **changes,
    }
    return compose(planned, **arguments)


@dataclass(frozen=True, slots=True)
class Parsed:
    """A mail as a mail program takes it apart."""

    message: EmailMessage
    text: str
    html: str

    @property
    def visible(self) -> str:
        """What a reader sees of the HTML part: no markup, and blanks as one."""
        body = re.sub(r"<(style|title)>.*?</\1>|<!--.*?-->", "", self.html, flags=re.DOTALL)
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


def parse(raw: bytes) -> Parsed:
    """Take a raw mail apart."""
    message = message_from_bytes(raw, policy=default)
    parts = list(message.iter_parts())
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
    text, html = (cast("EmailMessage", part).get_content() for part in parts)
    return Parsed(message, text, html)


@dataclass(frozen=True, slots=True)
class World:
    """A worker's surroundings in memory."""

    store: MemoryStore = field(default_factory=MemoryStore)
    bus: MemoryBus = field(default_factory=MemoryBus)
    mailer: MemoryMailer = field(default_factory=MemoryMailer)
    later: MemoryQueue = field(default_factory=MemoryQueue)
    aside: MemoryQueue = field(default_factory=MemoryQueue)
    parked: MemoryQueue = field(default_factory=MemoryQueue)

    @property
    def ports(self) -> ActPorts:
        """What the worker is given."""
        return ActPorts(self.store, self.bus, self.mailer, self.later, SIGNING_KEYS, mail=SETTINGS)

    def ports_with(self, **ports: Any) -> ActPorts:
        """What the worker is given, some of it replaced."""
        return replace(self.ports, **ports)

    def free(self, effect_id: str) -> None:
        """Let the lease of a claim run out."""
        effect = self.effect(effect_id)
        if effect.state == "CLAIMED":
            self.plan(replace(effect, lease_until=None))

    def plan(self, *effects: Effect) -> None:
        """Commit planned effects."""
        for each in effects:
            self.store.write([Put(EFFECT.key(each.effect_id), each, WHATEVER)], now=NOW)

    def meet(self, *contacts: Contact) -> None:
        """Store what customers said."""
        for contact in contacts:
            put = Put(CONTACT.key(contact.subject.key), contact, WHATEVER)
            self.store.write([put], now=NOW)

    def withdraw(self, email: str = EMAIL) -> None:
        """Let the owner of an address withdraw consent to marketing."""
        state = AddressState({"marketing_email": NOW})
        self.store.write([Put(ADDRESS.key(hash_of(email)), state, WHATEVER)], now=NOW)

    def switch(self, *, sending: bool) -> None:
        """Flip the kill switch, all copies."""
        for copy in range(SWITCH_COPIES):
            put = Put(SWITCH.key(str(copy)), Switches(sending=sending), WHATEVER)
            self.store.write([put], now=NOW)

    def act(
        self,
        effect_id: str = "e" * 32,
        *,
        now: int = NOW,
        worker: str = "w-1",
        **ports: Any,
    ) -> Outcome:
        """Let a worker have the message that an effect has by now, with some ports replaced."""
        given = replace(self.ports, **ports)
        standing = self.store.one(EFFECT.key(effect_id))
        return perform(
            effect_id,
            ports=given,
            now=now,
            worker=worker,
            correlation_id="c",
            held_until=None if standing is None else standing.not_before,
        )

    def receive(
        self, event: Mapping[str, Any], *, now: int = NOW, worker: str = "w-1", **ports: Any
    ) -> list[str]:
        """Let a worker handle an SQS event; returns the ids of the messages that come back."""
        given = replace(self.ports, **ports)
        answer = from_messages(event, ports=given, now=now, worker=worker)
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]

    def effect(self, effect_id: str = "e" * 32) -> Effect:
        """An effect as it stands."""
        effect = self.store.one(EFFECT.key(effect_id))
        assert effect is not None
        return effect


def world_with_a_mail() -> World:
    """Ada, who agreed to marketing, and one mail planned for her; calls are counted from here."""
    world = World()
    world.meet(contact_of())
    world.plan(mail_effect())
    world.store.calls.clear()
    return world


def message_of(effect: Effect) -> dict[str, Any]:
    """What a message of an effect that nobody holds says."""
    return {
        "effect_id": effect.effect_id,
        "correlation_id": effect.correlation_id,
        "planned_at": effect.planned_at,
    }


def sqs_event(
    *messages: str | Mapping[str, Any], bodies: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Lambda's SQS event: message ids ``m-0`` and so on, then those of ``bodies``.

    A message is the id of an effect that nobody holds, or what was in the queue.
    """
    said = [
        {"effect_id": each, "correlation_id": "correlation-1"} if isinstance(each, str) else each
        for each in messages
    ]
    named = {f"m-{index}": json.dumps(each) for index, each in enumerate(said)}
    return {
        "Records": [
            {"messageId": message_id, "body": body, "eventSource": "aws:sqs"}
            for message_id, body in {**named, **(bodies or {})}.items()
        ]
    }
