"""Segue as it ships: the flow, the store, the mailer and the settings of a deployed function."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal

from chalicelib.adapters import aws_adapters
from chalicelib.aws.clients import Clients
from chalicelib.core.contact import Contact, Stamped
from chalicelib.core.effects import Effect, may_post_again
from chalicelib.core.kinds import CONTACT, EFFECT
from chalicelib.core.storage import WHATEVER, Put
from chalicelib.core.subject import Subject, customer
from chalicelib.flows.act import from_messages
from chalicelib.settings import read_settings
from chalicelib.wiring import Parts
from ops.comparison.contenders import Message, MessageFailed, Mortality
from ops.session import MAIL_ENDPOINT

Purpose = Literal["marketing_email", "transactional"]
NAMES: Mapping[Purpose, str] = {"marketing_email": "marketing", "transactional": "transactional"}


class Held:
    """The delayed messages of mails that are held for a moment, by effect."""

    def __init__(self) -> None:
        """Start empty."""
        self._bodies: dict[str, Mapping[str, Any]] = {}

    def send(
        self, bodies: Sequence[Mapping[str, Any]], *, delay_seconds: int | None = None
    ) -> None:
        """As ``SqsQueue.send``."""
        del delay_seconds  # the next delivery comes later than any delay
        self._bodies |= {body["effect_id"]: body for body in bodies}

    def take_out(self, effect_id: str) -> Mapping[str, Any] | None:
        """Take out the message of an effect; None when it has none."""
        return self._bodies.pop(effect_id, None)

    def has(self, effect_id: str) -> bool:
        """Whether a message of the effect will come."""
        return effect_id in self._bodies


class Segue:
    """The worker behind ``on_effect``, with mails of one purpose."""

    def __init__(
        self,
        environment: Mapping[str, str],
        mortality: Mortality,
        *,
        mail_url: str,
        now: int,
        purpose: Purpose = "marketing_email",
    ) -> None:
        """Make its parts from what a function is told; ``now`` is when everything begins."""
        self.name = f"Segue, {NAMES[purpose]}"
        self._purpose = purpose
        settings = read_settings(environment)
        clients = Clients()
        with _environment({MAIL_ENDPOINT: mail_url}):
            client = clients.sesv2()
        client.meta.events.register("after-call.sesv2.SendEmail", mortality.strike)
        adapters = aws_adapters(settings, clients)
        self._store = adapters.store
        ports = Parts(settings, adapters, clock=lambda: now).act_ports()
        self._held = Held()
        # The rate counts by the moment that a delivery is given, not by a clock.
        self._ports = replace(ports, later=self._held, clock_ms=None)
        self._now = now

    def plan(self, messages: Sequence[Message], *, now: int) -> None:
        """Commit the mails as a decision would, for customers who agreed to them."""
        for message in messages:
            contact = _contact(message)
            planned = _effect(message, self._purpose, now)
            self._store.write(
                [
                    Put(CONTACT.key(contact.subject.key), contact, WHATEVER),
                    Put(EFFECT.key(planned.effect_id), planned, WHATEVER),
                ],
                now=now,
            )

    def handle(self, message: Message, *, worker: str, now: int, short: bool) -> None:
        """Let the worker have one SQS event; raises MessageFailed.

        A mail that is held for a moment has a message of its own, which is the one that comes then.
        Any other mail that waits is brought back by the sweep, which counts as coming back, too.
        """
        first = {"effect_id": message.effect_id, "correlation_id": "comparison"}
        body = json.dumps(self._held.take_out(message.effect_id) or first)
        event = {"Records": [{"messageId": "m", "body": body}]}
        answer = from_messages(event, ports=self._ports, now=now, worker=worker)
        waits = any(map(may_post_again, self._in_doubt([message])))
        if waits or self._held.has(message.effect_id) or answer["batchItemFailures"]:
            raise MessageFailed

    def in_doubt(self, messages: Sequence[Message]) -> int:
        """How many of them the ledger says are in doubt."""
        return len(self._in_doubt(messages))

    def _in_doubt(self, messages: Sequence[Message]) -> list[Effect]:
        keys = [EFFECT.key(message.effect_id) for message in messages]
        found = self._store.read(keys, now=self._now)
        standing = [found.value(key) for key in keys]
        return [each for each in standing if each is not None and each.state == "IN_DOUBT"]


def _subject(message: Message) -> Subject:
    return customer(message.recipient.partition("@")[0])


def _contact(message: Message) -> Contact:
    said = {"email": message.recipient, "consent_marketing_email": True}
    return Contact(_subject(message), {name: Stamped(value, 1) for name, value in said.items()})


def _effect(message: Message, purpose: Purpose, now: int) -> Effect:
    payload: dict[str, Any] = {
        "template": "winback",
        "purpose": purpose,
        "segment": "at_risk",
        "disclosures": [],
    }
    subject = _subject(message).key
    return Effect(
        message.effect_id, "mail", "winback-10", subject, "d-1", "comparison", now, payload
    )


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
