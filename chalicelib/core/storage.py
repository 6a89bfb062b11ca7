"""What can be read and written, as values: one closed vocabulary for every flow.

A flow gathers with ``Key`` values and applies ``Write`` values; only ``aws.store`` knows how
DynamoDB says it, and an in-memory twin passes the same contract suite. Every write states the
condition under which it may happen, and all writes of one call happen together or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from chalicelib.core.errors import Transient

T = TypeVar("T")
Table = Literal["profiles", "decisions", "effects", "control", "signals"]
# Attributes that an index is built on: text for its hash key, text or whole numbers for its range.
IndexAttributes = Mapping[str, str | int]


@dataclass(frozen=True, slots=True, eq=False)
class Kind(Generic[T]):
    """One kind of stored thing; there is one object for each, so it is compared by identity.

    Attributes:
        name: unique name; also the sort key.
        table: the table by lifetime.
        prefix: what its partition keys begin with.
        to_json: the value as JSON.
        from_json: the value back from JSON.
        index: the index attributes of a value; absent ones leave it out of the sparse index.
        compressed: whether the body is stored compressed.
    """

    name: str
    table: Table
    prefix: str
    to_json: Callable[[T], Mapping[str, Any]]
    from_json: Callable[[Mapping[str, Any]], T]
    index: Callable[[T], IndexAttributes] = field(default=lambda _: {})
    compressed: bool = False

    def key(self, name: str, *more: str) -> Key[T]:
        """The key of one thing of this kind."""
        if more:
            name = "#".join((name, *more))
        return _new_key(Key, (self, self.prefix + name))


class Key(NamedTuple, Generic[T]):
    """The name of one stored thing; a tuple, because a checkout makes and hashes dozens."""

    kind: Kind[T]
    partition: str


# A named tuple's own constructor is one more Python function, a dozen times a checkout.
_new_key = tuple.__new__


@dataclass(frozen=True, slots=True)
class Stored(Generic[T]):
    """A value as storage holds it; ``version`` counts its saves from 1."""

    value: T
    version: int
    expires_at: int | None = None


class Found:
    """What one read brought back; expired things are not there, whatever TTL has left behind."""

    def __init__(self, items: Mapping[Key[Any], Stored[Any]], *, now: int) -> None:
        self._items = {
            key: stored
            for key, stored in items.items()
            if stored.expires_at is None or stored.expires_at > now
        }

    def joined(self, other: Found) -> Found:
        """Both together; where both know a thing, the other, which was read later."""
        joined = Found({}, now=0)
        joined._items = {**self._items, **other._items}
        return joined

    def stored(self, key: Key[T]) -> Stored[T] | None:
        """The value with its version, None when absent."""
        return self._items.get(key)

    def value(self, key: Key[T]) -> T | None:
        """The value alone, None when absent."""
        stored = self._items.get(key)
        return None if stored is None else stored.value

    def version(self, key: Key[Any]) -> int:
        """How often the thing was saved; 0 when absent, ready for ``AtVersion``."""
        stored = self._items.get(key)
        return 0 if stored is None else stored.version


@dataclass(frozen=True, slots=True)
class AtVersion:
    """The thing still stands at this version; 0 means that it is absent or expired."""

    version: int


@dataclass(frozen=True, slots=True)
class Whatever:
    """No condition: only for things whose every write is the same or the last one wins."""


@dataclass(frozen=True, slots=True)
class Present:
    """The thing still stands, however often it was saved since: nobody has taken it away."""


ABSENT = AtVersion(0)
WHATEVER = Whatever()
PRESENT = Present()
Condition = AtVersion | Whatever


@dataclass(frozen=True, slots=True)
class Put(Generic[T]):
    """Save a value under a key if the condition holds; ``expires_at`` in epoch seconds."""

    key: Key[T]
    value: T
    condition: Condition = ABSENT
    expires_at: int | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove what stands under a key if the condition holds."""

    key: Key[Any]
    condition: Condition


@dataclass(frozen=True, slots=True)
class Check:
    """Change nothing; the whole write happens only if the condition holds."""

    key: Key[Any]
    condition: AtVersion | Present


Write = Put[Any] | Delete | Check


def merged(writes: Iterable[Write]) -> tuple[Write, ...]:
    """These writes with one put for each key: the last value, under the first condition.

    For what was planned one after the other and is written together.
    """
    by_key: dict[Key[Any], Write] = {}
    for write in writes:
        first = by_key.get(write.key)
        if isinstance(write, Put) and isinstance(first, Put):
            write = Put(write.key, write.value, first.condition, write.expires_at)
        elif first is not None:
            raise ValueError("two writes to one key, and not both are puts")
        by_key[write.key] = write
    return tuple(by_key.values())


class Conflict(Transient):
    """Conditions did not hold; nothing was written. ``failed`` names the writes that lost."""

    def __init__(self, failed: Sequence[Write]) -> None:
        self.failed = tuple(failed)
        super().__init__(", ".join(write.key.kind.name for write in failed) or "contention")

    def lost(self, key: Key[Any]) -> bool:
        """Whether the write to this key was among those that lost."""
        return any(write.key == key for write in self.failed)
