"""What the end-to-end tests see of a deployment, and how they wait for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from chalicelib.aws.store import DynamoStore
from chalicelib.core.control import Drop
from chalicelib.core.effects import Effect, State, effect_id
from chalicelib.core.kinds import EFFECT
from chalicelib.core.storage import WHATEVER, Put, Table
from ops.seed import Seed
from ops.story.books import Books
from ops.story.letters import SentMail

CUSTOMERS = 150
T = TypeVar("T")


def eventually(look: Callable[[], T | None], *, within_seconds: float, what: str) -> T:
    """Look at a real server until it shows something, at most for so long."""
    until = time.monotonic() + within_seconds
    while (seen := look()) is None:
        if time.monotonic() > until:
            raise AssertionError(f"{what}: not within {within_seconds} s")
        time.sleep(0.3)
    return seen


def ledger_of(client: Any, effects_table: str) -> DynamoStore:
    """The deployed ledger."""
    tables: dict[Table, str] = {"effects": effects_table}
    return DynamoStore(lambda: client, tables=tables)


def left_behind(ledger: DynamoStore, name: str, *, state: State, **changes: Any) -> str:
    """An effect that no stream record announces: it was never PLANNED here."""
    now = int(time.time())
    given = {
        "kind": "event",
        "payload": {"before": "loyal", "after": "at_risk", "at": now},
        "lease_until": now - 1,
        "owner": "dead",
        "changed_at": now - 200,
    }
    effect = Effect(
        effect_id(name, str(now)),
        action="Segment Changed",
        subject_key="c#c-1",
        decision_id=None,
        correlation_id="e2e-sweep",
        planned_at=now - 300,
        state=state,
        **{**given, **changes},
    )
    ledger.write([Put(EFFECT.key(effect.effect_id), effect, WHATEVER)], now=now)
    return effect.effect_id


def state_of(ledger: DynamoStore, name: str) -> str | None:
    """Where an effect stands."""
    effect = ledger.read([EFFECT.key(name)], now=int(time.time())).value(EFFECT.key(name))
    return None if effect is None else effect.state


@dataclass(frozen=True, slots=True)
class Filled:
    """A deployment that has taken in a small demo.

    Attributes:
        drops: the files, the orders last.
        books: the ledger once everything was quiet.
        mails: the inbox at that moment.
    """

    seed: Seed
    drops: tuple[Drop, ...]
    books: Books
    mails: tuple[SentMail, ...]
