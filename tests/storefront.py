"""The whole API in memory: real app, real routes, real flows, and twins of everything on AWS."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from chalice.test import Client, HTTPResponse

import app as segue
from chalicelib import telemetry, wiring
from chalicelib.adapters import Adapters
from chalicelib.api.edge import Access
from chalicelib.core.canonical import sha256_hex
from chalicelib.core.catalogue import Product
from chalicelib.core.contact import Contact
from chalicelib.core.control import SCOPES, ApiKey, Switches
from chalicelib.core.facts import Facts
from chalicelib.core.kinds import API_KEY, CONTACT, FACTS, PRODUCT, SWITCH
from chalicelib.core.ports import AgainPorts
from chalicelib.core.rules import Rules
from chalicelib.core.storage import WHATEVER, Kind, Put
from chalicelib.settings import Settings
from tests.beginnings import MemoryBeginnings
from tests.fakes import (
    FixedClock,
    MemoryBus,
    MemoryMailer,
    MemoryObjects,
    MemoryQueue,
    MemorySigningKeys,
    MemoryStore,
)
from tests.unit.core.situations import MUG, NOW, buyer, shipped_rules

SETTINGS = Settings(
    stage="test",
    profiles_table="profiles",
    decisions_table="decisions",
    effects_table="effects",
    control_table="control",
    signals_table="signals",
    drops_bucket="drops",
    results_bucket="results",
    effects_queue_url="https://queue.example/effects",
    bus_name="bus",
    configuration_set="mails",
    sender="The Shop <hello@shop.example>",
    postal_address="The Shop, 1 High Street, 10115 Berlin, Germany",
    public_url="https://api.shop.example/api",
    mail_events_topic="arn:aws:sns:us-east-1:123456789012:mail-events",
    mail_events_queue_url="https://queue.example/mail-events",
    mail_events_dead_letters_url="https://queue.example/mail-events-parked",
    signing_keys_parameter="/segue/test/signing-keys",
)
MUGS = {"lines": [{"sku": "MUG", "quantity": 2, "unit_price": 2000}]}
TEXAS = {"country": "US", "region": "TX", "currency": "USD", "session_id": "s-1"}


def key_text(name: str) -> str:
    """A well-formed API key; the same name gives the same key."""
    key_id = sha256_hex(name.encode())[:12]
    return f"segue_{key_id}_{sha256_hex(b'secret ' + name.encode())[:43]}"


@dataclass(slots=True)
class Storefront:
    """A shop's view of the API, and a look behind it."""

    rules: Rules = field(default_factory=shipped_rules)
    store: MemoryStore = field(default_factory=MemoryStore)
    # Apart, since another function looks keys up: its calls are not the checkout's.
    keyring: MemoryStore = field(default_factory=MemoryStore)
    signing: MemorySigningKeys = field(default_factory=MemorySigningKeys)
    queue: MemoryQueue = field(default_factory=MemoryQueue)
    drops: MemoryQueue = field(default_factory=MemoryQueue)
    bus: MemoryBus = field(default_factory=MemoryBus)
    mailer: MemoryMailer = field(default_factory=MemoryMailer)
    objects: MemoryObjects = field(default_factory=MemoryObjects)
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOW))
    log: io.StringIO = field(default_factory=io.StringIO)
    client: Client = field(default_factory=lambda: Client(segue.app))
    pause: Callable[[float], None] = lambda _: None

    def adapters(self) -> Adapters:
        """This memory in place of AWS."""

        def access() -> Access:
            return Access(self.store, lambda: self.signing.read(now=self.clock()))

        return Adapters(
            hurried=access,
            key_store=lambda: self.keyring,
            store=self.store,
            signing_keys=lambda now: self.signing.read(now=now),
            effects_queue=self.queue,
            later=self.queue,
            again=AgainPorts(MemoryQueue(), MemoryQueue()),
            bus=self.bus,
            objects=self.objects,
            results=MemoryBeginnings(self.objects, SETTINGS.results_bucket),
            mailer=self.mailer,
            drops_queue=self.drops,
        )

    def start(self, adapters: Adapters | None = None) -> None:
        """Start a process of the app with these rules, and this memory unless told otherwise."""
        parts = wiring.Parts(
            SETTINGS, adapters or self.adapters(), clock=self.clock, pause=self.pause
        )
        # A cached property may be filled beforehand: these rules instead of the packaged ones.
        parts.__dict__["rules"] = self.rules
        wiring.install(parts)
        telemetry.configure(stage="test", stream=self.log)

    def knows(
        self, *things: Facts | Contact | Product | Switches, expires_at: int | None = None
    ) -> None:
        """Store what the test begins with, without counting the call."""
        for thing in things:
            match thing:
                case Facts():
                    self._put(FACTS, (thing.subject.key,), thing, expires_at)
                case Contact():
                    self._put(CONTACT, (thing.subject.key,), thing, expires_at)
                case Product():
                    self._put(PRODUCT, (thing.sku,), thing, expires_at)
                case Switches():
                    for copy in range(16):
                        self._put(SWITCH, (str(copy),), thing, expires_at)
        self.store.calls.clear()

    def issue_key(self, *scopes: str, revoked_at: int | None = None) -> str:
        """Make an API key with these scopes, and return its text."""
        text = key_text(f"{scopes} {revoked_at}")
        api_key = ApiKey(text.split("_")[1], scopes, created_at=NOW, revoked_at=revoked_at)
        put = Put(API_KEY.key(sha256_hex(text.encode())), api_key, condition=WHATEVER)
        self.keyring.write([put], now=NOW)
        return text

    def call(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        scopes: Sequence[str] | None = SCOPES,
        headers: Mapping[str, str] | None = None,
    ) -> HTTPResponse:
        """Call the API with a key of these scopes; None calls without a key."""
        sent = {"Content-Type": "application/json", **(headers or {})}
        if scopes is not None:
            sent.setdefault("Authorization", f"Bearer {self.issue_key(*scopes)}")
        data = body if isinstance(body, bytes) else b"" if body is None else _encode(body)
        return self.client.http.request(method, path, headers=sent, body=data)

    def decide(
        self,
        customer_id: str | None = "c-1",
        *,
        cart: Any = MUGS,
        headers: Mapping[str, str] | None = None,
        anonymous_id: str | None = None,
        **context: Any,
    ) -> dict[str, Any]:
        """A checkout that is answered with 200; ``context`` overrides Texas, None leaves out."""
        said = {name: value for name, value in {**TEXAS, **context}.items() if value is not None}
        request: dict[str, Any] = {"context": said}
        for name, value in (
            ("customer_id", customer_id),
            ("anonymous_id", anonymous_id),
            ("cart", cart),
        ):
            if value is not None:
                request[name] = value
        response = self.call("POST", "/v1/decisions", body=request, headers=headers)
        assert response.status_code == 200, response.body
        body: dict[str, Any] = response.json_body
        return body

    def calls(self) -> list[str]:
        """The calls to storage so far, by name, which are then forgotten."""
        names: list[str] = [name for name, _ in self.store.calls]
        self.store.calls.clear()
        return names

    def lines(self, event: str = "request") -> list[dict[str, Any]]:
        """The log lines of one event, oldest first."""
        lines = [json.loads(line) for line in self.log.getvalue().splitlines()]
        return [line for line in lines if line["event"] == event]

    def _put(
        self, kind: Kind[Any], name: tuple[str, ...], value: object, expires_at: int | None
    ) -> None:
        put = Put(kind.key(*name), value, condition=WHATEVER, expires_at=expires_at)
        self.store.write([put], now=self.clock())


@contextmanager
def open_storefront(**given: Any) -> Iterator[Storefront]:
    """Give the app this memory for the length of a test; a known buyer and a mug are there."""
    storefront = Storefront(**given)
    storefront.knows(buyer(silent_days=100), MUG)
    storefront.start()
    try:
        yield storefront
    finally:
        wiring.install(None)
        telemetry.configure(stage="unset")


def _encode(body: object) -> bytes:
    return json.dumps(body).encode()
