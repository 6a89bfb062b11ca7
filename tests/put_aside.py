"""Mail events full of canaries, ways to fail at taking them in, and what is left of them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from chalicelib.core.canonical import canonical_json
from chalicelib.core.errors import Broken, Transient
from chalicelib.core.storage import Conflict
from tests.fakes import MemoryStore
from tests.mail_events import notification, ses_event, take
from tests.mail_makers import World

CANARY = "quokka"
NAMES = ("send", "delivery", "bounce", "soft_bounce", "complaint", "reject", "open", "click")
KINDS = ("effect", "address", "breaker", "engagement")
# What SES says by itself, and what must be right for an event to be taken at all.
_SES_OWN = frozenset({"eventType", "timestamp", "arrivalDate", "messageId", "bounceType"})


def spoilt(value: Any, name: str = "") -> Any:
    """The same with an address, a name and a subject in every field that is not SES's own."""
    if isinstance(value, dict):
        return {
            key: each if key in _SES_OWN or key == "effect_id" else spoilt(each, key)
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [spoilt(each, name) for each in value]
    if name in ("emailAddress", "destination", "recipients", "to"):
        return f"{CANARY}@example.com"
    if name == "link":
        return f"https://shop.example/?for={CANARY}@example.com"
    return f"{CANARY.title()} {CANARY}@example.com, 10% off, {CANARY}"


def body_of(name: str) -> str:
    """An event with canaries in every field, in an envelope with one."""
    event = spoilt(ses_event(name))
    text = notification(event, Subject=f"Amazon SES Email Event for {CANARY}")
    assert text.casefold().count(CANARY) > 10
    return text


def tables(store: MemoryStore) -> list[Any]:
    """Everything that an event may change."""
    return [dict(store.all(kind)) for kind in KINDS]


def unwrapped(body: dict[str, Any]) -> str:
    """A copy with what is encoded in it, to be searched."""
    encoded = body["stripped"].split(".")[1]
    return json.dumps(body) + base64.urlsafe_b64decode(encoded + "===").decode()


def waits(world: World) -> list[str]:
    """What lies in the queue and in its dead letters, to be searched."""
    return [unwrapped(each) for each in (*world.aside.messages, *world.parked.messages)]


def bodies(messages: list[dict[str, Any]]) -> list[str]:
    """Messages as they stand in a queue."""
    return [canonical_json(each).decode() for each in messages]


ERRORS: dict[str, Callable[[World], None]] = {
    "storage is down": lambda w: w.store.fail_reads(Transient("no answer")),
    "storage takes no write": lambda w: w.store.fail_writes(Transient("no answer")),
    "the reply is lost": lambda w: w.store.lose_replies(Transient("reply lost")),
    "every race is lost": lambda w: w.store.fail_writes(*[Conflict([])] * 5),
    "something is damaged": lambda w: w.store.fail_reads(Broken("damaged")),
    "a bug quotes them": lambda w: w.store.fail_reads(RuntimeError(f"no row for {CANARY}")),
    "a bug quotes them late": lambda w: w.store.fail_writes(KeyError(f"{CANARY}@example.com")),
}


def put_aside(world: World, name: str = "bounce") -> str:
    """A copy that this world made."""
    assert take(world, body_of(name), deliveries=2) == []
    [body] = bodies(world.aside.drain())
    return body
