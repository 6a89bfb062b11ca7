"""One shop with everything that it lets out, and what breaks behind it."""

from __future__ import annotations

import contextlib
import io
import json
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from chalicelib import telemetry
from chalicelib.aws.store import DynamoStore
from chalicelib.core.errors import Transient
from chalicelib.core.storage import WHATEVER, Key, Put
from tests.canaries.words import CANARY, DOMAIN, NAME, Quoting, Sometimes, error
from tests.fakes import MemoryStore
from tests.storefront import Storefront, open_storefront
from tests.stores import TABLES, no_sleep
from tests.unit.core.situations import NOW

# Tables and kinds whose bodies hold what a person is called and where they are reached.
PLACES_OF_CONTACT = ("contact",)


@dataclass
class Zoo:
    """One shop, with everything that it lets out.

    Attributes:
        shop: the API and what lies behind it.
        chance: chooses everything.
        memory: what is stored, past whatever quotes.
        quoting: whether AWS itself fails now and then, with texts that quote.
        statuses: how each way was answered.
    """

    shop: Storefront
    chance: Random
    memory: MemoryStore
    quoting: bool
    statuses: dict[str, set[int]] = field(default_factory=dict)
    way: str = ""

    def name(self) -> str:
        """One of thirty customers, who are canaries."""
        return f"{CANARY}-{self.chance.randrange(30)}"

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        breaks: bool = True,
    ) -> None:
        """Call the API with canaries in the headers, with a body that is perhaps no JSON."""
        sent = f'{{"{CANARY}": '.encode() if self.chance.random() < 0.03 else body
        if breaks:
            self.break_something()
        given = {**self.headers(), **(headers or {})}
        response = self.shop.call(method, path, body=sent, headers=given)
        self.statuses.setdefault(self.way, set()).add(int(response.status_code))
        if response.status_code >= 500:
            assert CANARY not in response.body.decode().casefold()

    def headers(self) -> dict[str, str]:
        """Headers in which a browser or a proxy names somebody; none that a caller has logged."""
        said = {
            "User-Agent": f"Mozilla {CANARY}",
            "Cookie": f"session={CANARY}",
            "Referer": f"https://shop.example/{CANARY}",
            "X-Forwarded-For": CANARY,
            "Accept-Language": CANARY,
            "X-Api-Key": CANARY,
        }
        return {name: value for name, value in said.items() if self.chance.random() < 0.3}

    def break_something(self) -> None:
        """Let some of the next calls to storage fail with a text that quotes the canary."""
        how = self.chance.random()
        calls = [None] * self.chance.randrange(4)
        if how < 0.2:
            self.memory.fail_reads(*calls, error(self.chance))
        elif how < 0.4:
            self.memory.fail_writes(*calls, error(self.chance))
        elif how < 0.5:
            self.memory.lose_replies(*calls, Transient("reply lost"))
        elif how < 0.6:
            self.shop.queue.fail_next(error(self.chance))

    def knows(self, key: Key[Any], value: Any) -> None:
        """Store what a run begins with, whatever storage is like otherwise."""
        self.memory.mend()
        self.memory.write([Put(key, value, WHATEVER)], now=NOW)


Way = Callable[[Zoo], None]


@contextlib.contextmanager
def open_zoo(seed: int, *, quoting: bool) -> Iterator[Zoo]:
    """A shop whose storage quotes in every error, or one in memory that breaks now and then."""
    chance = Random(seed)  # noqa: S311  (a seed, not a secret)
    with open_storefront() as shop:
        memory = shop.store
        if quoting:
            client: Any = Quoting(chance)
            broken: Any = DynamoStore(lambda: client, tables=TABLES, sleep=no_sleep)
            shop.store = Sometimes(shop.store, broken, chance)  # type: ignore[assignment]
            shop.start()
        yield Zoo(shop, chance, memory, quoting)


def one_run(one: Zoo, way: Way, *, log: io.StringIO | None = None) -> list[str]:
    """Say one thing; what got out that should not."""
    one.way = way.__name__
    log = log or io.StringIO()
    telemetry.configure(stage="test", stream=log)
    told = len(one.shop.bus.events)
    escaped = ""
    try:
        way(one)
    except AssertionError:
        raise
    except Exception as broken:
        escaped = "".join(traceback.format_exception(broken))
    letters = json.dumps(one.shop.queue.drain())
    events = json.dumps(
        [[each.detail_type, dict(each.data)] for each in one.shop.bus.events[told:]]
    )
    return [
        *hits(f"{one.way} log", log.getvalue(), CANARY),
        *hits(f"{one.way} queue", letters, CANARY),
        *hits(f"{one.way} exception", escaped, CANARY),
        # The bus names customers by id, which is what it is for; never by name or address.
        *hits(f"{one.way} bus", events, NAME.casefold(), DOMAIN),
    ]


def hits(where: str, text: str, *words: str) -> list[str]:
    """Where a text holds one of these words."""
    text = text.casefold()
    at = max(text.find(word) for word in words)
    return [] if at < 0 else [f"{where}: …{text[max(0, at - 200) : at + 60]}…"]


def misplaced(memory: MemoryStore) -> list[str]:
    """Names and addresses that are stored elsewhere than in a contact."""
    return [
        hit
        for line in memory.dump().splitlines()
        if line.split(" ")[0] not in PLACES_OF_CONTACT
        for hit in hits(line.split(" ")[0], line, NAME.casefold(), DOMAIN)
    ]
