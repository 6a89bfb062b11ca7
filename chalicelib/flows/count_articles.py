"""From signals to the catalogue: however many speak of an article, one write counts them.

The stream that planned effects come through brings signals, too, up to a hundred at a time. All of
a batch that speaks of one article is joined first, so an article in great demand costs one write a
batch and not one a view. The write takes the signals off as it counts them: a batch that comes
again finds nothing left of what was counted, and counts the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from chalicelib.core.catalogue import Product, take_statement
from chalicelib.core.demand import joined
from chalicelib.core.errors import Transient
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.kinds import PRODUCT
from chalicelib.core.ports import Store
from chalicelib.core.signals import Signal
from chalicelib.core.storage import AtVersion, Conflict, Delete, Key, Put, Write

MOST_ROUNDS = 8
MOST_WRITES = 100  # of one transaction
# An article whose price nobody has said yet is kept that long for the file that may say it.
UNPRICED_SECONDS = 30 * DAY_SECONDS


class Told(NamedTuple):
    """A signal as the stream brought it."""

    key: Key[Signal]
    signal: Signal


class Counted(NamedTuple):
    """What became of a batch: signals counted now, and articles that were written."""

    signals: int = 0
    articles: int = 0


def count_articles(told: Sequence[Told], *, store: Store, now: int) -> Counted:
    """Take signals into the catalogue; those that were taken in before are left alone.

    Raises Transient when storage did not answer, or others kept writing the same articles. Part of
    the batch may then be counted; what is, is not counted again.
    """
    signals = articles = 0
    once = {each.key: each for each in told}
    for batch in _batches(once.values()):
        done = _count(batch, store, now)
        signals, articles = signals + done.signals, articles + done.articles
    return Counted(signals, articles)


def _batches(told: Iterable[Told]) -> Iterator[list[Told]]:
    """As many signals at a time as one transaction holds with all of their articles."""
    batch: list[Told] = []
    articles: set[str] = set()
    for each in told:
        if len(articles | each.signal.articles) + len(batch) + 1 > MOST_WRITES:
            yield batch
            batch, articles = [], set()
        batch.append(each)
        articles |= each.signal.articles
    if batch:
        yield batch


def _count(batch: Sequence[Told], store: Store, now: int) -> Counted:
    for tried in range(MOST_ROUNDS):
        waiting = batch if tried == 0 else _still_there(batch, store)
        writes = _writes(waiting, store, now)
        try:
            store.write(writes, now=now)
        except Conflict:
            continue  # another shard wrote an article, or this batch was counted before
        return Counted(len(waiting), len(writes) - len(waiting))
    raise Transient("others keep writing the same articles")


def _still_there(batch: Sequence[Told], store: Store) -> list[Told]:
    # As of the epoch, when nothing had expired: what TTL has yet to remove was never counted.
    found = store.read([each.key for each in batch], now=0)
    return [each for each in batch if found.stored(each.key) is not None]


def _writes(waiting: Sequence[Told], store: Store, now: int) -> list[Write]:
    """Every article once, and every signal taken off."""
    keys = {sku: PRODUCT.key(sku) for each in waiting for sku in sorted(each.signal.articles)}
    found = store.read(list(keys.values()), now=now) if keys else None
    writes: list[Write] = [Delete(each.key, AtVersion(1)) for each in waiting]
    for sku, key in keys.items():
        standing = None if found is None else found.value(key)
        product = _joined(standing, sku, waiting)
        if product is not None and product != standing:
            version = 0 if found is None else found.version(key)
            expires_at = now + UNPRICED_SECONDS if product.base_price_minor is None else None
            writes.append(Put(key, product, AtVersion(version), expires_at))
    return writes


def _joined(product: Product | None, sku: str, waiting: Iterable[Told]) -> Product | None:
    """An article with all that these signals say of it; None where no shop ever spoke of it."""
    for _, signal in waiting:
        for statement in signal.statements:
            if statement.sku == sku:
                product = take_statement(product, statement)
    if product is None:
        return None
    demand = product.demand
    for _, signal in waiting:
        more = signal.demand.get(sku)
        if more is not None:
            demand = joined(demand, more, half_life_seconds=signal.half_life_seconds)
    return replace(product, demand=demand)
